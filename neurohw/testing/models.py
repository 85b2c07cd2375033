"""Every neuron model by every method, lowered at random: programs as users make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.lowering import lower
from neurohw.network import (
    IF,
    LIF,
    AdditiveNoise,
    AdEx,
    Conductance,
    Delta,
    Exponential,
    HodgkinHuxley,
    Izhikevich,
    MultiplicativeNoise,
    Network,
    Neuron,
    Poisson,
    PooledPoisson,
)
from neurohw.testing.cases import Case

__all__ = ["MODELS", "model_case", "model_programs"]

Draw = Any
METHODS = ("euler", "exponential")


def _lif(size: int, current: Any) -> Neuron:
    return LIF(size=size, C="0.5 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV", t_ref="2 ms",
               t_ref_sigma="1 ms", I_bias=current)  # fmt: skip


MODELS: Mapping[str, Callable[[int, Any], Neuron]] = {
    "lif": _lif,
    "if": lambda size, current: IF(size=size, C="0.5 nF", V_th="20 mV", I_bias=current),
    "hodgkin_huxley": lambda size, current: HodgkinHuxley(size=size, I_bias=current * 1e4),
    "adex": lambda size, current: AdEx(
        size=size, C="200 pF", g_L="10 nS", E_L="-70 mV", V_T="-50 mV", V_reset="-58 mV",
        tau_w="30 ms", a="2 nS", b="60 pA", t_ref="1 ms", I_bias=current,
    ),
    "izhikevich": lambda size, current: Izhikevich(
        size=size, C="100 pF", k="0.7 nS/mV", V_r="-60 mV", V_t="-40 mV", V_peak="35 mV",
        V_reset="-50 mV", a="30 Hz", b="-2 nS", d="100 pA", I_bias=current,
    ),
}  # fmt: skip
"""Model by its name in TOML -> neurons of (size, constant current in A)."""
PRODUCTS = ("lif", "if", "izhikevich")
"""Those whose equations are products of states."""
_HH_STEP = 2e-5
_SYNAPSES: tuple[Callable[[Any], Any], ...] = (
    lambda w: Delta(weight=w * 1e-3),
    lambda w: Exponential(weight=w * 1e-9, tau="5 ms"),
    lambda w: Conductance(weight=abs(w) * 20e-9, tau="2 ms", E_rev="0 mV", receptor="E"),
    lambda w: Conductance(weight=abs(w) * 20e-9, tau="5 ms", E_rev="-80 mV", receptor="I"),
)
_NOISE: tuple[Callable[[], Any], ...] = (
    lambda: AdditiveNoise(sigma="4 pA*s**0.5"),
    lambda: AdditiveNoise(sigma="0.2 nA", convention="per_step"),
    lambda: MultiplicativeNoise(sigma="2 pA/mV*ms**0.5"),
    lambda: MultiplicativeNoise(sigma="0.1 nS", convention="per_step"),
)


def model_case(
    kind: str,
    method: str,
    *,
    target: str = "float64",
    size: int = 3,
    trials: int = 2,
    steps: int = 30,
    seed: int = 0,
    synapses: tuple[int, ...] = (2, 3),
    noise: tuple[int, ...] = (0,),
    pooled: int = 0,
) -> Case:
    """A recurrent population of one model with Poisson input, lowered; see ``MODELS``.

    With ``pooled``, each source is a pool of so many trains.
    """
    rng = np.random.default_rng(seed)
    scale = 1e4 if kind == "hodgkin_huxley" else 1.0  # of its membrane against a cell's
    net = Network("models")
    if pooled:
        net.driver("x", PooledPoisson(size=4, trains=pooled, rate="40 Hz"))
        net.probe("x", "count")
    else:
        net.driver("x", Poisson(size=4, rate="400 Hz"))
    net.population(
        "n", MODELS[kind](size, rng.uniform(0.2e-9, 1.5e-9, size)),
        noise=[_NOISE[k]() for k in noise],
    )  # fmt: skip
    for k in dict.fromkeys(synapses):
        weight = rng.normal(0, 1, (size, 4))
        net.connect("x", "n", _SYNAPSES[k](weight * (scale if k else 1.0)), delay_steps=int(k))
        net.connect("n", "n", _SYNAPSES[k](rng.normal(0, 1, (size, size))), delay_steps=3)
    net.probe("n", "v", *tuple(net["n"].model.states)[1:])  # type: ignore[union-attr]
    dt = _HH_STEP if kind == "hodgkin_huxley" else 1e-4
    program = lower(net, target, dt=dt, method=method, seed=seed, trials=trials).program
    return Case(f"models:{kind} {method}", program, steps)


@st.composite
def model_programs(draw: Draw, *, max_steps: int = 40) -> Case:
    """Any model, by any method, on any float target, with synapses and noise of all kinds.

    Or, by Euler, one whose equations are products in the integers of ``loihi2``.
    """
    target = draw(st.sampled_from(["float64", "float32", "bfloat16", "loihi2"]))
    whole = target == "loihi2"
    return model_case(
        draw(st.sampled_from(PRODUCTS if whole else sorted(MODELS))),
        "euler" if whole else draw(st.sampled_from(METHODS)),
        target=target,
        size=draw(st.integers(1, 5)),
        trials=draw(st.integers(1, 3)),
        steps=draw(st.integers(2, max_steps)),
        seed=draw(st.integers(0, 2**32 - 1)),
        synapses=tuple(draw(st.lists(st.integers(0, 3), max_size=2))),
        noise=tuple(draw(st.lists(st.integers(0, 3), max_size=1))),
        pooled=draw(st.sampled_from([0, 0, 1, 30])),
    )
