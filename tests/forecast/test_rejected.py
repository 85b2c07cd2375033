"""What lowering rejected: each reason is checked by making that choice."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import neurohw as nh
from neurohw.forecast import forecast
from neurohw.lowering import lower
from neurohw.lowering.scale import least_exponent, weight_field
from neurohw.targets import load_target

DT = 1e-3


def network(largest: float = 1e-3) -> nh.Network:
    rng = np.random.default_rng(2)
    net = nh.Network("rejected")
    net.driver("in", nh.Poisson(size=30, rate=50.0))
    net.population("n", nh.LIF(size=5, C=1e-3, tau=20e-3, E_L=0.0, V_th=1.0, I_bias=1e-2))
    weight = largest * 10 ** -(3 * rng.random((5, 30)))
    net.connect("in", "n", nh.Exponential(weight=weight, tau=5e-3), delay=DT)
    return net


@pytest.mark.parametrize("largest", [1e-3, 0.1, 1e3])
@pytest.mark.parametrize("target", ["loihi1", "lava"])
def test_scales(largest: float, target: str) -> None:
    net = network(largest)
    choice = lower(net, target, dt=DT).report.choices["n"]
    assert choice.cause == min(choice.limits, key=lambda k: choice.limits[k])
    assert 0 < choice.scale <= min(choice.limits.values())
    rows = [x for x in forecast(net, target, dt=DT).rejected if x.where == "n.scale"]
    larger = [x for x in rows if "too large" in x.why]
    fields = {x.other.partition("all that ")[2].removesuffix(" allows") for x in larger}
    assert fields == {k for k, v in choice.limits.items() if v > min(choice.limits.values())}
    for x in larger:  # the factor is that of the limit that would be passed
        factor, field = re.findall(r"([\d.e+]+) for ([\w ]+)", x.why)[0]
        assert field == choice.cause
        asked = float(x.other.split("/V")[0])
        assert float(factor) == pytest.approx(asked / choice.limits[field], rel=0.01)
    assert rows[-1].other.endswith("one bit less")


@pytest.mark.parametrize(
    ("target", "largest"), [("loihi1", 1e-3), ("loihi1", 0.05), ("lava", 1e-3)]
)
def test_exponents(target: str, largest: float) -> None:
    net, record = network(largest), load_target(target)
    held = lower(net, target, dt=DT)
    name, scale = net.connections[0].name, held.report.choices["n"].scale
    asked = np.asarray(net.connections[0].weight) * DT / 1e-3  # V per step
    rows = [x for x in forecast(net, target, dt=DT).rejected if x.where == f"{name}.weight"]
    taken = weight_field(asked, scale, record)
    more = weight_field(asked, scale, record, taken.exponent + 1)
    by = {x.other: x.why for x in rows}
    least = least_exponent(record)
    assert {int(k.split()[1]) for k in by} == {
        e for e in (taken.exponent - 1, taken.exponent + 1) if e >= least
    }
    if taken.exponent > least:
        less = weight_field(asked, scale, record, taken.exponent - 1)
        assert less.realised.max() < asked.max()
        clipped = np.count_nonzero(asked > less.realised.max() * (1 + 1e-9))
        assert f"{clipped} of 150 weights do not fit" in by[f"exponent {taken.exponent - 1}"]
    lost = np.count_nonzero(more.mantissa == 0), np.count_nonzero(taken.mantissa == 0)
    assert (
        f"{lost[0]} weights round to 0 instead of {lost[1]}" in by[f"exponent {taken.exponent + 1}"]
    )
    assert lost[0] > lost[1]


def test_floats_choose_nothing_and_all_of_it_is_json() -> None:
    assert not forecast(network(), "float32", dt=DT).rejected
    found = forecast(network(), "loihi1", dt=DT).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False))["rejected"][0]["where"] == "n.scale"
