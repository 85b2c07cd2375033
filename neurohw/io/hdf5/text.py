"""Text: kept in place, or in global heaps that are shared by many datasets."""

from __future__ import annotations

import numpy as np

from neurohw.io.hdf5.source import Broken, Cursor, Source
from neurohw.io.hdf5.types import Type

__all__ = ["Texts"]


class Texts:
    """Makes text of stored elements; knows the heaps it has been through."""

    def __init__(self, source: Source, most: int) -> None:
        self.source, self.most = source, most
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def of(self, kind: Type, elements: np.ndarray) -> list[str]:
        """One text per element, in row-major order."""
        if kind.kind == "text":
            raw = [bytes(x).partition(b"\0")[0] for x in elements.reshape(-1)]
        else:
            raw = [self._shared(x.tobytes()) for x in elements.reshape(-1)]
        try:
            return [x.decode() for x in raw]
        except UnicodeDecodeError as error:
            raise Broken("text is not UTF-8", got=ascii(error.object[:40])) from None

    def _shared(self, reference: bytes) -> bytes:
        length, address, index = Cursor(reference).take(4, 8, 4)
        if not length:
            return b""
        if length > self.most:
            raise Broken("text too long", got=f"{length} bytes", allowed=f"up to {self.most}")
        if address not in self._heaps:
            self._heaps[address] = self._heap(address)
        at, size = self._heaps[address].get(index, (0, 0))
        if length > size:
            raise Broken("text is not where it should be", got=f"object {index} at {address}")
        self.source.take(length, f"{length} bytes of text")
        return self.source.piece(at, length)

    def _heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Objects of a global heap: index -> address and size."""
        c = self.source.cursor(address, 16, b"GCOL")
        c.expect(1, 1, what="version of a global heap")
        c.raw(3)
        end = address + c.uint(8)
        self.source.span(address, end - address)
        found: dict[int, tuple[int, int]] = {}
        at = address + 16
        while at + 16 <= end:
            index, _, _, size = self.source.cursor(at, 16).take(2, 2, 4, 8)
            if not index:  # free space: the rest
                break
            at += 16
            if at + size > end or index in found:
                raise Broken("a heap of text is damaged", got=f"object {index} of {size} bytes")
            found[index] = (at, size)
            at += size + -size % 8
        return found
