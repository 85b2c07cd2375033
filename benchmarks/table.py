"""One comparison of a measured with an expected number, and the table they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

__all__ = ["HEAD", "LIMIT", "Row", "show"]

LIMIT = 4.5
"""Standard errors; of 100 honest numbers one fails by chance in 1500 repetitions."""


class Row(NamedTuple):
    """One comparison.

    ``kind``: ``z``, ``error`` is a standard error; ``bound``, the difference is at most ``error``;
    ``exact``, equal; ``shown``, printed and not judged.
    """

    name: str
    measured: float
    expected: float
    error: float
    kind: str = "z"

    @property
    def z(self) -> float:
        """Difference in units of ``error``; 0 where both are exact and equal."""
        difference = self.measured - self.expected
        return difference / self.error if self.error else (math.inf if difference else 0.0)

    @property
    def ok(self) -> bool:
        """Whether the row holds."""
        return (
            self.kind == "shown" or abs(self.z) <= {"z": LIMIT, "bound": 1.0, "exact": 0}[self.kind]
        )

    def __str__(self) -> str:
        """One line of the table."""
        relative = self.measured / self.expected - 1 if self.expected else self.measured
        tail = {"z": f"{self.z:+6.2f}", "bound": f"{self.z:+6.2f} of bound"}.get(
            self.kind, self.kind
        )
        return (f"{self.name:58s} {self.measured:13.8g} {self.expected:13.8g} {relative:+10.2e}"
                f" {self.error:9.2e} {tail}{'' if self.ok else '   FAILS'}")  # fmt: skip


HEAD = f"{'':58s} {'measured':>13s} {'expected':>13s} {'rel. error':>10s} {'error':>9s}      z"


def show(functions: Iterable[Callable[[], Iterator[Row]]]) -> int:
    """Print the rows of all functions as they come; how many fail."""
    print(HEAD)
    failed = 0
    for function in functions:
        for row in function():
            print(row, flush=True)
            failed += not row.ok
    print(f"{failed} rows fail" if failed else "all rows hold")
    return failed
