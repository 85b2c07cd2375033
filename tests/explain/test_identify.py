"""Spikes from elsewhere: planted changes of one rule, and of two, are found from spikes alone."""

from __future__ import annotations

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import ProgramError, TargetError
from neurohw.explain import identify
from neurohw.explain.switches import alternatives, switched
from neurohw.explain.variants import Setting, Variants
from neurohw.targets import load_target, target_names

PLANTED = [
    ("float32", "reset.timing", "next_step", {}),
    ("float32", "threshold.compare", "gt", dict(leak=False, grid=1 / 8)),
    ("float32", "delay.extra", 1, {}),
    ("float32", "method", "exponential", {}),
    ("snntorch", "reset.timing", "same_step", {}),
    ("lava", "weight.mixed_even", False, dict(reset="to", grid=1 / 512)),
    ("lava", "threshold.compare", "ge", dict(leak=False, reset="to", grid=1 / 4, seed=3)),
    ("loihi1", "refractory.blocked_offset", 1, dict(reset="to", t_ref=1e-3)),
    ("float32", "refractory.first", "spike_step", dict(reset="to", t_ref=3e-3)),
    ("float32", "arrival.late", ("delta",), {}),
    ("float32", "arrival.decays", True, dict(current=True)),
    ("sinabs", "arrival.jump", "impulse", {}),
    ("snntorch", "arrival.current", "decaying", dict(current=True)),
    ("float32", "firing.floor", 0.0, {}),
    ("rockpool", "firing.most", 1, dict(strength=3.0)),
    ("loihi1", "weight.exponent_on", "sum", dict(reset="to", rest=1.001, strength=3e-4, grid=1e-9)),
    ("lava", "current.overflow", "saturate", dict(current=True, reset="to", strength=4.0)),
]


@pytest.mark.parametrize(("target", "path", "value", "net"), PLANTED, ids=lambda x: str(x)[:30])
def test_a_planted_rule_is_named(kit, target, path, value, net):
    network = kit.layers(**net)
    found = look(kit, network, target, {path: value})
    assert [s.path for s in found.changes] == [path], found.sentence
    assert found.changes[0].b == value
    assert found.equal and {s.path for s in found.also} <= {path}
    assert found.changes[0].title in found.sentence


def test_enough_rules_are_planted():
    assert len({path for _, path, _, _ in PLANTED}) >= 12


def test_a_current_that_is_felt_late_is_a_delay(kit):
    """V that uses the current of the step before is V that hears every spike a step later."""
    found = look(kit, kit.layers(current=True), "float32", {"arrival.late": ("current",)})
    named = {s.path: s.b for s in (*found.changes, *found.also)}
    assert found.equal and {"arrival.late", "delay.extra"} == named.keys(), found.sentence
    assert named["delay.extra"] == 1 and "Not told apart from" in found.sentence


