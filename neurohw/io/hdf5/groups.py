"""The members of a group: names and addresses, in either of HDF5's ways to store them."""

from __future__ import annotations

from collections.abc import Iterator

from neurohw.io.hdf5.dense import heap_objects
from neurohw.io.hdf5.header import Header
from neurohw.io.hdf5.source import UNDEFINED, Broken, Cursor, Source
from neurohw.network.units import Shown

__all__ = ["MAX_NAME", "is_group", "members", "tree_v1"]

MAX_NAME = 1024  # bytes of a name that errors still can show; HDF5 itself knows no limit

_LINK_INFO, _LINK, _TABLE = 2, 6, 17
_KINDS = {1: "a soft link", 64: "an external link"}


def is_group(header: Header) -> bool:
    """Whether the object is a group."""
    return any(kind in header.messages for kind in (_LINK_INFO, _LINK, _TABLE))


def members(source: Source, header: Header) -> dict[str, int]:
    """Name -> address of the header, in the order of storage.

    Raises
    ------
    Broken
        If a member is a link to elsewhere, or two have one name.
    """
    out: dict[str, int] = {}
    for raw, address in _members(source, header):
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            raise Broken("a name is not UTF-8", got=ascii(raw[:80])) from None
        if not name.isprintable() or len(raw) > MAX_NAME:
            wanted = f"up to {MAX_NAME} bytes without control characters"
            raise Broken("not a name", got=Shown(ascii(name[:80])), allowed=wanted)
        if name in out:
            raise Broken("two members of one name", got=name)
        out[name] = address
    return out


def _members(source: Source, header: Header) -> Iterator[tuple[bytes, int]]:
    table = header.cursor(_TABLE)
    if table is not None:
        yield from _symbols(source, *table.take(8, 8))
    for data in header.messages.get(_LINK, ()):
        yield _link(Cursor(data))
    info = header.cursor(_LINK_INFO)
    if info is not None:
        info.expect(1, 0, what="version of link information")
        info.raw(8 if info.uint(1) & 1 else 0)
        heap, names = info.take(8, 8)
        if heap != UNDEFINED:
            for data in heap_objects(source, heap, names):
                yield _link(Cursor(data))


def _link(c: Cursor) -> tuple[bytes, int]:
    c.expect(1, 1, what="version of a link")
    flags = c.uint(1)
    kind = c.uint(1) if flags & 8 else 0
    c.raw((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = c.raw(c.uint(1 << (flags & 3)))
    if kind:
        _refuse(kind, name)
    return name, c.uint(8)


def _refuse(kind: int, name: bytes) -> None:
    raise Broken(
        f"{name[:80].decode(errors='replace')!a} is {_KINDS.get(kind, 'an unknown link')}",
        allowed="members that are in the file itself",
    )


def tree_v1(source: Source, address: int, kind: int, key_size: int) -> Iterator[tuple[bytes, int]]:
    """Key and address of every leaf entry of a B-tree of version 1, from left to right."""
    waiting: list[tuple[int, int]] = [(address, -1)]
    seen: set[int] = set()
    while waiting:
        at, wanted = waiting.pop()
        c = source.cursor(at, 24, b"TREE")
        c.expect(1, kind, what="type of a tree")
        level, count = c.take(1, 2)
        if at in seen or wanted not in (-1, level):
            raise Broken("a tree is not a tree", got=f"node at {at} of level {level}")
        seen.add(at)
        c = source.cursor(at + 24, count * (key_size + 8))
        entries = [(c.raw(key_size), c.uint(8)) for _ in range(count)]
        if level:
            waiting += [(child, level - 1) for _, child in reversed(entries)]
        else:
            yield from entries


def _symbols(source: Source, tree: int, heap: int) -> Iterator[tuple[bytes, int]]:
    c = source.cursor(heap, 32, b"HEAP")
    c.expect(1, 0, what="version of a local heap")
    c.raw(3)
    size, _, start = c.take(8, 8, 8)
    names = source.piece(start, size)
    for _, at in tree_v1(source, tree, 0, 8):
        c = source.cursor(at, 8, b"SNOD")
        c.expect(1, 1, what="version of a symbol table")
        c.raw(1)
        count = c.uint(2)
        c = source.cursor(at + 8, 40 * count)
        for _ in range(count):
            where, address, cache, _, _ = c.take(8, 8, 4, 4, 16)
            end = names.find(b"\0", where)
            if where >= size or end < 0:
                raise Broken("a name lies outside the heap of names", got=where, allowed=f"{size}")
            name = names[where:end]
            if cache == 2 or address == UNDEFINED:
                _refuse(1, name)
            yield name, address
