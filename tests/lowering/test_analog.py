"""Analog input: a dense layer on numbers from outside, and what cannot take it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import LoweringError, NetworkError, ProgramError
from neurohw.program import Float

STEPS, TRIALS, N = 40, 3, 12


def layer(weights: np.ndarray, beta: float = 0.9, delay: int = 0) -> nh.Network:
    """Linear(n, n) and leaky neurons: v' = beta v + W x, a spike above 1, reset to zero."""
    net = nh.Network("dense")
    n = len(weights)
    net.driver("x", nh.AnalogInput(size=weights.shape[1]))
    tau = -1e-3 / math.log(beta)
    cells = nh.LIF(size=n, C="1 nF", tau=tau, E_L=0.0, V_th=1.0, V_reset=0.0)
    net.population("n", cells)
    net.connect("x", "n", nh.Delta(weight=weights), delay_steps=delay)
    net.probe("n", "v")
    return net


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, N**-0.5, (N, N)), rng.uniform(0, 1.5, (STEPS, TRIALS, N))


@pytest.mark.parametrize("target", ["float64", "float32"])
@pytest.mark.parametrize("delay", [0, 2])
def test_a_dense_layer_on_analog_input(target: str, delay: int) -> None:
    """Against the recursion in binary64, whose errors decay: a geometric sum of roundings."""
    w, x = data()
    rec = nh.run(layer(w, delay=delay), target=target, backend="reference", dt="1 ms",
                 steps=STEPS, trials=TRIALS, method="exponential", inputs={"x": x})  # fmt: skip
    eps = 2.0**-52 if target == "float64" else 2.0**-23
    own = np.concatenate([np.zeros((delay, TRIALS, N)), x[: STEPS - delay]]) @ w.T
    got = rec.raw("n").astype(np.float64)
    v = np.zeros((TRIALS, N))
    fired = rec.probes.events["n"].dense(np.arange(TRIALS), 0, STEPS, N)
    for t in range(STEPS):
        v = 0.9 * v + own[t]
        near = np.abs(v - 1) < 1000 * eps
        assert np.array_equal(fired[t] | near, (v > 1) | near)
        v = np.where(fired[t], 0.0, v)
        # n products and sums of size <= 3 |w| sum, a decay, all times 1 / (1 - beta)
        assert np.all(np.abs(got[t] - v) <= 10 * (N + 4) * eps * 12)
    assert fired.sum() > 50


def test_the_dialect_of_snntorch() -> None:
    """Against snnTorch's own Leaky on the same numbers."""
    torch = pytest.importorskip("torch")
    snn = pytest.importorskip("snntorch")
    w, x = data(1)
    rec = nh.run(layer(w), target="snntorch", backend="reference", dt="1 ms", steps=STEPS,
                 trials=TRIALS, inputs={"x": x})  # fmt: skip
    cell = snn.Leaky(beta=0.9, threshold=1.0, reset_mechanism="zero")
    linear = torch.tensor(w, dtype=torch.float32)
    mem, fired = torch.zeros(TRIALS, N), []
    with torch.no_grad():
        for t in range(STEPS):
            spikes, mem = cell(torch.tensor(x[t], dtype=torch.float32) @ linear.T, mem)
            fired.append(spikes.numpy() > 0)
            assert np.allclose(rec.raw("n")[t], mem.numpy(), rtol=0, atol=2e-5)
    got = rec.probes.events["n"].dense(np.arange(TRIALS), 0, STEPS, N)
    assert np.array_equal(got, fired) and got.sum() > 50


