"""What other frameworks make of a NIR file: what they refuse, leave out, or take otherwise.

The statements are the rows of ``frameworks.toml``. Each was tried on the framework itself
(``benchmarks/nir_frameworks.py``), and ``tests/io/test_lint.py`` holds the table to what was found.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.conditions import facts, holds
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.schema import GRAPH, KINDS
from neurohw.network.common import nearest

__all__ = ["VERDICTS", "Finding", "Framework", "Row", "frameworks", "lint"]

VERDICTS = ("rejected", "changed", "rescaled", "ignored")
"""From worst to mildest: the file is refused; the dynamics are others; a gain or a time constant is
another; a field is not looked at."""


@dataclass(frozen=True)
class Row:
    """One statement.

    Attributes
    ----------
    kinds : tuple of str
        Node types it is about; ``NIRGraph`` for a graph as a whole.
    field : str
        The field; empty for the node as a whole.
    when : str
        Condition, see :mod:`neurohw.io.nir.conditions`; empty: always.
    verdict : {"rejected", "changed", "rescaled", "ignored"}
    says : str
        What happens, in a sentence.
    deviation : str
        Its name in ``benchmarks/nir_model.py``, by which it is tried; empty for a rejection.
    """

    kinds: tuple[str, ...]
    field: str
    when: str
    verdict: str
    says: str
    deviation: str


@dataclass(frozen=True)
class Framework:
    """An importer, the versions that were tried, and its rows.

    Attributes
    ----------
    name, version : str
    nir, nirtorch : str
        The versions that read the files for it.
    reader : str
        The row of that nir, whose rows hold here too; empty for nir itself.
    importer : str
        The function that was tried, with the arguments it was given.
    note : str
        What holds for every file.
    rows : tuple of Row
    """

    name: str
    version: str
    nir: str
    nirtorch: str
    importer: str
    note: str
    rows: tuple[Row, ...]
    reader: str = ""


@dataclass(frozen=True)
class Finding:
    """What a framework makes of one field of one node.

    Attributes
    ----------
    framework, verdict, says, field, kind : str
        As in the row.
    path : str
        The node (``outer/inner`` inside an inner graph); empty for the file's graph.
    value : str
        The field's value, shortened; empty where the row is about no field.
    """

    framework: str
    path: str
    kind: str
    field: str
    verdict: str
    value: str
    says: str
    deviation: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        names = [f.name for f in fields(self) if f.name != "deviation"]
        return {name: getattr(self, name) for name in names}


@lru_cache(maxsize=1)
def frameworks() -> Mapping[str, Framework]:
    """The table: name -> framework."""
    text = files("neurohw.io.nir").joinpath("frameworks.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    out: dict[str, Framework] = {}
    for name, about in table.items():
        rows = tuple(_row(r, f"{name}.row[{k}]") for k, r in enumerate(about.pop("row")))
        before = out[about["reader"]].rows if "reader" in about else ()
        out[name] = Framework(name=name, rows=before + rows, **about)
    return MappingProxyType(out)


def _row(r: dict[str, Any], where: str) -> Row:
    kind = r.pop("kind")
    absent = {"field": "", "when": "", "deviation": ""}
    row = Row(kinds=tuple([kind] if isinstance(kind, str) else kind), **(absent | r))
    known = [*KINDS, GRAPH]
    for name in row.kinds:
        if name not in known:
            raise FormatError("unknown node type", where=where, got=name,
                              fix=nearest(name, known))  # fmt: skip
        if row.field and row.field not in [f.name for f in KINDS[name].fields]:
            raise FormatError("unknown field", where=where, got=f"{name}.{row.field}")
    if row.verdict not in VERDICTS:
        raise FormatError("unknown verdict", where=where, got=row.verdict,
                          allowed=", ".join(VERDICTS))  # fmt: skip
    return row


def lint(graph: Graph, names: Iterable[str] | None = None) -> tuple[Finding, ...]:
    """What frameworks would do to a graph.

    Parameters
    ----------
    graph : Graph
        As :func:`~neurohw.io.nir.read_nir` read it: of fields that the file does not have the
        notes of the nodes tell.
    names : names, optional
        Frameworks; default: all of the table.

    Returns
    -------
    tuple of Finding
        By framework in the order asked for, then graphs before nodes, then by path. Where a node
        is rejected whatever its fields are, that alone is told of it.

    Raises
    ------
    FormatError
        For an unknown framework.
    """
    table = frameworks()
    chosen = list(table) if names is None else list(dict.fromkeys(names))
    for name in chosen:
        if name not in table:
            raise FormatError("unknown framework", got=name, allowed=", ".join(table),
                              fix=nearest(name, list(table)))  # fmt: skip
    about = list(_items(graph))
    found: list[Finding] = []
    for name in chosen:
        for path, kind, values, given in about:
            rows = [r for r in table[name].rows if kind in r.kinds]
            whole = [r for r in rows if r.verdict == "rejected" and not r.when]
            for row in whole[:1] or rows:
                if holds(row.when, values, given):
                    value = _shown(values[row.field]) if row.field else ""
                    found.append(
                        Finding(name, path, kind, row.field, row.verdict, value, row.says,
                                row.deviation)
                    )  # fmt: skip
    return tuple(found)


def _items(graph: Graph) -> Iterator[tuple[str, str, Mapping[str, Any], Any]]:
    """Path, kind, names for conditions and what is given: of all graphs, then of all nodes."""
    yield from _graphs(graph, "")
    yield from _nodes(graph, "")


def _nodes(graph: Graph, prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any], Any]]:
    near = dict.fromkeys(graph.nodes, 0)
    feeds, inputs, outputs = dict(near), set(graph.inputs), set(graph.outputs)
    for a, b in graph.edges:
        near[a] += b not in outputs
        near[b] += a not in inputs
        feeds[a] += b not in outputs
    for name, node in graph.nodes.items():
        if isinstance(node, Graph):
            yield from _nodes(node, f"{prefix}{name}/")
            continue
        about = {**node.fields, "neighbours": near[name], "feeds": feeds[name]}
        yield prefix + name, node.kind, about, _given(node)


def _graphs(graph: Graph, path: str) -> Iterator[tuple[str, str, Mapping[str, Any], Any]]:
    yield path, GRAPH, facts(graph, inner=bool(path)), lambda name: True
    for name, node in graph.nodes.items():
        if isinstance(node, Graph):
            yield from _graphs(node, f"{path}/{name}".lstrip("/"))


def _given(node: Node) -> Any:
    def given(name: str) -> bool:
        return not any(f"{name}: not given" in note for note in node.notes)

    return given


def _shown(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return str(value)
    low, high = float(value.min()), float(value.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
