"""What a forecast warns of, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurohw.lowering import Lowered
from neurohw.targets import Target

if TYPE_CHECKING:
    from .forecast import Layer

__all__ = ["LARGE", "LOST", "Finding", "of_latency", "of_layer", "of_registers"]

LOST, LARGE = 0.5, 0.05
"""Share of weights that round to zero, and relative error, from which on a finding is made."""


@dataclass(frozen=True)
class Finding:
    """Something that will go wrong, or may.

    Attributes
    ----------
    kind : str
        One of ``measured.KINDS``.
    where : str
        Population, connection or parameter.
    certain : bool
        Whether it follows from a bound, or is an expectation.
    text : str
    """

    kind: str
    where: str
    certain: bool
    text: str


def of_layer(x: Layer) -> Iterator[Finding]:
    """Of one population."""
    lost = " and ".join(f"{100 * s:.3g} % of the weights of {k}" for k, s in x.lost.items())
    if x.silent and not x.silent_asked:
        why = f"{lost} round to 0" if lost else "its inputs are too weak once they are rounded"
        text = f"{why}: {x.population} will be silent (no input can lift it to its threshold)"
        yield Finding("silent", x.population, True, text)
    elif x.zeroed >= LOST:
        yield Finding("weights", x.population, True, f"{lost} round to 0 ({x.population})")
    if not x.silent and x.rate_asked > 0 and x.rate == 0:
        text = (f"{x.population}: its mean input no longer reaches the threshold "
                f"({x.rate_asked:.3g} Hz in float64): it may fall silent")  # fmt: skip
        yield Finding("silent", x.population, False, text)
    elif x.rate_asked > 0 and abs(x.rate / x.rate_asked - 1) > LARGE and not x.silent:
        text = (f"{x.population}: {x.rate_asked:.3g} Hz will become {x.rate:.3g} Hz "
                f"({100 * (x.rate / x.rate_asked - 1):+.0f} %)")  # fmt: skip
        yield Finding("rate", x.population, False, text)
    for kind, field, error in (
        ("threshold", "threshold", x.threshold_error),
        ("tau", "tau", x.tau_error),
        ("tau", "tau_syn", x.tau_syn_error),
    ):
        if error > 1e300:
            text = f"{x.population}: the {field} cannot be held, it becomes infinite"
            yield Finding(kind, f"{x.population}.{field}", True, text)
        elif abs(error) > LARGE:
            text = f"{x.population}: the {field} is off by {100 * error:+.0f} %"
            yield Finding(kind, f"{x.population}.{field}", True, text)


def of_latency(held: Lowered) -> Iterator[Finding]:
    """Of populations that answer late."""
    if held.report.latency:
        late = ", ".join(f"{k} {v}" for k, v in held.report.latency.items())
        text = f"retimed; latency in steps: {late}"
        yield Finding("latency", held.report.network, True, text)


def of_registers(name: str, current: float, potential: float, record: Target) -> Iterator[Finding]:
    """Of a population whose mean current, or mean potential below the reset, is too large.

    Both in the chip's units, without fluctuations.
    """
    for what, mean, bits, then in (
        ("current", current, record.current.bits, "overflow"),
        ("potential", potential, record.voltage.bits, "be clipped"),
    ):
        most = 2.0 ** (bits - 1)
        if mean > most:
            text = (f"{name}: the mean {what} alone is {mean / most:.2g} times what "
                    f"{bits} bits hold: it will {then}")  # fmt: skip
            yield Finding("overflow", name, False, text)
