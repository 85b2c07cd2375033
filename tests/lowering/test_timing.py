"""Retiming, delays, and what lowering refuses."""

import numpy as np
import pytest

from neurohw.backend import compile_program, simulate
from neurohw.errors import LoweringError
from neurohw.lowering import lower
from neurohw.lowering.timing import retime
from neurohw.network import (
    LIF,
    Delta,
    Exponential,
    MultiplicativeNoise,
    Network,
    SpikeArray,
)
from neurohw.reference import backend


def lif(size=1, **fields):
    return LIF(size=size, C=1e-9, tau=20e-3, E_L=-0.07, V_th=-0.05, **fields)


def test_longest_path():
    arcs = [("a", "b", 0), ("b", "c", 0), ("a", "c", 0), ("c", "d", 5)]
    assert retime("abcd", arcs, 1, "net") == {"a": 0, "b": 1, "c": 2, "d": 0}


def test_cycle_of_enough_delay_is_kept():
    arcs = [("a", "b", 0), ("b", "c", 0), ("c", "b", 2)]
    assert retime("abc", arcs, 1, "net") == {"a": 0, "b": 1, "c": 2}


def test_fast_cycle_is_named():
    with pytest.raises(LoweringError, match=r"net: a cycle .* got .(b -> c -> b|c -> b -> c)"):
        retime("abc", [("a", "b", 0), ("b", "c", 1), ("c", "b", 0)], 1, "net")


@pytest.mark.parametrize("target", ["lava", "loihi1", "lava-float"])
def test_two_layers_agree_after_retiming(target):
    """Delta synapses without delay: the same spikes, each layer one step later than the last."""
    rng = np.random.default_rng(0)
    net = Network("layers")
    net.driver("X", SpikeArray(size=4))
    net.population("A", lif(5))
    net.population("B", lif(3))
    net.connect("X", "A", Delta(weight=np.full((5, 4), 0.025)))
    net.connect("A", "B", Delta(weight=np.full((3, 5), 0.025)))
    net.connect("X", "B", Delta(weight=np.full((3, 4), -0.001)))
    for p in "AB":
        net.probe(p, "spikes")
    spikes = rng.random((200, 4)) < 0.02
    found = {}
    for name in ("float64", target):
        program = lower(net, name, dt=1e-3).program
        _, probes = simulate(
            compile_program(backend(), program),
            program,
            210,
            inputs={"X.spikes": np.pad(spikes, ((0, 10), (0, 0)))},
        )
        found[name] = {
            p: set(
                zip((e.step - program.latency.get(p, 0)).tolist(), e.element.tolist(), strict=True)
            )
            for p, e in probes.events.items()
        }
    assert len(found["float64"]["B"]) > 10
    assert found[target] == found["float64"]
    assert program.latency == {"A": 1, "B": 2}


def test_delay_limit_of_the_chip():
    def net(steps):
        n = Network("n")
        n.driver("X", SpikeArray(size=1))
        n.population("A", lif())
        n.connect("X", "A", Delta(weight=1e-3), delay_steps=steps)
        return n

    assert lower(net(63), "loihi1", dt=1e-3).program.edges[0].delay == 63
    with pytest.raises(
        LoweringError,
        match=r"X_to_A.delay: delay too long; got '64 steps'; allowed: up to 63 steps on loihi1",
    ):
        lower(net(64), "loihi1", dt=1e-3)


def test_delay_matrix_becomes_edges():
    net = Network("n")
    net.driver("X", SpikeArray(size=2))
    net.population("A", lif(2))
    net.connect(
        "X",
        "A",
        Delta(weight=[[1e-3, 2e-3], [3e-3, 4e-3]]),
        delay=np.array([[1e-3, 2e-3], [2e-3, 2e-3]]),
    )
    edges = lower(net, "float64", dt=1e-3).program.edges
    assert sorted(e.delay for e in edges) == [1, 2]
    total = np.zeros((2, 2))
    for e in edges:
        for s in range(2):
            row = slice(e.weights.indptr[s], e.weights.indptr[s + 1])
            total[e.weights.indices[row], s] += e.weights.data[row]
    assert np.array_equal(total, [[1e-3, 2e-3], [3e-3, 4e-3]])


@pytest.mark.parametrize(
    ("target", "change", "message"),
    [
        ("loihi1", {"noise": [MultiplicativeNoise(sigma=1e-9, convention="per_step")]},
         "A.noise: loihi1 has no multiplicative noise; got 'multiplicative noise'; "
         "allowed: additive noise; use target lava or a float target"),
        ("snntorch", {"t_ref": 3e-3}, "A.t_ref: snntorch has no refractory period"),
        ("lava", {"reset": "subtract"}, "A.reset: lava cannot reset so; got 'subtract'"),
        ("loihi1", {"t_ref": 70e-3}, "A.t_ref: refractory period too long; got '70 steps'; "
         "allowed: 0..62 steps"),
        ("loihi1", {"two": True}, "A: loihi1 has one synaptic time constant per neuron"),
    ],
)  # fmt: skip
def test_refusals(target, change, message):
    two, noise = change.pop("two", False), change.pop("noise", [])
    net = Network("n")
    net.driver("X", SpikeArray(size=1))
    net.population("A", lif(**change), noise=noise)
    net.connect("X", "A", Exponential(weight=1e-9, tau=5e-3))
    if two:
        net.connect("X", "A", Exponential(weight=1e-9, tau=9e-3))
    with pytest.raises(LoweringError) as caught:
        lower(net, target, dt=1e-3)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_report_names_what_is_lost():
    net = Network("n")
    net.driver("X", SpikeArray(size=3))
    net.population("A", lif())
    net.connect("X", "A", Delta(weight=[[5e-3, 1e-6, 4e-3]]))
    report = lower(net, "loihi1", dt=1e-4).report
    assert "X_to_A: 33 % of the weights round to zero" in report.warnings
    weights = report.weights["X_to_A"]
    assert weights.asked.tolist() == [[5e-3, 1e-6, 4e-3]] and weights.unit == "V"
    assert weights.error[0, 1] == -1 and abs(weights.error[0, 0]) < 1 / 255
    assert report.as_dict()["weights"]["X_to_A"]["rounded_to_zero"] == 1
    row = report.row("A.tau")
    assert row.asked == 20e-3 and row.realised == pytest.approx(1e-4 * 4096 / 20)
    assert row.note == "decay 20/4096" and row.error == pytest.approx(0.024)
    assert (
        report.row("X_to_A.weight").note
        == "excitatory, mantissas 0..128, exponent 7, 1 of 3 round to zero; worst of 3"
    )
