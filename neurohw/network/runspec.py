"""How a network is to be run: time step, duration, trials and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from neurohw.network.common import Ask, Origin, Part
from neurohw.network.units import Quantity, Shown, format_si

__all__ = ["RunSpec"]


@dataclass(frozen=True, eq=False, init=False)
class RunSpec(Part):
    """How to run a network.

    Parameters
    ----------
    dt : Quantity
        Time step in s, greater than 0.
    duration : Quantity, optional
        In s, a whole number of steps; 1 s if neither `duration` nor `steps` is given.
    steps : int, optional
        Number of steps, at least 1; excludes `duration`.
    trials : int
        Independent repetitions, at least 1.
    seed : int
        Key of all random draws, 0 to 2**64 - 1.
    backends, targets : sequence of str
        Where to run, and with which semantics; empty to leave it to the caller.
    origin : Origin, optional
        Where it was made; found by itself.

    Raises
    ------
    UnitError
        A time has the wrong unit.
    NetworkError
        A value is out of range, or `duration` is no whole number of steps.
    """

    dt: float
    duration: float
    steps: int
    trials: int
    seed: int
    backends: tuple[str, ...]
    targets: tuple[str, ...]
    origin: Origin = field(compare=False, repr=False)
    given: str = field(compare=False, repr=False)
    """Which of duration and steps the user wrote; the other follows."""

    def __init__(
        self,
        *,
        dt: Quantity = 1e-4,
        duration: Quantity | None = None,
        steps: int | None = None,
        trials: int = 1,
        seed: int = 0,
        backends: Sequence[str] = (),
        targets: Sequence[str] = (),
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        step = ask.one("dt", dt, "s", above=0)
        if duration is not None and steps is not None:
            ask.error("steps", "give duration or steps", got=Shown("both"))
        if steps is not None:
            count = ask.count("steps", steps, least=1, most=2**53)
            length = float(count * Decimal(repr(step)))
        else:
            length = ask.one("duration", 1.0 if duration is None else duration, "s", above=0)
            ratio = Decimal(repr(length)) / Decimal(repr(step))
            count = int(ratio.to_integral_value())
            if count < 1 or abs(ratio - count) > Decimal("1e-9") * count:
                near = max(count, 1) * Decimal(repr(step))
                ask.error(
                    "duration",
                    f"not a whole number of steps of {format_si(step, 's')}",
                    got=Shown(format_si(length, "s")),
                    allowed=f"for example {format_si(float(near), 's')}",
                )
        self._set(
            dt=step,
            duration=length,
            steps=count,
            trials=ask.count("trials", trials, least=1),
            seed=ask.count("seed", seed, most=2**64 - 1),
            backends=_words(ask, "backends", backends),
            targets=_words(ask, "targets", targets),
            given="duration" if steps is None else "steps",
        )

    def arguments(self) -> dict[str, Any]:
        """Constructor keywords, SI values, that build an equal object."""
        skip = ("given", "steps" if self.given == "duration" else "duration")
        return {k: v for k, v in super().arguments().items() if k not in skip}


def _words(ask: Ask, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        ask.error(key, "must be a list of names", got=Shown(str(value)))
    words = (value,) if isinstance(value, str) else tuple(value)
    for word in words:
        if not isinstance(word, str) or not word:
            ask.error(key, "must be a list of names", got=Shown(str(word)))
    return words
