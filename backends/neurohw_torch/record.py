"""Recording: values are collected by reference in the step loop and reduced once per block.

Nothing here looks at a value before the block ends, so a device never has to be waited for in
the middle of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Events, LedgerRow, Moments, Probe, Probes, Program, sample_steps
from neurohw_torch.plan import Plan

__all__ = ["EventSink", "LedgerSink", "MomentSink", "Sink", "Tap", "TraceSink", "make_taps"]


class Sink(Protocol):
    """Takes blocks of samples ``[k, T, size]`` taken at ``steps`` (ascending, int64 ``[k]``)."""

    def accept(self, block: Tensor, steps: np.ndarray) -> None: ...

    def finish(self, out: Probes) -> None: ...


@dataclass
class Tap:
    """A value that is recorded: where it is found, when it is sampled, who takes it."""

    population: str
    slot: int
    sink: Sink
    every: int = 1
    offset: int = 0
    rows: list[Tensor] = field(default_factory=list)

    def samples(self, t: int) -> bool:
        """Whether step ``t`` is sampled."""
        return t >= self.offset and (t - self.offset) % self.every == 0

    def steps(self, t: int, steps: int) -> np.ndarray:
        """The steps of ``t .. t + steps - 1`` that are sampled."""
        return sample_steps(Probe("", "", self.every, self.offset), t, steps)


class TraceSink:
    """Every sample."""

    def __init__(
        self, probe: Probe, shape: tuple[int, int], dtype: np.dtype, t0: int, steps: int
    ) -> None:
        self.key, self.filled = probe.key, 0
        self.trace = np.empty((len(sample_steps(probe, t0, steps)), *shape), dtype)

    def accept(self, block: Tensor, steps: np.ndarray) -> None:
        self.trace[self.filled : self.filled + len(block)] = block.cpu().numpy()
        self.filled += len(block)

    def finish(self, out: Probes) -> None:
        out.traces[self.key] = self.trace


class MomentSink:
    """Mean and squared deviations over trials; the samples are not kept.

    On the CPU these are the reference's bits; elsewhere the order of the sums over trials is the
    device's, and a result may differ in the last bits of a float64.
    """

    def __init__(self, probe: Probe, shape: tuple[int, int]) -> None:
        self.key, (self.trials, self.size) = probe.key, shape
        self.parts: list[Moments] = []

    def accept(self, block: Tensor, steps: np.ndarray) -> None:
        if block.device.type == "cpu":
            self.parts.append(Moments.of(block.numpy()))
            return
        x = block.to(torch.float64)
        mean = x.mean(1)
        m2 = ((x - mean[:, None]) ** 2).sum(1)
        self.parts.append(Moments(self.trials, mean.cpu().numpy(), m2.cpu().numpy()))

    def finish(self, out: Probes) -> None:
        none = np.zeros((0, self.size))
        out.moments[self.key] = Moments(
            self.trials,
            np.concatenate([none, *(m.mean for m in self.parts)]),
            np.concatenate([none, *(m.m2 for m in self.parts)]),
        )


class EventSink:
    """The spikes themselves, ascending in (trial, step, element)."""

    def __init__(self, population: str, trials: np.ndarray) -> None:
        self.population, self.trials = population, trials
        self.parts: list[tuple[np.ndarray, ...]] = []

    def accept(self, block: Tensor, steps: np.ndarray) -> None:
        found = block.transpose(0, 1).nonzero(as_tuple=True)
        trial, step, element = (x.cpu().numpy() for x in found)
        self.parts.append((trial, steps[step], element))

    def finish(self, out: Probes) -> None:
        none = np.zeros(0, np.int64)
        trial, step, element = (
            np.concatenate([none, *column])
            for column in (zip(*self.parts, strict=True) if self.parts else ((), (), ()))
        )
        if len(self.parts) > 1:  # blocks of steps, each sorted by trial: merge them
            order = np.argsort(trial, kind="stable")
            trial, step, element = trial[order], step[order], element[order]
        out.events[self.population] = Events(self.trials[trial], step, element)


class LedgerSink:
    """How often a value leaves ``lo..hi``, where first, and its extremes."""

    def __init__(self, key: str, lo: int, hi: int, trials: np.ndarray) -> None:
        self.key, self.lo, self.hi, self.trials = key, lo, hi, trials
        self.row: LedgerRow | None = None

    def accept(self, block: Tensor, steps: np.ndarray) -> None:
        low, high = (int(x) for x in block.aminmax())
        count, first = 0, None
        if low < self.lo or high > self.hi:
            # A bound that the tensor's type does not hold cannot be crossed on that side.
            info = torch.iinfo(block.dtype)
            outside = torch.zeros((), dtype=torch.bool, device=block.device)
            if self.lo > info.min:
                outside = outside | (block < min(self.lo, info.max))
            if self.hi < info.max:
                outside = outside | (block > max(self.hi, info.min))
            if self.lo > info.max or self.hi < info.min:
                outside = torch.ones_like(block, dtype=torch.bool)
            count = int(outside.sum())
            at = int(outside.flatten().to(torch.uint8).argmax())
            step, trial, element = np.unravel_index(at, tuple(block.shape))
            first = int(steps[step]), int(self.trials[trial]), int(element)
        row = LedgerRow(count, first, low, high)
        self.row = self.row.merge(row) if self.row else row

    def finish(self, out: Probes) -> None:
        if self.row is not None:
            out.ledger[self.key] = self.row


def make_taps(
    program: Program, plans: Sequence[Plan], trials: np.ndarray, t0: int, steps: int
) -> list[Tap]:
    """All that a run of ``steps`` steps records."""
    by_name = {plan.population.name: plan for plan in plans}
    taps = []
    for probe in program.probes:
        plan = by_name[probe.population]
        q, shape = plan.population, (len(trials), plan.population.size)
        sink: Sink
        if probe.value == "spikes":
            assert q.spike is not None
            node, sink = q.spike, EventSink(q.name, trials)
        elif probe.reduce:
            node, sink = q.value(probe.value), MomentSink(probe, shape)
        else:
            node = q.value(probe.value)
            sink = TraceSink(probe, shape, q.nodes[node].dtype.storage, t0, steps)
        taps.append(Tap(q.name, plan.values[node], sink, probe.every, probe.offset))
    for w in program.watches:
        plan = by_name[w.population]
        slot = plan.values[plan.population.value(w.value)]
        taps.append(Tap(w.population, slot, LedgerSink(w.key, w.lo, w.hi, trials)))
    for name, plan in by_name.items():
        for trap in plan.traps:
            sink = LedgerSink(trap.key, trap.dtype.lo, trap.dtype.hi, trials)
            taps.append(Tap(name, trap.slot, sink))
    return taps
