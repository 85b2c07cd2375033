"""Target xylo against the vendor's simulator, and what its rules do to a network."""

from __future__ import annotations

import functools
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
from tests.golden import load_xylo

CASES = load_xylo()
XYLO = load_target("xylo")
SHIFT = 2**15


def golden_program(case: dict[str, Any]) -> Program:
    """The program of a golden case, from its chip integers."""
    source = Builder("input", case["n_in"])
    source.name_value(source.external("spikes", Int(8, False)), "count")
    populations, edges, watches, probes = [source.build()], [], [], []
    for name, layer in case["layers"].items():
        inputs = tuple(
            ChipInput(c["source"], _weights(c), 0 if c["source"] == "input" else 1,
                      value="count", current=c["synapse"])
            for c in case["connections"] if c["target"] == name
        )  # fmt: skip
        shares = tuple(SHIFT >> np.array(column) for column in zip(*layer["dash_syn"], strict=True))
        most = XYLO.firing.most if name == "hidden" else XYLO.firing.readout
        chip = ChipLIF(
            name=name, size=len(layer["dash_mem"]), keep_u=shares,
            keep_v=SHIFT >> np.array(layer["dash_mem"]), threshold=np.array(layer["threshold"]),
            bias=np.array(layer["bias"] or 0), kind="subtract", most=most, inputs=inputs,
        )  # fmt: skip
        population, incoming, rows = chip_population(chip, XYLO)
        populations.append(population)
        edges += incoming
        watches += rows
        values = ["v", "spikes", *_currents(case, name), *(["count"] if most > 1 else [])]
        probes += [Probe(name, v) for v in values]
    return Program("golden", "xylo", populations=tuple(populations), edges=tuple(edges),
                   probes=tuple(probes), watches=tuple(watches))  # fmt: skip


def _weights(c: dict[str, Any]) -> Dense:
    data = np.array(c["weight"], np.int64).T << c["shift"]
    return Dense(Int(16), freeze(data, Int(16)))


def _currents(case: dict[str, Any], name: str) -> list[str]:
    number = len(case["layers"][name]["dash_syn"][0])
    return ["u"] if number == 1 else [f"u{s}" for s in range(number)]


