"""From a network to a NIR graph; the inverse of :mod:`neurohw.io.nir.to_network`.

What NIR cannot say (reset by subtraction, refractory periods, noise) goes into the metadata under
``neurohw``, which other readers leave alone and ours does not need.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.clock import METADATA
from neurohw.io.nir.graph import Edge, Graph, Node
from neurohw.network import (
    IF,
    LIF,
    AdditiveNoise,
    Connection,
    Conv2D,
    Delta,
    Exponential,
    Graded,
    Network,
    Population,
)
from neurohw.network.units import Shown, to_si

__all__ = ["graph_of_network"]

Array = np.ndarray


def graph_of_network(network: Network, *, dt: Any) -> Graph:
    """A NIR graph of a network.

    Parameters
    ----------
    network : Network
        LIF and IF populations with Delta synapses (and Graded ones without a lag), or with
        Exponential ones of one time constant (and Graded ones of the same); one delay for all
        synapses of a connection. Drivers become Inputs.
    dt : Quantity
        Step in s that a spike lasts: weights of the graph are for pulses of that length.

    Returns
    -------
    Graph
        A node of its own name for each driver and population, a Linear, Affine or Conv2d for each
        connection, an Output for each population that is probed or feeds nothing.

    Raises
    ------
    FormatError
        NIR has no such neuron, synapse or delay; the part is named.
    """
    step = to_si(dt, "s", where="dt")
    if isinstance(step, np.ndarray) or not step > 0:
        raise FormatError("not a step", where="dt", got=dt, allowed="a time greater than 0")
    network.check()
    shapes = _shapes(network)
    nodes: dict[str, Node | Graph] = {}
    edges: list[Edge] = []
    for driver in network.drivers:
        said = {METADATA: {"driver": type(driver.model).__name__}}
        nodes[driver.name] = Node("Input", {"shape": shapes[driver.name]}, said)
    potentials = {
        p.name: _population(network, p, shapes[p.name], nodes, edges) for p in network.populations
    }
    for connection in network.connections:
        _connection(network, connection, shapes, potentials, float(step), nodes, edges)
    fed = {c.source for c in network.connections}
    probed = {p.population for p in network.probes}
    for population in network.populations:
        if population.name in probed or population.name not in fed:
            name = _free(f"{population.name}_output", nodes)
            nodes[name] = Node("Output", {"shape": shapes[population.name]})
            edges.append((population.name, name))
    return Graph(nodes, tuple(edges), {METADATA: {"dt": float(step), "name": network.name}})


def _free(name: str, taken: Any) -> str:
    while name in taken:
        name += "_"
    return name


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shape of each driver and population: flat, or that of the images it is part of."""
    shapes: dict[str, tuple[int, ...]] = {}
    for c in network.connections:
        if isinstance(c.weight, Conv2D):
            for name, shape in (
                (c.source, c.weight.input_shape),
                (c.target, c.weight.output_shape),
            ):
                if shapes.setdefault(name, shape) != shape:
                    raise FormatError(
                        "two shapes of one layer", where=name,
                        got=Shown(f"{shapes[name]} and {shape}"),
                        allowed="one shape for all its convolutions",
                    )  # fmt: skip
    for node in (*network.drivers, *network.populations):
        shapes.setdefault(node.name, (node.size,))
    return shapes


