"""Targets odin, truenorth and speck: chips that have no current, only a membrane.

odin and truenorth against scalar code written again from the register-transfer code that their
records name, speck against sinabs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.backend import compile_program, simulate
from neurohw.errors import LoweringError
from neurohw.lowering.chip import ChipInput, ChipLIF, chip_population
from neurohw.program import Builder, Dense, Int, Probe, Program, freeze
from neurohw.targets import load_target
from neurohw.testing.cases import resolve
from tests.golden import load_speck

ODIN, TRUENORTH = load_target("odin"), load_target("truenorth")
STEPS = 400


def runs(cases: int, native: tuple[int, ...]) -> list[tuple[int, str]]:
    """(case, engine): all on the engines that compile nothing, some on the one that does."""
    light = [(i, e) for e in ("reference", "torch") for i in range(cases)]
    return light + [(i, "native") for i in native]


def engine(name: str) -> Any:
    if name == "torch":
        pytest.importorskip("torch")
    return resolve(name)


# odin, event by event -----------------------------------------------------------------------------


def odin_event(v: int, kind: str, by: int, threshold: int) -> tuple[int, bool]:
    """What one event makes of an 8-bit membrane: sums of 8 bits, and a comparison that clips."""
    if kind == "exc":
        total = (v + by) & 0xFF
        after = total if v <= total else 0xFF
    else:  # leak and inhibition
        total = (v - by) & 0xFF
        after = total if v >= total else 0
    return (0, True) if after >= threshold else (after, False)


def odin(weights: np.ndarray, leak: int, threshold: int, spikes: np.ndarray) -> Any:
    """v and spikes [steps] of a neuron: a time reference, then its events in order of source."""
    v, vs, found = 0, [], []
    for row in spikes:
        v, fired = odin_event(v, "leak", leak, threshold)
        for w in weights[row]:
            if w:
                v, more = odin_event(v, "exc" if w > 0 else "inh", abs(int(w)), threshold)
                fired |= more
        vs.append(v)
        found.append(fired)
    return np.array(vs), np.array(found)


def draw_odin(seed: int, *, crowded: bool = False) -> Any:
    """A program of random integers, its inputs, and what the events make of it."""
    rng = np.random.default_rng(seed)
    n, sources = int(rng.integers(1, 7)), int(rng.integers(2, 9))
    sign = rng.choice([1, 1, -1], sources)
    weights = sign * rng.integers(0, 8, (n, sources))
    leak, threshold = rng.integers(0, 4, n), rng.integers(1, 256, n)
    leak[0], threshold[0] = 127 if seed % 4 == 0 else leak[0], 255 if seed % 2 else 1
    if crowded:
        spikes = rng.random((STEPS, sources)) < 0.5
    else:  # one event per step
        spikes = np.zeros((STEPS, sources), bool)
        spikes[np.arange(STEPS), rng.integers(0, sources, STEPS)] = rng.random(STEPS) < 0.8
    chip = ChipLIF(name="n", size=n, keep_u=0, keep_v=4096, threshold=threshold, bias=-leak,
                   inputs=(ChipInput("x", Dense(Int(9), freeze(weights, Int(9))), 0),))  # fmt: skip
    made = [odin(weights[i], int(leak[i]), int(threshold[i]), spikes) for i in range(n)]
    return (
        program_of(chip, ODIN, sources),
        spikes,
        *(np.stack(x, 1) for x in zip(*made, strict=True)),
    )


def program_of(chip: ChipLIF, target: Any, sources: int) -> Program:
    q, edges, watches = chip_population(chip, target)
    source = Builder("x", sources)
    source.spike(source.external("spikes"))
    return Program(
        "p",
        target.name,
        populations=(source.build(), q),
        edges=tuple(edges),
        probes=tuple(Probe("n", x) for x in ("v", "spikes")),
        watches=tuple(watches),
    )


def ran(program: Program, spikes: np.ndarray, name: str) -> Any:
    """v and spikes [steps, n], and the ledger."""
    run = compile_program(engine(name), program)
    state, probes = simulate(run, program, len(spikes), inputs={"x.spikes": spikes})
    size = program.population("n").size
    found = probes.events["n"].dense(state.trials, 0, len(spikes), size)[:, 0]
    return probes.traces["n.v"][:, 0], found, probes.ledger


@pytest.mark.parametrize(("seed", "name"), runs(8, (3, 4)))
def test_odin_event_by_event(seed: int, name: str) -> None:
    """Where one event arrives per step: the same membrane and spikes."""
    program, spikes, v, fired = draw_odin(seed)
    found_v, found, ledger = ran(program, spikes, name)
    np.testing.assert_array_equal(found_v, v)
    np.testing.assert_array_equal(found, fired)
    assert not ledger["n.more than one event"].count


def test_odin_reaches_both_ends_and_the_ledger_counts_crowded_steps() -> None:
    low = high = spiking = parted = 0
    for seed in range(8):
        program, spikes, _, fired = draw_odin(seed)
        ledger = ran(program, spikes, "reference")[2]
        low += ledger["n.v"].low < 0 or ledger["n.v 2"].low < 0
        high += ledger["n.v 2"].high >= 255
        spiking += fired.any()
        program, spikes, v, _ = draw_odin(seed, crowded=True)
        found_v, _, ledger = ran(program, spikes, "reference")
        row = ledger["n.more than one event"]
        assert row.count
        differ = np.flatnonzero((found_v != v).any(1))
        assert not differ.size or differ[0] >= row.first[0]
        parted += bool(differ.size)
    assert low >= 4 and high >= 1 and spiking >= 4 and parted >= 4, (low, high, spiking, parted)


def cells(target: str, weight: Any, *, current: str = "0 A", **more: Any) -> nh.Network:
    net = nh.Network(target)
    net.driver("x", nh.Poisson(size=len(weight[0]), rate="100 Hz"))
    cell = nh.LIF(size=len(weight), C="1 nF", g_L="0 S", V_th="20 mV", I_bias=current, **more)
    net.population("n", cell)
    net.connect("x", "n", nh.Delta(weight=weight), delay_steps=1)
    net.probe("n", "v")
    return net


def test_odin_from_physics() -> None:
    w = np.array([[1e-3, -0.5e-3, 0.3e-3], [0.7e-3, -1e-3, 0.0]])
    lowered = nh.lower(cells("odin", w, current="-0.1 nA"), "odin", dt=1e-3)
    edge = next(e for e in lowered.program.edges if e.port == "in")
    scale = lowered.report.row("n.scale").realised
    assert np.array_equal(edge.weights.data, np.rint(w * scale))
    assert np.abs(edge.weights.data).max() in (6, 7)
    assert lowered.report.row("n.V_th").note.startswith("mantissa 1")
    with pytest.raises(LoweringError, match="one sign for all weights of a source"):
        nh.lower(cells("odin", [["1 mV"], ["-1 mV"]]), "odin", dt=1e-3)
    with pytest.raises(LoweringError, match="a leak that takes away"):
        nh.lower(cells("odin", w, current="0.1 nA"), "odin", dt=1e-3)
    with pytest.raises(LoweringError, match="cannot reset so"):
        nh.lower(cells("odin", w, reset="subtract"), "odin", dt=1e-3)


# truenorth ----------------------------------------------------------------------------------------


def truenorth(
    w: np.ndarray, leak: int, threshold: int, kind: str, spikes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """v and spikes of a neuron: synapses in turn, the leak added, the threshold, the reset."""
    v, vs, found = 0, [], []
    for row in spikes:
        for x in w[row]:
            v += int(x)
        v += leak
        v = min(max(v, -(2**19)), 2**19 - 1)
        spike = v >= threshold
        if spike:
            v = {"to": 0, "subtract": v - threshold, "none": v}[kind]
        vs.append(v)
        found.append(spike)
    return np.array(vs), np.array(found)


@pytest.mark.parametrize(("seed", "name"), runs(3, (1,)))
def test_truenorth_by_the_order_of_ranc(seed: int, name: str) -> None:
    kind, rng = ("to", "subtract", "none")[seed], np.random.default_rng(seed + 1)
    n, sources = 6, 12
    types = rng.integers(0, 4, sources)
    weights = rng.integers(-256, 256, (n, 4))[:, types] * (rng.random((n, sources)) < 0.6)
    weights[0], weights[1] = -256, 255  # both ends, unless a spike comes first
    leak, threshold = rng.integers(-255, 256, n), rng.integers(1, 5000, n)
    leak[:2], threshold[1] = (-255, 255), 2**18 - 1
    spikes = rng.random((STEPS, sources)) < 0.5
    chip = ChipLIF(
        name="n",
        size=n,
        keep_u=0,
        keep_v=4096,
        threshold=threshold,
        bias=leak,
        kind=kind,
        inputs=(ChipInput("x", Dense(Int(9), freeze(weights, Int(9))), 0),),
    )
    v, found, ledger = ran(program_of(chip, TRUENORTH, sources), spikes, name)
    for i in range(n):
        want = truenorth(weights[i], int(leak[i]), int(threshold[i]), kind, spikes)
        np.testing.assert_array_equal(v[:, i], want[0])
        np.testing.assert_array_equal(found[:, i], want[1])
    assert ledger["n.v"].low < -(2**19) and found.any()
    assert (ledger["n.v"].high >= 2**19) == (kind == "none")


def test_truenorth_has_four_weights_per_neuron() -> None:
    four = np.array([[1e-3, 2e-3, -1e-3, 0.5e-3, 1e-3, 0.0], [3e-3, 3e-3, 1e-3, 1e-3, 0.0, 0.0]])
    lowered = nh.lower(cells("truenorth", four, current="0.1 nA"), "truenorth", dt=1e-3)
    assert [len(np.unique(r[r != 0])) for r in lowered.program.edges[0].weights.data] == [4, 2]
    with pytest.raises(LoweringError, match="4 different weights per neuron") as refused:
        nh.lower(cells("truenorth", np.arange(1, 6)[None] * 1e-3), "truenorth", dt=1e-3)
    assert "5 once they are rounded" in str(refused.value)
    with pytest.raises(LoweringError, match="no such neuron"):
        net = nh.Network("leaky")
        net.population("n", nh.LIF(C="1 nF", tau="20 ms", V_th="20 mV"))
        nh.lower(net, "truenorth", dt=1e-3)


# speck --------------------------------------------------------------------------------------------

SPECK = load_speck()


def speck_network(case: dict[str, Any]) -> nh.Network:
    """The two layers in volts: a step of 1 s, capacitances of 1 F."""
    net = nh.Network("speck")
    shape = case["inputs"].shape[1:]
    before = net.driver("input", nh.SpikeArray(size=int(np.prod(shape)))).name
    for name, about in case["layers"].items():
        weight = nh.conv2d(case[f"{name}_weight"], input_shape=shape, stride=about["stride"],
                           padding=about["padding"])  # fmt: skip
        shape = case[f"{name}_v"].shape[1:]
        bias = np.repeat(case[f"{name}_bias"], shape[1] * shape[2])
        net.population(name, nh.LIF(size=int(np.prod(shape)), C="1 F", g_L="0 S", I_bias=bias,
                                    V_th=about["threshold"], reset=case["reset"]))  # fmt: skip
        net.connect(before, name, nh.Delta(weight=weight), delay_steps=0)
        net.probe(name, "v", "count")
        before = name
    return net


@pytest.mark.parametrize("case", SPECK, ids=[c["id"] for c in SPECK])
def test_speck_quantises_as_sinabs(case: dict[str, Any]) -> None:
    """The same integers: weights, threshold, lower limit, bias."""
    lowered = nh.lower(speck_network(case), "speck", dt=1.0)
    for name, about in case["layers"].items():
        edge = next(e for e in lowered.program.edges if e.target == name)
        assert np.array_equal(edge.weights.data, case[f"{name}_mantissa"])
        q = lowered.program.population(name)
        levels = [x.attrs["value"] for x in q.nodes if x.op == "const"]
        assert about["level"] in levels and about["low"] in levels
        scale = lowered.report.row(f"{name}.scale").realised
        assert np.array_equal(np.rint(case[f"{name}_bias"] * scale), case[f"{name}_offset"])


@pytest.mark.parametrize(("index", "name"), runs(len(SPECK), (1, 2)))
def test_speck_computes_as_sinabs(index: int, name: str) -> None:
    """The same membrane and number of spikes in every step, in both layers."""
    case = SPECK[index]
    program = nh.lower(speck_network(case), "speck", dt=1.0).program
    run = compile_program(engine(name), program)
    steps = len(case["inputs"])
    given = case["inputs"].reshape(steps, -1).astype(bool)
    _, probes = simulate(run, program, steps, inputs={"input.spikes": given})
    for layer in case["layers"]:
        for value in ("v", "count"):
            found = probes.traces[f"{layer}.{value}"][:, 0]
            np.testing.assert_array_equal(found, case[f"{layer}_{value}"].reshape(steps, -1))


def test_speck_cases_reach_what_they_are_there_for() -> None:
    counts = np.concatenate([c[f"{x}_count"].ravel() for c in SPECK for x in "ab"])
    assert counts.max() >= 3 and (counts > 0).mean() > 0.02
    lows = [c[f"{x}_v"].min() == c["layers"][x]["low"] for c in SPECK for x in "ab"]
    assert sum(lows) >= 4
    assert {c[f"{x}_mantissa"].min() for c in SPECK for x in "ab"} & {-128}
