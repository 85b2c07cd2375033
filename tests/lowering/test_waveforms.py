"""Waveforms in a program: the right value in the right step, the same bits on every engine."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import neurohw as nh
from neurohw.backend import compile_program, load, simulate
from neurohw.errors import LoweringError
from neurohw.lowering import lower
from neurohw.lowering.report import Log
from neurohw.lowering.waveforms import no_waveforms, waveform_sum
from neurohw.network import (
    LIF,
    Delta,
    Network,
    Piecewise,
    Poisson,
    Ramp,
    Regular,
    Sine,
    SpikeTimes,
    Step,
    Waveform,
)
from neurohw.program import F32, F64, Builder, Float, Probe, Program, State, verify
from neurohw.targets import load_target
from neurohw.targets.record import Delay

DT = 1e-4
SINE_ERROR = 4e-16  # of the polynomial, as the docstring of neurohw.lowering.waveforms has it


def engines() -> list[Any]:
    """Engines that run any program, each with what it needs."""
    marks = {"torch": [pytest.mark.torch], "lava": [pytest.mark.lava]}
    found = []
    for name in ("native", "torch", "lava"):
        there = name == "native" or importlib.util.find_spec(name) is not None
        skip = [] if there else [pytest.mark.skip(reason=f"{name} is not installed")]
        found.append(pytest.param(name, marks=[*marks.get(name, []), *skip]))
    return found


def program(
    waves: Sequence[Waveform], *, size: int = 1, dt: float = DT, real: Float = F64,
    scale: Any = 1.0, late: int = 0, trials: int = 1,
) -> tuple[Program, Log]:  # fmt: skip
    """A population whose value x is the sum of the waveforms."""
    b, log = Builder("N", size), Log()
    total = waveform_sum(b, waves, "currents", real, dt, scale, log, late=late)
    assert total is not None
    b.name_value(b.add(total, b.const(0.0, real), real), "x")
    made = Program("p", dt=dt, trials=trials, populations=(b.build(),), probes=(Probe("N", "x"),))
    verify(made)
    return made, log


def values(waves: Any, steps: int, engine: str = "reference", **options: Any) -> np.ndarray:
    """The sum of the waveforms in each step, [step, neuron]."""
    made, _ = program(waves if isinstance(waves, list) else [waves], **options)
    _, probes = simulate(compile_program(load(engine), made), made, steps)
    return probes.traces["N.x"][:, 0, :]


def rows(log: Log) -> dict[str, Any]:
    return {r.where: r for r in log.rows}


# the right step ----------------------------------------------------------------------------------


def test_a_step_has_its_value_from_start_until_before_stop() -> None:
    k = np.arange(40)
    expected = np.where((k >= 10) & (k < 25), 3.0, 0.0)
    found = values(Step(amplitude=3.0, start="1 ms", stop="2.5 ms"), 40)
    assert np.array_equal(found[:, 0], expected)
    assert np.array_equal(values(Step(amplitude=3.0), 5)[:, 0], np.full(5, 3.0))
    two = values(Step(amplitude=[1.0, 2.0], start=[0.0, 3e-4], stop=[2e-4, 4e-4]), 5, size=2)
    assert np.array_equal(two, [[1, 0], [1, 0], [0, 0], [0, 2], [0, 0]])


@pytest.mark.parametrize(
    ("start", "first"),
    [(1.04e-3, 10), (1.06e-3, 11), (0.4e-4, 0), (2.5, 20), (3.5, 28), (1e-12, 0), (0.3, 3)],
)
def test_times_are_rounded_as_spike_times_are(start: float, first: int) -> None:
    """To the nearest step, halves to even; the last cases have steps of 1/8 s and 0.1 s."""
    dt = {2.5: 1 / 8, 3.5: 1 / 8, 0.3: 0.1}.get(start, DT)
    made, log = program([Step(amplitude=1.0, start=start)], dt=dt)
    _, probes = simulate(compile_program(load("reference"), made), made, 40)
    assert np.flatnonzero(probes.traces["N.x"][:, 0, 0])[0] == first
    assert rows(log)["N.currents[0].start"].realised == first * dt
    net = Network()
    net.driver("d", SpikeTimes(times=[[start]]))
    net.probe("d", "spikes")
    spiking = lower(net, "float64", dt=dt).program
    _, probes = simulate(compile_program(load("reference"), spiking), spiking, 40)
    assert probes.events["d"].step.tolist() == [first]


def test_halves_go_to_the_even_step() -> None:
    for start, first in ((2.5 / 8, 2), (3.5 / 8, 4)):
        found = values(Step(amplitude=1.0, start=start), 9, dt=1 / 8)
        assert np.flatnonzero(found)[0] == first


def test_a_step_shorter_than_a_step_is_reported() -> None:
    made, log = program([Step(amplitude=1.0, start=1e-3, stop=1.02e-3)])
    _, probes = simulate(compile_program(load("reference"), made), made, 20)
    assert not probes.traces["N.x"].any()
    assert log.warnings == ["N.currents[0]: shorter than a step, so never on"]


def test_a_ramp_is_a_line_and_ends_exactly() -> None:
    wave = Ramp(initial=[1.0, -0.1], final=[3.0, 0.7], start="1 ms", stop="6 ms")
    found = values(wave, 100, size=2)
    k = np.arange(100)[:, None]
    line = np.array([[1.0, -0.1]]) + np.array([[2.0, 0.8]]) * np.clip((k - 10) / 50, 0, 1)
    # slope, product and sum are rounded once each, none of them above 3
    assert np.abs(found - line).max() <= 3 * 2.0**-53 * 3
    assert np.array_equal(found[:11], np.tile([1.0, -0.1], (11, 1)))
    assert np.array_equal(found[60:], np.tile([3.0, 0.7], (40, 1)))
    jump = values(Ramp(initial=1.0, final=2.0, start=1e-3, stop=1.02e-3), 20)
    assert np.array_equal(jump[:, 0], np.where(np.arange(20) < 10, 1.0, 2.0))


def test_a_staircase() -> None:
    wave = Piecewise(times=["1 ms", "1.5 ms", "2 ms"], values=[[1.0, 5.0], [-2.0, 6.0], [0.0, 7.0]])
    found = values(wave, 30, size=2)
    steps = np.repeat([[0.0, 0.0], [1, 5], [-2, 6], [0, 7]], [10, 5, 5, 10], axis=0)
    assert np.array_equal(found, steps)
    assert np.array_equal(values(Piecewise(times=[0.0], values=[4.0]), 3)[:, 0], [4.0] * 3)
    _, log = program([Piecewise(times=[1e-3, 1.01e-3], values=[1.0, 2.0])])
    assert log.warnings == ["N.currents[0]: of several values in one step the last holds"]


@pytest.mark.parametrize("late", [0, 3])
def test_a_retimed_population_is_late_as_a_whole(late: int) -> None:
    waves: list[Waveform] = [
        Step(amplitude=1.0, stop="1 ms"),
        Ramp(initial=1.0, final=2.0, start="0.5 ms", stop="1 ms"),
        Sine(amplitude=1.0, mean=2.0, frequency="300 Hz", phase=0.4, start="0.2 ms"),
        Piecewise(times=[0.0, 1e-3], values=[1.0, 5.0]),
    ]
    for wave in waves:
        assert np.array_equal(values(wave, 30 + late, late=late)[late:], values(wave, 30))
    assert values(Step(amplitude=1.0), 5, late=late)[:, 0].tolist() == [0.0] * late + [1.0] * (
        5 - late
    )


# sines -------------------------------------------------------------------------------------------


def exact_sine(frequency: float, phase: float, steps: np.ndarray, dt: float) -> np.ndarray:
    """sin(2 pi f k dt + phase) of the binary64 numbers, with 60 digits, rounded to binary64."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        cycle = 2 * mpmath.pi * mpmath.mpf(frequency) * mpmath.mpf(dt)
        return np.array([float(mpmath.sin(cycle * int(k) + mpmath.mpf(phase))) for k in steps])


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 0.5), st.floats(-10, 10), st.integers(0, 10**9))
def test_a_sine_against_sixty_digits(cycles: float, phase: float, first: int) -> None:
    """After n steps the phase is off by at most (n + 2) 2**-63 cycles, and the value by 2 pi that.

    The state is put to step `first` by hand, as its own recursion would have it modulo a cycle.
    """
    frequency, steps = cycles / DT, 12
    assume(frequency * DT <= 0.5)
    made, _ = program([Sine(amplitude=1.0, frequency=frequency, phase=phase)])
    (q,) = made.populations
    by = next(n.attrs["value"] for n in q.nodes if n.op == "const" and n.dtype.bits == 62)
    state = next(s for s in q.states if s.name.endswith("phase"))
    start = (int(state.init) + first * by + 2**61) % 2**62 - 2**61
    moved = Program("p", dt=DT, probes=made.probes, populations=(
        type(q)(q.name, q.size, q.params, (State(state.name, state.dtype, np.asarray(start)),),
                q.ports, q.externals, q.nodes, q.writes, q.spike),))  # fmt: skip
    _, probes = simulate(compile_program(load("reference"), moved), moved, steps)
    exact = exact_sine(frequency, phase, first + np.arange(steps), DT)
    bound = 2 * math.pi * (first + steps + 2) * 2.0**-63 + SINE_ERROR + 2.0**-53
    assert np.abs(probes.traces["N.x"][:, 0, 0] - exact).max() <= bound


