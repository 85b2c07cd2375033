"""The pipeline of the README, lowered and run by the reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from neurohw.backend import compile_program, simulate
from neurohw.compare import Entry, with_evidence
from neurohw.lowering import lower
from neurohw.network import LIF, AdditiveNoise, Exponential, Network, Poisson, Regular
from neurohw.program import Program
from neurohw.reference import ReferenceBackend

DT = 2e-4
_RUNS: dict[tuple[str, str, int], Entry] = {}  # of the reference: it is clear before it is fast


def make_network(*, noise: bool = False, delay: str = "1 ms", **lif: str) -> Network:
    net = Network("pipeline")
    net.driver("N1", Regular(rate="50 Hz", start="2 ms"))
    net.driver("N2", Poisson(rate="80 Hz"))
    given = dict(C="0.5 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV", t_ref="3 ms",
                 I_bias="0.3 nA") | lif  # fmt: skip
    net.population("N3", LIF(**given), noise=[AdditiveNoise(sigma="2 pA*s**0.5")] if noise else [])
    net.connect("N1", "N3", Exponential(weight="0.5 nA", tau="5 ms"), delay=delay)
    net.connect("N2", "N3", Exponential(weight="-0.2 nA", tau="5 ms"), delay=delay)
    net.spike_driver("D3", "N3")
    net.probe("N3", "v", "u", "spikes")
    return net


def make_program(
    target: str, *, trials: int = 2, seed: int = 1, method: str = "", **network
) -> Program:
    lowered = lower(make_network(**network), target, dt=DT, seed=seed, trials=trials, method=method)
    return with_evidence(lowered.program)


def run_program(program: Program, backend: object = None, *, steps: int = 1000) -> Entry:
    engine: Any = backend or ReferenceBackend()
    key = engine.name, program.hash, steps
    if key not in _RUNS:
        probes = simulate(compile_program(engine, program), program, steps)[1]
        _RUNS[key] = Entry.of(program, probes, backend=engine.name)
    return _RUNS[key]


@pytest.fixture(scope="session")
def pipeline() -> SimpleNamespace:
    return SimpleNamespace(program=make_program, run=run_program, dt=DT)
