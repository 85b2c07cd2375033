"""A NIR graph in memory: plain frozen data, checked when it is made.

Nothing here needs the `nir` package. What a field may hold stands in
:mod:`neurohw.io.nir.schema`; a :class:`Node` that exists is valid, and so is a :class:`Graph`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.hdf5.groups import MAX_NAME
from neurohw.io.nir.check import check
from neurohw.io.nir.schema import NIR_VERSION
from neurohw.network.common import nearest

__all__ = ["Edge", "Graph", "Metadata", "Node", "check_name", "plain", "some"]

Edge = tuple[str, str]
Metadata = Mapping[str, Any]


def check_name(name: Any, where: str = "") -> str:
    """A name of a node or a key of metadata: text that HDF5 can hold as one step of a path."""
    wanted = f"text of 1 to {MAX_NAME} bytes without '/' and control characters, not '.' or '..'"
    if not isinstance(name, str):
        raise FormatError("not a name", where=where, got=repr(name), allowed=wanted)
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= MAX_NAME or "/" in name or name in (".", "..") or not name.isprintable():
        raise FormatError("not a name", where=where, got=name, allowed=wanted)
    return name


def plain(value: Any, where: str = "metadata") -> Any:
    """A value of metadata in its one form; what a file cannot hold is refused.

    Text stays; a number becomes bool, int or float; a list or an array of numbers a read-only
    array of its own dtype; a list of texts a tuple; a mapping a read-only mapping.

    Raises
    ------
    FormatError
        For anything else, None among it.
    """
    wanted = "text, numbers, lists or arrays of them, and mappings"
    if isinstance(value, Mapping):
        keys = [check_name(k, where) for k in value]
        return MappingProxyType({k: plain(value[k], f"{where}.{k}") for k in keys})
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FormatError("not valid text", where=where, got=ascii(value)) from None
        if "\0" in value:
            raise FormatError("text with a zero byte", where=where, got=ascii(value))
        return str(value)
    if value is None:
        raise FormatError(
            "NIR cannot hold None", where=where, allowed=wanted, fix="leave the key out"
        )
    if isinstance(value, tuple | list) and value and all(isinstance(x, str) for x in value):
        return tuple(plain(x, where) for x in value)
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        array = np.asarray(None)
    if array.dtype.kind in "UO" and array.ndim == 1 and all(isinstance(x, str) for x in array):
        return tuple(plain(str(x), where) for x in array)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        got = type(value).__name__ if array.dtype.kind == "O" else array.dtype
        raise FormatError("not a value that a file can hold", where=where, got=got, allowed=wanted)
    if not array.ndim:
        number = array.item()
        if isinstance(number, int) and number >= 2**63:
            raise FormatError("too large", where=where, got=number, allowed="up to 2**63 - 1")
        return number
    array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    array.flags.writeable = False
    return array


def some(names: Iterable[str]) -> str:
    """The first few names, and how many there are."""
    known = list(names)
    return ", ".join(known[:12]) + (f", ... ({len(known)} in all)" if known[12:] else "")


def _near(name: Any, names: Iterable[str]) -> str:
    """A similar name; only where looking for it does not take long."""
    short = [x for x in itertools.islice(names, 200) if len(x) < 100]
    return nearest(name, short) if isinstance(name, str) else ""


def _same(left: Any, right: Any) -> bool:
    """Equal to the last bit, types and shapes included; the order of a mapping does not count."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        alike = left.dtype == right.dtype and left.shape == right.shape
        return alike and left.tobytes() == right.tobytes()
    if isinstance(left, float) and isinstance(right, float):
        return np.float64(left).tobytes() == np.float64(right).tobytes()
    return type(left) is type(right) and bool(left == right)


