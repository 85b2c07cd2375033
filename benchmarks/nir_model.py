"""What a NIR graph computes on a grid of steps, and the ways in which importers deviate from it.

NIR gives differential equations and no scheme, so a framework is right here if its output is that
of any of the usual schemes: forward Euler or exact decay, the membrane driven by the new or by the
old synaptic current, a start from 0 or from rest; spike where v > threshold, then v := v_reset. A
*deviation* is a named change of this model. What an importer does is known when the model with
some deviations gives its output, to the last spike, and the model without them does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from neurohw.io.nir import Graph, Node, flatten

__all__ = ["DEVIATIONS", "RESCALING", "Scheme", "alternatives", "run", "same", "schemes"]

Scheme = tuple[str, str, str]
"""Method, order of current and membrane, and where v starts."""
Step = Callable[[Any], Any]

DEVIATIONS: Mapping[str, str] = {
    "step of 0.1 ms": "the step is 1e-4 s, whatever the run's",
    "step of 1 ms": "the step is 1e-3 s, whatever the run's",
    "step of 1 s": "time constants count steps",
    "step of tau / (1 + r)": "the step is the least tau_mem / (1 + r)",
    "reset to 0": "v_reset is taken as 0",
    "reset by subtraction": "the threshold is subtracted at a spike",
    "reset a step late": "what a spike does to v of an LIF comes in the next step, after the decay",
    "spike a step late": "a spike is given out one step after it, but to its own cell's layer",
    "many spikes": "floor(v / threshold) spikes in one step",
    "spike at the threshold": "v >= threshold spikes",
    "input unscaled": "an input is added to v as it is: (1 - decay) r is taken as 1",
    "synapse unscaled": "an input is added to the current as it is: (1 - decay) w_in is 1",
    "synapse decays its input": "an input is added to the current, then it decays",
    "input decays with v": "an input is added to v, then v decays",
    "r = 1": "r is taken as 1",
    "v_leak = 0": "v_leak is taken as 0",
    "least gain": "all neurons have the least r dt / tau of them",
    "v_leak into the synapse": "the synaptic current relaxes to v_leak",
    "v_leak every step": "v_leak is added to v in each step",
    "decay clipped": "a decay below 0 is taken as 0",
    "decay 0.9": "v is multiplied by 0.9 in each step",
    "floor at -threshold": "v is kept above -threshold",
    "another bias": "the bias is drawn at random",
    "no padding": "padding is taken as 0",
    "padding as SAME": "padding is what makes the output as long as the input, by stride",
    "no dilation": "dilation is taken as 1",
    "all axes": "start_dim and end_dim are taken as the first and the last axis",
    "channels last": "the first of three axes runs fastest where they are flattened",
    "axes as given": "start_dim and end_dim are passed on, to data with a batch axis",
    "tau cut to an integer": "the time constant is cut to whole seconds",
    "left out, with what follows": "the output is what would enter the node",
    "left out, with what precedes": "the input goes to what follows the node",
    "input into the recurrent layer": "what enters a neuron in a cycle enters the cycle's layer",
    "depth first": "nodes run in depth-first order, and the last of them is the output",
    "no feedback": "an edge from a node that runs later brings nothing",
    "passed over": "what enters the node is passed on",
    "one path": "only the path from node input along the first edge of each node runs",
    "taken for a cell": "a neuron and a layer in a graph feed each other, and the input the neuron",
    "no bias in a cell": "the bias of a layer in a cycle with a neuron is 0",
}  # fmt: skip


_SPIKING = ("IF", "LIF", "CubaLIF")

RESCALING = frozenset(
    ["step of 0.1 ms", "step of 1 ms", "step of 1 s", "step of tau / (1 + r)", "input unscaled",
     "synapse unscaled", "synapse decays its input", "input decays with v", "least gain",
     "tau cut to an integer"]
)  # fmt: skip
"""Deviations that change a gain or a time constant and nothing else."""


def alternatives(deviations: frozenset[str]) -> list[frozenset[str]]:
    """The sets that a set stands for: what is left out takes what precedes or what follows along.

    (nirtorch.load runs one of the parts that the graph falls into.)
    """
    if "left out" not in deviations:
        return [deviations]
    rest = deviations - {"left out"}
    return [rest | {f"left out, with what {x}"} for x in ("follows", "precedes")]


def schemes(graph: Graph) -> Iterator[Scheme]:
    """Method, order and start that make a difference for the kinds of the graph."""
    kinds = {node.kind for _, node in graph.walk()}
    levels = {"rest": "v_leak", "reset": "v_reset"}
    starts = ["0"] + [name for name, field in levels.items()
                      if any(np.any(n.fields.get(field, 0)) for _, n in graph.walk())]  # fmt: skip
    methods = ("euler", "exact") if kinds & {"LI", "LIF", "CubaLI", "CubaLIF"} else ("euler",)
    orders = ("new", "old") if kinds & {"CubaLI", "CubaLIF"} else ("new",)
    yield from itertools.product(methods, orders, starts)


@np.errstate(all="ignore")  # deviations that do not hold may be unstable
def run(
    graph: Graph, x: np.ndarray, dt: float, scheme: Scheme = ("euler", "new", "0"),
    deviations: frozenset[str] = frozenset(),
) -> np.ndarray:  # fmt: skip
    """Output of the graph's one Output, shape (steps, ...), for its one Input.

    An edge that closes a cycle carries what its source gave one step before.
    """
    flat = flatten(graph)
    nodes, edges = _redrawn(dict(flat.nodes), list(flat.edges), dt, deviations)
    if not edges:
        return np.asarray(x, float)
    if "input into the recurrent layer" in deviations:
        edges = _rewired(nodes, edges)
    first = next(n for n in sorted(nodes) if nodes[n].kind == "Input"
                 and n not in {b for _, b in edges})  # fmt: skip
    deep = "depth first" in deviations
    order = _depth_first(first, edges) if deep else _order(nodes, edges)
    place = {name: k for k, name in enumerate(order)}
    into = {name: [a for a, b in edges if b == name and a in place] for name in order}
    steps = {name: _step(nodes[name], dt, scheme, deviations) for name in order}
    last = order[-1]
    if not deep:
        last = next(n for n in reversed(order) if nodes[n].kind == "Output")
    lost = "no feedback" in deviations
    before: dict[str, Any] = dict.fromkeys(order, 0.0)
    out = []
    for now in x:
        values: dict[str, Any] = {}
        for name in order:
            given = [
                values[a] if place[a] < place[name] else 0.0 if lost else before[a]
                for a in into[name]
            ]
            values[name] = steps[name](now if name == first else sum(given))
            if name == "node" and "left out, with what follows" in deviations:
                values[last] = sum(given)
                break
            if name == "node" and "left out, with what precedes" in deviations:
                values[name] = now
            if name == "node" and "passed over" in deviations:
                values[name] = sum(given)
        before = {**before, **values}
        out.append(values[last])
    return np.array(out)


def same(a: Any, b: Any, deviations: frozenset[str] = frozenset()) -> bool:
    """Equal shapes, and numbers equal to float32's accuracy; spikes are then equal.

    With another bias: equal but for what is the same in all steps.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return False
    if "another bias" in deviations:
        a, b = a - a.mean(0), b - b.mean(0)
    return bool(np.allclose(a, b, rtol=2e-5, atol=2e-5 * max(1e-30, np.abs(b).max(initial=0))))


