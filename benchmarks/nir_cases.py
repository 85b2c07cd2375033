"""Small NIR graphs, each a change of one field of a graph that a framework should take as it is.

The unchanged graph of a node type has the parameters that suit the framework (`PRESETS`): its own
step, and for the neurons the gains that its exporter writes. So what a change does is seen alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurohw.io.nir import KINDS, Graph, Node, infer_shapes

__all__ = ["PRESETS", "Case", "Preset", "cases"]

STEPS = 60


@dataclass(frozen=True)
class Preset:
    """What suits a framework.

    Attributes
    ----------
    dt : float
        Step in s.
    gain : {"unit", "steps", "steps - 1"}
        r of the neurons: 1, tau / dt, or tau / dt - 1; likewise w_in.
    if_r : float
        r of IF.
    effect : tuple of float
        What an input is multiplied by before it adds to v, in IF, LIF and CubaLIF as the framework
        runs them: the inputs are divided by it.
    drop : tuple of str
        Fields that the files must not have.
    layer : {"Affine", "Linear"}
        What the graphs of several nodes are made of.
    cells : tuple of str
        Neurons that are put into cycles.
    path : bool
        The importer runs what is on one path: there are further cases, of what is folded there.
    """

    dt: float
    gain: str
    if_r: float
    effect: tuple[float, float, float]
    drop: tuple[str, ...] = ()
    layer: str = "Affine"
    cells: tuple[str, ...] = ("LIF", "CubaLIF")
    path: bool = False


PRESETS: Mapping[str, Preset] = {
    "snntorch": Preset(1e-4, "steps", 1.0, (1.0, 1.0, 5.0)),
    "norse": Preset(1e-3, "unit", 1e3, (1.0, 0.1, 0.1)),
    "spikingjelly": Preset(1e-4, "steps", 1e4, (1.0, 1.0, 5.0)),
    "sinabs": Preset(1.0, "unit", 1.0, (1.0, 1.0, 5.0), ("v_reset",), cells=("LIF",)),
    "rockpool": Preset(1e-3, "steps - 1", 1e3, (1.0, 1.0, 4.5), ("v_reset",), cells=("CubaLIF",)),
    "spyx": Preset(1.0, "steps", 1.0, (1.0, 1.0, 5.0), cells=("IF", "LIF", "CubaLIF"), path=True),
    "nirtorch": Preset(1e-3, "unit", 1e3, (1.0, 0.1, 0.1), layer="Linear", cells=()),
    "nir": Preset(1e-3, "unit", 1e3, (1.0, 0.1, 0.1)),
    "nir-1.0.4": Preset(1e-3, "unit", 1e3, (1.0, 0.1, 0.1), ("v_reset",)),
}


@dataclass(frozen=True, eq=False)
class Case:
    """One file, its input, and the step in s that the input is meant at.

    `base` is the id of the case it is a change of; `drop` names fields left out of the file;
    `edges` are written instead of those of the graph, which is then what the file is meant to be.
    """

    id: str
    graph: Graph
    x: np.ndarray
    dt: float
    base: str = ""
    drop: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """Node type, field and change."""
        kind, name, what = self.id.split("/", 2)
        return kind, name, what


def cases(framework: str) -> Iterator[Case]:
    """All cases for a framework; a base comes before its changes."""
    p = PRESETS[framework]
    for kind in KINDS:
        if kind in ("Input", "Output"):
            continue
        base = _base(kind, p)
        yield base
        for name, what, changes, more in _changes(kind, base, p):
            node = base.graph["node"]
            graph = _around(Node(kind, {**node.fields, **changes}), base.x.shape[1:])
            drop = tuple(x for x in base.drop if x != name)
            yield replace(
                base, id=f"{kind}/{name}/{what}", graph=graph, base=base.id, drop=drop, **more
            )
        shape = base.x.shape[1:]
        chains = _chains if shape == (2,) else _flattened
        for what, graph in chains(base.graph["node"], p.layer, shape):
            yield replace(base, id=f"{kind}//{what}", graph=graph)
    yield from _graphs(p)
    if p.path:
        yield from _folded(p)


def _folded(p: Preset) -> Iterator[Case]:
    """LI and Threshold in a row, cells of other edges, neurons of three axes, a way out first."""
    rng = np.random.default_rng(13)
    node = _base("LI", p).graph["node"]
    x = rng.uniform(-0.2, 1.0, (STEPS, 2)) / 5
    whole = Case("LI//before a Threshold", _spiking(node), x, p.dt)
    yield whole
    for name, what, changes, more in (
        ("tau", "other", {"tau": 1.6 * node["tau"]}, {}),
        ("tau", "at another step", {}, {"dt": 2 * p.dt}),
        ("tau", "shorter than a step, r with it", {"tau": 0.5 * node["r"] / node["r"],
                                                   "r": 0.5 * node["r"] / node["r"]}, {"x": 3 * x}),
        ("r", "other", {"r": 1.6 * node["r"]}, {}),
        ("v_leak", "not 0", {"v_leak": node["v_leak"] + 0.2}, {}),
    ):  # fmt: skip
        graph = _spiking(Node("LI", {**node.fields, **changes}))
        yield replace(whole, id=f"LI/{name}/{what}, before a Threshold", graph=graph,
                      base=whole.id, **more)  # fmt: skip
    pool = {"kernel_size": (3, 3), "stride": (2, 2)}
    whole = Case("SumPool2d//windows that overlap",
                 _around(Node("SumPool2d", {**pool, "padding": (0, 0)}), (2, 6, 6)),
                 rng.normal(size=(4, 2, 6, 6)), p.dt)  # fmt: skip
    yield whole
    graph = _around(Node("SumPool2d", {**pool, "padding": (1, 1)}), (2, 6, 6))
    yield replace(whole, id="SumPool2d/padding/not 0, windows that overlap", graph=graph,
                  base=whole.id)  # fmt: skip
    for kind in p.cells:
        fields = _base(kind, p).graph["node"].fields
        shape = (2, 3, 4)
        spread = {k: np.full(shape, v[0]) for k, v in fields.items()}
        spread["v_threshold"] = rng.uniform(0.3, 0.8, shape)
        x = rng.uniform(-0.2, 1.0, (30, *shape)) / 4
        yield Case(f"{kind}//three axes", _around(Node(kind, spread), shape), x, p.dt)
    ends = {"input": Node("Input", {"shape": 2}), "output": Node("Output", {"shape": 2})}
    for kind in p.cells:
        neuron, x = _neuron(kind, p, rng.uniform(-0.2, 1.0, (STEPS, 2)))
        cell = {"lif": Node(kind, {f.name: neuron[f.name] for f in KINDS[kind].fields})}
        weight = 0.5 * x.max() * rng.uniform(-1, 1, (2, 2))
        layer, biased = _layer(p.layer, weight), {"weight": weight, "bias": [0.1, 0.2]}
        around = (("w_rec", "lif"), ("lif", "w_rec"), ("lif", "output"))
        for what, other, edges in (
            ("whose input enters the layer", layer, (("input", "w_rec"), *around)),
            ("and a layer with a bias", Node("Affine", biased), (("input", "lif"), *around)),
            ("and a layer after it", layer,
             (("input", "lif"), ("lif", "w_rec"), ("w_rec", "output"))),
        ):  # fmt: skip
            inner = Graph({**ends, **cell, "w_rec": other}, edges)
            outer = Graph({**ends, "cell": inner}, (("input", "cell"), ("cell", "output")))
            yield Case(f"NIRGraph//a graph of {kind} {what}", outer, x, p.dt)
            if what == "and a layer with a bias" and kind != "IF":
                yield Case(f"NIRGraph//a cycle of {kind} {what}", inner, x, p.dt)
    a, c = (_layer(p.layer, rng.normal(size=(2, 2))) for _ in range(2))
    edges = (("input", "a"), ("a", "output"), ("a", "c"), ("c", "a"))
    x = rng.normal(size=(12, 2))
    yield Case("NIRGraph//a cycle, the way out first", Graph({**ends, "a": a, "c": c}, edges), x,
               p.dt)  # fmt: skip


def _spiking(node: Node) -> Graph:
    """Input, a node of two elements, a Threshold, Output."""
    nodes = {"input": Node("Input", {"shape": 2}), "node": node}
    nodes["then"] = Node("Threshold", {"threshold": [0.5, 0.5]})
    nodes["output"] = Node("Output", {"shape": 2})
    return Graph(nodes, tuple(itertools.pairwise(nodes)))


def _around(node: Node, shape: tuple[int, ...]) -> Graph:
    """Input, the node, Output."""
    nodes = {"input": Node("Input", {"shape": shape}), "node": node}
    gives = infer_shapes(Graph(nodes, (("input", "node"),)))[0]["node"].gives or shape
    nodes["output"] = Node("Output", {"shape": gives})
    return Graph(nodes, tuple(itertools.pairwise(nodes)))


def _layer(kind: str, weight: Any) -> Node:
    """An Affine without bias, or a Linear."""
    bias = {"bias": np.zeros(len(weight))} if kind == "Affine" else {}
    return Node(kind, {"weight": weight, **bias})


def _flattened(node: Node, layer: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Graph]]:
    """The node before a Flatten."""
    gives = infer_shapes(_around(node, shape))[0]["node"].gives
    if gives is None or node.kind == "Flatten":
        return
    first = 1 if len(gives) > 1 else 0
    after = Node("Flatten", {"start_dim": first, "end_dim": -1, "input_type": gives})
    nodes = {"input": Node("Input", {"shape": shape}), "node": node, "then": after}
    rows = (*gives[:first], math.prod(gives[first:]))
    nodes["output"] = Node("Output", {"shape": rows})
    yield "before a Flatten", Graph(nodes, tuple(itertools.pairwise(nodes)))


def _chains(node: Node, layer: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Graph]]:
    """The node, of two elements, with other nodes before and after it."""
    ends = {"input": Node("Input", {"shape": 2}), "output": Node("Output", {"shape": 2})}
    first = _layer(layer, [[0.8, 0.1], [0.2, 0.7]])
    last = _layer(layer, [[1.0, 2.0], [3.0, 5.0]])
    for what, inner in (
        ("after a layer", {"first": first, "node": node}),
        ("before a layer", {"node": node, "last": last}),
        ("between layers", {"first": first, "node": node, "last": last}),
    ):
        path = ("input", *inner, "output")
        yield what, Graph({**ends, **inner}, tuple(itertools.pairwise(path)))


def _base(kind: str, p: Preset) -> Case:
    rng = np.random.default_rng(sum(map(ord, kind)))
    f: dict[str, Any] = {}
    shape: tuple[int, ...] = (2,)
    x = rng.uniform(-0.2, 1.0, (STEPS, 2))
    if kind in ("Affine", "Linear"):
        shape, f["weight"], f["bias"] = (3,), rng.normal(size=(2, 3)), np.zeros(2)
    elif kind == "Conv1d":
        shape = (2, 7)
        f = {"weight": rng.normal(size=(2, 2, 3)), "bias": np.zeros(2), "input_shape": (7,)}
        f |= {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    elif kind == "Conv2d":
        shape = (2, 7, 6)
        f = {"weight": rng.normal(size=(2, 2, 3, 3)), "bias": np.zeros(2), "input_shape": (7, 6)}
        f |= {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    elif kind.endswith("Pool2d"):
        shape, f = (2, 6, 6), {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
    elif kind == "Flatten":
        shape, f = (2, 3, 4), {"start_dim": 0, "end_dim": -1, "input_type": (2, 3, 4)}
    elif kind == "Delay":
        f = {"delay": np.full(2, 3 * p.dt)}
    elif kind in ("Scale", "Threshold"):
        f = {kind.lower(): np.full(2, 0.5)}
    else:
        f, x = _neuron(kind, p, x)
    if len(shape) > 1 or shape == (3,):
        x = rng.normal(size=(4, *shape))
    fields = {name.name: f[name.name] for name in KINDS[kind].fields if name.name in f}
    drop = tuple(n for n in p.drop if n in fields)
    graph = _around(Node(kind, fields), shape)
    return Case(f"{kind}//as it is", graph, x, p.dt, drop=drop)


def _neuron(kind: str, p: Preset, x: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Fields, and inputs that make about every fifth step a spike."""
    cuba = kind.startswith("Cuba")
    tau, tau_syn = 10 * p.dt, 5 * p.dt
    gain, gain_syn = {"unit": (1.0, 1.0), "steps": (10.0, 5.0), "steps - 1": (9.0, 5.0)}[p.gain]
    f = {"r": p.if_r if kind in ("I", "IF") else gain, "tau": tau, "tau_mem": tau, "w_in": gain_syn}
    f |= {"tau_syn": tau_syn, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}
    effect = p.effect[0 if kind in ("I", "IF") else 2 if cuba else 1]
    return {k: np.full(2, v) for k, v in f.items()}, 0.25 / effect * x


