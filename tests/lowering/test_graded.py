"""Graded synapses: a current that follows V of neurons, which need not spike."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.integrate import solve_ivp

import neurohw as nh
from neurohw.errors import FormatError, LoweringError, NetworkError
from neurohw.io.nir import graph_of_network
from neurohw.network import conv2d
from neurohw.run import compare_programs

STEPS, N = 60, 6
RNG = np.random.default_rng
OHM = 1e9


def silent(size: int = N, tau: float = 8e-3, **more: object) -> nh.LIF:
    """Neurons that do not spike; V follows the current with a resistance of 1 GOhm."""
    return nh.LIF(size=size, C=tau / OHM, tau=tau, E_L=0.0, V_th=1e3, reset="none", **more)


def spiking(size: int = N, tau: float = 12e-3, **more: object) -> nh.LIF:
    return nh.LIF(size=size, C=tau / OHM, tau=tau, E_L=0.0, V_th=0.6, V_reset=0.0, **more)


def pair(weight: object, *, lag: float | None = None, delay: int = 0, rest: float = 0.0,
         target: nh.LIF | None = None) -> nh.Network:  # fmt: skip
    """Spikes into leaky integrators ``a``, which drive ``b``."""
    net = nh.Network("graded")
    net.driver("x", nh.Poisson(size=5, rate="300 Hz"))
    net.population("a", silent().replace(E_L=rest, V_reset=rest, V_init=rest))
    net.population("b", spiking() if target is None else target)
    net.connect("x", "a", nh.Delta(weight=RNG(1).uniform(0, 0.9, (N, 5))))
    net.connect("a", "b", nh.Graded(weight=weight, tau=lag), delay_steps=delay)
    net.probe("a", "v")
    net.probe("b", "spikes", "v")
    return net


def matrix(seed: int = 2) -> np.ndarray:
    return RNG(seed).normal(0.3, 0.5, (N, N)) / OHM


@pytest.mark.parametrize("method", ["euler", "exponential"])
@pytest.mark.parametrize("lag", [None, 5e-3])
@pytest.mark.parametrize("delay", [0, 2])
def test_the_recursion(method: str, lag: float | None, delay: int) -> None:
    """Against the equations written again: V of a after each step drives b, held over the step."""
    w, dt = matrix(), 1e-3
    rec = nh.run(pair(w, lag=lag, delay=delay), target="float64", backend="reference", dt=dt,
                 steps=STEPS, method=method)  # fmt: skip
    a = rec.raw("a")[:, 0]
    a = np.concatenate([np.zeros((delay, N)), a])[:STEPS]

    def leak(tau: float) -> float:
        return dt / tau if method == "euler" else -np.expm1(-dt / tau)

    v, current = np.zeros(N), np.zeros(N)
    fired = rec.probes.events["b"].dense(np.arange(1), 0, STEPS, N)[:, 0]
    for t in range(STEPS):
        current = w @ a[t] if lag is None else current + leak(lag) * (w @ a[t] - current)
        v = v + leak(12e-3) * (OHM * current - v)
        near = abs(v - 0.6) < 1e-12
        assert np.array_equal(fired[t] | near, (v >= 0.6) | near)
        v = np.where(fired[t], 0.0, v)
        np.testing.assert_allclose(rec.raw("b")[t, 0], v, rtol=1e-12, atol=1e-14)
    assert fired.sum() > 20


@pytest.mark.parametrize("lag", [None, 4e-3])
def test_it_converges_to_the_differential_equations(lag: float | None) -> None:
    """A constant current into a, which drives b: SciPy's solution; the error falls with dt."""
    end, w = 30e-3, 0.7 / OHM

    def slope(_: float, y: np.ndarray) -> list[float]:
        a, b, i = y
        follows = w * a if lag is None else i
        return [
            (1.0 - a) / 8e-3,
            (OHM * follows - b) / 12e-3,
            0 if lag is None else (w * a - i) / lag,
        ]

    exact = solve_ivp(slope, (0, end), [0, 0, 0], rtol=1e-10, atol=1e-16).y[1, -1]
    errors = []
    for dt in (1e-3, 1e-4):
        net = nh.Network("ode")
        net.population("a", silent(1, I_bias=1 / OHM))
        net.population("b", silent(1, tau=12e-3))
        net.connect("a", "b", nh.Graded(weight=w, tau=lag))
        net.probe("b", "v")
        got = nh.run(net, target="float64", backend="reference", dt=dt, duration=end)
        errors.append(abs(got.raw("b")[-1, 0, 0] - exact))
    assert 5 < errors[0] / errors[1] < 20 and errors[1] < 0.01 * exact


