"""From a NIR graph to a network in physical units.

One NIR unit is one SI unit, and a spike is a pulse of height 1 that lasts one step. A pulse x
through a weight W and ``tau v' = v_leak - v + r I`` makes V jump by ``r W dt / tau``; through
``tau_syn I' = -I + w_in S`` it makes the current jump by ``w_in W dt / tau_syn``. Whether a
simulator takes the jump for an impulse, or for a current held over the step, is a rule of its
record (``arrival.jump``), as all else that NIR leaves open: decay, comparison, order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from neurohw.errors import FormatError, NeurohwError
from neurohw.io.nir.cells import SILENT, Cell, cells_of, count, neuron, noise_of, place
from neurohw.io.nir.clock import backward, recovered_dt
from neurohw.io.nir.graph import Graph, some
from neurohw.io.nir.maps import LINEAR, Arrival, Way, arrivals, as_matrix, compact, scaled
from neurohw.io.nir.shapes import Flat, Ports, flatten, infer_shapes
from neurohw.network import (
    AnalogInput,
    Conv2D,
    Delta,
    Exponential,
    Graded,
    Network,
    Regular,
    SpikeArray,
)
from neurohw.network.units import Shown, to_si

__all__ = ["Imported", "network_of_graph"]

Array = np.ndarray
_SYNAPSES = 8  # different tau_syn in a population


@dataclass(frozen=True)
class Imported:
    """A network, and what became of the graph.

    Attributes
    ----------
    network : Network
        Spikes of all neurons are probed, and V of those that do not spike.
    dt : float
        Step in s that spikes of the graph last.
    names : mapping
        Path of a node (``outer/inner``) -> driver or population.
    notes : tuple of str
        What was repaired, filled in, recovered or left out.
    """

    network: Network
    dt: float
    names: Mapping[str, str]
    notes: tuple[str, ...]


def network_of_graph(
    graph: Graph,
    *,
    dt: Any = None,
    inputs: Literal["spikes", "analog"] = "spikes",
    name: str = "nir",
    origin: str = "",
) -> Imported:
    """The network that a NIR graph describes.

    Parameters
    ----------
    graph : Graph
    dt : Quantity, optional
        Step in s that a spike lasts; recovered from the graph if left out, see
        :func:`~neurohw.io.nir.clock.recovered_dt`.
    inputs : {"spikes", "analog"}
        Whether Inputs are SpikeArrays or AnalogInputs.
    name : str
        Of the network.
    origin : str
        The file, for errors.

    Returns
    -------
    Imported
        A connection that leads back in a circle takes one step more, as in the simulators that
        NIR comes from; notes say which.

    Raises
    ------
    FormatError
        The step is not known, or a node means something that no network of neurons does: delays
        differ between two matrices, linear nodes form a circle, shapes do not fit.
    """
    flat = flatten(graph)
    ports, misfits = infer_shapes(graph)
    notes = list(dict.fromkeys((*graph.notes, *misfits)))
    step = _step(graph, dt, origin, notes)
    found = arrivals(flat, ports, origin)
    cells = cells_of(flat, found, origin)
    given = [p for p in flat.nodes if flat.nodes[p].kind == "Input" and not found[p].ways]
    names = _names([*given, *cells])
    net = Network(name, origin=place("", origin))
    for path in given:
        model = SpikeArray if inputs == "spikes" else AnalogInput
        at = place(path, origin)
        size = count(ports[path], path, origin)
        net.driver(names[path], model(size=size, origin=at), origin=at)
    if not cells:
        raise FormatError("no neurons", origin=origin, where="nodes", allowed="I, IF, LI, LIF, "
                          "CubaLI or CubaLIF", got=Shown(", ".join(sorted({n.kind for n in
                          flat.nodes.values()})) or "no node"))  # fmt: skip
    home = {c.path: path for path, c in cells.items()}  # of V, by the node that holds it
    arcs = {(home.get(w.source, w.source), p) for p, c in cells.items() for w in c.arrival.ways}
    _fed(flat, arcs, {*given, *cells}, origin)
    back = backward([*given, *cells], arcs)
    notes += [f"{b}: what comes back from {a} takes one step" for a, b in sorted(back)]
    for path, cell in cells.items():
        with _told(path, origin):
            model = neuron(path, cell, ports, step, origin)
            noise = noise_of(path, cell, origin)
            net.population(names[path], model, noise=noise, origin=place(path, origin))
    for path, cell in cells.items():
        with _told(path, origin):
            _connect(net, flat, path, cell, home, names, ports, step, back, notes, origin)
        net.probe(names[path], *(["spikes"] if cell.spikes else ["v"]))
    notes += _left_out(flat, found, cells, given)
    return Imported(net, step, names, tuple(notes))


@contextmanager
def _told(path: str, origin: str) -> Iterator[None]:
    """What a part of a network says of its numbers, said of the node that they come from."""
    try:
        yield
    except FormatError:
        raise
    except NeurohwError as error:
        raise FormatError(f"no such neuron: {error}", origin=origin, where=path) from error


def _step(graph: Graph, dt: Any, origin: str, notes: list[str]) -> float:
    if dt is not None:
        step = to_si(dt, "s", where="dt")
        if isinstance(step, np.ndarray) or not step > 0:
            raise FormatError("not a step", where="dt", got=dt, allowed="a time greater than 0")
        return float(step)
    found = recovered_dt(graph)
    if found is None:
        raise FormatError(
            "the step that a spike lasts is not in the file and does not follow from it",
            origin=origin, where="dt", allowed="a time greater than 0", fix="give dt, such as "
            "--dt '1 ms' or dt=1e-3",
        )  # fmt: skip
    notes.append(f"dt = {found[0]:g} s, recovered from {found[1]}")
    return found[0]


def _fed(flat: Flat, arcs: set[tuple[str, str]], known: Collection[str], origin: str) -> None:
    """Refuse linear nodes that nothing feeds."""
    for a, _ in sorted(arcs):
        if a not in known:
            raise FormatError(
                "nothing feeds this node", origin=origin, where=a, got=Shown(flat.nodes[a].kind),
                allowed="an Input or neurons before it",
            )  # fmt: skip


def _names(paths: list[str]) -> dict[str, str]:
    """Path -> a name that a network can have."""
    names: dict[str, str] = {}
    for path in paths:
        base = re.sub(r"[^A-Za-z0-9_]", "_", path)
        base = base if re.match(r"[A-Za-z_]", base) else f"n{base}"
        name, k = base, 1
        while name in names.values():
            k += 1
            name = f"{base}_{k}"
        names[path] = name
    return names


def _connect(
    net: Network,
    flat: Flat,
    path: str,
    cell: Cell,
    home: Mapping[str, str],
    names: Mapping[str, str],
    ports: Mapping[str, Ports],
    dt: float,
    back: set[tuple[str, str]],
    notes: list[str],
    origin: str,
) -> None:
    node, size, at = cell.node, count(ports[path], path, origin), place(path, origin)
    cuba = node.kind.startswith("Cuba")
    r = np.broadcast_to(node["r"].ravel(), (size,))
    extra = 1.0 if np.all(r > 0) else r  # what the resistance of the network leaves out
    if cuba:
        tau = np.broadcast_to(node["tau_syn"].ravel(), (size,))
        follows = np.broadcast_to(node["w_in"].ravel(), (size,)) * extra
        factor = follows * dt / tau
        taus = np.unique(tau)
        if len(taus) > _SYNAPSES:
            raise FormatError(
                "too many time constants in one population", origin=origin, where=f"{path}.tau_syn",
                got=len(taus), allowed=f"up to {_SYNAPSES} different ones",
            )  # fmt: skip
    else:
        taus, tau, follows = np.zeros(1), np.zeros(size), np.broadcast_to(extra, (size,))
        over = 1.0 if node.kind in ("I", "IF") else node["tau"].ravel()
        factor = np.broadcast_to(r * dt / over, (size,))
    for way in cell.arrival.ways:
        source = home.get(way.source, way.source)
        late = dt if (source, path) in back else 0.0
        graded = flat.nodes[way.source].kind in SILENT
        for t in taus:
            weight = _weight(way, np.where(tau == t, follows if graded else factor, 0.0), size)
            if np.ndim(way.delay) or np.ndim(way.before):
                weight = as_matrix(weight)
            synapse: Any
            if graded:
                synapse = Graded(weight=weight, tau=float(t) if cuba else None, origin=at)
            elif cuba:
                synapse = Exponential(weight=weight, tau=float(t), origin=at)
            else:
                synapse = Delta(weight=weight, origin=at)
            delay = _delay(way, weight, late)
            net.connect(names[source], names[path], synapse, delay=delay, origin=at)
    if cuba and np.any(cell.arrival.bias):
        always = "always"
        while always in names.values():
            always += "_"
        if always not in {d.name for d in net.drivers}:
            net.driver(always, Regular(period=dt, origin=at), origin=at)
            notes.append(f"{always}: a spike in every step brings constant input to synapses")
        for t in taus:
            bias = np.broadcast_to(cell.arrival.bias, (size,)) * np.where(tau == t, factor, 0.0)
            synapse = Exponential(weight=bias[:, None], tau=float(t), origin=at)
            net.connect(always, names[path], synapse, origin=at)


def _weight(way: Way, factor: Array, size: int) -> Any:
    """Weights of the network: those of the graph times a factor for each target."""
    if way.weight is None:
        return sp.csr_array(sp.dia_array((factor[None], [0]), shape=(size, size)))
    if isinstance(way.weight, Conv2D):
        if np.all(factor == factor[0]):
            return scaled(way.weight, float(factor[0]))
    return compact(sp.dia_array((factor[None], [0]), shape=(size, size)) @ as_matrix(way.weight))


def _delay(way: Way, weight: Any, late: float) -> Any:
    """One delay in s, or one per synapse."""
    if not np.ndim(way.delay) and not np.ndim(way.before):
        return float(way.delay + way.before + late)
    after = np.broadcast_to(way.delay, weight.shape[:1])
    before = np.broadcast_to(way.before, weight.shape[1:])
    if not sp.issparse(weight):
        return after[:, None] + before + late
    at = weight.tocoo()
    return sp.csr_array((after[at.row] + before[at.col] + late, (at.row, at.col)), weight.shape)


def _left_out(
    flat: Flat, found: Mapping[str, Arrival], cells: Collection[str], given: Collection[str]
) -> list[str]:
    """Linear nodes behind the last neurons, which no neuron hears."""
    into: dict[str, list[str]] = {}
    for a, b in flat.edges:
        into.setdefault(b, []).append(a)
    heard: set[str] = set()
    waiting = [a for path in cells for a in into.get(path, [])]
    while waiting:
        path = waiting.pop()
        if path not in heard and flat.nodes[path].kind in LINEAR:
            heard.add(path)
            waiting += into.get(path, [])
    gone = [
        path
        for path, node in flat.nodes.items()
        if node.kind in LINEAR - {"Input", "Output", "Flatten"}
        and path not in heard
        and path not in given
        and found[path].ways
    ]
    if not gone:
        return []
    return [f"{some(gone)}: linear, and no neuron hears it; left out, what feeds it is recorded"]