@dataclass(frozen=True, eq=False)
class Node:
    """One node.

    Parameters
    ----------
    kind : str
        Its type, a key of ``schema.KINDS``: ``"LIF"``.
    fields : mapping
        Field -> value, see :mod:`neurohw.io.nir.schema`: arrays are read-only float64, the rest
        int, tuples of int, text, or None for an optional shape that is not known. Every field of
        the row is there once the node is made.
    metadata : mapping
        Whatever its maker noted, see :func:`plain`. It has no meaning of its own.
    where : str, optional
        Path for errors and notes; default: the kind.

    Attributes
    ----------
    notes : tuple of str
        What was repaired or filled in when the node was made. Not part of its value.

    Raises
    ------
    FormatError
        Naming field, value and what is allowed.
    """

    kind: str
    fields: Mapping[str, Any]
    metadata: Metadata = field(default_factory=dict)
    where: InitVar[str] = ""
    notes: tuple[str, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self, where: str) -> None:
        checked, notes = check(self.kind, self.fields, where=where)
        object.__setattr__(self, "fields", checked)
        object.__setattr__(self, "notes", notes)
        at = f"{where}metadata" if where.endswith("/") else f"{where or self.kind}.metadata"
        object.__setattr__(self, "metadata", plain(self.metadata, at))

    def __getitem__(self, name: str) -> Any:
        """The value of a field."""
        return self.fields[name]

    def __eq__(self, other: object) -> bool:
        """Same kind, fields and metadata, to the last bit."""
        if not isinstance(other, Node):
            return NotImplemented
        return (
            self.kind == other.kind
            and _same(self.fields, other.fields)
            and _same(self.metadata, other.metadata)
        )


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges; a node may be a graph.

    Parameters
    ----------
    nodes : mapping
        Name -> node. The order does not count (a file does not keep it).
    edges : sequence of (str, str)
        From, to: each names a node of this graph, no pair twice. Cycles are allowed.
    metadata : mapping
        As for :class:`Node`.
    version : str
        Of the library that wrote the file. Not part of the value, nor are the notes.
    notes : sequence of str
        What a reader repaired or filled in, in this graph and in those inside it.
    where : str, optional
        Path for errors, with a slash at its end.

    Raises
    ------
    FormatError
        If a name is not sane or an edge names no node or comes twice.
    """

    nodes: Mapping[str, Node | Graph]
    edges: tuple[Edge, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    version: str = NIR_VERSION
    notes: tuple[str, ...] = field(default=(), repr=False)
    where: InitVar[str] = ""

    def __post_init__(self, where: str) -> None:
        for name, node in self.nodes.items():
            check_name(name, f"{where}nodes")
            if not isinstance(node, Node | Graph):
                raise FormatError(
                    "not a node", where=f"{where}nodes.{name}", got=type(node).__name__,
                    allowed="Node or Graph",
                )  # fmt: skip
        edges = tuple((source, target) for source, target in self.edges)
        seen: set[Edge] = set()
        for number, edge in enumerate(edges):
            for end in edge:
                if end not in self.nodes:
                    raise FormatError(
                        "edge to or from no node",
                        where=f"{where}edges[{number}]",
                        got=end,
                        allowed=some(self.nodes),
                        fix=_near(end, self.nodes),
                    )
            if edge in seen:
                raise FormatError("edge given twice", where=f"{where}edges[{number}]", got=edge)
            seen.add(edge)
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "metadata", plain(self.metadata, f"{where}metadata"))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __getitem__(self, path: str) -> Any:
        """The node of this name, or at this path, ``outer/inner``."""
        first, _, rest = path.partition("/")
        return self.nodes[first][rest] if rest else self.nodes[first]

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """Names of the nodes of these kinds, in order."""
        return tuple(n for n, x in self.nodes.items() if isinstance(x, Node) and x.kind in kinds)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the Input nodes."""
        return self.of_kind("Input")

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the Output nodes."""
        return self.of_kind("Output")

    def into(self, name: str) -> tuple[str, ...]:
        """Names of the nodes with an edge to this one."""
        return tuple(a for a, b in self.edges if b == name)

    def out_of(self, name: str) -> tuple[str, ...]:
        """Names of the nodes with an edge from this one."""
        return tuple(b for a, b in self.edges if a == name)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """All nodes with their paths (``outer/inner``), those of inner graphs too."""
        for name, node in self.nodes.items():
            if isinstance(node, Graph):
                yield from node.walk(f"{prefix}{name}/")
            else:
                yield prefix + name, node

    def __eq__(self, other: object) -> bool:
        """Same nodes, edges and metadata, to the last bit; version and notes do not count."""
        if not isinstance(other, Graph):
            return NotImplemented
        return (
            self.nodes.keys() == other.nodes.keys()
            and all(self.nodes[k] == other.nodes[k] for k in self.nodes)
            and self.edges == other.edges
            and _same(self.metadata, other.metadata)
        )
