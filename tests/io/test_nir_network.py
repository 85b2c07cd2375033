"""From NIR graphs to networks and back.

Held to what we did not write: torch for the linear nodes, snnTorch's own modules for the spikes of
files that it exports, nir for the files that we write; and to the equations of NIR, stepped by
hand.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurohw import run
from neurohw.errors import FormatError
from neurohw.io.nir import (
    KINDS,
    Graph,
    Node,
    flatten,
    graph_of_network,
    infer_shapes,
    network_of_graph,
    parse_nir,
    read_nir,
    recovered_dt,
    write_nir,
)
from neurohw.io.nir.maps import arrivals
from neurohw.network import (
    LIF,
    AdditiveNoise,
    Conv2D,
    Delta,
    Exponential,
    Graded,
    HodgkinHuxley,
    Network,
    SpikeArray,
    conv2d,
)
from neurohw.testing.nir_files import corpus, example_node, mutated

torch = pytest.importorskip("torch")
DT = 1e-3
RNG = np.random.default_rng


def neuron(kind: str, n: int, seed: int = 0, **more: Any) -> Node:
    """A neuron of n elements with random numbers."""
    rng = RNG([seed, *kind.encode()])
    fields: dict[str, Any] = {"r": rng.uniform(0.5, 2, n)}
    if kind in ("LI", "LIF"):
        fields["tau"] = rng.uniform(5e-3, 30e-3, n)
    if kind.startswith("Cuba"):
        fields |= {"tau_mem": rng.uniform(5e-3, 30e-3, n), "tau_syn": np.full(n, 4e-3),
                   "w_in": rng.uniform(0.5, 2, n)}  # fmt: skip
    if kind not in ("I", "IF"):
        fields["v_leak"] = rng.uniform(-0.1, 0.1, n)
    if kind in ("IF", "LIF", "CubaLIF"):
        fields |= {"v_threshold": rng.uniform(0.6, 1.2, n), "v_reset": rng.uniform(-0.2, 0.1, n)}
    return Node(kind, fields | more)


def chain(*nodes: tuple[str, Node], size: int, extra: tuple[tuple[str, str], ...] = ()) -> Graph:
    """Input, these one after the other, Output."""
    named = {"input": Node("Input", {"shape": (size,)}), **dict(nodes)}
    last = list(named)[-1]
    shape = next(iter(named[last].fields.values())).shape
    named["output"] = Node("Output", {"shape": shape})
    names = list(named)
    return Graph(named, (*pairwise(names), *extra))


# linear nodes against torch ----------------------------------------------------------------------


def torch_of(node: Node, x: Any) -> Any:
    """What torch makes of a batch of inputs."""
    t, f = torch.as_tensor, torch.nn.functional
    if node.kind in ("Conv1d", "Conv2d"):
        conv = f.conv1d if node.kind == "Conv1d" else f.conv2d
        padding = node["padding"]
        return conv(x, t(np.array(node["weight"])), t(np.array(node["bias"])), node["stride"],
                    padding if isinstance(padding, str | tuple) else (padding,),
                    node["dilation"], node["groups"])  # fmt: skip
    if node.kind == "SumPool2d":
        size = node["kernel_size"]
        return f.avg_pool2d(x, size, node["stride"], node["padding"]) * np.prod(size)
    if node.kind == "AvgPool2d":
        return f.avg_pool2d(x, node["kernel_size"], node["stride"], node["padding"])
    return f.linear(x, t(np.array(node["weight"])), t(np.array(node["bias"])))


def conv(kind: str, shape: tuple[int, ...], size: tuple[int, ...], **how: Any) -> Node:
    """A convolution with random weights."""
    rng = RNG([len(shape), *shape])
    flat = kind == "Conv1d"
    base = dict(stride=1 if flat else (1, 1), padding=0 if flat else (0, 0),
                dilation=1 if flat else (1, 1), groups=1)  # fmt: skip
    return Node(kind, {"input_shape": size, "weight": rng.normal(size=shape),
                       "bias": rng.normal(size=shape[0]), **base, **how})  # fmt: skip


@pytest.mark.parametrize(
    "shape,nodes",
    [
        ((2, 6, 7), [conv("Conv2d", (3, 2, 3, 2), (6, 7), stride=(2, 1), padding=(1, 2))]),
        ((4, 6, 7), [conv("Conv2d", (6, 2, 2, 3), (6, 7), groups=2, dilation=(2, 1))]),
        ((2, 6, 7), [conv("Conv2d", (3, 2, 4, 3), (6, 7), padding="same")]),
        ((2, 6, 7), [conv("Conv2d", (3, 2, 2, 2), (6, 7), padding="valid")]),
        ((2, 9), [conv("Conv1d", (3, 2, 4), (9,), stride=2, padding=1)]),
        ((2, 9), [conv("Conv1d", (3, 2, 4), (9,), padding="same", dilation=3)]),
        ((3, 6, 8), [Node("SumPool2d", {"kernel_size": (2, 3), "stride": (2, 2),
                                        "padding": (1, 1)})]),
        (
            (2, 8, 8),
            [
                conv("Conv2d", (3, 2, 3, 3), (8, 8), padding=(1, 1)),
                Node("AvgPool2d", {"kernel_size": 2, "stride": 2, "padding": 0}),
                Node("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": (3, 4, 4)}),
                Node("Affine", {"weight": RNG(3).normal(size=(5, 48)),
                                "bias": RNG(4).normal(size=5)}),
            ],
        ),
    ],
)  # fmt: skip
def test_linear_nodes_are_those_of_torch(shape: tuple[int, ...], nodes: list[Node]) -> None:
    """One or several in a row: matrix and constant against torch in float64."""
    named = {"input": Node("Input", {"shape": shape})} | {f"n{k}": x for k, x in enumerate(nodes)}
    named["end"] = Node("Output", {"shape": (1,)})
    graph = Graph(named, tuple(pairwise(named)))
    flat, (ports, _) = flatten(graph), infer_shapes(graph)
    found = arrivals(flat, ports, "")["end"]
    (way,) = found.ways
    matrix = way.weight
    if isinstance(matrix, Conv2D):
        targets, sources, places = matrix.entries()
        dense = np.zeros(matrix.shape)
        np.add.at(dense, (targets, sources), matrix.data.ravel()[places])
    else:
        dense = matrix.toarray()
    x = torch.as_tensor(RNG(9).normal(size=(4, *shape)))
    expected = x
    for node in nodes:
        expected = expected.flatten(1) if node.kind == "Flatten" else torch_of(node, expected)
    ours = x.numpy().reshape(4, -1) @ dense.T + found.bias
    np.testing.assert_allclose(ours, expected.numpy().reshape(4, -1), rtol=1e-12, atol=1e-12)


def test_one_convolution_stays_a_convolution() -> None:
    graph = Graph(
        {
            "input": Node("Input", {"shape": (2, 6, 6)}),
            "conv": conv("Conv2d", (3, 2, 3, 3), (6, 6), bias=np.zeros(3)),
            "scale": Node("Scale", {"scale": np.full((3, 4, 4), 2.0)}),
            "lif": Node("LIF", {k: np.full((3, 4, 4), v) for k, v in
                                dict(tau=0.01, r=1.0, v_leak=0.0, v_threshold=1.0).items()}),
        },
        (("input", "conv"), ("conv", "scale"), ("scale", "lif")),
    )  # fmt: skip
    weight = network_of_graph(graph, dt=DT).network.connections[0].weight
    assert isinstance(weight, Conv2D) and weight.output_shape == (3, 4, 4)
    np.testing.assert_allclose(weight.data, graph["conv"]["weight"] * 2 * DT / 0.01)


# the equations of NIR, by hand -------------------------------------------------------------------


def by_hand(node: Node, given: np.ndarray, recurrent: np.ndarray | None = None) -> Any:
    """Euler's step of NIR's equations for input ``[steps, n]``: spikes and V, float64."""
    f, n, spiking = node.fields, given.shape[1], "v_threshold" in node.fields
    v = np.array(f.get("v_leak", np.zeros(n)), float)
    i, z = np.zeros(n), np.zeros(n)
    spikes, trace = [], []
    for x in given:
        x = x + (recurrent @ z if recurrent is not None else 0)
        if node.kind.startswith("Cuba"):
            # I' is driven by the pulse; V feels the current in the same step
            i = i + DT / f["tau_syn"] * (-i) + DT / f["tau_syn"] * f["w_in"] * x
            v = v + DT / f["tau_mem"] * (f["v_leak"] - v + f["r"] * i)
        elif node.kind in ("LI", "LIF"):
            v = v + DT / f["tau"] * (f["v_leak"] - v + f["r"] * x)
        else:
            v = v + DT * f["r"] * x
        if spiking:
            z = (v > f["v_threshold"]).astype(float)
            v = np.where(z > 0, f["v_reset"], v)
        spikes.append(z > 0)
        trace.append(v)
    return np.array(spikes), np.array(trace)


@pytest.mark.parametrize(
    "kind,circle",
    [(kind, circle) for kind in ("IF", "LIF", "CubaLIF") for circle in (False, True)]
    + [(kind, False) for kind in ("I", "LI", "CubaLI")],
)
def test_equations(kind: str, circle: bool) -> None:
    """An Affine into each kind of neuron, with and without a way back to itself."""
    silent = kind in ("I", "LI", "CubaLI")
    rng = RNG(5)
    size = 100.0 if kind in ("IF", "I") else 2.0
    weight, bias = rng.normal(0.9, 1, (6, 8)) * size, rng.normal(0, 0.1, 6) * size
    back = rng.normal(0, 0.3, (6, 6)) * size
    node = neuron(kind, 6)
    nodes = [("fc", Node("Affine", {"weight": weight, "bias": bias})), ("cell", node)]
    graph = chain(*nodes, size=8)
    if circle:
        graph = Graph({**graph.nodes, "rec": Node("Linear", {"weight": back})},
                      (*graph.edges, ("cell", "rec"), ("rec", "cell")))  # fmt: skip
    found = network_of_graph(graph, dt=DT)
    net = found.network
    net.probe("cell", "spikes" if silent else "v")
    given = rng.random((400, 8)) < 0.3
    out = run(net, target="float64", backend="reference", dt=DT, steps=400,
              method="euler", inputs={"input": given})  # fmt: skip
    # the target spikes at V >= V_th, NIR above it: no V of these numbers is ever equal
    spikes, trace = by_hand(node, given @ weight.T + bias, back if circle else None)
    v = out.trace("cell", "v").values[:, 0]
    np.testing.assert_allclose(v, trace, rtol=0, atol=1e-12 * max(1, np.abs(trace).max()))
    if not silent:
        dense = out.spikes("cell").dense(np.arange(1), 0, 400, 6)[:, 0]
        assert spikes.sum() > 50
        np.testing.assert_array_equal(dense, spikes)
    else:
        assert not len(out.spikes("cell"))


def test_delays_of_elements_and_a_threshold_of_its_own() -> None:
    """Delay before and after a matrix; LI with a Threshold is a neuron without reset."""
    rng = RNG(2)
    weight = rng.normal(0, 1, (3, 4))
    early, late = np.array([0, 1, 2, 3]) * DT, np.array([2, 0, 1]) * DT
    li = neuron("LI", 3)
    limit = np.array([0.05, 0.1, 0.02])
    graph = chain(
        ("d1", Node("Delay", {"delay": early})),
        ("fc", Node("Linear", {"weight": weight})),
        ("d2", Node("Delay", {"delay": late})),
        ("v", li),
        ("z", Node("Threshold", {"threshold": limit})),
        size=4,
    )
    net = network_of_graph(graph, dt=DT).network
    net.probe("z", "v")
    given = rng.random((200, 4)) < 0.3
    out = run(net, backend="reference", dt=DT, steps=200, method="euler", inputs={"input": given})
    x = np.zeros((200, 3))
    for t in range(3):
        for s in range(4):
            lag = round((early[s] + late[t]) / DT)
            x[lag:, t] += weight[t, s] * given[: 200 - lag, s]
    _, trace = by_hand(li, x)
    np.testing.assert_allclose(out.trace("z", "v").values[:, 0], trace, atol=1e-13)
    dense = out.spikes("z").dense(np.arange(1), 0, 200, 3)[:, 0]
    assert dense.any()
    np.testing.assert_array_equal(dense, trace > limit)


def test_inner_graphs_several_edges_and_two_time_constants() -> None:
    """A nested graph, two ways into one neuron, and tau_syn that differs within a layer."""
    rng = RNG(7)
    w1, w2 = rng.normal(2, 2, (4, 5)), rng.normal(2, 2, (4, 5))
    cell = neuron("CubaLIF", 4, tau_syn=np.array([3e-3, 3e-3, 8e-3, 8e-3]))
    inner = Graph(
        {"in": Node("Input", {"shape": (5,)}), "a": Node("Linear", {"weight": w1}),
         "b": Node("Linear", {"weight": w2}), "cell": cell, "out": Node("Output", {"shape": (4,)})},
        (("in", "a"), ("in", "b"), ("a", "cell"), ("b", "cell"), ("cell", "out")),
    )  # fmt: skip
    graph = Graph(
        {"input": Node("Input", {"shape": (5,)}), "0.x": inner,
         "output": Node("Output", {"shape": (4,)})},
        (("input", "0.x"), ("0.x", "output")),
    )  # fmt: skip
    found = network_of_graph(graph, dt=DT)
    assert found.names == {"input": "input", "0.x/cell": "n0_x_cell"}
    given = rng.random((300, 5)) < 0.3
    out = run(found.network, backend="reference", dt=DT, steps=300, method="euler",
              inputs={"input": given})  # fmt: skip
    spikes, _ = by_hand(cell, given @ (w1 + w2).T)
    assert spikes.sum() > 20
    np.testing.assert_array_equal(
        out.spikes("n0_x_cell").dense(np.arange(1), 0, 300, 4)[:, 0], spikes
    )


# snnTorch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_snntorch_exports_spikes_like_snntorch(kind: str, seed: int, tmp_path: Path) -> None:
    """Module -> its NIR export -> file -> our reader -> target snntorch: the module's spikes."""
    snn = pytest.importorskip("snntorch")
    nir = pytest.importorskip("nir")
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(seed)
    layers: list[Any] = []
    for a, b, beta in ((16, 24, 0.9), (24, 8, 0.8)):
        linear = torch.nn.Linear(a, b)
        with torch.no_grad():
            linear.weight.mul_(3)
        more = {"alpha": torch.full((b,), 0.7)} if kind == "Synaptic" else {}
        layers += [linear, getattr(snn, kind)(
            beta=torch.full((b,), beta), threshold=torch.ones(b), reset_mechanism="zero",
            init_hidden=True, output=b == 8, **more)]  # fmt: skip
    module = torch.nn.Sequential(*layers)
    path = tmp_path / "net.nir"
    nir.write(path, export_to_nir(module, torch.zeros(16)))
    given = RNG(seed).random((300, 16)) < 0.2
    module = torch.nn.Sequential(*layers)
    with torch.no_grad():
        theirs = np.array([module(torch.from_numpy(x).float()[None])[0].numpy() for x in given])
    found = network_of_graph(read_nir(path))
    assert found.dt == 1e-4 and any("recovered from tau" in n for n in found.notes)
    out = run(found.network, target="snntorch", method="euler", backend="reference", dt=found.dt,
              steps=300, inputs={found.names["input"]: given})  # fmt: skip
    last = found.names["3"]
    ours = out.spikes(last).dense(np.arange(1), 0, 300, 8)[:, 0]
    theirs = theirs[:, 0, :] if theirs.ndim == 3 else theirs
    assert theirs.sum() > 100
    np.testing.assert_array_equal(ours, theirs > 0)


