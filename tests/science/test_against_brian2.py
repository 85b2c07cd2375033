"""neurohw against Brian 2's golden files: the same spikes, the rest up to rounding."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import oracles_brian2 as oracle

NAMES = ("hh", "conductance", "network")


@pytest.mark.parametrize("method", oracle.METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_same_as_brian2(name, method):
    rows = list(oracle.compare(name, oracle.Golden(name), method))
    assert not [str(row) for row in rows if not row.ok]
    assert rows[0].expected > 40  # spikes
    assert len(rows) >= 2


@pytest.mark.parametrize("name", ["conductance", "network"])
def test_another_delay_is_noticed(name):
    rows = list(oracle.compare(name, oracle.Golden(name), "euler", later=0))
    assert not any(row.ok for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_origin_is_recorded(name):
    gold = oracle.Golden(name)
    assert {"brian2", "numpy", "python", "command", "date", "seed"} <= set(gold.origin)
    assert gold.found["euler"]["v"].shape == gold.found["exponential"]["v"].shape
