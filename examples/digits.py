"""Handwritten digits on a chip, without training: how much do fixed point and noise cost?

The 1797 images of 8 x 8 pixels that ship with scikit-learn. Each pixel becomes a spike train whose
rate is its intensity (sigma-delta coding: no randomness). One layer of ten leaky integrate-and-fire
neurons reads them through **given weights**: a ridge regression computed in closed form from the
first half of the images, its penalty chosen there by leave-one-out error (also in closed form). The
second half, written by other people, is classified by the neuron that spikes most; of equals, the
one that spiked first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import neurohw as nh

STEPS, DT = 100, 1e-3
RATE = 0.5  # spikes per step of a white pixel
CAPACITANCE, TAU, THRESHOLD = 1e-9, 20e-3, 10e-3
GAIN = 4e-3  # volts per step of a neuron whose readout is 1
LEVELS = {"low": (0.05, 0.02), "medium": (0.2, 0.05), "high": (0.6, 0.10)}
"""Device noise: standard deviation per step as a share of the threshold, mismatch of V_th."""


@dataclass(frozen=True)
class Digits:
    """Images split in two, spike-coded, and the readout computed from the first half."""

    spikes: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    penalty: float
    linear_accuracy: float


def encode(images: np.ndarray) -> np.ndarray:
    """Spike trains ``[STEPS, images, pixels]``: an accumulator that fires when it is full."""
    phase = (np.arange(images.shape[1]) * 0.6180339887498949) % 1  # spread the pixels in time
    level = np.broadcast_to(phase, images.shape).copy()
    spikes = np.zeros((STEPS, *images.shape), np.bool_)
    for t in range(STEPS):
        level += RATE * images
        spikes[t] = level >= 1
        level -= spikes[t]
    return spikes


def ridge(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (last row: bias) and the penalty of least leave-one-out error."""
    x1 = np.c_[x, np.ones(len(x))]
    best = None
    for penalty in 10.0 ** np.arange(-2, 3, 0.5):
        inverse = np.linalg.inv(x1.T @ x1 + penalty * np.eye(x1.shape[1]))
        weights = inverse @ x1.T @ y
        leverage = np.einsum("ij,jk,ik->i", x1, inverse, x1)
        error = np.mean(((y - x1 @ weights) / (1 - leverage)[:, None]) ** 2)
        if best is None or error < best[0]:
            best = (error, weights, penalty)
    assert best is not None
    return best[1], best[2]


def load_digits() -> Digits:
    """Read the images and compute the readout."""
    from sklearn.datasets import load_digits as load

    x, labels = load(return_X_y=True)
    x, half = x / 16, (len(x) + 1) // 2
    weights, penalty = ridge(x[:half], np.eye(10)[labels[:half]])
    scores = np.c_[x[half:], np.ones(len(x) - half)] @ weights
    return Digits(
        encode(x[half:]), labels[half:], x[half:], weights[:-1].T, weights[-1], penalty,
        float(np.mean(scores.argmax(axis=1) == labels[half:])),
    )  # fmt: skip


def network(digits: Digits, level: str = "") -> nh.Network:
    """Pixels -> weights -> ten neurons, with a level of device noise."""
    net = nh.Network("digits")
    net.driver("pixels", nh.SpikeArray(size=64))
    share, mismatch = LEVELS.get(level, (0.0, 0.0))
    sigma = share * THRESHOLD * CAPACITANCE / np.sqrt(DT)
    net.population(
        "digits",
        nh.LIF(size=10, C=CAPACITANCE, tau=TAU, V_th=THRESHOLD,
               I_bias=digits.bias * GAIN * CAPACITANCE / DT),
        noise=[nh.AdditiveNoise(sigma=sigma)] if level else [],
        mismatch=[nh.Mismatch(parameter="V_th", cv=mismatch)] if level else [],
    )  # fmt: skip
    net.connect("pixels", "digits", nh.Delta(weight=digits.weights * GAIN / RATE), name="readout")
    net.probe("digits", "spikes", "v")
    return net


def simulate(
    digits: Digits, target: str, backend: str, *, level: str = "", seed: int = 0, images: int = 0
) -> nh.Recording:
    """Run the held-back images (or the first few), one trial each."""
    count = images or len(digits.labels)
    return nh.run(
        network(digits, level), target=target, backend=backend, dt=DT, steps=STEPS, trials=count,
        seed=seed, inputs={"pixels": digits.spikes[:, :count]},
    )  # fmt: skip


def classify(recording: nh.Recording, images: int) -> np.ndarray:
    """The neuron with most spikes; of equals, the one that spiked first."""
    events = recording.spikes("digits")
    count = np.zeros((images, 10))
    first = np.full((images, 10), STEPS)
    np.add.at(count, (events.trial, events.element), 1)
    np.minimum.at(first, (events.trial, events.element), events.step)
    return (count * (STEPS + 1) - first).argmax(axis=1)


def accuracy(digits: Digits, recording: nh.Recording) -> float:
    """Share of the held-back images that are classified rightly."""
    return float(np.mean(classify(recording, len(digits.labels)) == digits.labels))