# and back ----------------------------------------------------------------------------------------


def circuit(kind: str, seed: int) -> Network:
    """A network that NIR can say, with what only metadata can say."""
    rng = RNG([seed, 3])
    net = Network("there")
    net.driver("input", SpikeArray(size=6))
    more: dict[str, Any] = [
        {},
        {"reset": "subtract", "t_ref": 2 * DT},
        {"I_bias": 0.01, "V_init": 0.05},
        {"t_ref": 3 * DT, "t_ref_sigma": DT, "E_L": -0.01},
    ][seed % 4]
    for name, size in (("a", 5), ("b", 4)):
        model = LIF(size=size, C=rng.uniform(1, 2, size) * 1e-3, R=rng.uniform(5, 9, size),
                    V_th=rng.uniform(0.5, 1, size), V_reset=-0.1, **more)  # fmt: skip
        noise = [AdditiveNoise(sigma=1e-4)] if seed % 2 else []
        net.population(name, model, noise=noise)
    for source, target, shape in (("input", "a", (5, 6)), ("a", "b", (4, 5)), ("b", "a", (5, 4))):
        weight = rng.normal(0, 0.3, shape)
        synapse = Delta(weight=weight) if kind == "delta" else Exponential(weight=weight, tau=5e-3)
        net.connect(source, target, synapse, delay=2 * DT if source == "b" else 0.0)
    net.probe("b", "spikes")
    return net


