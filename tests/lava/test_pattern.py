"""What the ``lava`` backend takes for a stock process, and what not; runs without Lava."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurohw.program import Program
from neurohw_lava.pattern import Neuron, recognise
from neurohw_lava.plan import Plan, make_plan

_spec = importlib.util.spec_from_file_location("generate", Path(__file__).with_name("generate.py"))
assert _spec is not None and _spec.loader is not None
generate = sys.modules["generate"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)
chip = generate.chip


def neuron(program: Program) -> Neuron | str:
    return recognise(program.population("N"))


def test_registers() -> None:
    found = neuron(chip())
    assert isinstance(found, Neuron)
    assert (found.du, found.dv, found.vth) == (1095, 96, 10)
    assert (int(found.bias), int(found.bias_exp)) == (24, 0)
    wide = neuron(chip(bias=np.array([4095 << 7, -3])))
    assert isinstance(wide, Neuron)
    assert (wide.bias << wide.bias_exp).tolist() == [4095 << 7, -3]


@pytest.mark.parametrize(
    "changes",
    [
        {"keep_u": 4096},
        {"keep_u": np.array([1, 2])},
        {"keep_v": 0},
        {"threshold": 641},
        {"threshold": -64},
        {"threshold": np.array([64, 128])},
        {"bias": (1 << 22) + 1},
        {"v_high": 100},
        {"v_low": -(2**23)},
    ],
)
def test_beyond_the_registers(changes: dict[str, Any]) -> None:
    assert isinstance(neuron(chip(**changes)), str)


def test_another_node_is_not_taken_for_lavas() -> None:
    q = chip().population("N")
    swapped = {
        ("gt", "bool"): "ge", ("le", "bool"): "lt", ("max", "i32"): "min", ("min", "i24"): "max"
    }  # fmt: skip
    count = 0
    for i, node in enumerate(q.nodes):
        changed = []
        if (op := swapped.get((node.op, str(node.dtype)))) is not None:
            changed.append(replace(node, op=op))
        if node.attrs.get("rounding"):
            changed.append(replace(node, attrs={**node.attrs, "rounding": "half_even"}))
        if node.attrs.get("overflow") == "wrap":
            changed.append(replace(node, attrs={**node.attrs, "overflow": "saturate"}))
        if node.op == "const" and node.attrs["value"] in (2**24, 2**23, -(2**23), 0):
            changed.append(replace(node, attrs={"value": node.attrs["value"] + 1}))
        for new in changed:
            count += 1
            nodes = (*q.nodes[:i], new, *q.nodes[i + 1 :])
            assert isinstance(recognise(replace(q, nodes=nodes)), str), new
    assert count >= 15


def test_relay_between_neurons_or_delay_zero_is_not_stock() -> None:
    p = chip()
    assert isinstance(make_plan(replace(p, edges=(replace(p.edges[0], delay=0),))), str)
    assert isinstance(make_plan(replace(p, edges=(replace(p.edges[0], delay=65),))), str)
    assert isinstance(make_plan(replace(p, edges=(replace(p.edges[0], delay=64),))), Plan)