def test_currents_and_what_is_recorded() -> None:
    w, x = data(2)
    net = nh.Network("current")
    net.driver("x", nh.AnalogInput(size=N))
    net.population("n", nh.LIF(size=N, C="1 nF", tau="10 ms", E_L=0.0, V_th=100.0))
    net.connect("x", "n", nh.Exponential(weight=w * 1e-9, tau="5 ms"))
    net.probe("n", "u")
    net.probe("x", "value")
    rec = nh.run(net, backend="reference", dt="1 ms", steps=STEPS, inputs={"x": x[:, 0]})
    assert np.array_equal(rec.trace("x", "value").values[:, 0], x[:, 0])
    u, decay = np.zeros(N), 1 - 1 / 5
    for t in range(STEPS):
        u = decay * u + w @ x[t, 0] * 1e-9
        assert np.allclose(rec.trace("n", "u").values[t, 0], u, rtol=1e-9, atol=1e-18)
    nothing = nh.run(net, backend="reference", dt="1 ms", steps=3)
    assert not nothing.raw("n", "u").any()


def test_splits_and_chunks_do_not_matter() -> None:
    from neurohw.backend import simulate
    from neurohw.reference import ReferenceRun

    w, x = data(3)
    p = nh.lower(layer(w, delay=3), "float32", dt=1e-3, trials=TRIALS).program
    assert p.population("x").externals[0].dtype == Float(32)
    runs = [simulate(ReferenceRun(p), p, STEPS, inputs={"x.value": x}, chunk=c)[1] for c in (7, 40)]
    assert np.array_equal(runs[0].traces["n.v"], runs[1].traces["n.v"])


def test_refusals() -> None:
    w, x = data()
    for target in ("lava", "loihi1", "loihi2"):
        with pytest.raises(LoweringError, match=r"x: \w+ has no analog input.*use a float target"):
            nh.run(layer(w), target=target, dt="1 ms", steps=2, inputs={"x": x[:2]})
    net = nh.Network("n")
    net.driver("x", nh.AnalogInput(size=2))
    net.population("n", nh.LIF(size=2, C="1 nF", tau="10 ms", E_L=0.0, V_th=1.0))
    with pytest.raises(NetworkError, match="a conductance needs spikes"):
        net.connect("x", "n", nh.Conductance(weight="1 nS", tau="1 ms", E_rev=0.0))
    with pytest.raises(NetworkError, match="a relay hears spikes"):
        net.spike_driver("r", source="x")
    net.connect("x", "n", nh.Delta(weight=1.0))
    with pytest.raises(ProgramError, match="input has the wrong shape"):
        nh.run(net, backend="reference", dt="1 ms", steps=4, inputs={"x": np.zeros((4, 3))})
    with pytest.raises(ProgramError, match="not one row per step"):
        nh.run(net, backend="reference", dt="1 ms", steps=4, inputs={"x": np.zeros((5, 2))})
    with pytest.raises(NetworkError, match="size: out of range"):
        nh.AnalogInput(size=0)


def test_record_chooses_whose_spikes_are_held() -> None:
    net = nh.Network("record")
    net.driver("a", nh.Poisson(size=5, rate="100 Hz"))
    net.driver("b", nh.Poisson(size=5, rate="100 Hz"))
    net.population("n", nh.LIF(size=5, C="1 nF", tau="10 ms", E_L=0.0, V_th="1 mV"))
    net.connect("a", "n", nh.Delta(weight="2 mV"))
    run = {"backend": "reference", "dt": "1 ms", "steps": 50}
    assert nh.run(net, **run).populations == ("a", "b", "n")
    assert nh.run(net, **run, record=["n"]).populations == ("n",)
    assert nh.run(net, **run, record=()).populations == ()
    everything, some = nh.run(net, **run), nh.run(net, **run, record=["n", "a"])
    assert np.array_equal(everything.spikes("n").step, some.spikes("n").step)
    net.probe("b", "spikes")
    assert set(nh.run(net, **run, record=["n"]).populations) == {"b", "n"}
    with pytest.raises(ProgramError, match=r"record: nothing of this name.*'m'; allowed: a, b, n"):
        nh.run(net, **run, record=["m"])
    with pytest.raises(ProgramError, match="record: not a list of names"):
        nh.run(net, **run, record="n")
