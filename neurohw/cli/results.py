"""Results as text: a run, a lowering report, a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neurohw.cli.look import amount, console, plain, table

if TYPE_CHECKING:
    from rich.console import Console

    from neurohw.lowering import LoweringReport
    from neurohw.program import Program
    from neurohw.recording import LedgerEntry, Recording
    from neurohw.run import Crosscheck
    from neurohw.targets import Target

__all__ = [
    "energy_line",
    "ledger_tables",
    "print_comparison",
    "print_run",
    "report_tables",
    "summary",
]

STYLES = {"DIVERGES": "bold red", "bit-identical": "green", "within the float promise": "green"}


def _heading(out: Console, label: str, dt: float, steps: int, trials: int, seed: int) -> None:
    span = f"{steps} steps of {amount(dt, 's')} ({amount(steps * dt, 's')})"
    many = f"{trials} trial{'s' * (trials > 1)}"
    out.print(plain(label, "bold"), f": {span}, {many}, seed {seed}", sep="")


def energy_line(program: Program, recording: Recording, record: Target) -> str:
    """What the synapses and neurons of a chip took by published figures; empty without any."""
    from neurohw.analysis import work_of

    cost = record.energy
    if not (cost.synapse or cost.update):
        return ""
    work = work_of(program, recording)
    total = work.synaptic_events * cost.synapse + work.updates * cost.update
    text = f"{work.synaptic_events:,} synaptic events at {amount(cost.synapse, 'J')}"
    if cost.update:
        text += f", {work.updates:,} updates of neurons at {amount(cost.update, 'J')}"
    if work.uncounted:
        text += f"; without {', '.join(work.uncounted)}"
    return f"energy: {amount(total, 'J')}: {text}. {cost.source}"


def print_run(recording: Recording, report: LoweringReport | None, energy: str = "") -> None:
    out = console()
    r, p = recording, recording.probes
    steps, trials = p.steps, len(p.trials)
    label = f"{r.name} on {r.backend}, target {r.target}"
    _heading(out, label, r.dt, steps, trials, r.seed)
    rows = [
        (n, s["size"], s["spikes"], f"{s['per_trial']:.4g}", f"{s['rate']:.4g} Hz")
        for n, s in _spikes(r).items()
    ]
    out.print()
    columns = ("population", "size", "spikes", "per trial", "rate")
    out.print(table(rows, columns, right="size spikes per_trial rate"))
    if report is not None:
        out.print()
        report_tables(out, report)
    ledger_tables(out, r)
    if energy:
        out.print()
        out.print(energy)


def ledger_tables(out: Any, r: Recording) -> None:
    """How close each register came to overflow; and, if it was asked for, what rounding lost."""
    kinds = {k: [e for e in r.ledger if e.kind == k] for k in ("range", "lost", "zero")}
    rows: list[tuple[Any, ...]] = []
    for e in kinds["range"]:
        left = plain(str(e.count), "bold red" if e.count else "")
        bits, far = f"{e.headroom_bits:+.1f}", f"{e.excess:.0f}" if e.count else ""
        seen = (f"{e.lo} .. {e.hi}", f"{e.low} .. {e.high}", bits)
        rows.append((e.key, *seen, left, far, _first(e)))
    if rows:
        out.print()
        columns = ("register", "range", "seen", "spare bits", "left range", "worst by", "first")
        right = "range seen spare_bits left_range worst_by"
        out.print(table(rows, columns, right=right, title="overflow"))
    rows = [
        (*e.key.rsplit(": ", 1), e.count, f"{e.excess:.4g}" if e.kind == "lost" else "", _first(e))
        for e in (*kinds["lost"], *kinds["zero"])
    ]
    if rows:
        out.print()
        columns = ("rounded", "what", "times", "largest error", "first")
        out.print(table(rows, columns, right="times largest_error", title="lost by rounding"))


def _first(e: LedgerEntry) -> str:
    return "step {}, trial {}, element {}".format(*e.first) if e.first else ""


def report_tables(out: Any, report: Any) -> None:
    """What lowering did: parameters asked and realised, then its warnings and notes."""
    rows = []
    for r in report.rows:
        far = abs(r.error) >= 0.01
        error = "exact" if r.error == 0 else f"{r.error:+.2%}" if abs(r.error) < 10 else "> 10 x"
        if r.error and abs(r.error) < 5e-5:
            error = f"{r.error:+.0e}"
        cells = (r.where, amount(r.asked, r.unit), amount(r.realised, r.unit))
        rows.append((*cells, plain(error, "yellow" if far else ""), r.note))
    title = f"lowering to {report.target}, dt {amount(report.dt, 's')}, {report.method}"
    columns = ("parameter", "asked", "realised", "error", "held as")
    out.print(table(rows, columns, right="asked realised error", title=title))
    for text in report.warnings:
        out.print(plain(f"warning: {text}", "bold yellow"))
    for text in report.notes:
        out.print(f"note: {text}")


def print_comparison(found: Crosscheck) -> None:
    """Verdicts by target, measurements between targets, findings as sentences, what was skipped.

    Every run of a target is held against its first, and the first runs of the targets against each
    other; of the other pairs only those that fail are told.
    """
    out = console()
    first = found.entries[0]
    p, steps, trials = first.program, first.probes.steps, len(first.probes.trials)
    _heading(out, p.name, p.dt, steps, trials, p.seed)
    base: dict[str, int] = {}
    for i, entry in enumerate(found.entries):
        base.setdefault(entry.target, i)

    rows: list[tuple[Any, ...]] = []
    for i, e in enumerate(found.entries):
        count = sum(len(x) for x in e.probes.events.values())
        verdict, against = "", ""
        if i != base[e.target]:
            pair = found.pair(base[e.target], i)
            verdict, against = pair.verdict, found.entries[base[e.target]].backend
        rows.append((e.target, e.backend, count, against, plain(verdict, STYLES.get(verdict, ""))))
    out.print()
    columns = ("target", "backend", "spikes", "against", "verdict")
    out.print(table(rows, columns, right="spikes"))

    firsts = set(base.values())
    between = [
        (pair, row)
        for pair, row in zip(found.pairs, found.rows(), strict=True)
        if {pair.i, pair.j} <= firsts
    ]
    if between:
        columns = ("spikes", "same step", "within window", "lag", "max |dv|")
        named = ((found.entries[q.i].target, found.entries[q.j].target, r) for q, r in between)
        rows = [(a, b, *(r[c] for c in columns)) for a, b, r in named]
        out.print()
        right = "spikes same_step within_window lag max_|dv|"
        out.print(table(rows, ("target", "and", *columns), right=right))
    if between or not found.ok:
        out.print()
    for pair in found.pairs:
        if not pair.ok:
            out.print(plain(f"{pair.a} and {pair.b}: {pair.sentence}", "bold red"))
    for pair, _ in between:
        a, b = (found.entries[k].target for k in (pair.i, pair.j))
        out.print(f"{a} and {b}: {pair.sentence}")
    if found.skipped:
        rows = [(s.backend, s.target, s.reason) for s in found.skipped]
        out.print()
        out.print(table(rows, ("skipped", "target", "reason")))
    for target, report in found.reports.items():
        if report.warnings:
            count = f"{len(report.warnings)} warning{'s' * (len(report.warnings) > 1)}"
            text = f"warning: lowering to {target} gave {count}; see `neurohw show --report`"
            out.print(plain(text, "bold yellow"))


def _spikes(recording: Recording) -> dict[str, dict[str, Any]]:
    out = {}
    trials = len(recording.probes.trials)
    for name in recording.populations:
        size, count = recording.sizes[name], len(recording.spikes(name))
        rate = count / (size * trials * recording.duration)
        out[name] = {"size": size, "spikes": count, "per_trial": count / trials, "rate": rate}
    return out


def summary(r: Recording, report: LoweringReport | None) -> dict[str, Any]:
    """What ``neurohw run --json`` prints."""
    from dataclasses import asdict

    return {
        "name": r.name,
        "backend": r.backend,
        "target": r.target,
        "dt": r.dt,
        "steps": r.probes.steps,
        "trials": len(r.probes.trials),
        "seed": r.seed,
        "program": r.program_hash,
        "populations": _spikes(r),
        "overflow": [
            asdict(e) | {"headroom_bits": e.headroom_bits, "excess": e.excess}
            for e in r.ledger
            if e.kind == "range"
        ],
        "losses": [
            asdict(e) | {"kind": e.kind, "excess": e.excess} for e in r.ledger if e.kind != "range"
        ],
        "lowering": report.as_dict() if report is not None else None,
    }
