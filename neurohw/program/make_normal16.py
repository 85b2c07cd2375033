"""Make ``normal16.npy``, the half-normal table behind ``philox.normals``.

The half normal |Z| is cut into 32768 bins of equal probability. With edges
``a_k = Phi^-1((1 + k/32768) / 2)`` and density ``phi``, the mean of |Z| within bin ``k`` is ::

    m_k = (1 / (1/32768)) * integral_a^b 2 x phi(x) dx = 65536 (phi(a_k) - phi(a_{k+1}))

and ``TABLE[k] = round(S m_k)``. Bin means lose the variance within bins, so ``S`` is a little
above ``2**13``; it is chosen so that the mean square of the integer table is as close to
``2**26`` as any ``S`` makes it. The sum of squares is a step function of ``S`` that never falls,
so the best table is one of the two beside the crossing of ``2**41``; ``S`` is the shortest
decimal that gives that table. Everything is evaluated to 40 digits with mpmath.

Run ``python -m neurohw.program.make_normal16`` to write the file, ``--check`` to compare only.
mpmath is needed by this script alone.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "FRACTION_BITS", "SCALE", "bin_mean", "build"]

BINS = 32768
FRACTION_BITS = 13
SCALE = "8192.007445"
"""``S`` as `build` finds it: a decimal text, in units of 2**-13 sigma per sigma."""

_DIGITS = 40


def _density_at_edge(k: int) -> Any:
    """Return ``phi(a_k)`` for edge ``k`` in 0..32768 (0 at the last, infinite, edge)."""
    import mpmath

    if k == BINS:
        return mpmath.mpf(0)
    # a = sqrt(2) erfinv(k / BINS), so phi(a) = exp(-erfinv(..)^2) / sqrt(2 pi)
    return mpmath.exp(-(mpmath.erfinv(mpmath.mpf(k) / BINS) ** 2)) / mpmath.sqrt(2 * mpmath.pi)


def bin_mean(k: int) -> Any:
    """Return the mean of |Z| within bin ``k`` (0..32767), in sigma, as an mpmath number."""
    import mpmath

    with mpmath.workdps(_DIGITS):
        return 2 * BINS * (_density_at_edge(k) - _density_at_edge(k + 1))


def _shortest_decimal(low: Any, high: Any) -> str:
    """Return the decimal of fewest places strictly between ``low`` and ``high``."""
    import mpmath

    for places in range(_DIGITS):
        unit = mpmath.mpf(10) ** places
        n = int(mpmath.floor(low * unit)) + 1
        if n < high * unit:
            return f"{n // 10**places}.{n % 10**places:0{places}d}" if places else str(n)
    raise ArithmeticError("no decimal between two breakpoints")


def build() -> tuple[NDArray[np.uint16], str]:
    """Compute the table and ``S`` from nothing.

    Returns
    -------
    table : uint16 array [32768], little-endian
        Magnitudes in units of 2**-13 sigma.
    scale : str
        ``S``, the shortest decimal that gives this table.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        density = [_density_at_edge(k) for k in range(BINS + 1)]
        means = [2 * BINS * (density[k] - density[k + 1]) for k in range(BINS)]
        target = BINS << (2 * FRACTION_BITS)

        def table_at(scale: Any) -> list[int]:
            return [int(mpmath.floor(scale * m + mpmath.mpf(1) / 2)) for m in means]

        def excess(scale: Any) -> int:
            return sum(t * t for t in table_at(scale)) - target

        low, high = mpmath.mpf(8191), mpmath.mpf(8193)
        if not excess(low) < 0 < excess(high):
            raise ArithmeticError("S is not within 8191..8193")
        while high - low > mpmath.mpf(2) ** -40:
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle) < 0 else (low, middle)
        table = table_at(low if abs(excess(low)) <= abs(excess(high)) else high)
        half = mpmath.mpf(1) / 2
        scale = _shortest_decimal(
            max((t - half) / m for t, m in zip(table, means, strict=True)),
            min((t + half) / m for t, m in zip(table, means, strict=True)),
        )
        if table_at(mpmath.mpf(scale)) != table:
            raise ArithmeticError(f"S = {scale} does not give the table back")
    return np.array(table, dtype="<u2"), scale


def main(argv: list[str] | None = None) -> int:
    """Write or check ``normal16.npy`` beside this file; print S, its error and the sha256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file; do not write")
    check = parser.parse_args(argv).check
    path = Path(__file__).with_name("normal16.npy")
    table, scale = build()
    excess = int((table.astype(np.int64) ** 2).sum()) - (BINS << (2 * FRACTION_BITS))
    print(f"S = {scale} (stated {SCALE}); sum of squares - 2**41 = {excess}")
    print(f"largest {int(table[-1])} = {table[-1] / 2**FRACTION_BITS:.6f} sigma")
    print(f"sha256 of the data {hashlib.sha256(table.tobytes()).hexdigest()}")
    if check:
        same = scale == SCALE and np.array_equal(np.load(path, allow_pickle=False), table)
        print("same" if same else f"{path} or SCALE differs")
        return 0 if same else 1
    np.save(path, table, allow_pickle=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
