"""Every target of a chip: conformance of the engines, forecasts, and refusals of other models."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import LoweringError, TargetError
from neurohw.forecast import forecast
from neurohw.program import Program
from neurohw.run import with_spikes
from neurohw.targets import load_target
from neurohw.testing.cases import Case, resolve
from neurohw.testing.checks import examine
from neurohw.testing.chip import vary

DT, STEPS = 1e-3, 120
CELLS: dict[str, dict[str, Any]] = {
    "xylo": dict(tau="16 ms", reset="subtract", I_bias="0.1 nA"),
    "spinnaker": dict(tau="20 ms", V_reset="-72 mV", t_ref="1.2 ms", I_bias="0.2 nA"),
    "speck": dict(g_L="0 S", reset="subtract", I_bias="0.1 nA"),
    "odin": dict(g_L="0 S", I_bias="-0.3 nA"),
    "truenorth": dict(g_L="0 S", reset="subtract", I_bias="-0.2 nA"),
}
CURRENTS = ("xylo", "spinnaker")


def network(target: str) -> nh.Network:
    """Excitation, inhibition, a pool and two layers, the first recurrent where there are delays."""
    net = nh.Network(target)
    cell: dict[str, Any] = dict(C="1 nF", E_L="-70 mV", V_th="-50 mV", **CELLS[target])
    net.driver("x", nh.Poisson(size=6, rate="60 Hz"))
    net.driver("i", nh.Poisson(size=3, rate="100 Hz"))
    net.driver("pool", nh.PooledPoisson(size=1, trains=10, rate="50 Hz"))
    net.population("a", nh.LIF(size=5, **cell))
    net.population("b", nh.LIF(size=3, **cell))
    rng = np.random.default_rng(5)

    def connect(source: str, to: str, shape: tuple[int, int], sign: float) -> None:
        levels = np.array([1.0, 2.0]) * (1 + 2 * (sign > 0))  # few, and of one sign
        w = sign * rng.choice(levels, shape)
        step = 0 if target == "speck" else 1
        synapse = (
            nh.Exponential(weight=w * 0.5e-9, tau="4 ms" if sign > 0 else "8 ms")
            if target in CURRENTS else nh.Delta(weight=w * 1e-3)
        )  # fmt: skip
        net.connect(source, to, synapse, delay_steps=step)

    wired = [("x", "a", (5, 6), 1), ("i", "a", (5, 3), -1), ("pool", "a", (5, 1), 1)]
    wired += [("a", "b", (3, 5), 1)]
    if target != "speck":  # where sources have one sign, what excites b excites a too
        wired += [("a", "a", (5, 5), 1 if target == "odin" else -1)]
    for source, to, shape, sign in wired:
        connect(source, to, shape, sign)
    values = ("v", "count") if target in ("speck", "xylo") else ("v",)
    net.probe("a", *values)
    net.probe("b", "v")
    return net


@functools.cache
def case(target: str) -> Case:
    """Two trials of it, under a seed of its own."""
    lowered = nh.lower(network(target), target, dt=DT, seed=11, trials=2)
    return Case(target, with_spikes(lowered.program), STEPS)


@pytest.mark.parametrize("engine", ["reference", "native", "torch"])
@pytest.mark.parametrize("target", CELLS)
def test_conformance(target: str, engine: str) -> None:
    """The same bits as the reference, split, alone in a batch, repeated, and read from text."""
    if engine == "torch":
        pytest.importorskip("torch")
    found = examine(resolve(engine), case(target))
    assert not found.failures, str(found.failures[0])
    assert not found.refused
    assert set(found.passed) >= {"identity", "repeat", "split", "alone", "round_trip"}


@pytest.mark.parametrize("target", CELLS)
def test_a_network_lives_on_it(target: str) -> None:
    """Both layers spike, and V is within the limits of the chip."""
    rec = nh.run(network(target), target=target, dt=DT, duration=0.5, seed=3, backend="reference")
    assert len(rec.spikes("a")) > 20 and len(rec.spikes("b")) > 5
    v = rec.trace("a", "v").values
    assert v.min() > -0.2 and v.max() < 0.05


@pytest.mark.parametrize("target", CELLS)
def test_forecast(target: str) -> None:
    """``neurohw plan`` says something about every population of it."""
    found = forecast(network(target), target, dt=DT)
    assert not any(f.kind == "silent" and f.certain for f in found.findings)
    rows = {r.where: r for r in found.report.rows}
    assert abs(rows["a.V_th"].error) < 0.02
    assert all(abs(r.error) < 0.3 for k, r in rows.items() if k.endswith(".weight"))


@pytest.mark.parametrize("target", CELLS)
def test_other_models_are_refused(target: str) -> None:
    net = nh.Network("refused")
    net.population("n", nh.Izhikevich(C="100 pF", k="0.7 nS/mV", V_r="-60 mV", V_t="-40 mV",
                                      V_peak="35 mV", V_reset="-50 mV", a="30 Hz", b="-2 nS",
                                      d="100 pA"))  # fmt: skip
    with pytest.raises(LoweringError, match=f"{target} has only neurons whose equation is linear"):
        nh.lower(net, target, dt=DT)
    noisy = network(target)
    cell = nh.LIF(C="1 nF", E_L="-70 mV", V_th="-50 mV", **CELLS[target])
    noisy.population("c", cell, noise=[nh.AdditiveNoise(sigma="1 pA*s**0.5")])
    with pytest.raises(LoweringError, match=f"{target} has no additive noise"):
        nh.lower(noisy, target, dt=DT)


@pytest.mark.parametrize("target", CELLS)
def test_the_record_says_what_it_was_held_to(target: str) -> None:
    record = load_target(target)
    assert record.fixed and record.kind == "chip"
    assert record.sources and record.checked_against
    assert "Not compared with a chip" in record.fidelity or "nothing was compared with a board" in (
        record.fidelity
    )


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        ("lava", dict(arrival=dict(decays=True))),
        ("loihi1", dict(voltage=dict(decay="closed_form"))),
        ("spinnaker", dict(current=dict(unit=0.0))),
        ("loihi1", dict(current=dict(share=True))),
        ("xylo", dict(firing=dict(most=30))),
        ("xylo", dict(threshold=dict(compare="gt"))),
        ("loihi2", dict(firing=dict(most=3))),
        ("xylo", dict(arrival=dict(jump="held"))),
    ],
)
def test_rules_that_do_not_go_together(target: str, changes: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="does not go with the others"):
        vary(load_target(target), **changes)


def test_programs_differ_only_by_rules() -> None:
    """A rule of the record is all that parts two variants of a chip."""
    net = network("xylo")
    plain, summed = (
        nh.lower(net, t, dt=DT).program
        for t in ("xylo", vary(load_target("xylo"), current=dict(one_by_one=False)))
    )
    assert isinstance(plain, Program) and plain != summed
    assert len(plain.edges) >= len(summed.edges)
