"""Superblock and object headers: where the root is, and the messages that describe an object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neurohw.io.hdf5.source import Broken, Cursor, Source, checked

__all__ = ["SIGNATURE", "Header", "read_header", "root_address"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CONTINUATION = 16
Messages = Iterator[tuple[int, int, bytes]]  # type, flags, data
# Every message that is read here, or that changes nothing of what is read; others are refused.
_NAMES = (
    "nothing", "a dataspace", "link information", "a datatype", "an old fill value",
    "a fill value", "a link", "external files", "a layout", "", "group information",
    "a filter pipeline", "an attribute", "a comment", "an old time", "", "a continuation",
    "a symbol table", "a time", "", "", "attribute information", "a reference count",
)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Messages of an object, by type (1 dataspace, 3 datatype, ...)."""

    address: int
    messages: dict[int, list[bytes]]

    def cursor(self, kind: int) -> Cursor | None:
        """The first message of a type, if there is one."""
        found = self.messages.get(kind)
        return Cursor(found[0]) if found else None


def _name(kind: int) -> str:
    return _NAMES[kind] if kind < len(_NAMES) else ""


def root_address(source: Source) -> int:
    """Address of the header of the root group."""
    c = source.cursor(0, min(96, len(source.data)))
    if c.raw(8) != SIGNATURE:
        raise Broken("not an HDF5 file")
    version = c.expect(1, 0, 1, 2, 3, what="version of the HDF5 file format")
    if version < 2:
        c.raw(4)
        sizes = c.take(1, 1)
        c.raw(13 if version else 9)
        base, _, end = c.take(8, 8, 8)
        c.raw(16)  # driver information, link name of the root
    else:
        sizes = c.take(1, 1)
        c.raw(1)
        base, _, end = c.take(8, 8, 8)
    if sizes != (8, 8):
        raise Broken("unusual addresses", got=f"{sizes} bytes", allowed="(8, 8)")
    if base:
        raise Broken("does not begin at its first byte", got=f"at {base}")
    if end > len(source.data):
        raise Broken("the file is cut short", got=f"{len(source.data)} bytes", allowed=f"{end}")
    root = c.uint(8)
    if version >= 2:
        checked(bytes(source.span(0, c.at + 4)), "superblock")
    return root


def _messages_v1(c: Cursor) -> Messages:
    while c.left >= 8:
        kind, size, flags, _ = c.take(2, 2, 1, 3)
        yield kind, flags, c.raw(size)


def _messages_v2(c: Cursor, ordered: bool) -> Messages:
    while c.left >= (6 if ordered else 4):  # what is left after the last message is a gap
        kind, size, flags = c.take(1, 2, 1)
        if ordered:
            c.raw(2)
        yield kind, flags, c.raw(size)


def _first_block(source: Source, address: int) -> tuple[Messages, Callable[[int, int], Messages]]:
    """Messages of the first block, and the function that reads a continuation of it."""
    if source.piece(address, 4) != b"OHDR":
        c = source.cursor(address, 16)
        c.expect(1, 1, what="version of an object header")
        c.raw(7)
        size = c.uint(4)
        return (
            _messages_v1(source.cursor(address + 16, size)),
            lambda at, size: _messages_v1(source.cursor(at, size)),
        )
    c = source.cursor(address + 4, 2)
    c.expect(1, 2, what="version of an object header")
    flags = c.uint(1)
    ordered, width = bool(flags & 4), 1 << (flags & 3)
    start = 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0) + width
    size = source.cursor(address + start - width, width).uint(width)
    body = checked(source.piece(address, start + size + 4), "object header")

    def more(at: int, size: int) -> Messages:
        block = Cursor(checked(source.piece(at, size), "object header"))
        if block.raw(4) != b"OCHK":
            raise Broken("no OCHK block where one should be", got=f"at {at}")
        return _messages_v2(block, ordered)

    return _messages_v2(Cursor(body, start), ordered), more


def read_header(source: Source, address: int) -> Header:
    """All messages of the object at this address."""
    messages, more = _first_block(source, address)
    found: dict[int, list[bytes]] = {}
    waiting: list[Messages] = [messages]
    seen = set()
    while waiting:
        for kind, flags, data in waiting.pop():
            if not _name(kind):
                raise Broken("uses a part of HDF5 that is not read", got=f"message {kind}")
            if flags & 2:
                raise Broken("shares a message with another object", got=_name(kind))
            if kind == _CONTINUATION:
                at, size = Cursor(data).take(8, 8)
                if at in seen:
                    raise Broken("an object header continues in a circle")
                seen.add(at)
                waiting.append(more(at, size))
            elif kind:
                found.setdefault(kind, []).append(data)
    return Header(address, found)
