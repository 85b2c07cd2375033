"""The rules of loihi1, nengo-loihi and brian2-loihi against golden files, bit for bit."""

import numpy as np
import pytest

from neurohw.backend import compile_program, simulate
from neurohw.lowering.chip import ChipInput, ChipLIF, chip_population
from neurohw.lowering.common import Period
from neurohw.program import BOOL, Builder, Dense, Int, Probe, Program, freeze
from neurohw.reference import backend
from neurohw.targets import load_target
from tests.golden import load_cases

NENGO, BRIAN2, WIDE = map(load_cases, ("loihi1_nengo", "loihi1_brian2", "brian2_wide"))
CASES = NENGO + BRIAN2
LOIHI = load_target("loihi1")
OWN = [("nengo-loihi", c) for c in NENGO] + [("brian2-loihi", c) for c in BRIAN2 + WIDE]


def golden_program(case, target=LOIHI):
    """The program of a golden case, from its chip integers."""
    source = Builder("input", case["inputs"].shape[1])
    source.spike(source.external("spikes", BOOL))
    inputs = []
    for p in case["projections"]:
        weight, delay = np.asarray(p["weight"]) // 64, p["delay"]
        name = "input" if p["source"] == "input" else "neurons"
        delay = np.broadcast_to(np.asarray(delay), weight.shape)
        for d in np.unique(delay):
            data = freeze(np.where(delay == d, weight, 0).T, Int(16))
            inputs.append(ChipInput(name, Dense(Int(16), data), int(d) + 1))
    vmin = None if case["vmin_exp"] is None else 1 - 2 ** case["vmin_exp"]
    vmax = None if case["vmax_exp"] is None else 2 ** (9 + 2 * case["vmax_exp"]) - 1
    chip = ChipLIF(
        name="neurons", size=case["n"], keep_u=4096 - (case["du"] + 1), keep_v=4096 - case["dv"],
        threshold=case["vth_mant"] << 6, bias=case["bias_mant"] << case["bias_exp"],
        v_low=vmin, v_high=vmax, period=Period(case["refr"] - 1, None, 0, 62),
        inputs=tuple(inputs),
    )  # fmt: skip
    population, edges, watches = chip_population(chip, target)
    probes = tuple(Probe("neurons", v) for v in ("u", "v", "spikes"))
    return Program("golden", target.name, populations=(source.build(), population),
                   edges=tuple(edges), probes=probes, watches=tuple(watches))  # fmt: skip


@pytest.mark.parametrize(
    "target,case",
    [("loihi1", c) for c in CASES] + OWN,
    ids=[f"{t}-{c['id']}" for t, c in [("loihi1", c) for c in CASES] + OWN],
)
def test_emulator(target, case):
    program = golden_program(case, load_target(target))
    run = compile_program(backend(), program)
    state, probes = simulate(run, program, case["steps"], inputs={"input.spikes": case["inputs"]})
    np.testing.assert_array_equal(probes.traces["neurons.u"][:, 0], case["u"])
    np.testing.assert_array_equal(probes.traces["neurons.v"][:, 0], case["v"])
    spikes = probes.events["neurons"].dense(state.trials, 0, case["steps"], case["n"])
    np.testing.assert_array_equal(spikes[:, 0], case["spikes"])


def test_wide_cases_are_not_loihi1():
    """What Brian2Loihi computes beyond 24 bits, the chip's rules do not."""
    assert len(WIDE) == 12
    for case in WIDE:
        program = golden_program(case)
        run = compile_program(backend(), program)
        _, probes = simulate(run, program, case["steps"], inputs={"input.spikes": case["inputs"]})
        same = np.array_equal(probes.traces["neurons.v"][:, 0], case["v"])
        assert not same


def test_goldens_reach_the_edges():
    """The files would be worth little if nothing overflowed in them."""
    counts = {}
    for case in CASES:
        program = golden_program(case)
        run = compile_program(backend(), program)
        _, probes = simulate(run, program, case["steps"], inputs={"input.spikes": case["inputs"]})
        for key, row in probes.ledger.items():
            counts[key] = counts.get(key, 0) + (row.count > 0)
    assert min(counts[f"neurons.{k}"] for k in ("u", "v", "sum of weights", "u + bias")) >= 8
