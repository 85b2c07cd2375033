"""What lowering did to a network: every parameter asked for and realised, every loss named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["Log", "LoweringReport", "Row", "WeightErrors", "worst"]


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
    """Every weight of one connection, asked for and realised, in the unit of its synapse."""

    asked: np.ndarray
    realised: np.ndarray
    unit: str

    @property
    def error(self) -> np.ndarray:
        """Relative error of each weight that is not zero; 0 elsewhere."""
        some = self.asked != 0
        return np.divide(self.realised - self.asked, np.abs(self.asked), where=some,
                         out=np.zeros(self.asked.shape))  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """Count, largest and root-mean-square relative error, how many round to zero."""
        some = self.asked != 0
        error = np.abs(self.error[some])
        return {
            "count": int(self.asked.size),
            "largest_error": float(error.max(initial=0.0)),
            "rms_error": float(np.sqrt(np.mean(error**2))) if error.size else 0.0,
            "rounded_to_zero": int(np.count_nonzero(some & (self.realised == 0))),
            "unit": self.unit,
        }


@dataclass
class Log:
    """What the parts of lowering write down on their way."""

    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    weights: dict[str, WeightErrors] = field(default_factory=dict)


@dataclass(frozen=True)
class LoweringReport:
    """Rows, warnings, latencies and weights of one lowering."""

    network: str
    target: str
    dt: float
    method: str
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    latency: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, WeightErrors] = field(default_factory=dict, compare=False)

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
