"""A relay of events: what drives a line on a chip."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurohw.network.common import Origin, Part

__all__ = ["Relay"]


@dataclass(frozen=True, eq=False, init=False)
class Relay(Part):
    """Repeaters: each emits one spike whenever at least one input event arrives.

    A relay has no dynamics and no threshold; it is what drives a line on a chip (a "spike
    driver"). Its inputs are :class:`~neurohw.network.synapses.Event` connections.

    Parameters
    ----------
    size : int
        Number of repeaters, at least 1.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    NetworkError
        `size` is not a positive integer.
    """

    size: int
    origin: Origin = field(compare=False, repr=False)

    def __init__(self, size: int = 1, *, origin: Origin | None = None) -> None:
        ask = self._ask(origin)
        self._set(size=ask.count("size", size, least=1))
