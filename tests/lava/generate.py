"""Random programs of Lava's kind, with starting states and inputs; used by tests and benchmarks.

Fixed point: nodes from ``lowering.chip`` for the target ``lava``, numbers at and around the edges
of 24 and 32 bits. Float: physical networks lowered to ``lava-float``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.lowering import lower
from neurohw.lowering.chip import ChipInput, ChipLIF, ChipNoise, chip_population
from neurohw.lowering.common import Period
from neurohw.lowering.sources import lower_relay
from neurohw.network import (
    LIF,
    AdditiveNoise,
    Delta,
    Event,
    Exponential,
    Network,
    Poisson,
    Regular,
    Relay,
    SpikeArray,
)
from neurohw.program import (
    Builder,
    Dense,
    Edge,
    Int,
    OneToOne,
    Probe,
    Program,
    RunState,
    Sparse,
    Weights,
    freeze,
    initial_state,
    verify,
)
from neurohw.targets import load_target

Rng = np.random.Generator
TOP = 2**23
EDGES = [0, 1, -1, TOP - 2, TOP - 1, -TOP + 2, -TOP + 1, -TOP]
WIDE = [*EDGES, TOP, TOP + 1, -TOP - 1, 3 * TOP + 5, -3 * TOP - 5, 2**31 - 1, -(2**31)]
TWISTS = ("noise", "period", "arrays", "grid", "threshold", "late")
"""What no stock process computes."""


@dataclass
class Made:
    """A program, what to start it from, and what is in it."""

    program: Program
    state: RunState
    inputs: dict[str, np.ndarray]
    steps: int
    twist: str = ""
    features: set[str] = field(default_factory=set)


def _pick(rng: Rng, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _weights(rng: Rng, sign: str, sources: int, targets: int, kind: str) -> Weights:
    """On Lava's grid, the ends of the range often among them."""
    low, high, step = {"mixed": (-256, 254, 2), "exc": (0, 255, 1), "inh": (-255, 0, 1)}[sign]
    data = rng.integers(low // step, high // step + 1, (targets, sources)) * step
    data = np.where(rng.random(data.shape) < 0.2, rng.choice([low, high, 0], data.shape), data)
    if kind == "dense":
        return Dense(Int(10), freeze(data, Int(10)))
    if kind == "one":
        return OneToOne(Int(10), freeze(data[0], Int(10)))
    mask = rng.random((sources, targets)) < 0.6
    indptr = np.concatenate([[0], mask.sum(axis=1).cumsum()]).astype(np.int64)
    indices = np.nonzero(mask)[1].astype(np.int64)
    return Sparse(Int(10), indptr, indices, freeze(data.T[mask], Int(10)), targets)


def _drivers(rng: Rng, steps: int, trials: int) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Populations E (given from outside), R (regular) and P (Poisson)."""
    n = int(rng.integers(1, 6))
    e = Builder("E", n)
    e.spike(e.external("spikes"))
    inputs = {"E.spikes": rng.random((steps, trials, n)) < _pick(rng, [0.1, 0.5, 0.9])}
    r = Builder("R", 2)
    left = r.state("left", Int(32), rng.integers(0, 5, 2))
    zero = r.compare("le", left, r.const(0, Int(32)))
    again = r.value_or_param("again", Int(32), rng.integers(0, 7, 2))
    down = r.sub(left, r.const(1, Int(2)), Int(32), overflow="saturate")
    r.write("left", r.select(zero, again, down))
    r.spike(zero)
    p = Builder("P", 3)
    p.spike(p.compare("lt", p.word("poisson"), p.const(2**30, Int(34))))
    return [x.build() for x in (e, r, p)][: 1 + int(rng.integers(3))], inputs


def fixed_program(seed: int, *, steps: int = 100, twist: str = "") -> Made:
    """One to three populations with loops; ``twist`` puts in something that stock Lava lacks."""
    rng = np.random.default_rng(seed)
    target, trials = load_target("lava"), int(rng.integers(1, 4))
    populations, inputs = _drivers(rng, steps, trials)
    features = {"Regular": 2, "Poisson": 3}.items()
    features = {name for name, n in features if len(populations) >= n}
    sizes = {q.name: q.size for q in populations}
    names = [f"N{i}" for i in range(int(rng.integers(1, 4)))]
    new = {name: int(rng.integers(1, 7)) for name in names}
    if rng.random() < 0.3:  # a relay between a driver and the neurons
        populations.append(lower_relay("Q", sizes["E"]))
        sizes["Q"] = sizes["E"]
    sizes |= new
    edges: list[Edge] = []
    watches: list[Any] = []
    if "Q" in sizes:
        data = freeze(np.ones((sizes["Q"], sizes["E"]), np.int64), Int(24))
        edges.append(Edge("E", "Q", "in", Dense(Int(24), data), int(rng.integers(0, 3))))
        features.add("relay")
    for name, size in new.items():
        here = twist if name == names[-1] else ""
        wires = []
        for _ in range(int(rng.integers(1, 4))):
            source = _pick(rng, list(sizes))
            sign = _pick(rng, ["mixed", "exc", "inh"])
            kind = _pick(rng, ["dense", "dense", "sparse"] + ["one"] * (sizes[source] == size))
            w = _weights(rng, sign, sizes[source], size, kind)
            exponent = int(_pick(rng, [*range(-8, 8), 0, 6, 7, 15, 20]))
            delay = int(_pick(rng, [1, 1, 1, 2, 3, 64, int(rng.integers(1, 64))]))
            wires.append(ChipInput(source, w, delay, exponent))
            features |= {sign, kind, f"e{np.sign(exponent):+d}", "delay" if delay > 1 else "next"}
        if here == "grid":
            odd = np.full((size, sizes["E"]), 3)
            odd[0, 0] = -3
            wires.append(ChipInput("E", Dense(Int(10), freeze(odd, Int(10))), 1))
        if here == "late":
            w = _weights(rng, "exc", sizes["E"], size, "dense")
            wires.append(ChipInput("E", w, 70))
        threshold: Any = int(_pick(rng, [0, 1, 100, 2**15, 2**17 - 1])) << 6
        period = None
        if here == "arrays" or (here == "threshold" and threshold % 64 == 0):
            threshold = threshold + 1 if here == "threshold" else rng.integers(1, 99, size) << 6
            if here == "arrays" and np.ndim(threshold) and np.all(threshold == threshold[0]):
                threshold = rng.integers(1, 99, (trials, 1)) * 64 + 1
        if here == "period":
            period = Period(np.int64(rng.integers(0, 63)), None, 0, 62)
        noise = (ChipNoise("additive", np.int64(rng.integers(1, 2**15)), 14),)
        mantissa = rng.integers(-(2**12), 2**12, _pick(rng, [(), (size,), (trials, size)]))
        bias = int(rng.integers(2)) * (mantissa << int(rng.integers(0, 8)))
        chip = ChipLIF(
            name=name,
            size=size,
            keep_u=int(_pick(rng, [0, 1, 2048, 4000, 4095])),
            keep_v=int(_pick(rng, [1, 2048, 4000, 4095, 4096])),
            threshold=threshold,
            bias=bias,
            v_init=np.asarray(rng.choice(EDGES, size)),
            period=period,
            inputs=tuple(wires),
            noise=noise if here == "noise" else (),
        )
        q, more, rows = chip_population(chip, target)
        populations.append(q)
        edges += more
        watches += rows
    if rng.random() < 0.5:
        listener = names[0]
        populations.append(lower_relay("OUT", 2))
        w = _weights(rng, "mixed", sizes[listener], 2, "dense")
        edges.append(Edge(listener, "OUT", "in", w, int(rng.integers(0, 4))))
        features.add("relay")
    probes = [Probe(q.name, "spikes", *_pick(rng, [(1, 0), (2, 3)])) for q in populations]
    values = ("u", "v", "v_pre", "u_exact", "v_exact", "input")
    probes += [Probe(n, x, int(rng.integers(1, 4)), int(rng.integers(3)))
               for n in names for x in values]  # fmt: skip
    probes += [Probe(names[0], "v", reduce="moments")]
    program = Program(
        "fixed", "lava", seed=seed, trials=trials, populations=tuple(populations),
        edges=tuple(edges), probes=tuple(probes), watches=tuple(watches),
    )  # fmt: skip
    verify(program)
    return Made(program, _start(rng, program), inputs, steps, twist, features)


def _start(rng: Rng, program: Program) -> RunState:
    """``u`` and ``v`` at the edges of their ranges, and spikes on their way."""
    state = initial_state(program)
    for key, value in state.values.items():
        if key.startswith("N") and key[-1] in "uv" and value.dtype.kind == "i":
            allowed = WIDE if key[-1] == "u" else EDGES
            value[:] = rng.choice(allowed, value.shape)
    for past in state.history.values():
        past[:] = rng.random(past.shape) < 0.3
    return state


def float_program(seed: int, *, steps: int = 100, twist: str = "") -> Made:
    """Networks in physical units, lowered to ``lava-float``; some with a refractory period."""
    rng = np.random.default_rng(seed)
    trials, dt, net = int(rng.integers(1, 3)), 1e-3, Network("float")
    sizes = {"E": int(rng.integers(1, 12)), "R": 3, "P": 2}
    net.driver("E", SpikeArray(size=sizes["E"]))
    net.driver("R", Regular(size=3, period=rng.uniform(2e-3, 9e-3, 3)))
    net.driver("P", Poisson(size=2, rate=200.0))
    features: set[str] = set()
    names = [f"N{i}" for i in range(int(rng.integers(1, 4)))]
    for name in names:
        size = int(rng.integers(1, 7))
        refractory = bool(rng.integers(2))
        options: dict[str, Any] = {"t_ref": float(rng.integers(1, 6)) * dt} if refractory else {}
        if not refractory or twist == "period":
            options["I_bias"] = rng.uniform(0, 1e-9, size) * float(rng.integers(2))
        if twist == "period":
            options |= {"t_ref": 2e-3, "t_ref_sigma": 1e-3}
        if twist == "arrays":
            options["V_th"] = rng.uniform(0.01, 0.02, size + 1)[:size] + np.arange(size) * 1e-4
            size = max(size, 2)
            options["V_th"] = np.resize(options["V_th"], size) + np.arange(size) * 1e-4
            if "I_bias" in options:
                options["I_bias"] = 0.0
        net.population(name, LIF(**{
            "size": size, "C": 1e-10, "tau": float(rng.uniform(5e-3, 40e-3)), "V_th": 0.015,
            "V_init": 0.0 if refractory else float(rng.uniform(0, 0.01)), **options,
        }))  # fmt: skip
        features.add("LIFRefractory" if refractory else "LIF")
        sizes[name] = size
        # sums of integers times a power of two are exact, so no order matters; one connection of
        # arbitrary weights is summed by Lava in the program's order
        exact, jumps = rng.random() < 0.5, bool(rng.integers(2))
        jumps, most = jumps or exact, 4 if exact or rng.random() < 0.2 else 2
        for source in rng.permutation(list(sizes))[: int(rng.integers(1, most))]:
            shape = (size, sizes[source])
            data = rng.normal(0.002, 0.004, shape)
            if exact:
                data = rng.integers(-3, 6, shape) * 2.0**-8
            unit = 1.0 if jumps else 1e-7
            synapse = Delta(weight=data) if jumps else Exponential(weight=data * unit, tau=5e-3)
            net.connect(str(source), name, synapse, delay_steps=int(_pick(rng, [1, 1, 1, 2, 5])))
        net.probe(name, "spikes", "v")
        net.probe(name, "v", when="before_reset")
    program = lower(net, "lava-float", dt=dt, seed=seed, trials=trials).program
    state = initial_state(program)
    for past in state.history.values():
        past[:] = rng.random(past.shape) < 0.3
    if not twist:
        for name in names:
            if f"{name}.refractory" in state.values:
                state.values[f"{name}.refractory"][:] = rng.integers(0, 4)
            if f"{name}.u" in state.values:
                state.values[f"{name}.u"][:] = rng.normal(0, 1e-3)
    inputs = {"E.spikes": rng.random((steps, trials, sizes["E"])) < 0.3}
    return Made(program, state, inputs, steps, twist, features)


def chip(**changes: Any) -> Program:
    """Two neurons N, driven by S, by the rules of the target ``lava``."""
    s = Builder("S", 2)
    s.spike(s.external("s"))
    data = freeze(np.array([[2, 4], [6, 0]]), Int(9))
    default = {
        "keep_u": 3000, "keep_v": 4000, "threshold": 640, "bias": 24,
        "inputs": (ChipInput("S", Dense(Int(9), data), 1),),
    }  # fmt: skip
    n, edges, watches = chip_population(
        ChipLIF(name="N", size=2, **{**default, **changes}), load_target("lava")
    )
    return Program("chip", populations=(s.build(), n), edges=tuple(edges), watches=tuple(watches))


def network(*, noise: bool = False) -> Network:
    """Poisson input, two populations in a loop, synapses of several delays, a relay."""
    rng = np.random.default_rng(5)
    net = Network("loop")
    net.driver("P", Poisson(size=12, rate=60.0))
    extra = {"noise": [AdditiveNoise(sigma=1e-12)]} if noise else {}
    for name, size in (("A", 6), ("B", 4)):
        neuron = LIF(size=size, C=1e-10, tau=0.02, V_th=0.015, I_bias=rng.uniform(0, 4e-11, size))
        net.population(name, neuron, **extra)
    delays = rng.integers(1, 4, (6, 12))
    data = np.abs(rng.normal(3e-11, 1e-11, (6, 12)))
    net.connect("P", "A", Exponential(weight=data, tau=5e-3), delay_steps=delays)
    data = rng.normal(2e-11, 4e-11, (4, 6))
    net.connect("A", "B", Exponential(weight=data, tau=5e-3), delay_steps=1)
    net.population("Q", Relay(2))
    net.connect("B", "Q", Event(weight=np.ones((2, 4))), delay_steps=1)
    for name in ("A", "B"):
        net.probe(name, "spikes", "v", "u")
    net.probe("Q", "spikes")
    return net
