"""Neurons, drivers and conductances against closed forms; the heavy version is in benchmarks/."""

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import closed_forms
import siegert
import table
import theory

MEASUREMENTS = {
    "LIF rates": closed_forms.lif_rates,
    "LIF rheobase": closed_forms.lif_rheobase,
    "IF rates": closed_forms.if_rates,
    "Ornstein-Uhlenbeck": lambda: closed_forms.ornstein_uhlenbeck(trials=5000),
    "Poisson": lambda: closed_forms.poisson(trials=5),
    "jitter": lambda: closed_forms.jitter(trials=1000),
    "shot noise": lambda: closed_forms.shot_noise(trials=100),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measured_is_expected(name):
    rows = list(MEASUREMENTS[name]())
    assert sum(row.kind != "shown" for row in rows) >= 3
    assert not [str(row) for row in rows if not row.ok]


@pytest.mark.parametrize("method", ["euler", "exponential"])
def test_rate_under_white_noise(method):
    """The recursion's own rate within standard errors; Siegert's only with a raised threshold.

    Both methods look at V once per step, so both need it, the exponential one too.
    """
    rows = list(siegert.against_chain(trials=400, seconds=5.0, methods=(method,)))
    measured = [row for row in rows if row.kind == "z"]
    assert len(measured) == len(siegert.POINTS)
    assert not [str(row) for row in measured if not row.ok]
    plain = [row for row in rows if row.name.endswith("as it stands")]
    assert all(row.z < -2 * table.LIMIT for row in plain), [str(row) for row in plain]
    for row in (row for row in rows if row.name.startswith("  Siegert, threshold raised")):
        # what the shift leaves is of order dt/tau = 0.005; the measurement adds its own error
        assert abs(row.measured / row.expected - 1) < 0.01 + table.LIMIT * row.error / row.expected


def test_the_two_oracles_of_the_rate_meet():
    """Quadrature over the recursion approaches Siegert's integral: sqrt(dt), and dt if shifted.

    No simulation. The rate is not that of a neuron whose reset is raised as well.
    """
    rows = list(siegert.orders(wide=2e-4, fine=5e-5, points=siegert.POINTS[::2]))
    assert len(rows) == 12
    assert not [str(row) for row in rows if not row.ok]
    mu, s = siegert.POINTS[0]
    rate, _ = siegert.chain(mu, s, 5e-5, "exponential")
    near, wrong = (abs(rate / siegert.siegert(mu, s, 5e-5, both=b) - 1) for b in (False, True))
    assert near < wrong / 10


def test_quadrature_has_converged():
    keys = dict(threshold=-0.05, reset=-0.06, tau=20e-3, dt=1e-4, method="euler")
    few, many = (theory.chain_interval(-0.052, 0.035, nodes=n, **keys) for n in (6, 12))
    assert few == pytest.approx(many, rel=1e-8)


def test_moments_of_a_rounded_normal():
    """Far from 0: mean as asked, variance + 1/12 (Sheppard), kurtosis near 3."""
    mean, sd, fourth = theory.rounded_normal(50.3, 6.0)
    assert mean == pytest.approx(50.3, abs=1e-9)
    assert sd**2 == pytest.approx(36 + 1 / 12, abs=1e-9)
    assert fourth / sd**4 == pytest.approx(3, abs=0.01)
    low, _, _ = theory.rounded_normal(0.0, 6.0)  # a half-normal
    assert low == pytest.approx(6 / math.sqrt(2 * math.pi), rel=0.01)


@pytest.mark.parametrize(
    ("row", "ok"),
    [
        (table.Row("", 1.1, 1.0, 0.03), True),
        (table.Row("", 1.2, 1.0, 0.03), False),
        (table.Row("", 1.2, 1.0, 0.1, "bound"), False),
        (table.Row("", 5, 5, 0, "exact"), True),
        (table.Row("", 6, 5, 0, "exact"), False),
        (table.Row("", math.nan, 5, 0, "exact"), False),
        (table.Row("", math.nan, 5, 1.0), False),
        (table.Row("", 9, 5, 0.1, "shown"), True),
    ],
)
def test_a_row_can_fail(row, ok):
    assert row.ok == ok
