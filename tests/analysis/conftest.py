"""Trains with known statistics, and the same trains as neo objects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neurohw.analysis import Trains, trains_of
from neurohw.program import Events

EPS = np.finfo(np.float64).eps
DT = 1e-4


def events(dense: np.ndarray, t0: int = 0) -> Events:
    """From bool [steps, T, N]; trial numbers 0..T - 1."""
    return Events.from_dense(dense, np.arange(dense.shape[1]), t0)


def make(dense: np.ndarray, *, dt: float = DT, first: int = 0, latency: int = 0) -> Trains:
    steps, trials, size = dense.shape
    kind: dict[str, Any] = dict(first=first, latency=latency, population="P")
    return trains_of(events(dense, first), dt=dt, steps=steps, size=size, trials=trials, **kind)


def bernoulli(rate: Any, shape: tuple[int, int, int], *, seed: int = 1) -> np.ndarray:
    """A spike in each step with probability rate dt; ``rate`` in Hz, per neuron if an array."""
    return np.random.default_rng(seed).random(shape) < np.asarray(rate) * DT


def as_neo(t: Trains) -> list[list[Any]]:
    """[trial][neuron] of SpikeTrain. Spikes sit in the middle of their step: no bin's edge."""
    neo = pytest.importorskip("neo", reason="needs the extra neo")
    import quantities as pq

    def one(k: int, i: int) -> Any:
        step = t.step[(t.trial == k) & (t.neuron == i)]
        return neo.SpikeTrain((step + 0.5) * t.dt, units=pq.s, t_stop=t.steps * t.dt)

    return [[one(k, i) for i in range(t.shape[1])] for k in range(t.shape[0])]


def elephant(module: str) -> Any:
    return pytest.importorskip(f"elephant.{module}", reason="needs the extra neo (elephant)")


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    return SimpleNamespace(
        EPS=EPS, DT=DT, make=make, events=events, bernoulli=bernoulli, as_neo=as_neo,
        elephant=elephant,
    )  # fmt: skip


@pytest.fixture(scope="session")
def some(kit) -> Trains:
    """4 trials of 5 neurons over 1 s: 60 Hz, one silent, one at 300 Hz."""
    rate = np.array([60.0, 60.0, 0.0, 300.0, 20.0])
    return make(bernoulli(rate, (10_000, 4, 5)))


@pytest.fixture(params=["no spike", "one spike", "one trial of one"])
def sparse(request) -> Trains:
    """Trains with next to nothing in them."""
    dense = np.zeros((50, 1 if request.param.startswith("one trial") else 3, 2), np.bool_)
    if request.param != "no spike":
        dense[7, 0, 1] = True
    return make(dense)
