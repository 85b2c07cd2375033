"""The Hodgkin-Huxley neuron against SciPy's solvers; the heavy version is in benchmarks/."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import hh_scipy
import oracles_scipy

MEASUREMENTS = {
    "resting potential": oracles_scipy.resting,
    "waveform": lambda: oracles_scipy.waveform(steps=(0.02, 0.01, 0.005)),
    "frequency": lambda: oracles_scipy.frequency(currents=(7.0, 20.0), steps=0.01),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measured_is_expected(name):
    rows = [row for row in MEASUREMENTS[name]() if row.kind != "shown"]
    assert len(rows) >= 2
    assert not [str(row) for row in rows if not row.ok]


def test_rheobase():
    """The least current of sustained firing: SciPy's neuron stops below it and fires above."""
    values = [oracles_scipy.own_rheobase(dt, "exponential") for dt in (0.04, 0.02, 0.01)]
    limit, bound = oracles_scipy.to_zero(values)
    bound += 3 * 1.5 / 32**2 / 2
    assert bound < 0.02
    for current, fires in ((limit - bound, False), (limit + bound, True)):
        spikes = hh_scipy.solve(current, 1000.0).t_events[0]
        assert hh_scipy.fires_on(spikes) == fires


def test_three_solvers_agree():
    """The oracle itself: methods of different families, spike times within 1 ns."""
    times = [hh_scipy.solve(10.0, 50.0, method=m).t_events[0] for m in ("DOP853", "LSODA", "Radau")]
    assert len(times[0]) == 4
    for other in times[1:]:
        assert other == pytest.approx(times[0], abs=1e-6)