def _redrawn(
    nodes: dict[str, Node], edges: list[tuple[str, str]], dt: float, d: frozenset[str]
) -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """The graph that an importer of one path makes, with nodes for spikes that come late."""
    if "taken for a cell" in d:
        for inside in {name.rpartition("/")[0] for name in nodes} - {""}:
            mine = {nodes[n].kind: n for n in nodes if n.rpartition("/")[0] == inside}
            cell = next(mine[k] for k in mine if k in _SPIKING)
            layer = next(mine[k] for k in mine if k in ("Affine", "Linear"))
            edges = [e for e in edges if not set(e) <= set(mine.values())]
            edges += [(mine["Input"], cell), (cell, layer), (layer, cell), (cell, mine["Output"])]
    ends = [name for edge in edges for name in edge]
    layers = {n for n in nodes if nodes[n].kind in ("Affine", "Linear") and ends.count(n) == 2}
    cells = [(a, b) for a, b in edges if (b, a) in edges and len(layers & {a, b}) == 1
             and {nodes[a].kind, nodes[b].kind} & {*_SPIKING}]  # fmt: skip
    if "no bias in a cell" in d:
        for name in {a for a, _ in cells if a in layers}:
            nodes[name] = Node("Linear", {"weight": nodes[name]["weight"]})
    if "one path" in d:
        path, name = [], "input"
        while name != "output":
            step = next((e for e in edges if e[0] == name and e not in cells), None)
            if step is None or step in path:
                break
            path.append(step)
            name = step[1]
        on = {name for step in path for name in step}
        edges = path + [e for e in cells if on & set(e)]
        nodes = {name: nodes[name] for name in nodes if any(name in e for e in edges)}
    if "spike a step late" in d:
        for name in [n for n in nodes if nodes[n].kind in _SPIKING]:
            late = f"{name}, late"
            nodes[late] = Node("Delay", {"delay": np.full_like(nodes[name]["r"], dt)})
            edges = [(late if a == name and (a, b) not in cells else a, b) for a, b in edges]
            edges.append((name, late))
    return nodes, edges