def _population(
    network: Network,
    population: Population,
    shape: tuple[int, ...],
    nodes: dict[str, Node | Graph],
    edges: list[Edge],
) -> str:
    """Its node; without a reset two of them, V and the Threshold that looks at it.

    Return the node that holds V.
    """
    name, model = population.name, population.model
    if not isinstance(model, LIF | IF):
        raise FormatError("NIR has no such neuron", where=name, got=Shown(type(model).__name__),
                          allowed="LIF or IF")  # fmt: skip
    if population.currents or population.mismatch:
        what = "currents that change in time" if population.currents else "mismatch"
        raise FormatError("NIR has no place for it", where=name, got=Shown(what),
                          fix="remove it, or write the values that it has taken")  # fmt: skip
    taus = {
        (c.synapse.tau or 0.0) if isinstance(c.synapse, Exponential | Graded) else 0.0
        for c in network.connections
        if c.target == name
    }
    leaky = _leaky(model)
    if len(taus) > 1 or (not leaky and taus - {0.0}):
        raise FormatError(
            "NIR has no such neuron", where=name,
            got=Shown(
                f"synapses of {len(taus)} kinds" if len(taus) > 1 else "a current without a leak"
            ),
            allowed="jumps of V, or currents of one time constant into a leaky neuron",
        )  # fmt: skip
    tau_syn = next(iter(taus), 0.0)
    said: dict[str, Any] = {}

    def full(value: Any) -> Array:
        return np.broadcast_to(np.asarray(value, np.float64), (model.size,)).reshape(shape)

    fields: dict[str, Any] = {}
    rest, bias = np.asarray(getattr(model, "E_L", 0.0)), np.asarray(model.I_bias)
    if leaky and isinstance(model, LIF):
        fields |= {"r": full(1 / np.asarray(model.g_L)), "v_leak": full(rest)}
        fields["tau_mem" if tau_syn else "tau"] = full(model.tau)
        if np.any(bias):  # constant current is a shift of the resting potential
            fields["v_leak"] = full(rest + bias / np.asarray(model.g_L))
            said |= {"I_bias": model.I_bias, "E_L": model.E_L}
    else:
        fields["r"] = full(1 / np.asarray(model.C))
    if tau_syn:
        fields |= {"tau_syn": full(tau_syn), "w_in": full(1.0)}
    reset = getattr(model, "reset", "to")
    start = rest if isinstance(model, LIF) else np.asarray(model.V_reset)
    if np.any(np.asarray(model.V_init) != start):
        said["V_init"] = model.V_init
    said |= {k: v for k in ("t_ref", "t_ref_sigma") if np.any(v := getattr(model, k))}
    if reset == "subtract":
        said["reset"] = reset
    if population.noise:
        said["noise"] = {
            f"{k}": {
                "kind": "additive" if isinstance(n, AdditiveNoise) else "multiplicative",
                "sigma": n.sigma,
                "convention": n.convention,
            }
            for k, n in enumerate(population.noise)
        }
    kind = ("CubaLI" if tau_syn else "LI") if leaky else "I"
    metadata = {METADATA: said} if said else {}
    probes = [v for p in network.probes if p.population == name for v in p.variables]
    own = [c for c in network.connections if c.source == name]
    graded = [c.name for c in own if isinstance(c.synapse, Graded)]
    silent = reset == "none" and "spikes" not in probes and len(graded) == len(own)
    if reset != "none":
        if graded:
            raise FormatError("NIR sends spikes of a neuron that resets, and not V", where=name,
                              got=Shown(f"graded synapses {', '.join(graded)}"),
                              allowed="reset = 'none'")  # fmt: skip
        fields |= {"v_threshold": full(model.V_th), "v_reset": full(model.V_reset)}
        nodes[name] = Node("IF" if kind == "I" else f"{kind}F", fields, metadata)
    elif silent:
        nodes[name] = Node(kind, fields, metadata)
    else:
        inside = _free(f"{name}_v", nodes)
        nodes[inside] = Node(kind, fields, metadata)
        nodes[name] = Node("Threshold", {"threshold": full(model.V_th)})
        edges.append((inside, name))
        return inside
    return name


