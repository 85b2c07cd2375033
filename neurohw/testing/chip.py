"""Networks of Loihi's kind: current-based leaky integrate-and-fire in 24-bit fixed point.

The rules are those of Lava's bit-accurate ``LIF`` (lava-nc 0.10.0): decays of 12 bits rounded
toward zero, ``u`` wraps at 24 bits, ``v`` clips at plus and minus ``2**23 - 1``, the synaptic sum
and the threshold mantissa are shifted left by 6. Every rule is a keyword of :class:`ChipRules`, so
that another chip or another emulator is another record and not another function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.program import (
    Dense,
    Edge,
    Int,
    Interval,
    OneToOne,
    Population,
    Probe,
    Program,
    Sparse,
    Value,
    Watch,
    Weights,
    freeze,
    verify,
)
from neurohw.program.intervals import weight_sums
from neurohw.testing.cases import Case
from neurohw.testing.sketch import Sketch
from neurohw.testing.values import random_inputs

__all__ = ["ChipNeuron", "ChipRules", "chip_lif", "chip_programs"]

Draw = Any
I13, I14, I24, I40 = Int(13), Int(14), Int(24), Int(40)


@dataclass(frozen=True, kw_only=True)
class ChipRules:
    """Discrete-time rules of a chip; the defaults are Lava's."""

    decay_bits: int = 12
    du_offset: int = 1
    dv_offset: int = 0
    decay_rounding: str = "toward_zero"
    bits: int = 24
    u_overflow: str = "wrap"
    v_overflow: str = "saturate"
    v_symmetric: bool = True
    port_shift: int = 6
    vth_shift: int = 6
    fires: str = "gt"


@dataclass(frozen=True, kw_only=True)
class ChipNeuron:
    """Parameters of a population; all but ``refractory`` may be arrays over elements or trials.

    ``bias`` is a mantissa of 13 bits, signed, shifted by ``bias_exp`` (-8..7). ``noise`` adds
    ``normal * noise`` rounded right by ``noise_shift`` to ``v``. ``jitter`` is the number of random
    bits added to the refractory time.
    """

    du: Any = 0
    dv: Any = 0
    vth: Any = 10
    bias: Any = 0
    bias_exp: int = 0
    weight_exp: int = 0
    refractory: int = 1
    jitter: int = 0
    noise: int = 0
    noise_shift: int = 13


def _decay(s: Sketch, x: Value, constant: Any, offset: int, name: str, r: ChipRules) -> Value:
    unity = 1 << r.decay_bits
    data = freeze(unity - np.minimum(np.asarray(constant, np.int64) + offset, unity), I14)
    factor = s.value_or_param(name, I14, data)
    wide = s.mul(x, factor, Int(r.bits + r.decay_bits + 1), overflow="exact")
    return s.shr(wide, r.decay_bits, Int(r.bits + 1), rounding=r.decay_rounding)


def chip_lif(
    name: str, size: int, neuron: ChipNeuron, rules: ChipRules, *,
    arriving: Interval, external: bool = False, start: Mapping[str, Any] | None = None,
) -> Population:  # fmt: skip
    """One population; port ``syn`` takes weight mantissas, external ``bias_in`` a bias of 13 bits.

    Parameters
    ----------
    arriving : interval
        Of the sums that can arrive at ``syn``; they are shifted by ``weight_exp + port_shift``.
    start : mapping, optional
        Initial ``u`` and ``v``.
    """
    n, r, start = neuron, rules, start or {}
    word = Int(r.bits)
    s = Sketch(name, size, {"syn": arriving})
    u, v = s.state("u", word, start.get("u", 0)), s.state("v", word, start.get("v", 0))
    syn = s.port("syn", Int(32))
    shift = n.weight_exp + r.port_shift
    weighted = (
        s.shl(syn, shift, Int(48), overflow="exact") if shift >= 0
        else s.shr(syn, -shift, Int(48), rounding="floor", overflow="exact")
    )  # fmt: skip
    faded = _decay(s, u, n.du, r.du_offset, "du", r)
    new_u = s.add(faded, weighted, word, overflow=r.u_overflow)
    bias = s.value_or_param("bias", I13, n.bias)
    if external:
        bias = s.add(bias, s.external("bias_in", I13), Int(14))
    bias = (
        s.shl(bias, n.bias_exp, I24) if n.bias_exp >= 0
        else s.shr(bias, -n.bias_exp, I24, rounding="floor")
    )  # fmt: skip
    drive = s.add(s.add(_decay(s, v, n.dv, r.dv_offset, "dv", r), new_u, I40), bias, I40)
    if n.noise:
        scaled = s.mul(s.normal("noise"), s.const(n.noise, I24), I40)
        drive = s.add(drive, s.shr(scaled, n.noise_shift, I40, rounding="half_even"), Int(41))
    new_v = s.op("add", word, drive, s.const(0, word), overflow=r.v_overflow)
    if r.v_symmetric:
        new_v = s.op("max", word, new_v, s.const(word.lo + 1, word))
    threshold = s.value_or_param("vth", I24, np.asarray(n.vth, np.int64) << r.vth_shift)
    fired = s.compare(r.fires, new_v, threshold)
    kept = new_v
    if n.refractory > 1 or n.jitter:
        counter = Int(8)
        left = s.state("refractory", counter, 0)
        idle = s.compare("gt", left, s.const(0, counter))
        fired = s.logic("and", fired, s.logic("not", idle))
        kept = s.select(idle, v, new_v)
        full = s.const(n.refractory - 1, counter)
        if n.jitter:
            bits = s.shr(s.word("jitter"), 32 - n.jitter, Int(8), rounding="floor")
            full = s.add(full, bits, counter, overflow="saturate")
        down = s.sub(left, s.const(1, counter), counter, overflow="saturate")
        down = s.op("max", counter, down, s.const(0, counter))
        s.write("refractory", s.select(fired, full, down), name="left")
    s.write("u", new_u, name="u")
    s.name_value(new_v, "v")  # before reset
    s.write("v", s.select(fired, s.const(0, word), kept), name="v_kept")
    s.name_value(drive, "drive")
    s.spike(fired)
    return s.build()


