"""Random circuits for the comparison of target records with the packages that they describe.

A circuit is one or two layers of leaky integrate-and-fire neurons, in the physical numbers of
neurohw with a resistance of 1 ohm, so that amperes and volts have the same numbers. NumPy alone:
this is read in the environment of every package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "DT",
    "STEPS",
    "Circuit",
    "Layer",
    "Result",
    "answer",
    "draw",
    "load",
    "load_results",
    "save",
]

Array = np.ndarray
DT, STEPS, INPUTS, SIZES = 1e-3, 1000, 12, (10, 8)
RATE = 0.2
"""Share of the inputs that spike in a step."""


@dataclass
class Layer:
    """One layer.

    Attributes
    ----------
    weight : array of shape (n, n_inputs)
        Jump of the current in A, or of V in V.
    tau_mem : array of shape (n,)
        In s; infinite: no leak.
    tau_syn : float
        In s; 0: spikes make V jump.
    v_th, v_reset, v_leak, bias : arrays of shape (n,)
        In V; ``bias`` is a constant current in A, without a leak in V/s.
    t_ref : int
        Refractory period in steps.
    reset : str
        ``to``, ``subtract`` or ``none``.
    """

    weight: Array
    tau_mem: Array
    tau_syn: float
    v_th: Array
    v_reset: Array
    v_leak: Array
    bias: Array
    t_ref: int
    reset: str

    @property
    def leaky(self) -> bool:
        """Whether V leaks."""
        return bool(np.isfinite(self.tau_mem[0]))


@dataclass
class Circuit:
    """Layers in a chain, and what drives the first: bool ``[steps, inputs]``."""

    cell: str
    layers: list[Layer]
    spikes: Array
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Result:
    """Of each layer: number of spikes (int) and V after the step (float), ``[steps, n]``."""

    spikes: list[Array]
    v: list[Array]


def draw(cell: str, number: int, *, steps: int = STEPS) -> Circuit:
    """A random circuit of a kind.

    Parameters
    ----------
    cell : str
        Words: ``delta`` or ``current``; ``to``, ``subtract`` or ``none``; ``leaky`` or
        ``leakless``; ``bias``, ``readout`` (a threshold that V never reaches), ``rest`` (V rests
        away from its reset potential, and that is not 0), ``away`` (it rests at 0 and is reset
        elsewhere), ``refractory``; ``grid`` (numbers with which V meets the threshold exactly;
        with ``euler`` by that rule, with ``slow`` by a leak that rounds to none); ``same`` (all
        neurons of a layer alike).
    number : int
        Which; odd ones have two layers.
    """
    words = cell.split()
    rng = np.random.default_rng([number, *cell.encode()])
    layers, before, rate = [], INPUTS, RATE
    for n in SIZES[: 1 + number % 2]:
        layers.append(_layer(words, rng, n, before, rate))
        before, rate = n, 0.08
    return Circuit(cell, layers, rng.random((steps, INPUTS)) < RATE)


def _layer(words: list[str], rng: np.random.Generator, n: int, before: int, rate: float) -> Layer:
    many = 1 if "same" in words else n

    def each(low: float, high: float) -> Array:
        return np.float32(np.broadcast_to(rng.uniform(low, high, many), n)).astype(np.float64)

    v_th, zero = each(0.7, 1.3), np.zeros(n)
    readout = "readout" in words
    tau = each(8e-3, 50e-3) if "leaky" in words else np.full(n, np.inf)
    tau_syn = float(np.float32(rng.uniform(3e-3, 15e-3))) if "current" in words else 0.0
    if "grid" in words:
        return _grid(words, rng, n, before)
    reset = next(w for w in ("to", "subtract", "none") if w in words)
    rest = "rest" in words
    v_reset = each(-0.4, 0.2) if (rest or "away" in words) and reset == "to" else zero
    v_leak = each(-0.3, 0.3) if rest else zero
    # mean drive per step, as a multiple of the threshold, for a unit mean weight
    leak = -np.expm1(-DT / tau) if "leaky" in words else np.full(n, 0.05)
    strength = rng.uniform(1.1, 1.8) * v_th * leak / (rate * before)
    if tau_syn:  # the current of a spike flows for tau_syn
        gain = leak if "leaky" in words else DT
        strength = strength / gain * -np.expm1(-DT / tau_syn)
    weight = rng.normal(1.0, 1.5, (n, before)) * strength[:, None]
    bias = zero
    if "bias" in words:
        bias = each(-0.2, 0.3) * (1.0 if "leaky" in words else 10.0)
    return Layer(
        weight=np.float32(weight).astype(np.float64),
        tau_mem=tau, tau_syn=tau_syn, v_th=v_th + 1e6 if readout else v_th, v_reset=v_reset,
        v_leak=v_leak, bias=bias,
        t_ref=int(rng.integers(1, 6)) if "refractory" in words else 0, reset=reset,
    )  # fmt: skip


def _grid(words: list[str], rng: np.random.Generator, n: int, before: int) -> Layer:
    """Weights in quarters of the threshold, and V halves in a step: V meets it exactly."""
    tau = np.inf
    if "leaky" in words:
        tau = 2 * DT if "euler" in words else float(DT / np.log(2))
        tau = 1e15 if "slow" in words else tau
    zero = np.zeros(n)
    return Layer(
        weight=rng.integers(-2, 5, (n, before)) / 4, tau_mem=np.full(n, tau), tau_syn=0.0,
        v_th=np.ones(n), v_reset=zero, v_leak=zero, bias=zero, t_ref=0,
        reset="subtract" if "subtract" in words else "to",
    )  # fmt: skip


# files -------------------------------------------------------------------------------------------


def save(path: Path, circuits: list[Circuit], results: list[Result] | None = None,
         about: dict[str, Any] | None = None) -> None:  # fmt: skip
    """Write circuits, and if given what a package made of them, into one npz file."""
    arrays: dict[str, Array] = {}
    heads = []
    for k, circuit in enumerate(circuits):
        arrays[f"{k}/in"] = np.packbits(circuit.spikes, axis=0)
        layers = []
        for j, layer in enumerate(circuit.layers):
            plain = asdict(layer)
            for key in ("weight", "tau_mem", "v_th", "v_reset", "v_leak", "bias"):
                arrays[f"{k}/{j}/{key}"] = plain.pop(key)
            layers.append(plain)
            if results is not None:
                arrays[f"{k}/{j}/spikes"] = results[k].spikes[j]
                arrays[f"{k}/{j}/v"] = results[k].v[j]
        heads.append({"cell": circuit.cell, "steps": len(circuit.spikes), "layers": layers,
                      "options": circuit.options})  # fmt: skip
    head = json.dumps({"circuits": heads, "about": about or {}})
    arrays["head"] = np.frombuffer(head.encode(), np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: Path) -> tuple[list[Circuit], dict[str, Any]]:
    """(circuits, what is said about them)."""
    with np.load(path) as data:
        head = json.loads(data["head"].tobytes())
        circuits = []
        for k, c in enumerate(head["circuits"]):
            keys = ("weight", "tau_mem", "v_th", "v_reset", "v_leak", "bias")
            layers = [
                Layer(**plain, **{key: data[f"{k}/{j}/{key}"] for key in keys})
                for j, plain in enumerate(c["layers"])
            ]
            given = np.unpackbits(data[f"{k}/in"], axis=0)[: c["steps"]].astype(bool)
            circuits.append(Circuit(c["cell"], layers, given, c["options"]))
    return circuits, head["about"]


def load_results(path: Path) -> list[Result]:
    """What a package made of the circuits of a file."""
    with np.load(path) as data:
        heads = json.loads(data["head"].tobytes())["circuits"]
        return [
            Result([data[f"{k}/{j}/spikes"].astype(np.int64) for j in range(len(c["layers"]))],
                   [data[f"{k}/{j}/v"] for j in range(len(c["layers"]))])
            for k, c in enumerate(heads)
        ]  # fmt: skip


def answer(run: Callable[[Circuit], Result], **about: str) -> None:
    """The command line of a package: ``PACKAGE IN.npz OUT.npz``."""
    package, source, sink = sys.argv[1:]
    circuits, _ = load(Path(source))
    save(Path(sink), circuits, [run(c) for c in circuits], {"package": package, **about})
