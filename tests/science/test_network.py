"""The 200-neuron network: wiring, dynamics against plain NumPy, numbers, verdicts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import scipy.sparse

from neurohw.science.network_measures import (
    BIN,
    RESOLVE,
    SEGMENT,
    STATISTICS,
    each,
    independent,
    recurrent_input,
)
from neurohw.science.network_model import (
    DELAY,
    GAUSS,
    SETS,
    SIZES,
    V_RESET,
    V_REST,
    V_TH,
    block_diagonal,
    blocks,
    simulate_group,
    wire,
)

N = sum(SIZES.values())


@pytest.fixture(scope="module", params=SETS.values(), ids=SETS.keys())
def group(request):
    return simulate_group(request.param, 3, range(3), warm=0.1, span=0.4)


def matrix(wires):
    """All weights as one matrix [target, source], E before I."""
    return np.block([[wires[a, b].toarray() for a in SIZES] for b in SIZES])


def dense(t):
    """Spikes as 0 and 1, [trial, neuron, step]."""
    out = np.zeros((*t.shape, t.steps))
    np.add.at(out, (t.trial, t.neuron, t.step), 1)
    return out


# the circuit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("s", SETS.values(), ids=SETS.keys())
def test_wiring(s):
    w = matrix(wire(s, 1, 0))
    e, i = w[:, : SIZES["E"]], w[:, SIZES["E"] :]
    assert (np.count_nonzero(e, axis=1) == s.k_E).all()
    assert (np.count_nonzero(i, axis=1) == s.k_I).all()
    assert set(e[e != 0]) == {s.weight} and set(i[i != 0]) == {-s.g * s.weight}
    assert not np.diag(w).any()
    assert (w != matrix(wire(s, 1, 1))).any() and (w != matrix(wire(s, 2, 0))).any()


def test_block_diagonal():
    parts = [wire(GAUSS, 1, k)["I", "E"] for k in range(3)]
    expected = scipy.sparse.block_diag([p.toarray() for p in parts]).toarray()
    np.testing.assert_array_equal(block_diagonal(parts).toarray(), expected)


def plain(s, w, v, steps, normal, kicks):
    """The model by hand: spikes [step, network, neuron].

    ``w`` [network, target, source] and ``v`` [network, neuron] in V relative to rest; ``normal``
    and ``kicks`` draw one number per network and neuron.
    """
    late, hold = round(DELAY / s.dt), round(s.t_ref / s.dt)
    bias = np.repeat(s.bias, list(SIZES.values())) * s.R * s.dt / s.tau
    noise = s.sigma / s.C * math.sqrt(s.dt)
    out = np.zeros((steps, *v.shape), bool)
    left = np.zeros(v.shape, int)
    for t in range(steps):
        jump = kicks() * s.kick
        if t >= late:
            jump = jump + (w @ out[t - late][..., None])[..., 0]
        x = v * (1 - s.dt / s.tau) + jump + bias + noise * normal()
        x = np.where(left > 0, v, x)
        out[t] = (left == 0) & (x >= V_TH - V_REST)
        left = np.where(out[t], hold, np.maximum(left - 1, 0))
        v = np.where(out[t], V_RESET - V_REST, x)
    return out


@pytest.mark.parametrize("t_ref", [0.0, 0.5e-3])
def test_without_noise_the_spikes_are_those_of_plain_numpy(t_ref):
    """20 ms: too short for a difference of 1e-16 V to grow to anything."""
    s = replace(GAUSS, sigma=0.0, t_ref=t_ref)
    g = simulate_group(s, 4, range(2), warm=0.0, span=20e-3)
    net, wiring = blocks(s, 4, range(2))
    w = np.stack([matrix(x) for x in wiring])
    begin = [np.reshape(net[name].model.V_init, (2, -1)) for name in SIZES]
    start = np.concatenate(begin, axis=1) - V_REST
    zero = lambda: 0.0  # noqa: E731
    expected = plain(s, w, start, g.trains["all"].steps, zero, zero)
    found = dense(g.trains["all"]).transpose(2, 0, 1)
    assert expected.sum() > 1000
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("s", SETS.values(), ids=SETS.keys())
def test_statistics_are_those_of_plain_numpy(s):
    """Other random numbers, the same model: means over networks within 4 standard errors."""
    count, warm, span = 8, 1000, 4000
    rng = np.random.default_rng(5)
    w = np.stack([matrix(wire(s, 9, k)) for k in range(count)])
    p = np.repeat(s.rate, list(SIZES.values())) * s.dt
    shape = (count, N)
    out = plain(
        s, w, rng.uniform(0, V_TH - V_REST, shape), warm + span,
        lambda: rng.standard_normal(shape), lambda: rng.random(shape) < p,
    )[warm:]  # fmt: skip
    g = simulate_group(s, 3, range(count), warm=warm * s.dt, span=span * s.dt)
    width = round(BIN / s.dt)
    mine = numbers(dense(g.trains["all"]), s.dt, width)
    theirs = numbers(out.transpose(1, 2, 0), s.dt, width)
    for name, a in mine.items():
        b = theirs[name]
        error = math.hypot(a.std(ddof=1), b.std(ddof=1)) / math.sqrt(count)
        assert abs(a.mean() - b.mean()) < 4 * error, name
        assert error < 0.15 * abs(b.mean()), name  # so that the line before can fail


def numbers(x, dt, width):
    """Rate, CV and correlation of each network from spikes [network, neuron, step]."""
    found = {"rate": [], "cv": [], "correlation": []}
    for net in x:
        gaps = [np.diff(np.flatnonzero(row)) for row in net]
        binned = net.reshape(len(net), -1, width).sum(2)
        c = np.corrcoef(binned)
        found["rate"].append(net.mean() / dt)
        found["cv"].append(np.mean([gap.std(ddof=1) / gap.mean() for gap in gaps]))
        found["correlation"].append(c[np.triu_indices(len(c), 1)].mean())
    return {k: np.array(v) for k, v in found.items()}


def test_a_network_does_not_depend_on_how_many_there_are():
    few, more = (simulate_group(GAUSS, 6, range(n), warm=0.0, span=0.05) for n in (1, 3))
    a, b = few.trains["all"], each(more)[0]
    assert len(a) > 1000
    np.testing.assert_array_equal(a.neuron, b.neuron)
    np.testing.assert_array_equal(a.step, b.step)
    assert len(each(more)[1]) != len(b)


# measures ----------------------------------------------------------------------------------------


def test_numbers_of_each_network(group):
    x, dt = dense(group.trains["all"]), group.settings.dt
    expected = numbers(x, dt, round(BIN / dt))
    for name in ("rates", "irregularity", "correlation"):
        for k, v in STATISTICS[name](group).items():
            if k in expected:
                np.testing.assert_allclose(v, expected[k], rtol=1e-12, err_msg=k)
    rates = STATISTICS["rates"](group)
    np.testing.assert_allclose(rates["rate_I"], x[:, SIZES["E"] :].mean((1, 2)) / dt, rtol=1e-12)


def test_synchrony(group):
    x = dense(group.trains["all"])
    binned = x.reshape(*x.shape[:2], -1, round(1e-3 / group.settings.dt)).sum(3)
    expected = binned.sum(1).var(1) / binned.var(2).sum(1)
    np.testing.assert_allclose(STATISTICS["synchrony"](group)["synchrony"], expected, rtol=1e-10)


def test_independent_trains_keep_their_spikes(group):
    t = group.trains["all"]
    alone = independent(t)
    assert alone.shape == (t.shape[0] * t.shape[1], 1)
    np.testing.assert_array_equal(dense(alone)[:, 0], dense(t).reshape(-1, t.steps))


def test_spectra(group):
    t, width = group.trains["all"], round(RESOLVE / group.settings.dt)
    rate = dense(t).reshape(*t.shape, -1, width).sum(3) / RESOLVE
    power = scipy.signal.welch(rate, fs=1 / RESOLVE, nperseg=round(SEGMENT / RESOLVE))[1]
    whole = scipy.signal.welch(rate.mean(1), fs=1 / RESOLVE, nperseg=round(SEGMENT / RESOLVE))[1]
    found = STATISTICS["spectra"](group)
    np.testing.assert_allclose(found["power"], whole, rtol=1e-9)
    np.testing.assert_allclose(found["alone"][0], power.mean((0, 1)) / N, rtol=1e-9)


def test_recurrent_input(group):
    s, t = group.settings, each(group)[1]
    x, w = dense(t)[0], matrix(group.wiring[1])
    late, width = round(DELAY / s.dt), round(BIN / s.dt)
    arriving = np.concatenate([np.zeros((N, late)), x[:, :-late]], axis=1)
    for at, part in enumerate((np.maximum(w, 0), np.minimum(w, 0))):
        jumps = (part @ arriving).reshape(N, -1, width).sum(2).T
        found = recurrent_input(group, 1, BIN)[at]
        np.testing.assert_allclose(found, jumps * s.tau / BIN, rtol=1e-10, atol=1e-12)


def test_mean_input_of_a_network_closes_the_balance_of_its_potential(group):
    """Over a long time tau <dV/dt> = 0: what comes in leaves through leak and resets."""
    s = group.settings
    g = simulate_group(s, 3, [0], warm=0.1, span=0.4, sample=s.dt)
    v = np.concatenate([g.recording.trace(k, "v").values[1000:, 0] for k in SIZES], axis=1)
    t = g.trains["all"]
    x = dense(t)[0].T
    came = recurrent_input(g, 0, BIN).sum(0).mean(0) + np.repeat(s.drive, list(SIZES.values()))
    if s.t_ref:  # nothing comes in during the refractory period
        came = came * (1 - s.t_ref * x.mean(0) / s.dt)
    reset = s.tau * x.mean(0) / s.dt * (V_TH - V_RESET)
    excess = (came - (v - V_REST).mean(0) - reset).mean()
    # V passes V_th by up to a jump or a step's noise before it is reset: a part of a reset
    overshoot = excess / (s.tau * x.mean() / s.dt)
    largest = max(s.kick, 3 * s.sigma / s.C * math.sqrt(s.dt)) + 3 * s.weight
    assert 0 < overshoot < largest
