"""The promise for floats: equal spikes up to shown near-ties, traces within the drift budget.

The same budget as T2 of the conformance suite (``numeric``), from what was recorded: the scale of a
value is the largest magnitude, up to then, of the recorded values and of the added constants and
weights it is computed from. What was not recorded cannot widen it, so this is the stricter test.
In a step with a spike that both have, only the states after it are compared.
"""

from __future__ import annotations

import numpy as np

from neurohw.program import Float, Population, sample_steps

from .divergence import Place, spike_mismatches
from .entry import Entry
from .numeric import CAP, arrays_differ, drift_budget, ledger_differs
from .spiking import cone

__all__ = ["broken_promise"]


def broken_promise(want: Entry, got: Entry) -> tuple[str, list[Place], int]:
    """(what is wrong or empty, where, near-ties excused); ``want`` is the reference."""
    places = spike_mismatches(want, got)
    for p in places:
        for neuron in _unequal(want, got, p):
            if problem := _no_near_tie(want, p, neuron):
                return problem, [p], 0
    pairs = len(want.probes.trials) * len(want.probes.events)
    if len(places) > max(1, CAP * pairs):
        text = f"{len(places)} near-ties in {pairs} trials x populations, more than {CAP:.0%}"
        return text, places, 0
    parted = {p.trial: p.step for p in places}
    problem, where = _traces(want, got, parted)
    if problem or places:
        return problem, where, len(places)
    for key in want.probes.moments:
        if problem := _moments(want, got, key):
            return problem, [], 0
    for key, row in want.probes.ledger.items():
        if problem := ledger_differs(key, got.probes.ledger[key], row):
            return problem, [], 0
    return "", [], 0


def _unequal(a: Entry, b: Entry, p: Place) -> list[int]:
    """Neurons whose spikes differ in that step."""
    out: set[int] = set()
    for e in (a.spikes(p.population), b.spikes(p.population)):
        out ^= set(e.element[(e.trial == p.trial) & (e.step == p.step)].tolist())
    return sorted(out)


def _no_near_tie(want: Entry, p: Place, neuron: int) -> str:
    where = f"{p.population}[{neuron}] step {p.step}, trial {p.trial}: unequal spike"
    rule, q = want.rules[p.population], want.program.population(p.population)
    if rule is None or not isinstance(dtype := q.nodes[rule.node].dtype, Float):
        return f"{where}, decided by no comparison of floats"
    value = want.before_reset(p.population, p.step, p.trial, neuron)
    level = want.threshold(p.population, p.trial, neuron)
    if value is None or level is None:
        return f"{where}, and no probe before the reset shows a near-tie"
    at = (slice(None, p.step + 1), np.searchsorted(want.probes.trials, p.trial), neuron)
    scale = max(abs(level), _scale(want, q, rule.node, at))
    budget, margin = drift_budget(dtype, scale, p.step), abs(value - level)
    return "" if margin <= budget else f"{where}, margin {margin:.4g}, drift budget {budget:.4g}"


def _added(q: Population, nodes: set[int]) -> float:
    """Largest constant that is added, selected or compared, not multiplied."""
    top = 0.0
    for i in nodes:
        if q.nodes[i].op in ("mul", "div"):
            continue
        for j in q.nodes[i].args:
            n = q.nodes[j]
            if not isinstance(n.dtype, Float) or n.op not in ("const", "param"):
                continue
            if n.op == "const":
                top = max(top, abs(float(n.attrs["value"])))
            else:
                data = next(p.data for p in q.params if p.name == n.attrs["name"])
                top = max(top, float(np.abs(data).max(initial=0.0)))
    return top


def _constants(e: Entry, q: Population, index: int) -> float:
    nodes = cone(q, index)
    ports = {q.nodes[i].attrs["name"] for i in nodes if q.nodes[i].op == "input"}
    weights = [
        float(np.abs(x.weights.data).max(initial=0.0))
        for x in e.program.edges
        if x.target == q.name and x.port in ports
    ]
    return max([_added(q, nodes), *weights])


def _relatives(e: Entry, q: Population, index: int) -> list[np.ndarray]:
    """Recorded float values that ``index`` is computed from, in this step or by way of a state."""
    nodes = cone(q, index)
    states = {q.nodes[i].attrs["name"] for i in nodes if q.nodes[i].op == "state"}
    nodes |= {w for name, w in q.writes.items() if name in states}
    names = {q.nodes[i].name for i in nodes if isinstance(q.nodes[i].dtype, Float)} - {""}
    return [s.raw for n in names if (s := e.series.get((q.name, n))) is not None]