@pytest.mark.parametrize("kind", ["delta", "current"])
@pytest.mark.parametrize("seed", range(4))
def test_there_and_back(kind: str, seed: int, tmp_path: Path) -> None:
    """Network -> graph -> file -> nir reads it; and -> network again: the same circuit."""
    nir = pytest.importorskip("nir")
    net = circuit(kind, seed)
    path = tmp_path / "x.nir"
    write_nir(path, graph_of_network(net, dt=DT))
    read = nir.read(path, type_check=True)
    assert {"a", "b", "input"} <= set(read.nodes)
    found = network_of_graph(read_nir(path))
    assert found.dt == DT
    for name in ("a", "b"):
        before, after = net[name], found.network[name]
        assert after.noise == before.noise
        for key in ("C", "R", "V_th", "V_reset", "E_L", "V_init", "I_bias", "t_ref", "t_ref_sigma"):
            np.testing.assert_allclose(getattr(after.model, key), getattr(before.model, key),
                                       rtol=1e-12, atol=1e-15, err_msg=key)  # fmt: skip
        assert after.model.reset == before.model.reset
    for c in net.connections:
        again = found.network[c.name]
        np.testing.assert_allclose(again.weight, c.weight, rtol=1e-12)
        np.testing.assert_allclose(again.delay, c.delay, atol=1e-15)


