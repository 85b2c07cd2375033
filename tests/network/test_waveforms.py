"""Waveforms in a network: units that are settled by the place, equality, files, errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import NetworkError, UnitError
from neurohw.network import (
    LIF,
    Network,
    Piecewise,
    Poisson,
    Ramp,
    Relay,
    Sine,
    Step,
    dumps,
    loads,
)

HERE = Path(__file__).name


def neuron(size: int = 1) -> LIF:
    return LIF(size=size, C="1 nF", tau="20 ms", V_th="20 mV")


def test_levels_are_stored_in_si_with_the_unit_they_have() -> None:
    assert (Step(amplitude="2 nA").unit, Step(amplitude="2 nA").amplitude) == ("A", 2e-9)
    assert Step(amplitude="2 kHz").unit == "Hz"
    assert Step(amplitude=2e-9).unit == ""
    ramp = Ramp(final="1 nA", start="10 ms", stop="60 ms")
    assert (ramp.unit, ramp.initial, ramp.final, ramp.start, ramp.stop) == (
        "A", 0.0, 1e-9, 0.01, 0.06,
    )  # fmt: skip
    sine = Sine(mean="5 Hz", amplitude=2.0, frequency="3 Hz", phase="90 deg")
    assert sine.unit == "Hz"
    assert sine.phase == pytest.approx(np.pi / 2, rel=1e-15)
    stairs = Piecewise(times=["0 s", "1 ms"], values=[["1 nA", "2 nA"], ["3 nA", "0 A"]])
    assert stairs.unit == "A"
    assert np.array_equal(stairs.values, [[1e-9, 2e-9], [3e-9, 0]])
    assert np.array_equal(Piecewise(times=[0.0], values=[1.0]).values, [1.0])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Step(amplitude="1 mV"), "Step.amplitude: wrong unit; got '1 mV'; allowed: a "
         "current, such as '10 pA' or a rate, such as '50 Hz'"),
        (lambda: Step(amplitude="fast"), "Step.amplitude: not a quantity; got 'fast'"),
        (lambda: Step(amplitude=float("nan")), "Step.amplitude: not finite"),
        (lambda: Sine(mean="1 nA", amplitude="2 Hz", frequency=1),
         "Sine.mean: wrong unit; got '1 nA'; allowed: a quantity in Hz"),
        (lambda: Ramp(initial="1 nA", final="2 Hz", stop=1),
         "Ramp.final: wrong unit; got '2 Hz'; allowed: a quantity in A"),
        (lambda: Step(amplitude=1, start="-1 ms"), "Step.start: out of range; got -1 ms"),
        (lambda: Step(amplitude=1, start="3 ms", stop="3 ms"),
         "Step.stop: ends before it begins; got 3 ms; allowed: after start = 3 ms"),
        (lambda: Ramp(final=1, start=[0, 0.2], stop=[0.1, 0.1]), "Ramp.stop: ends before it"),
        (lambda: Sine(amplitude=1, frequency="-1 Hz"), "Sine.frequency: out of range"),
        (lambda: Sine(amplitude=[1, 2], frequency=[1, 2, 3]),
         "Sine: different numbers of neurons; got 2 of amplitude, 3 of frequency"),
        (lambda: Step(amplitude=[[1, 2]]), "Step.amplitude: wrong shape; got 2 axes"),
        (lambda: Piecewise(times=[0, 2, 2], values=[1, 2, 3]),
         "Piecewise.times: do not ascend; got 2 s at index 2"),
        (lambda: Piecewise(times=[0, 2], values=[1, 2, 3]),
         "Piecewise.values: wrong shape; got shape (3,); allowed: one value per time, (2,)"),
        (lambda: Piecewise(times=1.0, values=[1]), "Piecewise.times: must be a list of times"),
        (lambda: Piecewise(times=[], values=[]), "Piecewise.times: must be a list of times"),
    ],
)  # fmt: skip
def test_errors_name_the_field_and_the_line(make: Any, text: str) -> None:
    with pytest.raises(NetworkError, match=f"^[^\n]*{HERE}:\\d+: " + re.escape(text)):
        make()


def test_equality_and_replace() -> None:
    step = Step(amplitude="1 nA", stop="3 ms")
    assert step == Step(amplitude="1e-9 A", stop=0.003)
    assert step != Step(amplitude="1 nA") != Ramp(final="1 nA", stop=1)
    assert Step(amplitude="1 A") != Step(amplitude="1 Hz")
    assert step.replace() == step
    assert step.replace(start="1 ms") == Step(amplitude="1 nA", start="1 ms", stop="3 ms")
    for wave in every("nA"):
        assert wave.replace() == wave


def every(unit: str) -> list[Any]:
    """Waveforms of all kinds, one value each or two."""
    return [
        Step(amplitude=f"1 {unit}"),
        Step(amplitude=[f"1 {unit}", f"2 {unit}"], start="1 ms", stop=[0.1, 1 / 3]),
        Ramp(initial=f"0.1 {unit}", final=[f"2 {unit}", f"3 {unit}"], stop="5 ms"),
        Ramp(final=f"2 {unit}", start=0.1 / 3, stop="50 ms"),
        Sine(amplitude=f"1 {unit}", mean=f"3 {unit}", frequency="7 Hz", phase=[0.1, -0.7]),
        Sine(amplitude=f"1 {unit}", frequency=1 / 3, start="1 ms", stop="2 s"),
        Piecewise(times=["1 ms", "2 ms"], values=[f"1 {unit}", f"0 {unit}"]),
        Piecewise(times=[0.0, 1 / 3], values=[[f"1 {unit}", f"0 {unit}"], [f"2 {unit}"] * 2]),
    ]


def network(waves: list[Any], rates: list[Any]) -> Network:
    net = Network("waves")
    for k, rate in enumerate(rates):
        net.driver(f"d{k}", Poisson(size=2, rate=rate))
    net.population("n", neuron(2), currents=waves)
    return net


def test_the_place_settles_the_unit() -> None:
    net = network([Step(amplitude=1e-9)], [Step(amplitude=5.0)])
    assert net["n"].currents[0] == Step(amplitude="1 nA")  # type: ignore[union-attr]
    assert net["d0"].model.rate == Step(amplitude="5 Hz")  # type: ignore[union-attr]
    assert net == network([Step(amplitude="1 nA")], [Step(amplitude="5 Hz")])
    assert net != network([Step(amplitude="1 nA")], [Step(amplitude="6 Hz")])
    assert net != network([Step(amplitude="1 nA")] * 2, [Step(amplitude="5 Hz")])
    assert net != network([], [5.0])
    alone = Network()
    one = Step(amplitude="1 nA")
    assert alone.population("n", neuron(), currents=one).currents == (one,)  # type: ignore[arg-type]
    driver = net["d0"].model  # type: ignore[union-attr]
    assert driver.replace() == driver


def test_the_wrong_place_is_refused() -> None:
    net = Network()
    with pytest.raises(UnitError, match=r"n\.currents\[0\]\.amplitude: wrong unit; got '5 Hz'; "
                                        r"allowed: a quantity in A, such as '10 pA'"):  # fmt: skip
        net.population("n", neuron(), currents=[Step(amplitude="5 Hz")])
    with pytest.raises(UnitError, match=r"Poisson\.rate\.initial: wrong unit; got '1 pA'; allowed: "
                                        "a quantity in Hz"):  # fmt: skip
        Poisson(rate=Ramp(initial="1 pA", final="2 pA", stop=1))
    with pytest.raises(NetworkError, match=r"n\.currents\[1\]\.phase: wrong shape; got 3 values"):
        ok, bad = Step(amplitude=[1, 2]), Sine(amplitude="1 nA", frequency=1, phase=[1, 2, 3])
        net.population("n", neuron(2), currents=[ok, bad])
    with pytest.raises(NetworkError, match=r"n\.currents\[0\]\.values: wrong shape"):
        net.population("n", neuron(2), currents=[Piecewise(times=[0.0], values=[[1, 2, 3]])])
    with pytest.raises(NetworkError, match=r"n\.currents: a relay has none; got 1"):
        net.population("n", Relay(), currents=[Step(amplitude="1 nA")])
    with pytest.raises(NetworkError, match=r"n\.currents\[0\]: not a waveform; got float; allowed: "
                                           r"Step \| Ramp \| Sine \| Piecewise"):  # fmt: skip
        net.population("n", neuron(), currents=[1e-9])  # type: ignore[list-item]
    with pytest.raises(NetworkError, match=r"n\.currents: must be a list; got float"):
        net.population("n", neuron(), currents=1e-9)  # type: ignore[arg-type]


def test_a_rate_is_not_negative_but_a_sine_may_dip() -> None:
    for wave in (
        Step(amplitude=-1.0),
        Ramp(initial=-1.0, final=1.0, stop=1),
        Sine(amplitude=3.0, mean=[1.0, -1.0], frequency=1),
        Piecewise(times=[0.0, 1.0], values=[[1.0, 1.0], [0.0, -1.0]]),
    ):
        with pytest.raises(NetworkError, match=r"Poisson\.rate\.\w+: out of range( at index \d)?; "
                                               "got -1 Hz; allowed: at least 0 Hz"):  # fmt: skip
            Poisson(size=2, rate=wave)
    assert Poisson(rate=Sine(amplitude=3.0, mean=1.0, frequency=1)).rate.limits() == (-2.0, 4.0)  # type: ignore[union-attr]


def test_limits() -> None:
    assert [wave.limits() for wave in every("Hz")[::2]] == [(1, 1), (0.1, 3), (2, 4), (0, 1)]
    assert Sine(amplitude=[1, -2], mean=[5, 0], frequency=1).limits() == (-2, 6)


def test_round_trip() -> None:
    net = network(every("nA"), every("Hz"))
    text = dumps(net)
    assert loads(text)[0] == net
    assert dumps(loads(text)[0]) == text
    line = 'currents = [{kind = "step", amplitude = "1 nA"}, '
    assert line in text
    assert 'rate = {kind = "sine", amplitude = "1 Hz", frequency = ' in text


TOML = """\
[[driver]]
name = "d"
kind = "poisson"
rate = { kind = "sine", mean = "20 Hz", amplitude = "10 Hz", frequency = "4 Hz" }
[[population]]
name = "n"
model = "lif"
C = "1 nF"
tau = "20 ms"
V_th = "20 mV"
currents = [
  { kind = "step", amplitude = "1 nA", start = "10 ms", stop = "60 ms" },
  { kind = "ramp", final = "1 nA", stop = "60 ms" },
]
"""


def test_a_file_says_the_same_as_python() -> None:
    net = Network()
    net.driver("d", Poisson(rate=Sine(mean="20 Hz", amplitude="10 Hz", frequency="4 Hz")))
    currents = [
        Step(amplitude="1 nA", start="10 ms", stop="60 ms"),
        Ramp(final="1 nA", stop="60 ms"),
    ]
    net.population("n", neuron(), currents=currents)
    assert loads(TOML)[0] == net


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"step"', '"stop"', "t:12: n.currents[0].kind: unknown value; got 'stop'; allowed: step | "
         "ramp | sine | piecewise; did you mean 'step'?"),
        ('"1 nA", start', '"1 nF", start', "t:12: n.currents[0].amplitude: wrong unit; got '1 nF'"),
        ('"1 nA", start', '"1 Hz", start', "t:12: n.currents[0].amplitude: wrong unit; got '1 Hz'"),
        ("final", "finale", "t:13: n.currents[1].finale: unknown key; did you mean 'final'?"),
        (', stop = "60 ms" },\n]', ' },\n]', "t:13: n.currents[1].stop: missing key"),
        ("currents = [", "currents = 1 # [", "t:11: n.currents: must be a list of tables"),
        ('"20 Hz"', '"20 nA"', "t:4: d.rate.mean: wrong unit; got '20 nA'"),
        ('mean = "20 Hz"', 'mean = "-20 Hz"', "t:4: d.rate.mean: out of range; got -20 Hz"),
        ('kind = "sine", ', "", "t:4: d.rate.kind: missing key"),
    ],
)  # fmt: skip
def test_errors_of_a_file_name_its_line(old: str, new: str, message: str) -> None:
    text = TOML.replace(old, new)
    if "1 #" in new:
        text = text.split("currents")[0] + "currents = 1\n"
    with pytest.raises(NetworkError) as error:
        loads(text, "t")
    assert str(error.value).startswith(message)


def test_only_a_poisson_driver_has_a_waveform() -> None:
    with pytest.raises(UnitError, match=r"t:4: d\.rate: not a quantity"):
        loads(TOML.replace('"poisson"', '"regular"'), "t")


def test_names_are_at_the_front_door() -> None:
    assert (nh.Step, nh.Ramp, nh.Sine, nh.Piecewise) == (Step, Ramp, Sine, Piecewise)