def _changes(
    kind: str, base: Case, p: Preset
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Field, what is done to it, the changed fields, and what else differs."""
    node = base.graph["node"]
    names = [f.name for f in KINDS[kind].fields]
    for f in KINDS[kind].fields:
        if f.rule != "unit":
            continue
        value = node[f.name]
        if f.name in ("v_leak", "v_reset"):
            yield f.name, "not 0", {f.name: value + (0.2 if f.name == "v_leak" else -0.3)}, {}
            yield f.name, "varies", {f.name: value + [0.1, 0.2]}, {}
        else:
            yield f.name, "other", {f.name: 1.6 * value}, {}
            yield f.name, "varies", {f.name: value * [1.0, 1.6]}, {}
    if "v_reset" in names:
        yield "v_reset", "given as 0", {}, {}
        if "v_leak" in names:
            both = {k: node[k] + 0.1 for k in ("v_leak", "v_reset")}
            yield "v_leak", "not 0, v_reset the same", both, {}
        effect = p.effect[{"IF": 0, "LIF": 1, "CubaLIF": 2}[kind]]
        large = 10 * base.x
        yield "v_threshold", "passed twice in a step", {}, {"x": large}
        yield "v_threshold", "far below 0", {}, {"x": np.where(np.arange(STEPS)[:, None] % 6 < 2, 1,
              -1) * np.abs(large) / 3}  # fmt: skip
        if kind in ("IF", "LIF") or p.gain == "steps":
            x = np.zeros((8, 2))
            x[1] = 0.5 / (effect if kind != "CubaLIF" else 1.0)
            yield "v_threshold", "reached exactly", {}, {"x": x}
        if kind == "CubaLIF" and p.gain == "steps - 1":  # v_leak is added as it is
            level = {"v_leak": node["v_threshold"] * [1.0, 0.9]}  # the other shows the start
            yield "v_threshold", "reached exactly", level, {"x": np.zeros((8, 2))}
    if "tau" in names or "tau_mem" in names:
        key = "tau" if "tau" in names else "tau_mem"
        yield key, "at another step", {}, {"dt": 2 * base.dt}
        if kind == "LIF":
            yield key, "varies, r is 1", {key: node[key] * [1, 2], "r": np.ones(2)}, {}
        short, strong = np.full(2, 0.5 * base.dt), {"x": 4 * base.x}
        if kind == "LIF":
            yield key, "shorter than a step, r is 1", {key: short, "r": np.ones(2)}, strong
        if kind == "CubaLIF" and p.gain == "steps":
            half = np.full(2, 0.5)
            yield key, "shorter than a step, r with it", {key: short, "r": half}, strong
            both = {"tau_syn": short, "w_in": half}
            yield "tau_syn", "shorter than a step, w_in with it", both, strong
        if kind == "LIF" and p.gain != "unit":
            yield (
                key,
                "varies, and r with it",
                {key: node[key] * [1, 2], "r": node["r"] * [1, 2]},
                {},
            )
        if kind == "LI":
            long = {key: np.array([2.6, 2.6])}
            yield key, "longer than a second", long, {}
            yield "v_leak", "not 0, tau longer than a second", long | {"v_leak": node["r"]}, {}
    if kind in ("I", "IF"):
        yield "r", "at another step", {}, {"dt": 2 * base.dt}
    rng = np.random.default_rng(7)
    if "weight" in names:
        yield "weight", "other", {"weight": 2 * node["weight"] - 1}, {}
    if "bias" in names:
        yield "bias", "not 0", {"bias": rng.normal(size=node["bias"].shape)}, {}
    if kind.startswith("Conv"):
        two = 2 if kind == "Conv1d" else (2, 1)
        yield "stride", "other", {"stride": two}, {}
        yield "padding", "other", {"padding": 1 if kind == "Conv1d" else (1, 2)}, {}
        yield "padding", "same", {"padding": "same"}, {}
        yield "padding", "valid", {"padding": "valid"}, {}
        yield "dilation", "other", {"dilation": two}, {}
        yield "groups", "2", {"groups": 2, "weight": node["weight"][:, :1]}, {}
    if kind.endswith("Pool2d"):
        yield "kernel_size", "other", {"kernel_size": (3, 2)}, {}
        yield "stride", "other", {"stride": (1, 2)}, {}
        yield "padding", "not 0", {"padding": (1, 0)}, {}
    if kind == "Flatten":
        yield "start_dim", "1", {"start_dim": 1}, {}
        yield "end_dim", "1", {"end_dim": 1}, {}


def _graphs(p: Preset) -> Iterator[Case]:
    """Structures, with the layers that a framework should know: Linear, Affine, a neuron."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(12, 2))
    wide = {"input": Node("Input", {"shape": 2}), "output": Node("Output", {"shape": 2})}

    def affine(scale: float = 1.0) -> Node:
        return _layer(p.layer, scale * rng.normal(size=(2, 2)))

    def case(what: str, graph: Graph, **more: Any) -> Case:
        return Case(f"NIRGraph//{what}", graph, **{"x": x, "dt": p.dt} | more)

    a, b, c = affine(), affine(), affine(0.3)
    chain = Graph({**wide, "a": a, "b": b}, (("input", "a"), ("a", "b"), ("b", "output")))
    yield case("a chain", chain)
    sum_ = (("input", "a"), ("input", "b"), ("a", "c"), ("b", "c"), ("c", "output"))
    yield case("two edges into a node", Graph({**wide, "a": a, "b": b, "c": c}, sum_))
    skip = (("input", "a"), ("a", "b"), ("b", "output"), ("a", "output"))
    yield case("two edges into an Output", Graph({**wide, "a": a, "b": b}, skip))
    yield case("no node between", Graph(wide, (("input", "output"),)))
    cycle = (("input", "a"), ("a", "c"), ("c", "a"), ("a", "output"))
    yield case("a cycle", Graph({**wide, "a": a, "c": c}, cycle))
    yield case(
        "a cycle, its names reversed",
        Graph({**wide, "d": a, "c": c}, (("input", "d"), ("d", "c"), ("c", "d"), ("d", "output"))),
    )
    self_loop = (("input", "c"), ("c", "c"), ("c", "output"))
    yield case("an edge from a node to itself", Graph({**wide, "c": c}, self_loop))
    inner = Graph({**wide, "a": a}, (("input", "a"), ("a", "output")))
    edges = (("input", "g"), ("g", "b"), ("b", "output"))
    yield case("a graph in the graph", Graph({**wide, "g": inner, "b": b}, edges))
    for kind in p.cells:
        neuron, inputs = _neuron(kind, p, rng.uniform(-0.2, 1.0, (STEPS, 2)))
        given = {f.name: neuron[f.name] for f in KINDS[kind].fields}
        weight = 0.5 * inputs.max() * rng.uniform(-1, 1, (2, 2))
        parts = {"lif": Node(kind, given), "w_rec": _layer(p.layer, weight)}
        edges = (("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output"))
        whole = Graph({**wide, **parts}, edges)
        more = {"x": inputs, "drop": p.drop}
        yield case(f"a cycle of {kind} and a layer", whole, **more)
        outer = {**wide, "cell": whole}
        edges = (("input", "cell"), ("cell", "output"))
        yield case(f"a graph of {kind} and a layer", Graph(outer, edges), **more)
    dotted = Graph({**wide, "a.b": a}, (("input", "a.b"), ("a.b", "output")))
    yield case("a name with a dot", dotted)
    yield case(
        "a keyword of Python as a name",
        Graph({**wide, "lambda": a}, (("input", "lambda"), ("lambda", "output"))),
    )
    yield case(
        "a name that is no identifier",
        Graph({**wide, "1 a": a}, (("input", "1 a"), ("1 a", "output"))),
    )
    plain = Graph({**wide, "a": a}, (("input", "a"), ("a", "output")))
    twice = (("input", "a"), ("a", "output"), ("input", "a"))
    yield case("an edge given twice", plain, edges=twice)
    yield case("edges of a name that is no node", plain, edges=(("input", "b"), ("b", "output")))
    yield case(
        "a name of a method of torch",
        Graph({**wide, "to": a}, (("input", "to"), ("to", "output"))),
    )
    yield case(
        "an Input of another name",
        Graph({"in": wide["input"], "out": wide["output"], "a": a}, (("in", "a"), ("a", "out"))),
    )
    both = Graph({**wide, "input2": Node("Input", {"shape": 2}), "a": a},
                 (("input", "a"), ("input2", "a"), ("a", "output")))  # fmt: skip
    yield case("two Inputs", both)
    both = Graph({**wide, "output2": Node("Output", {"shape": 2}), "a": a},
                 (("input", "a"), ("a", "output"), ("a", "output2")))  # fmt: skip
    yield case("two Outputs", both)
    noted = Node(a.kind, a.fields, {"dt": 1e-4, "by": "someone"})
    chain = Graph({**wide, "a": noted}, (("input", "a"), ("a", "output")), {"made": "here"})
    yield case("metadata", chain)
    wrong = {**wide, "output": Node("Output", {"shape": (1, 2)})}
    yield case(
        "shapes that do not fit", Graph({**wrong, "a": a}, (("input", "a"), ("a", "output")))
    )
