"""The target bfloat16: what is rounded, what is not, and a layer against torch's own."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import TargetError
from neurohw.program import Probe
from neurohw.program.bfloat16 import is_bfloat16
from neurohw.run import with_spikes

torch = pytest.importorskip("torch")
STEPS, TRIALS, N = 30, 3, 24


def layer(weights: np.ndarray, delay: int = 0) -> nh.Network:
    """v' = 0.9 v + W x, a spike at 1, reset to zero."""
    net = nh.Network("dense")
    net.driver("x", nh.AnalogInput(size=weights.shape[1]))
    cells = nh.LIF(size=len(weights), C="1 nF", tau=-1e-3 / math.log(0.9), E_L=0.0, V_th=1.0,
                   V_reset=0.0)  # fmt: skip
    net.population("n", cells)
    net.connect("x", "n", nh.Delta(weight=weights), delay_steps=delay)
    net.probe("n", "v")
    net.probe("x", "value")
    return net


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    w = rng.normal(0, N**-0.5, (N, N)).astype(np.float32)
    return w, rng.uniform(0, 1.5, (STEPS, TRIALS, N)).astype(np.float32)


def short(x: np.ndarray) -> np.ndarray:
    return torch.from_numpy(x).to(torch.bfloat16).double().numpy()


def run(delay: int = 0, backend: str = "reference") -> nh.Recording:
    w, x = data()
    return nh.run(layer(w, delay), target="bfloat16", backend=backend, dt="1 ms", steps=STEPS,
                  trials=TRIALS, method="exponential", inputs={"x": x})  # fmt: skip


def test_weights_and_inputs_are_those_of_torch_and_all_else_is_single_precision() -> None:
    w, x = data()
    lowered = nh.lower(layer(w), "bfloat16", dt=1e-3, trials=TRIALS)
    (edge,) = lowered.program.edges
    np.testing.assert_array_equal(edge.weights.data, short(w))
    assert edge.weights.data.dtype == np.float32
    np.testing.assert_array_equal(run().raw("x", "value"), short(x))
    other = nh.lower(layer(w), "float32", dt=1e-3, trials=TRIALS).program
    mine, theirs = (p.population("n") for p in (lowered.program, other))
    assert mine.nodes == theirs.nodes and mine.ports == theirs.ports
    row = lowered.report.row("x_to_n.weight")
    assert 2.0**-10 < abs(row.error) <= 2.0**-8
    found = lowered.report.weights["x_to_n"].error
    np.testing.assert_allclose(found, (short(w) - w) / np.abs(w), rtol=1e-12, atol=1e-15)
    assert np.abs(found).max() <= 2.0**-8
    assert lowered.report.notes == ("rounded to bfloat16 when they are given: x",)


@pytest.mark.parametrize("delay", [0, 2])
def test_a_layer_against_torchs_product_of_bfloat16(delay: int) -> None:
    """Its sums are rounded to bfloat16 at the end; before, both are within the float32 bound."""
    w, x = data()
    rec = run(delay)
    program = with_spikes(nh.lower(layer(w, delay), "bfloat16", dt=1e-3, trials=TRIALS).program)
    late = np.concatenate([np.zeros((delay, TRIALS, N), np.float32), x[: STEPS - delay]])
    a, b = torch.from_numpy(late).to(torch.bfloat16), torch.from_numpy(w).to(torch.bfloat16)
    theirs = (a.reshape(-1, N) @ b.T).double().numpy().reshape(late.shape)
    v = rec.raw("n").astype(np.float64)
    fired = rec.probes.events["n"].dense(np.arange(TRIALS), 0, STEPS, N)
    before = np.concatenate([np.zeros((1, TRIALS, N)), v[:-1]])
    decay = float(program.population("n").nodes[4].attrs.get("value", np.float32(0.9)))
    assert decay == pytest.approx(0.9, rel=1e-6)
    size = np.abs(short(late)) @ np.abs(short(w)).T
    arrived = v - np.float64(np.float32(0.9)) * before  # where nothing fired, to three roundings
    slack = 2.0**-8 * np.abs(theirs) + 2 * N * 2.0**-24 * size + 2.0**-21 * (1 + np.abs(before))
    assert (np.abs(arrived - theirs) <= slack)[~fired].all()
    assert fired.sum() > 50 and (~fired).sum() > 500
    full = late.astype(np.float64) @ w.T.astype(np.float64)  # and it is not the float32 layer
    assert (np.abs(arrived - full)[~fired] > slack[~fired]).any()


@pytest.mark.parametrize("backend", ["native", "torch"])
@pytest.mark.parametrize("delay", [0, 2])
def test_engines_agree(backend: str, delay: int) -> None:
    want, got = run(delay), run(delay, backend)
    np.testing.assert_array_equal(got.raw("x", "value"), want.raw("x", "value"))
    w, x = data()
    size = 10 * np.abs(short(x)).max() * np.abs(short(w)).sum(axis=1)  # 1/(1 - 0.9) times a sum
    assert (np.abs(got.raw("n") - want.raw("n")) <= 4 * N * 2.0**-24 * size).all()
    assert len(got.spikes("n")) == len(want.spikes("n")) > 50


def test_pools_of_many_trains_are_rounded_and_small_ones_need_it_not() -> None:
    net = nh.Network("pools")
    for name, trains, rate in (("many", 40_000, "100 Hz"), ("few", 50, "40 Hz")):
        net.driver(name, nh.PooledPoisson(size=3, trains=trains, rate=rate))
        net.population(f"n_{name}", nh.IF(size=3, C="1 nF", V_th="1 V"))
        net.connect(name, f"n_{name}", nh.Delta(weight="0.1 uV"), connectivity="one_to_one")
        net.probe(name, "count")
    program = nh.lower(net, "bfloat16", dt=1e-4, trials=20).program
    for e in program.edges:
        assert is_bfloat16(e.weights.data)
        assert e.weights.data[0] == short(np.float32([1e-7]))[0]
    sizes = {q.name: len(q.nodes) for q in program.populations}
    plain = nh.lower(net, "float32", dt=1e-4).program
    assert sizes["few"] == len(plain.population("few").nodes)
    assert sizes["many"] > len(plain.population("many").nodes)
    more = dataclasses.replace(program, probes=(*program.probes, Probe("many", "count_f32")))
    rec = nh.run_program(more, "reference", 40)
    counts, sent = rec.raw("many", "count"), rec.raw("many", "count_f32")
    assert counts.max() > 256
    np.testing.assert_array_equal(sent, short(counts.astype(np.float32)))
    assert (sent != counts).any()


def test_a_record_of_another_arithmetic_is_refused(tmp_path) -> None:
    text = (
        'name = "x"\ntitle = ""\nkind = "float"\nfidelity = ""\nsources = []\n'
        'checked_against = []\n[number]\narithmetic = "float"\nfloat_bits = 64\n'
        'factors = "bfloat16"\n'
    )
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(TargetError, match=r"target.number.factors.*float_bits = 32"):
        nh.load_target(path)
    path.write_text(text.replace("64", "32"))
    assert nh.load_target(path).number.bfloat16
    assert not nh.load_target("float32").number.bfloat16
