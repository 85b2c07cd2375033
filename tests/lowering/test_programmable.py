"""Target loihi2: the same bits everywhere, the same integers as plain Python, near to float64."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurohw as nh
from neurohw.errors import LoweringError
from neurohw.network import maths
from neurohw.program.philox import normals, site_hash
from neurohw.run import compare_programs, run_program, with_spikes
from neurohw.targets import Target, load_target
from neurohw.testing.chip import vary

DT = 1e-4
DECAY = {"E": 205, "I": 82}
TAU = {k: DT * 4096 / d for k, d in DECAY.items()}  # about 2 and 5 ms, held exactly by Euler
LOIHI2 = load_target("loihi2")
ENGINES = ["reference", "native"] + [n for n in ("torch", "lava") if importlib.util.find_spec(n)]
ADDITIVE = nh.AdditiveNoise(sigma="2 pA*s**0.5")
MULTIPLICATIVE = nh.MultiplicativeNoise(sigma="0.1 nS*s**0.5")


def words_of(bits: int) -> Target:
    """The record with words of another width."""
    narrow = {"neuron": dict(bits=bits), "voltage": dict(bits=bits)}
    return vary(LOIHI2, **narrow, current=dict(bits=bits, input_bits=bits))


def conductance(*noise: Any, inhibition: str = "20 Hz", **more: Any) -> nh.Network:
    """A LIF neuron under 100 excitatory and 50 inhibitory trains."""
    usual = dict(tau="10 ms", g_L="20 nS", E_L="-60 mV", V_th="-55 mV", V_reset="-70 mV",
                 V_init="-65 mV", I_bias="8 pA", t_ref="8 ms")  # fmt: skip
    net = nh.Network("conductance")
    net.driver("e", nh.Poisson(size=100, rate="10 Hz"))
    net.driver("i", nh.Poisson(size=50, rate=inhibition))
    net.population("n", nh.LIF(**(usual | more)), noise=noise)
    for source, receptor, E_rev in (("e", "E", "0 mV"), ("i", "I", "-80 mV")):
        synapse = nh.Conductance(weight="2.4 nS", tau=TAU[receptor], E_rev=E_rev, receptor=receptor)
        net.connect(source, "n", synapse, delay_steps=1)
    net.probe("n", "v", "g_E", "g_I", "refractory")
    return net


def izhikevich(**more: Any) -> nh.Izhikevich:
    usual = dict(C="100 pF", k="0.7 nS/mV", V_r="-60 mV", V_t="-40 mV", V_peak="35 mV",
                 V_reset="-50 mV", a="30 Hz", b="-2 nS", d="100 pA")  # fmt: skip
    return nh.Izhikevich(**(usual | more))


# the same bits ------------------------------------------------------------------------------------


class Kinked(nh.Neuron):
    """A neuron with two slopes and a bound: what comparisons and choices are for."""

    C: float = nh.parameter("F", above=0)
    g: float = nh.parameter("S", above=0)
    V_th: float = nh.parameter("V", "30 mV")
    states = {"V": "V"}

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        slope = maths.where(x.V > 0.01, p.g * (x.V - 0.01), -p.g * x.V)
        return {"V": (maths.minimum(slope, 3e-10) + x.I) / p.C}

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": x.V - p.V_th}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        return {"V": 0.0}


def everything() -> nh.Network:
    """Conductances, currents of both signs and jumps; noise, jitter, mismatch and three models."""
    rng = np.random.default_rng(4)
    net = nh.Network("everything")
    net.driver("x", nh.Poisson(size=20, rate="60 Hz"))
    lif = nh.LIF(
        size=3, tau="10 ms", g_L="20 nS", E_L="-60 mV", V_th="-55 mV", V_reset="-70 mV",
        I_bias=["0 pA", "90 pA", "150 pA"], t_ref="1 ms", t_ref_sigma="0.6 ms",
    )  # fmt: skip
    net.population("a", lif, noise=[ADDITIVE, MULTIPLICATIVE],
                   mismatch=[nh.Mismatch(parameter="C", cv=0.1)])  # fmt: skip
    net.population("b", izhikevich(size=4, I_bias="0.3 nA"), noise=[ADDITIVE])
    net.population("c", Kinked(size=2, C="100 pF", g="10 nS", I_bias="0.2 nA"))
    mixed = rng.normal(0, 4e-11, (4, 3)), rng.normal(0, 1e-3, (4, 20)), rng.normal(0, 5e-11, (2, 4))
    for source, target, synapse in (
        ("x", "a", nh.Conductance(weight="1 nS", tau="2 ms", E_rev="0 mV", receptor="E")),
        ("b", "a", nh.Conductance(weight="3 nS", tau="5 ms", E_rev="-80 mV", receptor="I")),
        ("a", "b", nh.Exponential(weight=mixed[0], tau="3 ms")),
        ("x", "b", nh.Delta(weight=mixed[1])),
        ("b", "c", nh.Exponential(weight=mixed[2], tau="3 ms")),
        ("a", "c", nh.Exponential(weight="20 pA", tau="8 ms")),
    ):
        net.connect(source, target, synapse, delay="0.5 ms")
    for name, more in (("a", ("g_E", "g_I")), ("b", ("w", "u")), ("c", ("u",))):
        net.probe(name, "v", *more)
    return net


@pytest.mark.slow
def test_every_engine_computes_the_same_bits() -> None:
    program = nh.lower(everything(), LOIHI2, dt=DT, trials=2, seed=9).program
    found = compare_programs([program], 400, backends=ENGINES)
    assert found.ok and not found.skipped and len(found.entries) == len(ENGINES)
    assert all(len(found.entries[0].probes.events[n]) > 2 for n in "abc")


# the same integers --------------------------------------------------------------------------------


def nearest(x: int, by: int) -> int:
    """x / 2**by, halves away from zero."""
    q = (abs(x) + (1 << by >> 1)) >> by
    return q if x >= 0 else -q


def test_the_step_written_again_in_plain_integers() -> None:
    """Every step of v, g and the counter, from the numbers that the report tells."""
    net = conductance(ADDITIVE, MULTIPLICATIVE, t_ref="1 ms", t_ref_sigma="2 ms", I_bias="60 pA")
    lowered = nh.lower(net, LOIHI2, dt=DT, seed=5, trials=2)
    rec, report = run_program(with_spikes(lowered.program), "native", 4000), lowered.report

    def told(where: str, pattern: str) -> list[int]:
        found = re.search(pattern, report.row(where).note)
        assert found is not None, report.row(where)
        return [int(x) for x in found.groups()]

    constant = {k: told(f"n.{k}", r"(-?\d+) units")[0]
                for k in ("E_L", "E_rev of g_I", "I_bias", "V_th", "V_reset")}  # fmt: skip
    factor = {k: told(f"n.{k}", r"mantissa (\d+) >> (\d+)")
              for k in ("g_L", "dt / C", "unit of g_E", "unit of g_I", "additive_noise",
                        "multiplicative_noise")}  # fmt: skip
    decay = {k: told(f"n.tau_g_{k}", r"decay (\d+)/4096")[0] for k in "EI"}
    mantissa, exponent = told("e_to_n.weight", r"mantissas (\d+)\.\..*exponent (\d+)")
    unit = report.row("n.V resolution").realised
    start = report.row("n.V at time 0").realised / unit
    assert decay == DECAY and start == round(start)

    def scaled(x: int, name: str) -> int:
        m, by = factor[name]
        return nearest(x * m, by)

    both, one = np.arange(2), np.arange(1)
    z = {
        site: [normals(5, site_hash(f"n.{site}"), both, one, t)[:, 0].tolist() for t in range(4000)]
        for site in ("additive", "multiplicative", "jitter")
    }
    top, fired = 2**23, 0
    for trial in range(2):
        v, g, left = int(start), {"E": 0, "I": 0}, 0
        arrived = {k: np.zeros(4001, int) for k in "EI"}
        for name, k in (("e", "E"), ("i", "I")):
            s = rec.spikes(name)
            np.add.at(arrived[k], s.step[s.trial == trial] + 1, 1)
        spikes = rec.spikes("n").step[rec.spikes("n").trial == trial]
        traces = {k: rec.probes.traces[f"n.{k}"][:, trial, 0] for k in ("v", "g_E", "g_I")}
        for t in range(4000):
            for k in "EI":
                kept = (g[k] * (4096 - decay[k])) >> 12  # g is not negative: towards zero
                g[k] = min(kept + int(arrived[k][t]) * (mantissa << exponent), top - 1)
            # 48 and 47 bits of a product and 25 of a sum, brought back to 24
            excitation = scaled(nearest(g["E"] * -v, 24), "unit of g_E")
            inhibition = nearest(g["I"] * nearest(constant["E_rev of g_I"] - v, 1), 23)
            current = nearest(
                constant["I_bias"] + excitation + scaled(inhibition, "unit of g_I"), 1
            )
            current += scaled(nearest(constant["E_L"] - v, 1), "g_L")
            moved = v + scaled(current, "dt / C")
            moved += scaled(z["additive"][t][trial], "additive_noise")
            moved += scaled(nearest(z["multiplicative"][t][trial] * v, 17), "multiplicative_noise")
            blocked = left > 0
            v = v if blocked else max(-top, min(top - 1, moved))
            spike = not blocked and v >= constant["V_th"]
            period = round((10 * 2**23 + 20 * 2**10 * z["jitter"][t][trial]) / 2**23)
            left = max(period, 0) if spike else max(left - 1, 0)
            v = constant["V_reset"] if spike else v
            fired += spike
            assert (v, g["E"], g["I"]) == tuple(int(traces[k][t]) for k in ("v", "g_E", "g_I")), t
            assert spike == (t in spikes)
    assert fired > 10


# near to float64 ----------------------------------------------------------------------------------


def lasting(report: nh.LoweringReport, bits: int) -> float:
    """Volts that V of `conductance` can miss by rounding.

    Per step, V misses: half a unit for its change, and half for each noise; and what the current
    misses, times dt / C. There, g misses up to one unit per step before it decays, and acts through
    |E - V| < 80 mV; a rounded E acts through the conductances, less than 100 nS; and ten results
    are each rounded by half a unit of at most 2 I / 2**(bits - 1), I the largest current. Of what
    is missed in every step, tau / dt = C / g_L / dt times as much lasts.
    """
    unit, g_unit = (report.row(f"n.{k} resolution").realised for k in ("V", "g_E"))
    C, g_L, full = 200e-12, 20e-9, 2 ** (bits - 1)
    current = 80e-3 * g_unit * sum(4096 / d for d in DECAY.values()) + 100e-9 * unit / 2
    current += 10 * (2 * full * g_unit * 2 * full * unit) / full
    return (unit / 2 + unit / 2 + DT / C * current) * C / g_L / DT


@pytest.mark.slow
def test_v_is_as_near_to_float64_as_its_words_are_wide() -> None:
    """The bound holds at every width, is not idle, and each bit less doubles the distance.

    The last is so for rounding in every step: constants that a word holds exactly, since the error
    of another goes up and down with the width, and no inhibition, for what truncation takes from
    g_E and from g_I shifts V in opposite directions.
    """
    exact = dict(E_L=-0.0625, V_init=-0.0625, I_bias=0.0, inhibition="0 Hz")
    for net in (conductance(V_th="60 mV"), conductance(V_th="60 mV", **exact)):
        run, rms = dict(dt=DT, duration="1 s", trials=8, seed=3), {}
        v = nh.run(net, **run).trace("n", "v").values
        for bits in (16, 20, 24):
            target = words_of(bits)
            error = np.abs(nh.run(net, target=target, **run).trace("n", "v").values - v)
            bound = lasting(nh.lower(net, target, dt=DT).report, bits)
            assert bound / 100 < error.max() < bound, bits
            rms[bits] = float(np.sqrt(np.mean(error**2)))
    ratios = [np.log2(rms[a] / rms[b]) for a, b in ((16, 20), (20, 24), (16, 24))]
    np.testing.assert_allclose(ratios, [4, 4, 8], atol=0.15)


@pytest.mark.slow
def test_spikes_and_conductances_are_those_of_float64() -> None:
    """Same draws, so the same spikes; a train that differs parts where V grazes the threshold."""
    net = conductance(ADDITIVE, t_ref="1 ms", t_ref_sigma="2 ms", I_bias="1 pA")
    net.probe("n", "v", when="before_reset")
    run = dict(dt=DT, duration="1 s", trials=100, seed=1)
    a, b = (nh.run(net, target=t, **run) for t in ("float64", LOIHI2))
    report, same = nh.lower(net, LOIHI2, dt=DT).report, 0
    for trial in range(100):
        one, two = (r.spikes("n").step[r.spikes("n").trial == trial] for r in (a, b))
        same += np.array_equal(one, two)
        if not np.array_equal(one, two):
            step = int(np.setxor1d(one, two)[0])
            far = abs(a.trace("n", "v_pre").values[step, trial, 0] + 0.055)
            assert far < lasting(report, 24) + report.row("n.V resolution").realised
    assert len(a.spikes("n")) > 1000 and 90 < same < 100
    assert abs(len(a.spikes("n")) - len(b.spikes("n"))) <= 100 - same
    found = nh.compare(net, targets=["float64", LOIHI2], backends=["native"], **run)
    assert "rounding (the difference of v grew smoothly" in found.pairs[0].sentence
    for k, size, rate in (("E", 100, 10.0), ("I", 50, 20.0)):
        g = [r.trace("n", f"g_{k}").values[1000:] for r in (a, b)]
        # up to one unit is cut off per step, before the decay: at most 4096 / decay units in all
        lost = (g[0] - g[1]) / report.row(f"n.g_{k} resolution").realised
        assert lost.min() > -1e-6 and lost.max() < 4096 / DECAY[k]
        # shot noise: mean g_bar n r tau, variance g_bar / 2 times that, correlated over tau
        mean = 2.4e-9 * size * rate * TAU[k]
        error = np.sqrt(mean * 2.4e-9 / 2 * 2 * TAU[k] / (0.9 * 100))
        assert abs(g[1].mean() - mean) < 5 * error


def test_spikes_of_other_models_are_those_of_float64() -> None:
    """Deterministic neurons: as many spikes, no later than rounding makes them.

    What Izhikevich's equations miss, as a current: up to half a unit in each of four results of
    their sum; half a unit of V per step, times C / dt; half a unit of w per step, which lasts for
    1 / (a dt) steps. Against I - I_0, the distance from its rheobase (k (V_t - V_r) + b)^2 / 4 k,
    that is a share, and an interval is longer by at most as great a one.
    """
    current = np.array([0.08, 0.1, 0.2, 0.4]) * 1e-9
    net = nh.Network("models")
    net.population("i", izhikevich(size=4, I_bias=current))
    net.population("k", Kinked(size=4, C="100 pF", g="10 nS", I_bias=current))
    a, b = (nh.run(net, target=t, dt=DT, duration="1 s") for t in ("float64", LOIHI2))
    report = nh.lower(net, LOIHI2, dt=DT).report
    note = report.row("i.I_bias").note
    missed = 2 * 2.0 ** int(note.partition("**")[2].partition(";")[0])
    missed += report.row("i.V resolution").realised / 2 * 100e-12 / DT
    missed += report.row("i.w resolution").realised / 2 / (30 * DT)
    share = {"i": missed / (current - (14e-9 - 2e-9) ** 2 / (4 * 0.7e-6)), "k": np.zeros(4)}
    assert share["i"].max() < 5e-3
    for name in "ik":
        one, two = a.spikes(name), b.spikes(name)
        assert len(one) == len(two) > 50
        for n in range(4):
            steps = [r.step[r.element == n] for r in (one, two)]
            assert np.all(np.abs(steps[0] - steps[1]) <= 1 + steps[0] * share[name][n])


@pytest.mark.parametrize("method", ["euler", "exponential"])
@pytest.mark.parametrize("reset", ["to", "subtract", "none"])
def test_linear_neurons(method: str, reset: Any) -> None:
    """LIF and IF on the same path: V of float64 within one unit per step that it lasts."""
    net = nh.Network("linear")
    lif = nh.LIF(size=3, C="0.5 nF", tau=["10 ms", "20 ms", "40 ms"], E_L="-70 mV", V_th="-50 mV",
                 I_bias="1.5 nA", reset=reset)  # fmt: skip
    net.population("n", lif)
    net.population("m", nh.IF(C="1 nF", V_th="16 mV", I_bias="2 nA"))
    net.probe("n", "v")
    net.probe("m", "v")
    a, b = (
        nh.run(net, target=t, dt=DT, steps=1500, method=method, backend="reference")
        for t in ("float64", LOIHI2)
    )
    report = nh.lower(net, LOIHI2, dt=DT, method=method).report
    for name, lasts in (("n", 400), ("m", 1500)):
        np.testing.assert_array_equal(a.spikes(name).step, b.spikes(name).step)
        assert len(a.spikes(name)) > 5
        error = np.abs(a.trace(name, "v").values - b.trace(name, "v").values).max()
        assert error < 2 * lasts * report.row(f"{name}.V resolution").realised


def test_neurons_that_differ_are_those_that_are_alone() -> None:
    """Parameters per neuron become mantissas per neuron, of one exponent."""
    g = np.array([1e-9, 20e-9, 37e-9])
    one = conductance(g_L=g, tau=None, C="200 pF", size=3)
    many = [conductance(g_L=x, tau=None, C="200 pF") for x in g]
    run = dict(target=LOIHI2, dt=DT, steps=2000, seed=2, backend="reference")
    together = nh.run(one, **run).trace("n", "v").values[:, 0]
    report = nh.lower(one, LOIHI2, dt=DT).report
    for i, net in enumerate(many):
        alone = nh.run(net, **run).trace("n", "v").values[:, 0, 0]
        assert np.abs(alone - together[:, i]).max() < 2 * lasting(report, 24) * 20e-9 / g[i]


# overflow, proofs, refusals -----------------------------------------------------------------------


def test_an_overdriven_neuron_saturates_and_says_so() -> None:
    net = nh.Network("loud")
    net.driver("x", nh.Regular(size=40, rate="10 kHz"))
    net.population("n", nh.LIF(tau="10 ms", g_L="20 nS", E_L="-60 mV", V_th="1 V", I_bias="-9 nA"))
    synapse = nh.Conductance(weight="2 nS", tau="20 ms", E_rev="0 mV", receptor="E")
    net.connect("x", "n", synapse, delay="0.1 ms")
    net.probe("n", "v", "g_E")
    rec = nh.run(net, target=words_of(16), dt=DT, steps=400, backend="reference")
    g, v = (rec.probes.traces[f"n.{k}"][:, 0, 0] for k in ("g_E", "v"))
    ledger = {row.key: row for row in rec.ledger}
    assert g.max() == 2**15 - 1 and np.all(np.diff(g[: g.argmax()]) >= 0)
    assert ledger["n.g_E"].count > 50 and ledger["n.g_E"].high > 2**15 - 1
    net = conductance(nh.AdditiveNoise(sigma="4 nA*s**0.5"), V_th="0.1 V")
    rec = nh.run(net, target=LOIHI2, dt=DT, steps=400, backend="reference")
    ledger = {row.key: row for row in rec.ledger}
    v = rec.probes.traces["n.v"][:, 0, 0]
    assert v.min() == -(2**23) and ledger["n.v"].count > 5 and ledger["n.v"].low < -(2**23)


def test_the_current_of_a_linear_chip_can_saturate_too() -> None:
    net = nh.Network("loud")
    net.driver("x", nh.Regular(size=40, rate="10 kHz"))
    net.population("n", nh.LIF(tau="10 ms", C="1 nF", V_th="20 mV", t_ref="6 ms"))
    net.connect("x", "n", nh.Exponential(weight="1 nA", tau="50 ms"), delay="0.1 ms")
    net.probe("n", "u")
    for overflow in ("wrap", "saturate"):
        target = vary(load_target("loihi1"), current=dict(overflow=overflow))
        rec = nh.run(net, target=target, dt=DT, steps=300, backend="reference")
        u = rec.probes.traces["n.u"][:, 0, 0]
        assert next(row for row in rec.ledger if row.key == "n.u").count > 0
        assert (u.min() < 0) == (overflow == "wrap") and (u[-1] == 2**23 - 1) != (u.min() < 0)


@pytest.mark.parametrize("size", [1, 10, 100, 30000])
@pytest.mark.parametrize("tau", ["1 ms", "100 ms"])
def test_a_conductance_has_room_for_what_its_rule_says(size: int, tau: str) -> None:
    """The 16 strongest inputs and a quarter of the rest at once; all at 200 Hz, and 6 sd more."""
    rng = np.random.default_rng(size)
    weight = rng.lognormal(0, 0.5, (2, size)) * 1e-9
    net = nh.Network("room")
    net.driver("x", nh.Poisson(size=size, rate="1 Hz"))
    net.population("n", nh.LIF(size=2, tau="10 ms", g_L="20 nS", V_th="20 mV"))
    synapse = nh.Conductance(weight=weight, tau=tau, E_rev="40 mV", receptor="E")
    net.connect("x", "n", synapse, delay="1 ms")
    lowered = nh.lower(net, LOIHI2, dt=DT)
    ranked = np.sort(weight, axis=1)[:, ::-1]
    at_once = ranked[:, :16].sum(axis=1) + ranked[:, 16:].sum(axis=1) / 4
    each = 200 * nh.to_si(tau, "s")  # spikes of one input that its shot noise is made of
    shot = each * weight.sum(axis=1) + 6 * np.sqrt(each / 2 * (weight**2).sum(axis=1))
    most = max(at_once.max(), shot.max())
    full = (2**23 - 1) * lowered.report.row("n.g_E resolution").realised
    held = lowered.program.edges[0].weights.data.max()
    assert most <= full * (1 + 1e-12)
    if held == 255 << 15:  # the largest there is
        assert size == 1 and tau == "1 ms"
    elif held >= 255:  # the largest mantissa, and one bit more would be too much
        assert held % 255 == 0 and (held // 255).bit_count() == 1 and full < 2 * most * 1.0001
    else:
        assert size == 30000 and full < most * (1 + 1 / held)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_neurons_are_proved_and_run(data: st.DataObject) -> None:
    """`lower` verifies the intervals of every node; states stay within their words."""
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits, size = draw(st.sampled_from([12, 16, 24, 31])), draw(st.integers(1, 3))
    around = lambda x: x * rng.lognormal(0, 1, size) if rng.random() < 0.5 else x  # noqa: E731
    noise = [nh.AdditiveNoise(sigma=around(4e-12)), nh.MultiplicativeNoise(sigma=around(1e-10)),
             nh.AdditiveNoise(sigma=around(1e-10), convention="per_step")]  # fmt: skip
    model = draw(st.sampled_from(["lif", "izhikevich", "kinked"]))
    if model == "lif":
        neuron: nh.Neuron = nh.LIF(
            size=size, C=around(0.3e-9), g_L=around(20e-9), E_L=-0.07, V_th=-0.05,
            I_bias=around(1e-10), t_ref=around(1e-3), t_ref_sigma=around(1e-3),
            reset=draw(st.sampled_from(["to", "subtract", "none"])),
        )  # fmt: skip
    elif model == "izhikevich":
        neuron = izhikevich(size=size, I_bias=around(2e-10), d=around(1e-10), k=around(7e-7))
    else:
        neuron = Kinked(size=size, C=around(1e-10), g=around(1e-8), I_bias=around(1e-9))
    net = nh.Network("random")
    net.driver("x", nh.Poisson(size=9, rate="700 Hz"))
    net.population("n", neuron, noise=[n for n in noise if rng.random() < 0.4])
    weight = rng.normal(0, 1, (size, 9)) * rng.lognormal(0, 2)
    for synapse in (
        nh.Delta(weight=weight * 1e-3), nh.Exponential(weight=weight * 1e-10, tau="5 ms"),
        nh.Conductance(weight=abs(weight) * 1e-9, tau=DT + rng.lognormal(-6, 1), E_rev=0),
    ):  # fmt: skip
        if rng.random() < 0.5:
            net.connect("x", "n", synapse, delay="0.2 ms")
    rounding = draw(st.sampled_from(["half_away", "half_even", "floor", "toward_zero"]))
    target = vary(words_of(bits), neuron=dict(rounding=rounding))
    net.probe("n", "v")
    rec = nh.run(net, target=target, dt=DT, steps=60, trials=2, backend="reference")
    assert np.abs(rec.probes.traces["n.v"].astype(float)).max() <= 2 ** (bits - 1)


def slow(limits: Mapping[str, tuple[float, float]]) -> nh.Neuron:
    """A neuron with a second state."""

    class Slow(nh.Neuron):
        V_th: float = nh.parameter("V", "1 V")
        states = {"V": "V", "s": ""}

        @staticmethod
        def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
            return {"V": x.s * x.V + 1e9 * x.I, "s": -x.s * x.s}

        @staticmethod
        def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
            return {"s": 2.0}

        @staticmethod
        def initial(p: Any) -> Mapping[str, Any]:
            return {"V": 0.0, "s": 0.5}

        @staticmethod
        def span(p: Any) -> Mapping[str, tuple[Any, Any]]:
            return limits

    return Slow()


ADEX = dict(C="200 pF", g_L="10 nS", E_L="-70 mV", V_T="-50 mV", V_reset="-58 mV", tau_w="30 ms")


@pytest.mark.parametrize(
    ("neuron", "text"),
    [
        (nh.HodgkinHuxley(), "neurons of loihi2 add and multiply, and that is all: no division by "
         "a state and no exp; got 'HodgkinHuxley'; allowed: models whose equations are polynom"),
        (nh.AdEx(**ADEX), "that is all: no exp; got 'AdEx'.*use target float64 or float32"),
        (slow({}), r"n.s: loihi2 has to know how large s can be; got 'Slow without a span of s'; "
         r"give the model a static method span\(p\)"),
        (slow({"s": (0, 1)}), r"n.s: s has no room for this value; got '2'; allowed: below 2; "
         r"widen the span"),
    ],
)  # fmt: skip
def test_what_it_cannot_compute_is_refused(neuron: nh.Neuron, text: str) -> None:
    net = nh.Network("refused")
    net.population("n", neuron)
    with pytest.raises(LoweringError, match=text) as caught:
        nh.lower(net, LOIHI2, dt=1e-5)
    assert "\n" not in str(caught.value)


def test_refusals_say_who_can() -> None:
    with pytest.raises(LoweringError, match=r"loihi1 has no conductance.*use target loihi2, float"):
        nh.lower(conductance(), "loihi1", dt=DT)
    net = nh.Network("refused")
    net.population("n", izhikevich())
    with pytest.raises(LoweringError, match=r"lava has only neurons.*use target loihi2, float64"):
        nh.lower(net, "lava", dt=DT)
    with pytest.raises(LoweringError, match=r"exponential takes exp of a state.*method='euler'"):
        nh.lower(conductance(), LOIHI2, dt=DT, method="exponential")
    now = nh.Network("now")
    now.driver("x", nh.Poisson(rate="1 Hz"))
    now.population("n", nh.IF(C="1 nF", V_th="1 V"))
    now.connect("x", "n", nh.Delta(weight="1 mV"))
    assert nh.lower(now, LOIHI2, dt=DT).program.latency == {"n": 1}
    with pytest.raises(LoweringError, match="delay too long"):
        far = conductance()
        far.driver("y", nh.Poisson(rate="1 Hz"))
        far.connect("y", "n", nh.Delta(weight="1 mV"), delay_steps=64)
        nh.lower(far, LOIHI2, dt=DT)


# the report ---------------------------------------------------------------------------------------


def test_the_report_tells_what_became_of_each_parameter() -> None:
    lowered = nh.lower(conductance(ADDITIVE, t_ref_sigma="1 ms"), LOIHI2, dt=DT)
    report, size = lowered.report, lowered.program.population("n").size
    for where, asked, unit, share in (
        ("n.E_L", -0.06, "V", 2e-7), ("n.V_th", -0.055, "V", 3e-7), ("n.V_reset", -0.07, "V", 3e-7),
        ("n.E_rev of g_I", -0.08, "V", 2e-7), ("n.I_bias", 8e-12, "A", 1e-3),
        ("n.g_L", 20e-9, "S", 2**-22), ("n.dt / C", DT / 200e-12, "", 2**-22),
        ("n.additive_noise", 2e-12 * 0.01 / 200e-12, "V/step", 2**-22),
        ("n.tau_g_E", TAU["E"], "s", 1e-12), ("n.t_ref", 8e-3, "s", 1e-6),
        ("e_to_n.weight", 2.4e-9, "S", 1e-12), ("n.V at time 0", -0.065, "V", 3e-7),
    ):  # fmt: skip
        row = report.row(where)
        assert row.asked == pytest.approx(asked, rel=1e-12) and row.unit == unit, row
        assert abs(row.error) <= share, row
    note = "24 bits in units of 2**{}, saturates at {}"
    assert size == 1 and report.row("n.V resolution").note == note.format(-25, 0.25)
    loud = nh.lower(conductance(ADDITIVE, MULTIPLICATIVE), LOIHI2, dt=DT).report
    assert loud.row("n.V resolution").note == note.format(-23, 1)  # 8 * 80 mV below 1 V
    coarse = nh.lower(conductance(I_bias="1 fA", tau="1000 s"), words_of(12), dt=DT).report
    assert any("I_bias rounds to zero" in w for w in coarse.warnings)
    assert any("keeps at most" in w or "rounds to zero in units" in w for w in coarse.warnings)
