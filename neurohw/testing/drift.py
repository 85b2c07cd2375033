"""T2: float trajectories may part only where the reference itself stood at a threshold.

In each trial the *first* step with unequal spikes counts; what follows it is consequence. There,
in the first population (in the order of a step) that differs, every differing element must be a
near-tie: among the comparisons of floats that feed its spike node, found by walking back from the
node through logic and selects, the reference's smallest ``|a - b|`` is its margin, and

    margin <= 64 * eps * scale * sqrt(t + 1)

with ``eps`` of the float type and ``scale`` the largest magnitude that any float node in the cone
of the comparison took in that trial up to then. Reason: each step adds rounding errors of the
order of ``eps / 2 * scale`` per operation with no preferred sign, which in the worst linear case,
an integrator, add up as a random walk. 64 is 8 standard deviations for 64 unit-gain errors of
``eps / 2 * scale`` (half width of a uniform error, sigma = eps / 2 / sqrt(3)) a step, twice over.
The bound is for dynamics that do not amplify errors; programs that do are tested by T1 alone.

The suite lets at most ``CAP`` of trials x populations be excused, or one if that is less.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from neurohw.compare.numeric import CAP, FACTOR, drift_budget
from neurohw.compare.spiking import cone, deciding_compares
from neurohw.program import Float, Population, Probe, Program, RunState, initial_state
from neurohw.reference import ReferenceRun
from neurohw.testing.cases import Bench, Case
from neurohw.testing.floats import instrument, name_of

__all__ = ["CAP", "FACTOR", "Drift", "NearTie", "drift", "drift_budget"]


@dataclass(frozen=True)
class NearTie:
    """A first mismatch that is excused: where, and how near the reference was to the threshold."""

    population: str
    step: int
    trial: int
    element: int
    margin: float
    budget: float


@dataclass
class Drift:
    """Result of T2 on one case; ``pairs`` is trials x populations that emit spikes."""

    pairs: int = 0
    excused: list[NearTie] = dataclasses.field(default_factory=list)
    problem: str = ""


def feeding_compares(q: Population, index: int) -> list[int]:
    """Comparisons of floats from which the bool node ``index`` follows by logic and selects."""
    found = deciding_compares(q, index)
    return [i for i in found if isinstance(q.nodes[q.nodes[i].args[0]].dtype, Float)]


def _probed(p: Program) -> Program:
    probes = tuple(Probe(q.name, "spikes") for q in p.populations if q.spike is not None)
    return dataclasses.replace(p, probes=probes, watches=())


def drift(b: Bench) -> Drift:
    """Compare the spikes of a whole run; every spiking population is probed for it."""
    from neurohw.backend import compile_program

    c, p = b.case, _probed(b.program)
    out = Drift(pairs=p.trials * len(p.probes))
    got = compile_program(b.backend, p)(b.start(), c.inputs, c.t0, c.steps)[1]
    want = ReferenceRun(p)(b.start(), c.inputs, c.t0, c.steps)[1]
    ids = np.arange(p.trials)
    unequal = {}
    for x in p.probes:
        size = p.population(x.population).size
        a, r = (o.events[x.population].dense(ids, c.t0, c.steps, size) for o in (got, want))
        unequal[x.population] = a != r  # [steps, T, size]
    for trial in range(p.trials):
        steps = [int(s) for u in unequal.values() for s in np.flatnonzero(u[:, trial].any(1))[:1]]
        if not steps:
            continue
        k = min(steps)
        name = next(n for n in p.order if n in unequal and unequal[n][k, trial].any())
        for element in np.flatnonzero(unequal[name][k, trial]):
            tie = _margin(c, p, name, trial, int(element), k)
            if tie is None or not tie.margin <= tie.budget:
                why = (
                    "its spike depends on no comparison of floats"
                    if tie is None
                    else f"margin {tie.margin:.4g} exceeds the drift budget {tie.budget:.4g}"
                )
                out.problem = (
                    f"{name} trial {trial} element {element}: first unequal spike "
                    f"at step {c.t0 + k}, {why}"
                )
                return out
            out.excused.append(tie)
    return out


def _margin(c: Case, p: Program, name: str, trial: int, element: int, k: int) -> NearTie | None:
    q = p.population(name)
    assert q.spike is not None
    compares = feeding_compares(q, q.spike)
    if not compares:
        return None
    values = _replay(c, p, trial, k + 1)
    best: NearTie | None = None
    for i in compares:
        x, y = q.nodes[i].args
        dtype = q.nodes[x].dtype
        assert isinstance(dtype, Float)
        a, b = (values[f"{name}.{name_of(q, j)}"][k, 0, element].astype(float) for j in (x, y))
        scale = max(
            float(np.abs(values[f"{name}.{name_of(q, j)}"][: k + 1, 0, element]).max())
            for j in cone(q, i)
            if isinstance(q.nodes[j].dtype, Float)
        )
        budget = drift_budget(dtype, scale, k)
        tie = NearTie(name, c.t0 + k, trial, element, abs(float(a - b)), budget)
        if np.isfinite(budget) and (
            best is None or tie.margin - budget < best.margin - best.budget
        ):
            best = tie
    return best


def _replay(c: Case, p: Program, trial: int, steps: int) -> dict[str, np.ndarray]:
    """Every node of the reference's run of one trial, ``[steps, 1, size]``."""
    state: RunState = initial_state(p, [trial])
    inputs = {}
    for key, data in (c.inputs or {}).items():
        part = np.asarray(data)[:steps]
        inputs[key] = part[:, trial : trial + 1] if part.ndim == 3 and part.shape[1] > 1 else part
    return ReferenceRun(instrument(p))(state, inputs, c.t0, steps)[1].traces
