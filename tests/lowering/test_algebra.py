"""Symbols: folding, derivatives against finite differences, nodes against numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurohw.backend import compile_program, simulate
from neurohw.lowering.algebra import Const, Expr, constant, leaf, slope
from neurohw.lowering.emitter import Emitter
from neurohw.network import maths
from neurohw.program import F64, Builder, Probe, Program
from neurohw.reference import ReferenceBackend

FUNCTIONS = {
    "polynomial": lambda x: 3.0 * x * x - x / 4.0 + 2.0,
    "power": lambda x: x**4,
    "quotient": lambda x: (1.0 - x) / (x + 3.0),
    "exp": lambda x: maths.exp(-x * 2.0) * x,
    "expm1": lambda x: maths.expm1(x * 0.5),
    "exprel": lambda x: maths.exprel(x * -0.1),
    "log": lambda x: maths.log(x + 5.0),
    "sqrt": lambda x: maths.sqrt(x * x + 1.0),
    "clip": lambda x: maths.minimum(maths.maximum(x, -0.25), 0.5) * x,
    "where": lambda x: maths.where(x > 0.1, x * x, -x),
    "neg": lambda x: -(2.0 - x),
}
AT = np.array([-1.3, -0.2, 0.05, 0.3, 1.7])


def run(expressions: dict[str, Any]) -> dict[str, np.ndarray]:
    """Evaluate expressions of one leaf x at AT by a program of one step on the reference."""
    b = Builder("N", len(AT))
    emit = Emitter(b, F64)
    x = leaf("x", b.state("x", F64, AT))
    for name, make in expressions.items():
        b.state(name, F64, 0.0)
        b.write(name, emit.value(make(x)), name=name)
    program = Program(
        "p", populations=(b.build(),), probes=tuple(Probe("N", n) for n in expressions)
    )
    _, probes = simulate(compile_program(ReferenceBackend(), program), program, 1)
    return {k.split(".")[1]: v[0, 0] for k, v in probes.traces.items()}


def test_nodes_compute_what_numbers_do() -> None:
    found = run(FUNCTIONS)
    for name, f in FUNCTIONS.items():
        # constants may be folded in another order: a few roundings of binary64
        np.testing.assert_allclose(found[name], f(AT), rtol=8 * 2.0**-52, atol=1e-15, err_msg=name)


def test_slopes_are_derivatives() -> None:
    found = run({n: (lambda x, f=f: slope(constant(f(x)), x)) for n, f in FUNCTIONS.items()})
    h = 1e-6
    for name, f in FUNCTIONS.items():
        numeric = (f(AT + h) - f(AT - h)) / (2 * h)
        # central difference: error h^2 f''' / 6 and rounding eps / h, both below 1e-9 here
        np.testing.assert_allclose(found[name], numeric, rtol=2e-9, atol=2e-9, err_msg=name)


def test_constants_fold_and_units_vanish() -> None:
    x = leaf("x")
    assert isinstance(constant(2.0) * 3.0 + 1.0, Const)
    assert (x + 0.0) is x and (0.0 + x) is x and (x - 0.0) is x and (1.0 * x) is x
    assert isinstance(x * 0.0, Const) and isinstance(0.0 / (x + 1.0), Const)
    twice = 2.0 * (3.0 * x)
    assert twice.args[0].data == 6.0 and twice.args[1] is x  # type: ignore[attr-defined]
    linear = slope((2.0 * (5.0 - x) + leaf("I")) / 4.0, x)
    assert isinstance(linear, Const) and linear.data == -0.5
    assert not isinstance(slope(x * x, x), Const)


def test_arrays_are_data_and_each_node_is_made_once() -> None:
    b = Builder("N", 3)
    emit = Emitter(b, F64)
    x = leaf("x", b.state("x", F64, 0.0))
    k = np.array([1.0, 2.0, 3.0])
    e: Expr = k * x
    assert emit.value(e) is emit.value(e)
    emit.value(maths.exp(e) + k)
    built = b.build()
    assert len(built.params) == 1 and sum(n.op == "mul" for n in built.nodes) == 1


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda x: 1 if x > 0 else 2, "cannot branch"),
        (lambda x: x**0.5, "positive integer"),
    ],
)
def test_what_a_model_may_not_do(act: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        act(leaf("x"))
