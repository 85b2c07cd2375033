"""Any graph: written by us and read by nir, written by nir and read by us."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurohw.errors import FormatError
from neurohw.io.nir import KINDS, Graph, Node, frameworks, lint, parse_nir, write_nir
from neurohw.testing.nir_files import example_node
from tests.io.nir_oracle import assert_same

finite = st.floats(-1e300, 1e300, allow_subnormal=True)
positive = st.floats(2.0**-1000, 1e300)
names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)
names = names.filter(lambda s: s not in (".", "..") and s.isprintable())
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
plain_values = st.one_of(
    text,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    hnp.arrays(st.sampled_from(["f4", "f8", "i2", "u8", "?"]), hnp.array_shapes(max_dims=2)),
    st.lists(text, min_size=1, max_size=3),
)
metadata = st.dictionaries(
    names, st.one_of(plain_values, st.dictionaries(names, plain_values, max_size=2)), max_size=2
)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
pairs = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def nodes(draw: st.DrawFn, metadata: st.SearchStrategy[Any] = metadata) -> Node:
    kind = draw(st.sampled_from(sorted(KINDS)))
    shape = draw(shapes)
    fields: dict[str, Any] = {}
    for f in KINDS[kind].fields:
        if f.rule == "unit":
            elements = positive if f.above is not None or f.least is not None else finite
            fields[f.name] = draw(hnp.arrays("f8", shape, elements=elements))
        elif f.rule in ("matrix", "kernel1d", "kernel2d"):
            rank = {"matrix": draw(st.integers(2, 3)), "kernel1d": 3, "kernel2d": 4}[f.rule]
            sides = hnp.array_shapes(min_dims=rank, max_dims=rank, max_side=3)
            fields["weight"] = draw(hnp.arrays("f8", sides, elements=finite))
        elif f.value == "padding":
            axes = int(f.rule[0])
            counts = st.integers(0, 3)
            numbers = counts if axes == 1 else st.tuples(counts, counts)
            fields[f.name] = draw(st.one_of(st.sampled_from(["same", "valid"]), numbers))
        elif f.value == "pair":
            fields[f.name] = draw(pairs)
        elif f.value == "shape":
            fixed = {
                "1d": st.tuples(st.integers(8, 20)),
                "2d": st.tuples(*[st.integers(8, 20)] * 2),
            }
            fields[f.name] = draw(fixed.get(f.rule, shapes))
        elif f.name in ("start_dim", "end_dim"):
            fields[f.name] = 0 if f.name == "start_dim" else -1
        elif f.value == "count":
            fields[f.name] = draw(st.integers(1, 3)) if f.name != "groups" else 1
    if "bias" in {f.name for f in KINDS[kind].fields}:
        weight = fields["weight"]
        rows = weight.shape[:1] if kind.startswith("Conv") else weight.shape[:-1]
        fields["bias"] = draw(hnp.arrays("f8", rows, elements=finite))
    return Node(kind, fields, draw(metadata))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    inside = draw(st.dictionaries(names, nodes(), max_size=4))
    known = sorted(inside)
    ends = st.sampled_from(known) if known else st.nothing()
    edges = draw(st.lists(st.tuples(ends, ends), max_size=6, unique=True)) if known else []
    return Graph(inside, tuple(edges), draw(metadata))


@st.composite
def nested(draw: st.DrawFn) -> Graph:
    """An inner graph that nir type-checks whatever it is told, so one whose shapes fit."""
    shape = draw(st.integers(1, 4))
    cell = draw(hnp.arrays("f8", shape, elements=finite))
    inner = Graph(
        {"i": Node("Input", {"shape": shape}), "c": Node("Scale", {"scale": cell}),
         "o": Node("Output", {"shape": shape})},
        (("i", "c"), ("c", "c"), ("c", "o")), draw(metadata),
    )  # fmt: skip
    outer = draw(graphs())
    return Graph({**outer.nodes, draw(names): inner}, (), outer.metadata)


def bytes_of(graph: Graph) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nir")
        write_nir(path, graph)
        return path.read_bytes()


@given(st.one_of(graphs(), nested()))
@settings(max_examples=25, deadline=None)
def test_what_we_write_we_and_nir_read(graph: Graph) -> None:
    data = bytes_of(graph)
    back = parse_nir(data)
    assert back == graph
    assert back.notes == tuple(n for n in back.notes if n.startswith("edge "))
    assert bytes_of(back) == data
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        assert_same(nir.read(file.name, type_check=False), graph)


@given(st.one_of(graphs(), nested()))
@settings(max_examples=25, deadline=None)
def test_any_graph_can_be_linted(graph: Graph) -> None:
    paths = {path for path, _ in graph.walk()} | {""}
    paths |= {name for name, x in graph.nodes.items() if isinstance(x, Graph)}
    for finding in lint(graph):
        assert finding.path in paths and finding.framework in frameworks()


def as_nir(node: Node) -> Any:
    """The same node, made of nir's classes by way of what nir documents."""
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in node.fields.items()}
    about = {"metadata": thawed(node.metadata)}
    if node.kind in ("Input", "Output"):
        key = node.kind.lower()
        return getattr(nir, node.kind)({key: np.array(fields["shape"], dtype=int)}, **about)
    if node.kind == "Conv1d" and fields["input_shape"] is not None:
        fields["input_shape"] = fields["input_shape"][0]
    if node.kind == "Conv2d" or node.kind.endswith("Pool2d"):
        fields = {k: np.array(v) if isinstance(v, list) else v for k, v in fields.items()}
    if node.kind == "Flatten":
        fields["input_type"] = {"input": np.array(fields["input_type"], dtype=int)}
    return getattr(nir, node.kind)(**fields, **about)


def thawed(x: Any) -> Any:
    if hasattr(x, "items"):
        return {k: thawed(v) for k, v in x.items()}
    return list(x) if isinstance(x, tuple) else x


@given(graphs())
@settings(max_examples=25, deadline=None)
def test_what_nir_writes_we_read(graph: Graph) -> None:
    theirs = nir.NIRGraph(
        {k: as_nir(v) for k, v in graph.nodes.items() if isinstance(v, Node)},
        list(graph.edges),
        metadata=thawed(graph.metadata),
        type_check=False,
    )
    with tempfile.NamedTemporaryFile() as file:
        nir.write(file.name, theirs, compression=None)  # with it, scalars are a TypeError
        assert parse_nir(Path(file.name).read_bytes()) == graph


SCALARS = {"Conv1d", "Conv2d", "Flatten"}  # have fields of one integer, which gzip cannot take


@pytest.mark.parametrize("kind", [*KINDS])
def test_each_type_as_nir_writes_it_by_default(kind: str, tmp_path: Path) -> None:
    node, path = example_node(kind), tmp_path / "a.nir"
    theirs = nir.NIRGraph(
        {"x": as_nir(Node(kind, node.fields, {"by": "nir", "of": "c"}))}, [], type_check=False
    )
    for compression in ("gzip", 4, "lzf", None):
        try:
            nir.write(path, theirs, compression=compression)
        except TypeError as error:
            assert kind in SCALARS and compression and "Scalar datasets" in str(error)
            continue
        if compression == "lzf":
            with pytest.raises(FormatError, match="filter"):
                parse_nir(path.read_bytes())
            continue
        back = parse_nir(path.read_bytes())["x"]
        assert back == Node(kind, node.fields, {"by": "nir", "of": "c"})
        assert_same(nir.read(path, type_check=False).nodes["x"], back)
