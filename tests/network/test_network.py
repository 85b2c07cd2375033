"""The builder: names, wiring, shapes, equality in any order."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from neurohw.errors import NetworkError
from neurohw.network import (
    CSR,
    LIF,
    AdditiveNoise,
    Delta,
    Event,
    Exponential,
    Mismatch,
    Network,
    Poisson,
    Regular,
    Relay,
)


def lif(size: int = 1) -> LIF:
    return LIF(size=size, C="0.5 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV")


def small() -> Network:
    net = Network("small")
    net.driver("N1", Regular(size=2, rate="50 Hz"))
    net.population("N3", lif(3))
    return net


def test_views() -> None:
    net = small()
    wire = net.connect("N1", "N3", Exponential(weight="1 nA", tau="5 ms"), delay="1 ms")
    relay = net.spike_driver("D3", "N3", delay="2 ms")
    net.probe("N3", "v", "spikes", every="1 ms")
    net.check()
    assert [part.name for part in net.drivers] == ["N1"]
    assert [part.name for part in net.populations] == ["N3", "D3"]
    assert [part.name for part in net.connections] == ["N1_to_N3", "N3_to_D3"]
    assert (wire.shape, wire.connectivity, wire.delay) == ((3, 2), "all_to_all", 0.001)
    assert wire.delay_steps is None
    assert relay.model == Relay(3)
    assert net["N3_to_D3"].delay == 0.002  # type: ignore[union-attr]
    assert net.probes[0].variables == ("v", "spikes")
    assert net.probes[0].every == 0.001
    assert net.populations[0].where("tau") == "N3.tau"
    assert "test_network.py:" in net.populations[0].at("tau")
    assert repr(net) == "Network('small': 1 drivers, 2 populations, 2 connections, 1 probes)"


def test_networks_travel_between_processes() -> None:
    net = small()
    net.connect("N1", "N3", Delta(weight=np.eye(3, 2)))
    assert pickle.loads(pickle.dumps(net)) == net == copy.deepcopy(net)


def test_names_are_made_unique() -> None:
    net = small()
    synapse = Delta(weight="1 mV")
    names = [net.connect("N1", net["N3"], synapse).name for _ in range(3)]  # type: ignore[arg-type]
    assert names == ["N1_to_N3", "N1_to_N3_2", "N1_to_N3_3"]


def test_delay_layouts() -> None:
    net = small()
    dense = np.arange(6.0).reshape(3, 2)
    sparse = scipy.sparse.csr_array(dense)
    lag = (dense + 1) / 1000
    one = net.connect("N1", "N3", Delta(weight=dense), delay=lag)
    assert np.array_equal(one.delay, lag)  # type: ignore[arg-type]
    assert one.connectivity == "dense"
    net.connect("N1", "N3", Delta(weight=1), delay=lag)
    two = net.connect("N1", "N3", Delta(weight=sparse), delay=lag)
    assert isinstance(two.weight, CSR)
    assert np.array_equal(two.delay, lag[dense > 0])  # type: ignore[arg-type]
    pattern = scipy.sparse.csr_array(np.where(dense > 0, 7, 0))
    three = net.connect("N1", "N3", Delta(weight=sparse), delay_steps=pattern)
    assert three.delay_steps.tolist() == [7] * 5  # type: ignore[union-attr]
    assert three.delay is None
    four = net.connect("N3", "N3", Delta(weight=[1, 2, 3]), connectivity="one_to_one",
                       delay_steps=[1, 2, 3])  # fmt: skip
    assert four.delay_steps.dtype == np.int64  # type: ignore[union-attr]
    zero = net.connect("N1", "N3", Delta(weight=1), delay_steps=0)
    assert (zero.delay, zero.delay_steps) == (0.0, None)


def test_equality_ignores_order_layout_and_label() -> None:
    weight = np.array([[0, 1.0], [2, 0], [0, 0]])
    one, two = Network("a"), Network("b")
    for net, layout in ((one, weight), (two, scipy.sparse.coo_array(weight))):
        parts = [lambda n=net: n.driver("N1", Poisson(size=2, rate=5)),
                 lambda n=net: n.population("N3", lif(3))]  # fmt: skip
        for part in parts if net is one else reversed(parts):
            part()
        net.connect("N1", "N3", Delta(weight=layout), delay="1 ms")
    one.probe("N3", "v", "spikes")
    two.probe("N3", "spikes")
    assert one != two
    two.probe("N3", "v")
    assert one == two
    two.connect("N1", "N3", Delta(weight=1))
    assert one != two


@given(st.sampled_from(["weight", "delay", "kind", "tau", "steps", "sparse"]))
def test_equality_sees_every_field(change: str) -> None:
    def build(changed: bool) -> Network:
        what = change if changed else ""
        net = small()
        matrix = np.eye(3, 2)
        if what == "weight":
            matrix[2, 1] = 1e-30
        synapse = (
            Delta(weight=matrix) if what == "kind"
            else Exponential(weight=matrix, tau="6 ms" if what == "tau" else "5 ms")
        )  # fmt: skip
        if what == "sparse":
            synapse = Exponential(weight=scipy.sparse.csr_array(2 * matrix), tau="5 ms")
        delay = {"delay": "2 ms"} if what == "delay" else {"delay": "1 ms"}
        net.connect("N1", "N3", synapse, **({"delay_steps": 10} if what == "steps" else delay))
        return net

    assert build(False) == build(False)
    assert build(True) == build(True)
    assert build(True) != build(False)


def twice(net: Network) -> None:
    net.probe("N3", "v", "u")
    net.probe("N3", "spikes", "u")


CASES = [
    (lambda n: n.connect("N1", "N4", Delta(weight=1)),
     "connection.target: unknown name; got 'N4'; allowed: N1 | N3; did you mean 'N3'?"),
    (lambda n: n.probe("M3", "v"),
     "probe.population: unknown name; got 'M3'; allowed: N1 | N3; did you mean 'N3'?"),
    (lambda n: n.connect("N3", "N1", Delta(weight=1)),
     "N3_to_N1.target: a driver has no input; got 'N1'; allowed: a population"),
    (lambda n: n.connect("N1", "N3", Delta(weight=np.ones((2, 3)))),
     "N1_to_N3.weight: wrong shape; got shape (2, 3); allowed: shape (3, 2) [target, source]; "
     "transpose it: rows are targets"),
    (lambda n: n.connect("N1", "N3", Delta(weight=scipy.sparse.eye_array(3))),
     "N1_to_N3.weight: wrong shape; got shape (3, 3); allowed: shape (3, 2) [target, source]"),
    (lambda n: n.connect("N3", "N3", Delta(weight=[1, 2, 3])),
     "N3_to_N3.weight: a list of weights is ambiguous; got shape (3,); allowed: one value, or a "
     "matrix of shape (3, 3); if each source drives one target, say connectivity='one_to_one'"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), connectivity="one_to_one"),
     "N1_to_N3.connectivity: one_to_one needs equal sizes; got 2 sources and 3 targets"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), connectivity="dense"),
     "N1_to_N3.connectivity: does not fit the weights; got dense with weights of shape (); "
     "allowed: all_to_all"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), delay=1, delay_steps=1),
     "N1_to_N3.delay_steps: give delay or delay_steps; got both"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), delay="-1 ms"),
     "N1_to_N3.delay: out of range; got -1 ms; allowed: at least 0 s"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), delay=[1, 2]),
     "N1_to_N3.delay: wrong shape; got shape (2,); allowed: one value, or shape (3, 2) as the "
     "weights"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), delay_steps=-1),
     "N1_to_N3.delay_steps: out of range; got -1; allowed: at least 0 and at most 2147483647"),
    (lambda n: n.connect("N1", "N3", Delta(weight=1), delay_steps=np.full((3, 2), 0.5)),
     "N1_to_N3.delay_steps: out of range; got 0.5; allowed: integers >= 0"),
    (lambda n: n.connect("N1", "N3", Event()),
     "N1_to_N3.kind: a LIF cannot receive this synapse; got Event; allowed: Delta | Exponential"),
    (lambda n: n.connect("N1", "N3", 5),
     "N1_to_N3: not a synapse; got int; allowed: Delta | Exponential | Conductance | Graded"),
    (lambda n: n.driver("N1", Poisson(rate=1)), "driver.name: the name is taken; got 'N1'; see "),
    (lambda n: n.population("3N", lif()),
     "population.name: not a name; got '3N'; allowed: letters, digits, _, no digit first"),
    (lambda n: n.population("P", Poisson(rate=1)),
     "P: not a neuron; got Poisson; allowed: a neuron model or Relay"),
    (lambda n: n.driver("P", lif()),
     "P: not a driver; got LIF; allowed: Regular | Poisson | SpikeTimes | SpikeArray"),
    (lambda n: n.population("P", lif(), noise=[AdditiveNoise(sigma=[1, 2])]),
     "P.noise[0].sigma: wrong shape; got shape (2,); allowed: one value, or one per neuron: "
     "shape (1,)"),
    (lambda n: n.population("P", lif(), noise=[5]),
     "P.noise[0]: not noise; got int; allowed: AdditiveNoise | MultiplicativeNoise"),
    (lambda n: n.population("P", Relay(), noise=AdditiveNoise(sigma=1)),
     "P.noise: a relay has none; got 1; allowed: 0"),
    (lambda n: n.population("P", lif(), mismatch=[Mismatch(parameter="C", cv=0.1)] * 2),
     "P.mismatch[1].parameter: spread twice; got 'C'; keep one of them"),
    (lambda n: n.population("P", lif(), mismatch=Mismatch(parameter="c", cv=0)),
     "P.mismatch[0].parameter: unknown value; got 'c'; allowed:"
     " C | g_L | tau | V_th | V_reset | I_bias | t_ref"),
    (lambda n: n.population("P", lif(), mismatch=Mismatch(parameter="V_reset", cv=0.1)),
     "P.mismatch[0].parameter: V_reset equals E_L, so a spread relative to E_L is none; "
     "got 'V_reset'; give V_reset as one value per neuron"),
    (lambda n: n.probe("N3", "w"),
     "probe of N3.variables: unknown value; got 'w'; allowed: spikes | v | u | refractory | count"),
    (lambda n: n.probe("N1", "v"),
     "probe of N1.variables: unknown value; got 'v'; allowed: spikes"),
    (lambda n: n.probe("N1"), "probe of N1.variables: nothing to record; allowed: spikes"),
    (twice, "probe of N3.variables: recorded twice; got u; remove one of the two probes"),
    (lambda n: n["N33"], "small: unknown name; got 'N33'; did you mean 'N3'?"),
    (lambda n: Network().check(), "network: the network is empty; add a population"),
    (lambda n: (n.population("R", Relay()), n.check()),
     "R: a relay without input never fires; connect something to it"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "text"), CASES)
def test_errors(act: object, text: str) -> None:
    assert callable(act)
    with pytest.raises(NetworkError) as caught:
        act(small())
    message = str(caught.value)
    assert "\n" not in message
    if caught.value.origin:
        assert "test_network.py" in caught.value.origin
        message = message.removeprefix(f"{caught.value.origin}: ")
    assert message.startswith(text)


def test_a_failed_spike_driver_leaves_nothing_behind() -> None:
    net = small()
    with pytest.raises(NetworkError, match=r"N3_to_D3\.delay"):
        net.spike_driver("D3", "N3", delay="1 mV")
    assert net == small()
    net.spike_driver("D3", "N3")
