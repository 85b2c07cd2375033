"""The digits example: coding, weights, and that engines and targets do what the demo says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "examples" / "digits.py"


@pytest.fixture(scope="module")
def dg():
    spec = importlib.util.spec_from_file_location("digits_example", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits(dg):
    return dg.load_digits()


def test_spike_counts_are_intensities(dg, digits):
    counts = digits.spikes.sum(axis=0)
    assert np.abs(counts - dg.STEPS * dg.RATE * digits.images).max() <= 1


def test_ridge_against_scikit_learn(dg):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, y = rng.random((80, 6)), rng.random((80, 3))
    weights, penalty = dg.ridge(x, y)
    other = Ridge(alpha=penalty, fit_intercept=False).fit(np.c_[x, np.ones(80)], y)
    np.testing.assert_allclose(weights, other.coef_.T, atol=1e-10)
    # the leave-one-out error by leaving one out
    errors = []
    for p in 10.0 ** np.arange(-2, 3, 0.5):
        left = [
            Ridge(alpha=p, fit_intercept=False)
            .fit(np.delete(np.c_[x, np.ones(80)], i, 0), np.delete(y, i, 0))
            .predict(np.c_[x, np.ones(80)][i : i + 1])[0]
            for i in range(80)
        ]
        errors.append(np.mean((y - left) ** 2))
    assert penalty == pytest.approx(10.0 ** np.arange(-2, 3, 0.5)[np.argmin(errors)])


@pytest.mark.parametrize("target", ["float64", "lava", "loihi1"])
def test_spikes_classify_as_well_as_the_readout(dg, digits, target):
    share = dg.accuracy(digits, dg.simulate(digits, target, "native"))
    n = len(digits.labels)
    error = np.sqrt(digits.linear_accuracy * (1 - digits.linear_accuracy) / n)
    assert abs(share - digits.linear_accuracy) < 3 * error


def test_noise_costs_accuracy_and_seeds_differ(dg, digits):
    quiet = dg.simulate(digits, "loihi1", "native")
    loud = [dg.simulate(digits, "loihi1", "native", level="high", seed=s) for s in (0, 0, 1)]
    assert dg.accuracy(digits, loud[0]) < dg.accuracy(digits, quiet) - 0.05
    steps = [r.spikes("digits").step for r in loud]
    assert np.array_equal(steps[0], steps[1]) and not np.array_equal(steps[0], steps[2])


@pytest.mark.parametrize("engine", ["reference", "torch", "lava"])
@pytest.mark.parametrize("target", ["lava", "loihi1"])
def test_fixed_point_is_the_same_on_every_engine(dg, digits, engine, target):
    want, got = (dg.simulate(digits, target, e, images=8).spikes("digits")
                 for e in ("native", engine))  # fmt: skip
    assert len(want) > 100
    for name in ("trial", "step", "element"):
        assert np.array_equal(getattr(want, name), getattr(got, name))
