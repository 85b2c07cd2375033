"""Neurons that do not spike, read out by their V, on chips whose neurons all spike."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import LoweringError
from neurohw.io.nir import Graph, Node, network_of_graph

STEPS = 300
RNG = np.random.default_rng


def net(
    kind: str, limit: float = 0.2, probes: tuple[str, ...] = ("v",), resets: str = "none"
) -> nh.Network:
    """Poisson trains into neurons that do not reset: ``jumps`` of V, ``currents``, no ``leak``."""
    net = nh.Network("readout")
    net.driver("x", nh.Poisson(size=16, rate="60 Hz"))
    common = dict(size=3, V_th=limit, V_reset=0.0, reset=resets)
    leak = {"C": "1 nF", "g_L": 0.0} if kind == "leak" else {"C": "1 nF", "tau": "20 ms"}
    net.population("out", nh.LIF(E_L=0.0, **leak, **common))
    weight = RNG(1).normal(0, 1, (3, 16))
    weight = np.abs(weight) / 8 if kind == "leak" else weight  # ODIN: one sign for a source
    synapse = nh.Delta(weight=weight * 4e-3)
    if kind == "currents":
        synapse = nh.Exponential(weight=weight * 1e-9, tau="5 ms")
    net.connect("x", "out", synapse, delay_steps=1)
    net.probe("out", *probes)
    return net


@pytest.mark.parametrize(
    "target,kind,resets",
    [
        ("loihi1", "jumps", "to"),
        ("loihi1", "currents", "to"),
        ("lava", "currents", "to"),
        ("nengo-loihi", "jumps", "to"),
        ("spinnaker", "currents", "to"),
        ("odin", "leak", "to"),
        ("xylo", "currents", "subtract"),
    ],
)
def test_it_is_the_neuron_that_resets(target: str, kind: str, resets: str) -> None:
    """Bit for bit, as long as V stays below the threshold; and no engine makes a difference."""
    other = nh.lower(net(kind, resets=resets), target, dt=1e-3, seed=3).program
    program = nh.lower(net(kind), target, dt=1e-3, seed=3).program
    assert {w.key for w in program.watches} == {w.key for w in other.watches} | {"out.threshold"}
    runs = [nh.run_program(p, b, STEPS) for p, b in
            ((program, "reference"), (program, "native"), (other, "reference"))]  # fmt: skip
    got, fast, spiking = (r.raw("out") for r in runs)
    np.testing.assert_array_equal(got, fast)
    np.testing.assert_array_equal(got, spiking)
    assert np.ptp(got) > 50 and not runs[0].probes.ledger["out.threshold"].count


@pytest.mark.parametrize("target", ["loihi1", "lava"])
@pytest.mark.parametrize("kind", ["jumps", "currents"])
def test_v_is_that_of_floats(target: str, kind: str) -> None:
    """With the weights and decays that the chip holds; the rest is rounding to whole steps."""
    found = nh.lower(net(kind), target, dt=1e-3, seed=3)
    twin = nh.lower(net(kind), "float64", dt=1e-3, seed=3, numbers=found.numbers).program
    exact, got = (nh.run_program(p, "native", STEPS).trace("out", "v").values
                  for p in (twin, found.program))  # fmt: skip
    assert STEPS - len(got) == found.program.latency.get("out", 0)
    assert np.abs(got - exact[: len(got)]).max() < 0.01 * np.abs(exact).max()


def test_the_ledger_says_where_it_does_not_hold() -> None:
    for limit, beyond in ((0.2, False), (0.01, True)):
        rec = nh.run(net("jumps", limit), target="loihi1", dt="1 ms", steps=STEPS,
                     backend="native", seed=3)  # fmt: skip
        row = rec.probes.ledger["out.threshold"]
        assert bool(row.count) == beyond


@pytest.mark.parametrize("target", ["loihi1", "spinnaker"])
def test_whoever_hears_spikes_of_it_is_refused(target: str) -> None:
    kind = "currents"
    with pytest.raises(LoweringError, match=f"out.reset: {target} cannot reset so; got 'none'"):
        nh.lower(net(kind, probes=("spikes",)), target, dt=1e-3)
    heard = net(kind)
    heard.population("next", nh.LIF(size=1, C="1 nF", tau="20 ms", E_L=0.0, V_th=1.0))
    heard.connect("out", "next", nh.Exponential(weight="1 nA", tau="5 ms"), delay_steps=1)
    with pytest.raises(LoweringError, match=f"out.reset: {target} cannot reset so; got 'none'"):
        nh.lower(heard, target, dt=1e-3)


@pytest.mark.parametrize("target", ["loihi1", "lava"])
def test_the_readout_of_a_nir_file(target: str) -> None:
    """Spiking neurons, a Linear, LI: V on the chip against V in floats, never above its bound."""
    rng = RNG(4)
    size = {"tau": np.full(8, 0.01), "r": np.full(8, 10.0), "v_leak": np.zeros(8)}
    nodes = {
        "in": Node("Input", {"shape": (12,)}),
        "fc1": Node("Linear", {"weight": rng.normal(0.2, 0.5, (8, 12))}),
        "lif": Node("LIF", {**size, "v_threshold": np.ones(8), "v_reset": np.zeros(8)}),
        "fc2": Node("Linear", {"weight": rng.normal(0, 1, (3, 8))}),
        "li": Node("LI", {"tau": np.full(3, 0.03), "r": np.ones(3), "v_leak": np.zeros(3)}),
    }
    names = list(nodes)
    graph = Graph(nodes, tuple(pairwise(names)))
    found = network_of_graph(graph, dt=1e-3).network
    given = {"in": rng.random((STEPS, 12)) < 0.2}
    exact, got = (
        nh.run(found, target=t, dt="1 ms", steps=STEPS, method="euler", inputs=given,
               backend="native")
        for t in ("float64", target)
    )  # fmt: skip
    a, b = (r.trace("li", "v").values[:, 0] for r in (exact, got))
    assert not got.probes.ledger["li.threshold"].count
    assert np.abs(a[: len(b)] - b).max() < 0.1 * np.abs(a).max() and np.ptp(a) > 0.05
