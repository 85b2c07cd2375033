"""The neurons of a NIR graph as those of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.clock import METADATA
from neurohw.io.nir.graph import Node
from neurohw.io.nir.maps import Arrival
from neurohw.io.nir.shapes import Flat, Ports
from neurohw.network import LIF, AdditiveNoise, Conv2D, MultiplicativeNoise, Origin
from neurohw.network.units import Shown

__all__ = ["MAX_NEURONS", "SILENT", "Cell", "cells_of", "count", "neuron", "noise_of", "place"]

Array = np.ndarray
MAX_NEURONS = 10**7
_SPIKING = ("IF", "LIF", "CubaLIF")
SILENT = ("I", "LI", "CubaLI")
"""Kinds that do not spike."""
_NUMBERS = ("t_ref", "t_ref_sigma", "V_init", "I_bias", "E_L")
_NOISE = {"additive": AdditiveNoise, "multiplicative": MultiplicativeNoise}


@dataclass(frozen=True)
class Cell:
    """A neuron of the graph.

    Attributes
    ----------
    path : str
        Of the node that holds V.
    threshold : array, optional
        Of a Threshold node that looks at its V.
    """

    path: str
    node: Node
    arrival: Arrival
    threshold: Array | None = None

    @property
    def spikes(self) -> bool:
        return self.node.kind in _SPIKING or self.threshold is not None


def cells_of(flat: Flat, found: Mapping[str, Arrival], origin: str) -> dict[str, Cell]:
    """Neurons by path; a Threshold that looks at neurons which do not spike is one with them."""
    cells = {p: Cell(p, n, found[p]) for p, n in flat.nodes.items() if n.kind in _SPIKING + SILENT}
    for path, node in flat.nodes.items():
        if node.kind != "Threshold":
            continue
        arrival = found[path]
        mine = [
            w.source for w in arrival.ways
            if w.source in cells and flat.nodes[w.source].kind in SILENT
            and w.weight is None and not np.any(w.delay)
        ]  # fmt: skip
        if len(mine) != 1 or len(arrival.ways) != 1 or np.any(arrival.bias):
            raise FormatError(
                "a Threshold without a neuron of its own", origin=origin, where=path,
                got=Shown(", ".join(w.source for w in arrival.ways) or "nothing feeds it"),
                allowed=f"fed by one of {', '.join(SILENT)}, element by element and at once, "
                "which feeds no other Threshold",
            )  # fmt: skip
        body = cells.pop(mine[0])
        cells[path] = Cell(body.path, body.node, body.arrival, node["threshold"].ravel())
    return cells


def place(path: str, origin: str) -> Origin:
    """Where a part of the network comes from: a file and a node."""
    return Origin(f"{origin or 'NIR graph'}{':' if path else ''}{path}")


def count(ports: Ports, path: str, origin: str) -> int:
    """Number of neurons of a node."""
    size = int(np.prod(ports.takes, dtype=object)) if ports.takes is not None else 0
    if not 0 < size <= MAX_NEURONS:
        raise FormatError(
            "number of neurons", origin=origin, where=path,
            got=size or Shown("unknown: its shape does not follow"), allowed=f"1..{MAX_NEURONS}",
        )  # fmt: skip
    return size


def _per_neuron(node: Node, key: str, size: int) -> Any:
    """One number, or one per neuron."""
    values = node[key].ravel()
    return float(values[0]) if np.all(values == values[0]) else np.broadcast_to(values, (size,))


def _said(path: str, node: Node, origin: str) -> dict[str, Any]:
    """What neurohw noted on a node, checked; nothing if it noted nothing."""
    said = node.metadata.get(METADATA)
    if not isinstance(said, Mapping):
        return {}
    found = {k: said[k] for k in (*_NUMBERS, "reset", "noise") if k in said}
    for key, value in found.items():
        if key in _NUMBERS:
            number = np.asarray(value)
            fine = number.dtype.kind in "iuf" and number.ndim <= 1 and np.isfinite(number).all()
        elif key == "reset":
            fine = value in ("to", "subtract", "none")
        else:
            fine = isinstance(value, Mapping) and all(
                isinstance(n, Mapping)
                and n.keys() == {"kind", "sigma", "convention"}
                and n["kind"] in _NOISE
                for n in value.values()
            )
        if not fine:
            raise FormatError(
                "metadata that neurohw cannot have written", origin=origin,
                where=f"{path}.metadata.{METADATA}.{key}", got=Shown(str(value)[:60]),
            )  # fmt: skip
    return found


def noise_of(path: str, cell: Cell, origin: str) -> list[AdditiveNoise | MultiplicativeNoise]:
    """Noise that the metadata hold."""
    rows = _said(path, cell.node, origin).get("noise", {}).values()
    at = place(path, origin)
    return [_NOISE[n["kind"]](sigma=n["sigma"], convention=n["convention"], origin=at)
            for n in rows]  # fmt: skip


def neuron(path: str, cell: Cell, ports: Mapping[str, Ports], dt: float, origin: str) -> LIF:
    """The neurons of a node; with a resistance of r where that is positive, else of 1 ohm."""
    node, size = cell.node, count(ports[path], path, origin)
    cuba = node.kind.startswith("Cuba")
    r = _per_neuron(node, "r", size)
    said = _said(path, node, origin)
    extra = {k: said[k] for k in ("t_ref", "t_ref_sigma", "V_init") if k in said}
    bias = cell.arrival.bias
    bias = bias if np.any(bias) and not cuba else 0.0
    resistance = r if np.all(np.asarray(r) > 0) else 1.0
    if np.any(bias):
        bias = np.broadcast_to(bias * (np.asarray(r) / resistance), (size,))
        bias = float(bias[0]) if np.all(bias == bias[0]) else bias
    leak: Any = 0.0
    if node.kind not in ("I", "IF"):
        leak = _per_neuron(node, "v_leak", size)
        if "I_bias" in said and "E_L" in said and not np.any(bias):  # it was written into v_leak
            bias, leak = said["I_bias"], said["E_L"]
    if not cell.spikes:
        threshold, reset, kind = _bound(cell, leak, dt), leak, "none"
    elif cell.threshold is not None:
        threshold, reset, kind = cell.threshold, leak, "none"
    else:
        threshold = _per_neuron(node, "v_threshold", size)
        reset, kind = _per_neuron(node, "v_reset", size), said.get("reset", "to")
    common: dict[str, Any] = dict(
        size=size, V_th=threshold, V_reset=reset, reset=kind, I_bias=bias, **extra
    )
    if node.kind in ("I", "IF"):
        return LIF(C=1 / np.asarray(resistance), g_L=0.0, **common, origin=place(path, origin))
    tau = _per_neuron(node, "tau_mem" if cuba else "tau", size)
    return LIF(tau=tau, R=resistance, E_L=leak, **common, origin=place(path, origin))


def _bound(cell: Cell, leak: Any, dt: float) -> float:
    """A threshold that V of a neuron that does not spike never reaches.

    With a leak V stays within what constant input of all sources at once would bring it to; an
    integrator may go anywhere, and is given a million steps of that.
    """
    total = np.max(np.abs(cell.arrival.bias))
    for way in cell.arrival.ways:
        if way.weight is None:
            total += 1.0
        elif isinstance(way.weight, Conv2D):
            total += float(np.abs(way.weight.data).sum(axis=(1, 2, 3)).max())
        else:
            total += float(abs(way.weight).sum(axis=1).max())
    gain = np.max(np.abs(cell.node["r"]))
    if cell.node.kind.startswith("Cuba"):
        gain *= np.max(np.abs(cell.node["w_in"]))
    if cell.node.kind == "I":
        gain *= 1e6 * dt
    return float(2 * gain * total + np.max(np.abs(leak)) + 1e-9)