def test_several_spikes_in_a_step_are_counted(kit):
    """Bool data say only whether a neuron spiked; the last layer's numbers are heard by nobody."""
    network, once = kit.layers(reset="to", strength=3.0), load_target("sinabs")
    counts = kit.emitted(network, once, kit.inputs)
    assert max(x.max() for x in counts.values()) > 2
    counts["layer2"] = np.minimum(counts["layer2"], 2)
    whole = identify(network, "sinabs", counts, dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert not whole.equal and whole.distance > 0
    seen = {k: x > 0 for k, x in counts.items()}
    found = identify(network, "sinabs", seen, dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert found.equal and not found.changes


@pytest.mark.parametrize(
    ("target", "planted", "net"),
    [
        ("float32", {"reset.timing": "next_step", "method": "exponential"}, {}),
        ("float32", {"delay.extra": 1, "threshold.compare": "gt"}, dict(leak=False, grid=1 / 8)),
    ],
)
def test_two_planted_rules_are_both_named(kit, target, planted, net):
    """The second case has no leak: there a jump that V feels late is one that comes late."""
    found = look(kit, kit.layers(**net), target, planted)
    named = {(s.path, s.b) for s in (*found.changes, *found.also)}
    assert planted.items() <= named, found.sentence
    assert found.equal and "2 rules changed" in found.sentence
    assert {s.path for s in found.also} <= ({"arrival.late", "delay.extra"} if net else set())


def look(kit, network, target, planted):
    hidden = load_target(target)
    for path, value in planted.items():
        hidden = switched(hidden, path, value)
    spikes = kit.emitted(network, hidden, kit.inputs)
    assert all(x.any() for x in spikes.values())
    return identify(network, target, spikes, dt=1e-3, steps=kit.steps, inputs=kit.inputs)


def test_rules_that_the_data_cannot_tell_apart_are_all_named(kit):
    """A reset to zero one step late, before the input is added, is one in the same step."""
    planted = {"reset.zero_after_input": ()}
    found = look(kit, kit.layers(current=True, reset="to"), "snntorch", planted)
    assert found.equal
    named = {s.path for s in (*found.changes, *found.also)}
    assert {"reset.zero_after_input", "reset.timing"} <= named


def test_a_record_that_fits_is_said_to_fit(kit):
    found = look(kit, kit.layers(), "snntorch", {})
    assert found.sentence == "snntorch gives the recorded spikes as it is"


def test_what_no_rule_explains_is_said(kit):
    network = kit.layers()
    rng = np.random.default_rng(1)
    spikes = {p.name: rng.random((kit.steps, p.size)) < 0.02 for p in network.populations}
    found = identify(network, "float32", spikes, dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert not found.equal and found.left > 0.5


@pytest.mark.parametrize("name", target_names())
def test_every_alternative_can_be_lowered_or_is_refused(name):
    """What cannot be switched by itself is refused in words, not by an error from inside."""
    record, met = load_target(name), 0
    for kind in ("delta", "current"):
        for reset in ("to", "subtract"):
            net = nh.Network("tried")
            net.driver("in", nh.Poisson(size=5, rate=100.0))
            form = {"g_L": 0.0} if name in ("odin", "speck", "truenorth") else {"tau": 20e-3}
            net.population("n", nh.LIF(size=3, C=1e-10, V_th=20e-3, reset=reset, **form))
            synapse = nh.Delta(weight=5e-3) if kind == "delta" else nh.Exponential(
                weight=1e-10, tau=5e-3)  # fmt: skip
            net.connect("in", "n", synapse, delay=1e-3)
            variants = Variants(net, record, Setting(dt=1e-3, steps=10))
            for s in alternatives(record):
                met += variants.hash((s,), s) is not None
            assert all(variants.problems.values())
    assert met > 0 or name == "speck"


def test_a_rule_of_one_chip_is_not_planted_in_another():
    with pytest.raises(TargetError, match=r"current\.share.*closed_form"):
        switched(load_target("lava"), "current.share", True)


@pytest.mark.torch
def test_the_real_snntorch_with_its_reset_in_the_same_step(kit):
    """Spikes of modules of snnTorch itself, made with ``reset_delay=False``.

    V stays below twice the threshold: above, snnTorch resets once more in the next step.
    """
    torch = pytest.importorskip("torch", reason="needs the extra torch")
    snn = pytest.importorskip("snntorch", reason="needs the extra torch")
    network = kit.layers(strength=0.5)
    cells, weights, highest = [], [], 0.0
    for p, c in zip(network.populations, network.connections, strict=True):
        beta = float(np.float32(np.exp(-1e-3 / p.model.tau)))
        cells.append(snn.Leaky(beta=beta, threshold=1.0, reset_delay=False))
        weights.append(torch.tensor(np.asarray(c.weight), dtype=torch.float32))
    state = [c.init_leaky() for c in cells]
    out = {p.name: np.zeros((kit.steps, p.size), bool) for p in network.populations}
    for t, row in enumerate(kit.inputs["in"]):
        x = torch.tensor(row, dtype=torch.float32)
        for i, p in enumerate(network.populations):
            x, state[i] = cells[i](weights[i] @ x, state[i])
            out[p.name][t] = x.detach().numpy() > 0
            highest = max(highest, float(state[i].detach().max()))
    assert highest < 1  # after the reset: below 2 before it
    assert all(x.any() for x in out.values())
    found = identify(network, "snntorch", out, dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert [(s.path, s.b) for s in found.changes] == [("reset.timing", "same_step")]
    assert found.equal


def test_errors(kit):
    network = kit.layers()
    with pytest.raises(ProgramError, match=r"spikes\['x'\]: no such population; got 'x'; allowed"):
        identify(network, "float32", {"x": np.zeros((10, 1))}, dt=1e-3, steps=10)
    with pytest.raises(ProgramError, match=r"wrong shape; got \(3, 8\); allowed: \[10, 8\]"):
        identify(network, "float32", {"layer1": np.zeros((3, 8))}, dt=1e-3, steps=10)
    for bad in (-1, 0.5):
        with pytest.raises(ProgramError, match=f"not spikes; got {bad}; allowed: bool, or whole"):
            identify(network, "float32", {"layer1": np.full((10, 8), bad)}, dt=1e-3, steps=10)
