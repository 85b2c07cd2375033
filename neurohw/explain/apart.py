"""How far two runs are apart, spike by spike; a neuron may spike several times in a step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurohw.compare import Divergence, Entry
from neurohw.program import Probe, Program

__all__ = ["Apart", "apart", "first_unequal_count", "keys", "with_counts"]

Array = np.ndarray
_COUNT = "count"


@dataclass(frozen=True, order=True)
class Apart:
    """How far two runs are apart; the smaller, the closer.

    Attributes
    ----------
    sooner : int
        Minus the step of the first unequal spike; minus the number of steps if there is none.
    distance : float
        1 - Jaccard index over all spikes of neurons: 0 equal, 1 nothing shared.
    """

    sooner: int
    distance: float

    @property
    def equal(self) -> bool:
        """Whether no spike differs."""
        return self.distance == 0


def with_counts(program: Program, counted: bool = True) -> Program:
    """The program, recording how often each neuron spikes in each step, where that may be twice.

    With ``counted = False`` it is not recorded, whatever the network's probes say.
    """
    several = {
        q.name
        for q in program.populations
        if q.spike is not None and any(n.name == _COUNT for n in q.nodes)
    }
    kept = [p for p in program.probes if p.value != _COUNT or p.population not in several]
    more = [Probe(name, _COUNT) for name in sorted(several)] if counted else []
    return dataclasses.replace(program, probes=(*kept, *more)) if several else program


def _numbers(e: Entry, name: str) -> Array:
    """How many spikes each event of a population stands for."""
    events, trace = e.probes.events[name], e.probes.traces.get(f"{name}.{_COUNT}")
    if trace is None:
        return np.ones(len(events), np.int64)
    trial = np.searchsorted(e.probes.trials, events.trial)
    step = events.step.astype(np.int64) - e.probes.t0
    return trace[step, trial, events.element].astype(np.int64)


def _most(e: Entry, names: Sequence[str]) -> int:
    """The largest number of spikes of a neuron in a step."""
    return max((int(_numbers(e, n).max(initial=1)) for n in names), default=1)


def keys(e: Entry, names: Sequence[str], most: int = 1) -> Array:
    """One ascending number per spike of the populations, in network time: by step first.

    The k-th spike of a neuron in a step, k from 0, is the number ``place * most + k``.
    """
    found = []
    populations = [e.program.population(name) for name in names]
    total = sum(q.size for q in populations)
    trials, first = len(e.probes.trials), 0
    for q in populations:
        s = e.spikes(q.name)
        trial = np.searchsorted(e.probes.trials, s.trial)
        place = (s.step.astype(np.int64) * trials + trial) * total + first + s.element
        if most == 1:
            found.append(place)
        else:
            many = np.minimum(_numbers(e, q.name), most)
            start = np.repeat(np.cumsum(many) - many, many)
            found.append(np.repeat(place * most, many) + np.arange(many.sum()) - start)
        first += q.size
    return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


def apart(a: Entry, b: Entry, names: Sequence[str]) -> Apart:
    """How far the spikes of some populations are apart, up to the last step that both runs have."""
    x, y, most = _both(a, b, names)
    shared = len(np.intersect1d(x, y, assume_unique=True))
    union = len(x) + len(y) - shared
    odd = np.setxor1d(x, y, assume_unique=True)
    first = int(odd[0]) // (_per_step(a, names) * most) if len(odd) else _steps(a, b)
    return Apart(-first, 1 - shared / union if union else 0.0)


def _both(a: Entry, b: Entry, names: Sequence[str]) -> tuple[Array, Array, int]:
    """Keys of both, up to the last step that both have, and the ``most`` they were made with."""
    most = max(_most(a, names), _most(b, names))
    end = _steps(a, b) * _per_step(a, names) * most
    x, y = (k[: np.searchsorted(k, end)] for k in (keys(e, names, most) for e in (a, b)))
    return x, y, most


def _per_step(e: Entry, names: Sequence[str]) -> int:
    return len(e.probes.trials) * sum(e.program.population(name).size for name in names)


def _steps(a: Entry, b: Entry) -> int:
    late = max((*a.program.latency.values(), *b.program.latency.values(), 0))
    return a.probes.t0 + a.probes.steps - late


def first_unequal_count(a: Entry, b: Entry, names: Sequence[str]) -> Divergence | None:
    """The first neuron and step in which the numbers of spikes differ; None if nowhere.

    ``value_a`` and ``value_b`` are these numbers.
    """
    x, y, most = _both(a, b, names)
    odd = np.setxor1d(x, y, assume_unique=True)
    if not len(odd):
        return None
    place = int(odd[0]) // most
    counts = [int(np.count_nonzero(k // most == place)) for k in (x, y)]
    sizes = [a.program.population(name).size for name in names]
    per_step = _per_step(a, names)
    step, rest = divmod(place, per_step)
    trial, element = divmod(rest, per_step // len(a.probes.trials))
    ends = np.cumsum(sizes)
    at = int(np.searchsorted(ends, element, side="right"))
    neuron = element - int(ends[at] - sizes[at])
    return Divergence(
        trial=int(a.probes.trials[trial]), step=step, time=step * a.program.dt,
        population=names[at], neuron=neuron, variable=_COUNT,
        value_a=counts[0], value_b=counts[1], unit="", raw_a=counts[0], raw_b=counts[1],
        spike_a=counts[0] > 0, spike_b=counts[1] > 0, threshold_a=None, threshold_b=None,
    )  # fmt: skip