@functools.cache
def ran(index: int, engine: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Traces of a golden case by the names of the file, and the ledger."""
    case = CASES[index]
    program = golden_program(case)
    run = compile_program(resolve(engine), program)
    steps = len(case["inputs"])
    state, probes = simulate(run, program, steps, inputs={"input.spikes": case["inputs"]})
    out = {}
    for name, layer in case["layers"].items():
        size = len(layer["dash_mem"])
        spikes = probes.events[name].dense(state.trials, 0, steps, size)[:, 0].astype(np.int64)
        count = probes.traces.get(f"{name}.count")
        out[f"{name}_count"] = spikes if count is None else count[:, 0].astype(np.int64)
        assert np.array_equal(out[f"{name}_count"] > 0, spikes > 0)
        out[f"{name}_v"] = probes.traces[f"{name}.v"][:, 0]
        u = [probes.traces[f"{name}.{x}"][:, 0] for x in _currents(case, name)]
        out[f"{name}_u"] = np.stack(u, axis=1)
    return out, probes.ledger


def first_in_doubt(case: dict[str, Any], ledger: dict[str, Any]) -> int:
    """The first step in which the ledger says that the order of weights may matter."""
    rows = [row.first[0] for key, row in ledger.items() if "order of weights" in key and row.count]
    return min(rows, default=len(case["inputs"]))


KINDS = [c["kind"] for c in CASES]
RUNS = [(i, "reference") for i in range(len(CASES))]
RUNS += [(KINDS.index(k), "torch") for k in sorted(set(KINDS))]
RUNS += [(KINDS.index(k), "native") for k in ("two", "order")]  # it compiles each for seconds


@pytest.mark.parametrize(("index", "engine"), RUNS, ids=[f"{CASES[i]['id']}-{e}" for i, e in RUNS])
def test_vendors_simulator(index: int, engine: str) -> None:
    """The same i_syn, v and number of spikes in every step that the ledger vouches for."""
    if engine == "torch":
        pytest.importorskip("torch")
    case = CASES[index]
    out, ledger = ran(index, engine)
    until = first_in_doubt(case, ledger)
    assert until == len(case["inputs"]) or case["kind"] == "order"
    for key, found in out.items():
        np.testing.assert_array_equal(found[:until], case[key][:until], key)


def test_the_golden_cases_reach_what_they_are_there_for() -> None:
    """Both ends of i_syn and v, 31 spikes in a step, a readout that spikes."""
    lo, hi = -(2**15), 2**15 - 1
    for x in ("hidden_u", "hidden_v"):
        found = np.concatenate([c[x].ravel() for c in CASES if c["kind"] != "order"])
        assert found.min() <= lo + 1 and found.max() >= hi - 256, x
    exact = [i for i, c in enumerate(CASES) if c["kind"] != "order"]
    ledgers = [ran(i, "reference")[1] for i in exact]
    for label in ("hidden.u", "hidden.v", "readout.u"):
        assert sum(x[label].count > 0 for x in ledgers if label in x) >= 2, label
    assert max(c["hidden_count"].max() for c in CASES) == 31
    assert sum(c["readout_count"].any() for c in CASES) >= len(CASES) // 2


def test_the_ledger_names_the_step_from_which_the_order_of_weights_matters() -> None:
    """Where weights of both signs overflow, the chip parts from a sum, never before that row."""
    parted = 0
    for i, case in enumerate(CASES):
        if case["kind"] != "order":
            continue
        out, ledger = ran(i, "reference")
        doubt = first_in_doubt(case, ledger)
        assert doubt < len(case["inputs"])
        differ = [np.flatnonzero((out[k] != case[k]).reshape(len(out[k]), -1).any(1)) for k in out]
        first = min((d[0] for d in differ if d.size), default=None)
        assert first is None or first >= doubt
        parted += first is not None
    assert parted >= 2


# what lowering makes of a network -----------------------------------------------------------------

CELL: dict[str, Any] = dict(C="1 nF", tau="16 ms", E_L="-70 mV", V_th="-50 mV", reset="subtract")


def network(size: int = 3, taus: tuple[str, ...] = ("4 ms",), **cell: Any) -> nh.Network:
    """Input, a recurrent layer and a readout."""
    net = nh.Network("xylo")
    net.driver("x", nh.Poisson(size=4, rate="300 Hz"))
    net.population("hidden", nh.LIF(size=size, **{**CELL, **cell}))
    net.population("readout", nh.LIF(size=2, **CELL))
    rng = np.random.default_rng(3)
    for tau in taus:
        w = rng.normal(2e-9, 2e-9, (size, 4))
        net.connect("x", "hidden", nh.Exponential(weight=w, tau=tau), delay_steps=0)
    back, out = rng.normal(0, 1e-9, (size, size)), rng.normal(2e-9, 1e-9, (2, size))
    net.connect("hidden", "hidden", nh.Exponential(weight=back, tau="4 ms"), delay_steps=1)
    net.connect("hidden", "readout", nh.Exponential(weight=out, tau="4 ms"), delay_steps=1)
    net.probe("hidden", "v", "u", "count")
    net.probe("readout", "v")
    return net


def test_dashes_are_the_nearest_powers_of_two() -> None:
    report = nh.lower(network(), "xylo", dt=1e-3).report
    assert report.row("hidden.tau").realised == pytest.approx(16e-3)
    assert report.row("hidden.tau_syn").realised == pytest.approx(4e-3)
    assert report.row("hidden.tau").note == "x - (x >> 4), at least 1, linear below 2**4"
    skewed = nh.lower(network(tau="20 ms"), "xylo", dt=1e-3).report.row("hidden.tau")
    assert (skewed.realised, skewed.error) == (pytest.approx(16e-3), pytest.approx(-0.2))


def test_weights_fill_eight_bits_and_thresholds_are_whole() -> None:
    program = nh.lower(network(), "xylo", dt=1e-3).program
    held = [e.weights.data for e in program.edges if e.target == "hidden"]
    assert max(np.abs(w).max() for w in held) in (126, 127)  # the threshold is made whole
    assert all(w.min() >= -128 and w.max() <= 127 for w in held)


def test_a_readout_spikes_once_and_a_hidden_neuron_up_to_31_times() -> None:
    strong = network(V_th="-69.9 mV")
    rec = nh.run(strong, target="xylo", dt=1e-3, duration=0.3, backend="reference", seed=2)
    count = rec.trace("hidden", "count").values
    assert count.max() == 31
    program = nh.lower(strong, "xylo", dt=1e-3).program
    assert not any(n.name == "count" for n in program.population("readout").nodes)


def test_a_pool_brings_at_most_15_spikes() -> None:
    net = network()
    net.driver("pool", nh.PooledPoisson(size=1, trains=200, rate="200 Hz"))
    net.connect("pool", "hidden", nh.Exponential(weight="0.1 nA", tau="4 ms"), delay_steps=0)
    net.probe("pool", "count")
    count = nh.run(net, target="xylo", dt=1e-3, duration=0.1, backend="reference").trace(
        "pool", "count"
    )
    assert count.values.max() == 15
    alone = nh.Network("xylo")
    alone.driver("pool", nh.PooledPoisson(size=1, trains=200, rate="200 Hz"))
    alone.probe("pool", "count")
    free = nh.run(alone, target="float64", dt=1e-3, duration=0.1, backend="reference")
    assert np.array_equal(np.minimum(free.trace("pool", "count").values, 15), count.values)
    said = "pool: at most 15 spikes per step on xylo"
    assert said in nh.lower(net, "xylo", dt=1e-3).report.warnings
    net = network()
    net.driver("pool", nh.PooledPoisson(size=1, trains=15, rate="200 Hz"))
    assert said not in nh.lower(net, "xylo", dt=1e-3).report.warnings


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (dict(reset="to"), "xylo cannot reset so"),
        (dict(t_ref="2 ms"), "xylo has no such neuron"),
        (dict(tau=None, g_L="0 S"), "xylo has no such neuron"),
    ],
)
def test_what_the_chip_has_not_is_refused(changes: dict[str, Any], what: str) -> None:
    cell = {k: v for k, v in {**CELL, **changes}.items() if v is not None}
    net = nh.Network("refused")
    net.driver("x", nh.Poisson(size=4, rate="300 Hz"))
    net.population("n", nh.LIF(size=2, **cell))
    net.connect("x", "n", nh.Exponential(weight="1 nA", tau="4 ms"), delay_steps=0)
    with pytest.raises(LoweringError, match=what):
        nh.lower(net, "xylo", dt=1e-3)


def test_jumps_three_time_constants_and_long_delays_are_refused() -> None:
    with pytest.raises(LoweringError, match="at most 2"):
        nh.lower(network(taus=("4 ms", "8 ms", "2 ms")), "xylo", dt=1e-3)
    assert nh.lower(network(taus=("4 ms", "8 ms")), "xylo", dt=1e-3)
    net = network()
    net.connect("x", "hidden", nh.Delta(weight="1 mV"), delay_steps=0)
    with pytest.raises(LoweringError, match="xylo has no such neuron"):
        nh.lower(net, "xylo", dt=1e-3)
    net = network()
    net.connect("hidden", "hidden", nh.Exponential(weight="1 nA", tau="4 ms"), delay_steps=2)
    with pytest.raises(LoweringError, match="delay too long"):
        nh.lower(net, "xylo", dt=1e-3)
