"""Quality of the integer normals of ``neurohw.program.philox`` on 10**8 draws.

Philox is written here a second time, scalar, with numba, and checked against the NumPy one before
anything is measured. The layout is that of a native kernel: lanes outside, time innermost, one
block for 8 steps.

Run ``python benchmarks/normal_quality.py [--draws N] [--seed S]``. The exit status is 1 if the two
implementations differ or if a statistic is 5 standard errors away from what the table says.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from neurohw.program import philox

STEPS = 1000
SIGMA = 1 << philox.NORMAL_FRACTION_BITS
OFFSET = 1 << 16  # values are within -35943..35943

U = np.uint64
M0, M1, W0, W1 = U(0xD2511F53), U(0xCD9E8D57), U(0x9E3779B9), U(0xBB67AE85)
MASK, S32, S16, LOW16, LOW15 = U(0xFFFFFFFF), U(32), U(16), U(0xFFFF), U(0x7FFF)


@nb.njit(inline="always")
def scalar_philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Philox4x32-10 on uint64 scalars below 2**32 (Salmon et al. 2011, SC'11)."""
    for _ in range(10):
        p0 = M0 * c0
        p1 = M1 * c2
        c0 = (p1 >> S32) ^ c1 ^ k0
        c1 = p1 & MASK
        c2 = (p0 >> S32) ^ c3 ^ k1
        c3 = p0 & MASK
        k0 = (k0 + W0) & MASK
        k1 = (k1 + W1) & MASK
    return c0, c1, c2, c3


@nb.njit
def blocks(rows: Any, out: Any) -> None:
    """Fill ``out`` [n, 4] from ``rows`` [n, 6] = counter and key."""
    for i in range(rows.shape[0]):
        r = rows[i]
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = scalar_philox(
            r[0], r[1], r[2], r[3], r[4], r[5]
        )


@nb.njit(inline="always")
def half_word_normal(word: Any, odd: bool, table: Any) -> Any:
    """Return the int64 normal in the high (odd) or low half of a word."""
    x = (word >> S16) if odd else (word & LOW16)
    magnitude = np.int64(table[x & LOW15])
    return -magnitude if x > LOW15 else magnitude


@nb.njit(parallel=True)
def measure(key: Any, site: Any, lanes: int, steps: int, table: Any, histograms: Any) -> Any:
    """Histogram all draws of trial 0; return per-thread sums of x(t) x(t+1) within lanes.

    ``histograms`` is int64 [threads, 2 * OFFSET], one row per slice of the lanes.
    """
    slices = histograms.shape[0]
    products = np.zeros(slices, np.int64)
    for s in nb.prange(slices):
        h = histograms[s]
        total = np.int64(0)
        for lane in range(lanes * s // slices, lanes * (s + 1) // slices):
            before = np.int64(0)
            for block in range(steps >> 3):
                words = scalar_philox(U(lane), U(0), U(block), site, key[0], key[1])
                for word in words:
                    low = half_word_normal(word, False, table)
                    high = half_word_normal(word, True, table)
                    h[low + OFFSET] += 1
                    h[high + OFFSET] += 1
                    total += before * low + low * high
                    before = high
        products[s] = total
    return products


def cross_check(table: NDArray[np.uint16]) -> tuple[int, int]:
    """Return how many (blocks, normals) differ between the two implementations; want (0, 0)."""
    rows = np.random.default_rng(0).integers(0, 1 << 32, (200_000, 6), dtype=np.uint64)
    out = np.zeros((len(rows), 4), np.uint64)
    blocks(rows, out)
    wrong = int((np.stack(philox.philox4x32(*rows.T), axis=1) != out).any(axis=1).sum())
    steps, lanes, seed, site = 64, 500, 0xFEDCBA9876543210, 0xDEADBEEF
    histogram = np.zeros((1, 2 * OFFSET), np.int64)
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint64)
    products = measure(key, U(site), lanes, steps, table, histogram)
    draws = np.stack(
        [philox.normals(seed, site, [0], np.arange(lanes), t)[0] for t in range(steps)]
    ).astype(np.int64)
    want = np.bincount(draws.ravel() + OFFSET, minlength=2 * OFFSET)
    differ = int(np.abs(histogram[0] - want).sum())
    return wrong, differ + int(products[0] != (draws[1:] * draws[:-1]).sum())


