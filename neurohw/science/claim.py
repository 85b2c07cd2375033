"""A sentence of a text as something to measure: the claim, the number with its error, the verdict.

A claim is measured on *runs*, whatever its source's module simulates for it, so that a figure and
the table in ``docs/science.md`` ask the same question with the same code. Verdicts use three
standard errors: what is closer to its limit than that is "not decidable".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from neurohw.analysis.rates import standard_error

__all__ = [
    "Claim", "Finding", "Measured", "Verdict", "above", "below", "find", "jackknife",
    "mean_error", "unknown", "within",
]  # fmt: skip

Verdict = Literal["holds", "does not hold", "not decidable"]
Z = 3.0
"""Standard errors by which a number has to clear its limit."""


@dataclass(frozen=True)
class Measured:
    """A number with its standard error, and what follows from it.

    Attributes
    ----------
    value, error : float
        In the claim's unit; the error is 0 where nothing is random.
    n : int
        Independent realisations behind it; 1 where nothing is random.
    verdict : Verdict
        Whether the sentence holds in our reading.
    note : str
        What a reader needs besides the number.
    """

    value: float
    error: float
    n: int
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence that can be checked.

    Attributes
    ----------
    id : str
        Short and unique over all sources.
    source : str
        Where it stands, such as "sect. 2.2, Fig. 3".
    sentence : str
        Its words, shortened.
    reading : str
        What would count as true, and what we had to decide.
    quantity, unit : str
        What the number is, in a few words, and its unit; "" for a pure one.
    figures : tuple of str
        Names of the figures that carry it.
    measure : callable
        Runs of the source -> Measured.
    """

    id: str
    source: str
    sentence: str
    reading: str
    quantity: str
    unit: str
    figures: tuple[str, ...]
    measure: Callable[[Any], Measured]

    def find(self, runs: Any) -> Finding:
        """Measure it."""
        m = self.measure(runs)
        return Finding(
            self.id, self.source, self.sentence, self.reading, self.quantity, float(m.value),
            float(m.error), self.unit, int(m.n), m.verdict, m.note,
        )  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A claim and what was measured; fields as in :class:`Claim` and :class:`Measured`."""

    id: str
    source: str
    sentence: str
    reading: str
    quantity: str
    value: float
    error: float
    unit: str
    n: int
    verdict: Verdict
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a number that does not exist becomes null."""
        out = asdict(self)
        return out | {k: out[k] if math.isfinite(out[k]) else None for k in ("value", "error")}

    @property
    def number(self) -> str:
        """Value, error and unit as text: the error with two digits, the value to match."""
        return amount(self.value, self.error, self.unit)


def find(claims: Iterable[Claim], runs: Any, figure: str = "") -> tuple[Finding, ...]:
    """Measure the claims, or those that a figure carries, in their order."""
    return tuple(c.find(runs) for c in claims if not figure or figure in c.figures)


def amount(value: float, error: float, unit: str = "") -> str:
    """``1.234(56)`` written as ``1.234 ± 0.056 unit``."""
    if not math.isfinite(value):
        return "none"
    if error > 0 and math.isfinite(error):
        digits = max(0, 1 - math.floor(math.log10(error)))
        text = f"{value:.{digits}f} ± {error:.{digits}f}"
    else:
        text = f"{value:.4g}"
    return f"{text} {unit}".rstrip().replace("-", "−")


def mean_error(per_trial: Any) -> tuple[float, float]:
    """Mean over realisations and its standard error; NaN (a realisation without one) is left out.

    Parameters
    ----------
    per_trial : array
        One number per independent realisation.

    Returns
    -------
    (float, float)
        The error is NaN for less than two realisations.
    """
    x = np.asarray(per_trial, np.float64)
    x = x[~np.isnan(x)]
    return (float(x.mean()), float(standard_error(x))) if len(x) else (math.nan, math.nan)


def jackknife(statistic: Callable[[np.ndarray], Any], per_trial: np.ndarray) -> tuple[float, float]:
    """A function of sums over realisations, and its standard error (Efron 1982, eq. 3.1).

    Parameters
    ----------
    statistic : callable
        Sums ``[k]`` -> number, and elementwise ``[k, n]`` -> ``[n]``.
    per_trial : array
        The summands, ``[k, n]``, n independent realisations.

    Returns
    -------
    (float, float)
        The error is NaN for a single realisation.
    """
    x = np.asarray(per_trial, np.float64)
    n = x.shape[1]
    total = x.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(total))
        if n < 2:
            return value, math.nan
        left_out = statistic(total[:, None] - x)
    return value, float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()))


def above(value: float, error: float, limit: float = 0.0) -> Verdict:
    """Whether a number lies above a limit; equality of two exact numbers is not above."""
    if not math.isfinite(value) or not math.isfinite(error):
        return "not decidable"
    if value - Z * error > limit:
        return "holds"
    return "does not hold" if value + Z * error < limit or error == 0 else "not decidable"


def below(value: float, error: float, limit: float = 0.0) -> Verdict:
    """Whether a number lies below a limit."""
    return above(-value, error, -limit)


def within(value: float, error: float, low: float, high: float) -> Verdict:
    """Whether a number lies between two limits."""
    sides = {above(value, error, low), below(value, error, high)}
    for verdict in ("does not hold", "not decidable"):
        if verdict in sides:
            return verdict
    return "holds"


def unknown(note: str, n: int = 1) -> Measured:
    """What no run can decide, and why."""
    return Measured(math.nan, math.nan, n, "not decidable", note)
