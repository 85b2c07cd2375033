"""Synapses: what one arriving spike does, and how strong each of many of them is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurohw.errors import UnitError
from neurohw.network.choices import index_type
from neurohw.network.common import Ask, Origin, Part, frozen, same
from neurohw.network.convolution import Conv2D, in_unit
from neurohw.network.units import FloatArray, Quantity, Scaled, Shown, Value, format_si, to_si

__all__ = ["CSR", "Conductance", "Delta", "Event", "Exponential", "Graded"]
__all__ += ["SynapseModel", "Weight"]

_BLOCK = 1 << 20  # entries looked at together


@dataclass(frozen=True, eq=False)
class CSR:
    """A sparse matrix by rows: row i holds ``data[indptr[i]:indptr[i + 1]]``.

    Attributes
    ----------
    shape : tuple of int
        ``(n_target, n_source)``.
    indptr : int64 array of shape (n_target + 1,)
        Where each row starts.
    indices : int32 array of shape (nnz,)
        Source of each entry; ascending within a row, none twice. int64 beyond 2**31 sources.
    data : float64 array of shape (nnz,)
        Values in SI; one for all takes no room (all strides are 0). All arrays are read-only.
    unit : str
        SI unit of the values, if they have come with one: a synapse of another unit refuses them.
    """

    shape: tuple[int, int]
    indptr: NDArray[np.int64]
    indices: NDArray[np.signedinteger]
    data: FloatArray
    unit: str = ""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Target of each entry, shape (nnz,)."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    def toarray(self) -> FloatArray:
        """The dense matrix of shape `shape`."""
        dense = np.zeros(self.shape)
        dense[self.rows, self.indices] = self.data
        return dense

    @property
    def sound(self) -> bool:
        """Whether the rows are as they must be, and every value is finite."""
        ptr, index, data = self.indptr, self.indices, self.data
        whole = (
            (ptr.shape, index.shape) == ((self.shape[0] + 1,), data.shape)
            and ptr[0] == 0
            and ptr[-1] == index.size
            and not np.any(ptr[1:] < ptr[:-1])
        )
        if not (whole and index.size):
            return bool(whole)
        if not (index.min() >= 0 and index.max() < self.shape[1]):
            return False
        for first in range(1, index.size, _BLOCK):
            part = index[first - 1 : first + _BLOCK]
            falls = np.flatnonzero(part[1:] <= part[:-1]) + first
            if not np.array_equal(ptr[np.searchsorted(ptr, falls)], falls):
                return False
        return bool(np.isfinite([data.min(), data.max()]).all())

    def same_pattern(self, other: CSR) -> bool:
        """Whether both have entries at the same places."""
        return (
            self.shape == other.shape
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
        )

    def __eq__(self, other: object) -> bool:
        """Same shape, places and values."""
        if not isinstance(other, CSR):
            return NotImplemented
        return self.same_pattern(other) and same(self.data, other.data)

    __hash__ = None  # type: ignore[assignment]


Weight = Value | CSR | Conv2D
"""One for all; one per neuron; a matrix [target, source]; a sparse one; or a convolution."""


def read_csr(ask: Ask, key: str, value: Any, unit: str) -> CSR:
    """A CSR from a scipy sparse matrix or array, a CSR, or a mapping.

    Parameters
    ----------
    ask : Ask
        Who asks.
    key : str
        Field name.
    value : scipy.sparse matrix, CSR or Mapping
        A mapping has ``rows``, ``columns``, ``values`` and ``shape``.
    unit : str
        Unit of the values; bare numbers are SI.

    Raises
    ------
    NetworkError
        An entry lies outside the shape or occurs twice.
    UnitError
        A value is not finite or has the wrong unit.
    """
    if hasattr(value, "tocsr"):
        value = value.tocsr()
        if not value.has_canonical_format:
            value = value.copy()
            value.sum_duplicates()
        place = ask.origin.at(key)
        shape, data = (int(value.shape[0]), int(value.shape[1])), np.asarray(value.data)
        if data.dtype != np.float64:
            data = np.atleast_1d(to_si(data, "", where=f"{ask.owner}.{key}", origin=place))
        value = CSR(shape, value.indptr, value.indices, data)
    if isinstance(value, CSR):
        if value.unit in ("", unit) and value.sound:
            ptr, index = np.int64, index_type(value.shape[1])
            return CSR(
                value.shape, frozen(value.indptr, ptr), frozen(value.indices, index),
                frozen(value.data),
            )  # fmt: skip
        values = Scaled(value.data, value.unit) if value.unit else value.data
        value = {
            "rows": value.rows, "columns": value.indices, "values": values, "shape": value.shape,
        }  # fmt: skip
    names = ("rows", "columns", "values", "shape")
    if set(value) != set(names):
        ask.error(key, "not a sparse matrix", got=Shown(", ".join(value)), allowed=", ".join(names))
    rows, columns = (ask.integers(key, value[k]) for k in names[:2])
    shape = tuple(ask.integers(key, value["shape"]).tolist())
    where, place = f"{ask.owner}.{key}", ask.origin.at(key)
    given = value["values"]
    raw = np.asarray(given.magnitude if isinstance(given, Scaled) else given)
    if raw.dtype.kind == "f" and raw.shape == rows.shape == columns.shape:
        for bad in np.flatnonzero(~np.isfinite(raw))[:1]:
            at = (int(rows[bad]), int(columns[bad]))
            ask.error(key, f"not finite at index {at}", got=float(raw[bad]), kind=UnitError)
    values = np.atleast_1d(to_si(value["values"], unit, where=where, origin=place))
    if len(shape) != 2 or rows.ndim != 1 or not rows.shape == columns.shape == values.shape:
        got = Shown(f"shapes {rows.shape}, {columns.shape}, {values.shape} and {len(shape)} axes")
        ask.error(key, "rows, columns and values differ in length", got=got)
    for name, index, bound in (("row", rows, shape[0]), ("column", columns, shape[1])):
        if index.size and index.max() >= bound:
            ask.error(key, f"{name} outside the matrix", got=int(index.max()), allowed=f"< {bound}")
    sorted_already = (np.diff(rows) > 0) | ((np.diff(rows) == 0) & (np.diff(columns) > 0))
    if not sorted_already.all():
        order = np.lexsort((columns, rows))
        rows, columns, values = rows[order], columns[order], values[order]
    twice = (np.diff(rows) == 0) & (np.diff(columns) == 0)
    if twice.any():
        k = int(np.argmax(twice))
        ask.error(key, "an entry occurs twice", got=Shown(f"row {rows[k]}, column {columns[k]}"))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=shape[0]))))
    index = index_type(shape[1])
    return CSR(
        (shape[0], shape[1]), frozen(indptr, np.int64), frozen(columns, index), frozen(values)
    )


def is_sparse(value: Any) -> bool:
    """Whether a value describes a sparse matrix."""
    return isinstance(value, CSR | dict) or hasattr(value, "tocsr")


def _weight(ask: Ask, value: Any, unit: str) -> Weight:
    if isinstance(value, Conv2D):
        return in_unit(ask, "weight", value, unit)
    if is_sparse(value):
        return read_csr(ask, "weight", value, unit)
    where, place = f"{ask.owner}.weight", ask.origin.at("weight")
    number = to_si(value, unit, where=where, origin=place)
    if isinstance(number, np.ndarray) and number.ndim > 2:
        got = Shown(f"{number.ndim} axes")
        ask.error("weight", "wrong shape", got=got, allowed="a matrix [target, source] at most")
    return number


@dataclass(frozen=True, eq=False, init=False)
class Delta(Part):
    """A spike makes V of its target jump by `weight` volts.

    Parameters
    ----------
    weight : Quantity or sparse matrix
        Jump in V, any sign: one value (for every pair), a matrix [target, source], a scipy sparse
        matrix [target, source] (bare SI numbers), one value per neuron (one to one), or a
        convolution (:func:`~neurohw.network.convolution.conv2d`).
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        Wrong unit, or a weight that is not finite (its index is named).
    NetworkError
        More than two axes.
    """

    weight: Weight
    origin: Origin = field(compare=False, repr=False)

    def __init__(self, *, weight: Quantity, origin: Origin | None = None) -> None:
        ask = self._ask(origin)
        self._set(weight=_weight(ask, weight, "V"))


@dataclass(frozen=True, eq=False, init=False)
class Exponential(Part):
    """A spike makes a synaptic current jump by `weight`; it decays: ``tau dI/dt = -I``.

    Parameters
    ----------
    weight : Quantity or sparse matrix
        Jump of the current in A, any sign; forms as for :class:`Delta`.
    tau : Quantity
        Time constant in s, greater than 0, one value.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        Wrong unit, or a weight that is not finite (its index is named).
    NetworkError
        `tau` is not positive, or more than two axes.
    """

    weight: Weight
    tau: float
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self, *, weight: Quantity, tau: Quantity, origin: Origin | None = None
    ) -> None:  # fmt: skip
        ask = self._ask(origin)
        self._set(weight=_weight(ask, weight, "A"), tau=ask.one("tau", tau, "s", above=0))


@dataclass(frozen=True, eq=False, init=False)
class Conductance(Part):
    """A spike makes a synaptic conductance jump by `weight`; ``tau dg/dt = -g``, g >= 0.

    The current into the neuron is ``g (E_rev - V)``: towards the reversal potential, whatever V is.
    Synapses of one neuron with the same `tau`, `E_rev` and `receptor` share one conductance, which
    is recorded as ``g_<receptor>`` (as ``g`` without a name). Source: Dayan and Abbott, Theoretical
    Neuroscience (2001), section 5.8.

    Parameters
    ----------
    weight : Quantity or sparse matrix
        Jump of the conductance in S, at least 0; forms as for :class:`Delta`.
    tau : Quantity
        Time constant in s, greater than 0, one value.
    E_rev : Quantity
        Reversal potential in V, one value.
    receptor : str
        Name of the conductance: letters, digits and underscores.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        Wrong unit, or a weight that is not finite (its index is named).
    NetworkError
        A weight is negative, `tau` is not positive, or more than two axes.
    """

    weight: Weight
    tau: float
    E_rev: float
    receptor: str
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        weight: Quantity,
        tau: Quantity,
        E_rev: Quantity,
        receptor: str = "",
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        self._set(
            weight=_weight(ask, weight, "S"),
            tau=ask.one("tau", tau, "s", above=0),
            E_rev=ask.one("E_rev", E_rev, "V"),
            receptor=receptor,
        )
        given = self.weight
        data = given.data if isinstance(given, CSR | Conv2D) else np.asarray(given)
        if data.size and data.min() < 0:
            ask.error(
                "weight",
                "a conductance is not negative",
                got=Shown(format_si(float(data.min()), "S")),
                allowed="at least 0 S",
                fix="an inhibitory synapse has a low E_rev",
            )
        if not isinstance(receptor, str) or not re.fullmatch(r"[A-Za-z0-9_]*", receptor):
            ask.error("receptor", "not a name", got=receptor, allowed="letters, digits, _")

    @property
    def variable(self) -> str:
        """Under which name the conductance is recorded."""
        return f"g_{self.receptor}" if self.receptor else "g"


@dataclass(frozen=True, eq=False, init=False)
class Graded(Part):
    """Without spikes: the current into the neuron is `weight` times V of the source, at any time.

    With `tau` it follows with a lag: ``tau dI/dt = weight V - I``. So neurons that do not spike,
    such as leaky integrators, drive others. Source: NIR's nodes ``LI`` and ``CubaLI`` that feed
    others (Pedersen et al., Nature Communications 15:8122, 2024); graded transmission in Dayan and
    Abbott, Theoretical Neuroscience (2001), section 7.2.

    Parameters
    ----------
    weight : Quantity or sparse matrix
        Current per volt in S, any sign; forms as for :class:`Delta`. V is measured from 0 V.
    tau : Quantity, optional
        Time constant of the lag in s, greater than 0, one value; none by default.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        Wrong unit, or a weight that is not finite (its index is named).
    NetworkError
        `tau` is not positive, or more than two axes.
    """

    weight: Weight
    tau: float | None
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self, *, weight: Quantity, tau: Quantity | None = None, origin: Origin | None = None
    ) -> None:
        ask = self._ask(origin)
        lag = None if tau is None else ask.one("tau", tau, "s", above=0)
        self._set(weight=_weight(ask, weight, "S"), tau=lag)


@dataclass(frozen=True, eq=False, init=False)
class Event(Part):
    """A spike arrives as a bare event: the input of a :class:`~neurohw.network.neurons.Relay`.

    Parameters
    ----------
    weight : int or matrix of int
        1 where there is a connection, 0 where there is none; forms as for :class:`Delta`.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    NetworkError
        A value is neither 0 nor 1.
    """

    weight: Weight
    origin: Origin = field(compare=False, repr=False)

    def __init__(self, *, weight: Quantity = 1.0, origin: Origin | None = None) -> None:
        ask = self._ask(origin)
        self._set(weight=_weight(ask, weight, ""))
        data = self.weight.data if isinstance(self.weight, CSR | Conv2D) else self.weight
        if not np.isin(data, (0.0, 1.0)).all():
            ask.error("weight", "an event has no strength", got=Shown(str(np.max(data))),
                      allowed="0 or 1")  # fmt: skip


SynapseModel = Delta | Exponential | Conductance | Graded | Event
