"""``neurohw.run`` and ``neurohw.compare``, called from Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurohw as nh


def driven(synapse: str = "3 nA") -> nh.Network:
    net = nh.Network("driven")
    net.driver("x", nh.SpikeArray(size=2))
    net.population("n", nh.LIF(size=3, C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-60 mV"))
    net.connect("x", "n", nh.Exponential(weight=synapse, tau="5 ms"), delay="1 ms")
    return net


SETTING: dict[str, Any] = dict(dt="1 ms", steps=50, backend="reference")


def test_inputs_of_every_trial_and_of_each() -> None:
    same = np.zeros((50, 2), bool)
    same[5] = True
    rec = nh.run(driven(), inputs={"x": same}, trials=3, **SETTING)
    assert set(rec.populations) == {"x", "n"}  # all spikes, though nothing is probed
    assert len(rec.spikes("x")) == 6
    assert len(rec.spikes("n")) > 0
    each = np.zeros((50, 3, 2), bool)
    each[5, 1] = True
    rec = nh.run(driven(), inputs={"x": each}, trials=3, **SETTING)
    assert set(rec.spikes("n").trial) == {1}


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(nh.ProgramError, match=r"inputs\['y'\]: takes no input.*allowed: x"):
        nh.run(driven(), inputs={"y": np.zeros((50, 2))}, **SETTING)
    with pytest.raises(nh.ProgramError, match=r"inputs\['x'\]: not one row per step.*\[50, size\]"):
        nh.run(driven(), inputs={"x": np.zeros((49, 2))}, **SETTING)
    with pytest.raises(nh.ProgramError, match=r"x\.spikes: input has the wrong shape"):
        nh.run(driven(), inputs={"x": np.zeros((50, 3))}, **SETTING)


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    nh.run(driven(), progress=lambda done, steps: seen.append((done, steps)), **SETTING)
    assert seen[-1] == (50, 50)


def test_errors_point_at_the_call() -> None:
    with pytest.raises(nh.UnitError, match=r"test_run\.py:\d+: .*duration: wrong unit"):
        nh.run(driven(), duration="1 mV")


def test_compare_lowers_once_and_lists_what_cannot_run() -> None:
    inputs = {"x": np.ones((50, 2), bool)}
    net = driven()
    net.population(
        "m",
        nh.LIF(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-60 mV"),
        noise=[nh.MultiplicativeNoise(sigma="0.1 nS*s**0.5")],
    )
    labels: list[str] = []
    found = nh.compare(
        net,
        backends=["reference", "native"],
        targets=["float64", "loihi1", "lava"],
        dt="1 ms",
        steps=50,
        inputs=inputs,
        progress=lambda label, done, steps: labels.append(label),
    )
    assert found.ok
    assert [e.label for e in found.entries] == [
        "reference/float64",
        "native/float64",
        "reference/lava",
        "native/lava",
    ]
    assert [(s.backend, s.target) for s in found.skipped] == [("all", "loihi1")]
    assert "multiplicative noise" in found.skipped[0].reason
    assert set(found.reports) == {"float64", "lava"}
    assert set(labels) == {e.label for e in found.entries}


def test_compare_refuses_what_it_was_given_by_name() -> None:
    with pytest.raises(nh.BackendError, match="did you mean native"):
        nh.compare(driven(), backends=["reference", "nativ"], dt="1 ms", steps=5)
    with pytest.raises(nh.TargetError, match="did you mean loihi1"):
        nh.compare(driven(), backends=["reference"], targets=["lohi1"], dt="1 ms", steps=5)
