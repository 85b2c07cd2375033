"""The bytes of a file, looked at in small bounded pieces."""

from __future__ import annotations

from typing import Any

from neurohw.network.units import Shown

__all__ = ["UNDEFINED", "Broken", "Cursor", "Source", "checked"]

UNDEFINED = 2**64 - 1  # HDF5's address of what is nowhere


class Broken(Exception):
    """The file breaks HDF5's rules, or uses a part of HDF5 that is not read here.

    ``details`` are keywords of :class:`neurohw.errors.NeurohwError`; whoever knows the path of the
    object makes a FormatError of it.
    """

    def __init__(self, what: str, **details: Any) -> None:
        super().__init__(what)
        self.what, self.details = what, details


class Source:
    """The bytes of a file in memory, and how much may still be made of them.

    A file of n bytes has at most n bytes of structure. One that makes a reader go over them again
    and again (loops, shared subtrees) is stopped after `_TIMES` n. What arrays and texts take in
    memory, and what is unpacked on the way, comes out of `data_bytes`.
    """

    _TIMES = 16
    _EACH = 32  # what one more small piece counts at least, in bytes

    def __init__(self, data: bytes, data_bytes: int) -> None:
        self.data = memoryview(data)
        self.structure_left = self._TIMES * len(data) + 2**16
        self.data_bytes = self.data_left = data_bytes

    def take(self, size: int, what: str) -> None:
        """Count `size` bytes of memory for data, before they are asked for."""
        self.data_left -= size
        if self.data_left < 0:
            raise Broken("too large", got=Shown(what), allowed=f"{self.data_bytes} bytes in all")

    def span(self, at: int, size: int) -> memoryview:
        """The bytes `at` to ``at + size``, not counted and not copied."""
        if at + size > len(self.data) or at < 0 or size < 0:
            where = "nowhere" if at == UNDEFINED else f"{size} bytes at {at}"
            raise Broken(
                "points outside the file", got=Shown(where), allowed=f"{len(self.data)} bytes"
            )
        return self.data[at : at + size]

    def piece(self, at: int, size: int) -> bytes:
        """A part of the structure, counted."""
        self.structure_left -= max(size, self._EACH)
        if self.structure_left < 0:
            raise Broken("the same parts of the file are referred to over and over")
        return bytes(self.span(at, size))

    def cursor(self, at: int, size: int, magic: bytes = b"") -> Cursor:
        """A cursor over a part of the structure that begins with `magic`."""
        cursor = Cursor(self.piece(at, size))
        if magic and cursor.raw(len(magic)) != magic:
            raise Broken(f"no {magic.decode()} block where one should be", got=f"at {at}")
        return cursor


class Cursor:
    """Reads little-endian numbers from a piece, one after the other."""

    def __init__(self, piece: bytes, at: int = 0) -> None:
        self.piece, self.at = piece, at

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.piece) - self.at

    def raw(self, size: int) -> bytes:
        """The next `size` bytes."""
        start = self.at
        end = self.at = start + size
        if end > len(self.piece):
            got = f"{len(self.piece) - start} bytes"
            raise Broken("ends too early", got=got, allowed=f"{size} bytes")
        return self.piece[start:end]

    def uint(self, size: int) -> int:
        """The next unsigned integer of `size` bytes."""
        return int.from_bytes(self.raw(size), "little")

    def take(self, *sizes: int) -> tuple[int, ...]:
        """Several unsigned integers of these sizes."""
        piece, at = self.raw(sum(sizes)), 0
        out = []
        for size in sizes:
            out.append(int.from_bytes(piece[at : at + size], "little"))
            at += size
        return tuple(out)

    def expect(self, size: int, *allowed: int, what: str) -> int:
        """An unsigned integer that is one of a few."""
        value = self.uint(size)
        if value not in allowed:
            raise Broken(f"unknown {what}", got=value, allowed=" or ".join(map(str, allowed)))
        return value


def checked(piece: bytes, what: str) -> bytes:
    """The piece without its last four bytes, which are the checksum of what comes before."""
    if len(piece) < 4:
        raise Broken("ends too early", got=f"{len(piece)} bytes")
    body, kept = piece[:-4], int.from_bytes(piece[-4:], "little")
    if _lookup3(body) != kept:
        raise Broken(f"the checksum of the {what} is wrong: the file is damaged")
    return body


def _lookup3(data: bytes) -> int:
    """`hashlittle` of Bob Jenkins' lookup3 (public domain) with initial value 0, as HDF5 has it."""
    mask = 0xFFFFFFFF

    def rot(x: int, turn: int) -> int:
        return (x << turn | x >> (32 - turn)) & mask

    v = [(0xDEADBEEF + len(data)) & mask] * 3
    words = [
        int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data) + -len(data) % 12, 4)
    ]
    for i in range(0, len(words), 3):
        v = [(x + y) & mask for x, y in zip(v, words[i : i + 3], strict=True)]
        if i + 3 < len(words):
            for k, turn in enumerate((4, 6, 8, 16, 19, 4)):
                x, y, z = k % 3, (k + 2) % 3, (k + 1) % 3
                v[x] = ((v[x] - v[y]) & mask) ^ rot(v[y], turn)
                v[y] = (v[y] + v[z]) & mask
    for k, turn in enumerate((14, 11, 25, 16, 4, 14, 24) if words else ()):
        x, y = (k + 2) % 3, (k + 1) % 3
        v[x] = ((v[x] ^ v[y]) - rot(v[y], turn)) & mask
    return v[2]
