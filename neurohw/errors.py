"""Errors as a user meets them: what, where, got, allowed, how to fix, on one line.

Every error that neurohw raises on bad input is a :class:`NeurohwError`. The command line prints
``str(error)`` and nothing else, so the text has to stand alone.
"""

from __future__ import annotations

from typing import Any, Self

__all__ = [
    "BackendError",
    "FormatError",
    "LoweringError",
    "NetworkError",
    "NeurohwError",
    "OverflowTrap",
    "ProgramError",
    "TargetError",
    "UnitError",
    "Unsupported",
]

_MISSING: Any = object()


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


class NeurohwError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what : str
        What is wrong, in a few words.
    where : str, optional
        ``population.field`` or a path, the thing that is wrong.
    got : Any, optional
        The offending value.
    allowed : str, optional
        What would have been accepted.
    fix : str, optional
        What to do about it, if that is known.
    origin : str, optional
        ``file:line`` of the TOML line or of the Python call that made the object.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        got: Any = _MISSING,
        allowed: str = "",
        fix: str = "",
        origin: str = "",
    ) -> None:
        self.what, self.where = what, where
        self.got = None if got is _MISSING else got
        self._given = got is not _MISSING
        self.allowed, self.fix, self.origin = allowed, fix, origin
        self._set_text()

    def at(self, origin: str) -> Self:
        """Say where the object was made, if that is not known yet; returns the error."""
        if not self.origin:
            self.origin = origin
            self._set_text()
        return self

    def _set_text(self) -> None:
        head = "".join(f"{part}: " for part in (self.origin, self.where) if part)
        tail = "".join(
            (
                f"; got {_short(self.got)}" if self._given else "",
                f"; allowed: {self.allowed}" if self.allowed else "",
                f"; {self.fix}" if self.fix else "",
            )
        )
        self.args = (head + self.what + tail,)


class NetworkError(NeurohwError):
    """A network description is wrong."""


class UnitError(NetworkError):
    """A quantity has the wrong unit."""


class TargetError(NeurohwError):
    """A target record is unknown or malformed."""


class LoweringError(NeurohwError):
    """A network cannot be expressed on a target."""


class ProgramError(NeurohwError):
    """A lowered program breaks a rule of docs/program.md."""


class FormatError(NeurohwError):
    """A file cannot be read."""


class BackendError(NeurohwError):
    """A backend is unknown, not installed, or failed."""


class Unsupported(BackendError):
    """A backend cannot run a program; the message lists each node and the reason."""


class OverflowTrap(NeurohwError):
    """An operation whose overflow mode is ``trap`` left its range."""
