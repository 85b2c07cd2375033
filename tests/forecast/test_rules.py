"""A forecast obeys the rules of the record: held against runs at constant input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import neurohw as nh
from neurohw.explain.switches import switched
from neurohw.forecast import forecast
from neurohw.lowering import lower
from neurohw.program import Probe
from neurohw.run import run_program, with_spikes
from neurohw.targets import Target, load_target

DT, STEPS, SETTLED = 1e-3, 4000, 200


def network(kind: str, weight: float, C: float = 1e-3, **model: object) -> nh.Network:
    """Two sources that fire in every step; ``weight`` is their share of the drive, in V per step.

    The membrane's zero is no potential of the neurons.
    """
    net = nh.Network("constant")
    net.driver("in", nh.Regular(size=2, rate=1 / DT))
    given = {"E_L": -0.5, "V_reset": -0.5, "V_th": 0.5} | model
    net.population("n", nh.LIF(size=3, C=C, tau=20e-3, **given))
    share = weight * np.array([[0.5, 0.6], [0.7, 0.45], [0.5, 0.5]])
    if kind == "delta":
        net.connect("in", "n", nh.Delta(weight=share))
    else:
        net.connect("in", "n", nh.Exponential(weight=C / DT * share / 5, tau=5e-3))
    return net


def measured(net: nh.Network, record: Target) -> float:
    """Spikes per neuron and second once all has settled, each counted."""
    program = with_spikes(lower(net, record, dt=DT).program)
    several = record.firing.most > 1
    if several:
        probes = (*program.probes, Probe("n", "count"))
        program = dataclasses.replace(program, probes=probes)
    rec = run_program(program, "reference", STEPS)
    found = rec.spikes("n").dense(rec.probes.trials, 0, STEPS, 3)
    found = rec.probes.traces["n.count"] if several else found
    return float(found[SETTLED:].sum()) / (3 * (STEPS - SETTLED) * DT)


CASES = [
    # record, changed rules, kind, drive in thresholds per step, neuron
    ("float64", {}, "delta", 0.06, {}),
    ("float64", {}, "delta", 0.06, dict(reset="subtract")),
    ("float64", {}, "delta", 0.7, dict(reset="subtract")),
    ("float64", {}, "delta", 0.06, dict(reset="none")),
    ("float64", {}, "current", 0.08, dict(t_ref=3e-3)),
    ("float64", {"reset.timing": "next_step"}, "delta", 0.3, dict(reset="subtract")),
    ("float64", {"reset.timing": "next_step"}, "current", 0.3, {}),
    ("float64", {"arrival.decays": True}, "current", 0.09, {}),
    ("float64", {"arrival.late": ("delta",)}, "delta", 0.25, {}),
    ("float64", {"arrival.late": ("delta",)}, "delta", 0.25, dict(reset="subtract")),
    ("float64", {"arrival.late": ("current",)}, "current", 0.25, {}),
    ("float64", {"refractory.first": "spike_step"}, "delta", 0.3, dict(t_ref=3e-3)),
    ("float64", {"firing.most": 3}, "delta", 3.4, dict(reset="subtract")),
    ("float64", {"firing.most": 8}, "delta", 3.4, {}),
    ("snntorch", {}, "current", 0.3, {}),
    ("snntorch", {}, "delta", 0.3, dict(reset="subtract")),
    ("snntorch-immediate", {}, "delta", 0.3, dict(reset="subtract")),
    ("snntorch-immediate", {}, "delta", 1.6, dict(reset="subtract")),
    ("norse", {}, "current", 0.1, dict(t_ref=2e-3)),
    ("sinabs", {}, "delta", 1.3, dict(reset="subtract")),
    ("sinabs", {}, "delta", 2.6, {}),
    ("rockpool", {}, "current", 2.7, dict(reset="subtract")),
    ("nest", {}, "current", 0.09, dict(t_ref=2e-3)),
    ("brian2", {}, "delta", 0.25, dict(t_ref=3e-3)),
    ("brian2", {}, "current", 0.2, dict(reset="subtract")),
    ("loihi1", {}, "current", 0.2, dict(t_ref=3e-3)),
    ("xylo", {}, "current", 0.3, dict(reset="subtract")),
    ("xylo", {}, "current", 2.6, dict(reset="subtract")),
    ("spinnaker", {}, "current", 0.2, dict(C=1e-10, t_ref=2.4e-3)),
]


@pytest.mark.parametrize(
    ("name", "rules", "kind", "drive", "model"), CASES,
    ids=[f"{c[0]}-{'-'.join(c[1])}-{c[2]}-{c[3]}" for c in CASES],
)  # fmt: skip
def test_rate_at_constant_input(
    name: str, rules: dict, kind: str, drive: float, model: dict
) -> None:
    record = load_target(name)
    for path, value in rules.items():
        record = switched(record, path, value)
    net = network(kind, drive, **model)
    got = measured(net, record)
    assert got > 0
    layer = forecast(net, record, dt=DT).layer("n")
    # one spike more or less in the steps that were counted, and what the recursion's end costs
    allowed = 2 / ((STEPS - SETTLED) * DT) * max(1, record.firing.most if drive > 1 else 1) + (
        got * 2e-3
    )
    assert layer.rate == pytest.approx(got, abs=allowed)


def test_the_rules_matter() -> None:
    """Each changed rule changes the rate that is forecast, so that the test above could fail."""
    for name, rules, kind, drive, model in CASES:
        if not rules or rules == {"arrival.late": ("current",)}:  # only the latency
            continue
        if rules == {"reset.timing": "next_step"} and kind == "current":
            continue  # a reset to V_reset before the leak is one in the same step
        net, record = network(kind, drive, **model), load_target(name)
        plain = forecast(net, record, dt=DT).layer("n").rate
        for path, value in rules.items():
            record = switched(record, path, value)
        assert abs(forecast(net, record, dt=DT).layer("n").rate / plain - 1) > 0.01, rules


def test_potentials_are_counted_from_the_reset() -> None:
    """The README's neuron: float64 counts V from 0 V, loihi1 from V_reset."""
    net = nh.Network("readme")
    net.driver("in", nh.Poisson(size=50, rate="200 Hz"))
    lif = nh.LIF(size=4, C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV", t_ref="2 ms")
    net.population("n", lif)
    net.connect("in", "n", nh.Exponential(weight="0.1 nA", tau="5 ms"), delay="1 ms")
    found = forecast(net, "loihi1", dt=DT)
    layer = found.layer("n")
    assert abs(layer.threshold_error) < 1e-6 and abs(layer.fi_error) < 0.05
    assert layer.rate_asked == pytest.approx(layer.rate, rel=0.02) and layer.rate > 50
    assert not found.findings


def test_a_source_that_spikes_often_in_a_step_is_no_ground_for_silence() -> None:
    """One spike per step cannot lift the next layer; three can."""
    record = load_target("rockpool")
    net = network("delta", 3.3, reset="subtract")
    lif = nh.LIF(size=2, C=1e-3, tau=20e-3, E_L=0.0, V_th=1.0, V_reset=0.0, reset="subtract")
    net.population("next", lif)
    net.connect("n", "next", nh.Delta(weight=0.011))
    assert not forecast(net, record, dt=DT).layer("next").silent
    rec = run_program(with_spikes(lower(net, record, dt=DT).program), "reference", 500)
    assert len(rec.spikes("next")) > 0
    once = switched(record, "firing.most", 1)
    assert forecast(net, once, dt=DT).layer("next").silent
