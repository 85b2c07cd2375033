"""The same circuits in neurohw, and how far a package and a target record are apart."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from circuits import DT, Circuit, Result

from neurohw.backend import compile_program, load, simulate
from neurohw.lowering import lower
from neurohw.network import LIF, Delta, Exponential, Network, SpikeArray
from neurohw.targets import Target, load_target

__all__ = ["CASES", "Case", "Verdict", "agree", "network", "run"]


@dataclass(frozen=True)
class Case:
    """A target record and one kind of circuit that its package has.

    Attributes
    ----------
    method : str
        Of integration.
    options : dict
        For the package.
    """

    target: str
    package: str
    cell: str
    method: str
    options: dict[str, Any]


def _cases() -> list[Case]:
    found = []

    def add(target: str, package: str, method: str, cells: list[str], **options: Any) -> None:
        found.extend(Case(target, package, cell, method, options) for cell in cells)

    add("norse", "norse", "euler", [
        "delta to leaky rest", "delta subtract leaky rest", "delta to leakless bias",
        "current to leaky rest", "current to leaky bias", "current to leaky rest refractory",
        "delta subtract leaky grid euler", "delta to leakless grid",
    ])  # fmt: skip
    cells = [
        "delta subtract leaky bias", "delta to leaky", "delta subtract leakless bias",
        "current subtract leaky", "current to leaky", "current none leaky readout",
    ]  # fmt: skip
    add(
        "sinabs",
        "sinabs",
        "exponential",
        [*cells, "current subtract leakless", "delta subtract leakless grid"],
    )
    add("sinabs-unnormed", "sinabs", "exponential", cells, norm_input=False)
    jumps = ["delta to leaky rest same", "delta subtract leaky bias same"]
    add("spikingjelly", "spikingjelly", "euler", [
        *jumps, "delta to leakless bias same",
        "current to leaky away same", "current subtract leaky same",
        "delta subtract leaky grid euler", "delta to leakless grid",
    ])  # fmt: skip
    add("spikingjelly", "spikingjelly", "euler", jumps, decay_input=False)
    add("rockpool", "rockpool", "exponential", [
        "delta subtract leaky bias", "delta subtract leakless",
        "current subtract leaky bias", "current subtract leakless", "delta subtract leakless grid",
    ])  # fmt: skip
    cells = [f"{kind} {reset} leaky" for kind in ("delta", "current")
             for reset in ("to", "subtract", "none")]  # fmt: skip
    add(
        "snntorch",
        "snntorch",
        "exponential",
        [*cells, "delta subtract leaky bias", "delta subtract leaky grid"],
    )
    add("snntorch-immediate", "snntorch", "exponential", cells, reset_delay=False)
    add("nest", "nest", "exponential", [
        "delta to leaky rest refractory", "delta to leaky bias",
        "current to leaky rest refractory", "current to leaky bias", "current to leaky rest",
        "delta to leaky grid slow",
    ])  # fmt: skip
    cells = [
        "delta to leaky rest refractory", "delta to leaky bias", "delta subtract leaky",
        "current to leaky rest refractory", "current to leaky bias", "current subtract leaky",
        "current none leaky",
    ]  # fmt: skip
    add("brian2", "brian2", "exponential", cells)
    add("brian2", "brian2", "euler", [*cells, "delta to leaky grid euler"])
    return found


CASES = _cases()


def network(circuit: Circuit, *, several: bool = False) -> Network:
    """The circuit; resistances are 1 ohm, or capacitances 1 F where nothing leaks.

    ``several``: the number of spikes in a step is probed.
    """
    net = Network("circuit")
    before = net.driver("input", SpikeArray(size=circuit.spikes.shape[1])).name
    for number, layer in enumerate(circuit.layers, start=1):
        name = f"layer{number}"
        membrane = dict(tau=layer.tau_mem, R=1.0) if layer.leaky else dict(C=1.0, g_L=0.0)
        net.population(
            name,
            LIF(
                size=len(layer.v_th), **membrane, E_L=layer.v_leak, V_th=layer.v_th,
                V_reset=layer.v_reset, t_ref=layer.t_ref * DT, I_bias=layer.bias,
                reset=layer.reset,
            ),
        )  # fmt: skip
        if layer.tau_syn:
            net.connect(before, name, Exponential(weight=layer.weight, tau=layer.tau_syn))
        else:
            net.connect(before, name, Delta(weight=layer.weight))
        net.probe(name, "spikes", "v", *(["count"] if several else []))
        before = name
    return net


def run(circuit: Circuit, target: str | Target, method: str, backend: str = "reference") -> Result:
    """What a target makes of a circuit."""
    record = target if isinstance(target, Target) else load_target(target)
    several = record.firing.most > 1
    number = dataclasses.replace(record.number, float_bits=circuit.options["bits"])
    record = dataclasses.replace(record, number=number)
    net = network(circuit, several=several)
    lowered = lower(net, record, dt=DT, method=method)
    steps = len(circuit.spikes)
    compiled = compile_program(load(backend), lowered.program)
    _, out = simulate(compiled, lowered.program, steps,
                      inputs={"input.spikes": circuit.spikes[:, None]})  # fmt: skip
    result = Result([], [])
    for k, layer in enumerate(circuit.layers, start=1):
        name, size = f"layer{k}", len(layer.v_th)
        dense = out.events[name].dense(np.arange(1), 0, steps, size)
        found = out.traces[f"{name}.count"] if several else dense
        result.spikes.append(np.asarray(found)[:, 0].astype(np.int64))
        found = np.asarray(out.traces[f"{name}.v"])[:, 0]  # may begin later: see Delay.extra
        result.v.append(np.concatenate([np.full((steps - len(found), size), np.nan), found]))
    return result


@dataclass
class Verdict:
    """How far two results are apart.

    Attributes
    ----------
    spikes : int
        How many the package had.
    mismatches : int
        Steps and neurons in which the two have not the same number.
    apart : float
        Largest difference of V up to the first mismatch, as a part of the largest V of the layer.
    """

    networks: int = 0
    steps: int = 0
    spikes: int = 0
    mismatches: int = 0
    apart: float = 0.0

    def __iadd__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.networks + other.networks, self.steps + other.steps, self.spikes + other.spikes,
            self.mismatches + other.mismatches, max(self.apart, other.apart),
        )  # fmt: skip


def agree(theirs: Result, mine: Result) -> Verdict:
    """Compare."""
    steps = len(theirs.spikes[0])
    verdict, until = Verdict(1, steps), steps
    for a, b in zip(theirs.spikes, mine.spikes, strict=True):
        differ = a != b
        verdict.spikes += int(a.sum())
        verdict.mismatches += int(differ.sum())
        if differ.any():
            until = min(until, int(np.argmax(differ.any(axis=1))))
    for a, b in zip(theirs.v, mine.v, strict=True):
        if until:
            scale = float(np.nanmax(np.abs(a)))
            rows = np.abs(a - b)[:until]
            apart = float(rows[~np.isnan(rows)].max(initial=0.0))
            verdict.apart = max(verdict.apart, apart / scale if scale else apart)
    return verdict
