"""What lowering did to a network: every parameter asked for and realised, every loss named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["LoweringReport", "Row"]


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


@dataclass(frozen=True)
class LoweringReport:
    """Rows, warnings and latencies of one lowering."""

    network: str
    target: str
    dt: float
    method: str
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    latency: Mapping[str, int] = field(default_factory=dict)

    def row(self, where: str) -> Row:
        """The row of one parameter."""
        for r in self.rows:
            if r.where == where:
                return r
        raise KeyError(f"{where}; there are: {', '.join(r.where for r in self.rows)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        out = asdict(self)
        for plain, row in zip(out["rows"], self.rows, strict=True):
            plain["error"] = row.error if row.error != float("inf") else None
        return out
