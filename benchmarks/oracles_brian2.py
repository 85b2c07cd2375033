"""neurohw against Brian 2: spikes equal, everything else equal up to rounding.

The golden files and how the clocks of the two map to each other are described in
``tests/golden/make_brian2.py``. What rounding may do is derived here, case by case.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import neurohw as nh

sys.path.append(str(Path(__file__).parent))
import hh_scipy
from table import Row

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
METHODS = ("euler", "exponential")
U = 2.0**-53
"""Unit roundoff of binary64."""


class Golden:
    """One file: ``case``, ``parameters``, ``origin`` (dicts), and by method what Brian 2 found."""

    def __init__(self, name: str, folder: Path = GOLDEN) -> None:
        with np.load(folder / f"brian2_{name}.npz", allow_pickle=False) as data:
            arrays = dict(data)
        self.origin: dict[str, Any] = json.loads(str(arrays.pop("origin")))
        self.parameters: dict[str, float] = json.loads(str(arrays.pop("parameters")))
        self.case: dict[str, Any] = {}
        self.found: dict[str, dict[str, np.ndarray]] = {m: {} for m in METHODS}
        for key, value in arrays.items():
            head, _, tail = key.partition("/")
            where = self.case if head == "case" else self.found[head]
            where[tail] = value if value.ndim else value.item()


def hodgkin_huxley(gold: Golden, later: int = 1) -> nh.Network:
    """One axon for each current."""
    net = nh.Network("hh")
    current = gold.case["current"] * 1e-4  # per square metre -> per square centimetre
    net.population("N", nh.HodgkinHuxley(size=len(current), I_bias=current))
    net.probe("N", "v", "m", "h", "n")
    return net


def conductance(gold: Golden, later: int = 1) -> nh.Network:
    """One neuron for each current, all on the same 150 trains; ``later``: see the clocks."""
    p, case = gold.parameters, gold.case
    net = nh.Network("conductance")
    cell = {k: p[k] for k in ("C", "g_L", "E_L", "V_th", "V_reset", "t_ref")}
    current = case["current"]
    lif = nh.LIF(size=len(current), **cell, V_init=case["v_init"], I_bias=current)
    net.population("N", lif)
    for name, size, delay in zip("EI", (100, 50), case["delay"], strict=True):
        train = case[f"input_{name}"]
        net.driver(name, nh.SpikeArray(size=size, events=(train[:, 0], train[:, 1])))
        synapse = nh.Conductance(
            weight=p["g"], tau=p[f"tau_{name}"], E_rev=p[f"E_{name}"], receptor=name
        )
        net.connect(name, "N", synapse, delay_steps=int(delay) + later)
    net.probe("N", "v", when="before_reset")
    net.probe("N", "g_E", "g_I")
    return net


def network(gold: Golden, later: int = 1) -> nh.Network:
    """200 neurons that make each other jump."""
    case = gold.case
    sources, n = case["sources"], len(case["current"])
    weight = np.zeros((n, n))
    strength = case["weight"][(sources >= case["n_excitatory"]).astype(int)]
    np.put_along_axis(weight, sources.astype(np.int64), strength, axis=1)
    net = nh.Network("network")
    lif = nh.LIF(size=n, **gold.parameters, V_init=case["v_init"], I_bias=case["current"])
    net.population("N", lif)
    net.connect("N", "N", nh.Delta(weight=weight), delay_steps=int(case["delay"]) + later)
    net.probe("N", "v", when="before_reset")
    return net


def contracting(volts: float, ratio: float, roundings: int = 12) -> float:
    """How far two programs for V' = a V + ... drift apart, a <= 1 - ``ratio`` in every step.

    Each commits at most ``roundings`` errors of u * ``volts`` per step, and what is there shrinks:
    at most twice their geometric sum.
    """
    return 2 * roundings * U * volts / ratio


def hh_spread(gold: Golden, method: str, copies: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Bounds ``[V m h n, current]`` of the differences, and spikes of an independent recursion.

    The axon does not contract along its cycle, and near a spike it stretches differences: one
    rounding in V grows a hundredfold there. So the bound is found by experiment, on plain NumPy:
    copies in which every new value suffers 16 random roundings. Two programs each stray so far.
    """
    case = gold.case
    steps, every = case["duration"], case["every"]
    states, spikes = hh_scipy.recursion(
        case["current"] * 100, case["dt"] * 1e3, steps, method, roundings=16, copies=copies + 1,
        keep=lambda k: k % every == 0, exact_first=True,
    )  # fmt: skip
    far = np.abs(states[..., 1:] - states[..., :1]).max(axis=(0, 3))
    spikes = spikes[spikes[:, 2] == 0][:, :2]
    return 2 * far * [[1e-3], [1], [1], [1]], spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]


def compare(name: str, gold: Golden, method: str, later: int = 1) -> Iterator[Row]:
    """Rows of one file and method; the network is run on the engine ``native``.

    ``later``: by how many steps neurohw's delays are longer; anything but 1 must fail.
    """
    case, found = gold.case, gold.found[method]
    build = {"hh": hodgkin_huxley, "conductance": conductance, "network": network}[name]
    run = nh.run(build(gold, later), dt=case["dt"], steps=case["duration"], method=method)
    events = run.spikes("N")
    spikes = np.stack([events.step, events.element], axis=1)
    spikes = spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]
    label = f"{name}, {method}"
    same = len(spikes) if np.array_equal(spikes, found["spikes"]) else np.nan
    yield Row(f"spikes in the same step, {label}", same, len(found["spikes"]), 0, "exact")

    def differ(variable: str, value: str, every: int, bound: np.ndarray | float) -> Iterator[Row]:
        far = np.abs(run.raw("N", value)[::every, 0] - found[variable]).max(axis=0)
        bound = np.broadcast_to(bound, far.shape)
        worst = int(np.argmax(far / bound))
        yield Row(f"largest difference of {variable}, {label}", far[worst], 0.0,
                  float(bound[worst]), "bound")  # fmt: skip

    if name == "hh":
        bound, other = hh_spread(gold, method)
        same = len(other) if np.array_equal(other, found["spikes"]) else np.nan
        yield Row(f"  NumPy's spikes, {label}", same, len(found["spikes"]), 0, "exact")
        for variable, limit in zip("vmhn", bound, strict=True):
            every = case["every" if variable == "v" else "every_gate"]
            yield from differ(variable, variable, every, limit)
        return
    p = gold.parameters
    ratio = case["dt"] / p.get("tau", p["C"] / p.get("g_L", np.inf))
    yield from differ("v", "v_pre", case["every"], contracting(0.08, ratio))
    if name == "conductance":
        for receptor in "EI":
            largest = float(found[f"g_{receptor}"].max())
            bound = contracting(largest, case["dt"] / p[f"tau_{receptor}"], roundings=4)
            yield from differ(f"g_{receptor}", f"g_{receptor}", case["every"], bound)


def golden(folder: Path = GOLDEN) -> Iterator[Row]:
    """All three files."""
    for name in ("hh", "conductance", "network"):
        gold = Golden(name, folder)
        for method in METHODS:
            yield from compare(name, gold, method)


def live(python: str, seed: int) -> Iterator[Row]:
    """The same with Brian 2 run now, by an interpreter that has it, on inputs of another seed."""
    with tempfile.TemporaryDirectory() as folder:
        script = GOLDEN / "make_brian2.py"
        subprocess.run(
            [python, str(script), "--out", folder, "--seed", str(seed)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield from golden(Path(folder))
