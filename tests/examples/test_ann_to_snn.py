"""The example of a trained network: what it prints is what the documentation says."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
PATH = Path(__file__).parents[2] / "examples" / "ann_to_snn.py"


def test_most_digits_are_the_same():
    spec = importlib.util.spec_from_file_location("ann_to_snn", PATH)
    example = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = example
    spec.loader.exec_module(example)
    found = example.main(images=40)
    for rows in found.values():
        assert rows["right"][0] > 0.85
        for target in ("float32", "loihi2", "loihi1"):
            assert len(rows[target]) == 3 and rows[target][-1] >= 0.95
