"""TOML: the same network as in Python, round trips, and the line of every mistake."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from neurohw.errors import FormatError, NeurohwError
from neurohw.network import (
    LIF,
    AdditiveNoise,
    Delta,
    Event,
    Exponential,
    Mismatch,
    MultiplicativeNoise,
    Network,
    Poisson,
    Regular,
    Relay,
    RunSpec,
    SpikeArray,
    SpikeTimes,
    dumps,
    load,
    loads,
)
from neurohw.network.lines import key_lines

PIPELINE = Path(__file__).parents[2] / "examples" / "pipeline.toml"


def pipeline() -> tuple[Network, RunSpec]:
    net = Network("pipeline")
    net.driver("N1", Regular(rate="50 Hz", start="1 ms"))
    net.driver("N2", Poisson(rate="80 Hz"))
    neuron = LIF(
        C="0.5 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV", t_ref="4 ms", t_ref_sigma="0.5 ms",
        I_bias="300 pA",
    )  # fmt: skip
    net.population("N3", neuron, noise=[AdditiveNoise(sigma="4 pA*s**0.5")])
    for name, source in (("w1", "N1"), ("w2", "N2")):
        synapse = Exponential(weight="0.4 nA", tau="5 ms")
        net.connect(source, "N3", synapse, delay="1 ms", name=name)
    net.spike_driver("D3", "N3")
    net.probe("N3", "v", "u", "spikes")
    net.probe("D3", "spikes")
    return net, RunSpec(dt="0.1 ms", duration="1 s", trials=16, seed=1)


def everything() -> tuple[Network, RunSpec]:
    net = Network("everything")
    rng = np.random.default_rng(0)
    net.driver("a", SpikeTimes(times=[[0.1, 1 / 3], []]))
    net.driver("b", SpikeArray(size=2, events=([3, 1], [0, 1])))
    net.driver("c", Regular(size=2, period=[0.1, 0.7]))
    net.driver("d", SpikeArray(size=3))
    noise = [
        AdditiveNoise(sigma=rng.random(3) * 1e-12, convention="per_step"),
        MultiplicativeNoise(sigma="0.1 nS*ms**0.5"),
    ]
    spread = [Mismatch(parameter="C", cv=0.1), Mismatch(parameter="V_th", cv=0.9,
              distribution="lognormal")]  # fmt: skip
    values = rng.normal(0, 0.01, 3)
    net.population("p", LIF(size=3, C="1 nF", g_L=0, V_th=values + 1, V_init=values,
                            reset="subtract"), noise=noise, mismatch=spread)  # fmt: skip
    net.population("q", LIF(size=2, tau=0.1 / 3, R="7 Mohm", V_th=1, V_reset=0.5, reset="none"))
    net.population("r", Relay(3))
    net.connect("a", "q", Delta(weight=rng.random(2)), connectivity="one_to_one", delay=[0, 1e-3])
    net.connect("b", "p", Delta(weight=rng.random((3, 2))), delay=rng.random((3, 2)))
    matrix = scipy.sparse.random_array((3, 3), density=0.5, rng=rng)
    net.connect("p", "p", Exponential(weight=matrix, tau=1 / 3), delay=rng.random((3, 3)))
    net.connect("d", "p", Delta(weight="1 mV"), delay_steps=3, name="x")
    net.connect("d", "r", Event(weight=np.eye(3)))
    net.spike_driver("s", "r", delay="1 ms")
    net.spike_driver("t", "s")
    net.probe("p", "v", every="1 ms", when="before_reset", reduce="moments")
    net.probe("t", "spikes")
    return net, RunSpec(dt="1 ms", steps=77, seed=2**64 - 1, targets=["loihi1"], backends="native")


def test_the_example_is_the_same_network_in_python() -> None:
    assert load(PIPELINE) == pipeline()


@pytest.mark.parametrize("make", [pipeline, everything])
def test_round_trip(make: Any) -> None:
    text = dumps(*make())
    assert loads(text) == make()
    assert dumps(*loads(text)) == text


@given(st.floats(1e-15, 1e9), st.floats(1e-15, 1e9), st.floats(-1e3, 1e3, exclude_max=True))
def test_round_trip_is_exact(capacity: float, tau: float, rest: float) -> None:
    net = Network()
    net.population("n", LIF(C=capacity, tau=tau, E_L=rest, V_th=1e3))
    assert loads(dumps(net))[0] == net


def test_weights_from_files(tmp_path: Path) -> None:
    weight = np.arange(2.0)[:, None]
    np.save(tmp_path / "w.npy", weight)
    text = GOOD.replace('"1 mV"', '{ file = "w.npy", unit = "mV" }')
    (tmp_path / "n.toml").write_text(text)
    wire = load(tmp_path / "n.toml")[0].connections[0]
    assert np.array_equal(wire.weight, [[0.0], [0.001]])  # type: ignore[arg-type]
    np.save(tmp_path / "w.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(
        FormatError, match=r"n\.toml:18: synapse\[0\]\.weight\.file: cannot be read"
    ):
        load(tmp_path / "n.toml")
    (tmp_path / "w.npy").unlink()
    with pytest.raises(FormatError, match="no such file"):
        load(tmp_path / "n.toml")


GOOD = """\
[[driver]]
name = "N1"
kind = "poisson"
rate = "80 Hz"
[[population]]
name = "N3"
model = "lif"
size = 2
C = "0.5 nF"
tau = "30 ms"
V_th = "20 mV"
noise = [
  { kind = "additive", sigma = "1 pA*s**0.5" }]
