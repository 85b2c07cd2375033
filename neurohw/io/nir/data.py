"""NIRData: what the nodes of a graph emit or take in, as files of nir 1.0.8.

The classes mirror ``nir.data_ir``: a :class:`GraphData` holds nodes, a node holds observables (by
convention ``"spikes"``), an observable is on a grid of steps (:class:`GridData`) or a list of
events (:class:`EventData`). Times are in seconds. They are checked when they are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.graph import check_name
from neurohw.network.units import Shown

__all__ = ["NO_EVENT", "EventData", "GraphData", "GridData", "NodeData", "Observable"]

NO_EVENT = -1  # index of no event; its time is inf


def _array(value: Any, where: str, kinds: str, ndim: int, wanted: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in kinds or array.dtype.itemsize > 8 or array.ndim != ndim:
        got = Shown(f"{array.dtype} of shape {array.shape}")
        raise FormatError("not the array that is needed", where=where, got=got, allowed=wanted)
    array = np.array(array, array.dtype.newbyteorder("="), order="C")
    array.flags.writeable = False
    return array


def _seconds(value: Any, where: str) -> float:
    number = float(value) if isinstance(value, int | float | np.number) else math.nan
    if not 0 < number < math.inf:
        raise FormatError("not a time", where=where, got=value, allowed="seconds, greater than 0")
    return number


def _bits(*parts: Any) -> tuple[Any, ...]:
    return tuple(
        (x.dtype.str, x.shape, x.tobytes()) if isinstance(x, np.ndarray) else x for x in parts
    )


@dataclass(frozen=True, eq=False)
class GridData:
    """One value per step and neuron: bool for spikes, else numbers (``nir.TimeGriddedData``).

    Parameters
    ----------
    data : array, shape (samples, steps, neurons)
        bool, integers or floats; kept as they are.
    dt : float
        Step in s.
    where : str, optional
        Path for errors.

    Raises
    ------
    FormatError
        If the shape is another, `dt` is not positive, or a number is not finite.
    """

    data: np.ndarray
    dt: float
    where: InitVar[str] = ""

    def __post_init__(self, where: str) -> None:
        wanted = "numbers or bool of shape (samples, steps, neurons)"
        data = _array(self.data, f"{where}data", "biuf", 3, wanted)
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            raise FormatError("not finite", where=f"{where}data", allowed="finite numbers")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "dt", _seconds(self.dt, f"{where}dt"))

    def __eq__(self, other: object) -> bool:
        """Same data to the last bit."""
        if not isinstance(other, GridData):
            return NotImplemented
        return _bits(self.data, self.dt) == _bits(other.data, other.dt)


@dataclass(frozen=True, eq=False)
class EventData:
    """Events as neuron and time (``nir.EventData``; with values ``nir.ValuedEventData``).

    Parameters
    ----------
    idx : int array, shape (samples, events)
        Neuron; -1 where there is no event (rows are as long as the longest).
    time : float array, shape (samples, events)
        In s, from 0 to `t_max`; inf where there is no event.
    n_neurons : int
    t_max : float
        Length of the recording in s.
    value : array, shape (samples, events), optional
        A number per event.
    where : str, optional
        Path for errors.

    Raises
    ------
    FormatError
        If shapes differ, or a neuron, a time or a value is out of range.
    """

    idx: np.ndarray
    time: np.ndarray
    n_neurons: int
    t_max: float
    value: np.ndarray | None = None
    where: InitVar[str] = ""

    def __post_init__(self, where: str) -> None:
        at = where
        shape = "of shape (samples, events)"
        idx = _array(self.idx, f"{at}idx", "iu", 2, f"integers {shape}")
        time = _array(self.time, f"{at}time", "iuf", 2, f"floats {shape}")
        parts = {"time": time}
        count = self.n_neurons
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
            allowed = "an integer, at least 1"
            raise FormatError("out of range", where=f"{at}n_neurons", got=count, allowed=allowed)
        t_max = _seconds(self.t_max, f"{at}t_max")
        if self.value is not None:
            parts["value"] = _array(self.value, f"{at}value", "biuf", 2, f"numbers {shape}")
        for name, array in parts.items():
            if array.shape != idx.shape:
                got, allowed = Shown(f"shape {array.shape}"), f"shape {idx.shape}, as idx has"
                raise FormatError("wrong shape", where=f"{at}{name}", got=got, allowed=allowed)
        there = idx != NO_EVENT
        values = parts.get("value", idx)
        for name, array, good, allowed in (
            ("idx", idx, (idx >= 0) & (idx < count), f"0 to {count - 1}, or -1"),
            ("time", time, (time >= 0) & (time <= t_max), f"0 to {t_max} s"),
            ("value", values, np.isfinite(values), "finite numbers"),
        ):
            bad = there & ~good
            if bad.any():
                index = tuple(map(int, np.argwhere(bad)[0]))
                what, got = f"out of range at index {index}", array[index].item()
                raise FormatError(what, where=f"{at}{name}", got=got, allowed=allowed)
        for name, value in {**parts, "idx": idx, "n_neurons": int(count), "t_max": t_max}.items():
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        """Same data to the last bit."""
        if not isinstance(other, EventData):
            return NotImplemented
        mine, theirs = (_bits(x.idx, x.time, x.n_neurons, x.t_max, x.value) for x in (self, other))
        return mine == theirs


Observable = GridData | EventData


@dataclass(frozen=True)
class NodeData:
    """Observables of one node, by name: ``"spikes"``, ``"v"``."""

    observables: Mapping[str, Observable]

    def __post_init__(self) -> None:
        for name in self.observables:
            check_name(name, "observables")
        object.__setattr__(self, "observables", MappingProxyType(dict(self.observables)))

    def __getitem__(self, name: str) -> Observable:
        """An observable."""
        return self.observables[name]


@dataclass(frozen=True)
class GraphData:
    """Data of nodes, by the names they have in the graph; an inner graph has data of its own."""

    nodes: Mapping[str, NodeData | GraphData]

    def __post_init__(self) -> None:
        for name in self.nodes:
            check_name(name, "nodes")
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))

    def __getitem__(self, path: str) -> NodeData | GraphData:
        """Data of the node at a path, ``outer/inner``."""
        first, _, rest = path.partition("/")
        found = self.nodes[first]
        if rest and isinstance(found, GraphData):
            return found[rest]
        if rest:
            raise KeyError(path)
        return found
