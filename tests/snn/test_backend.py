"""The snntorch engine: what it recognises, what it refuses, state, splits, trials and probes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from neurohw.backend import Backend, compile_program, simulate  # noqa: E402
from neurohw.errors import Unsupported  # noqa: E402
from neurohw.lowering import lower  # noqa: E402
from neurohw.network import (  # noqa: E402
    LIF,
    AdditiveNoise,
    Delta,
    Exponential,
    Mismatch,
    Network,
    Poisson,
    Regular,
    SpikeArray,
)
from neurohw.program import Probe, Probes, Program, RunState, concat, initial_state  # noqa: E402
from neurohw.reference import ReferenceRun  # noqa: E402
from neurohw_torch.cells import match  # noqa: E402
from neurohw_torch.snn import SnnRun, backend  # noqa: E402

pytestmark = pytest.mark.torch
STEPS = 200
Result = tuple[RunState, Probes]


def synapse(kind: str, weight: object) -> Delta | Exponential:
    return Delta(weight=weight) if kind == "Leaky" else Exponential(weight=weight, tau="3 ms")


def net(kind: str = "Leaky", reset: str = "subtract", **changes: object) -> Network:
    """Three drivers, two populations, feedback with delays, every layout of weights."""
    rng = np.random.default_rng(3)
    n = Network("net")
    n.driver("poisson", Poisson(size=8, rate="200 Hz"))
    n.driver("regular", Regular(size=4, period=["3 ms", "4 ms", "5 ms", "9 ms"], start="2 ms"))
    n.driver("outside", SpikeArray(size=2, events=([1, 5, 7], [0, 1, 1])))
    settings = dict(size=6, C="1 mF", tau="8 ms", V_th=1.0, reset=reset, V_init=rng.random(6))
    n.population("a", LIF(**{**settings, "I_bias": 0.125 if kind == "Leaky" else 0.0, **changes}))
    n.population("b", LIF(size=6, C="1 mF", g_L=0.0, V_th=np.linspace(0.5, 2, 6), reset=reset))

    def grid(*shape: int) -> np.ndarray:
        return np.rint(rng.normal(0.1, 0.3, shape) * 64) / 64

    n.connect("poisson", "a", synapse(kind, grid(6, 8)))
    n.connect("regular", "a", synapse(kind, 0.25), delay_steps=2)
    n.connect("outside", "a", synapse(kind, grid(6, 2)))
    dense = grid(6, 6) * (rng.random((6, 6)) < 0.5)
    rows, columns = np.nonzero(dense)
    sparse = dict(rows=rows, columns=columns, values=dense[rows, columns], shape=(6, 6))
    n.connect("a", "b", synapse(kind, sparse))
    n.connect("b", "a", synapse(kind, -0.125), delay_steps=3)
    n.connect("a", "a", synapse(kind, np.full(6, -0.25)), delay_steps=1, connectivity="one_to_one")
    for name in ("a", "b"):
        n.probe(name, "spikes", "v", *(["u"] if kind == "Synaptic" else []))
    n.probe("poisson", "spikes")
    n.probe("a", "v", every="7 ms", reduce="moments")
    return n


def program(network: Network, **settings: object) -> Program:
    return lower(network, "snntorch", **{"dt": 1e-3, "seed": 7, "trials": 3, **settings}).program


def run(engine: Backend | None, p: Program, inputs: Mapping | None = None) -> Result:
    made = compile_program(engine, p) if engine else ReferenceRun(p)
    return made(initial_state(p), inputs, 0, STEPS)


def assert_equal(a: Result, b: Result, tolerance: float = 0.0) -> None:
    """Spikes, histories and integers exactly; floats to ``tolerance``."""
    for part in ("values", "history"):
        x, y = getattr(a[0], part), getattr(b[0], part)
        assert x.keys() == y.keys()
        for k in x:
            assert x[k].dtype == y[k].dtype and x[k].shape == y[k].shape
            slack = tolerance if x[k].dtype.kind == "f" else 0
            np.testing.assert_allclose(x[k].astype(float), y[k].astype(float), 0, slack, err_msg=k)
    p, q = a[1], b[1]
    assert (p.t0, p.steps, p.ledger) == (q.t0, q.steps, q.ledger)
    assert p.events.keys() == q.events.keys() and p.traces.keys() == q.traces.keys()
    for k, e in p.events.items():
        for column in ("trial", "step", "element"):
            np.testing.assert_array_equal(getattr(e, column), getattr(q.events[k], column))
    for k, trace in p.traces.items():
        assert trace.dtype == q.traces[k].dtype
        np.testing.assert_allclose(trace, q.traces[k], 0, tolerance, err_msg=k)
    assert p.moments.keys() == q.moments.keys()
    for k, m in p.moments.items():
        np.testing.assert_allclose(m.mean, q.moments[k].mean, 1e-12, tolerance)


CASES = list(product(("Leaky", "Synaptic"), ("subtract", "to", "none")))


@pytest.mark.parametrize(("kind", "reset"), CASES)
def test_everything_a_network_can_have(kind: str, reset: str) -> None:
    """Poisson and regular drivers, delays, recurrence, all weights, trials, moments."""
    p = program(net(kind, reset))
    outside = {"outside.spikes": np.random.default_rng(0).random((STEPS, 3, 2)) < 0.2}
    for inputs in (None, outside):
        want = run(None, p, inputs)
        assert all(len(want[1].events[k]) > 100 for k in ("a", "b"))
        # several edges and a bias: their sum is rounded in another order
        assert_equal(run(backend(), p, inputs), want, 1e-5)


@pytest.mark.parametrize(("kind", "reset"), CASES)
def test_split_runs_and_purity(kind: str, reset: str) -> None:
    p = program(net(kind, reset))
    made, start = compile_program(backend(), p), initial_state(p)
    whole = made(start, None, 0, STEPS)
    state, parts, at = start, [], 0
    for n in (1, 2, 50, 0, STEPS - 53):
        state, out = made(state, None, at, n)
        parts.append(out)
        at += n
    joined = parts[0]
    for out in parts[1:]:
        joined = concat(joined, out)
    assert_equal((state, joined), whole)
    assert_equal(made(initial_state(p), None, 0, STEPS), whole)
    for k, v in initial_state(p).values.items():
        assert np.array_equal(start.values[k], v)


def test_some_trials() -> None:
    p = program(net())
    made = compile_program(backend(), p)
    _, some = made(initial_state(p, [0, 2]), None, 0, STEPS)
    _, every = made(initial_state(p), None, 0, STEPS)
    np.testing.assert_array_equal(some.traces["a.v"], every.traces["a.v"][:, [0, 2]])
    assert set(some.events["b"].trial) == {0, 2}


def test_parameters_per_trial() -> None:
    network = net("Leaky", I_bias=0.1)
    source = network["a"]
    other = Network("spread")
    other.driver("poisson", Poisson(size=8, rate="200 Hz"))
    spread = [Mismatch(parameter="V_th", cv=0.2), Mismatch(parameter="I_bias", cv=0.2)]
    other.population("a", source.model, mismatch=spread)
    other.connect("poisson", "a", Delta(weight=0.25))
    other.probe("a", "spikes", "v")
    p = program(other, device_per_trial=True)
    assert match(p.population("a")).numbers["bias"].shape == (3, 6)
    assert_equal(run(backend(), p), run(None, p), 1e-5)


@pytest.mark.parametrize(("kind", "reset"), CASES)
def test_patterns(kind: str, reset: str) -> None:
    """Every form that lowering emits is recognised, with its numbers."""
    p = program(net(kind, reset))
    names = {"subtract": "subtract", "to": "zero", "none": "none"}
    for name in ("a", "b"):
        cell = match(p.population(name))
        assert cell is not None and (cell.kind, cell.reset) == (kind, names[reset])
        assert ("bias" in cell.numbers) == (kind == "Leaky" and name == "a")
        assert ("alpha" in cell.numbers) == (kind == "Synaptic")
    assert np.all(match(p.population("b")).numbers["beta"] == 1)
    np.testing.assert_array_equal(
        match(p.population("b")).numbers["threshold"], np.float32(np.linspace(0.5, 2, 6))
    )


def test_population_without_input() -> None:
    for bias in (0.0, 0.3):
        n = Network("alone")
        n.population("a", LIF(size=2, C=1e-3, tau=0.01, V_th=1.0, I_bias=bias, V_init=[0.5, 2.0]))
        n.probe("a", "v", "spikes")
        p = program(n)
        assert_equal(run(backend(), p), run(None, p))


def test_no_module_is_kept() -> None:
    from snntorch._neurons.neurons import SpikingNeuron

    before = len(SpikingNeuron.instances)
    run(backend(), program(net()))
    assert len(SpikingNeuron.instances) == before


def refused(network: Network, target: str = "float32") -> list[tuple[str, str]]:
    return backend().unsupported(lower(network, target, dt=1e-3).program)


def plain(**changes: object) -> Network:
    n = Network("plain")
    n.driver("in", SpikeArray(size=2))
    n.population("a", LIF(**{**dict(size=2, C=1e-3, tau=0.01, V_th=1.0), **changes}))
    n.connect("in", "a", Delta(weight=0.5))
    return n


def test_refusals() -> None:
    noisy = Network("noisy")
    noisy.population("a", plain()["a"].model, noise=[AdditiveNoise(sigma="1 mA*ms**0.5")])
    relayed = plain()
    relayed.spike_driver("relay", "in")
    biased = Network("biased")
    biased.driver("in", SpikeArray(size=2))
    biased.population("a", plain(I_bias=0.1)["a"].model)
    biased.connect("in", "a", Exponential(weight=0.1, tau=0.01))
    for problems, part, reason in (
        (refused(noisy), "a", "noise"),
        (refused(plain(t_ref="2 ms")), "a", "refractory"),
        (refused(plain(), "float64"), "a", "64-bit"),
        (refused(plain(), "loihi1"), "a", "integers"),
        (refused(plain(), "float32"), "a", "lower onto target snntorch"),
        (refused(relayed, "snntorch"), "relay", "integers"),
        (refused(biased, "snntorch"), "a", "not that of"),
    ):
        assert [name for name, _ in problems] == [part]
        assert reason in problems[0][1]
    with pytest.raises(Unsupported, match="backend snntorch cannot run this program: a: "):
        compile_program(backend(), lower(plain(), "float32", dt=1e-3).program)
    assert refused(plain(), "snntorch") == []


def test_small_changes_are_not_recognised() -> None:
    """Another comparison, order, threshold, step or decay is another neuron."""
    q = program(plain(reset="subtract")).population("a")
    assert match(q) is not None

    def edited(old: str, **changes: object) -> object:
        at = next(i for i, n in enumerate(q.nodes) if n.op == old)
        node = dataclasses.replace(q.nodes[at], **changes)
        return dataclasses.replace(q, nodes=(*q.nodes[:at], node, *q.nodes[at + 1 :]))

    consts = [i for i, n in enumerate(q.nodes) if n.op == "const"]
    for i in consts:
        node = dataclasses.replace(q.nodes[i], attrs={"value": 1.5})
        assert match(dataclasses.replace(q, nodes=(*q.nodes[:i], node, *q.nodes[i + 1 :]))) is None
    for op, other in (("gt", "ge"), ("add", "sub"), ("sub", "add"), ("mul", "max")):
        assert match(edited(op, op=other)) is None
    last = max(i for i, n in enumerate(q.nodes) if n.op == "sub")
    assert match(dataclasses.replace(q, writes={"v": last - 1})) is None
    spikes_early = next(i for i, n in enumerate(q.nodes) if n.op == "gt")
    assert match(dataclasses.replace(q, spike=spikes_early)) is None


def test_probe_of_an_inner_value_is_refused() -> None:
    p = program(plain(reset="subtract"))
    q = p.population("a")
    nodes = [
        dataclasses.replace(n, name="inner") if n.op == "mul" else n for n in q.nodes
    ]  # fmt: skip
    changed = dataclasses.replace(
        p,
        populations=(p.populations[0], dataclasses.replace(q, nodes=tuple(nodes))),
        probes=(Probe("a", "inner"),),
    )
    assert backend().unsupported(changed) == [("a.inner", "only v, u and spikes can be recorded")]


def test_long_run_in_chunks() -> None:
    p = program(net("Synaptic", "to"))
    made = compile_program(backend(), p)
    assert isinstance(made, SnnRun)
    one = simulate(made, p, 130, chunk=130)
    many = simulate(made, p, 130, chunk=17)
    assert_equal(many, one)


def test_probes_with_a_period() -> None:
    """Spikes too are recorded in the sampled steps only, of drivers and of neurons."""
    p = program(net())
    probes = [dataclasses.replace(x, every=3, offset=2) for x in p.probes]
    p = dataclasses.replace(p, probes=tuple(probes))
    assert_equal(run(backend(), p), run(None, p), 1e-5)


@pytest.mark.parametrize("target", ["lava", "loihi1"])
def test_a_fixed_point_neuron_without_inputs_is_no_driver(target: str) -> None:
    n = Network("alone")
    n.population("N", LIF(C="1 nF", tau="20 ms", V_th="10 mV", I_bias="1 nA"))
    n.probe("N", "spikes")
    problems = backend().unsupported(lower(n, target, dt=1e-3).program)
    assert problems == [("N", "integers; snnTorch computes in float32")]
