"""Draws: known answers, the layout of blocks, the normal table, and the statistics of samples."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from importlib.resources import files
from statistics import NormalDist

import numpy as np
import pytest

from neurohw.errors import FormatError, NeurohwError, ProgramError
from neurohw.program import make_normal16, philox

SIGMA = 1 << philox.NORMAL_FRACTION_BITS
SITE = philox.site_hash("excitatory.noise")


def plain_philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 on Python integers, from section 3.3 of Salmon et al. 2011."""
    c0, c1, c2, c3 = counter
    for r in range(10):
        k0 = (key[0] + r * 0x9E3779B9) % 2**32
        k1 = (key[1] + r * 0xBB67AE85) % 2**32
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


# Random123, tests/kat_vectors: counter, key, output
KNOWN = [
    ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    assert plain_philox(counter, key) == answer
    got = philox.philox4x32(*counter, *key)
    assert tuple(int(w) for w in got) == answer
    assert all(w.dtype == np.uint32 for w in got)


def test_agrees_with_python_integers() -> None:
    rng = random.Random(20240101)
    edges = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
    rows = [
        [rng.choice(edges) if rng.random() < 0.2 else rng.getrandbits(32) for _ in range(6)]
        for _ in range(5000)
    ]
    columns = np.array(rows, dtype=np.uint64).T
    got = np.stack(philox.philox4x32(*columns), axis=1).tolist()
    assert got == [list(plain_philox(tuple(r[:4]), (r[4], r[5]))) for r in rows]


def test_philox_broadcasts_and_takes_any_integer_type() -> None:
    c0, c1 = np.arange(5, dtype=np.uint32)[None, :], np.arange(3, dtype=np.int64)[:, None]
    got = philox.philox4x32(c0, c1, 7, np.uint32(9), 11, 2**32 - 1)
    assert [w.shape for w in got] == [(3, 5)] * 4
    assert [int(w[2, 4]) for w in got] == list(plain_philox((4, 2, 7, 9), (11, 2**32 - 1)))


def test_site_hash() -> None:
    # b"abc" is the test vector of RFC 7693, appendix B: 50 8c 5e 8c ...
    assert philox.site_hash("abc") == 0x8C5E8C50
    assert philox.site_hash("é") == int.from_bytes(
        hashlib.blake2s(b"\xc3\xa9").digest()[:4], "little"
    )


SEED = 0x0123456789ABCDEF
FAR = 2**34 - 16


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 1001, *range(FAR, FAR + 16)])
def test_layout_of_words_and_normals(step: int) -> None:
    trials, elements = [0, 5, 2**32 - 1], [3, 0, 2**32 - 1, 17]
    words = philox.words(SEED, SITE, trials, elements, step)
    normals = philox.normals(SEED, SITE, trials, elements, step)
    assert words.dtype == np.uint32 and normals.dtype == np.int32
    assert words.shape == normals.shape == (3, 4)
    table = philox.normal_table()
    key = (0x89ABCDEF, 0x01234567)
    for i, trial in enumerate(trials):
        for j, element in enumerate(elements):
            block = plain_philox((element, trial, step // 4, SITE), key)
            assert words[i, j] == block[step % 4]
            bits = sum(
                w << (32 * n)
                for n, w in enumerate(plain_philox((element, trial, step // 8, SITE), key))
            )
            half = (bits >> (16 * (step % 8))) & 0xFFFF
            magnitude = int(table[half & 0x7FFF])
            assert normals[i, j] == (-magnitude if half & 0x8000 else magnitude)


def test_pinned_draws() -> None:
    """Draws of a release never change: these numbers are part of the format."""
    assert philox.words(1, 2, [0, 1], [0, 1], 5).tolist() == [
        [3054543515, 3840784144],
        [2484385215, 4246780245],
    ]
    assert philox.normals(1, 2, [0, 1], [0, 1], 13).tolist() == [[9601, -2907], [5309, -5505]]


def test_a_block_may_be_kept() -> None:
    trials, elements = np.arange(3), np.arange(10, 15)
    for start in (0, 8, 800):
        block = philox.block_words(SEED, SITE, trials, elements, start >> 3)
        for step in range(start, start + 8):
            want = philox.normals(SEED, SITE, trials, elements, step)
            np.testing.assert_array_equal(philox.pick_normal(block, step), want)
        block = philox.block_words(SEED, SITE, trials, elements, start >> 2)
        for step in range(start, start + 4):
            want_words = philox.words(SEED, SITE, trials, elements, step)
            np.testing.assert_array_equal(philox.pick_word(block, step), want_words)


def test_draws_do_not_depend_on_the_batch() -> None:
    whole = philox.normals(SEED, SITE, np.arange(6), np.arange(40), 77)
    part = philox.normals(SEED, SITE, np.arange(2, 5), np.arange(40)[::-3], 77)
    np.testing.assert_array_equal(part, whole[2:5, ::-3])
    assert philox.normals(SEED, SITE, [], [], 0).shape == (0, 0)


def test_uniform_is_exact() -> None:
    words = np.array([0, 255, 256, 2**31, 2**32 - 1], dtype=np.uint32)
    got = philox.uniform(words)
    assert got.dtype == np.float64
    assert got.tolist() == [0.0, 0.0, 2.0**-24, 0.5, 1 - 2.0**-24]
    np.testing.assert_array_equal(got.astype(np.float32).astype(np.float64), got)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, [0], [0], 0), "seed"),
        ((2**64, 0, [0], [0], 0), "seed"),
        ((0, 2**32, [0], [0], 0), "site"),
        ((0, 0, [-1], [0], 0), "trials"),
        ((0, 0, [0], [2**32], 0), "elements"),
        ((0, 0, [0], [0.5], 0), "elements"),
        ((0, 0, [[0]], [0], 0), "trials"),
        ((0, 0, [0], [0], 2**34), "step"),
        ((0, 0, [0], [0], -1), "step"),
    ],
)
@pytest.mark.parametrize("draw", [philox.words, philox.normals])
def test_refuses_what_would_wrap(
    draw: Callable[..., object], arguments: tuple[object, ...], message: str
) -> None:
    with pytest.raises(ProgramError, match=message):
        draw(*arguments)


def test_block_index_fits_32_bits() -> None:
    philox.block_words(0, 0, [0], [0], 2**32 - 1)
    with pytest.raises(ProgramError, match="block"):
        philox.block_words(0, 0, [0], [0], 2**32)


# The table -------------------------------------------------------------------------------------


def quantile_bin_means(quantile: Callable[[float], float]) -> np.ndarray:
    """Bin means of the half normal in float64, from another quantile function."""
    # from the upper tail, where 1 - p keeps its digits: a_k = -Phi^-1((1 - k / 32768) / 2)
    edges = np.array([-quantile((32768 - k) / 65536) for k in range(32768)] + [np.inf])
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    return 65536 * (density[:-1] - density[1:])


def scipy_quantile(p: float) -> float:
    return float(pytest.importorskip("scipy.special").ndtri(p))


@pytest.mark.parametrize("quantile", [NormalDist().inv_cdf, scipy_quantile])
def test_table_recomputed(quantile: Callable[[float], float]) -> None:
    table = philox.normal_table().astype(np.int64)
    means = quantile_bin_means(quantile)
    scale = SIGMA / math.sqrt(float((means**2).mean()))  # unit variance before rounding
    # rounding 32768 entries moves the mean square by some 2 * 0.29 / 8192 / sqrt(32768) = 4e-7
    assert abs(scale - float(make_normal16.SCALE)) < 5e-7 * SIGMA
    assert np.abs(table - means * scale).max() < 1
    # with the stated scale every entry is the nearest integer
    assert np.abs(table - means * float(make_normal16.SCALE)).max() < 0.5 + 1e-6


def test_no_scale_has_a_mean_square_closer_to_one() -> None:
    table = philox.normal_table().astype(np.int64)
    means = quantile_bin_means(NormalDist().inv_cdf)
    excess = int((table**2).sum()) - 32768 * SIGMA**2
    assert excess == -12436
    up = int(table[np.argmin((table + 0.5) / means)])  # the first entry to step up if S grows
    assert excess < 0 < excess + 2 * up + 1
    assert abs(excess) <= excess + 2 * up + 1


def test_table_against_mpmath() -> None:
    mpmath = pytest.importorskip("mpmath")
    table = philox.normal_table()
    scale = mpmath.mpf(make_normal16.SCALE)
    for k in (*range(8), *range(97, 32768, 1021), *range(32760, 32768)):
        assert int(table[k]) == int(mpmath.floor(scale * make_normal16.bin_mean(k) + 0.5)), k


def test_table_is_shared_and_read_only() -> None:
    table = philox.normal_table()
    assert table is philox.normal_table()
    assert table.dtype == np.uint16 and table.shape == (32768,)
    assert hashlib.sha256(table.astype("<u2").tobytes()).hexdigest() == philox.TABLE_SHA256
    file = files("neurohw.program").joinpath("normal16.npy")
    np.testing.assert_array_equal(np.load(str(file), allow_pickle=False), table)
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        table.flags.writeable = True


def test_a_damaged_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(philox, "TABLE_SHA256", "0" * 64)
    philox.normal_table.cache_clear()
    try:
        with pytest.raises(FormatError, match=r"normal16\.npy") as caught:
            philox.normal_table()
        assert isinstance(caught.value, NeurohwError)
    finally:
        philox.normal_table.cache_clear()


def test_exact_moments() -> None:
    """The distribution of one draw: 65536 equally likely half-words."""
    table = [int(t) for t in philox.normal_table()]
    values = table + [-t for t in table]
    second = sum(v**2 for v in values) / 65536 / SIGMA**2
    fourth = sum(v**4 for v in values) / 65536 / SIGMA**4
    assert sum(values) == sum(v**3 for v in values) == 0
    assert abs(second - 1) < 1e-8
    # the means of the two outermost bins stand for the tail beyond 4.17 sigma, which is why the
    # kurtosis is low; all of the deficit is there
    assert -2e-4 < fourth / second**2 - 3 < -1.5e-4
    assert max(values) == 35943 and abs(max(values) / SIGMA - 4.3876) < 1e-4
    assert table == sorted(table) and len(set(values)) == 33325


def test_exact_tails_and_ks_distance() -> None:
    table = philox.normal_table().astype(np.int64)
    span = int(table[-1]) + 1
    mass = np.bincount(np.concatenate([table, -table]) + span, minlength=2 * span + 1) / 65536
    cdf = np.cumsum(mass)
    # lattice-corrected: compared half way between integers, for all integers in the range
    true = np.array(
        [math.erfc(-(v + 0.5) / SIGMA / math.sqrt(2)) / 2 for v in range(-span, span + 1)]
    )
    assert np.abs(cdf - true).max() < 2.0**-16  # less than one half-word anywhere
    for z, half_words in ((1, 20794), (2, 2982), (3, 176), (4, 4)):
        assert int(2 * (table > z * SIGMA).sum()) == half_words
        assert abs(half_words - 65536 * math.erfc((z + 0.5 / SIGMA) / math.sqrt(2))) < 2


# Samples ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """Normals [step 16, trial 32, element 4096]: 2**21 draws."""
    trials, elements = np.arange(32), np.arange(4096)
    return np.stack([philox.normals(7, SITE, trials, elements, t) for t in range(16)])


def test_sample_chi_square(sample: np.ndarray) -> None:
    table = philox.normal_table().astype(np.int64)
    values, weights = np.unique(np.concatenate([table, -table]), return_counts=True)
    found, counts = np.unique(sample, return_counts=True)
    assert np.isin(found, values).all()
    observed = np.zeros(len(values))
    observed[np.searchsorted(values, found)] = counts
    for groups in (len(values), 64):  # every value there is, then 64 wide cells
        cell = np.arange(len(values)) * groups // len(values)
        expected = np.bincount(cell, weights) * sample.size / 65536
        chi2 = float(((np.bincount(cell, observed) - expected) ** 2 / expected).sum())
        assert expected.min() > 16
        assert abs(chi2 - (groups - 1)) < 5 * math.sqrt(2 * (groups - 1))


def test_sample_moments(sample: np.ndarray) -> None:
    z = sample.ravel() / SIGMA
    n = z.size
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs((z**2).mean() - 1) < 5 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)