def _connection(
    network: Network,
    c: Connection,
    shapes: dict[str, tuple[int, ...]],
    potentials: dict[str, str],
    dt: float,
    nodes: dict[str, Node | Graph],
    edges: list[Edge],
) -> None:
    """Its linear node, after a Delay and a Flatten where they are needed."""
    target: Any = network[c.target].model  # type: ignore[union-attr]
    size = (target.size, 1)
    if isinstance(c.synapse, Delta):
        scale = np.broadcast_to(np.asarray(target.C, np.float64), (target.size,)) / dt
    elif isinstance(c.synapse, Exponential):
        scale = np.full(target.size, c.synapse.tau / dt)
    elif isinstance(c.synapse, Graded):
        scale = np.ones(target.size)
    else:
        raise FormatError("NIR has no such synapse", where=c.name,
                          got=Shown(type(c.synapse).__name__),
                          allowed="Delta, Exponential or Graded")  # fmt: skip
    delay = np.asarray(c.delay if c.delay_steps is None else np.asarray(c.delay_steps) * dt)
    if delay.size and np.any(delay != delay.flat[0]):
        raise FormatError("NIR delays neurons, not synapses", where=f"{c.name}.delay",
                          got=Shown(f"{delay.min():g} to {delay.max():g} s"),
                          allowed="one delay for a connection")  # fmt: skip
    shape = shapes[c.source]
    at = potentials[c.source] if isinstance(c.synapse, Graded) else c.source
    wait = float(delay.flat[0]) if delay.size else 0.0
    if _inside_a_circle(network, c):
        wait -= dt  # a circle waits a step in any case
        if wait < -1e-9 * dt:
            raise FormatError("a circle without a delay", where=f"{c.name}.delay", got=wait + dt,
                              allowed=f"at least dt = {dt:g} s")  # fmt: skip
    if wait > 1e-9 * dt:
        name = _free(f"{c.name}_delay", nodes)
        nodes[name] = Node("Delay", {"delay": np.full(shape, wait)})
        edges.append((at, name))
        at = name
    if isinstance(c.weight, Conv2D) and np.all(scale == scale[0]):
        w, channels = c.weight, c.weight.output_shape[0]
        nodes[c.name] = Node("Conv2d", {
            "input_shape": w.input_shape[1:], "weight": w.data * scale[0], "stride": w.stride,
            "padding": w.padding, "dilation": w.dilation, "groups": w.groups,
            "bias": np.zeros(channels),
        })  # fmt: skip
    else:
        if len(shape) > 1:
            name = _free(f"{c.name}_flatten", nodes)
            nodes[name] = Node("Flatten", {"start_dim": 0, "end_dim": -1, "input_type": shape})
            edges.append((at, name))
            at = name
        rows, columns, values, _ = c.edges()
        matrix = np.zeros(c.shape)
        np.add.at(matrix, (rows, columns), values)
        matrix *= np.broadcast_to(scale[:, None], size)
        bias = np.asarray(target.I_bias)
        first = next(x for x in network.connections if x.target == c.target)
        if np.any(bias) and not _leaky(target) and first.name == c.name:
            full = np.broadcast_to(bias, (target.size,))
            nodes[c.name] = Node("Affine", {"weight": matrix, "bias": full})
        else:
            nodes[c.name] = Node("Linear", {"weight": matrix})
        if len(shapes[c.target]) > 1:
            raise FormatError("NIR has no way back from a flat layer to an image", where=c.name,
                              got=Shown(f"{math.prod(shapes[c.target])} neurons in the "
                                        f"shape {shapes[c.target]}"),
                              allowed="a convolution")  # fmt: skip
    edges += [(at, c.name), (c.name, potentials[c.target])]


def _leaky(model: Any) -> bool:
    return isinstance(model, LIF) and bool(np.all(np.asarray(model.g_L) > 0))


def _inside_a_circle(network: Network, c: Connection) -> bool:
    """Whether reading the graph back gives this connection a step of its own."""
    from neurohw.io.nir.clock import backward

    names = [n.name for n in (*network.drivers, *network.populations)]
    arcs = [(x.source, x.target) for x in network.connections]
    return (c.source, c.target) in backward(names, arcs)
