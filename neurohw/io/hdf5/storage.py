"""The elements of a dataset, wherever the file keeps them."""

from __future__ import annotations

import math
import zlib

import numpy as np

from neurohw.io.hdf5.chunks import Chunks, find_chunks
from neurohw.io.hdf5.header import Header
from neurohw.io.hdf5.source import UNDEFINED, Broken, Source

__all__ = ["read_elements"]

_EXTERNAL, _LAYOUT, _FILTERS = 7, 8, 11
_DEFLATE, _SHUFFLE = 1, 2
_FILTER_NAMES = {3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
# zlib makes at most this many bytes of one
_DEFLATE_RATIO = 1032


def read_elements(
    source: Source, header: Header, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """All elements, as stored. The caller has seen to it that they are not too many.

    Raises
    ------
    Broken
        If they are not all there, are stored outside the file, or in a way that is not read here.
    """
    if _EXTERNAL in header.messages:
        raise Broken("is kept in other files", allowed="data in the file itself")
    c = header.cursor(_LAYOUT)
    if c is None:
        raise Broken("has no layout")
    version = c.expect(1, 3, 4, 5, what="version of a layout")
    kind = c.uint(1)
    size = math.prod(shape) * dtype.itemsize
    if kind == 0:
        return _shaped(memoryview(c.raw(c.uint(2))), shape, dtype)
    if kind == 1:
        address, stored = c.take(8, 8)
        if size and address == UNDEFINED:
            raise Broken("was never written", got=f"shape {shape}")
        return _shaped(source.span(address if size else 0, stored), shape, dtype)
    if kind != 2:
        what = "is a virtual dataset: a view of others" if kind == 3 else f"layout {kind}"
        raise Broken(what, allowed="data in the file itself")
    filters = _filters(header)
    found = find_chunks(source, c, version, shape, dtype.itemsize, filtered=bool(filters))
    return _assemble(source, shape, dtype, filters, found)


def _shaped(data: memoryview, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    count = math.prod(shape)
    if len(data) != count * dtype.itemsize:
        got, allowed = f"{len(data)} bytes", f"{count * dtype.itemsize} for shape {shape}"
        raise Broken("data and shape differ", got=got, allowed=allowed)
    return np.frombuffer(data, dtype, count).reshape(shape)


def _assemble(
    source: Source, shape: tuple[int, ...], dtype: np.dtype, filters: tuple[int, ...], found: Chunks
) -> np.ndarray:
    total = math.prod(shape) * dtype.itemsize
    if not total:
        return np.empty(shape, dtype)
    each = math.prod(found.shape) * dtype.itemsize
    if len(found.at) != found.count:
        got, allowed = f"{len(found.at)} blocks", f"{found.count}"
        raise Broken("was not all written", got=got, allowed=allowed)
    stored = sum(x.size for x in found.at.values())
    if total > stored * (_DEFLATE_RATIO if filters else 1):
        raise Broken("data and shape differ", got=f"{stored} bytes", allowed=f"{total}")
    # blocks reach over the edge, and are unpacked all the same
    source.take(max(found.count * each - total, 0), f"{found.count} blocks of {each} bytes")
    out = np.empty(shape, dtype)
    for corner, x in found.at.items():
        raw = _unfilter(source.span(x.address, x.size), filters, x.skipped, each, dtype.itemsize)
        target = out[tuple(slice(a, a + n) for a, n in zip(corner, found.shape, strict=True))]
        block = np.frombuffer(raw, dtype).reshape(found.shape)
        target[...] = block[tuple(slice(0, n) for n in target.shape)]
    return out


def _unfilter(
    raw: memoryview, filters: tuple[int, ...], skipped: int, size: int, element: int
) -> memoryview:
    """Undo the filters, the last one first; the result has `size` bytes."""
    for number, kind in reversed(list(enumerate(filters))):
        if skipped >> number & 1:
            continue
        if kind == _DEFLATE:
            raw = memoryview(_inflate(raw, size))
        elif len(raw) == size:  # shuffle: the first bytes of all elements, then the second, ...
            plain = np.frombuffer(raw, np.uint8).reshape(element, -1).T
            raw = memoryview(plain.tobytes())
    if len(raw) != size:
        raise Broken("a block has the wrong size", got=f"{len(raw)} bytes", allowed=f"{size}")
    return raw


def _inflate(raw: memoryview, size: int) -> bytes:
    """At most `size` bytes; a stream that holds more is refused."""
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(raw, size)
        more = b"" if unpack.eof else unpack.decompress(unpack.unconsumed_tail, 1)
    except zlib.error as error:
        raise Broken("a block cannot be unpacked", got=str(error)) from None
    if more:
        raise Broken("a block unpacks to too much", allowed=f"{size} bytes")
    if not unpack.eof:
        raise Broken("a packed block is cut short", got=f"{len(data)} bytes", allowed=f"{size}")
    return data


def _filters(header: Header) -> tuple[int, ...]:
    """Filters in the order they were applied; only such as cannot do harm."""
    c = header.cursor(_FILTERS)
    if c is None:
        return ()
    version = c.expect(1, 1, 2, what="version of a filter pipeline")
    count = c.uint(1)
    c.raw(6 if version == 1 else 0)
    out = []
    for _ in range(count):
        kind = c.uint(2)
        named = c.uint(2) if version == 1 or kind >= 256 else 0
        _, numbers = c.take(2, 2)
        c.raw(named + (-named % 8 if version == 1 else 0))
        c.raw(4 * (numbers + (numbers % 2 if version == 1 else 0)))
        if kind not in (_DEFLATE, _SHUFFLE):
            got = _FILTER_NAMES.get(kind, f"number {kind}")
            allowed, fix = "gzip and shuffle", "write it with compression='gzip'"
            raise Broken("filtered in a way that is not read", got=got, allowed=allowed, fix=fix)
        out.append(kind)
    if len(set(out)) < len(out) or out == [_DEFLATE, _SHUFFLE]:
        raise Broken("unusual order of filters", got=f"{out}", allowed="shuffle, then gzip")
    return tuple(out)