def _scale(e: Entry, q: Population, index: int, at: tuple) -> float:
    tops = [float(np.abs(raw[at]).max(initial=0.0)) for raw in _relatives(e, q, index)]
    return max([_constants(e, q, index), *tops])


def _traces(want: Entry, got: Entry, parted: dict[int, int]) -> tuple[str, list[Place]]:
    """Traces up to the step in which a trial's spikes part: floats within budget, others equal."""
    ends = np.array([parted.get(int(t), np.iinfo(np.int64).max) for t in want.probes.trials])
    for (population, name), s in want.series.items():
        other = got.series.get((population, name))
        if other is None:
            return f"trace {s.probe.key}: wrong shape", []
        q = want.program.population(population)
        index = q.value(name)
        if s.raw.shape != other.raw.shape or s.raw.dtype != other.raw.dtype:
            return arrays_differ(s.probe.key, other.raw, s.raw), []
        odd = s.raw != other.raw
        if isinstance(dtype := q.nodes[index].dtype, Float):
            with np.errstate(all="ignore"):
                near = [np.abs(x) for x in _relatives(want, q, index) if x.shape == s.raw.shape]
                top = np.maximum.reduce([np.abs(s.raw), *near])
                top = np.maximum(np.maximum.accumulate(top), _constants(want, q, index))
                limit = drift_budget(dtype, 1.0, 0) * top * np.sqrt(s.steps + 1.0)[:, None, None]
                odd &= ~(np.abs(s.raw - other.raw) <= limit)
                odd &= ~(np.isnan(s.raw) & np.isnan(other.raw))
                if index not in q.writes.values():
                    _drop_spikes(odd, s.steps, want, got, population)
        odd &= s.steps[:, None, None] < ends[:, None]
        if odd.any():
            k, trial, neuron = (int(i) for i in np.argwhere(odd)[0])
            a, b = s.raw[k, trial, neuron], other.raw[k, trial, neuron]
            place = Place(int(want.probes.trials[trial]), int(s.steps[k]), population, neuron, name)
            return f"{s.probe.key}: {b} for {a}, beyond the drift budget", [place]
    return "", []


def _drop_spikes(
    odd: np.ndarray, steps: np.ndarray, want: Entry, got: Entry, population: str
) -> None:
    """Leave out what a value was before a reset, where both agree that there was one.

    The upstroke of a spike amplifies any rounding without limit, and the reset forgets it.
    """
    e = want.spikes(population)
    row, trial = np.searchsorted(steps, e.step), np.searchsorted(want.probes.trials, e.trial)
    here = (row < len(steps)) & (steps[np.minimum(row, len(steps) - 1)] == e.step)
    for k, j, neuron in zip(row[here], trial[here], e.element[here], strict=True):
        odd[k, j, neuron] = False


def _moments(want: Entry, got: Entry, key: str) -> str:
    m, other = want.probes.moments[key], got.probes.moments[key]
    if m.count != other.count or m.mean.shape != other.mean.shape:
        return (
            f"moments {key}: {other.count} of {other.mean.shape}, not {m.count} of {m.mean.shape}"
        )
    probe = next(p for p in want.program.probes if p.key == key)
    q = want.program.population(probe.population)
    dtype = q.nodes[q.value(probe.value)].dtype
    eps = dtype if isinstance(dtype, Float) else Float(64)
    steps = sample_steps(probe, want.probes.t0, want.probes.steps)
    reach = np.abs(m.mean) + np.sqrt(m.m2)
    reach = np.maximum(reach.max(axis=1, initial=0.0), _constants(want, q, q.value(probe.value)))
    limit = drift_budget(eps, 1.0, 0) * (reach * np.sqrt(steps + 1.0))[:, None]
    wide = m.count * limit * (limit + 2 * np.sqrt(m.m2 / max(m.count, 1)) + 2 * limit)
    bad = ~(np.abs(other.mean - m.mean) <= limit) | ~(np.abs(other.m2 - m.m2) <= wide)
    return f"moments {key} beyond the drift budget" if bad.any() else ""