def integer_moments(values: NDArray[np.int64], counts: NDArray[np.int64]) -> list[float]:
    """Return the raw moments 1 to 4 in sigma, summed as Python integers, so exact until divided."""
    pairs = [(int(v), int(c)) for v, c in zip(values, counts, strict=True) if c]
    n = sum(c for _, c in pairs)
    return [sum(c * v**p for v, c in pairs) / n / SIGMA**p for p in (1, 2, 3, 4)]


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=10**8, help="rounded up to lanes x 1000")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    table = philox.normal_table()
    wrong = cross_check(table)
    print(f"NumPy against scalar numba: {wrong[0]} of 200000 blocks, {wrong[1]} normals differ")

    lanes = -(-options.draws // STEPS)
    n = lanes * STEPS
    key = np.array([options.seed & 0xFFFFFFFF, options.seed >> 32], np.uint64)
    threads = nb.get_num_threads()
    histograms = np.zeros((threads, 2 * OFFSET), np.int64)
    start = time.perf_counter()
    site = philox.site_hash("benchmark.normal")
    products = measure(key, U(site), lanes, STEPS, table, histograms)
    seconds = time.perf_counter() - start
    print(f"{n} draws, seed {options.seed}, {seconds:.2f} s on {threads} threads, ", end="")
    print(f"{n / seconds / 1e6:.0f} M/s with histogram")

    values = np.arange(-OFFSET, OFFSET)
    counts = histograms.sum(axis=0)
    magnitudes = table.astype(np.int64)
    weights = np.bincount(np.concatenate([magnitudes, -magnitudes]) + OFFSET, minlength=2 * OFFSET)
    assert counts.sum() == n and not counts[weights == 0].any()

    got, exact = integer_moments(values, counts), integer_moments(values, weights)
    kurtosis = got[3] / got[1] ** 2 - 3  # about zero, the known mean
    rows: list[tuple[str, float, float, float, float]] = [  # name, got, table, normal, se
        ("mean", got[0], 0.0, 0.0, n**-0.5),
        ("variance", got[1] - got[0] ** 2, exact[1], 1.0, (2 / n) ** 0.5),
        ("third moment", got[2], 0.0, 0.0, (15 / n) ** 0.5),
        ("excess kurtosis", kurtosis, exact[3] / exact[1] ** 2 - 3, 0.0, (24 / n) ** 0.5),
        ("corr. of t, t+1", sum(map(int, products)) / SIGMA**2 / (n - lanes), 0.0, 0.0, n**-0.5),
    ]
    for z in (1, 2, 3, 4):
        for sign, side in ((1, "above"), (-1, "below -")):
            beyond = sign * values > z * SIGMA
            p = int(weights[beyond].sum()) / 65536
            true = math.erfc((z + 0.5 / SIGMA) / math.sqrt(2)) / 2  # lattice-corrected
            name = f"count {side}{' ' if sign > 0 else ''}{z} sigma"
            rows.append(
                (name, int(counts[beyond].sum()), n * p, n * true, (n * p * (1 - p)) ** 0.5)
            )
    cells = weights > 0
    expected = weights[cells] * (n / 65536)
    chi2 = float(((counts[cells] - expected) ** 2 / expected).sum())
    freedom = int(cells.sum()) - 1
    rows.append(("chi2, all values", chi2, freedom, freedom, (2 * freedom) ** 0.5))
    print(f"{'':20}{'got':>16}{'table, exact':>16}{'true normal':>16}{'std. error':>12}{'z':>7}")
    worst = 0.0
    for name, value, want, true, error in rows:
        z_score = (value - want) / error
        worst = max(worst, abs(z_score))
        print(f"{name:20}{value:16.9g}{want:16.9g}{true:16.9g}{error:12.3g}{z_score:7.2f}")

    edges = (values + 0.5) / SIGMA / math.sqrt(2)
    normal_cdf = np.array([math.erfc(-e) / 2 for e in edges])
    empirical, ideal = np.cumsum(counts) / n, np.cumsum(weights) / 65536
    print("KS distance (half way between integers)")
    for name, a, b in (
        ("sample to table", empirical, ideal),
        ("sample to normal", empirical, normal_cdf),
        ("table to normal", ideal, normal_cdf),
    ):
        distance = float(np.abs(a - b).max())
        note = "" if a is ideal else f"   x sqrt(n) = {distance * n**0.5:.3f} (0.87 +- 0.26)"
        print(f"  {name:18}{distance:16.4g}{note}")
    print(f"largest |x| {int(np.abs(values[counts > 0]).max()) / SIGMA:.6f} sigma, ", end="")
    print(f"{int((counts > 0).sum())} of {freedom + 1} values seen")
    return int(any(wrong) or worst > 5)


if __name__ == "__main__":
    sys.exit(main())
