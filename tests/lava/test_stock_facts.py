"""What Lava's stock fixed-point processes compute, as known answers from Lava's own runtime.

The lowering to stock LIF, Dense, DelayDense and Sparse rests on these. The expected numbers are
worked out by hand from the rule in each test's name.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("lava") is None:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from neurohw_lava.shim import import_lava, quiet

import_lava()

from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.dense.process import DelayDense, Dense  # noqa: E402
from lava.proc.io.source import RingBuffer  # noqa: E402
from lava.proc.lif.models import (  # noqa: E402
    PyLifModelBitAcc,
    PyLifModelFloat,
    PyLifRefractoryModelFloat,
)
from lava.proc.lif.process import LIF, LIFRefractory  # noqa: E402
from lava.proc.sparse.process import Sparse  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402

from neurohw_lava.record import Block, recording  # noqa: E402
from neurohw_lava.session import LavaSession  # noqa: E402

pytestmark = pytest.mark.lava

MODELS = {LIF: recording(PyLifModelBitAcc)}
FLOAT_MODELS = {
    LIF: recording(PyLifModelFloat),
    LIFRefractory: recording(PyLifRefractoryModelFloat),
}


def run(lif: Any, steps: int, *, tag: str = "fixed_pt") -> dict[str, np.ndarray]:
    """u, v and s of `lif` at the end of each step, [time][neuron]."""
    shape = (steps, *lif.s_out.shape)
    models = FLOAT_MODELS if tag == "floating_pt" else MODELS
    config = Loihi2SimCfg(select_tag=tag, exception_proc_model_map=models)
    number = np.float64 if tag == "floating_pt" else np.int64
    with (
        Block(shape, number) as u,
        Block(shape, number) as v,
        Block(shape, np.int64) as s,
        LavaSession(lif, config) as session,
    ):
        lif.proc_params["record"] = {"u": u, "v": v, "s": s}
        session.run(steps)
        return {name: np.array(block.array) for name, block in {"u": u, "v": v, "s": s}.items()}


def network(
    spikes: Any, connection: Any, *, loop: Any = None, neuron: Any = LIF, **parameters: Any
) -> Any:
    """RingBuffer -> connection -> LIF, and a connection of the LIF to itself if given."""
    count = connection.a_out.shape[0]
    with quiet():
        # du = 4095 decays the current fully in each step, so that u is this step's input
        lif = neuron(**{"shape": (count,), "du": 4095, "dv": 0, "vth": 2**17 - 1} | parameters)
        source = RingBuffer(data=np.asarray(spikes))
        source.s_out.connect(connection.s_in)
        connection.a_out.connect(lif.a_in)
        if loop is not None:
            lif.s_out.connect(loop.s_in)
            loop.a_out.connect(lif.a_in)
    return lif


def quantised(kind: str, weights: list[int], **options: Any) -> list[int]:
    """What each weight adds to u when its own input spikes, without the six bits of alignment."""
    column = np.array([weights]).T
    with quiet():
        dense = Dense(weights=column, **options)
        if kind == "delay":
            dense = DelayDense(weights=column, delays=0, **options)
        elif kind == "sparse":
            dense = Sparse(weights=csr_matrix(column), **options)
    u = run(network([[1, 0]], dense), 2)["u"]
    assert not u[0].any()  # sent in step t, added in step t + 1
    return (u[1] // 64).tolist()


@pytest.mark.parametrize("kind", ["dense", "delay", "sparse"])
def test_weights_are_clipped_then_floored_to_even_when_mixed(kind: str) -> None:
    assert quantised(kind, [-300, -255, -3, -1, 1, 3, 255, 300]) == [
        *(-256, -256, -4, -2, 0, 2, 254, 254)
    ]
    assert quantised(kind, [0, 1, 255, 300]) == [0, 1, 255, 255]
    assert quantised(kind, [0, -1, -255, -300]) == [0, -1, -255, -255]
    assert quantised(kind, [-7, 7], num_weight_bits=6) == [-8, 0]
    assert quantised(kind, [7, 9], num_weight_bits=6) == [4, 8]
    assert quantised(kind, [-7, -9], num_weight_bits=6) == [-4, -8]  # towards zero


def test_negative_exponent_floors_the_sum_and_delay_the_sum_of_each_delay() -> None:
    spikes = np.zeros((3, 4), dtype=int)
    spikes[:, 0] = 1
    weights = np.array([[2, 2, 2], [-2, -2, -2]])
    with quiet():
        dense = Dense(weights=weights, weight_exp=-2)
        delay = DelayDense(weights=weights, delays=np.array([[0, 0, 1]] * 2), weight_exp=-2)
    assert (run(network(spikes, dense), 4)["u"] // 64).tolist() == [[0, 0], [1, -2], [0, 0], [0, 0]]
    # 4 >> 2 and 2 >> 2; -4 >> 2 and -2 >> 2
    assert (run(network(spikes, delay), 4)["u"] // 64).tolist() == [
        [0, 0],
        [1, -1],
        [0, -1],
        [0, 0],
    ]


def test_input_is_not_cut_to_int16_but_wraps_at_int32_twice() -> None:
    # 255 << e, int32 on the port, << 6 in int32, then one correction by 2**24
    for exponent, expected in (
        (8, 65280 << 6),
        (17, (33423360 << 6) - 2**24),
        (24, -(2**30) + 2**24),
        (25, -(2**31) + 2**24),
    ):
        with quiet():
            dense = Dense(weights=np.array([[255]]), weight_exp=exponent)
        assert run(network([[1, 0]], dense), 2)["u"][1, 0] == expected


def test_current_wraps_once_and_keeps_plus_two_to_the_23() -> None:
    m = 2**23
    start = [m, m + 1, m - 1, -m, -m + 1, -m - 1, 3 * m + 5, -3 * m - 5]
    with quiet():
        # du = -1 leaves u undecayed, as no register value does
        lif = LIF(shape=(8,), u=start, du=-1, dv=4095, vth=2**17 - 1)
    assert run(lif, 1)["u"].tolist() == [
        [m, -m + 1, m - 1, m, -m + 1, m - 1, m + 5, -m - 5]  # one correction, so u may stay beyond
    ]


def test_decay_is_towards_zero_and_current_has_an_offset_of_one() -> None:
    with quiet():
        lif = LIF(shape=(4,), u=[7, -7, 0, 0], v=[0, 0, 7, -7], du=2047, dv=2048, vth=2**17 - 1)
    out = run(lif, 1)
    assert out["u"].tolist() == [[3, -3, 0, 0]]
    assert out["v"].tolist() == [[3, -3, 3, -3]]  # the voltage sees the new current


def test_voltage_saturates_and_wraps_at_int32_before_that() -> None:
    m = 2**23
    with quiet():
        lif = LIF(
            shape=(4,), v=[m, -m, 2**31 - 1, -(2**31)], bias_mant=[0, 0, 1, -1], vth=2**17 - 1
        )
    # the threshold, (2**17 - 1) << 6, is below the greatest v, so that one spikes
    assert run(lif, 1)["v"].tolist() == [[0, -m + 1, -m + 1, 0]]


def test_threshold_is_strict_and_bias_shifts_both_ways() -> None:
    with quiet():
        lif = LIF(
            shape=(5,),
            vth=1,
            bias_mant=[64, 65, 4095, -4096, -5],
            bias_exp=[0, 0, 7, 7, -1],
        )
    out = run(lif, 1)
    assert out["s"].tolist() == [[0, 1, 1, 0, 0]]
    assert out["v"].tolist() == [[64, 0, 0, -4096 << 7, -3]]


def test_spikes_arrive_one_step_and_delay_later() -> None:
    spikes = np.zeros((4, 6), dtype=int)
    spikes[:, 1] = 1  # step 2
    with quiet():
        delay = DelayDense(weights=np.array([[1, 2, 4, 8]]), delays=np.array([[0, 1, 3, 3]]))
    assert (run(network(spikes, delay), 6)["u"][:, 0] // 64).tolist() == [0, 0, 1, 2, 0, 12]


def test_loop_and_several_connections_add_up() -> None:
    with quiet():
        loop = Dense(weights=np.array([[3]]))
        lif = network(np.ones((1, 1), dtype=int), Dense(weights=np.array([[2]])), loop=loop, vth=0)
    out = run(lif, 3)
    assert out["s"][:, 0].tolist() == [0, 1, 1]
    assert (out["u"][:, 0] // 64).tolist() == [0, 2, 5]


def test_float_orders_of_addition() -> None:
    u0, v0, du, dv, bias, weight = 0.1, 0.3, 0.07, 0.013, 0.7, 0.2
    for neuron in (LIF, LIFRefractory):
        extra = {} if neuron is LIF else {"refractory_period": 3}
        with quiet():
            dense = Dense(weights=np.array([[weight]]))
            lif = network([[1.0]], dense, neuron=neuron, u=u0, v=v0, du=du, dv=dv, vth=50.0,
                          bias_mant=bias, **extra)  # fmt: skip
        u, v, expected = u0, v0, []
        for step in range(8):
            u = u * (1 - du)
            u = u + (weight if step else 0.0)
            v = (v * (1 - dv) + u) + bias if neuron is LIF else v * (1 - dv) + (u + bias)
            expected.append((u, v))
        out = run(lif, 8, tag="floating_pt")
        assert list(zip(out["u"][:, 0], out["v"][:, 0], strict=True)) == expected


def test_float_refractory_holds_v_at_zero_for_its_period() -> None:
    with quiet():
        lif = LIFRefractory(shape=(1,), vth=0.5, bias_mant=1.0, refractory_period=3)
    assert run(lif, 9, tag="floating_pt")["s"][:, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
