"""The front door: recordings and events become trains, in network time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from neurohw.analysis import counts, cross_correlogram, rates, trains, trains_of
from neurohw.errors import NeurohwError, ProgramError
from neurohw.program import Events, Probes
from neurohw.recording import Recording


def recording(dense: np.ndarray, kit, *, latency: int = 0, t0: int = 0, ids=None) -> Recording:
    steps, n_trials, size = dense.shape
    ids = np.arange(n_trials) if ids is None else np.asarray(ids)
    probes = Probes(t0, steps, ids, {"P": Events.from_dense(dense, ids, t0)})
    late = {"P": latency} if latency else {}
    return Recording(
        "net", "float64", "none", kit.DT, 0, "h", probes, sizes={"P": size}, latency=late
    )


def test_every_spike_is_there_once(kit):
    dense = kit.bernoulli(200, (400, 3, 4))
    t = trains(recording(dense, kit, ids=[2, 5, 9]), "P")
    assert (t.shape, t.steps, t.first, t.dt) == ((3, 4), 400, 0, kit.DT)
    assert t.trials.tolist() == [2, 5, 9] and t.duration == pytest.approx(0.04)
    again = np.zeros_like(dense)
    again[t.step, t.trial, t.neuron] = True
    assert np.array_equal(again, dense) and len(t) == dense.sum()
    key = t.train * t.steps + t.step
    assert (np.diff(key) > 0).all()
    assert np.array_equal(counts(t), dense.sum(axis=0))


def test_latency_is_subtracted_and_what_precedes_time_0_is_dropped(kit):
    dense = kit.bernoulli(300, (500, 2, 3))
    late = np.zeros((500, 2, 3), np.bool_)
    late[4:] = dense[:-4]
    late[2] = True  # of a retimed neuron, before its time 0
    t = trains(recording(late, kit, latency=4), "P")
    want = kit.make(dense[:-4])
    assert (t.first, t.steps) == (0, 496)
    for name in ("trial", "neuron", "step"):
        assert np.array_equal(getattr(t, name), getattr(want, name))


def test_latency_of_a_run_that_goes_on(kit):
    dense = kit.bernoulli(300, (500, 1, 1))
    t = trains(recording(dense, kit, latency=4, t0=1000), "P")
    assert (t.first, t.steps, len(t)) == (996, 500, dense.sum())
    assert t.start == pytest.approx(0.0996)


def test_correlograms_of_different_latency_line_up(kit):
    dense = kit.bernoulli(300, (2000, 2, 1))
    late = np.zeros_like(dense)
    late[3:] = dense[:-3]
    a, b = kit.make(dense), kit.make(late, latency=3)
    c = cross_correlogram(a, b, bin_width=kit.DT, max_lag=10 * kit.DT)
    shared = dense[:-3].sum()
    assert c.count[10] == shared and c.lag[10] == 0
    assert c.coefficient[10] == pytest.approx(1, abs=8 * len(a) * kit.EPS)


def test_a_part_in_time_and_of_the_neurons(kit, some):
    part = trains(some, start=0.2, stop=0.5, neurons=[3, 0])
    dense = np.zeros((10_000, 4, 5), np.bool_)
    dense[some.step, some.trial, some.neuron] = True
    want = kit.make(dense[2000:5000, :, [0, 3]])
    assert (part.first, part.steps) == (2000, 3000) and part.neurons.tolist() == [0, 3]
    for name in ("trial", "neuron", "step"):
        assert np.array_equal(getattr(part, name), getattr(want, name))
    again = trains(part, start=0.3, neurons=slice(1, 2))
    assert (again.first, again.steps) == (3000, 2000) and again.neurons.tolist() == [3]
    assert np.array_equal(counts(again)[:, 0], dense[3000:5000, :, 3].sum(axis=0))
    assert np.array_equal(counts(trains(some, neurons=3))[:, 0], dense[:, :, 3].sum(axis=0))
    mask = np.array([True, False, False, False, True])
    assert trains(some, neurons=mask).neurons.tolist() == [0, 4]


def test_two_parts_meet_where_both_are(kit, some):
    """In time, a part is never longer than what it is taken from."""
    a, b = trains(some, start=0.1, stop=0.6), trains(some, start=0.2, stop=0.9)
    both = trains(some, start=0.2, stop=0.6)
    assert (trains(b, start=0.0, stop=5.0).first, trains(b, start=0.0).steps) == (2000, 7000)
    kind = dict(bin_width=1e-3, max_lag=1e-2)
    want = cross_correlogram(both, both, **kind)
    for x, y in ((a, b), (b, a)):
        assert np.array_equal(cross_correlogram(x, y, **kind).count, want.count)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: trains(t, start=2.0), "no step is left.*start 2"),
        (lambda t: trains(t, neurons=7), r"no such neuron.*0\.\.4"),
        (lambda t: trains(t, neurons=[]), "no neuron is left|no such neuron"),
        (lambda t: trains(t, "Q"), "another population.*'Q'.*P"),
    ],
)
def test_what_is_not_there_is_named(some, call, words):
    with pytest.raises(NeurohwError, match=words):
        call(some)


def test_a_population_that_was_not_recorded(kit):
    r = recording(np.zeros((5, 1, 1), np.bool_), kit)
    with pytest.raises(ProgramError, match=r"no spikes recorded.*'E'.*P"):
        rates(r, "E")


@pytest.mark.parametrize(("column", "word"), [(0, "trial"), (1, "step"), (2, "element")])
def test_events_outside_what_was_watched(column, word):
    row = [0, 0, 0]
    row[column] = 9
    e = Events(*(np.array([x]) for x in row))
    with pytest.raises(NeurohwError, match=f"unknown {word}.*9"):
        trains_of(e, dt=1e-3, steps=5, size=2, trials=2)


def test_importing_the_room_is_light():
    heavy = ("scipy", "xarray", "neo", "elephant", "quantities", "matplotlib", "numba")
    code = (
        "import sys, neurohw; assert 'neurohw.analysis' not in sys.modules; neurohw.analysis.rates;"
        f"print(*[m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
