"""Draws: Philox4x32-10 words, uniforms and integer normals, the same bits on every machine.

A draw is a function of (seed, site, trial, element, step) and of nothing else. The generator is
that of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11. Its
128-bit block has counter ``(element, trial, block, site)`` and key ``(seed low, seed high)``.
A site has draws of one kind only, for the two kinds would share blocks:

- kind ``word``: block ``step >> 2``, word ``step & 3``;
- kind ``normal``: block ``step >> 3``; with ``h = step & 7``, word ``h >> 1``, its low half if h
  is even, else its high half.
"""

from __future__ import annotations

import hashlib
import operator
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurohw.errors import FormatError, ProgramError

__all__ = ["NORMAL_FRACTION_BITS", "Block", "block_words", "normal_table", "normals"]
__all__ += ["philox4x32", "pick_normal", "pick_word", "site_hash", "uniform", "words"]

NORMAL_FRACTION_BITS = 13  # a normal is an integer in units of 2**-13 sigma
TABLE_SHA256 = "a3b4756a0f86a67d6ece4b48da225fd8ff03afb117b448b0dbaaec7637512484"
STEP_BITS = 34

U32 = NDArray[np.uint32]
Block = tuple[U32, U32, U32, U32]

_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def philox4x32(
    c0: ArrayLike, c1: ArrayLike, c2: ArrayLike, c3: ArrayLike, k0: ArrayLike, k1: ArrayLike
) -> Block:
    """Return the four words, uint32, of Philox4x32-10 (Salmon et al. 2011, SC'11).

    Parameters
    ----------
    c0, c1, c2, c3, k0, k1 : int arrays, 0..2**32-1
        Counter and key, broadcast together. Products are 32 x 32 -> 64 bits, exact in uint64.
    """
    x0, x1, x2, x3, a, b = (np.asarray(v).astype(np.uint64) for v in (c0, c1, c2, c3, k0, k1))
    for _ in range(10):
        p, q = x0 * _M0, x2 * _M1
        x0, x1 = (q >> _SHIFT) ^ x1 ^ a, q & _LOW
        x2, x3 = (p >> _SHIFT) ^ x3 ^ b, p & _LOW
        a, b = (a + _W0) & _LOW, (b + _W1) & _LOW
    return x0.astype(np.uint32), x1.astype(np.uint32), x2.astype(np.uint32), x3.astype(np.uint32)


def site_hash(name: str) -> int:
    """Return a site, 0..2**32-1: bytes 0..3 (little-endian) of BLAKE2s-256 of the UTF-8 name."""
    return int.from_bytes(hashlib.blake2s(name.encode()).digest()[:4], "little")


def _in_range(value: int, bits: int, what: str) -> int:
    if not 0 <= (number := operator.index(value)) < 1 << bits:
        raise ProgramError(
            "out of range", where=f"draw.{what}", got=value, allowed=f"0..2**{bits}-1"
        )
    return number


def _indices(values: ArrayLike, what: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ProgramError("not a 1-D int array", where=f"draw.{what}", got=f"{array!r}")
    for extreme in (array.min(initial=0), array.max(initial=0)):
        _in_range(int(extreme), 32, what)
    return array


def block_words(seed: int, site: int, trials: ArrayLike, elements: ArrayLike, block: int) -> Block:
    """Return one block per (trial, element), to be kept for the 4 or 8 steps that it serves.

    Parameters
    ----------
    seed, site : int
        0..2**64-1, and 0..2**32-1 from `site_hash`.
    trials, elements : int arrays [T] and [n], 0..2**32-1
        Absolute indices, so that a batch may be cut anywhere.
    block : int, 0..2**32-1
        ``step >> 2`` for words, ``step >> 3`` for normals.

    Returns four uint32 arrays [T, n]. Raises ProgramError if an argument is out of its range.
    """
    seed, site = _in_range(seed, 64, "seed"), _in_range(site, 32, "site")
    c0, c1 = _indices(elements, "elements")[None, :], _indices(trials, "trials")[:, None]
    return philox4x32(c0, c1, _in_range(block, 32, "block"), site, seed & 0xFFFFFFFF, seed >> 32)


def pick_word(block: Block, step: int) -> U32:
    """Return the word that ``step`` owns in the block ``step >> 2``."""
    return block[step & 3]


def pick_normal(block: Block, step: int) -> NDArray[np.int32]:
    """Return the normal that ``step`` owns in the block ``step >> 3``; see `normals`."""
    half = (block[(step & 7) >> 1] >> np.uint32(16 * (step & 1))) & np.uint32(0xFFFF)
    magnitude = normal_table()[half & np.uint32(0x7FFF)].astype(np.int32)
    return np.where(half >> np.uint32(15) != 0, -magnitude, magnitude)


def words(seed: int, site: int, trials: ArrayLike, elements: ArrayLike, step: int) -> U32:
    """Return uint32 [T, n], uniform on 0..2**32-1; arguments as `block_words`, step < 2**34."""
    step = _in_range(step, STEP_BITS, "step")
    return pick_word(block_words(seed, site, trials, elements, step >> 2), step)


def normals(
    seed: int, site: int, trials: ArrayLike, elements: ArrayLike, step: int
) -> NDArray[np.int32]:
    """Return int32 [T, n], standard normals in units of 2**-13 sigma.

    Half-word x gives ``TABLE[x & 0x7fff]``, negated if ``x >> 15``; see `normal_table`. The range
    is -35943..35943 (4.388 sigma): larger values never occur. Other arguments as `words`.
    """
    step = _in_range(step, STEP_BITS, "step")
    return pick_normal(block_words(seed, site, trials, elements, step >> 3), step)


def uniform(words: ArrayLike) -> NDArray[np.float64]:
    """Return ``(w >> 8) * 2**-24`` of uint32 words, exact in float64 and float32, in [0, 1)."""
    return (np.asarray(words, dtype=np.uint32) >> np.uint32(8)) * np.float64(2.0**-24)


@cache
def normal_table() -> NDArray[np.uint16]:
    """Return the 32768 magnitudes, 0..35943, in units of 2**-13 sigma; read-only.

    Entry k is the mean of |Z| in the k-th of 32768 equiprobable bins, scaled to unit variance and
    rounded: see ``make_normal16.py``. Raises FormatError if the file is not the one released.
    """
    path = files("neurohw.program").joinpath("normal16.npy")
    data = path.read_bytes()[-65536:]  # what follows the header
    found = hashlib.sha256(data).hexdigest()
    if found != TABLE_SHA256:
        raise FormatError("damaged table", where=f"{path}", got=found, fix="reinstall neurohw")
    return np.frombuffer(data, dtype="<u2")
