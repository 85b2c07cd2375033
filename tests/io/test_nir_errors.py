"""What a user reads when a NIR file is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from neurohw.errors import FormatError
from neurohw.io.nir import Graph, Limits, Node, read_nir, write_nir
from neurohw.testing.nir_files import example_graph, example_node

TEXT = h5py.string_dtype()
LIF = {"tau": [0.01, 0.02], "r": [1.0, 1.0], "v_leak": [0.0, 0.0], "v_threshold": [1.0, 1.0]}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with two nodes, named as a user names it."""
    monkeypatch.chdir(tmp_path)
    nodes = {"lif": Node("LIF", LIF), "fc": Node("Affine", {"weight": np.eye(2), "bias": [0, 0]})}
    write_nir("net.nir", Graph(nodes, (("fc", "lif"),)))
    return Path("net.nir")


def told(path: Path, **limits: int) -> str:
    with pytest.raises(FormatError) as caught:
        read_nir(path, limits=Limits(**limits) if limits else None)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_not_hdf5(path: Path) -> None:
    path.write_bytes(b"")
    assert told(path) == (
        "net.nir: not an HDF5 file; got 'an empty file'; "
        "allowed: a file that begins with '\\x89HDF'"
    )
    path.write_bytes(b"PK\x03\x04 torch")
    assert told(path) == (
        "net.nir: not an HDF5 file; got b'PK\\x03\\x04 tor'; "
        "allowed: a file that begins with '\\x89HDF'"
    )
    assert told(Path("none.nir")) == (
        "none.nir: cannot read the file; got 'No such file or directory'"
    )
    assert told(Path()) == ".: cannot read the file; got 'Is a directory'"


def test_cut_short(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    size = len(data)
    assert told(path) == (
        f"net.nir: /: the file is cut short; got '{size - 1} bytes'; allowed: {size}"
    )


def test_hdf5_but_no_nir(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["model_weights"] = [1.0]
    assert told(path) == (
        "net.nir: /node: HDF5, but not NIR; got model_weights; allowed: a group 'node'"
    )


def changed(path: Path, **values: Any) -> None:
    """Put fields of the node `lif` anew; None takes one away."""
    with h5py.File(path, "a") as file:
        lif: Any = file["node/nodes/lif"]
        for name, value in values.items():
            if name in lif:
                del lif[name]
            if value is not None:
                lif.create_dataset(name, data=value, dtype=TEXT if isinstance(value, str) else None)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"type": "lif"},
            "/node/nodes/lif: unknown node type; got 'lif'; allowed: Input, Output, Affine, "
            "Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Delay, Threshold, I, "
            "IF, LI, LIF, CubaLI, CubaLIF, NIRGraph; did you mean 'LIF'?",
        ),
        (
            {"type": None},
            "/node/nodes/lif: not a node; got r, tau, v_leak, v_reset, v_threshold; "
            "allowed: a text 'type'",
        ),
        ({"type": 7}, "/node/nodes/lif/type: not a text"),
        (
            {"tau": None},
            "/node/nodes/lif/tau: missing; allowed: LIF has tau, r, v_leak, v_threshold, v_reset",
        ),
        (
            {"refractory": 2.0},
            "/node/nodes/lif/refractory: not a field of LIF; "
            "allowed: tau, r, v_leak, v_threshold, v_reset",
        ),
        (
            {"v_treshold": 2.0},
            "/node/nodes/lif/v_treshold: not a field of LIF; allowed: tau, r, v_leak, "
            "v_threshold, v_reset; did you mean 'v_threshold'?",
        ),
        (
            {"tau": [0.01, 0.02, 0.03]},
            "/node/nodes/lif/r: wrong shape; got shape (2,); "
            "allowed: shape (3,), as the node has, or one value",
        ),
        (
            {"v_leak": [0.0, np.nan]},
            "/node/nodes/lif/v_leak: out of range at index (1,); got nan; allowed: finite numbers",
        ),
        (
            {"tau": [0.01, -0.02]},
            "/node/nodes/lif/tau: out of range at index (1,); got -0.02; "
            "allowed: greater than 0.0",
        ),
        (
            {"tau": "fast"},
            "/node/nodes/lif/tau: not numbers; got 'fast'; "
            "allowed: integers or floats of at most 64 bits",
        ),
        (
            {"tau": [1j, 2j]},
            "/node/nodes/lif/tau: cannot read compounds; "
            "allowed: integers, IEEE floats, booleans and text",
        ),
        ({"tau": [True, True]}, None),
    ],
)  # fmt: skip
def test_a_wrong_field(path: Path, values: dict[str, Any], text: str | None) -> None:
    changed(path, **values)
    if text is None:
        text = (
            "/node/nodes/lif/tau: not numbers; got an array of bool; "
            "allowed: integers or floats of at most 64 bits"
        )
    assert told(path) == f"net.nir: {text}"


