"""The commands about NIR files: show what is in one, and what other frameworks make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from neurohw.cli.look import console, plain, table
from neurohw.cli.source import names

__all__ = ["nir"]

nir = typer.Typer(no_args_is_help=True, rich_markup_mode=None,
                  help="Look at NIR files (neuroir.org).")  # fmt: skip

NirFile = Annotated[Path, typer.Argument(metavar="FILE", help="A NIR file.", dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

COLOURS = {"rejected": "bold red", "changed": "red", "rescaled": "yellow", "ignored": "yellow"}


@nir.command()
def show(file: NirFile, as_json: AsJson = False) -> None:
    """Show the nodes, shapes, edges and metadata of a file, and what reading it repaired."""
    from neurohw.io.nir import infer_shapes, read_nir

    graph = read_nir(file)
    ports, _ = infer_shapes(graph)
    nodes = [
        {
            "path": path,
            "kind": node.kind,
            "takes": ports[path].takes,
            "gives": ports[path].gives,
            "fields": {name: _field(value) for name, value in node.fields.items()},
            "metadata": _json(node.metadata),
        }
        for path, node in graph.walk()
    ]
    edges = list(_edges(graph, ""))
    if as_json:
        told = {"version": graph.version, "nodes": nodes, "edges": edges}
        told |= {"metadata": _json(graph.metadata), "notes": list(graph.notes)}
        print(json.dumps(told, indent=2))
        return
    out = console()
    out.print(f"{file}: {len(nodes)} nodes, {len(edges)} edges, written by nir "
              f"{graph.version or 'of unknown version'}")  # fmt: skip
    out.print()
    rows = [
        (n["path"], n["kind"], _shape(n["takes"]), _shape(n["gives"]),
         ", ".join(f"{k} {v}" for k, v in n["fields"].items() if k not in ("shape", "input_type")))
        for n in nodes
    ]  # fmt: skip
    out.print(table(rows, ("node", "type", "takes", "gives", "fields")))
    out.print()
    out.print(table(edges, ("from", "to")))
    for path, metadata in [("", graph.metadata), *((p, n.metadata) for p, n in graph.walk())]:
        if metadata:
            out.print(f"metadata of {path or 'the graph'}: {json.dumps(_json(metadata))}")
    for note in graph.notes:
        out.print(f"note: {note}")


@nir.command()
def lint(
    file: NirFile,
    to: Annotated[
        str, typer.Option("--for", metavar="A,B", help="Frameworks.", show_default="all known")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if anything is rejected or changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which other frameworks would reject, change, rescale or ignore what is in a file.

    Every statement was tried on the framework, at the version that is named.
    """
    from neurohw.io.nir import read_nir
    from neurohw.io.nir.lint import VERDICTS, frameworks
    from neurohw.io.nir.lint import lint as linted

    graph = read_nir(file)
    known = frameworks()
    chosen = names(to) or tuple(known)
    found = linted(graph, chosen)
    bad = any(f.verdict in ("rejected", "changed") for f in found)
    if as_json:
        told = {
            "file": str(file),
            "frameworks": {n: {k: getattr(known[n], k) for k in ("version", "nir", "nirtorch",
                           "importer", "note")} for n in chosen},
            "findings": [f.as_dict() for f in found],
            "notes": list(graph.notes),
        }  # fmt: skip
        print(json.dumps(told, indent=2))
    else:
        out = console()
        for name in chosen:
            f = known[name]
            mine = [x for x in found if x.framework == name]
            counts = [(v, sum(x.verdict == v for x in mine)) for v in VERDICTS]
            said = ", ".join(f"{n} {v}" for v, n in counts if n) or "all is kept"
            out.print(plain(f"{name} {f.version}", "bold"), f" (nir {f.nir}", sep="", end="")
            out.print(f", nirtorch {f.nirtorch})" if f.nirtorch else ")", f": {said}", sep="")
            if f.note:
                out.print(f"  {f.note}")
            if mine:
                rows = [
                    ("", x.path or "graph", x.kind, x.field, x.value,
                     plain(x.verdict, COLOURS[x.verdict]), x.says)
                    for x in mine
                ]  # fmt: skip
                columns = ("", "node", "type", "field", "value", "verdict", "what happens")
                out.print(table(rows, columns))
            out.print()
        if graph.notes:
            out.print(f"{len(graph.notes)} notes on reading: neurohw nir show {file}")
    if strict and bad:
        raise typer.Exit(1)


def _edges(graph: Any, prefix: str) -> Any:
    yield from ((prefix + a, prefix + b) for a, b in graph.edges)
    for name, node in graph.nodes.items():
        if hasattr(node, "edges"):
            yield from _edges(node, f"{prefix}{name}/")


def _shape(shape: Any) -> str:
    return "?" if shape is None else " x ".join(map(str, shape)) or "one"


def _field(value: Any) -> Any:
    """A number, a shape, or the range of an array."""
    import numpy as np

    if not isinstance(value, np.ndarray):
        return "?" if value is None else list(value) if isinstance(value, tuple) else value
    low, high = float(value.min()), float(value.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _json(value: Any) -> Any:
    """Metadata as JSON has it."""
    if hasattr(value, "items"):
        return {k: _json(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [_json(x) for x in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value
