"""What lowering did to a network: every parameter asked for and realised, every loss named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from neurohw.program.rows import repeated

from .wires import single

__all__ = ["Choice", "Log", "LoweringReport", "Row", "WeightErrors", "worst"]

_BLOCK = 1 << 20  # weights looked at together


@dataclass(frozen=True)
class Row:
    """One parameter: what was asked for, and what the program holds.

    Attributes
    ----------
    where : str
        ``population.field`` or ``source->target.field``.
    asked, realised : float
        In ``unit``. For an array, of the element with the largest error.
    note : str
        How it is held on the target: register values, exponents, counts.
    """

    where: str
    asked: float
    realised: float
    unit: str
    note: str = ""

    @property
    def error(self) -> float:
        """Relative error; 0 where nothing was asked and nothing realised."""
        if self.asked == self.realised:
            return 0.0
        return (self.realised - self.asked) / abs(self.asked) if self.asked else float("inf")


@dataclass(frozen=True, eq=False)
class WeightErrors:
    """Every weight of one connection, asked for and realised, in the unit of its synapse.

    Attributes
    ----------
    asked : array
        As in the network.
    held : array or number
        As in the program; one number where all are the same.
    factor : array or number
        What a weight that is held has been multiplied by.
    """

    asked: np.ndarray
    held: np.ndarray
    unit: str
    factor: np.ndarray | np.floating | float = 1.0

    @property
    def realised(self) -> np.ndarray:
        """What is held, in the unit of the synapse."""
        _, realised = self._pair()
        return np.broadcast_to(realised, self.asked.shape)

    @property
    def error(self) -> np.ndarray:
        """Relative error of each weight that is not zero; 0 elsewhere."""
        return np.broadcast_to(_relative(*self._pair()), self.asked.shape)

    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Asked and realised; a number each where all weights are the same."""
        realised = np.asarray(single(np.asarray(self.held)), np.float64) / self.factor
        return np.asarray(single(self.asked)), np.asarray(realised)

    def summary(self) -> dict[str, Any]:
        """Count, largest and root-mean-square relative error, how many round to zero."""
        asked, realised = np.broadcast_arrays(*self._pair())
        some = asked != 0
        error = np.abs(_relative(asked, realised)[some])
        lost = np.count_nonzero(some & (realised == 0))
        return {
            "count": int(self.asked.size),
            "largest_error": float(error.max(initial=0.0)),
            "rms_error": float(np.sqrt(np.mean(error**2))) if error.size else 0.0,
            "rounded_to_zero": int(lost * (self.asked.size // max(1, asked.size))),
            "unit": self.unit,
        }

    def worst(self, where: str, note: str = "") -> Row:
        """The row of the weight with the largest error; there is at least one weight."""
        parts = [np.broadcast_to(x, self.asked.shape) for x in (self.asked, self.held, self.factor)]
        if all(map(repeated, parts)):
            parts = [x.reshape(-1)[:1] for x in parts]
        rows = max(1, _BLOCK // parts[0][:1].size)
        one = other = far = -1.0
        for first in range(0, len(parts[0]), rows):
            a, held, factor = (x[first : first + rows] for x in parts)
            r = held.astype(np.float64) / factor
            off = np.abs(a - r)
            at = np.unravel_index(np.argmax(off), off.shape)
            if off[at] > far:
                one, other, far = float(a[at]), float(r[at]), float(off[at])
        if self.asked.size > 1:
            note = f"{note}; worst of {self.asked.size}".lstrip("; ")
        return Row(where, one, other, self.unit, note)


def _relative(asked: np.ndarray, realised: np.ndarray) -> np.ndarray:
    some = asked != 0
    shape = np.broadcast_shapes(asked.shape, realised.shape)
    return np.divide(realised - asked, np.abs(asked), where=some, out=np.zeros(shape))


@dataclass(frozen=True)
class Choice:
    """The scale of a population's integers, and the larger ones that were rejected.

    Attributes
    ----------
    scale : float
        Units per volt.
    cause : str
        The field that set it.
    limits : mapping
        Field -> the largest scale that it allows by itself.
    """

    scale: float
    cause: str
    limits: Mapping[str, float]


@dataclass
class Log:
    """What the parts of lowering write down on their way."""

    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    weights: dict[str, WeightErrors] = field(default_factory=dict)
    numbers: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    origins: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True)
class LoweringReport:
    """Rows, warnings, latencies, weights, and the choice of each fixed-point population's scale."""

    network: str
    target: str
    dt: float
    method: str
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    latency: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, WeightErrors] = field(default_factory=dict, compare=False)
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def row(self, where: str) -> Row:
        """The row of one parameter."""
        for r in self.rows:
            if r.where == where:
                return r
        raise KeyError(f"{where}; there are: {', '.join(r.where for r in self.rows)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        out = asdict(replace(self, weights={}))
        out["weights"] = {name: w.summary() for name, w in self.weights.items()}
        for plain, row in zip(out["rows"], self.rows, strict=True):
            plain["error"] = row.error if row.error != float("inf") else None
        return out


def worst(where: str, asked: object, realised: object, unit: str, note: str = "") -> Row:
    """The row of an array: of the element with the largest error."""
    a, r = np.broadcast_arrays(np.asarray(asked, np.float64), np.asarray(realised, np.float64))
    a, r = a.ravel(), r.ravel()
    i = int(np.argmax(np.abs(a - r)))
    if a.size > 1:
        note = f"{note}; worst of {a.size}".lstrip("; ")
    return Row(where, float(a[i]), float(r[i]), unit, note)