def test_images_there_and_back(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    net = Network("images")
    net.driver("eye", SpikeArray(size=2 * 6 * 6))
    w = conv2d(RNG(0).normal(size=(3, 2, 3, 3)), input_shape=(2, 6, 6), stride=1)
    net.population("map", LIF(size=48, tau=10e-3, R=1.0, V_th=1.0))
    net.population("out", LIF(size=4, tau=10e-3, R=1.0, V_th=1.0))
    net.connect("eye", "map", Delta(weight=w))
    net.connect("map", "out", Delta(weight=RNG(1).normal(size=(4, 48))), delay=3e-3)
    path = tmp_path / "x.nir"
    write_nir(path, graph_of_network(net, dt=DT))
    assert isinstance(nir.read(path, type_check=True).nodes["eye_to_map"], nir.Conv2d)
    again = network_of_graph(read_nir(path)).network
    assert isinstance(again["eye_to_map"].weight, Conv2D)
    np.testing.assert_allclose(again["eye_to_map"].weight.data, w.data, rtol=1e-12)
    np.testing.assert_allclose(again["map_to_out"].weight, net["map_to_out"].weight, rtol=1e-12)
    assert again["map_to_out"].delay == pytest.approx(3e-3)


# what is refused ---------------------------------------------------------------------------------


def lif(n: int = 3) -> tuple[str, Node]:
    return "lif", neuron("LIF", n)


def test_a_missing_step_is_asked_for() -> None:
    graph = chain(("fc", Node("Linear", {"weight": np.ones((3, 3))})), lif(), size=3)
    assert recovered_dt(graph) is None
    with pytest.raises(FormatError, match=r"mine\.nir: dt: .*--dt '1 ms'"):
        network_of_graph(graph, origin="mine.nir")
    assert network_of_graph(graph, dt="1 ms").dt == pytest.approx(1e-3)


@pytest.mark.parametrize("first", ["I", "LI", "CubaLI"])
@pytest.mark.parametrize("then", ["IF", "LIF", "CubaLIF", "LI"])
@pytest.mark.parametrize("seen", [False, True])
def test_neurons_that_do_not_spike_drive_others(first: str, then: str, seen: bool) -> None:
    """V through an Affine into the next; also where a Threshold looks at the same V."""
    rng = RNG(8)
    one, two = neuron(first, 4), neuron(then, 3)
    size = (400.0 if then == "IF" else 8.0) * (10 if first == "I" else 1)
    weight, bias = rng.normal(0.5, 1, (3, 4)) * size, rng.normal(0, 0.1, 3)
    given = rng.random((300, 4)) < 0.3
    graph = chain(("one", one), ("fc", Node("Affine", {"weight": weight, "bias": bias})),
                  ("two", two), size=4)  # fmt: skip
    if seen:
        limit = Node("Threshold", {"threshold": np.full(4, 0.05)})
        graph = Graph({**graph.nodes, "z": limit}, (*graph.edges, ("one", "z")))
    net = network_of_graph(graph, dt=DT).network
    for name in ("z" if seen else "one", "two"):
        if "v" not in {v for p in net.probes if p.population == name for v in p.variables}:
            net.probe(name, "v")
    out = run(net, target="float64", backend="reference", dt=DT, steps=300, method="euler",
              inputs={"input": given})  # fmt: skip
    _, v = by_hand(one, given.astype(float))
    np.testing.assert_allclose(out.trace("z" if seen else "one", "v").values[:, 0], v, atol=1e-12)
    spikes, trace = by_hand(two, v @ weight.T + bias)
    v2 = out.trace("two", "v").values[:, 0]
    np.testing.assert_allclose(v2, trace, rtol=0, atol=1e-11 * max(1, np.abs(trace).max()))
    if then != "LI":
        dense = out.spikes("two").dense(np.arange(1), 0, 300, 3)[:, 0]
        assert spikes.sum() > 20
        np.testing.assert_array_equal(dense, spikes)
    if seen:
        dense = out.spikes("z").dense(np.arange(1), 0, 300, 4)[:, 0]
        np.testing.assert_array_equal(dense, v > 0.05)


def test_a_circle_of_neurons_that_do_not_spike() -> None:
    """V of a drives b in the same step, b drives a one step later."""
    weight = RNG(3).normal(0, 0.8, (3, 3))
    fc = Node("Linear", {"weight": weight})
    a, b = neuron("LI", 3), neuron("LI", 3)
    graph = chain(("a", a), ("fc", fc), ("b", b), size=3)
    graph = Graph({**graph.nodes, "back": fc}, (*graph.edges, ("b", "back"), ("back", "a")))
    net = network_of_graph(graph, dt=DT).network
    given = RNG(4).random((100, 3)) < 0.3
    out = run(net, target="float64", backend="reference", dt=DT, steps=100, method="euler",
              inputs={"input": given})  # fmt: skip
    va, vb = (np.array(x["v_leak"], float) for x in (a, b))
    for t in range(100):
        fed = given[t] + weight @ (vb if t else 0 * vb)  # nothing has come before the first step
        va = va + DT / a["tau"] * (a["v_leak"] - va + a["r"] * fed)
        vb = vb + DT / b["tau"] * (b["v_leak"] - vb + b["r"] * (weight @ va))
        np.testing.assert_allclose(out.trace("b", "v").values[t, 0], vb, atol=1e-12)


@pytest.mark.parametrize("lag", [None, 4e-3])
@pytest.mark.parametrize("heard", [False, True])
def test_graded_synapses_there_and_back(lag: float | None, heard: bool) -> None:
    """``heard``: the followed neurons have a threshold as well, and their spikes go somewhere."""
    net = Network("x")
    net.driver("input", SpikeArray(size=2))
    limit = 0.1 if heard else 1e3
    followed = LIF(size=3, tau=8e-3, R=1.0, E_L=0.0, V_th=limit, V_reset=0.0, reset="none")
    net.population("a", followed)
    net.population("b", LIF(size=3, tau=12e-3, R=2.0, E_L=0.0, V_th=0.5, V_reset=0.0))
    net.connect("input", "a", Delta(weight=np.arange(6.0).reshape(3, 2) / 8))
    weight = RNG(1).normal(size=(3, 3))
    net.connect("a", "b", Graded(weight=weight, tau=lag), delay=2 * DT)
    if heard:
        net.population("c", LIF(size=3, tau=12e-3, R=1.0, E_L=0.0, V_th=0.5, V_reset=0.0))
        net.connect("a", "c", Delta(weight=weight))
    net.probe("b", "spikes")
    graph = graph_of_network(net, dt=DT)
    kinds = sorted(n.kind for n in graph.nodes.values())
    assert kinds.count("LI") == 1 and kinds.count("Threshold") == int(heard)
    again = network_of_graph(graph, dt=DT).network
    given = RNG(2).random((200, 2)) < 0.4
    found = [
        run(x, target="float64", backend="reference", dt=DT, steps=200, inputs={"input": given})
        for x in (net, again)
    ]
    a, b = (x.spikes("b") for x in found)
    assert len(a) > 20 and np.array_equal(a.step, b.step) and np.array_equal(a.element, b.element)
    weights = {type(c.synapse): c.weight for c in again.connections}
    np.testing.assert_allclose(weights[Graded], weight)


def test_a_recovered_step_is_the_one_that_was_written() -> None:
    tau = np.float32([5e-3, 8e-3, 0.02])
    for dt in (1e-4, 1e-3, 2.5e-4):
        node = neuron("LIF", 3, tau=tau, r=np.float32(tau / dt))
        assert recovered_dt(Graph({"x": node}))[0] == pytest.approx(dt, rel=1e-12)  # type: ignore[index]
    for r in (1.0, 1.5):  # the numbers of a plain model: no step in them
        plain = neuron("LIF", 3, tau=np.full(3, 5e-3), r=np.full(3, r))
        assert recovered_dt(Graph({"x": plain})) is None
    mixed = Graph({"x": node, "y": neuron("LIF", 3, tau=tau, r=np.float32(tau / 1e-3))})
    assert recovered_dt(mixed) is None


@pytest.mark.parametrize(
    "graph,text",
    [
        (
            chain(("li", neuron("LI", 3)), ("d", Node("Delay", {"delay": np.full(3, DT)})),
                  ("z", Node("Threshold", {"threshold": np.ones(3)})), size=3),
            r"z: a Threshold without a neuron of its own; got li; allowed: .* and at once",
        ),
        (
            chain(("d", Node("Delay", {"delay": np.array([0, 1, 2]) * DT})),
                  ("f", Node("Linear", {"weight": np.ones((3, 3))})),
                  ("e", Node("Delay", {"delay": np.array([0, 1, 2]) * DT})),
                  ("g", Node("Linear", {"weight": np.ones((3, 3))})), lif(), size=3),
            r"g: delays that differ between two matrices",
        ),
        (
            chain(("a", Node("Linear", {"weight": np.ones((3, 3))})),
                  ("b", Node("Linear", {"weight": np.ones((3, 3))})), lif(), size=3,
                  extra=(("b", "a"),)),
            r"circle without a neuron; got a, b",
        ),
        (chain(("fc", Node("Linear", {"weight": np.ones((4, 3))})), lif(), size=3),
         r"edge fc -> lif: shapes that do not fit; got \(4,\) to \(3,\)"),
        (chain(("z", Node("Threshold", {"threshold": np.ones(3)})), size=3),
         r"z: a Threshold without a neuron of its own"),
        (chain(("fc", Node("Linear", {"weight": np.ones((3, 3))})), size=3), r"no neurons"),
    ],
)  # fmt: skip
def test_what_no_network_does_is_refused(graph: Graph, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        network_of_graph(graph, dt=DT)


def test_what_nir_cannot_say_is_refused() -> None:
    net = Network("x")
    net.driver("input", SpikeArray(size=2))
    net.population("hh", HodgkinHuxley(size=2))
    net.connect("input", "hh", Exponential(weight=1e-9, tau=5e-3))
    with pytest.raises(FormatError, match=r"hh: NIR has no such neuron; got HodgkinHuxley"):
        graph_of_network(net, dt=DT)
    net = Network("x")
    net.driver("input", SpikeArray(size=2))
    net.population("a", LIF(size=2, tau=1e-2, R=1.0, V_th=1.0))
    net.connect("input", "a", Delta(weight=0.1))
    net.connect("input", "a", Exponential(weight=0.1, tau=5e-3))
    with pytest.raises(FormatError, match=r"a: NIR has no such neuron; got synapses of 2 kinds"):
        graph_of_network(net, dt=DT)


def test_a_layer_behind_the_last_neurons_is_left_out_and_said() -> None:
    graph = chain(("fc", Node("Linear", {"weight": np.ones((3, 3))})), lif(),
                  ("readout", Node("Linear", {"weight": np.ones((2, 3))})), size=3)  # fmt: skip
    notes = network_of_graph(graph, dt=DT).notes
    assert any("readout: linear, and no neuron hears it" in n for n in notes)


def test_numbers_that_are_no_neuron_are_said_of_their_node() -> None:
    node = neuron("LIF", 3, v_threshold=np.full(3, -1.0))
    graph = chain(("fc", Node("Linear", {"weight": np.ones((3, 3))})), ("x", node), size=3)
    with pytest.raises(FormatError, match=r"bad\.nir: x: no such neuron: .*V_th"):
        network_of_graph(graph, dt=DT, origin="bad.nir")


@pytest.mark.parametrize(
    "noted",
    [
        {"reset": "sideways"},
        {"t_ref": "long"},
        {"noise": {"0": {"kind": "additive", "sigma": 1.0}}},
        {"noise": {"0": {"kind": "loud", "sigma": 1.0, "convention": "white"}}},
    ],
)
def test_metadata_that_neurohw_cannot_have_written(noted: dict[str, Any]) -> None:
    name, node = lif()
    node = Node(node.kind, node.fields, {"neurohw": noted})
    graph = chain(("fc", Node("Linear", {"weight": np.ones((3, 3))})), (name, node), size=3)
    with pytest.raises(FormatError, match=rf"lif\.metadata\.neurohw\.{next(iter(noted))}"):
        network_of_graph(graph, dt=DT)


@pytest.mark.parametrize("noted", [{"other": {"reset": "subtract"}}, {"neurohw": "text"}])
def test_metadata_of_others_change_nothing(noted: dict[str, Any]) -> None:
    name, node = lif()
    fc = ("fc", Node("Linear", {"weight": np.ones((3, 3))}))
    plain = network_of_graph(chain(fc, (name, node), size=3), dt=DT).network
    marked = Node(node.kind, node.fields, noted)
    assert network_of_graph(chain(fc, (name, marked), size=3), dt=DT).network == plain


def test_a_linear_node_that_nothing_feeds() -> None:
    fc = Node("Linear", {"weight": np.ones((3, 3))})
    graph = Graph({"fc": fc, **dict([lif()])}, (("fc", "lif"),))
    with pytest.raises(FormatError, match=r"fc: nothing feeds this node; got Linear"):
        network_of_graph(graph, dt=DT)


def diamonds(count: int, delays: bool) -> Graph:
    """Two ways from each Flatten to the next, one of them perhaps later by another time each."""
    flat = Node("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": (3,)})
    nodes: dict[str, Node] = {"p0": Node("Input", {"shape": (3,)})}
    edges = []
    for k in range(count):
        other = Node("Delay", {"delay": np.full(3, DT * 2.0**k)}) if delays else flat
        nodes |= {f"a{k}": flat, f"b{k}": other, f"p{k + 1}": flat}
        edges += [(f"p{k}", f"a{k}"), (f"p{k}", f"b{k}")]
        edges += [(f"a{k}", f"p{k + 1}"), (f"b{k}", f"p{k + 1}")]
    name, node = lif()
    return Graph({**nodes, name: node}, (*edges, (f"p{count}", name)))


def test_many_ways_become_one_or_are_refused() -> None:
    """2**12 equal ways are one of that weight; 2**40 of different delays end at once."""
    net = network_of_graph(diamonds(12, delays=False), dt=DT).network
    (c,) = net.connections
    node = lif()[1]
    np.testing.assert_allclose(c.weight.toarray().diagonal(), 2**12 * node["r"] * DT / node["tau"])
    with pytest.raises(FormatError, match=r"too many ways between neurons"):
        network_of_graph(diamonds(40, delays=True), dt=DT)


def test_what_a_circle_feeds_does_not_wait_with_it() -> None:
    """Only what leads back within the circle takes a step, not what leaves it."""

    def square() -> Node:
        return Node("Linear", {"weight": np.eye(3)})

    nodes = {"in": Node("Input", {"shape": (3,)}),
             **{k: neuron("LIF", 3) for k in ("a", "b", "c", "out")},
             **{k: square() for k in ("in-out", "in-c", "c-a", "a-b", "b-a", "b-out")}}  # fmt: skip
    edges = [e for k in nodes if "-" in k for e in ((k[: k.index("-")], k), (k, k.split("-")[1]))]
    net = network_of_graph(Graph(nodes, tuple(edges)), dt=DT).network
    waits = {(c.source, c.target) for c in net.connections if c.delay}
    assert waits == {("b", "a")}


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_graph_is_a_network_or_refused(data: st.DataObject) -> None:
    """Nodes of any kind, wired at random: nothing but FormatError."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6))
    nodes = {f"n{k}": example_node(kind) for k, kind in enumerate(kinds)}
    names = st.sampled_from(sorted(nodes))
    edges = data.draw(st.lists(st.tuples(names, names), max_size=9, unique=True))
    try:
        found = network_of_graph(Graph(nodes, tuple(edges)), dt=DT)
    except FormatError:
        return
    found.network.check()


def test_any_file_is_a_network_or_refused() -> None:
    """Files with bytes and fields changed, as far as they are read."""
    files = list(corpus().values())
    read = 0
    for seed in range(3000):
        try:
            graph = parse_nir(mutated(files, seed))
            read += 1
            network_of_graph(graph, dt=DT).network.check()
        except FormatError:
            continue
    assert read > 100
