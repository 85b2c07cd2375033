"""T0 and the properties of a run: each check takes a bench and returns what is wrong.

``CHECKS`` maps names to functions, which return "" if all is well and None if they do not apply;
``examine`` applies them to a case. What "equal" means, also for the floats of moments, is defined
in ``neurohw.compare.numeric``, for this suite and for ``neurohw compare`` alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from neurohw.backend import Backend
from neurohw.compare.numeric import arrays_differ, probes_differ
from neurohw.errors import OverflowTrap
from neurohw.program import (
    Events,
    RunState,
    concat,
    parse,
    print_program,
    sample_steps,
)
from neurohw.program.philox import normals, site_hash, words
from neurohw.testing import budget, floats
from neurohw.testing.cases import (
    Bench,
    Case,
    Failure,
    Outcome,
    carries_floats,
    cut_inputs,
    outcome,
)

__all__ = ["CHECKS", "Examination", "difference", "examine"]

# comparison --------------------------------------------------------------------------------------


def _keys(what: str, got: dict, want: dict) -> str:
    return "" if set(got) == set(want) else f"{what}: {sorted(got)}, reference {sorted(want)}"


def _state(got: RunState, want: RunState) -> str:
    problem = (
        arrays_differ("state.trials", got.trials, want.trials)
        or _keys("state.values", got.values, want.values)
        or _keys("state.history", got.history, want.history)
    )
    for name, values in want.values.items():
        problem = problem or arrays_differ(f"final {name}", got.values[name], values)
    for name, spikes in want.history.items():
        problem = problem or arrays_differ(f"history {name}", got.history[name], spikes)
    return problem


def _columns(e) -> tuple[np.ndarray, ...]:
    return e.trial, e.step, e.element


def difference(got: Outcome, want: Outcome) -> str:
    """Say where two outcomes differ first; empty if nowhere."""
    if isinstance(got, OverflowTrap) or isinstance(want, OverflowTrap):
        a, b = (str(x) if isinstance(x, OverflowTrap) else "no trap" for x in (got, want))
        return "" if a == b else f"trap: {a}; reference: {b}"
    return probes_differ(got[1], want[1]) or _state(got[0], want[0])


# checks ------------------------------------------------------------------------------------------


def identity(b: Bench) -> str | None:
    """T0: spikes, traces, moments, ledger and final state are those of the reference."""
    return None if b.floats else difference(b.got, b.want)


def repeat(b: Bench) -> str:
    """The same call gives the same result, and leaves its arguments as they were."""
    c, state = b.case, b.start()
    inputs = {k: np.array(v) for k, v in c.inputs.items()} if c.inputs else None
    first = outcome(b.run, state, inputs, c.t0, c.steps)
    if problem := _state(state, b.start()):
        return f"the run changed the state it was given: {problem}"
    if any(not np.array_equal(v, c.inputs[k]) for k, v in (inputs or {}).items()):  # type: ignore[index]
        return "the run changed its inputs"
    problem = difference(first, b.got)
    return f"two equal calls differ: {problem}" if problem else ""


def split(b: Bench) -> str | None:
    """A run in two parts, or step by step, is the run in one (where sums have one order)."""
    c = b.case
    if c.steps < 2 or carries_floats(b.program):
        return None
    sizes = {"in two": [c.cut or c.steps // 2], "step by step": list(range(1, c.steps))}
    for label, cuts in sizes.items():
        state, probes, out = b.start(), None, None
        for start, stop in zip([0, *cuts], [*cuts, c.steps], strict=True):
            part = cut_inputs(c.inputs, slice(start, stop))
            out = outcome(b.run, state, part, c.t0 + start, stop - start)
            if isinstance(out, OverflowTrap):
                break
            state = out[0]
            probes = out[1] if probes is None else concat(probes, out[1])
        assert out is not None
        joined = out if isinstance(out, OverflowTrap) or probes is None else (state, probes)
        if problem := difference(joined, b.got):
            return f"run {label} differs from the run in one: {problem}"
        if c.steps > 24:
            break  # the second, slow way only for short runs
    return ""


def alone(b: Bench) -> str | None:
    """A trial by itself does what it does in the batch (programs without floats)."""
    c, trial = b.case, b.program.trials - 1
    if b.floats or trial == 0:
        return None
    inputs = cut_inputs(c.inputs, slice(None), trial)
    got = outcome(b.run, b.start([trial]), inputs, c.t0, c.steps)
    want = outcome(b.reference, b.start([trial]), inputs, c.t0, c.steps)
    problem = difference(got, want)
    if not problem and not isinstance(got, OverflowTrap) and not isinstance(b.got, OverflowTrap):
        for key, trace in got[1].traces.items():
            problem = problem or arrays_differ(key, trace, b.got[1].traces[key][:, trial:])
        for name, e in got[1].events.items():
            whole = b.got[1].events[name]
            mine = whole.trial == trial
            want = Events(*(x[mine] for x in _columns(whole)))
            for x, y in zip(_columns(e), _columns(want), strict=True):
                problem = problem or arrays_differ(f"spikes of {name}", x, y)
    return f"trial {trial} alone: {problem}" if problem else ""


def draws(b: Bench) -> str | None:
    """Probed words and normals are those of ``program.philox``."""
    if isinstance(b.got, OverflowTrap):
        return None
    c, p, found = b.case, b.program, None
    for probe in p.probes:
        q = p.population(probe.population)
        if probe.value == "spikes" or probe.reduce:
            continue
        node = q.nodes[q.value(probe.value)]
        if node.op not in ("word", "normal"):
            continue
        draw = words if node.op == "word" else normals
        found = ""
        site, ids = site_hash(node.attrs["site"]), np.arange(p.trials)
        for row, t in enumerate(sample_steps(probe, c.t0, c.steps)):
            want = draw(p.seed, site, ids, np.arange(q.size), int(t))
            got = b.got[1].traces[probe.key][row]
            if problem := arrays_differ(f"{node.op} at step {t}", got, want.astype(got.dtype)):
                return f"{probe.key}: {problem}"
    return found


def round_trip(b: Bench) -> str:
    """The text of a program is read back as the same program, with the same text and hash."""
    copy = parse(b.program.text)
    if copy != b.program or copy.hash != b.program.hash:
        return "parse(print_program(p)) is another program"
    return ""


CHECKS: dict[str, Callable[[Bench], str | None]] = {
    "identity": identity,
    "repeat": repeat,
    "split": split,
    "alone": alone,
    "draws": draws,
    "round_trip": round_trip,
    "ops": lambda b: floats.ops(b) if b.floats else None,
    "step": lambda b: budget.step(b) if b.floats else None,
}


@dataclass
class Examination:
    """What became of one case: which checks ran, what failed, what was measured.

    ``left`` names the watches (by label) whose value left its range.
    """

    refused: list[tuple[str, str]] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    ulps: dict[str, float] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)


def examine(backend: Backend, case: Case, checks: tuple[str, ...] = ()) -> Examination:
    """Put one case through the checks (all of ``CHECKS``, or those named)."""
    bench, result = Bench(backend, case), Examination()
    result.refused = bench.refused
    if result.refused:
        return result
    for name in checks or CHECKS:
        try:
            detail = CHECKS[name](bench)
        except Exception as error:  # a backend may fail in any way; that is a finding, too
            detail = f"raised {type(error).__name__}: {error}"
        if detail:
            text = f"[{case.label}]\n{print_program(case.program, elide=True)}"
            result.failures.append(Failure(name, text, detail))
        elif detail is not None:  # None: the check says nothing about such a program
            result.passed.append(name)
    result.ulps = getattr(bench, "ulps", {})
    if not bench.floats and not isinstance(bench.want, OverflowTrap):
        ledger = bench.want[1].ledger
        result.left = {w.label or w.value for w in case.program.watches if ledger[w.key].count}
    return result
