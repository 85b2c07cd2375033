"""Where the blocks of a chunked dataset are: three of HDF5's indexes, for data of fixed size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from neurohw.io.hdf5.groups import tree_v1
from neurohw.io.hdf5.source import UNDEFINED, Broken, Cursor, Source, checked

__all__ = ["Chunk", "Chunks", "find_chunks"]

Corner = tuple[int, ...]
Place = tuple[int, int, int]  # address, stored size, skipped filters


@dataclass(frozen=True)
class Chunk:
    """One stored block."""

    address: int
    size: int
    skipped: int  # bit i: filter i was not applied


@dataclass(frozen=True)
class Chunks:
    """Shape of a block in elements, how many it takes, and those that are there, by corner."""

    shape: tuple[int, ...]
    count: int
    at: Mapping[Corner, Chunk]


def find_chunks(
    source: Source, c: Cursor, version: int, shape: tuple[int, ...], size: int, *, filtered: bool
) -> Chunks:
    """Read the rest of the layout message at the cursor, and the index it points to."""
    flags = c.uint(1) if version > 3 else 0
    rank = c.uint(1)
    tree = c.uint(8) if version == 3 else UNDEFINED
    width = c.uint(1) if version > 3 else 4
    if not 1 <= width <= 8 or (flags & 1 and filtered):
        raise Broken("unusual blocks", got=f"sizes of {width} bytes, flags {flags}")
    *chunk, element = c.take(*[width] * rank) or (0,)
    if len(chunk) != len(shape) or element != size or 0 in chunk:
        got, allowed = f"{(*chunk, element)}", f"{len(shape)} axes, {size} bytes"
        raise Broken("blocks do not fit the shape", got=got, allowed=allowed)
    each = math.prod(chunk) * size
    count = math.prod(-(-n // k) for n, k in zip(shape, chunk, strict=True))
    if each >= 2**32 or 8 * count > len(source.data) + 8:
        got, allowed = f"{count} of {each} bytes", "less than 2**32 bytes, all in the file"
        raise Broken("blocks are too large or too many", got=got, allowed=allowed)
    if version == 3:
        found = _by_tree(source, tree, rank)
    else:
        found = _by_place(source, c, shape, tuple(chunk), count, each, flags, filtered)
    at: dict[Corner, Chunk] = {}
    for corner, one in found:
        if corner in at or any(x >= n or x % k for x, n, k in zip(corner, shape, chunk)):  # noqa: B905
            raise Broken("a block is in the wrong place", got=f"{corner}")
        at[corner] = one
    return Chunks(tuple(chunk), count, at)


def _by_tree(source: Source, tree: int, rank: int) -> Iterator[tuple[Corner, Chunk]]:
    """A B-tree of version 1."""
    if tree == UNDEFINED:
        return
    for key, address in tree_v1(source, tree, 1, 8 + 8 * rank):
        stored, skipped, *corner = Cursor(key).take(4, 4, *[8] * rank)
        yield tuple(corner[:-1]), Chunk(address, stored, skipped)


def _by_place(
    source: Source,
    c: Cursor,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    count: int,
    each: int,
    flags: int,
    filtered: bool,
) -> Iterator[tuple[Corner, Chunk]]:
    """The indexes of HDF5 1.10 and later that list the blocks in row-major order."""
    index = c.uint(1)
    if index == 1 and count <= 1:
        stored, skipped = c.take(8, 4) if flags & 2 else (each, 0)
        places: Iterator[Place] = iter([(c.uint(8), stored, skipped)] * count)
    elif index == 2 and not filtered:
        start = c.uint(8)
        places = ((start + i * each, each, 0) for i in range(count))
    elif index == 3:
        c.raw(1)
        places = _fixed_array(source, c.uint(8), count, each)
    else:
        allowed = "a dataset of fixed size"
        raise Broken("its blocks have an index that is not read", got=index, allowed=allowed)
    corners = itertools.product(*(range(0, n, k) for n, k in zip(shape, chunk, strict=True)))
    for corner, place in zip(corners, places, strict=True):
        if place[0] != UNDEFINED:
            yield corner, Chunk(*place)


def _fixed_array(source: Source, address: int, count: int, each: int) -> Iterator[Place]:
    if address == UNDEFINED:
        yield from [(UNDEFINED, 0, 0)] * count
        return
    c = Cursor(checked(source.piece(address, 28), "index of blocks"))
    if c.raw(4) != b"FAHD":
        raise Broken("no index of blocks where one should be", got=f"at {address}")
    c.expect(1, 0, what="version of an index")
    filtered, size, page_bits, most, block = c.take(1, 1, 1, 8, 8)
    if most != count or size < (13 if filtered else 8) or page_bits > 32:
        got, allowed = f"{most} blocks", f"{count}, for a dataset of fixed size"
        raise Broken("its index of blocks does not fit", got=got, allowed=allowed)

    def entries(data: bytes, number: int) -> Iterator[Place]:
        c = Cursor(data)
        for _ in range(number):
            if filtered:
                yield c.take(8, size - 12, 4)  # type: ignore[misc]
            else:
                yield c.uint(8), each, 0

    page = 1 << page_bits
    pages = -(-count // page) if count > page else 0
    head = 14 + (pages + 7) // 8
    size_of_head = head + (0 if pages else count * size) + 4
    body = checked(source.piece(block, size_of_head), "index of blocks")
    if body[:4] != b"FADB":
        raise Broken("no index of blocks where one should be", got=f"at {block}")
    if not pages:
        yield from entries(body[head:], count)
    at = block + size_of_head
    for number in range(pages):
        here = min(page, count - number * page)
        if body[14 + number // 8] & (0x80 >> number % 8):
            data = checked(source.piece(at, here * size + 4), "index of blocks")
            yield from entries(data, here)
        else:
            yield from [(UNDEFINED, 0, 0)] * here
        at += page * size + 4