def test_a_huge_size(path: Path) -> None:
    with h5py.File(path, "a") as file:
        fc: Any = file["node/nodes/fc"]
        del fc["weight"]
        fc.create_dataset("weight", (2**20, 2**20), "f4", chunks=(2**10, 2**10))
    assert told(path) == (
        "net.nir: /node/nodes/fc/weight: too large; got shape (1048576, 1048576); "
        "allowed: 2147483648 bytes in all"
    )


def test_an_input_of_more_neurons_than_there_are(path: Path) -> None:
    with h5py.File(path, "a") as file:
        node: Any = file["node/nodes"].create_group("in")  # type: ignore[union-attr]
        node.create_dataset("type", data="Input", dtype=TEXT)
        node["shape"] = [2**20, 2**20]
    assert told(path) == (
        "net.nir: /node/nodes/in/shape: too many elements; got 1099511627776; "
        "allowed: up to 2147483647 in all"
    )


def test_links(path: Path) -> None:
    with h5py.File(path, "a") as file:
        lif: Any = file["node/nodes/lif"]
        del lif["tau"]
        lif["tau"] = h5py.SoftLink("/node/nodes/lif/r")
    assert told(path) == (
        "net.nir: /node/nodes/lif: 'tau' is a soft link; "
        "allowed: members that are in the file itself"
    )
    with h5py.File(path, "a") as file:
        lif = file["node/nodes/lif"]
        del lif["tau"]
        lif["tau"] = h5py.ExternalLink("/etc/passwd", "/")
    assert told(path) == (
        "net.nir: /node/nodes/lif: 'tau' is an external link; "
        "allowed: members that are in the file itself"
    )


