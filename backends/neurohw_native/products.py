"""Sums over dense weights that can be known before the run: those of what comes from outside.

What an external input sends is known for all steps at once. A port that hears nothing else, over
dense weights, is summed ahead for many steps: carried floats by one matrix product (BLAS), spikes
by adding the rows of those that fired, a tile of targets at a time, so that the tile's weights stay
in the cache. Floats are added in the order of the sources, as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from neurohw.program import Dense, Edge, Program, RunState
from neurohw.program.analysis import kind_of, port_span
from neurohw_native.jit import element, jit, wide
from neurohw_native.outside import Outside, outside_of
from neurohw_native.plan import DTYPES, held
from neurohw_native.spikes import spiking

__all__ = ["Product", "advance_history", "find", "multiply", "outside", "prepare"]

Array = np.ndarray
LARGE = 1 << 21  # bytes of weights that no second-level cache holds: these go tile by tile
ROWS = 512  # steps and trials of a task


@dataclass(frozen=True)
class Product:
    """A port that is summed ahead; ``edges`` are indices into the program's."""

    population: str
    port: str
    kind: str
    edges: tuple[int, ...]


def find(program: Program) -> list[Product]:
    """The ports of ``program`` that can be summed ahead."""
    found = []
    for q in program.populations:
        for port in q.ports:
            edges = [
                (j, e)
                for j, e in enumerate(program.edges)
                if (e.target, e.port) == (q.name, port.name)
            ]
            kind = kind_of(
                port.dtype, None if _real(port) else port_span(program, q.name, port.name)
            )
            if (
                edges
                and kind in ("i4", "f4", "f8")
                and all(isinstance(e.weights, Dense) and outside_of(program, e) for _, e in edges)
                and (_real(port) or not any(e.value for _, e in edges))
                and (any(e.value for _, e in edges) or _bytes(edges, kind) >= LARGE)
            ):
                found.append(Product(q.name, port.name, kind, tuple(j for j, _ in edges)))
    return found


def _real(port: Any) -> bool:
    return port.dtype.storage.kind == "f"


def _bytes(edges: list[tuple[int, Edge]], kind: str) -> int:
    return sum(e.weights.data.size * _narrow(e.weights.data, kind).itemsize for _, e in edges)


def _narrow(data: Array, kind: str) -> np.dtype:
    return held(data) if kind[0] == "i" else DTYPES[kind]


