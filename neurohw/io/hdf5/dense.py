"""Objects of a fractal heap, found through a B-tree of version 2: how large groups keep links."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from neurohw.io.hdf5.source import UNDEFINED, Broken, Cursor, Source, checked

__all__ = ["heap_objects"]

_NAME_RECORDS = 5  # type of a B-tree over names of links
_MAX_DEPTH = 16


def heap_objects(source: Source, heap: int, tree: int) -> Iterator[bytes]:
    """Each object of the heap that the tree has a record of."""
    found, blocks = _read_heap(source, heap)
    starts = [first for first, _, _ in blocks]
    for record in _records(source, tree):
        yield found.get(Cursor(record, 4), blocks, starts)  # before it: a hash of the name


# fractal heap ------------------------------------------------------------------------------------

Block = tuple[int, int, int]  # first offset in the heap, size, address in the file


@dataclass(frozen=True)
class _Heap:
    """A doubling table: row r has `width` blocks of ``start``, ``start``, ``2 start``, ... bytes.

    Rows of up to `largest` bytes hold direct blocks, others tables of the same kind.
    """

    source: Source
    width: int
    start: int
    largest: int
    offset_size: int
    length_size: int

    def blocks(self, at: int, first: int, rows: int) -> Iterator[Block]:
        """Direct blocks below the table at `at`, which begins at offset `first` of the heap."""
        head = 13 + self.offset_size
        c = self.source.cursor(at, head + 8 * rows * self.width, b"FHIB")
        c.expect(1, 0, what="version of a table")
        c.raw(head - 5)
        for row in range(rows):
            size = self.start << max(row - 1, 0)
            for _ in range(self.width):
                address = c.uint(8)
                if address != UNDEFINED and size <= self.largest:
                    yield first, size, address
                elif address != UNDEFINED:
                    # as many rows as it takes to span `size`; always fewer than here
                    below = (size // self.start).bit_length() - self.width.bit_length() + 1
                    yield from self.blocks(address, first, max(below, 0))
                first += size

    def get(self, c: Cursor, blocks: list[Block], starts: list[int]) -> bytes:
        """The object with the ID at the cursor."""
        if c.uint(1):
            raise Broken("an object of a heap is huge or tiny", allowed="a managed object")
        offset, length = c.take(self.offset_size, self.length_size)
        at = bisect_right(starts, offset) - 1
        if at < 0 or offset + length > blocks[at][0] + blocks[at][1]:
            raise Broken("an object lies outside its heap", got=f"{length} bytes at {offset}")
        return self.source.piece(blocks[at][2] + offset - blocks[at][0], length)


def _bytes_for(number: int) -> int:
    return max(1, (number.bit_length() + 7) // 8)


def _read_heap(source: Source, address: int) -> tuple[_Heap, list[Block]]:
    c = source.cursor(address, 142, b"FRHP")
    c.expect(1, 0, what="version of a fractal heap")
    _, filters, _, most = c.take(2, 2, 1, 4)
    if filters:
        raise Broken("the heap of a group is filtered")
    c.raw(12 * 8)
    width, start, largest, bits, _, root, rows = c.take(2, 8, 8, 2, 2, 8, 2)
    checked(source.piece(address, c.at + 4), "fractal heap")
    powers = all(n and not n & (n - 1) for n in (width, start, largest))
    if not powers or not start <= largest <= 2**32 or bits > 64 or rows > 64:
        raise Broken("unusual fractal heap", got=f"blocks of {start} to {largest} bytes")
    lengths = min(_bytes_for(largest), _bytes_for(most))
    heap = _Heap(source, width, start, largest, (bits + 7) // 8, lengths)
    if root == UNDEFINED:
        return heap, []
    return heap, list(heap.blocks(root, 0, rows)) if rows else [(0, start, root)]


# B-tree ------------------------------------------------------------------------------------------


def _records(source: Source, address: int) -> Iterator[bytes]:
    """Records of a B-tree of version 2 over names of links."""
    c = source.cursor(address, 38, b"BTHD")
    c.expect(1, 0, what="version of a tree")
    c.expect(1, _NAME_RECORDS, what="type of a tree")
    node, size, depth, _, root, count, _ = c.take(4, 2, 2, 2, 8, 2, 8)
    checked(source.piece(address, 38), "tree")
    if not size > 4 or not 10 + 2 * size <= node <= 2**20 or depth > _MAX_DEPTH:
        raise Broken("unusual tree", got=f"records of {size} in nodes of {node} bytes")
    # Per level: bytes of a child pointer, and how many records are below a full node.
    most = (node - 10) // size
    width, below, pointers = _bytes_for(most), most, [0]
    for level in range(1, depth + 1):
        pointer = 8 + width + (_bytes_for(below) if level > 1 else 0)
        pointers.append(pointer)
        most = (node - 10 - pointer) // (size + pointer)
        below = (most + 1) * below + most
    waiting, seen = [(root, count, depth)], set()
    while waiting:
        at, count, level = waiting.pop()
        if at == UNDEFINED and not count:
            continue
        if at in seen:
            raise Broken("a tree is not a tree", got=f"node at {at}")
        seen.add(at)
        children = count + 1 if level else 0
        body = 6 + count * size + children * pointers[level]
        c = Cursor(checked(source.piece(at, body + 4), "tree"))
        if c.raw(4) != (b"BTIN" if level else b"BTLF"):
            raise Broken("no node of a tree where one should be", got=f"at {at}")
        c.expect(1, 0, what="version of a tree")
        c.expect(1, _NAME_RECORDS, what="type of a tree")
        yield from (c.raw(size) for _ in range(count))
        for _ in range(children):
            child, records = c.take(8, width)
            c.raw(pointers[level] - 8 - width)
            waiting.append((child, records, level - 1))
