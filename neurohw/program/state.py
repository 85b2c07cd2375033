"""What flows in and out of a run: state, inputs, probes, ledger. NumPy at every boundary.

All of it is plain data, so a run can be split, replayed, moved to another backend or saved
between any two steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from neurohw.errors import OverflowTrap, ProgramError
from neurohw.program.program import Population, Probe, Program
from neurohw.program.types import BOOL, Int

__all__ = [
    "Events",
    "LedgerRow",
    "Moments",
    "Probes",
    "RunState",
    "check_inputs",
    "check_traps",
    "concat",
    "initial_state",
    "per_trial",
    "sample_steps",
]


@dataclass(frozen=True)
class RunState:
    """Everything a program remembers between two steps.

    Attributes
    ----------
    trials : int64 [T]
        Trial numbers, each in 0..program.trials - 1, ascending and distinct.
    values : dict
        ``"population.state"`` -> ``[T, size]`` in the type's storage.
    history : dict
        Population -> bool ``[T, depth, size]``; ``[:, k]`` are the spikes of the step that lies
        ``k + 1`` steps back. ``depth`` is the longest delay of an edge that carries them. Also
        ``"population.value"`` -> the same of a value that an edge carries, in its type's storage.
    """

    trials: np.ndarray
    values: dict[str, np.ndarray]
    history: dict[str, np.ndarray]


@dataclass(frozen=True)
class Events:
    """Spikes of a population, ascending in (trial, step, element).

    Attributes
    ----------
    trial, step, element : int32 or int64 [spikes]
        Each column is int32 where all its numbers fit, whatever integers it was made from, else
        int64; only steps from 2**31 on need that. In NumPy an int32 times a Python int stays an
        int32 and may wrap, so widen a column before numbers are built from it:
        ``trial.astype(np.int64) * size + element``.
    """

    trial: np.ndarray
    step: np.ndarray
    element: np.ndarray

    def __post_init__(self) -> None:
        for name in ("trial", "step", "element"):
            object.__setattr__(self, name, _narrow(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.step)

    @staticmethod
    def from_dense(spikes: np.ndarray, trials: np.ndarray, t0: int) -> Events:
        """From bool ``[steps, T, size]``."""
        trial, step, element = np.nonzero(spikes.transpose(1, 0, 2))
        return Events(trials[trial], step + t0, element)

    def dense(self, trials: np.ndarray, t0: int, steps: int, size: int) -> np.ndarray:
        """As bool ``[steps, T, size]``."""
        out = np.zeros((steps, len(trials), size), np.bool_)
        step = self.step.astype(np.int64) - t0
        out[step, np.searchsorted(trials, self.trial), self.element] = True
        return out


def _narrow(column: np.ndarray) -> np.ndarray:
    """As int32 where all numbers fit, else as int64."""
    column = np.asarray(column)
    if column.dtype == np.int32:
        return column
    info = np.iinfo(np.int32)
    small = not column.size or (column.min() >= info.min and column.max() <= info.max)
    return column.astype(np.int32 if small else np.int64, copy=False)


@dataclass(frozen=True)
class Moments:
    """Per sample and element, over trials: count, mean, sum of squared deviations (float64)."""

    count: int
    mean: np.ndarray
    m2: np.ndarray

    def merge(self, other: Moments) -> Moments:
        """Combine with the moments of other trials (Chan, Golub and LeVeque 1979)."""
        n = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / n)
        return Moments(n, mean, self.m2 + other.m2 + delta**2 * (self.count * other.count / n))

    @staticmethod
    def of(samples: np.ndarray) -> Moments:
        """From ``[samples, T, size]``."""
        x = samples.astype(np.float64)
        with np.errstate(all="ignore"):  # inf and NaN are values like others
            mean = x.mean(axis=1)
            return Moments(x.shape[1], mean, ((x - mean[:, None]) ** 2).sum(axis=1))


@dataclass(frozen=True)
class LedgerRow:
    """How often a watched value left its range, where first, and the extremes seen.

    ``count`` is of entries (step, trial, element), not of steps; ``first`` is the smallest of them
    in that order, or None.
    """

    count: int
    first: tuple[int, int, int] | None
    low: int
    high: int

    def merge(self, other: LedgerRow) -> LedgerRow:
        """Combine with another span of steps or trials."""
        firsts = [f for f in (self.first, other.first) if f is not None]
        return LedgerRow(
            self.count + other.count,
            min(firsts) if firsts else None,
            min(self.low, other.low),
            max(self.high, other.high),
        )


@dataclass(frozen=True)
class Probes:
    """What a run recorded: spikes by population, traces and moments by probe key, the ledger.

    ``traces[key]`` is ``[samples, T, size]``; the steps sampled follow from the probe
    (``sample_steps``). ``ledger`` holds one row per watch, by the watch's key; rows whose key
    starts with ``trap:`` belong to operations whose overflow mode is ``trap``.
    """

    t0: int
    steps: int
    trials: np.ndarray
    events: dict[str, Events] = field(default_factory=dict)
    traces: dict[str, np.ndarray] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    ledger: dict[str, LedgerRow] = field(default_factory=dict)


def per_trial(data: np.ndarray, trials: np.ndarray, size: int) -> np.ndarray:
    """Spread a parameter's or initial state's data over ``[T, size]`` for these trials."""
    if data.ndim == 2:
        data = data[trials]
    return np.broadcast_to(data, (len(trials), size))


def initial_state(program: Program, trials: Sequence[int] | np.ndarray | None = None) -> RunState:
    """State before step 0 for some trials (default: all)."""
    ids = np.arange(program.trials) if trials is None else np.asarray(trials, np.int64)
    if trials is not None and (
        ids.ndim != 1
        or ids.size == 0
        or np.any(np.diff(ids) <= 0)
        or (ids[0] < 0 or ids[-1] >= program.trials)
    ):
        raise ProgramError(
            "trials",
            where=program.name,
            got=ids,
            allowed=f"ascending numbers in 0..{program.trials - 1}",
        )
    values = {
        f"{p.name}.{s.name}": np.array(per_trial(s.init, ids, p.size))
        for p in program.populations
        for s in p.states
    }
    history = {}
    for key, depth in program.depth.items():
        name, value = program.carried.get(key, (key, ""))
        p = program.population(name)
        dtype = p.nodes[p.value(value)].dtype if value else BOOL
        history[key] = np.zeros((len(ids), depth, p.size), dtype.storage)
    return RunState(ids.astype(np.int64), values, history)


def sample_steps(probe: Probe, t0: int, steps: int) -> np.ndarray:
    """Steps in ``t0 .. t0 + steps - 1`` at which ``probe`` samples."""
    t = np.arange(t0, t0 + steps)
    return t[(t >= probe.offset) & ((t - probe.offset) % probe.every == 0)]


def check_inputs(
    program: Program,
    inputs: Mapping[str, np.ndarray] | None,
    trials: np.ndarray,
    t0: int,
    steps: int,
) -> dict[str, np.ndarray]:
    """Externals by ``"population.external"`` as ``[steps, T or 1, size]`` in the type's storage.

    An external that is not given takes its embedded events, or zeros.

    Raises
    ------
    ProgramError
        For an unknown name, a wrong shape, or values the type does not hold.
    """
    given = dict(inputs or {})
    out: dict[str, np.ndarray] = {}
    for p in program.populations:
        for x in p.externals:
            key = f"{p.name}.{x.name}"
            data = given.pop(key, None)
            if data is None:
                out[key] = _embedded(p, x.events, x.dtype.storage, t0, steps)
                continue
            data = np.asarray(data)
            shapes = [(steps, p.size), (steps, 1, p.size), (steps, len(trials), p.size)]
            if data.shape not in shapes:
                raise ProgramError(
                    "input has the wrong shape",
                    where=key,
                    got=data.shape,
                    allowed=" or ".join(map(str, shapes)),
                )
            if x.dtype == BOOL and data.dtype != np.bool_ and not np.isin(data, (0, 1)).all():
                raise ProgramError("input is not a spike array", where=key, allowed="0 and 1")
            if (
                isinstance(x.dtype, Int)
                and data.size
                and (data.min() < x.dtype.lo or data.max() > x.dtype.hi)
            ):
                raise ProgramError(
                    "input out of range", where=key, allowed=f"{x.dtype.lo}..{x.dtype.hi}"
                )
            data = np.ascontiguousarray(data, x.dtype.storage)
            out[key] = data[:, None] if data.ndim == 2 else data
    if given:
        raise ProgramError(
            "no such external input",
            where=program.name,
            got=sorted(given),
            allowed=", ".join(out) or "none",
        )
    return out


def _embedded(
    p: Population, events: np.ndarray | None, storage: np.dtype, t0: int, steps: int
) -> np.ndarray:
    data = np.zeros((steps, 1, p.size), storage)
    if events is not None and len(events):
        a, b = np.searchsorted(events[:, 0], (t0, t0 + steps))
        data[events[a:b, 0] - t0, 0, events[a:b, 1]] = True
    return data


def concat(first: Probes, *others: Probes) -> Probes:
    """Join the probes of spans of steps that follow each other, over the same trials."""
    if not others:
        return first
    parts = [first, *others]
    return Probes(
        first.t0,
        sum(p.steps for p in parts),
        first.trials,
        {k: _join([p.events[k] for p in parts], len(first.trials)) for k in first.events},
        {k: np.concatenate([p.traces[k] for p in parts]) for k in first.traces},
        {
            k: Moments(
                m.count,
                np.concatenate([p.moments[k].mean for p in parts]),
                np.concatenate([p.moments[k].m2 for p in parts]),
            )
            for k, m in first.moments.items()
        },
        {k: _merged([p.ledger[k] for p in parts]) for k in first.ledger},
    )


def _join(parts: list[Events], trials: int) -> Events:
    """Spikes of spans that follow each other: those of a trial stay in the order of the spans."""
    trial, step, element = (
        np.concatenate([getattr(e, name) for e in parts]) for name in ("trial", "step", "element")
    )
    if trials > 1:
        order = np.argsort(trial, kind="stable")
        trial, step, element = trial[order], step[order], element[order]
    return Events(trial, step, element)


def _merged(rows: list[LedgerRow]) -> LedgerRow:
    out = rows[0]
    for row in rows[1:]:
        out = out.merge(row)
    return out


def check_traps(program: Program, ledger: Mapping[str, LedgerRow]) -> None:
    """Raise for the earliest operation with overflow mode ``trap`` that left its range."""
    rows = [(r.first, k) for k, r in ledger.items() if k.startswith("trap:") and r.first]
    if rows:
        (step, trial, element), key = min(rows)
        raise OverflowTrap(
            "integer overflow",
            where=f"{program.name}.{key[5:]}",
            got=f"step {step}, trial {trial}, element {element}",
        )
