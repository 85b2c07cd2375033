"""A few lines of NumPy reproduce every Loihi 1 golden case, bit for bit.

This checks the golden files and the list of rules; engines are tested against the same files.
"""

import json

import numpy as np
import pytest

from . import HERE, load_cases, load_weight_tables

CASES = load_cases("loihi1_nengo") + load_cases("loihi1_brian2")


def wrap(x, bits):
    """Two's complement of ``bits`` bits, sign included."""
    half = 1 << (bits - 1)
    return (x + half) % (2 * half) - half


def decay(x, d):
    """x * (4096 - d) / 4096, towards zero."""
    return np.sign(x) * ((np.abs(x) * (4096 - d)) >> 12)


def chip_weight(mant, exp, sign_mode, bits):
    """One synapse's contribution to u: mantissa cut to its grid towards zero, then scaled."""
    grid = 1 << (8 - bits + (sign_mode == "mixed"))
    mant = np.sign(mant) * (np.abs(mant) // grid * grid)
    scaled = mant << exp if exp >= 0 else mant >> -exp  # >> floors, also below zero
    top = 2**21 - 64
    return np.clip(scaled * 64, -top, top)


def loihi1_step(p, u, v, wait, total):
    """One step of all compartments; ``total``: the weights that arrive in this step."""
    u = wrap(decay(u, p["du"] + 1) + wrap(total, 22), 24)
    bias = p["bias_mant"] << p["bias_exp"]
    v = decay(v, p["dv"]) + wrap(u + bias, 24)
    v = np.clip(v, p["vmin"], p["vmax"])
    v = np.where(wait > 0, 0, v)
    spikes = v > p["vth_mant"] * 64
    v = np.where(spikes, 0, v)
    wait = np.where(spikes, p["refr"] - 1, np.maximum(wait - 1, 0))
    return u, v, wait, spikes


def simulate(case):
    n, steps = case["n"], case["steps"]
    # without limits the cases stay inside the widest ones
    vmin_exp = 23 if case["vmin_exp"] is None else case["vmin_exp"]
    vmax_exp = 7 if case["vmax_exp"] is None else case["vmax_exp"]
    p = {**case, "vmin": 1 - 2**vmin_exp, "vmax": 2 ** (9 + 2 * vmax_exp) - 1}
    pending = np.zeros((steps + 64, n), dtype=np.int64)
    u = v = wait = np.zeros(n, dtype=np.int64)
    us, vs, ss = [], [], []
    for k in range(steps):
        u, v, wait, spikes = loihi1_step(p, u, v, wait, pending[k])
        emitted = {"input": case["inputs"][k], "recurrent": spikes}
        for q in case["projections"]:
            w = chip_weight(q["mant"], q["exp"], q["sign_mode"], q["bits"])
            pending[k + 1 + q["delay"]] += emitted[q["source"]].astype(np.int64) @ w
        us.append(u)
        vs.append(v)
        ss.append(spikes)
    return np.array(us), np.array(vs), np.array(ss)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_rules_reproduce(case):
    for q in case["projections"]:
        w = chip_weight(q["mant"], q["exp"], q["sign_mode"], q["bits"])
        assert np.array_equal(w, q["weight"])
    u, v, spikes = simulate(case)
    assert np.array_equal(u, case["u"])
    assert np.array_equal(v, case["v"])
    assert np.array_equal(spikes, case["spikes"])


def test_goldens_reach_the_limits():
    """The cases meet what they are there for."""
    nengo = load_cases("loihi1_nengo")
    for event, least in {"q0": 10, "current": 10, "u2": 8, "vmin": 10, "vmax": 5}.items():
        assert sum(c["events"][event] > 0 for c in nengo) >= least
    for name in ("loihi1_nengo", "loihi1_brian2"):
        cases = load_cases(name)
        assert len(cases) >= 60
        assert sum(c["spikes"].any() for c in cases) >= 50
    delays = {q["delay"] for c in load_cases("loihi1_brian2") for q in c["projections"]}
    assert {0, 1, 61, 62} <= delays


def test_brian2_weight_tables():
    first_exp, tables = load_weight_tables("loihi1_brian2_weights")
    assert len(tables) == 27
    for key, table in tables.items():
        mode, bits = key[:-1], int(key[-1])
        low = 0 if mode == "exc" else -256
        mant = np.arange(low, low + table.shape[1])
        for i, row in enumerate(table):
            assert np.array_equal(row, chip_weight(mant, first_exp + i, mode, bits)), (key, i)


def test_nengo_weight_tables():
    """nengo-loihi rounds when it builds: to the grid (half to even), then once more before a
    right shift, with a clip to the largest mantissa after each rounding."""
    first_exp, tables = load_weight_tables("loihi1_nengo_weights")
    assert len(tables) == 21
    for key, table in tables.items():
        mode, bits = key[:-1], int(key[-1])
        low = 0 if mode == "exc" else -256
        ask = np.arange(low, low + table.shape[1])
        s = 8 - bits + (mode == "mixed")
        top = 2 ** (8 - s) - 1
        for i, row in enumerate(table):
            shift = s + first_exp + i
            w = np.clip(np.round(ask / 2**s), -top, top)
            if shift < 0:
                w = np.clip(np.round(w * 2.0**shift) / 2.0**shift, -top, top)
            w = np.floor(w * 2.0**shift) * 64
            assert np.array_equal(row, w), (key, i)
            # what it writes on the chip is a mantissa for which the chip's rule is exact
            mant = (row // 2.0 ** (6 + first_exp + i)).astype(np.int64)
            assert np.array_equal(row, chip_weight(mant, first_exp + i, mode, bits)), (key, i)


def test_nengo_discretize_file():
    cases = json.loads((HERE / "loihi1_nengo_discretize.json").read_text())
    assert len(cases) == 16
    for c in cases:
        chosen = c["chosen"]
        assert all(0 <= d <= 4095 for d in chosen["du"] + chosen["dv"])
        assert all(0 < m < 2**17 for m in chosen["vth_mant"])
        for b, m, e in zip(chosen["bias"], chosen["bias_mant"], chosen["bias_exp"], strict=True):
            assert b == m << e and abs(m) < 2**12 and 0 <= e <= 7
