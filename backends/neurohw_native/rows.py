"""Rows of dense weights of the sources that fired, added for many steps at once.

Weights lie in tiles, ``[tiles, sources, targets of a tile]``: the sums of a tile stay in registers
while rows are added to them, and what of a tile is read again and again stays in the cache.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neurohw_native.jit import element, jit, wide
from neurohw_native.scratch import aligned
from neurohw_native.spikes import SLACK, spiking
from neurohw_native.threads import PAYS, share

__all__ = ["add_rows", "tile", "tiled"]

Array = np.ndarray
ROWS = 2048  # steps and trials of a task: each reads all weights
BLOCK = 1 << 17  # bytes of a tile that are read for all rows of a task before the next are
PACE = 3e10  # bytes of weights that a thread adds in a second, about


def tile(dtype: np.dtype) -> int:
    """Targets whose sums stay in registers while rows are added."""
    return 128 if dtype.itemsize == 1 else 64


def tiled(weights: Array, dtype: np.dtype) -> Array:
    """``weights[target, source]`` in tiles, the last one filled up; int8 as uint8, 128 more."""
    width, (targets, sources) = tile(dtype), weights.shape
    if dtype == np.int8:
        weights, dtype = weights.astype(np.int16) + 128, np.dtype(np.uint8)
    rows = np.zeros((-(-targets // width) * width, sources), dtype)
    rows[:targets] = weights
    tiles = rows.reshape(-1, width, sources).transpose(0, 2, 1)
    out = aligned(tiles.size * dtype.itemsize).view(dtype).reshape(tiles.shape)
    out[:] = tiles
    return out


def _not_unrolled(module: Any, branch: Any) -> None:
    """The loop that ends with ``branch`` needs all registers as it is."""
    rule = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    loop = module.add_metadata([rule])
    loop.operands = (loop, rule)  # a loop is known by a node that begins with itself
    branch.set_metadata("llvm.loop", loop)


@intrinsic
def _add_tile(
    typing: Any, out: Any, to: Any, data: Any, first: Any, s: Any, a: Any, b: Any, fresh: Any
) -> Any:
    """``out[to:][:n] += sum of data[first + s[k] * n:][:n] for k in a .. b - 1``, n = ``tile``;
    ``=`` if ``fresh``.

    The sums stay in vector registers. Of uint8, which stands for a number 128 smaller, at most 256
    rows are summed, in 16 bits and two at a time: one sum is that of the words that two neighbours
    make up, ``odd`` that of the upper neighbours. The former without 256 times the latter is that
    of the lower neighbours, modulo 2^16 and so exactly.
    """
    width = tile(np.dtype(str(data.dtype)))

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, to, _, first, _, a, b, fresh = args
        held, read = (context.get_value_type(signature.args[i].dtype) for i in (0, 2))
        narrow = read == ir.IntType(8)
        outer = ir.VectorType(held, width)
        words = ir.VectorType(ir.IntType(16), width // 2)
        bits = ir.Constant(words, [8] * (width // 2))

        def vector(i: int, index: Any, kind: Any) -> Any:
            at = element(context, builder, signature.args[i], args[i], index)
            return builder.bitcast(at, kind.as_pointer()), signature.args[i].dtype.bitwidth // 8

        def more(sums: list[Any], x: Any) -> list[Any]:
            if narrow:
                return [builder.add(sums[0], x), builder.add(sums[1], builder.lshr(x, bits))]
            if isinstance(held, ir.IntType):
                return [builder.add(sums[0], x if x.type == outer else builder.sext(x, outer))]
            return [builder.fadd(sums[0], x)]

        where, size = vector(0, to, outer)
        before = builder.select(fresh, ir.Constant(outer, None), builder.load(where, align=size))
        begin = [ir.Constant(words, None)] * 2 if narrow else [before]
        entry = builder.block
        head, body, done = (builder.append_basic_block(x) for x in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, *sums = (builder.phi(x.type) for x in (a, *begin))
        builder.cbranch(builder.icmp_signed("<", k, b), body, done)
        builder.position_at_end(body)
        row = builder.load(element(context, builder, signature.args[4], args[4], k))
        step = builder.mul(builder.sext(row, k.type), ir.Constant(k.type, width))
        kind = words if narrow else ir.VectorType(read, width)
        x, align = vector(2, builder.add(first, step), kind)
        new = more(sums, builder.load(x, align=align))
        after = builder.add(k, ir.Constant(k.type, 1))
        for phi, x, y in zip((k, *sums), (a, *begin), (after, *new), strict=True):
            phi.add_incoming(x, entry)
            phi.add_incoming(y, body)
        _not_unrolled(builder.module, builder.branch(head))
        builder.position_at_end(done)
        total = sums[0]
        if narrow:
            odd = sums[1]
            even = builder.sub(total, builder.shl(odd, bits))
            pair = (even, odd) if sys.byteorder == "little" else (odd, even)
            order = [i // 2 + i % 2 * (width // 2) for i in range(width)]
            both = builder.shuffle_vector(*pair, _indices(order))
            less = builder.mul(builder.sub(b, a), ir.Constant(a.type, 128))
            less = builder.trunc(less, held) if held != less.type else less
            none = ir.Constant(ir.IntType(32), 0)
            less = builder.insert_element(ir.Constant(outer, ir.Undefined), less, none)
            less = builder.shuffle_vector(less, less, _indices([0] * width))
            total = builder.add(before, builder.sub(builder.zext(both, outer), less))
        builder.store(total, where, align=size)
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(out, i8, data, i8, s, i8, i8, types.boolean), build


def _indices(of: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(of)), of)


@jit
def _list(groups, sources, block, lane, start):
    """List, row by row, the sources whose flags are set; ``groups`` are the flags, in eights.

    What row r takes of block p of the sources lies between ``start[r, p]`` and the entry after it.
    """
    m, parts = 0, start.shape[1] - 1
    for r in range(len(groups)):
        e = spiking(groups[r], 0, sources, sources, lane, m)
        start[r, 0] = m
        for p in range(1, parts):
            while m < e and lane[m] < p * block:
                m += 1
            start[r, p] = m
        m = e
        start[r, parts] = m


@jit
def _add(data, first, last, sources, width, lane, start, out, stride, fresh):
    """Add to tiles ``first .. last - 1`` of each row of ``out`` the rows of ``data`` listed."""
    wide()
    rows, parts = start.shape[0], start.shape[1] - 1
    for j in range(first, last):
        for p in range(parts):
            for r in range(rows):
                a, e = start[r, p], start[r, p + 1]
                to, new = r * stride + j * width, fresh and p == 0
                while new or a < e:  # in pieces that 16 bits hold
                    b = min(a + 256, e)
                    _add_tile(out, to, data, j * sources * width, lane, a, b, new)
                    a, new = b, False


def add_rows(flags: Array, data: Array, out: Array, fresh: bool, threads: int) -> None:
    """``out[r] += sum of data[:, s]`` over the sources s that fired in row r, ascending.

    Parameters
    ----------
    flags : bool [rows, sources]
    data : [tiles, sources, targets of a tile]
        See :func:`tiled`.
    out : [rows, >= targets]
    fresh : bool
        Whether ``=`` is meant, not ``+=``.
    """
    rows, sources = flags.shape
    tiles, _, width = data.shape
    block = max(1, BLOCK // (width * data.itemsize))
    flat = data.reshape(-1)

    def listed(r: int) -> tuple[Array, Array, Array]:
        some = flags[r : r + ROWS]
        lane = np.empty(int(np.count_nonzero(some)) + SLACK, np.int32)
        start = np.empty((len(some), -(-sources // block) + 1), np.int64)
        _list(_groups(some), sources, block, lane, start)
        return lane, start, out[r : r + ROWS].reshape(-1)

    def add(task: tuple[tuple[Array, Array, Array], int, int]) -> None:
        (lane, start, part), first, last = task
        _add(flat, first, last, sources, width, lane, start, part, out.shape[1], fresh)

    if np.count_nonzero(flags) * data[:, 0].nbytes < PACE * PAYS:
        threads = 1
    lists = share(listed, range(0, max(1, rows), ROWS), threads)
    size = tiles if len(lists) >= threads else -(-tiles // threads)
    tasks = [(x, j, min(j + size, tiles)) for x in lists for j in range(0, tiles, size)]
    share(add, tasks, threads)


def _groups(flags: Array) -> Array:
    """Flags as uint64 ``[rows, n]``, n a multiple of 8."""
    rows, sources = flags.shape
    if sources % 64:
        padded = np.zeros((rows, -(-sources // 64) * 64), np.bool_)
        padded[:, :sources] = flags
        flags = padded
    return np.ascontiguousarray(flags).view(np.uint64)