def test_a_graph_inside_itself(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["node/nodes/again"] = file["node"]
    assert told(path) == (
        "net.nir: /node/nodes: a group that contains itself; got again leads back"
    )


def test_edges(path: Path) -> None:
    def put(value: Any, dtype: Any = TEXT) -> str:
        with h5py.File(path, "a") as file:
            node: Any = file["node"]
            del node["edges"]
            node.create_dataset("edges", data=value, dtype=dtype)
        return told(path)

    assert put([["fc", "lif"], ["lif", "lfi"]]) == (
        "net.nir: /node/edges[1]: edge to or from no node; got 'lfi'; allowed: fc, lif; "
        "did you mean 'lif'?"
    )
    assert put([["fc", "lif", "fc"]]) == (
        "net.nir: /node/edges: not edges; got text of shape (1, 3); "
        "allowed: text of shape (edges, 2)"
    )
    assert put([[0, 1]], "i8") == (
        "net.nir: /node/edges: not edges; got numbers of shape (1, 2); "
        "allowed: text of shape (edges, 2)"
    )


def test_limits(path: Path) -> None:
    write_nir(path, example_graph())
    assert told(path, nodes=5).endswith(": too many nodes; allowed: 5")
    assert told(path, edges=3) == (
        "net.nir: /node/nodes/inner/edges: too many edges; got 4 edges; allowed: 3 in all"
    )
    assert told(path, objects=10).endswith(": too many objects; allowed: 10")
    assert "allowed: 1000 bytes in all" in told(path, data_bytes=1000)
    assert told(path, depth=3).endswith("too deep; allowed: 3 groups inside each other")


def test_names(path: Path) -> None:
    for name, shown in (("a\nb", "'a\\nb'"), ("é" * 600, "'" + "\\xe9" * 80 + "'")):
        with h5py.File(path, "a") as file:
            file["node/nodes"].move("lif", name)  # type: ignore[union-attr]
        text = told(path)
        assert text.startswith(f"net.nir: /node/nodes: not a name; got {shown[:70]}")
        with h5py.File(path, "a") as file:
            file["node/nodes"].move(name, "lif")  # type: ignore[union-attr]


# in Python ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Node("LIF", LIF, {"a": {"b": None}}),
            "LIF.metadata.a.b: NIR cannot hold None; allowed: text, numbers, lists or arrays of "
            "them, and mappings; leave the key out",
        ),
        (
            lambda: Node("LIF", LIF, {"f": print}),
            "LIF.metadata.f: not a value that a file can hold; got 'builtin_function_or_method'; "
            "allowed: text, numbers, lists or arrays of them, and mappings",
        ),
        (
            lambda: Node("LIF", LIF, {"n": 2**63}),
            "LIF.metadata.n: too large; got 9223372036854775808; allowed: up to 2**63 - 1",
        ),
        (
            lambda: Node("LIF", {**LIF, "tau": 0.0}),
            "LIF.tau: out of range; got 0.0; allowed: greater than 0.0",
        ),
        (
            lambda: Node("Linear", {"weight": [1.0, 2.0]}),
            "Linear.weight: wrong shape; got shape (2,); "
            "allowed: (out, in), or more axes before these",
        ),
        (
            lambda: Node("Affine", {"weight": np.ones((2, 3)), "bias": [1.0]}),
            "Affine.bias: wrong shape; got shape (1,); allowed: shape (2,), as the node has",
        ),
        (
            lambda: Node("Conv2d", {**example_node("Conv2d").fields, "padding": "full"}),
            "Conv2d.padding: unknown padding; got 'full'; allowed: 'same', 'valid' or integers",
        ),
        (
            lambda: Node("Conv2d", {**example_node("Conv2d").fields, "stride": (1, 2, 3)}),
            "Conv2d.stride: wrong shape; got 3 integers; allowed: one integer, or 2",
        ),
        (
            lambda: Node("Conv2d", {**example_node("Conv2d").fields, "groups": 2}),
            "Conv2d.groups: does not divide; got 2; allowed: a divisor of 3",
        ),
        (
            lambda: Node("Conv1d", {**example_node("Conv1d").fields, "weight": np.ones((1, 2))}),
            "Conv1d.weight: wrong shape; got shape (1, 2); allowed: (out, in, x)",
        ),
        (
            lambda: Node("SumPool2d", {"kernel_size": 2.5, "stride": 2, "padding": 0}),
            "SumPool2d.kernel_size: not integers; got an array of float64",
        ),
        (
            lambda: Node("Scale", {"scale": [2**53 + 1]}),
            "Scale.scale: too large; got int64; allowed: integers below 2**53",
        ),
        (
            lambda: Node("Scale", {"scale": []}),
            "Scale.scale: empty; got shape (0,); allowed: some elements",
        ),
        (
            lambda: Graph({"a/b": Node("LIF", LIF)}),
            "nodes: not a name; got 'a/b'; allowed: text of 1 to 1024 bytes without '/' and "
            "control characters, not '.' or '..'",
        ),
        (
            lambda: Graph({"a": Node("LIF", LIF)}, (("a", "a"), ("a", "a"))),
            "edges[1]: edge given twice; got ('a', 'a')",
        ),
        (
            lambda: Graph({"a": LIF}),  # type: ignore[dict-item]
            "nodes.a: not a node; got 'dict'; allowed: Node or Graph",
        ),
    ],
)  # fmt: skip
def test_a_wrong_graph(make: Any, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        make()
    assert str(caught.value) == text
