"""Draws on a device: the words and normals of ``neurohw.program.philox``, bit for bit.

torch has no unsigned 64-bit arithmetic, and needs none here: a product of two 32-bit numbers
kept in int64 wraps modulo 2**64, so its bits are those of the unsigned product. Bits above the
32nd may hold anything between two steps of a round; they are masked where a number is multiplied
next. Many steps are drawn at once, one Philox block serving 4 words or 8 normals.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from neurohw.errors import ProgramError
from neurohw.program.philox import STEP_BITS, normal_table

__all__ = ["check_steps", "normals", "philox4x32", "words"]

_MASK = 0xFFFFFFFF
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_TILE_CPU, _TILE = 1 << 15, 1 << 24  # lanes computed at a time: what the caches hold, or plenty


def philox4x32(
    c0: Tensor, c1: Tensor, c2: Tensor, c3: Tensor, k0: int, k1: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10 (Salmon et al. 2011) of int64 tensors with values 0..2**32-1, broadcast."""
    for _ in range(10):
        p, q = c0 * _M0, c2 * _M1
        c0, c1 = ((q >> 32) ^ (c1 ^ k0)) & _MASK, q
        c2, c3 = ((p >> 32) ^ (c3 ^ k1)) & _MASK, p
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1 & _MASK, c2, c3 & _MASK


def check_steps(last: int) -> None:
    """Refuse steps that the counter cannot hold."""
    if last >= 1 << STEP_BITS:
        raise ProgramError(
            "out of range", where="draw.step", got=last, allowed=f"0..2**{STEP_BITS}-1"
        )


def words(seed: int, site: int, trials: Tensor, size: int, t0: int, steps: int) -> Tensor:
    """Words of steps ``t0 .. t0 + steps - 1`` as int64 ``[steps, T, size]``, 0..2**32-1.

    Parameters
    ----------
    trials : int64 tensor [T]
        Absolute trial numbers.
    """
    first = t0 >> 2
    count = ((t0 + steps - 1) >> 2) - first + 1
    out = torch.empty((count, 4, len(trials), size), dtype=torch.int64, device=trials.device)
    for a, b, i, j, block in _tiles(seed, site, trials, size, first, count):
        for k, word in enumerate(block):
            out[a:b, k, i:j] = word
    flat = out.view(count * 4, len(trials), size)
    return flat[t0 - 4 * first : t0 - 4 * first + steps]


def normals(seed: int, site: int, trials: Tensor, size: int, t0: int, steps: int) -> Tensor:
    """Normals in units of 2**-13 sigma as int32 ``[steps, T, size]``; arguments as `words`."""
    first = t0 >> 3
    count = ((t0 + steps - 1) >> 3) - first + 1
    out = torch.empty((count, 8, len(trials), size), dtype=torch.int32, device=trials.device)
    table = _signed_table(trials.device)
    for a, b, i, j, block in _tiles(seed, site, trials, size, first, count):
        for k, word in enumerate(block):
            out[a:b, 2 * k, i:j] = table[word & 0xFFFF]
            out[a:b, 2 * k + 1, i:j] = table[word >> 16]
    flat = out.view(count * 8, len(trials), size)
    return flat[t0 - 8 * first : t0 - 8 * first + steps]


def _tiles(seed: int, site: int, trials: Tensor, size: int, first: int, count: int):
    """Yield (block range, trial range, four words ``[blocks, trials, size]``)."""
    device, total = trials.device, len(trials)
    lanes = _TILE_CPU if device.type == "cpu" else _TILE
    rows = max(1, min(total, lanes // size))
    deep = max(1, min(count, lanes // (rows * size)))
    element = torch.arange(size, dtype=torch.int64, device=device)
    blocks = torch.arange(first, first + count, dtype=torch.int64, device=device)[:, None, None]
    where = torch.tensor(site, dtype=torch.int64, device=device)
    for a in range(0, count, deep):
        b = min(a + deep, count)
        for i in range(0, total, rows):
            j = min(i + rows, total)
            block = philox4x32(
                element, trials[i:j, None], blocks[a:b], where, seed & _MASK, seed >> 32
            )
            yield a, b, i, j, block


@cache
def _signed_table(device: torch.device) -> Tensor:
    """Normal of each half-word, int32 ``[65536]``: the sign is its top bit."""
    half = torch.from_numpy(normal_table().astype("int32"))
    return torch.cat([half, -half]).to(device)