def _rewired(nodes: Mapping[str, Node], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges into a neuron, that is in a cycle with a layer, led to the layer."""
    layers = {b: a for a, b in edges if (b, a) in edges and nodes[b].kind in ("LIF", "CubaLIF")}
    return [(a, layers[b]) if b in layers and a != layers[b] else (a, b) for a, b in edges]


def _depth_first(first: str, edges: list[tuple[str, str]]) -> list[str]:
    order: list[str] = []
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name not in order:
            order.append(name)
            waiting += reversed([b for a, b in edges if a == name])
    return order


def _order(nodes: Mapping[str, Node], edges: Any) -> list[str]:
    """Breadth first from the inputs: every node once, as late as its inputs outside cycles ask."""
    order: list[str] = []
    waiting = list(nodes)
    while waiting:
        ready = [n for n in waiting if all(a in order for a, b in edges if b == n)]
        if not ready:  # a cycle: the first node that something already feeds
            ready = [n for n in waiting if any(a in order for a, b in edges if b == n)][:1]
        order += ready or waiting[:1]
        waiting = [n for n in waiting if n not in order]
    return order


def _step(node: Node, dt: float, scheme: Scheme, deviations: frozenset[str]) -> Step:
    f, kind = dict(node.fields), node.kind
    if kind in ("Input", "Output"):
        return lambda x: x
    if kind in ("Affine", "Linear"):
        bias = 0.0 if kind == "Linear" else f["bias"]
        return lambda x: f["weight"] @ x + bias
    if kind == "Scale":
        return lambda x: f["scale"] * x
    if kind == "Threshold":
        return lambda x: (x > f["threshold"]).astype(float)
    if kind == "Delay":
        return _delay(np.rint(f["delay"] / dt).astype(int))
    if kind == "Flatten":
        return _flatten(f, deviations)
    if kind.startswith("Conv"):
        return _convolution(f, kind, deviations)
    if kind.endswith("Pool2d"):
        return _pool(f, kind, deviations)
    return _neuron(kind, f, dt, scheme, deviations)


def _neuron(kind: str, f: dict[str, Any], dt: float, scheme: Scheme, d: frozenset[str]) -> Step:
    method, order, start = scheme
    spiking, cuba = kind in _SPIKING, kind.startswith("Cuba")
    tau = f.get("tau_mem" if cuba else "tau")
    steps = {"step of 0.1 ms": 1e-4, "step of 1 ms": 1e-3, "step of 1 s": 1.0}
    for name, value in steps.items():
        dt = value if name in d else dt
    if "step of tau / (1 + r)" in d and tau is not None:
        dt = float(np.min(tau / (1 + f["r"])))
    if "tau cut to an integer" in d and tau is not None:
        tau = np.trunc(tau)
    r = np.ones_like(f["r"]) if "r = 1" in d else f["r"]

    def decay(tau: Any) -> tuple[Any, Any]:
        """The factor of a step, and 1 less it, without cancellation."""
        with np.errstate(divide="ignore"):
            part = dt / tau
        return (1 - part, part) if method == "euler" else (np.exp(-part), -np.expm1(-part))

    leak = 0.0 if "v_leak = 0" in d else f.get("v_leak", 0.0)
    if tau is None:  # I, IF
        a, g, drive = 1.0, r * dt, 0.0
    else:
        a, part = decay(tau)
        g, drive = part * r, part * leak
    if "decay clipped" in d:
        a = np.maximum(a, 0.0)
    if "least gain" in d:
        g = np.min(g)
    if "input unscaled" in d:
        g = 1.0
    if "input decays with v" in d:
        g = a
    if "decay 0.9" in d:
        a = 0.9
    if "v_leak every step" in d:
        drive = leak
    a_syn = g_syn = drive_syn = 0.0
    if cuba:
        a_syn, part = decay(f["tau_syn"])
        g_syn = part * f["w_in"]
        if "decay clipped" in d:
            a_syn = np.maximum(a_syn, 0.0)
        if "synapse unscaled" in d:
            g_syn = 1.0
        if "synapse decays its input" in d:
            g_syn = a_syn
        if "v_leak into the synapse" in d:
            drive_syn = part * leak
    reset = 0.0 if "reset to 0" in d else f.get("v_reset", 0.0)
    owed = 0.0
    v = i = np.zeros_like(f["r"])
    v = v + {"0": 0.0, "rest": leak, "reset": reset}[start]
    if "v_leak into the synapse" in d and start == "rest":
        i = i + leak

    def step(x: Any) -> Any:
        nonlocal v, i, owed
        old = i
        if cuba:
            i = a_syn * i + g_syn * x + drive_syn
            x = i if order == "new" else old
        v = a * v + g * x + drive - owed
        if not spiking:
            return v
        threshold = f["v_threshold"]
        z = v >= threshold if "spike at the threshold" in d else v > threshold
        count = np.where(z, np.floor(v / threshold), 0.0) if "many spikes" in d else z * 1.0
        to = v - count * threshold if "reset by subtraction" in d else np.where(z, reset, v)
        if "reset a step late" in d and kind == "LIF":
            owed = v - to
        else:
            v = to
        if "floor at -threshold" in d:
            v = np.maximum(v, -threshold)
        return count

    return step


def _delay(steps: Any) -> Step:
    past: list[Any] = []

    def step(x: Any) -> Any:
        past.append(np.asarray(x, float))
        flat = [past[-1 - s].reshape(-1)[k] if s < len(past) else 0.0
                for k, s in enumerate(steps.reshape(-1))]  # fmt: skip
        return np.reshape(flat, steps.shape)

    return step


def _flatten(f: dict[str, Any], d: frozenset[str]) -> Step:
    def step(x: Any) -> Any:
        start, end = (0, -1) if "all axes" in d else (f["start_dim"], f["end_dim"])
        x = np.moveaxis(x, 0, -1) if "channels last" in d and x.ndim == 3 else x
        batch = "axes as given" in d  # the batch axis, of one element, is axis 0
        x = x[None] if batch else x
        start, end = start % x.ndim, end % x.ndim
        x = x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])
        return x[0] if batch else x

    return step


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _windows(x: Any, size: Any, stride: Any, dilation: Any) -> Any:
    """(..., places, places, window, window)."""
    reach = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(-2, -1))
    return seen[..., :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def _convolution(f: dict[str, Any], kind: str, d: frozenset[str]) -> Step:
    line = kind == "Conv1d"
    weight = f["weight"][:, :, None] if line else f["weight"]
    stride, dilation = _pair(f["stride"]), _pair(1 if "no dilation" in d else f["dilation"])
    size, padding = weight.shape[2:], f["padding"]
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in _pair(0 if padding == "valid" else padding)]
    if line:
        pads[0], stride, dilation = (0, 0), (1, stride[1]), (1, dilation[1])
    groups = f["groups"]

    def step(x: Any) -> Any:
        x = np.pad(x[:, None] if line else x, ((0, 0), *pads))
        seen = _windows(x, size, stride, dilation)
        parts = [
            np.einsum("chwij,ocij->ohw", s, w)
            for s, w in zip(np.split(seen, groups), np.split(weight, groups), strict=True)
        ]
        out = np.concatenate(parts) + f["bias"][:, None, None]
        return out[:, 0] if line else out

    return step


def _pool(f: dict[str, Any], kind: str, d: frozenset[str]) -> Step:
    size, stride = _pair(f["kernel_size"]), _pair(f["stride"])
    pads = [(p, p) for p in ((0, 0) if "no padding" in d else _pair(f["padding"]))]
    whole = "padding as SAME" in d and any(p for p, _ in pads)

    def step(x: Any) -> Any:
        around = pads
        if whole:
            total = [max((-(-n // s) - 1) * s + k - n, 0)
                     for n, s, k in zip(x.shape[1:], stride, size, strict=True)]  # fmt: skip
            around = [(t // 2, t - t // 2) for t in total]
        seen = _windows(np.pad(x, ((0, 0), *around)), size, stride, (1, 1))
        return seen.sum((-2, -1)) if kind == "SumPool2d" else seen.mean((-2, -1))

    return step
