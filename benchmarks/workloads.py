"""The workloads W1 to W6: their constants, once, and what a right answer must look like.

Every worker reads its numbers here, whatever simulator it drives, so this file is plain Python and
NumPy and runs on Python 3.8 as well. Quantities are SI floats unless a name says otherwise.
"""

from __future__ import annotations

import math

import numpy as np

DT = 1e-4
STEPS = {"W1": 10_000, "W2": 10_000, "W3": 10_000, "W4": 500, "W5": 1_000, "W6": 10_000}

SIZES = {
    "W1": (100, 10_000, 100_000),
    "W2-pooled": (1_000, 10_000),
    "W2-explicit": (1_000, 10_000),
    "W3": (4_000, 20_000),
    "W4": (512, 4_096),
    "W4-binary": (512, 4_096),
    "W5": (200, 1_000, 4_000),
    "W6": (1_000,),
}
"""Trials in W1, neurons elsewhere."""

TITLES = {
    "W1": "noisy leaky integrate-and-fire, refractory jitter, independent trials, 1 s",
    "W2-pooled": "conductances, 100 E and 50 I Poisson trains per neuron, sums drawn at once, 1 s",
    "W2-explicit": "the same, every train drawn by itself, 1 s",
    "W3": "Vogels-Abbott network, current-based, 2 % connected, delay 1.5 ms, 1 s",
    "W4": "one dense layer of leaky neurons on float input, batch 16, 500 steps",
    "W4-binary": "the same layer, 5 % of the inputs spike in a step",
    "W5": "Loihi's fixed-point neurons, dense 8-bit weights, 5 % of the inputs spike, 1,000 steps",
    "W6": "Hodgkin-Huxley, dt 0.01 ms, 100 ms",
}

W1 = {
    "tau": 30e-3, "E_L": -70e-3, "V_reset": -70e-3, "V_th": -50e-3, "mu": 34e-3, "sigma": 5e-3,
    "t_ref": 8e-3, "t_ref_sigma": 1e-3,
}  # fmt: skip
"""``dV = (-(V - E_L) + mu)/tau dt + sigma sqrt(2/tau) dW``; the refractory period is drawn anew,
N(t_ref, t_ref_sigma^2), at every spike. V starts at E_L."""

W2 = {
    "C": 200e-12, "g_L": 20e-9, "E_L": -60e-3, "E_E": 0.0, "E_I": -80e-3, "V_th": -55e-3,
    "V_reset": -70e-3, "t_ref": 2e-3, "tau_syn": 5e-3, "trains_E": 100, "rate_E": 10.0,
    "w_E": 2e-9, "trains_I": 50, "rate_I": 20.0, "w_I": 5e-9,
}  # fmt: skip

W3 = {
    "tau": 20e-3, "C": 200e-12, "E_L": -49e-3, "V_th": -50e-3, "V_reset": -60e-3, "t_ref": 5e-3,
    "tau_E": 5e-3, "tau_I": 10e-3, "w_E": 1.62e-3, "w_I": -9e-3, "p": 0.02, "delay": 1.5e-3,
    "share_E": 0.8,
}  # fmt: skip
"""Vogels and Abbott (2005), current-based, as in Brette et al. (2007), benchmark 2; w in volts per
spike at 4,000 neurons (the jump of ``g`` in ``tau dV/dt = E_L - V + g_E + g_I``), scaled by 4000/N.
V starts uniformly between V_reset and V_th."""

W4 = {"batch": 16, "beta": 0.9, "threshold": 1.0, "active": 0.05}
"""``V' = beta V + W x`` and a reset to 0; weights uniform in +-1/sqrt(n), x uniform in
[0, 1) (dense) or 1 with probability ``active`` (binary)."""
W4_GAIN = {"W4": 1.0, "W4-binary": 3.0}
"""What the weights are multiplied by, so that a good share of the neurons fires."""

W5 = {"du": 1024, "dv": 512, "weight_limit": 126, "active": 0.05}
"""``u' = u (4096 - du - 1)/4096 + 64 a``, ``v' = v (4096 - dv)/4096 + u'``, rounded toward zero."""

W6 = {"I_low": 8e-6, "I_high": 15e-6, "dt": 1e-5, "steps": 10_000}
"""Per square centimetre; the other constants are the usual ones, given to each worker by name."""
HH = {
    "C": 1e-6, "g_Na": 120e-3, "g_K": 36e-3, "g_L": 0.3e-3, "E_Na": 50e-3, "E_K": -77e-3,
    "E_L": -54.387e-3, "V_init": -65e-3,
}  # fmt: skip


def w1_strength():
    """b of ``b dW``, in V/s**0.5."""
    return W1["sigma"] * math.sqrt(2 / W1["tau"])


def w1_free_deviation():
    """Deviation in V that the membrane would have without a threshold: b sqrt(tau / 2)."""
    return w1_strength() * math.sqrt(W1["tau"] / 2)


def w2_mean_conductance():
    """Stationary mean of the conductances in S (Campbell): w rate tau, all trains together."""
    return tuple(W2["w_" + k] * W2["trains_" + k] * W2["rate_" + k] * W2["tau_syn"] for k in "EI")


def w3_sizes(n):
    """Numbers of excitatory and inhibitory neurons."""
    excitatory = round(W3["share_E"] * n)
    return excitatory, n - excitatory


def w3_weights(n):
    """Weights in V of excitatory and inhibitory synapses among n neurons."""
    return W3["w_E"] * 4000 / n, W3["w_I"] * 4000 / n


def w5_threshold(n):
    """Mantissa of the threshold: 5 deviations of one step's input, in units of one weight."""
    return round(5 * math.sqrt(W5["active"] * n) * 73)


def w5_weight_deviation():
    """Deviation of a weight: even integers, uniform from -126 to 126."""
    k = W5["weight_limit"] // 2
    return 2 * math.sqrt(((2 * k + 1) ** 2 - 1) / 12)


def w5_data(n, steps, seed=5):
    """(weights [target, source] int8, spikes [step, source] bool): made once, given to all."""
    rng = np.random.default_rng(seed)
    half = W5["weight_limit"] // 2
    weights = (2 * rng.integers(-half, half + 1, (n, n))).astype(np.int8)
    return weights, rng.random((steps, n)) < W5["active"]


def w4_data(case, n, steps, seed=4):
    """(weights [target, source], input [step, batch, source]), float32: made once, given to all."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-1, 1, (n, n)).astype(np.float32) / np.float32(math.sqrt(n))
    shape = (steps, W4["batch"], n)
    if case == "W4":
        given = rng.random(shape, dtype=np.float32)
    else:
        given = (rng.random(shape, dtype=np.float32) < W4["active"]).astype(np.float32)
    return weights * np.float32(W4_GAIN[case]), given