def test_the_polynomial_against_numpy_over_the_whole_cycle() -> None:
    """Phases are multiples of 2**-13 cycles, exact in the program; numpy's argument is rounded."""
    n = 2**13
    found = values(Sine(amplitude=1.0, frequency=1.0), n, dt=1 / n)[:, 0]
    x = 2 * np.pi * np.arange(n) / n
    # numpy.sin is good to 1 ulp, 2**-53; its argument, below 8, is rounded twice, each by 2**-51
    assert np.abs(found - np.sin(x)).max() <= SINE_ERROR + 2.0**-53 + 2 * 2.0**-51
    assert np.abs(found).max() <= 1
    assert found[0] == 0
    half, quarter = n // 2, n // 4
    assert np.array_equal(found[:half], -found[half:])
    assert np.array_equal(found[1:quarter], found[half - 1 : quarter : -1])


def test_the_polynomial_against_forty_digits() -> None:
    """Without what numpy adds: the bound that the docstring states, and relative to the sine."""
    n = 2**13
    found = values(Sine(amplitude=1.0, frequency=1.0), n, dt=1 / n)[1 : n // 4 + 1, 0]
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        exact = [mpmath.sin(mpmath.pi * k * 2 / n) for k in range(1, n // 4 + 1)]
        worst = max(abs(mpmath.mpf(float(x)) / e - 1) for x, e in zip(found, exact, strict=True))
    assert worst <= SINE_ERROR


def test_a_sine_has_mean_phase_window_and_neurons() -> None:
    wave = Sine(
        amplitude=[2.0, 1.0], mean=[0.5, -1.0], frequency=[37.0, 123.4], phase=[0.3, -2.0],
        start="1 ms", stop="50 ms",
    )  # fmt: skip
    found = values(wave, 600, size=2)
    k = np.arange(600)[:, None]
    sine = np.sin(2 * np.pi * np.array([37.0, 123.4]) * (k - 10) * DT + np.array([0.3, -2.0]))
    expected = np.array([0.5, -1.0]) + np.array([2.0, 1.0]) * sine
    expected[(k[:, 0] < 10) | (k[:, 0] >= 500)] = 0.0
    # numpy's argument is below 2**6 and rounded four times; the rest is far smaller
    assert np.abs(found - expected).max() <= 2 * 4 * 2.0**-48 + 1e-15
    assert np.array_equal(found[found == 0.0].size, (10 + 100) * 2)


def test_a_frequency_is_a_multiple_of_the_quantum() -> None:
    _, log = program([Sine(amplitude=1.0, frequency="3 Hz")])
    row = rows(log)["N.currents[0].frequency"]
    assert abs(row.realised - row.asked) <= 2.0**-63 / DT + 2.0**-51
    text = r"N\.currents\[0\]\.frequency: faster than half a cycle per step; got '5001 Hz at dt ="
    with pytest.raises(LoweringError, match=text):
        program([Sine(amplitude=1.0, frequency="5.001 kHz")])
    fastest = values(Sine(amplitude=1.0, frequency=0.5 / DT, phase=np.pi / 2), 6)[:, 0]
    assert np.allclose(fastest, [1, -1, 1, -1, 1, -1], rtol=0, atol=1e-15)


def test_times_beyond_the_clock_are_refused() -> None:
    with pytest.raises(LoweringError, match=r"N\.currents\[0\]\.stop: beyond the clock"):
        program([Step(amplitude=1.0, stop=2e10)])


# scale and number format -------------------------------------------------------------------------


def test_scale_is_folded_in_binary64() -> None:
    waves = [Step(amplitude=0.1), Ramp(initial=0.1, final=0.7, stop="1 ms"),
             Sine(amplitude=0.3, mean=0.7, frequency="200 Hz"),
             Piecewise(times=[0.0], values=[0.3])]  # fmt: skip
    for wave in waves:
        one = wave.replace(**{k: getattr(wave, k) * (1e5 / 3) for k in wave.levels})
        assert np.array_equal(values(wave, 20, scale=1e5 / 3), values(one, 20))
    per_trial = np.array([[1.0], [2.0]]) * np.array([1.0, 10.0, 100.0])
    made, _ = program([Step(amplitude=[1.0, 2.0, 3.0])], size=3, scale=per_trial, trials=2)
    _, probes = simulate(compile_program(load("reference"), made), made, 1)
    assert np.array_equal(probes.traces["N.x"][0], per_trial * [1.0, 2.0, 3.0])


def everything() -> list[Waveform]:
    return [
        Step(amplitude=[0.1, 0.7, -0.3], start="0.3 ms", stop=[1e-3, 2e-3, 3e-3]),
        Ramp(initial=-0.1, final=[0.7, 0.1, 1 / 3], start="0.5 ms", stop="4 ms"),
        Sine(amplitude=[0.3, 1e-9, 7.0], mean=0.1, frequency=[437.1, 12.3, 0.7], phase=[1, 2, 3]),
        Piecewise(times=[0.0, 1e-3, 2e-3], values=[[0.1, 0.2, 0.3], [0.3] * 3, [0.0, 1 / 3, 7.0]]),
    ]


def test_binary32_is_binary64_rounded_once() -> None:
    for wave in everything():
        wide, narrow = (values(wave, 60, size=3, scale=1e3, real=r) for r in (F64, F32))
        assert narrow.dtype == np.float32
        assert np.array_equal(narrow, wide.astype(np.float32))


@pytest.mark.parametrize("engine", engines())
@pytest.mark.parametrize("real", [F64, F32], ids=str)
def test_every_engine_finds_the_same_bits(engine: str, real: Float) -> None:
    made, _ = program(everything(), size=3, real=real, trials=2)
    results = []
    for name in ("reference", engine):
        run = compile_program(load(name), made)
        results.append(simulate(run, made, 70)[1].traces["N.x"])
    assert results[0].dtype == real.storage
    assert np.array_equal(*results)


def test_a_run_may_be_split_anywhere() -> None:
    made, _ = program(everything(), size=3, trials=2)
    whole = simulate(compile_program(load("native"), made), made, 70)[1].traces["N.x"]
    parts = simulate(compile_program(load("native"), made), made, 70, chunk=7)[1].traces["N.x"]
    assert np.array_equal(whole, parts)


# rates of Poisson drivers ------------------------------------------------------------------------

RATES: dict[str, Any] = {
    "step": Step(amplitude=[400.0, 90.0], start="20 ms", stop="150 ms"),
    "ramp": Ramp(initial=50.0, final=[900.0, 0.0], start="10 ms", stop="180 ms"),
    "sine": Sine(mean=[500.0, 40.0], amplitude=[400.0, 80.0], frequency=[13.0, 31.0], phase=0.7),
    "piecewise": Piecewise(times=[0.0, 0.05, 0.11], values=[30.0, 800.0, 100.0]),
}


def rate_at(wave: Any, steps: int, dt: float) -> np.ndarray:
    """Hz in each step [step, source], written down anew with plain NumPy."""
    t = (np.arange(steps) * dt)[:, None] + 1e-9  # clear of the edges, which lie on steps
    if isinstance(wave, Step):
        found = np.where((t >= wave.start) & (t < wave.stop), wave.amplitude, 0.0)
    elif isinstance(wave, Ramp):
        slope = (np.asarray(wave.final) - wave.initial) / (wave.stop - wave.start)
        found = wave.initial + slope * np.clip(t - wave.start, 0, wave.stop - wave.start)
    elif isinstance(wave, Sine):
        found = wave.mean + wave.amplitude * np.sin(2 * np.pi * wave.frequency * t + wave.phase)
    else:
        found = np.asarray(wave.values)[np.searchsorted(wave.times, t, side="right") - 1]
    return np.broadcast_to(np.maximum(found, 0.0), (steps, 2))


def driven(rate: Any, **options: Any) -> tuple[Program, Any]:
    net = Network("rates")
    net.driver("d", Poisson(size=2, rate=rate))
    net.probe("d", "spikes")
    lowered = lower(net, options.pop("target", "float64"), dt=DT, **options)
    return lowered.program, lowered.report


@pytest.mark.parametrize("kind", RATES)
def test_spike_counts_follow_the_rate(kind: str) -> None:
    """Counts in windows of 10 ms over trials are sums of independent Bernoulli draws.

    Their mean is the sum of p = rate dt and their variance the sum of p (1 - p), both exact. The
    sum of squared deviations over all windows is chi-square; fails once in 10^5 seeds.
    """
    from scipy.stats import chi2

    steps, trials, width = 2000, 2000, 100
    made, _ = driven(RATES[kind], seed=5, trials=trials)
    _, probes = simulate(compile_program(load("reference"), made), made, steps)
    p = rate_at(RATES[kind], steps, DT) * DT
    mean = trials * p.reshape(-1, width, 2).sum(axis=1)
    variance = trials * (p * (1 - p)).reshape(-1, width, 2).sum(axis=1)
    events = probes.events["d"]
    counts = np.zeros((steps // width, 2))
    np.add.at(counts, (events.step // width, events.element), 1)
    some = mean > 20
    assert not counts[mean < 1e-9].any()
    assert some.sum() >= 20
    score = np.sum((counts - mean)[some] ** 2 / variance[some])
    assert 1e-5 < chi2.cdf(score, some.sum()) < 1 - 1e-5


@pytest.mark.parametrize(("target", "kinds"), [("float64", ("ramp", "sine")), ("loihi1", ["sine"])])
@pytest.mark.parametrize("engine", engines())
def test_spikes_are_the_same_on_every_engine(engine: str, target: str, kinds: Any) -> None:
    """Rates in a program that drives neurons of the target; spikes and potentials agree."""
    net = Network("all")
    neuron = LIF(size=2, C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV", t_ref="2 ms")
    net.population("n", neuron)
    for kind in kinds:
        net.driver(kind, Poisson(size=2, rate=RATES[kind]))
        net.connect(kind, "n", Delta(weight="6 mV"), delay="1 ms")
        net.probe(kind, "spikes")
    net.probe("n", "v", "spikes")
    made = lower(net, target, dt=DT, seed=3, trials=3).program
    results = []
    for name in ("reference", engine):
        results.append(simulate(compile_program(load(name), made), made, 2000)[1])
    for key in (*kinds, "n"):
        mine, theirs = (r.events[key] for r in results)
        assert len(mine.step) > 20
        for field in ("trial", "step", "element"):
            assert np.array_equal(getattr(mine, field), getattr(theirs, field))
    assert np.array_equal(results[0].traces["n.v"], results[1].traces["n.v"])


@pytest.mark.parametrize(
    ("dt", "rates", "chances"),
    [(DT, [70.1, 333.3, 0.0, 1e4], None), (2.0**-43, [3072.0, 5120.0, 7168.0], [2, 2, 4])],
)
def test_the_chance_of_a_step_is_the_nearest_integer(
    dt: float, rates: list[float], chances: list[int] | None
) -> None:
    """The integer that the draw is compared with: round(rate dt 2**32), halves to even."""
    net = Network()
    net.driver("d", Poisson(size=len(rates), rate=Step(amplitude=rates)))
    made = lower(net, "float64", dt=dt).program
    (q,) = made.populations
    nodes = list(q.nodes)
    at = next(n.args[1] for n in nodes if n.op == "lt")
    nodes[at] = dataclasses.replace(nodes[at], name="chance")
    q = dataclasses.replace(q, nodes=tuple(nodes))
    shown = dataclasses.replace(made, populations=(q,), probes=(Probe("d", "chance"),))
    _, probes = simulate(compile_program(load("reference"), shown), shown, 1)
    exact = [round(Fraction(r) * Fraction(dt) * 2**32) for r in rates]
    assert probes.traces["d.chance"][0, 0].tolist() == exact == (chances or exact)


def test_a_rate_that_holds_still_is_a_constant_rate() -> None:
    """The same integers, so the same spikes to the last one."""
    rates = np.array([70.1, 333.3])
    spikes = []
    for rate in (rates, Step(amplitude=rates), Ramp(initial=rates, final=rates, stop=1.0),
                 Piecewise(times=[0.0], values=[rates])):  # fmt: skip
        made, _ = driven(rate, seed=9)
        events = simulate(compile_program(load("reference"), made), made, 3000)[1].events["d"]
        spikes.append((events.step, events.element))
    assert len(spikes[0][0]) > 50
    for other in spikes[1:]:
        assert np.array_equal(other, spikes[0])


def test_the_report_of_a_rate() -> None:
    _, report = driven(RATES["sine"])
    assert report.warnings == ("d.rate: the sine goes below 0 Hz, where it counts as 0",)
    assert report.row("d.rate").asked == 900.0
    assert abs(report.row("d.rate").realised - 900.0) <= 2.0**-33 / DT
    assert report.row("d.rate").note == "the highest"
    assert report.row("d.rate.frequency").unit == "Hz"
    _, report = driven(RATES["ramp"])
    assert report.warnings == ()
    assert report.row("d.rate.start").realised == 0.01
    text = r"d\.rate: more than one spike per step; got '10500 Hz at dt = 0\.0001 s'; allowed: <= "
    with pytest.raises(LoweringError, match=text):
        driven(Sine(mean=6000.0, amplitude=4500.0, frequency=3.0))


def test_the_refusal_of_a_chip() -> None:
    error = no_waveforms(load_target("loihi1"), "N.currents", "file.py:3")
    assert str(error) == (
        "file.py:3: N.currents: loihi1 has no currents that change in time; allowed: a constant "
        "I_bias; drive the neurons with spikes, or use a float target"
    )


def test_other_drivers_are_as_before() -> None:
    """The nodes of a constant rate have not changed, and so neither has any program of one."""
    net = Network()
    net.driver("d", Poisson(size=2, rate=[5.0, 7.0]))
    net.driver("r", Regular(rate=5.0))
    made = lower(net, "float64", dt=DT).program
    assert [n.op for n in made.population("d").nodes] == ["word", "param", "lt"]
    assert made.population("d").states == ()


# currents into neurons ---------------------------------------------------------------------------

C, TAU, REST = 0.5e-9, 20e-3, -70e-3
R = TAU / C


def potential(
    currents: Sequence[Waveform], steps: int, target: str = "float64", **options: Any
) -> np.ndarray:
    """V of a membrane that never fires, in V; sample k is at time (k + 1) dt."""
    net = Network("membrane")
    neuron = LIF(C=C, tau=TAU, E_L=REST, V_th=10.0, reset="none")
    net.population("n", neuron, currents=currents)
    net.driver("d", SpikeTimes(times=[[5e-3, 7e-3]]))
    net.connect("d", "n", Delta(weight="3 mV"))
    net.probe("n", "v")
    made = lower(net, target, dt=DT, **options).program
    _, probes = simulate(compile_program(load("reference"), made), made, steps)
    return probes.traces["n.v"][:, 0, 0]


def kicks(k: np.ndarray) -> np.ndarray:
    """What the two spikes of the driver add at the end of step k."""
    return sum(
        3e-3 * np.where(k >= at, np.exp(-(k - at) * DT / TAU), 0.0) for at in (50, 70)
    )  # fmt: skip


def test_a_step_charges_the_capacitor() -> None:
    """V - E_L = R I (1 - exp(-(t - t0) / tau)): exact at any step, by superposition."""
    one, two = 0.3e-9, -0.1e-9
    currents = [Step(amplitude=one, start="2 ms"), Step(amplitude=two, start="10 ms")]
    v = potential(currents, 1000, method="exponential")
    k = np.arange(1000)
    t = (k + 1) * DT
    expected = REST + kicks(k)
    for level, start in ((one, 2e-3), (two, 10e-3)):
        expected = expected - R * level * np.expm1(-np.maximum(t - start, 0) / TAU)
    # one rounding of numbers below 0.1 V in each of three operations and 1000 steps, none amplified
    assert np.abs(v - expected).max() <= 3 * 1000 * 0.1 * 2.0**-53


def test_a_sine_is_filtered_by_the_membrane() -> None:
    """The steady state is that of the sampled current: G = (1 - a) / (e^(i w dt) - a), exactly."""
    frequency, level = 35.0, 0.2e-9
    v = potential([Sine(amplitude=level, frequency=frequency)], 10000, method="exponential")
    a = math.exp(-DT / TAU)
    turn = np.exp(2j * np.pi * frequency * DT)
    k = np.arange(6000, 10000)
    expected = REST + R * level * np.imag((1 - a) / (turn - a) * turn ** (k + 1))
    # what is left of the start, the kicks included, after 30 tau, and roundings as above
    assert np.abs(v[6000:] - expected).max() <= 0.02 * math.exp(-29) + 3 * 0.1 * 2.0**-53 / (1 - a)
    slow = R * level / abs(1 + 2j * np.pi * frequency * TAU)  # the filter of the textbook, dt -> 0
    assert np.ptp(v[6000:]) / 2 == pytest.approx(slow, rel=2e-3)


def test_currents_in_binary32() -> None:
    currents = [
        Step(amplitude=0.3e-9, start="2 ms", stop="6 ms"),
        Sine(amplitude=0.1e-9, frequency="80 Hz", start="3 ms"),
    ]
    wide, narrow = (potential(currents, 400, target) for target in ("float64", "float32"))
    # four operations a step on numbers below 0.125 V, rounded to 2**-28 V, their errors kept by a
    a = 1 - DT / TAU
    assert 0 < np.abs(narrow - wide).max() <= 4 * 2.0**-28 / (1 - a)


@pytest.mark.parametrize("target", ["loihi1", "lava", "lava-float"])
def test_a_chip_refuses_currents(target: str) -> None:
    with pytest.raises(LoweringError, match=rf"n\.currents: {target} has no currents that change"):
        potential([Step(amplitude="1 nA")], 10, target)


@pytest.mark.parametrize("model", ["linear", "any"])
def test_a_retimed_population_gets_its_current_as_late_as_its_spikes(model: str) -> None:
    """On a float target whose synapses take a step: the network's V, one step later."""
    slow = dataclasses.replace(load_target("float64"), name="slow", delay=Delay(extra=1))
    net = nh.Network("late")
    net.driver("x", nh.SpikeTimes(times=[[0.0]]))
    neuron = nh.LIF(C="1 nF", tau="20 ms", V_th="1 V") if model == "linear" else nh.HodgkinHuxley()
    net.population("n", neuron, currents=[nh.Step(amplitude="1 uA", start="0.5 ms", stop="1 ms")])
    net.connect("x", "n", nh.Delta(weight="1 mV"))
    net.probe("n", "v")
    quick, late = (
        nh.run(net, target=t, backend="reference", dt=1e-4, steps=20) for t in ("float64", slow)
    )
    assert late.latency == {"n": 1}
    a, b = quick.trace("n").values[:, 0, 0], late.trace("n").values[:, 0, 0]
    if model == "linear":  # at rest in the step that it waits; the axon is not
        np.testing.assert_allclose(b[:19], a[:19], rtol=1e-14, atol=0)
    on, off = (np.argmax(np.abs(np.diff(v, 2))[2:]) for v in (a, b))  # past the spike's jump
    assert on == off
