"""What lowering could have chosen, and why it did not: scales, and exponents of weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from neurohw.lowering import Lowered
from neurohw.lowering.report import Choice
from neurohw.lowering.scale import Mantissas, least_exponent, weight_field
from neurohw.lowering.wires import Wire, single
from neurohw.targets import Target

__all__ = ["Rejected", "rejected"]

Array = np.ndarray


@dataclass(frozen=True)
class Rejected:
    """A choice that was not made.

    Attributes
    ----------
    where : str
        Population or connection, and what is chosen.
    taken, other : str
        What was chosen, and what was not.
    why : str
    """

    where: str
    taken: str
    other: str
    why: str


def rejected(held: Lowered, wires: Collection[Wire], record: Target) -> tuple[Rejected, ...]:
    """Of all populations that were lowered to a chip's fields, in the order of the report."""
    found: list[Rejected] = []
    for name, choice in held.report.choices.items():
        found += _scales(name, choice)
        size = held.program.population(name).size
        gain = np.asarray(held.numbers.values["gain", name])
        for w in wires:
            errors = held.report.weights.get(w.where)
            if w.target == name and errors is not None and np.ndim(gain) <= 1:
                factor = w.of_target(np.broadcast_to(gain, (size,))) if w.tau is not None else 1.0
                volts = np.asarray(single(errors.asked) * factor)
                found += _exponents(w.where, volts, choice.scale, record)
    return tuple(found)


def _scales(name: str, c: Choice) -> Iterator[Rejected]:
    """Larger ones, that one field or more forbids; and one bit less."""
    where, taken = f"{name}.scale", f"{c.scale:.4g}/V"
    limits = sorted(c.limits.items(), key=lambda x: x[1])
    tightest, least = limits[0]
    for k, (field, limit) in enumerate(limits[1:], 1):
        over = ", ".join(f"{limit / x:.3g} for {f}" for f, x in limits[:k] if limit > x)
        if limit > least:
            yield Rejected(where, taken, f"{limit:.4g}/V, all that {field} allows",
                           f"too large by a factor of {over}")  # fmt: skip
    if c.scale < 0.999 * least:
        why = "the chip's noise comes in powers of two" if "noise" in c.cause else (
            "the threshold's mantissa is whole"
        )  # fmt: skip
        yield Rejected(where, taken, f"{least:.4g}/V, all that {tightest} allows", why)
    units = f"a unit of V is {_volts(2 / c.scale)} instead of {_volts(1 / c.scale)}"
    yield Rejected(where, taken, f"{c.scale / 2:.4g}/V, one bit less", units)


def _exponents(where: str, volts: Array, scale: float, record: Target) -> Iterator[Rejected]:
    """One less and one more than the exponent that was taken."""
    if not volts.size or not np.any(volts):
        return
    held = weight_field(volts, scale, record)
    taken, e = f"exponent {held.exponent}", held.exponent
    place = f"{where}.weight"
    if e > least_exponent(record):
        less = weight_field(volts, scale, record, e - 1)
        largest = int(np.argmax(np.abs(volts)))
        short = abs(float(volts.flat[largest]) / float(less.realised.flat[largest]))
        clipped = np.count_nonzero(np.abs(volts) > np.abs(less.realised).max() * (1 + 1e-12))
        yield Rejected(place, taken, f"exponent {e - 1}",
                       f"{clipped} of {volts.size} weights do not fit, the largest is {short:.3g}"
                       f" times its field")  # fmt: skip
    if e < record.weight.exponent_max:
        more = weight_field(volts, scale, record, e + 1)
        (rms, lost), (other, gone) = (_errors(volts, x) for x in (held, more))
        yield Rejected(place, taken, f"exponent {e + 1}",
                       f"rms error {100 * other:.3g} % instead of {100 * rms:.3g} %, "
                       f"{gone} weights round to 0 instead of {lost}")  # fmt: skip


def _errors(volts: Array, f: Mantissas) -> tuple[float, int]:
    """Root mean square error against that of all weights, and how many round to 0."""
    some = volts != 0
    square = float(np.sum((f.realised - volts) ** 2) / np.sum(volts**2))
    return square**0.5, int(np.count_nonzero(some & (f.effective == 0)))


def _volts(x: float) -> str:
    from neurohw.network import format_si

    return format_si(float(f"{x:.3g}"), "V")
