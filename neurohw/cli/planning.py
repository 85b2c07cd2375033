"""``neurohw plan``: what a target will do to a network, and whether it came true; ``--fail-on``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from neurohw.cli.data import Data, read_data
from neurohw.cli.front import fail
from neurohw.cli.look import amount, console, plain, progress, table
from neurohw.cli.results import ledger_tables, report_tables
from neurohw.cli.source import (
    FIRST,
    Dt,
    Duration,
    File,
    Losses,
    Method,
    Seed,
    Steps,
    Trials,
    names,
    read,
    schedule,
)

if TYPE_CHECKING:
    from neurohw.forecast import Finding, Forecast, Measured

__all__ = ["FailOn", "failing", "plan"]

FailOn: TypeAlias = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="KIND,...",
        help="Exit with 1 on any of: overflow, silent, rate, weights, threshold, tau, latency; "
        "or all.",
    ),
]


def plan(
    file: File,
    target: Annotated[
        str, typer.Option(help="A target's name, or a record's path.", show_default=FIRST)
    ] = "",
    data: Data = None,
    measured: Annotated[
        bool,
        typer.Option("--measure/--no-measure", help="Run float64 and the target, and compare."),
    ] = True,
    backend: Annotated[str, typer.Option(help="What executes the runs.")] = "native",
    dt: Dt = None,
    duration: Duration = None,
    steps: Steps = None,
    trials: Trials = None,
    seed: Seed = None,
    method: Method = "",
    losses: Losses = False,
    fail_on: FailOn = "",
    strict: Annotated[bool, typer.Option("--strict", help="--fail-on all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what a target will do to a network, and run it.

    Forecasts the error of every parameter, of the f-I curve and of the mean rate of each
    population, names populations that will be silent and registers that will overflow, and the
    choices that lowering rejected. Then float64 and the target are run and their rates compared.
    """
    kinds = _kinds("all" if strict else fail_on)
    source = read(file, dt=dt, data=data)
    if source.network is None or source.spec is None:
        fail("a program is lowered already", where=str(file), fix="give the network")
    assert source.network is not None and source.spec is not None
    from neurohw.forecast import forecast, measure

    inputs, steps = read_data(data, source, duration, steps)
    spec = schedule(source.spec, dt=dt, duration=duration, steps=steps, trials=trials, seed=seed)
    record = source.rules(target or next(iter(spec.targets), "loihi1"))
    rates = {k: float(x.mean()) / spec.dt for k, x in (inputs or {}).items() if x.dtype == bool}
    found = forecast(source.network, record, dt=spec.dt, method=method, seed=spec.seed, rates=rates)
    ran = None
    if measured:
        with progress() as tick:
            ran = measure(
                source.network, record, dt=spec.dt, steps=spec.steps, trials=spec.trials,
                seed=spec.seed, method=method, inputs=inputs, backend=backend, losses=losses,
                progress=tick,
            )  # fmt: skip
    if as_json:
        import json

        both = {"forecast": found.as_dict(), "measured": ran and ran.as_dict()}
        print(json.dumps(both, indent=2, allow_nan=False))
    else:
        _print(found, ran)
    failing([*found.findings, *(ran.findings if ran else ())], kinds)


def _kinds(text: str) -> tuple[str, ...]:
    from neurohw.forecast import KINDS

    if text == "all":
        return tuple(KINDS)
    for name in (asked := names(text)):
        if name not in KINDS:
            from neurohw.network.common import nearest

            fail("unknown kind of failure", where="--fail-on", got=name,
                 allowed=", ".join([*KINDS, "all"]), fix=nearest(name, KINDS))  # fmt: skip
    return asked


def failing(findings: Iterable[Finding], kinds: tuple[str, ...] | str) -> None:
    """Exit with 1, and say why, if there is a finding of one of the kinds."""
    kinds = _kinds(kinds) if isinstance(kinds, str) else kinds
    bad = [f for f in findings if f.kind in kinds]
    if not bad:
        return
    for f in bad:
        typer.echo(f"failed on {f.kind}: {f.text}", err=True)
    raise typer.Exit(1)


def _print(found: Forecast, ran: Measured | None) -> None:
    out = console()
    report_tables(out, found.report)
    if found.rejected:
        cells = [(x.where, x.taken, x.other, x.why) for x in found.rejected]
        out.print()
        columns = ("choice", "taken", "rejected", "because")
        out.print(table(cells, columns, title="choices"))
    rows = []
    for x in found.layers:
        cells = [
            x.population,
            str(x.size),
            f"{100 * x.zeroed:.0f} %",
            _error(x.weight_error),
            _error(x.threshold_error),
            _error(x.tau_error),
            _error(x.tau_syn_error),
            _error(x.fi_error),
            _rate(x.rate_asked),
            "silent" if x.silent else _rate(x.rate),
        ]
        if ran is not None:
            cells += [_rate(r) for r in ran.rates[x.population]]
        rows.append(cells)
    if ran is not None:
        for name in found.unknown:
            rows.append([name, *[""] * 9, *(_rate(r) for r in ran.rates[name])])
    columns = ["population", "size", "weights lost", "weights", "threshold", "tau", "tau syn",
               "f-I", "forecast float64", f"forecast {found.target}"]  # fmt: skip
    if ran is not None:
        columns += ["measured float64", f"measured {found.target}"]
    out.print()
    right = " ".join(c.replace(" ", "_") for c in columns[1:])
    out.print(table(rows, columns, right=right, title="errors and rates"))
    if ran is not None:
        ledger_tables(out, ran.recording)
    out.print()
    if found.unknown:
        why = f"not a linear neuron's step on {found.target}"
        out.print(f"no forecast for {', '.join(found.unknown)}: {why}")
    for f in found.findings:
        word = "forecast" if f.certain else "forecast (expected)"
        out.print(plain(f"{word}, {f.kind}: {f.text}", "bold yellow"))
    for f in ran.findings if ran else ():
        out.print(plain(f"measured, {f.kind}: {f.text}", "bold red"))
    if not found.findings and not (ran and ran.findings):
        out.print("nothing to warn of")


def _error(x: float) -> str:
    return "" if x != x else "exact" if x == 0 else f"{100 * x:+.2g} %"


def _rate(x: float) -> Any:
    return "" if x != x else amount(x, "Hz")
