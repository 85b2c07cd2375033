"""Target spinnaker against scalar integer code written again from sPyNNaker's C, and by hand.

``Neuron`` follows the C in its own order (ring buffer, membrane, decay of the synapses) on plain
Python integers; the program decays first and adds then.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.backend import compile_program, simulate
from neurohw.errors import LoweringError
from neurohw.lowering.chip import ChipInput, ChipLIF, chip_population
from neurohw.lowering.common import Period
from neurohw.program import Builder, Dense, Int, Probe, Program, freeze
from neurohw.run import run_program, with_spikes
from neurohw.targets import load_target
from neurohw.testing.cases import resolve

SPINNAKER = load_target("spinnaker")
MV, NA = 2**15 * 1000, 2**15 * 10**9  # units per volt and per ampere
LOW, HIGH, ONE = -(2**31), 2**31 - 1, 2**32


# the C code, once more ----------------------------------------------------------------------------


def wrap32(x: int) -> int:
    return (x - LOW) % ONE + LOW


def nearest(x: int, y: int) -> int:
    """Product of two s16.15 numbers: bit 14 of what is cut off decides; saturating."""
    if x == y == LOW:
        return HIGH
    whole, carry = (x * y) >> 15, ((x * y) >> 14) & 1
    return min(max(whole + carry, LOW), HIGH)


class Neuron:
    """One neuron: s16.15 integers; two synapse types, (decay, init, shift) each."""

    def __init__(self, types: list[tuple[int, int, int]], **p: int) -> None:
        self.types, self.p = types, p
        self.synapse, self.v, self.timer = [0, 0], p["v_init"], 0

    def step(self, rings: list[int]) -> tuple[int, bool]:
        """(current that the membrane uses, spike)."""
        for k, (_, init, shift) in enumerate(self.types):
            given = wrap32(min(rings[k], 0xFFFF) << shift)
            self.synapse[k] = wrap32(self.synapse[k] + ((given * init) >> 32))
        current = wrap32(self.synapse[0] - self.synapse[1] + self.p["offset"])
        used = self.synapse[0] - self.synapse[1]
        if self.timer <= 0:
            alpha = wrap32(nearest(current, self.p["r"]) + self.p["rest"])
            self.v = wrap32(alpha - nearest(self.p["e"], wrap32(alpha - self.v)))
        else:
            self.timer -= 1
        spike = self.v >= self.p["threshold"]
        if spike:
            self.v, self.timer = self.p["reset"], self.p["period"]
        self.synapse = [
            (x * d) >> 32 for x, (d, _, _) in zip(self.synapse, self.types, strict=True)
        ]
        return used, spike


def c_code(neurons: list[Neuron], rings: np.ndarray) -> tuple[np.ndarray, ...]:
    """u, v and spikes [steps, n] of neurons that get ``rings`` [steps, 2, n]."""
    u, v, s = [], [], []
    for row in rings.tolist():
        out = [x.step([row[0][i], row[1][i]]) for i, x in enumerate(neurons)]
        u.append([x[0] for x in out])
        s.append([x[1] for x in out])
        v.append([x.v for x in neurons])
    return np.array(u), np.array(v), np.array(s)


# values computed by hand --------------------------------------------------------------------------


def test_products_round_halves_up_and_saturate() -> None:
    assert nearest(1, 16384) == 1 and nearest(-1, 16384) == 0 and nearest(-3, 16384) == -1
    assert nearest(LOW, LOW) == HIGH and nearest(LOW, HIGH) == LOW

    c = ChipLIF(name="A", size=7, keep_u=(0, 0), keep_v=0, threshold=HIGH, signs=(1, -1),
                shifts=(0, 0), shares=(0, 0), resistance=np.array([1, -1, -3, 1, LOW, LOW, HIGH]),
                bias=np.array([16384, 16384, 16384, -16384, LOW, HIGH, 1]))  # fmt: skip
    q, edges, watches = chip_population(c, SPINNAKER)
    program = Program("p", "spinnaker", populations=(q,), edges=tuple(edges),
                      probes=(Probe("A", "v_pre"),), watches=tuple(watches))  # fmt: skip
    _, probes = simulate(compile_program(resolve("reference"), program), program, 1)
    assert probes.traces["A.v_pre"][0, 0].tolist() == [1, 0, -1, 0, HIGH, LOW, 65536]


def test_one_neuron_by_hand() -> None:
    """20 MOhm, tau 20 ms, 0.5 nA, and one input of 1 nA with tau 5 ms; dt 1 ms.

    Step 0: a = -65 mV + 10 mV = -1802240; a - V = 327680; times 31170 / 32768: 311700; so V is
    -1802240 - 311700 = -2113940. In step 1 the input arrives: 32768 * 3892727430 >> 32 = 29699; in
    step 2 it is 29699 * 3516421809 >> 32 = 24315.
    """
    net = nh.Network("hand")
    net.driver("x", nh.SpikeArray(size=1, events=([0], [0])))
    cell = nh.LIF(C="1 nF", tau="20 ms", E_L="-65 mV", V_th="-40 mV", I_bias="0.5 nA")
    net.population("n", cell)
    net.connect("x", "n", nh.Exponential(weight="1 nA", tau="5 ms"), delay_steps=1)
    net.probe("n", "v", "u")
    program = nh.lower(net, "spinnaker", dt=1e-3).program
    rec = run_program(program, "reference", 3)
    u, v = (np.rint(rec.trace("n", x).values[:, 0, 0] * s) for x, s in (("u", NA), ("v", MV)))
    assert u.tolist() == [0, 29699, 24315]
    a1 = -2129920 + ((29699 + 16384) * 655360 + 16384 >> 15)
    v1 = a1 - (31170 * (a1 + 2113940) + 16384 >> 15)
    assert (v[0], v[1]) == (-2113940, v1)


# random integers, to both ends --------------------------------------------------------------------


def draw(seed: int) -> tuple[Program, dict[str, np.ndarray], tuple[np.ndarray, ...]]:
    """A population of random integers, its input, and what the C code makes of it."""
    rng = np.random.default_rng(seed)
    n, sources, steps = int(rng.integers(1, 7)), int(rng.integers(1, 20)), 300
    wild = seed % 2 == 1  # numbers from the whole range, so that sums wrap and products saturate
    span = HIGH if wild else 2**22

    def anywhere(lo: int, hi: int) -> np.ndarray:
        x = rng.integers(lo, hi, n, endpoint=True)
        return np.where(rng.random(n) < 0.2, rng.choice([lo, hi], n), x) if wild else x

    threshold, rest = anywhere(0, span), anywhere(-span, span)
    p = dict(
        e=rng.integers(0, 2**15, n, endpoint=True), r=rng.integers(1, span if wild else 2**20, n),
        rest=rest, offset=anywhere(-span // 4, span // 4), threshold=threshold,
        reset=threshold - 1 - rng.integers(0, 2**20, n), v_init=anywhere(-span, span),
        period=rng.integers(0, 6, n),
    )  # fmt: skip
    p["reset"] = np.maximum(p["reset"], LOW)
    types = [
        (int(rng.integers(0, ONE)), int(rng.integers(0, ONE)),
         int(rng.integers(0, 16 if wild else 6))) for _ in "EI"
    ]  # fmt: skip
    if seed % 4 == 1:  # currents that hardly decay wrap
        types = [(ONE - 1 - int(rng.integers(0, 1000)), ONE - 1, 15) for _ in "EI"]
    weights = [rng.integers(0, 0xFFFF if wild else 6000, (n, sources), endpoint=True) for _ in "EI"]
    spikes = rng.random((steps, sources)) < rng.choice([0.02, 0.2])
    word = Int(16, False)
    delays = rng.integers(1, 17, 2)
    chip = ChipLIF(
        name="n", size=n, keep_u=tuple(t[0] for t in types), keep_v=p["e"],
        shares=tuple(t[1] for t in types), shifts=tuple(t[2] for t in types), signs=(1, -1),
        threshold=threshold, bias=p["offset"], rest=rest, resistance=p["r"], reset=p["reset"],
        v_init=p["v_init"], period=Period(p["period"], None, 0, 6),
        inputs=tuple(ChipInput("x", Dense(word, freeze(w, word)), int(d), current=k)
                     for k, (w, d) in enumerate(zip(weights, delays, strict=True))),
    )  # fmt: skip
    q, edges, watches = chip_population(chip, SPINNAKER)
    source = Builder("x", sources)
    source.spike(source.external("spikes"))
    program = Program(
        "random", "spinnaker", populations=(source.build(), q), edges=tuple(edges),
        probes=tuple(Probe("n", x) for x in ("u", "v", "spikes")), watches=tuple(watches),
    )  # fmt: skip
    rings = np.zeros((steps + 16, 2, n), np.int64)
    for k, d in enumerate(delays):
        rings[d : d + steps, k] += spikes @ weights[k].T
    neurons = [Neuron(types, **{k: int(x[i]) for k, x in p.items()}) for i in range(n)]
    return program, {"x.spikes": spikes}, c_code(neurons, rings[:steps])


SEEDS = range(12)
RUNS = [(s, e) for e in ("reference", "torch") for s in SEEDS] + [(1, "native"), (4, "native")]
DRAWN: dict[int, Any] = {}


def drawn(seed: int) -> Any:
    if seed not in DRAWN:
        DRAWN[seed] = draw(seed)
    return DRAWN[seed]


@pytest.mark.parametrize(("seed", "engine"), RUNS)
def test_the_c_code(seed: int, engine: str) -> None:
    """u, v and spikes of every step are those of the C code written again."""
    if engine == "torch":
        pytest.importorskip("torch")
    program, inputs, (u, v, spikes) = drawn(seed)
    run = compile_program(resolve(engine), program)
    state, probes = simulate(run, program, len(v), inputs=inputs)
    np.testing.assert_array_equal(probes.traces["n.u"][:, 0], u)
    np.testing.assert_array_equal(probes.traces["n.v"][:, 0], v)
    found = probes.events["n"].dense(state.trials, 0, len(v), v.shape[1])[:, 0]
    np.testing.assert_array_equal(found, spikes)


def test_the_random_integers_reach_the_ends() -> None:
    counts: dict[str, int] = {}
    for seed in SEEDS:
        program, inputs, (u, _, _) = drawn(seed)
        run = compile_program(resolve("reference"), program)
        _, probes = simulate(run, program, len(u), inputs=inputs)
        for key, row in probes.ledger.items():
            counts[key] = counts.get(key, 0) + (row.count > 0)
    for label in ("sum of weights 0", "sum of weights 1", "u0", "v", "R I + E_L"):
        assert counts[f"n.{label}"] >= 2, (label, counts)
    assert sum(drawn(seed)[2][2].any() for seed in SEEDS) >= 8


# a network ----------------------------------------------------------------------------------------


def network(**cell: Any) -> nh.Network:
    usual = dict(size=3, C="1 nF", tau="20 ms", E_L="-65 mV", V_th="-50 mV", V_reset="-66 mV",
                 t_ref="1.5 ms", I_bias="0.3 nA")  # fmt: skip
    net = nh.Network("spinnaker")
    net.driver("x", nh.Poisson(size=8, rate="100 Hz"))
    net.driver("y", nh.Poisson(size=4, rate="100 Hz"))
    net.population("n", nh.LIF(**{**usual, **cell}))
    rng = np.random.default_rng(1)
    for name, sign, tau in (("x", 1, "5 ms"), ("y", -1, "8 ms")):
        weight = sign * rng.uniform(0, 1e-9, (3, {"x": 8, "y": 4}[name]))
        net.connect(name, "n", nh.Exponential(weight=weight, tau=tau), delay_steps=2)
    net.probe("n", "v", "u")
    return net


def test_a_network_is_what_the_c_code_makes_of_its_numbers() -> None:
    """From SI units: integers computed here anew, but for the shifts, which are read."""
    dt, steps = 1e-3, 2000
    lowered = nh.lower(network(), "spinnaker", dt=dt, seed=3)
    rec = run_program(with_spikes(lowered.program), "reference", steps)
    rings, shifts = np.zeros((steps + 2, 2, 3), np.int64), []
    for k, (name, sign) in enumerate((("x", 1), ("y", -1))):
        asked = lowered.report.weights[f"{name}_to_n"].asked * sign
        edge = next(e for e in lowered.program.edges if e.source == name)
        shift = int(np.rint(np.log2(np.max(asked) * NA / np.max(edge.weights.data))))
        assert np.array_equal(edge.weights.data, np.rint(asked * NA / 2**shift))
        shifts.append(shift)
        events = rec.spikes(name)
        spikes = np.zeros((steps, len(asked[0])), np.int64)
        spikes[events.step, events.element] = 1
        rings[2:, k] += spikes @ edge.weights.data.T.astype(np.int64)
    types = []
    for tau, shift in zip((5e-3, 8e-3), shifts, strict=True):
        decay = round(math.exp(-dt / tau) * ONE)
        types.append((decay, round(tau / dt * 2**15) * (ONE - 1 - decay) >> 15, shift))
    whole = {k: round(x * 2**15) for k, x in dict(rest=-65, threshold=-50, reset=-66).items()}
    p = dict(e=round(math.exp(-1 / 20) * 2**15), r=20 * 2**15, offset=round(0.3 * 2**15), period=2,
             v_init=whole["rest"], **whole)  # fmt: skip
    u, v, spikes = c_code([Neuron(types, **p) for _ in range(3)], rings[:steps])
    assert spikes.sum() > 100
    assert np.array_equal(np.rint(rec.trace("n", "u").values[:, 0] * NA), u)
    assert np.array_equal(np.rint(rec.trace("n", "v").values[:, 0] * MV), v)
    assert len(rec.spikes("n")) == spikes.sum()


def test_it_follows_float64() -> None:
    """V within what s16.15 and the first factor of a current explain, until spikes part."""
    quiet = network(V_th="0 mV", I_bias="0 A")
    chip, real = (
        nh.run(quiet, target=t, method="exponential", dt=1e-4, duration=0.5, seed=2,
               backend="reference").trace("n", "v").values
        for t in ("spinnaker", "float64")
    )  # fmt: skip
    assert np.abs(chip - real).max() < 0.02 * np.ptp(real)
    assert np.ptp(real) > 5e-3


def test_excitation_and_inhibition_of_one_connection() -> None:
    net = nh.Network("mixed")
    net.driver("x", nh.Poisson(size=4, rate="300 Hz"))
    net.population("n", nh.LIF(size=2, C="1 nF", tau="20 ms", E_L="-65 mV", V_th="-50 mV"))
    w = np.array([[1e-9, -2e-9, 0, 0.5e-9], [-1e-9, -2e-9, 3e-9, 0]])
    net.connect("x", "n", nh.Exponential(weight=w, tau="5 ms"), delay_steps=1)
    lowered = nh.lower(net, "spinnaker", dt=1e-3)
    up, down = (e.weights.data.astype(np.int64) for e in lowered.program.edges)
    assert np.array_equal(up > 0, w > 0) and np.array_equal(down > 0, w < 0)
    held = lowered.report.weights["x_to_n"].realised
    assert np.allclose(held, w, rtol=0, atol=4 / NA)


def test_periods_are_rounded_up() -> None:
    for asked, steps in (("1 ms", 1), ("1.01 ms", 2), ("2 ms", 2), ("0.5 ms", 1)):
        row = nh.lower(network(t_ref=asked), "spinnaker", dt=1e-3).report.row("n.t_ref")
        assert row.realised == pytest.approx(steps * 1e-3), asked
    fine = nh.lower(network(t_ref="2 ms"), "spinnaker", dt=1e-4).report.row("n.t_ref")
    assert fine.realised == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (dict(reset="subtract", V_reset="-65 mV"), "cannot reset so"),
        (dict(tau=None, g_L="0 S"), "no such neuron"),
        (dict(V_th="70 V"), "cannot hold the number"),
    ],
)
def test_what_it_has_not_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(LoweringError, match=what):
        nh.lower(network(**changes), "spinnaker", dt=1e-3)


def test_two_time_constants_of_one_sign_and_long_delays_are_refused() -> None:
    net = network()
    net.connect("x", "n", nh.Exponential(weight="1 nA", tau="4 ms"), delay_steps=1)
    with pytest.raises(LoweringError, match="one excitatory time constant"):
        nh.lower(net, "spinnaker", dt=1e-3)
    net = network()
    net.connect("y", "n", nh.Exponential(weight="-1 nA", tau="8 ms"), delay_steps=17)
    with pytest.raises(LoweringError, match="delay too long"):
        nh.lower(net, "spinnaker", dt=1e-3)