def forms() -> dict[str, object]:
    w = matrix(3)
    kernel = conv2d(RNG(5).normal(size=(2, 2, 1, 1)) / OHM, input_shape=(2, 1, 3))
    return {"dense": w, "sparse": sp.csr_array(np.where(RNG(4).random((N, N)) < 0.4, w, 0)),
            "one to one": 0.6 / OHM, "conv": kernel}  # fmt: skip


@pytest.mark.parametrize(
    "target,form",
    [("float64", "dense"), ("bfloat16", "dense"), ("snntorch", "dense")]
    + [("float32", form) for form in forms()],
)
def test_every_engine_runs_it(target: str, form: str) -> None:
    more = {} if target == "snntorch" else {"rest": 0.2, "lag": 3e-3}
    net = pair(forms()[form], delay=1 if form == "dense" else 0, **more)
    program = nh.lower(net, target, dt=1e-3, trials=3).program
    done = compare_programs([program], STEPS, backends=["reference", "native", "torch"])
    assert not done.skipped and done.ok
    assert {p.verdict for p in done.pairs} <= {"bit-identical", "within the float promise"}
    assert all(e.spikes("b").step.size > 20 for e in done.entries)


@pytest.mark.parametrize("target", ["snntorch", "snntorch-immediate"])
def test_snntorch_sends_its_mem(target: str) -> None:
    """Leaky that does not reset, its mem through a Linear into another Leaky, in double precision.

    V_reset of the sender is not 0: what is sent is V, and not its distance from there.
    """
    torch = pytest.importorskip("torch")
    snn = pytest.importorskip("snntorch")
    w, dt, base = matrix(), 1e-3, 0.25
    net = pair(w, rest=base)
    rec = nh.run(net, target=target, backend="reference", dt=dt, steps=STEPS, method="euler")
    late = target == "snntorch"
    given = rec.probes.events["x"].dense(np.arange(1), 0, STEPS, 5)[:, 0].astype(float)
    first = snn.Leaky(beta=1 - dt / 8e-3, threshold=1e3, reset_mechanism="none")
    then = snn.Leaky(beta=1 - dt / 12e-3, threshold=0.6, reset_mechanism="zero", reset_delay=late)
    jumps = torch.tensor(RNG(1).uniform(0, 0.9, (N, 5)))
    linear = torch.tensor(w * OHM * dt / 12e-3)
    one, two, fired = torch.zeros(1, N).double(), torch.zeros(1, N).double(), []
    with torch.no_grad():
        for t in range(STEPS):
            _, one = first(torch.tensor(given[t : t + 1]) @ jumps.T, one)
            spikes, two = then((one + base) @ linear.T, two)
            fired.append(spikes[0].numpy() > 0)
            np.testing.assert_allclose(rec.raw("a")[t, 0], one[0], atol=1e-5)
            np.testing.assert_allclose(rec.raw("b")[t, 0], two[0], atol=1e-5)
    got = rec.probes.events["b"].dense(np.arange(1), 0, STEPS, N)[:, 0]
    assert np.array_equal(got, fired) and got.sum() > 50


