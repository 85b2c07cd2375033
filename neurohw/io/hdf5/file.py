"""Groups and datasets of a file in memory, and the limits on what is made of it."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.hdf5.groups import is_group, members
from neurohw.io.hdf5.header import SIGNATURE, Header, read_header, root_address
from neurohw.io.hdf5.source import Broken, Cursor, Source
from neurohw.io.hdf5.storage import read_elements
from neurohw.io.hdf5.text import Texts
from neurohw.io.hdf5.types import Type, read_shape, read_type
from neurohw.network.units import Shown

__all__ = ["Dataset", "Group", "Limits", "open_bytes", "open_file"]

_DATASPACE, _DATATYPE, _ATTRIBUTE, _ATTRIBUTE_INFO = 1, 3, 12, 21


@dataclass(frozen=True)
class Limits:
    """How much of a file is read at most; what is beyond is refused before it is read.

    Attributes
    ----------
    file_bytes : int
        Size of the file.
    data_bytes : int
        Sum over all arrays and texts that are read, eight bytes for each number.
    objects : int
        Groups and datasets.
    depth : int
        Groups inside groups.
    text_bytes : int
        One text.
    """

    file_bytes: int = 2**30
    data_bytes: int = 2**31
    objects: int = 1_000_000
    depth: int = 64
    text_bytes: int = 2**20


@dataclass
class _File:
    """What the objects of one file share."""

    source: Source
    texts: Texts
    limits: Limits
    origin: str
    objects_left: int

    @contextmanager
    def told(self, path: str) -> Iterator[None]:
        """Errors of what is read inside name the file and the path."""
        try:
            yield
        except Broken as error:
            raise FormatError(error.what, where=path, origin=self.origin, **error.details) from None
        except MemoryError:
            raise FormatError(
                "needs more memory than there is", where=path, origin=self.origin
            ) from None

    def take(self, kind: Type, shape: tuple[int, ...]) -> None:
        """Count the elements of an array that is about to be read."""
        self.source.take(math.prod(shape) * max(8, kind.size), f"shape {shape}")

    def value(self, kind: Type, shape: tuple[int, ...], raw: np.ndarray) -> Any:
        """Elements as numbers or text."""
        if kind.kind in ("text", "vlen text"):
            texts = self.texts.of(kind, raw)
            return np.array(texts, dtype=object).reshape(shape) if shape else texts[0]
        if kind.kind == "bool":
            if raw.size and raw.max() > 1:
                raise Broken("not a boolean", got=int(raw.max()), allowed="0 or 1")
            raw = raw.astype(np.bool_)
        # a view of the file would keep all of it in memory
        native = raw.dtype.newbyteorder("=")
        array = raw.astype(native, copy=raw.base is not None)
        array.flags.writeable = False
        return array


@dataclass(frozen=True)
class _Object:
    file: _File = field(repr=False)
    path: str
    header: Header = field(repr=False)

    @property
    def address(self) -> int:
        """Where the file keeps it: the same object under two names has one address."""
        return self.header.address

    def attributes(self) -> Mapping[str, Any]:
        """Attributes by name: numbers, text, or arrays of them."""
        out: dict[str, Any] = {}
        with self.file.told(self.path):
            for data in self.header.messages.get(_ATTRIBUTE, ()):
                name, value = self._attribute(Cursor(data))
                out[name] = value
            info = self.header.cursor(_ATTRIBUTE_INFO)
            if info is not None:
                info.expect(1, 0, what="version of attribute information")
                info.raw(2 if info.uint(1) & 1 else 0)
                if info.uint(8) != 2**64 - 1:
                    raise Broken("has too many attributes", allowed="up to 8")
        return out

    def _attribute(self, c: Cursor) -> tuple[str, Any]:
        version = c.expect(1, 1, 2, 3, what="version of an attribute")
        shared, *sizes = c.take(1, 2, 2, 2)
        if shared & 3 and version > 1:
            raise Broken("shares the type of an attribute with another object")
        c.raw(1 if version == 3 else 0)
        parts = [c.raw(n + (-n % 8 if version == 1 else 0)) for n in sizes]
        try:
            name = parts[0].partition(b"\0")[0].decode()
        except UnicodeDecodeError:
            raise Broken("a name is not UTF-8", got=ascii(parts[0])) from None
        kind, shape = read_type(Cursor(parts[1])), read_shape(Cursor(parts[2]))
        self.file.take(kind, shape)
        size = math.prod(shape)
        raw = np.frombuffer(c.raw(size * kind.size), kind.dtype).reshape(shape)
        value = self.file.value(kind, shape, raw)
        return name, value.item() if isinstance(value, np.ndarray) and not shape else value


@dataclass(frozen=True)
class Dataset(_Object):
    """An array of numbers or text. Nothing is read until :meth:`read`."""

    type: Type
    shape: tuple[int, ...]

    @property
    def is_text(self) -> bool:
        """Whether the elements are text."""
        return self.type.kind in ("text", "vlen text")

    def read(self) -> Any:
        """A read-only array of native byte order; text as str, or an object array of str."""
        file = self.file
        with file.told(self.path):
            file.take(self.type, self.shape)
            raw = read_elements(file.source, self.header, self.shape, self.type.dtype)
            return file.value(self.type, self.shape, raw)


@dataclass(frozen=True)
class Group(_Object):
    """A group; its members are looked up when they are asked for."""

    above: tuple[int, ...]  # addresses of the groups it is in

    def members(self) -> dict[str, Group | Dataset]:
        """Everything in it, by name."""
        file = self.file
        with file.told(self.path):
            found = members(file.source, self.header)
            inside = (*self.above, self.address)
            if len(inside) > file.limits.depth:
                raise Broken("too deep", allowed=f"{file.limits.depth} groups inside each other")
            for name, address in found.items():
                if address in inside:
                    what = "a group that contains itself"
                    raise Broken(what, got=Shown(f"{name} leads back"))
            file.objects_left -= len(found)
            if file.objects_left < 0:
                raise Broken("too many objects", allowed=f"{file.limits.objects}")
        path = self.path.rstrip("/")
        return {k: _open(file, f"{path}/{k}", at, inside) for k, at in found.items()}


def _open(file: _File, path: str, address: int, above: tuple[int, ...]) -> Group | Dataset:
    with file.told(path):
        header = read_header(file.source, address)
        if is_group(header):
            return Group(file, path, header, above)
        kind, shape = header.cursor(_DATATYPE), header.cursor(_DATASPACE)
        if kind is None or shape is None:
            raise Broken("neither a group nor a dataset")
        return Dataset(file, path, header, read_type(kind), read_shape(shape))


def open_bytes(data: bytes, *, limits: Limits | None = None, origin: str = "") -> Group:
    """The root group of a file in memory.

    Raises
    ------
    FormatError
        Here and in all that is asked of the result, for whatever is wrong with the file.
    """
    limits = limits or Limits()
    if not data.startswith(SIGNATURE):
        got = "an empty file" if not data else Shown(ascii(data[:8]))
        allowed = "a file that begins with '\\x89HDF'"
        raise FormatError("not an HDF5 file", origin=origin, got=got, allowed=allowed)
    source = Source(data, limits.data_bytes)
    texts = Texts(source, limits.text_bytes)
    file = _File(source, texts, limits, origin, limits.objects)
    with file.told("/"):
        root = _open(file, "/", root_address(source), ())
        if not isinstance(root, Group):
            raise Broken("the root is not a group")
        return root


def open_file(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Group:
    """The root group of a file; the file is read at once, and not touched again."""
    limits, origin = limits or Limits(), os.fspath(path)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FormatError("not a regular file", origin=origin)
            if status.st_size > limits.file_bytes:
                got, allowed = f"{status.st_size} bytes", f"up to {limits.file_bytes}"
                raise FormatError("too large", origin=origin, got=got, allowed=allowed)
            data = file.read(limits.file_bytes + 1)
    except OSError as error:
        raise FormatError("cannot read the file", origin=origin, got=error.strerror) from error
    return open_bytes(data[: limits.file_bytes], limits=limits, origin=origin)
