"""The example of a dense layer: its spikes are those of the recursion."""

import importlib.util
import math
from pathlib import Path

import numpy as np

PATH = Path(__file__).parents[2] / "examples" / "dense_layer.py"


def test_spikes_are_those_of_the_recursion():
    spec = importlib.util.spec_from_file_location("dense_layer_example", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.main(n=32, steps=60, samples=4)
    rng = np.random.default_rng(0)
    w = rng.uniform(-1, 1, (32, 32)) / math.sqrt(32)
    x = rng.uniform(0, 1, (60, 4, 32)).astype(np.float32).astype(float)
    v, spikes = np.zeros((4, 32)), 0
    for t in range(60):
        v = 0.9 * v + x[t] @ w.T
        assert np.abs(v - 1).min() > 1e-12  # no tie that rounding could decide
        spikes += (v > 1).sum()
        v[v > 1] = 0
    assert found["float64"] == spikes > 100
    assert abs(found["float32"] - spikes) <= spikes / 100 and found["snntorch"] == found["float32"]
