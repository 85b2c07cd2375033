"""Random networks on a chip's integers: what the planner keeps, beside plain max-scaling."""

from __future__ import annotations

import numpy as np
import planner
import pytest

from neurohw.lowering import lower
from neurohw.program import Dense, verify


def lowered(seed: int):
    x = planner.case(seed)
    return x, lower(x.network, "loihi1", dt=x.dt, method="euler", seed=seed)


def test_weights_span_the_decades() -> None:
    rng = np.random.default_rng(0)
    plain, mixed = (planner.weights(rng, 50, 200, mixed=m) for m in (False, True))
    assert plain.min() > 1e-3 and plain.max() / plain.min() > 900
    assert np.mean(mixed < 0) == 0.2
    counts, _ = np.histogram(np.log10(plain), bins=3, range=(-3, 0))
    assert np.ptp(counts / counts.sum()) < 0.05  # a third in each decade


def test_networks_are_of_many_kinds() -> None:
    made = [planner.case(seed) for seed in range(40)]
    assert {x.dt for x in made} == set(planner.STEPS_OF)
    assert {len(x.network.populations) for x in made} == {1, 2}
    assert {bool(x.inputs) for x in made} == {False, True}
    signs = {bool(np.any(np.asarray(x.network.connections[0].weight) < 0)) for x in made}
    assert signs == {False, True}


@pytest.mark.parametrize("seed", range(6))
def test_by_hand_the_largest_weight_has_the_largest_mantissa(seed: int) -> None:
    x, planned = lowered(seed)
    program = planner.by_hand(x, planned)
    verify(program)
    for c in x.network.connections:
        edge = next(e for e in program.edges if e.target == c.target)
        assert isinstance(edge.weights, Dense)
        held, asked = edge.weights.data, np.asarray(c.weight)
        assert np.abs(held).max() == (254 if asked.min() < 0 else 255)
        unit = np.abs(asked).max() / np.abs(held).max()
        assert np.abs(held * unit - asked).max() <= unit * (1 if asked.min() < 0 else 0.5) * 1.001
    assert [e.delay for e in program.edges] == [e.delay for e in planned.program.edges]


def test_gain_kept_makes_up_for_the_decays() -> None:
    """In the steady state of a constant input, V / input is that of the network as it was."""
    x, planned = lowered(1)
    made = planner.gain_kept(x, planned)
    again = lower(made, "loihi1", dt=x.dt, method="euler", seed=1)
    for p, q in zip(x.network.populations, made.populations, strict=True):
        c, d = (next(c for c in n.connections if c.target == p.name) for n in (x.network, made))
        ratio = float(np.asarray(d.weight).flat[0] / np.asarray(c.weight).flat[0])
        keep_v, keep_u = (float(again.numbers.values[k, p.name]) for k in ("decay_v", "decay_u"))
        asked = (x.dt / float(p.model.tau)) * (x.dt / c.synapse.tau)
        assert ratio / ((1 - keep_v) * (1 - keep_u)) == pytest.approx(1 / asked)
        bias = (1 - keep_v) * float(p.model.tau) / x.dt
        assert float(q.model.I_bias) == pytest.approx(float(p.model.I_bias) * bias)


@pytest.mark.slow
def test_twenty_networks() -> None:
    results = list(planner.study(20))
    rows = [r for r in results if "left_out" not in r]
    assert len(rows) == 20
    kept = {way: round(20 * planner.share(rows, way)) for way in planner.WAYS}
    assert kept["planner"] == 20, kept  # 99 of 100: docs/explain.md
    lines = planner.table(results)
    assert f"| planner | {kept['planner']} of 20 |" in lines[2]


def test_by_hand_the_exponent_makes_room_for_the_threshold() -> None:
    """Network 47: its largest weight is less than 255 / 2**17 of the threshold."""
    x, planned = lowered(47)
    program = planner.by_hand(x, planned)
    c = x.network.connections[0]
    lif = x.network.populations[0].model
    jump = np.abs(np.asarray(c.weight)).max() * x.dt / lif.C
    assert (lif.V_th - lif.V_reset) / jump * 255 > 2**17
    held = next(e for e in program.edges if e.target == c.target).weights.data
    assert 64 <= np.abs(held).max() <= 127