def assert_uncorrelated(a: np.ndarray, b: np.ndarray) -> None:
    """Of the values and of their squares, within 5 standard errors of zero."""
    x, y = a.ravel() / SIGMA, b.ravel() / SIGMA
    assert abs(float((x * y).mean())) < 5 / math.sqrt(x.size)
    assert abs(float(((x**2 - 1) * (y**2 - 1)).mean())) < 5 * 2 / math.sqrt(x.size)


def test_steps_lanes_and_trials_are_independent(sample: np.ndarray) -> None:
    for lag in (1, 2, 3, 4, 7, 8):
        assert_uncorrelated(sample[lag:], sample[:-lag])
        assert_uncorrelated(sample[:, lag:], sample[:, :-lag])
        assert_uncorrelated(sample[:, :, lag:], sample[:, :, :-lag])


@pytest.mark.parametrize(
    ("seed", "name"),
    [(7, "inhibitory.noise"), (8, "excitatory.noise"), (7 << 32, "excitatory.noise")],
)
def test_sites_and_seeds_are_independent(sample: np.ndarray, seed: int, name: str) -> None:
    site = philox.site_hash(name)
    other = [philox.normals(seed, site, np.arange(32), np.arange(4096), t) for t in range(16)]
    assert_uncorrelated(sample, np.stack(other))
    assert (sample == np.stack(other)).mean() < 1e-3


def test_words_are_uniform() -> None:
    words = np.stack(
        [philox.words(3, SITE, np.arange(16), np.arange(4096), t) for t in range(8)]
    ).ravel()
    for shift in (0, 8, 16, 24):
        counts = np.bincount((words >> np.uint32(shift)) & np.uint32(255), minlength=256)
        expected = words.size / 256
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)
    assert abs(float(philox.uniform(words).mean()) - 0.5) < 5 / math.sqrt(12 * words.size)
