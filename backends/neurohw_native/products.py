"""Sums over dense weights that can be known before the run: those of what comes from outside.

What an external input sends is known for all steps at once. A port that hears nothing else, over
dense weights, is summed ahead for many steps: carried floats by one matrix product (BLAS), spikes
by adding the rows of those that fired (``rows.py``), in the order of the sources, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from neurohw.program import Dense, Edge, Program, RunState
from neurohw.program.analysis import kind_of, port_span
from neurohw_native.blas import multiply_by
from neurohw_native.outside import Outside, outside_of
from neurohw_native.plan import DTYPES, held
from neurohw_native.rows import add_rows, tiled
from neurohw_native.scratch import Pool

__all__ = ["Product", "advance_history", "find", "multiply", "outside", "prepare"]

Array = np.ndarray
LARGE = 1 << 19  # bytes of weights from which on rows are added ahead of the run, tile by tile


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


def prepare(program: Program, product: Product) -> list[Array]:
    """The weights of each edge as the sums take them.

    For values ``[targets, sources]``; for spikes see :func:`neurohw_native.rows.tiled`.
    """
    out = []
    for j in product.edges:
        e = program.edges[j]
        data = e.weights.data
        out.append(data if e.value else tiled(data, _narrow(data, product.kind)))
    return out


def multiply(
    program: Program,
    product: Product,
    weights: list[Array],
    now: RunState,
    externals: Mapping[str, Array],
    first: int,
    steps: int,
    pool: Pool,
) -> tuple[Array, Array]:
    """Sums of the port for ``steps`` steps, ``[steps, T or 1, >= targets]``, and where they lie: in
    a block of ``pool``, which gets it back from whoever has read them.

    ``externals`` begin ``first`` steps before the span, and ``now`` is the state at its beginning.
    """
    edges = [program.edges[j] for j in product.edges]
    sent = [_sent(program, e, now, externals, first, steps) for e in edges]
    trials, dtype = max(x.shape[1] for x in sent), DTYPES[product.kind]
    width = max(
        len(data) if e.value else data.shape[0] * data.shape[2]
        for e, data in zip(edges, weights, strict=True)
    )
    block = pool.take(steps * trials * width * dtype.itemsize)
    total = block[: steps * trials * width * dtype.itemsize].view(dtype).reshape(-1, width)
    fresh, threads = True, numba.get_num_threads()
    for e, x, data in zip(edges, sent, weights, strict=True):
        x = np.broadcast_to(x, (steps, trials, x.shape[2])).reshape(len(total), x.shape[2])
        if e.value:
            multiply_by(x, data, total[:, : len(data)], fresh, threads)
        else:
            add_rows(x, data, total, fresh, threads)
        fresh = False
    return total.reshape(steps, trials, width), block


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