def tile(dtype: np.dtype) -> int:
    """Targets whose sums stay in registers while rows are added."""
    return 128 if dtype.itemsize == 1 else 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An empty array that begins where a line of cache does, so that no load takes two."""
    count = math.prod(shape) * dtype.itemsize
    raw = np.empty(count + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + count].view(dtype).reshape(shape)


def prepare(program: Program, product: Product) -> list[Array]:
    """The weights of each edge as the sums take them.

    For values ``[targets, sources]``; for spikes ``[tiles, sources, targets of a tile]``.
    """
    out = []
    for j in product.edges:
        e = program.edges[j]
        data = e.weights.data
        if not e.value:
            narrow = _narrow(data, product.kind)
            width = tile(narrow)
            rows = np.zeros((-(-len(data) // width) * width, data.shape[1]), narrow)
            rows[: len(data)] = data
            tiles = rows.reshape(-1, width, data.shape[1]).transpose(0, 2, 1)
            data = aligned(tiles.shape, narrow)
            data[:] = tiles
        out.append(data)
    return out


def multiply(
    program: Program,
    product: Product,
    weights: list[Array],
    now: RunState,
    externals: Mapping[str, Array],
    first: int,
    steps: int,
) -> Array:
    """Sums of the port for ``steps`` steps: ``[steps, T or 1, >= targets]``.

    ``externals`` begin ``first`` steps before the span, and ``now`` is the state at its beginning.
    """
    sent = [_sent(program, program.edges[j], now, externals, first, steps) for j in product.edges]
    trials = max(x.shape[1] for x in sent)
    total: Array | None = None
    for j, x, data in zip(product.edges, sent, weights, strict=True):
        sources = x.shape[2]
        x = np.broadcast_to(x, (steps, trials, sources)).reshape(steps * trials, sources)
        if program.edges[j].value:
            y = x @ data.T
            if total is None:
                total = y
            else:
                total[:, : y.shape[1]] += y
            continue
        width = data.shape[0] * data.shape[2]
        if total is None or total.shape[1] < width:
            sums = aligned((len(x), width), DTYPES[product.kind])
            sums[:] = 0
            if total is not None:
                sums[:, : total.shape[1]] = total
            total = sums
        _add_rows(np.ascontiguousarray(x).view(np.uint8), data, total)
    assert total is not None
    return total.reshape(steps, trials, total.shape[1])


def _sent(
    program: Program,
    e: Edge,
    now: RunState,
    externals: Mapping[str, Array],
    first: int,
    steps: int,
) -> Array:
    """What arrives over an edge in each step: ``[steps, T or 1, sources]``."""
    given = outside_of(program, e)
    assert given is not None
    late = min(e.delay, steps)
    here = given.values(externals, slice(first, first + steps - late))
    if not late:
        return here
    old = now.history[e.key][:, e.delay - late : e.delay][:, ::-1].transpose(1, 0, 2)
    if here.shape[1] == 1 and (old == old[:, :1]).all():
        old = old[:, :1]
    trials = max(old.shape[1], here.shape[1])
    return np.concatenate([np.broadcast_to(y, (len(y), trials, y.shape[2])) for y in (old, here)])


def outside(program: Program, ahead: set[int], others: set[str]) -> dict[str, Outside]:
    """Keys of what only edges ``ahead`` carry -> what it is."""
    edges = [program.edges[j] for j in ahead]
    found = {e.key: outside_of(program, e) for e in edges if e.key not in others}
    return {key: x for key, x in found.items() if x is not None}


def advance_history(
    keys: Mapping[str, Outside], now: RunState, externals: Mapping[str, Array], end: int, steps: int
) -> None:
    """Bring the history of ``keys`` to the end of a span of ``steps`` steps, row ``end``."""
    for key, given in keys.items():
        history = now.history[key]
        new = min(history.shape[1], steps)
        if new:
            history[:, new:] = history[:, : history.shape[1] - new].copy()
            last = given.values(externals, slice(end - new, end))
            history[:, :new] = last[::-1].transpose(1, 0, 2)


# rows of what fired -------------------------------------------------------------------------------


@intrinsic
def _add_tile(typing: Any, out: Any, to: Any, data: Any, first: Any, s: Any, a: Any, b: Any) -> Any:
    """``out[to:][:n] += sum of data[first + s[k] * n:][:n] for k in a .. b - 1``, n = ``tile``.

    The sums stay in vector registers. int8 is summed in 16 bits: at most 256 rows.
    """
    width = tile(np.dtype(str(data.dtype)))

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = [context.get_value_type(signature.args[i].dtype) for i in (0, 2)]
        aligned = [signature.args[i].dtype.bitwidth // 8 for i in (0, 2)]
        narrow = kinds[1] == ir.IntType(8)
        inner = ir.VectorType(ir.IntType(16) if narrow else kinds[0], width)

        def address(i: int, index: Any, kind: Any) -> Any:
            at = element(context, builder, signature.args[i], args[i], index)
            return builder.bitcast(at, ir.VectorType(kind, width).as_pointer())

        at = address(0, args[1], kinds[0])
        before = builder.load(at, align=aligned[0])
        entry = builder.block
        head, body, done = (builder.append_basic_block(x) for x in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, total = builder.phi(args[5].type), builder.phi(inner)
        k.add_incoming(args[5], entry)
        total.add_incoming(ir.Constant(inner, None) if narrow else before, entry)
        builder.cbranch(builder.icmp_signed("<", k, args[6]), body, done)
        builder.position_at_end(body)
        row = builder.load(element(context, builder, signature.args[4], args[4], k))
        step = builder.mul(builder.sext(row, k.type), ir.Constant(k.type, width))
        x = builder.load(address(2, builder.add(args[3], step), kinds[1]), align=aligned[1])
        if isinstance(kinds[0], ir.IntType):
            new = builder.add(total, x if x.type == inner else builder.sext(x, inner))
        else:
            new = builder.fadd(total, x)
        total.add_incoming(new, body)
        k.add_incoming(builder.add(k, ir.Constant(k.type, 1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        end = builder.add(before, builder.sext(total, before.type)) if narrow else total
        builder.store(end, at, align=aligned[0])
        return context.get_dummy_value()

    i8 = types.int64
    return types.void(out, i8, data, i8, s, i8, i8), build


@jit
def _rows(groups, sources, data, tiles, width, out, stride, lane, start):
    """Add to rows of ``out`` the rows of ``data`` of the sources whose flags are set.

    ``groups``: flags of each row of ``out``, in eights. ``lane`` and ``start`` are scratch.
    """
    wide()
    n, m = len(groups), 0
    for r in range(n):
        start[r] = m
        m = spiking(groups[r], 0, sources, sources, lane, m)
    start[n] = m
    for j in range(tiles):
        for r in range(n):
            a, to = start[r], r * stride + j * width
            while a < start[r + 1]:  # in pieces that 16 bits hold
                b = min(a + 256, start[r + 1])
                _add_tile(out, to, data, j * sources * width, lane, a, b)
                a = b


def _add_rows(flags: Array, data: Array, out: Array) -> None:
    """``out[r] += sum of data[:, s]`` over the sources s that fired in row r, ascending."""
    rows, sources = flags.shape
    padded = np.zeros((rows, -(-sources // 64) * 64), np.uint8)
    padded[:, :sources] = flags
    groups, (tiles, _, width), flat = padded.view(np.uint64), data.shape, data.reshape(-1)

    def work(r: int) -> None:
        n = min(ROWS, rows - r)
        lane = np.empty(int(np.count_nonzero(padded[r : r + n])) + 1, np.int32)
        start, part = np.empty(n + 1, np.int64), out[r : r + n].reshape(-1)
        _rows(groups[r : r + n], sources, flat, tiles, width, part, out.shape[1], lane, start)

    with ThreadPoolExecutor(numba.get_num_threads()) as pool:
        list(pool.map(work, range(0, rows, ROWS)))