[[synapse]]
source = "N1"
target = "N3"
kind = "delta"
weight = "1 mV"
[[probe]]
population = "N3"
variables = "v"
[run]
dt = "1 ms"
"""


def test_files_need_a_folder() -> None:
    with pytest.raises(NeurohwError, match="a text without a folder cannot name files"):
        loads(GOOD.replace('"1 mV"', '{ file = "w.npy" }'))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"30 ms"', '"30 mV"', "10: N3.tau: wrong unit; got '30 mV'; allowed: a quantity in s, such"
         " as '30 ms', or a bare SI number"),
        ('"30 ms"', "nan", "10: N3.tau: not finite; got nan; allowed: a finite quantity in s"),
        ("tau", "tua", "10: N3.tua: unknown key; did you mean 'tau'?"),
        ("[[driver]]", "[[drivers]]", "1: drivers: unknown table; did you mean 'driver'?"),
        ("[[driver]]", "[driver]", "1: driver: not a table of this kind; write [[driver]]"),
        ('kind = "poisson"', "", "1: N1.kind: missing key"),
        ('name = "N3"', "", "5: population[0].name: missing key"),
        ('V_th = "20 mV"', "", "5: N3.V_th: missing key"),
        ('C = "0.5 nF"', "",
         "5: N3: the membrane is not determined; got tau; allowed: two of C, g_L,"
         " tau and R, but not just g_L and R; add C or tau"),
        ('kind = "poisson"', 'kind = "possion"',
         "3: N1.kind: unknown value; got 'possion'; allowed:"
         " regular | poisson | spike_times | spike_array | pooled_poisson | analog_input;"
         " did you mean 'poisson'?"),
        ("size = 2", "size = 2.5", "8: N3.size: must be an integer; got 2.5"),
        ('"N3"\nmodel', '"N 3"\nmodel',
         "6: population.name: not a name; got 'N 3'; allowed: letters,"
         " digits, _, no digit first"),
        ('"N3"\nmodel', '"N1"\nmodel',
         "6: population.name: the name is taken; got 'N1'; see n.toml:1"),
        ("sigma", "sgima", "13: N3.noise[0].sgima: unknown key; did you mean 'sigma'?"),
        ("pA*s**0.5", "pA", "13: N3.noise[0].sigma: wrong unit; got '1 pA'; allowed: a quantity in"
         " A*s**0.5, such as '0.2 pA*ms**0.5', or a bare SI number"),
        ('"1 pA*s**0.5"', "[1, 2, 3]",
         "13: N3.noise[0].sigma: wrong shape; got shape (3,); allowed:"
         " one value, or one per neuron: shape (2,)"),
        ('target = "N3"', 'target = "N4"', "16: synapse[0].target: unknown name; got 'N4'; allowed:"
         " N1 | N3; did you mean 'N3'?"),
        ('"1 mV"', "[[1, 2]]", "18: N1_to_N3.weight: wrong shape; got shape (1, 2); allowed: shape"
         " (2, 1) [target, source]; transpose it: rows are targets"),
        ('"1 mV"', "[[1], [nan]]", "18: synapse[0].weight: not finite at index (1, 0); got nan;"
         " allowed: finite quantities in V"),
        ('"v"', '["v", "w"]',
         "21: probe of N3.variables: unknown value; got 'w'; allowed: spikes | v"
         " | u | refractory | count"),
        ('"1 ms"', '"1 m"', "23: run.dt: wrong unit; got '1 m'; allowed: a quantity in s, such as"
         " '30 ms', or a bare SI number"),
        ("dt", "dT", "23: run.dT: unknown key; did you mean 'dt'?"),
        ("size = 2", "size = ", "8: not TOML: Invalid value"),
        ('"1 ms"\n', '"1 ms', "23: not TOML: Unterminated string"),
    ],
)  # fmt: skip
def test_errors_name_the_line(old: str, new: str, text: str) -> None:
    loads(GOOD)
    for newline in ("\n", "\r\n"):
        with pytest.raises(NeurohwError) as caught:
            loads(GOOD.replace(old, new, 1).replace("\n", newline), "n.toml")
        assert str(caught.value) == f"n.toml:{text}"


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read the file: No such file"):
        load(tmp_path / "no.toml")
    (tmp_path / "n.toml").write_bytes(b"\xff")
    with pytest.raises(FormatError, match="not UTF-8"):
        load(tmp_path / "n.toml")
    with pytest.raises(FormatError, match=r"nested too deeply|not TOML"):
        loads("a = " + "[" * 100000)


NOT_VALUES = ["[]", "{}", "1979-05-27 07:32:00", "true", '""', "-1", "1e400", "[[1], [2, 3]]",
              "{rows = 1}", '{file = 3}', "[{}]", "[1, 'a']"]  # fmt: skip


@pytest.mark.parametrize("bad", NOT_VALUES)
@pytest.mark.parametrize("line", range(23))
def test_only_one_line_errors_escape(bad: str, line: int) -> None:
    lines = GOOD.splitlines()
    key, equals, _ = lines[line].partition(" = ")
    lines[line] = f"{key} = {bad}" if equals and "{" not in key else f"{lines[line]}\nx = {bad}"
    try:
        loads("\n".join(lines), "n.toml")
    except NeurohwError as error:
        assert str(error).startswith("n.toml:")
        assert "\n" not in str(error)


def paths(value: Any, base: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found: set[tuple[str | int, ...]] = set()
    if isinstance(value, dict):
        for key, item in value.items():
            found |= {(*base, key)} | paths(item, (*base, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= paths(item, (*base, index))
            if isinstance(item, dict):
                found.add((*base, index))
    return found


TRICKY = '''
a.b.c = "x # ] = y" # comment
"quoted.key" = [1, [2, {k = '}'}], # c = 1
  """a "" ] \\""" """, \'\'\'x\'\'\'\'\', 3]
d = 1979-05-27 07:32:00
e = """
f = 1"""""
[t."u.v"]  # [no]
w = {x.y = {z = []}, q = [[{}]]}
[[array]]
[array.sub]
one = 1
[[array]]
[[array.inner]]
two = -1e-3
[[array.inner]]
[array.inner.deep]
three = true
'''


def test_lines_of_tricky_toml() -> None:
    found = key_lines(TRICKY)
    assert set(found) == paths(tomllib.loads(TRICKY))
    lines = TRICKY.split("\n")
    assert lines[found["d",] - 1].startswith("d =")
    assert lines[found["array", 1, "inner", 0, "two"] - 1] == "two = -1e-3"
    assert lines[found["array", 1, "inner", 1, "deep", "three"] - 1] == "three = true"
    assert lines[found["array", 1] - 1] == "[[array]]"
    assert lines[found["t", "u.v", "w", "x", "y", "z"] - 1].startswith("w =")


def test_lines_of_the_example() -> None:
    text = PIPELINE.read_text()
    assert set(key_lines(text)) == paths(tomllib.loads(text))