def test_a_neuron_that_spikes_can_be_followed() -> None:
    """V after its reset is what is sent."""
    net = nh.Network("n")
    net.population("a", spiking(1, I_bias=2 / OHM))
    net.population("b", silent(1))
    net.connect("a", "b", nh.Graded(weight=1 / OHM))
    net.probe("a", "spikes", "v")
    net.probe("b", "v")
    rec = nh.run(net, target="float64", backend="reference", dt=1e-3, steps=40, method="euler")
    b = 0.0
    for a, seen in zip(rec.raw("a")[:, 0, 0], rec.raw("b")[:, 0, 0], strict=True):
        b += (a - b) / 8
        assert seen == pytest.approx(b, rel=1e-12, abs=1e-15)
    assert rec.spikes("a").step.size > 3


def test_toml() -> None:
    for lag in (None, 5e-3):
        net = pair(matrix(), lag=lag, delay=2)
        assert nh.loads(nh.dumps(net))[0] == net
    text = nh.dumps(pair(matrix()))
    assert 'kind = "graded"' in text and "tau" not in text.split('kind = "graded"')[1]


@pytest.mark.parametrize("target", ["loihi1", "loihi2", "lava", "lava-float", "nest", "norse"])
def test_targets_whose_neurons_hear_spikes(target: str) -> None:
    net = nh.Network("n")
    net.population("a", spiking(2))
    net.population("b", spiking(2))
    net.connect("a", "b", nh.Graded(weight=1 / OHM))
    with pytest.raises(LoweringError, match=f"a_to_b: {target} has no graded synapses: .*float64"):
        nh.lower(net, target, dt=1e-3)


def test_refusals() -> None:
    net = pair(matrix())
    with pytest.raises(
        NetworkError, match="it has no V, which a graded synapse follows; got x, a P"
    ):
        net.connect("x", "b", nh.Graded(weight=1 / OHM))
    net.population("r", nh.Relay(N))
    with pytest.raises(NetworkError, match="a Relay cannot receive this synapse; got Graded"):
        net.connect("a", "r", nh.Graded(weight=1 / OHM))
    net = pair(matrix(), target=nh.AdEx(
        size=N, C="200 pF", g_L="10 nS", E_L="-70 mV", V_T="-50 mV", V_reset="-58 mV",
        tau_w="30 ms", a="2 nS", b="60 pA",
    ))  # fmt: skip
    with pytest.raises(LoweringError, match="a_to_b: graded synapses need neurons that are linear"):
        nh.lower(net, "float64", dt=1e-4)
    with pytest.raises(NetworkError, match="tau: out of range"):
        nh.Graded(weight=1.0, tau=0.0)
    net = pair(matrix())
    net.population("c", silent(N))
    net.connect("b", "c", nh.Graded(weight=1 / OHM))
    with pytest.raises(FormatError, match="b: NIR sends spikes of a neuron that resets, and not V"):
        graph_of_network(net, dt=1e-3)


@pytest.mark.parametrize("kind", ["Graded", "Conductance"])
def test_snntorch_modules_hear_spikes(kind: str) -> None:
    pytest.importorskip("torch")
    from neurohw_torch.export import snntorch_from_network

    net = pair(matrix())
    if kind == "Conductance":
        net = nh.Network("n")
        net.driver("x", nh.Poisson(size=5, rate="300 Hz"))
        net.population("b", spiking())
        opens = nh.Conductance(weight=np.full((N, 5), 1 / OHM), tau="5 ms", E_rev=1.0)
        net.connect("x", "b", opens)
    with pytest.raises(NetworkError, match=f"is no synapse of snnTorch; got {kind}"):
        snntorch_from_network(net, dt=1e-3)


def test_what_a_plan_says() -> None:
    """Nothing of neurons that hear V: spikes are what it counts."""
    from neurohw.forecast import forecast

    assert forecast(pair(matrix()), "float32", dt=1e-3).unknown == ("b",)
