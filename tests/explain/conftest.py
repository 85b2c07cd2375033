"""Layered networks on which one rule of a record shows, and input for them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.lowering import lower
from neurohw.network import Network
from neurohw.program import Probe
from neurohw.run import run_program, with_spikes
from neurohw.targets import Target

STEPS = 400
SIZES = (12, 8, 4)


def layers(
    *, leak: bool = True, current: bool = False, reset: str = "subtract", t_ref: float = 0.0,
    grid: float = 1 / 64, loop: bool = False, seed: int = 2, rest: float = 0.0,
    strength: float = 1.0,
) -> Network:  # fmt: skip
    """Three layers; weights on a grid, so that sums are exact and ties happen."""
    rng = np.random.default_rng(seed)
    net = Network("planted")
    net.driver("in", nh.SpikeArray(size=SIZES[0]))
    before, many = "in", SIZES[0]
    for i, size in enumerate(SIZES[1:], 1):
        name = f"layer{i}"
        form: dict[str, Any] = {"tau": 10e-3} if leak else {"g_L": 0.0}
        lif = nh.LIF(
            size=size, C=1e-3, E_L=rest, V_th=1.0, V_reset=0.0, reset=reset, t_ref=t_ref, **form
        )
        net.population(name, lif)

        def synapse(shape: tuple[int, int], mean: float) -> Any:
            weight = np.round(strength * rng.normal(mean, 0.25, shape) / grid) * grid
            return nh.Exponential(weight=0.3 * weight, tau=5e-3) if current else nh.Delta(
                weight=weight
            )  # fmt: skip

        net.connect(before, name, synapse((size, many), 0.12))
        if loop:
            net.connect(name, name, synapse((size, size), 0.0), delay_steps=2)
        before, many = name, size
    return net


def spikes_of(rec: Any, net: Network) -> dict[str, np.ndarray]:
    """Population -> bool ``[steps, size]``, in the steps in which they were emitted."""
    return {
        p.name: rec.spikes(p.name).dense(rec.probes.trials, 0, rec.probes.steps, p.size)[:, 0]
        for p in net.populations
    }


def emitted(net: Network, target: Target, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Population -> int ``[steps, size]``: how often each neuron spikes in each step on a target.

    Nothing of ``neurohw.explain`` takes part.
    """
    program = with_spikes(lower(net, target, dt=1e-3).program)
    if target.firing.most > 1:
        more = [Probe(p.name, "count") for p in net.populations]
        program = dataclasses.replace(program, probes=(*program.probes, *more))
    rec = run_program(program, "reference", len(inputs["in"]), inputs=inputs)
    found = {k: x.astype(np.int64) for k, x in spikes_of(rec, net).items()}
    for name in found if target.firing.most > 1 else ():
        found[name] = rec.probes.traces[f"{name}.count"][:, 0].astype(np.int64)
    return found


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    given = np.random.default_rng(7).random((STEPS, SIZES[0])) < 0.2
    return SimpleNamespace(
        layers=layers, spikes_of=spikes_of, emitted=emitted, inputs={"in": given}, steps=STEPS
    )