def chip_weights(draw: Draw, source: int, target: int, mode: str, scale: int) -> Weights:
    """8-bit weights: mixed -256..255, excitatory 0..255 or inhibitory -255..0, times ``scale``."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = {"mixed": (-256, 255), "exc": (0, 255), "inh": (-255, 0)}[mode]
    kind = draw(st.sampled_from(["dense", "sparse"] + ["one"] * (source == target)))
    dtype = Int(9 + int(scale).bit_length())
    if kind == "one":
        return OneToOne(dtype, freeze(rng.integers(low, high + 1, source) * scale, dtype))
    full = rng.integers(low, high + 1, (target, source)) * scale
    if kind == "dense":
        return Dense(dtype, freeze(full, dtype))
    mask = rng.random((source, target)) < 0.6
    indptr = freeze(np.concatenate([[0], mask.sum(1).cumsum()]), Int(64))
    indices = freeze(np.nonzero(mask)[1], Int(64))
    return Sparse(dtype, indptr, indices, freeze(full.T[mask], dtype), target)


RULES = (
    ChipRules(),
    ChipRules(du_offset=0, fires="ge", decay_rounding="floor"),
    ChipRules(u_overflow="saturate", v_symmetric=False),
    ChipRules(v_overflow="wrap", v_symmetric=False, decay_rounding="half_even"),
)


@st.composite
def _neurons(draw: Draw, size: int, trials: int, noisy: bool) -> ChipNeuron:
    shape = draw(st.sampled_from([(), (size,), (trials, 1), (trials, size)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decay = st.sampled_from([0, 1, 128, 409, 2048, 4094, 4095])
    return ChipNeuron(
        du=draw(decay),
        dv=draw(decay),
        vth=rng.integers(1, draw(st.sampled_from([20, 1000, 2**17 - 1])), shape, endpoint=True),
        bias=rng.integers(-(2**12), 2**12, shape),
        bias_exp=draw(st.integers(-8, 7)),
        weight_exp=draw(st.sampled_from([0, 7, -6, -8]) | st.integers(-8, 7)),
        refractory=draw(st.sampled_from([1, 1, 2, 5, 63]) | st.integers(1, 63)),
        jitter=draw(st.integers(1, 4)) if noisy and draw(st.booleans()) else 0,
        noise=draw(st.sampled_from([0, 1, 64, 5000])) if noisy else 0,
        noise_shift=draw(st.integers(0, 13)),
    )


@st.composite
def chip_programs(draw: Draw, *, rules: ChipRules | None = None, max_steps: int = 80) -> Case:
    """Networks of 1..3 populations, with weights large enough that ``u`` and ``v`` overflow."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    trials, noisy = draw(st.integers(1, 3)), draw(st.booleans())
    names = [f"N{i}" for i in range(len(sizes))]
    edges: list[Edge] = []
    sums = {n: [0, 0] for n in names}
    for j, target in enumerate(names):
        for i in draw(st.lists(st.integers(0, len(names) - 1), max_size=3)):
            mode = draw(st.sampled_from(["exc", "mixed", "inh"]))
            scale = draw(st.sampled_from([1, 1, 1 << 7]))  # 128: exponent already multiplied in
            w = chip_weights(draw, sizes[i], sizes[j], mode, scale)
            shortest = 0 if i < j else 1
            delay = draw(st.sampled_from([shortest, 1, 2, 7, 63]) | st.integers(shortest, 63))
            edges.append(Edge(names[i], target, "syn", w, delay))
            for k, x in enumerate(weight_sums(w)):
                sums[target][k] += x
    populations = []
    for name, size in zip(names, sizes, strict=True):
        edge = 2**23 - 1
        near = [-edge - 1, -edge, -edge + 1, -1, 0, 1, edge - 1, edge]
        start = {k: draw(st.sampled_from([0, 0, *near])) for k in ("u", "v")}
        populations.append(chip_lif(
            name, size, draw(_neurons(size, trials, noisy)),
            rules or draw(st.sampled_from(RULES)), arriving=(sums[name][0], sums[name][1]),
            external=draw(st.booleans()), start=start,
        ))  # fmt: skip
    probes = [Probe(n, x) for n in names for x in ("spikes", "u", "v", "v_kept")]
    probes += [Probe(n, "v", draw(st.integers(1, 4)), draw(st.integers(0, 3)), "moments")
               for n in names]  # fmt: skip
    watches = [Watch(n, "drive", I24.lo, I24.hi, "v overflow") for n in names]
    p = Program("chip", "lava", seed=draw(st.integers(0, 2**64 - 1)), trials=trials,
                populations=tuple(draw(st.permutations(populations))), edges=tuple(edges),
                probes=tuple(probes), watches=tuple(watches))  # fmt: skip
    verify(p)
    steps = draw(st.integers(2, max_steps))
    return Case("chip_programs", p, steps, random_inputs(draw, p, steps), 0,
                draw(st.integers(1, steps - 1)))  # fmt: skip
