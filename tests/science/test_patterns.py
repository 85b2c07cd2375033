"""Firing patterns: the criteria look at the neurons, and other parameters change the verdict."""

from __future__ import annotations

import pytest

from neurohw.science import patterns


def test_known_patterns_hold_and_a_changed_neuron_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = patterns.simulate(1, 1, lambda *_: None)
    found = {c.id: c.find(runs) for c in patterns.CLAIMS}
    assert {f.verdict for f in found.values()} == {"holds"}
    swapped = dict(zip(patterns.ADEX, reversed(patterns.ADEX.values()), strict=True))
    monkeypatch.setattr(patterns, "ADEX", swapped)
    again = patterns.simulate(1, 1, lambda *_: None)
    verdicts = [c.find(again).verdict for c in patterns.CLAIMS if c.id.startswith("adex")]
    assert verdicts.count("does not hold") >= 5
