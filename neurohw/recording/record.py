"""What a run left behind, with all it takes to read it: spikes, traces, moments, the ledger.

A :class:`Recording` keeps the numbers as the program had them (integers of the chip, floats of the
engine) and knows how to turn them into physical units. ``save`` writes them exactly, as NetCDF-4
(which is HDF5) that ``xarray.open_dataset`` shows in physical units; ``load`` reads them back.

Steps are absolute: a population that retiming delays by ``latency`` steps spikes that much later
than in the network. ``neurohw.compare`` subtracts it, this module does not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program import (
    Events,
    Float,
    Probe,
    Probes,
    Program,
    bits_shifted_out,
    is_loss,
    sample_steps,
)

if TYPE_CHECKING:
    import neo
    import xarray

__all__ = ["LedgerEntry", "Recording", "headroom"]


def headroom(lo: int, hi: int, low: int, high: int) -> float:
    """Bits left before values seen in ``low..high`` leave ``lo..hi``; negative if they have.

    The smaller of ``log2(hi / high)`` and ``log2(lo / low)``: how often all values could be
    doubled. ``inf`` where nothing but zero was seen, ``-inf`` where a bound of zero was passed.
    """

    def side(limit: int, seen: int) -> float:
        if limit > 0 and seen > 0:
            return math.log2(limit / seen)
        return -math.inf if seen > limit else math.inf

    return min(side(hi, high), side(-lo, -low))


@dataclass(frozen=True)
class LedgerEntry:
    """A row of the overflow ledger beside its limits.

    ``first`` is (step, trial, neuron) of the first value outside ``lo..hi``, or None.
    """

    key: str
    lo: int
    hi: int
    count: int
    first: tuple[int, int, int] | None
    low: int
    high: int

    @property
    def kind(self) -> str:
        """``range``: of a register; ``lost`` and ``zero``: of a shift (see ``with_losses``)."""
        if not is_loss(self.key):
            return "range"
        return "zero" if bits_shifted_out(self.key) is None else "lost"

    @property
    def headroom_bits(self) -> float:
        """See :func:`headroom`."""
        return headroom(self.lo, self.hi, self.low, self.high)

    @property
    def excess(self) -> float:
        """How far the worst value lay outside ``lo..hi``; of ``lost`` the largest rounding error.

        In units of the value, the last place; a rounding error is a fraction of it.
        """
        far = max(self.high - self.hi, self.lo - self.low, 0)
        return far / 2 ** (bits_shifted_out(self.key) or 0)


@dataclass(frozen=True, eq=False)
class Recording:
    """The outcome of one run.

    Attributes
    ----------
    name, target, backend : str
        Of the network, of the target, of what executed it.
    dt : float
        Step in seconds.
    latency : mapping
        Population -> steps by which retiming delayed it.
    sizes : mapping
        Population -> number of neurons.
    declared : tuple of Probe
        The program's probes, with scale, shift and unit.
    limits : mapping
        Key of a ledger row -> (lo, hi).
    program : str or Program
        What was run, or the hash of it: where there are many weights it takes a while to make.
    probes : Probes
        The numbers.
    """

    name: str
    target: str
    backend: str
    dt: float
    seed: int
    program: str | Program = field(repr=False)
    probes: Probes
    declared: tuple[Probe, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @staticmethod
    def of(program: Program, probes: Probes, *, backend: str) -> Recording:
        """From a program and what a run of it recorded."""
        limits = {w.key: (w.lo, w.hi) for w in program.watches}
        for q in program.populations:
            for i, n in enumerate(q.nodes):
                if n.attrs.get("overflow") == "trap" and not isinstance(n.dtype, Float):
                    limits[f"trap:{q.name}.%{i}"] = (n.dtype.lo, n.dtype.hi)
        return Recording(
            program.name,
            program.target,
            backend,
            program.dt,
            program.seed,
            program,
            probes,
            program.probes,
            {q.name: q.size for q in program.populations},
            dict(program.latency),
            {k: v for k, v in limits.items() if k in probes.ledger},
        )

    @property
    def program_hash(self) -> str:
        """SHA-256 of the program, its identity."""
        return self.program if isinstance(self.program, str) else self.program.hash

    @property
    def populations(self) -> tuple[str, ...]:
        """Populations whose spikes were recorded."""
        return tuple(self.probes.events)

    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """(population, variable) of every trace."""
        found = (p for p in self.declared if p.key in self.probes.traces)
        return tuple((p.population, p.value) for p in found)

    @property
    def duration(self) -> float:
        """Length of the run in seconds."""
        return self.probes.steps * self.dt

    def _missing(self, what: str, got: str, known: list[str]) -> ProgramError:
        return ProgramError(
            f"no {what} recorded",
            where=f"{self.name} ({self.backend}/{self.target})",
            got=got,
            allowed=", ".join(known) or "nothing",
            fix="add a probe to the network",
        )

    def _probe(self, population: str, variable: str, reduce: str = "") -> Probe:
        for p in self.declared:
            if (p.population, p.value, p.reduce) == (population, variable, reduce):
                return p
        known = [p.key for p in self.declared if p.reduce == reduce and p.value != "spikes"]
        raise self._missing(reduce or "trace", f"{population}.{variable}", known)

    def spikes(self, population: str) -> Events:
        """Spikes of a population, ascending in (trial, step, element)."""
        if population not in self.probes.events:
            raise self._missing("spikes", population, list(self.populations))
        return self.probes.events[population]

    def raw(self, population: str, variable: str = "v") -> np.ndarray:
        """A trace in the program's own numbers, ``[samples, trials, neurons]``."""
        return self.probes.traces[self._probe(population, variable).key]

    def _grid(self, p: Probe) -> dict[str, Any]:
        steps = sample_steps(p, self.probes.t0, self.probes.steps)
        return {
            "time": ("time", steps * self.dt, {"units": "s"}),
            "step": ("time", steps),
            "neuron": np.arange(self.sizes[p.population]),
        }

    def trace(self, population: str, variable: str = "v") -> xarray.DataArray:
        """A trace in physical units: dims time [s], trial, neuron; float64."""
        import xarray

        p = self._probe(population, variable)
        return xarray.DataArray(
            self.raw(population, variable) * np.float64(p.scale) + p.shift,
            dims=("time", "trial", "neuron"),
            coords=self._grid(p) | {"trial": self.probes.trials},
            name=p.key,
            attrs={"units": p.unit, "raw_scale": p.scale, "raw_shift": p.shift},
        )

    def moments(self, population: str, variable: str = "v") -> xarray.Dataset:
        """Mean and standard deviation (of N - 1) over the trials, physical; attribute ``count``."""
        import xarray

        p = self._probe(population, variable, "moments")
        m, dims = self.probes.moments[p.key], ("time", "neuron")
        std = np.sqrt(m.m2 / max(m.count - 1, 1)) * abs(p.scale)
        unit = {"units": p.unit}
        return xarray.Dataset(
            {"mean": (dims, m.mean * p.scale + p.shift, unit), "std": (dims, std, unit)},
            coords=self._grid(p),
            attrs={"count": m.count},
        )

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """The overflow ledger with limits and headroom."""
        rows = ((k, r) for k, r in self.probes.ledger.items() if k in self.limits)
        return tuple(
            LedgerEntry(k, *self.limits[k], r.count, r.first, r.low, r.high) for k, r in rows
        )

    # files ---------------------------------------------------------------------------------------

    def to_dataset(self) -> xarray.Dataset:
        """All of it as one Dataset in physical units; what ``open_dataset`` makes of the file."""
        from neurohw.recording.netcdf import dataset

        return dataset(self)

    def to_neo(self, *, trials: Iterable[int] | None = None) -> neo.Block:
        """As a `neo` Block, one Segment per trial (default: all): SpikeTrains and AnalogSignals.

        Times are in s and absolute, as in `spikes`; traces in their units. Each object says where
        it comes from in its annotations: population, neuron, trial, backend, target, seed (text
        from 2**63 on) and latency (s). Moments and the ledger have no place there.
        """
        from neurohw.recording.neo import block

        return block(self, trials=trials)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a NetCDF-4 file; a reader never sees half of one."""
        from neurohw.recording.netcdf import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Recording:
        """Read a file written by :meth:`save`.

        Raises
        ------
        FormatError
            If the file is missing, is something else, is newer than this version, or damaged.
        """
        from neurohw.recording.netcdf import load

        return load(path)
