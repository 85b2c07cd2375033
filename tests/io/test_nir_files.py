"""NIR files: round trips, the nir library as the judge, and the files it cannot read itself."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from neurohw.errors import FormatError
from neurohw.io.nir import (
    KINDS,
    Graph,
    Node,
    complete,
    infer_shapes,
    parse_nir,
    read_nir,
    write_nir,
)
from neurohw.testing.nir_files import example_graph, example_node
from tests.io.nir_oracle import assert_same, of_nir, same_value

LIF = {"tau": [0.01, 0.02], "r": [1.0, 1.0], "v_leak": [0.0, 0.0], "v_threshold": [1.0, 1.0]}


def test_every_type_of_nir_has_a_row_with_its_fields() -> None:
    kinds = {name for name in nir.ir.__all__ if isinstance(getattr(nir, name), type)}
    assert kinds - {"NIRNode", "NIRGraph"} == set(KINDS)
    for kind, row in KINDS.items():
        theirs = {f.name for f in dataclasses.fields(getattr(nir, kind))}
        ours = {f.name for f in row.fields}
        aliases = {"shape"} if kind in ("Input", "Output") else set()
        assert ours - aliases <= theirs
        assert theirs - ours <= {"input_type", "output_type", "metadata"}


@pytest.mark.parametrize("kind", [*KINDS])
def test_each_type_comes_back_and_nir_reads_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    graph = Graph({"x": example_node(kind)}, (), {"of": kind})
    write_nir(path, graph)
    back = read_nir(path)
    assert back == graph
    assert back.notes == () and back.version == "1.0.8"
    assert_same(nir.read(path, type_check=False), graph)


def test_a_whole_graph_comes_back_and_nir_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    graph = example_graph()
    write_nir(path, graph)
    assert read_nir(path) == graph
    assert_same(nir.read(path, type_check=False), graph)
    again = tmp_path / "b.nir"
    write_nir(again, read_nir(path))
    assert again.read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nir", "b.nir"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.nir"
    write_nir(path, Graph({"x": example_node("LIF")}))
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(OSError, match="no space"):
        write_nir(path, example_graph())
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nir"]


def test_what_nir_writes_is_read(tmp_path: Path) -> None:
    ones, path = np.ones(2), tmp_path / "a.nir"
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    theirs = nir.NIRGraph(
        {
            "in": nir.Input(np.array([3])),
            "fc": nir.Affine(weight, ones, metadata={"a": 1, "b": {"c": "d"}}),
            "lif": nir.LIF(ones, ones, ones * 0, ones, ones / 2),
            "rec": nir.Linear(np.eye(2)),
            "out": nir.Output(np.array([2])),
        },
        [("in", "fc"), ("fc", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "out")],
        metadata={"x": np.arange(3)},
    )
    for compression in ("gzip", None):
        nir.write(path, theirs, compression=compression)
        ours = read_nir(path)
        assert_same(theirs, ours)
        assert ours.notes == ()
        assert ours["fc"]["weight"].dtype == np.float64
        assert ours["fc"].metadata["b"]["c"] == "d"
        assert (ours.inputs, ours.outputs) == (("in",), ("out",))
        assert (ours.into("lif"), ours.out_of("lif")) == (("fc", "rec"), ("rec", "out"))


def test_narrow_files_keep_every_number(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    given = np.array([[0.5, float(np.float32(0.1))], [1.0, 2.0]])
    graph = Graph(
        {"a": Node("Linear", {"weight": given}), "b": Node("Linear", {"weight": given / 3})}
    )
    write_nir(path, graph, narrow=True)
    assert read_nir(path) == graph
    with h5py.File(path) as file:
        assert file["node/nodes/a/weight"].dtype == np.float32
        assert file["node/nodes/b/weight"].dtype == np.float64


# files of before, and such as nir cannot read -----------------------------------------------------


def raw_file(path: Path, nodes: dict[str, Any], edges: Any = (), **more: Any) -> Path:
    """A file by hand: a node is a dict of fields, an inner graph a pair (nodes, edges)."""
    text = h5py.string_dtype()

    def graph(group: h5py.Group, nodes: dict[str, Any], edges: Any) -> None:
        group.create_dataset("type", data="NIRGraph", dtype=text)
        pairs = np.array(edges, dtype=object).reshape(-1, 2)
        group.create_dataset("edges", data=pairs, dtype=text)
        inside = group.create_group("nodes")
        for name, fields in nodes.items():
            place = inside.create_group(name)
            if isinstance(fields, tuple):
                graph(place, *fields)
                continue
            for key, value in fields.items():
                place.create_dataset(
                    key, data=value, dtype=text if isinstance(value, str) else None
                )

    with h5py.File(path, "w") as file:
        if more.get("version", "0.2.0"):
            file.create_dataset("version", data=more.get("version", "0.2.0"), dtype=text)
        graph(file.create_group("node"), nodes, edges)
    return path


def test_before_1_0_6_there_was_no_reset(tmp_path: Path) -> None:
    cuba = {"type": "CubaLIF", "tau_mem": [1.0, 2.0], "tau_syn": [1.0, 2.0], **LIF}
    del cuba["tau"]
    nodes = {"lif": {"type": "LIF", **LIF}, "cuba": cuba}
    graph = read_nir(raw_file(tmp_path / "a.nir", nodes))
    assert graph["lif"]["v_reset"].tolist() == [0.0, 0.0]
    assert graph["cuba"]["w_in"].tolist() == [1.0, 1.0]
    assert graph.version == "0.2.0"
    assert graph.notes == (
        "/node/nodes/cuba/v_reset: not given: 0, as in files older than nir 1.0.6",
        "/node/nodes/cuba/w_in: not given: 1",
        "/node/nodes/lif/v_reset: not given: 0, as in files older than nir 1.0.6",
    )


def test_an_inner_graph_whose_edges_name_a_node_by_its_old_name(tmp_path: Path) -> None:
    # as paper/03_rnn/extras/braille_*_subgraph.nir of neuromorphs/NIR: the inner node is lif1
    inner = (
        {
            "input": {"type": "Input", "shape": [2]},
            "lif1": {"type": "LIF", **LIF},
            "lin": {"type": "Linear", "weight": np.eye(2)},
            "output": {"type": "Output", "shape": [2]},
        },
        [("input", "lif"), ("lif", "lin"), ("lin", "lif"), ("lif", "output")],
    )
    path = raw_file(tmp_path / "a.nir", {"lif1": inner})
    with pytest.raises(ValueError, match="does not exist in the graph"):
        nir.read(path, type_check=False)
    graph = read_nir(path)
    assert graph["lif1"].edges == (
        ("input", "lif1"), ("lif1", "lin"), ("lin", "lif1"), ("lif1", "output"),
    )  # fmt: skip
    text = "/node/nodes/lif1/edges: no node lif: taken for lif1, which has no edge"
    assert text in graph.notes


def test_an_inner_graph_that_was_flattened_half_way(tmp_path: Path) -> None:
    # as paper/03_rnn/braille_v2.nir in the history of neuromorphs/NIR
    nodes = {
        "fc": {"type": "Linear", "weight": np.ones((2, 3))},
        "lif.input": {"type": "Input", "shape": [2]},
        "lif.lif": {"type": "LIF", **LIF},
        "lif.output": {"type": "Output", "shape": [2]},
        "end": {"type": "Output", "shape": [2]},
    }
    edges = [("fc", "lif"), ("lif.input", "lif.lif"), ("lif.lif", "lif.output"), ("lif", "end")]
    graph = read_nir(raw_file(tmp_path / "a.nir", nodes, edges))
    assert graph.edges[0] == ("fc", "lif.input") and graph.edges[3] == ("lif.output", "end")
    assert "/node/edges: no node lif: taken for lif.input and lif.output" in graph.notes
    # an edge of the lost node to itself has no such meaning
    edges.append(("lif", "lif"))
    with pytest.raises(FormatError, match=r"/node/edges\[0\]: edge to or from no node; got 'lif'"):
        read_nir(raw_file(tmp_path / "a.nir", nodes, edges))


def test_an_edge_given_twice_counts_once(tmp_path: Path) -> None:
    nodes = {"a": {"type": "Threshold", "threshold": [1.0]}, "b": {"type": "I", "r": [1.0]}}
    path = raw_file(tmp_path / "a.nir", nodes, [("a", "b"), ("b", "a"), ("a", "b")])
    with pytest.raises(ValueError, match="Duplicate edge"):
        nir.read(path)
    graph = read_nir(path)
    assert graph.edges == (("a", "b"), ("b", "a"))
    assert graph.notes == ("/node/edges: a -> b is given 2 times",)


def test_odd_shapes(tmp_path: Path) -> None:
    nodes = {
        "input": {"type": "Input", "shape": 2},
        "lif": {"type": "LIF", **LIF, "r": 1.0, "v_leak": [[0.0, 0.0]], "v_reset": [0.0]},
        "pool": {"type": "SumPool2d", "kernel_size": 2, "stride": [2], "padding": [0, 0]},
        "conv": {
            "type": "Conv1d", "weight": np.ones((1, 1, 2)), "bias": [[0.0]], "stride": [1],
            "padding": "valid", "dilation": 1, "groups": np.array([[1]])[0], "input_shape": [5],
        },
        "output": {"type": "Output", "shape": [1, 1, 2]},
    }  # fmt: skip
    graph = read_nir(raw_file(tmp_path / "a.nir", nodes, [("lif", "output")]))
    assert graph["input"]["shape"] == (2,)
    assert graph["lif"]["r"].tolist() == [1.0, 1.0]
    assert graph["pool"].fields == {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    assert graph["conv"]["input_shape"] == (5,) and graph["conv"]["padding"] == "valid"
    assert graph["conv"]["stride"] == 1
    assert set(graph.notes) == {
        "/node/nodes/conv/bias: shape (1, 1) read as (1,)",
        "/node/nodes/lif/r: one value for shape (2,)",
        "/node/nodes/lif/v_leak: shape (1, 2) read as (2,)",
        "/node/nodes/lif/v_reset: one value for shape (2,)",
        "edge lif -> output: shape (2,) meets shape (1, 1, 2); the same number of elements",
    }


def conv_nodes() -> tuple[dict[str, Any], list[tuple[str, str]]]:
    conv = {"type": "Conv2d", "stride": [2, 1], "padding": [1, 0], "dilation": [1, 1], "groups": 1}
    nodes = {
        "input": {"type": "Input", "shape": [1, 2, 9, 8]},
        "c": {**conv, "weight": np.ones((4, 2, 3, 2)), "bias": np.zeros(4)},
        "pool": {"type": "AvgPool2d", "kernel_size": [2, 2], "stride": [2, 2], "padding": [0, 0]},
        "d": {**conv, "weight": np.ones((4, 2, 1, 1)), "bias": np.zeros(4), "groups": 2},
        "flat": {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": [0, 0, 0]},
        "fc": {"type": "Linear", "weight": np.ones((2, 48))},
        "output": {"type": "Output", "shape": [2]},
    }
    return nodes, list(itertools.pairwise(nodes))


@pytest.mark.torch
def test_shapes_of_convolutions_are_found_from_what_feeds_them(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nodes, edges = conv_nodes()
    path = raw_file(tmp_path / "a.nir", nodes, edges)
    with pytest.raises(TypeError, match="input_shape"):  # as scnn_mnist.nir of 2023
        nir.read(path)
    graph = read_nir(path)
    assert graph["c"]["input_shape"] == (9, 8) and graph["d"]["input_shape"] == (2, 3)
    assert {"c: input_shape found", "d: input_shape found"} <= set(graph.notes)
    x = torch.zeros(1, 2, 9, 8)
    ports, _ = infer_shapes(graph)
    for name, layer in {
        "c": torch.nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0)),
        "pool": torch.nn.AvgPool2d(2, 2),
        "d": torch.nn.Conv2d(4, 4, 1, (2, 1), (1, 0), groups=2),
        "flat": torch.nn.Flatten(0, -1),
    }.items():
        x = layer(x)
        gives = ports[name].gives
        assert gives is not None and tuple(x.shape) in (gives, (1, *gives)), name
    assert ports["fc"].takes == (48,)
    write_nir(path, graph)
    assert read_nir(path) == graph
    assert nir.read(path, type_check=False).nodes["d"].input_shape.tolist() == [2, 3]


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(8))
def test_windows_are_counted_as_torch_counts_them(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    size, kernel, stride, padding, dilation = (
        tuple(int(n) for n in rng.integers(low, high, 2))
        for low, high in ((7, 12), (1, 4), (1, 4), (0, 3), (1, 3))
    )
    fields = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
    given = {"weight": np.zeros((4, 3, *kernel)), "bias": np.zeros(4), "input_shape": size}
    graph = Graph({"c": Node("Conv2d", {**given, **fields})})
    ports, _ = infer_shapes(graph)
    layer = torch.nn.Conv2d(6, 4, kernel, stride, padding, dilation, groups=2)
    assert ports["c"].takes == (6, *size)
    assert ports["c"].gives == tuple(layer(torch.zeros(1, 6, *size)).shape[1:])
    fields = {"stride": stride[0], "padding": "valid", "dilation": dilation[0], "groups": 1}
    given = {"weight": np.zeros((4, 3, kernel[0])), "bias": np.zeros(4), "input_shape": size[0]}
    one = Graph({"c": Node("Conv1d", given | fields)})
    layer = torch.nn.Conv1d(3, 4, kernel[0], stride[0], "valid", dilation[0])
    gives = tuple(layer(torch.zeros(1, 3, size[0])).shape[1:])
    assert infer_shapes(one)[0]["c"].gives == gives


def test_one_neuron_for_a_whole_layer_and_shapes_that_do_not_fit(tmp_path: Path) -> None:
    # as exporters of norse wrote them; and a weight turned round, as in spyx's
    one = {k: v[0] for k, v in LIF.items()}
    nodes = {
        "input": {"type": "Input", "shape": [5]},
        "lif": {"type": "LIF", **one},
        "fc": {"type": "Linear", "weight": np.ones((5, 3))},
        "output": {"type": "Output", "shape": [5]},
    }
    edges = [("input", "lif"), ("lif", "output"), ("input", "fc")]
    graph = read_nir(raw_file(tmp_path / "a.nir", nodes, edges))
    ports, notes = infer_shapes(graph)
    assert ports["lif"].takes == ports["lif"].gives == (5,)
    assert notes == (
        "edge input -> lif: shape (5,) meets shape (); one for all",
        "edge input -> fc: shape (5,) meets shape (3,); they do not fit",
    )
    assert graph.notes[-2:] == notes


def test_what_feeds_an_inner_graph_counts_more_than_what_it_declares() -> None:
    # as Rockpool's nir_graphs/braille.nir
    inner = Graph(
        {"input": Node("Input", {"shape": 12}), "pool": example_node("SumPool2d"),
         "output": Node("Output", {"shape": 1})},
        (("input", "pool"), ("pool", "output")),
    )  # fmt: skip
    graph = Graph({"in": Node("Input", {"shape": (2, 4, 4)}), "g": inner}, (("in", "g"),))
    ports, notes = infer_shapes(graph)
    assert ports["g/output"].gives == (2, 3, 3)
    assert notes == (
        "edge in -> g/input: shape (2, 4, 4) meets shape (12,); they do not fit",
        "edge g/pool -> g/output: shape (2, 3, 3) meets shape (1,); they do not fit",
    )
    lost, _ = infer_shapes(Graph({"f": Node("Flatten", {})}))
    assert lost["f"].gives is None


def test_one_node_and_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    nir.write(path, nir.I(np.ones(2)))
    with pytest.raises(TypeError):
        nir.read(path)
    graph = read_nir(path)
    assert graph == Graph({"i": Node("I", {"r": [1.0, 1.0]})})
    assert graph.notes == ("/node: one I and no graph: read as a graph of it",)


def test_no_version_and_strangers_beside(tmp_path: Path) -> None:
    path = raw_file(tmp_path / "a.nir", {"a": {"type": "I", "r": [1.0]}}, version="")
    with h5py.File(path, "a") as file:
        file["other"] = 1
    graph = read_nir(path)
    assert graph.version == ""
    assert graph.notes == ("/version: not given", "/other: not read")


def test_other_ways_to_store_the_same(tmp_path: Path) -> None:
    nodes = {"a": {"type": np.bytes_("LIF"), **{k: np.array(v, ">f4") for k, v in LIF.items()}}}
    path = tmp_path / "a.nir"
    with h5py.File(path, "w", libver="latest", track_order=True) as file:
        node = file.create_group("node")
        node["type"] = np.bytes_("NIRGraph")
        node["edges"] = np.array([[b"a", b"a"]])
        for name, fields in nodes.items():
            place = node.create_group(f"nodes/{name}")
            for key, value in fields.items():
                place[key] = value
    graph = read_nir(path)
    assert graph.edges == (("a", "a"),)
    expected = np.array(LIF["tau"], np.float32).astype(np.float64)
    assert np.array_equal(graph["a"]["tau"], expected)


def test_conv_without_input_shape_is_not_written(tmp_path: Path) -> None:
    node = example_node("Conv2d")
    graph = Graph({"c": Node("Conv2d", {**node.fields, "input_shape": None})})
    with pytest.raises(FormatError) as caught:
        write_nir(tmp_path / "a.nir", graph)
    assert str(caught.value) == (
        "c.input_shape: nir reads no convolution whose input shape is unknown; allowed: integers; "
        "neurohw.io.nir.complete(graph) finds it from what feeds the node"
    )
    fed = Graph({"i": Node("Input", {"shape": (2, 7, 6)}), "c": graph["c"]}, (("i", "c"),))
    write_nir(tmp_path / "a.nir", complete(fed))
    found = nir.read(tmp_path / "a.nir", type_check=False).nodes["c"]
    assert same_value(of_nir(found, "input_shape"), (7, 6))


def test_parse_reads_what_is_in_memory(tmp_path: Path) -> None:
    write_nir(tmp_path / "a.nir", example_graph())
    assert parse_nir((tmp_path / "a.nir").read_bytes()) == example_graph()
