"""Directed cases of chips whose rules are not those of Loihi: words are pushed over both ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurohw.lowering.chip import ChipInput, ChipLIF, chip_population
from neurohw.lowering.common import Period
from neurohw.program import Builder, Dense, Int, Weights, freeze
from neurohw.targets import load_target
from neurohw.testing.cases import Case
from neurohw.testing.chip import starting
from neurohw.testing.directed_edges import case

__all__ = ["chip_cases"]

LOW, HIGH = -(2**15), 2**15 - 1


def _source() -> Any:
    s = Builder("S", 3)
    given = s.name_value(s.external("count", Int(5, False)), "count")
    s.spike(s.compare("gt", given, s.const(0, Int(5, False))))
    return s.build()


def _inputs(top: int) -> dict[str, np.ndarray]:
    """One source after the other, then together, then nothing."""
    t = np.arange(40)[:, None]
    alone = (t // 4 % 3 == np.arange(3)) & (t < 24)
    return {"S.count": np.where(alone | ((t >= 24) & (t < 30)), top, 0).astype(np.int32)}


def _weights(data: Any, word: Int) -> Weights:
    return Dense(word, freeze(np.array(data), word))


def _case(label: str, target: str, chip: dict[str, Any], top: int = 1, **init: Any) -> Case:
    q, edges, watches = chip_population(ChipLIF(name="A", size=4, **chip), load_target(target))
    return case(label, _source(), starting(q, **init), edges=edges, watches=watches,
                inputs=_inputs(top), trials=2, steps=40)  # fmt: skip


def xylo() -> Case:
    """Shifts of 0 to 15, two currents, sums that saturate, up to 31 spikes that are carried."""
    word = Int(16)
    data = [[16256, -16384, 5], [-16384, -128, -1], [16256, 16256, 1], [7, -7, 16256]]
    inputs = tuple(
        ChipInput("S", _weights(np.array(data) // (1 + 2 * k), word), 0, value="count", current=k)
        for k in (0, 1)
    )  # fmt: skip
    back = ChipInput("A", _weights(np.diag([-3, 3, 5, 1]), word), 1, value="count")
    chip = dict(
        keep_u=(2**15 >> np.array([0, 1, 15, 3]), 2**15 >> np.array([15, 2, 4, 0])),
        keep_v=2**15 >> np.array([0, 15, 1, 4]), threshold=np.array([1, 900, HIGH, 77]),
        bias=np.array([-300, 300, HIGH, LOW]), kind="subtract", most=31, inputs=(*inputs, back),
    )  # fmt: skip
    return _case("chip_xylo", "xylo", chip, 15, u0=[LOW, HIGH, -1, 1], v=[HIGH, LOW, 0, 1])


def spinnaker() -> Case:
    """32-bit sums that wrap, products that saturate, ring buffers at 0xFFFF, halves up."""
    word, end = Int(16, False), 2**31 - 1
    up = [[0xFFFF, 0xFFFF, 1], [3, 0, 0xFFFF], [1, 1, 1], [0, 0x8000, 0x8000]]
    chip = dict(
        keep_u=(2**32 - 1, 3516421809), shares=(3892727430, 2**32 - 1), shifts=(15, 3),
        signs=(1, -1), keep_v=np.array([0, 16384, 31170, 32768]),
        resistance=np.array([end, 655360, 1, -(2**20)]), rest=np.array([end, -2129920, 0, -end]),
        bias=np.array([end, -1, 16384, 5]), threshold=np.array([end, -1638400, 3, 2**30]),
        reset=np.array([-end - 1, -2129920, 0, 2**29]), period=Period(np.array(2), None, 0, 6),
        inputs=(ChipInput("S", _weights(up, word), 1, current=0),
                ChipInput("S", _weights(np.array(up)[::-1], word), 2, current=1)),
    )  # fmt: skip
    return _case("chip_spinnaker", "spinnaker", chip, u0=[end, -end - 1, -1, 1],
                 v=[end, -end - 1, -1, 1])  # fmt: skip


def speck() -> Case:
    """A lower limit, any number of spikes, reset to zero of half of them."""
    data = [[127, -128, 1], [127, 127, 127], [-128, -128, -128], [5, -5, 127]]
    chip = dict(keep_u=0, keep_v=4096, threshold=np.array([1, 3, 500, HIGH]), v_low=-300, most=HIGH,
                kind="to", bias=np.array([-1, 0, 2, 127]),
                inputs=(ChipInput("S", _weights(data, Int(8)), 0, value="count"),))  # fmt: skip
    return _case("chip_speck", "speck", chip, 31, v=[HIGH, 2, -299, HIGH - 1])


def odin() -> Case:
    """A word without sign, clipped after each of two sums; more than one event."""
    data = [[7, -7, 1], [7, 7, 7], [-7, -7, -7], [3, -1, 0]]
    chip = dict(keep_u=0, keep_v=4096, threshold=np.array([255, 255, 9, 1]),
                bias=-np.array([0, 1, 127, 2]),
                inputs=(ChipInput("S", _weights(data, Int(4)), 0),))  # fmt: skip
    return _case("chip_odin", "odin", chip, v=[254, 250, 8, 0])


def truenorth() -> Case:
    """20 bits clipped at both ends, two's complement; a spike that resets nothing."""
    data = [[255, -256, 255], [255, 255, 255], [-256, -256, -256], [1, -1, 1]]
    chip = dict(keep_u=0, keep_v=4096, threshold=np.array([2**18 - 1, 1, 1, 1]), kind="none",
                bias=np.array([255, 255, -255, 0]),
                inputs=(ChipInput("S", _weights(data, Int(9)), 1),))  # fmt: skip
    return _case("chip_truenorth", "truenorth", chip, v=[0, 2**19 - 300, 300 - 2**19, -1])


def chip_cases() -> tuple[Case, ...]:
    """One of each."""
    return xylo(), spinnaker(), speck(), odin(), truenorth()
