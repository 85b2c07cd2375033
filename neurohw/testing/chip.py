"""Networks of chip neurons: structure from a small pool, every number in it at random.

The step is that of ``neurohw.lowering.chip``, which target records drive; here it is given integers
that no physics would give it, and records that vary the rules. A backend that compiles takes
seconds for each new structure, so there are only as many as ``NETWORKS``. Structure is what code
may depend on: connections and their kind, delay or none, shifts, records, constant or array, and
whether a sum can leave its word. Sizes, trials, delays, parameters, weights and inputs are drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.lowering.chip import ChipInput, ChipLIF, ChipNoise, chip_population
from neurohw.lowering.common import SIGMA_BITS, Period
from neurohw.program import (
    Builder,
    Edge,
    Int,
    Population,
    Probe,
    Program,
    Watch,
    freeze,
    verify,
)
from neurohw.program.philox import NORMAL_FRACTION_BITS
from neurohw.targets import Target, load_target
from neurohw.testing.cases import Case
from neurohw.testing.values import arranged, random_inputs

__all__ = ["EDGE", "LAVA", "LOIHI", "NETWORKS", "Cell", "Wire", "chip_programs", "starting", "vary"]

Draw = Any
EDGE = 2**23
LAVA, LOIHI = load_target("lava"), load_target("loihi1")


def vary(target: Target, **fields: Any) -> Target:
    """A record with some rules changed: ``vary(LAVA, current=dict(bits=20))``."""
    parts = {k: dataclasses.replace(getattr(target, k), **v) for k, v in fields.items()}
    return dataclasses.replace(target, **parts)


@dataclass(frozen=True)
class Wire:
    """One connection; ``loud``: some sums reach far beyond 16 bits, else none does.

    ``exponent`` counts where the record shifts sums. Where it belongs to each weight it is drawn.
    """

    source: str
    kind: str
    exponent: int = 0
    now: bool = False  # without delay
    loud: bool = False


@dataclass(frozen=True)
class Cell:
    """Structure of one population; ``noise`` as (kind, shift or exponent)."""

    target: Target
    wires: tuple[Wire, ...]
    arrays: bool = True
    bias: bool = True
    period: str = ""  # or "fixed" or "jitter"
    noise: tuple[tuple[str, int], ...] = ()


# "S" emits the spikes it is given. All exponents -8..7 occur on sums.
NETWORKS: tuple[Mapping[str, Cell], ...] = (
    {
        "A": Cell(LAVA, (Wire("S", "dense", 7, now=True, loud=True), Wire("A", "sparse", 3))),
        "B": Cell(LAVA, (Wire("A", "dense", -8, now=True), Wire("B", "one", -1)), period="fixed"),
    },
    {
        "A": Cell(LOIHI, (Wire("S", "dense", loud=True), Wire("A", "one")), period="fixed"),
        "B": Cell(LOIHI, (Wire("A", "sparse"), Wire("A", "dense")), noise=(("uniform8", 12),)),
    },
    {
        "A": Cell(LAVA, (Wire("S", "sparse", 6, loud=True), Wire("A", "dense", -4)),
                  period="jitter", noise=(("additive", 18), ("multiplicative", 38))),
    },
    {
        "A": Cell(LOIHI, (Wire("S", "one", now=True), Wire("B", "dense")), arrays=False,
                  period="jitter", noise=(("uniform8", 3),)),
        "B": Cell(LAVA, (Wire("A", "dense", 0, now=True), Wire("S", "one", -6, now=True)),
                  arrays=False),
    },
    {
        "A": Cell(LAVA, (Wire("S", "dense", 4, loud=True), Wire("B", "sparse", 2))),
        "B": Cell(LOIHI, (Wire("A", "dense", loud=True), Wire("B", "sparse")), period="fixed"),
        "C": Cell(LAVA, (Wire("B", "dense", 1), Wire("A", "one", -2)), arrays=False),
    },
    {
        "A": Cell(vary(LAVA, current=dict(input_bits=12, input_overflow="saturate"),
                       voltage=dict(sum_bits=25), threshold=dict(compare="ge")),
                  (Wire("S", "dense", 5, loud=True), Wire("A", "dense", -7))),
        "B": Cell(vary(LAVA, current=dict(overflow="wrap")), (Wire("A", "sparse", -5),)),
    },
    {
        "A": Cell(vary(LOIHI, current=dict(bits=20, input_overflow="saturate"),
                       voltage=dict(drive_bits=22)),
                  (Wire("S", "sparse", loud=True), Wire("A", "dense")), noise=(("additive", 14),)),
        "B": Cell(vary(LOIHI, current=dict(input_bits=15), threshold=dict(compare="ge")),
                  (Wire("A", "dense", loud=True),), bias=False, noise=(("multiplicative", 22),)),
    },
    {
        "A": Cell(vary(LAVA, current=dict(bits=22), voltage=dict(drive_bits=24, sum_bits=64)),
                  (Wire("S", "dense", 7, loud=True), Wire("A", "one", -3)), period="fixed"),
    },
)  # fmt: skip


class _Numbers:
    """Draws the numbers of one population; arrays hold at least two values, one of them ``pin``."""

    def __init__(self, draw: Draw, cell: Cell, size: int, trials: int) -> None:
        self.draw, self.cell, self.size = draw, cell, size
        self.rng = _rng(draw)
        shapes = [s for s in ((size,), (trials, 1), (trials, size)) if np.prod(s) > 1]
        self.shape = draw(st.sampled_from(shapes)) if cell.arrays else ()

    def pick(self, lo: int, hi: int, pin: int) -> np.ndarray:
        """From lo..hi, often one of the ends."""
        data = self.rng.integers(lo, hi, self.shape, endpoint=True)
        data = np.where(self.rng.random(self.shape) < 0.3, self.rng.choice([lo, hi]), data)
        if self.cell.arrays:
            data.flat[0], data.flat[-1] = pin, data.flat[-1] - (data.flat[-1] == pin)
        return data

    def keep(self) -> np.ndarray:
        """Some do not decay; a constant leaves no doubt about what it needs to be computed in."""
        return self.pick(0, 4096, 4096) if self.cell.arrays else self.pick(300, 4000, 0)

    def threshold(self) -> np.ndarray:
        top = self.draw(st.sampled_from([20, 1000, 2**17 - 1]))
        return self.pick(1, top, top) << self.cell.target.threshold.shift

    def bias(self) -> np.ndarray | int:
        if not self.cell.bias:
            return 0
        mantissa = self.pick(-(2**12), 2**12 - 1, 2**12 - 1)
        return np.where(mantissa == 0, 1, mantissa) << self.draw(st.integers(0, 7))

    def period(self) -> Period | None:
        """A register of 1..63, or such a mean with a deviation of up to 8 steps."""
        rule, bits = self.cell.target.refractory, SIGMA_BITS + NORMAL_FRACTION_BITS
        low, high = 1 + rule.blocked_offset, 63 + rule.blocked_offset
        if self.cell.period == "fixed":
            top = self.draw(st.sampled_from([2, 6, high]))
            return Period(self.pick(low, top, high), None, low, high)
        if self.cell.period:
            return Period(self.pick(low << bits, 6 << bits, high << bits),
                          self.pick(1, 8 << SIGMA_BITS, 1 << SIGMA_BITS), low, high)  # fmt: skip
        return None

    def noise(self) -> tuple[ChipNoise, ...]:
        offset = self.draw(st.sampled_from([0, -EDGE, 12345]))
        return tuple(
            ChipNoise(kind, exponent=shift) if kind == "uniform8"
            else ChipNoise(kind, self.pick(2**15, 2**16 - 1, 2**16 - 1), shift, offset=offset)
            for kind, shift in self.cell.noise
        )  # fmt: skip

    def wire(self, w: Wire, source: int) -> ChipInput:
        rule, bits = self.cell.target.weight, self.cell.target.current.input_bits
        mantissa = self._mantissas((self.size, source), "mixed" if w.loud else "")
        if w.loud:  # two targets get more than the input holds, one of either sign
            mantissa[0, :2], mantissa[1, :2] = rule.mixed_max, rule.mixed_min
        if rule.exponent_on == "sum":
            data, dtype, exponent = mantissa, Int(9), w.exponent
        else:
            e = 7 if w.loud else self.draw(st.sampled_from([0, -8, 2]) | st.integers(-8, 2))
            top = 2 ** (bits - 1) - 1
            data = np.clip(mantissa << e if e >= 0 else mantissa >> -e, -top, top)
            dtype, exponent = Int(bits), 0
        weights = arranged(self.rng, w.kind, dtype, data, keep=2 if w.loud else 0)
        delay = 0 if w.now else self.draw(st.sampled_from([1, 2, 63]) | st.integers(1, 63))
        return ChipInput(w.source, weights, delay, exponent)

    def _mantissas(self, shape: tuple[int, int], mode: str) -> np.ndarray:
        """8 bits: mixed (even) -256..254, exc 0..255 or inh -255..0; some are powers of two."""
        mode = mode or self.draw(st.sampled_from(["mixed", "exc", "inh"]))
        lo, hi = {"mixed": (-256, 255), "exc": (0, 255), "inh": (-255, 0)}[mode]
        data = self.rng.integers(lo, hi, shape, endpoint=True)
        powers = np.clip(self.rng.choice([-256, -128, 64, 128], shape), lo, hi)
        data = np.where(self.rng.random(shape) < 0.3, powers, data)
        return data & ~1 if mode == "mixed" else data


def _rng(draw: Draw) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def starting(q: Population, **init: Any) -> Population:
    """``q`` with other initial states."""
    states = [dataclasses.replace(s, init=freeze(np.asarray(init.get(s.name, s.init)), s.dtype))
              for s in q.states]  # fmt: skip
    return dataclasses.replace(q, states=tuple(states))


def _population(
    draw: Draw, name: str, cell: Cell, sizes: Mapping[str, int], trials: int
) -> tuple[Population, list[Edge], list[Watch]]:
    size = sizes[name]
    n = _Numbers(draw, cell, size, trials)
    q, edges, watches = chip_population(
        ChipLIF(
            name=name, size=size, keep_u=n.keep(), keep_v=n.keep(), threshold=n.threshold(),
            bias=n.bias(), period=n.period(), noise=n.noise(),
            inputs=tuple(n.wire(w, sizes[w.source]) for w in cell.wires),
        ),
        cell.target,
    )  # fmt: skip
    near = [-EDGE + 1, -EDGE + 2, -1, 0, 1, EDGE - 2, EDGE - 1]
    most = 2 ** (cell.target.current.bits - 1) - 1
    u, v = (n.rng.choice(draw(st.sampled_from([[0], near])), (trials, size)) for _ in "uv")
    watches += [Watch(name, x, -EDGE + 2, EDGE - 3, f"{x[0]} up to 2**23") for x in ("u", "v_pre")]
    return starting(q, u=np.clip(u, -most, most), v=v), edges, watches


@st.composite
def chip_programs(
    draw: Draw, *, networks: tuple[Mapping[str, Cell], ...] = NETWORKS, max_steps: int = 80
) -> Case:
    """One of ``networks`` with random numbers, large enough that ``u`` and ``v`` overflow."""
    cells = networks[int(_rng(draw).integers(len(networks)))]  # sampled_from: some almost never
    names, trials = ["S", *cells], draw(st.integers(1, 3))
    wires = [(name, w) for name, c in cells.items() for w in c.wires]
    least = 1 + any(c.arrays for c in cells.values())
    size: int = draw(st.integers(least, 6))
    equal = any(w.kind == "one" and w.source != name for name, w in wires)
    sizes = {name: size if equal else draw(st.integers(least, 6)) for name in names}
    source = Builder("S", sizes["S"])
    source.spike(source.external("spikes"))
    populations, edges, watches = [source.build()], [], []
    for name, cell in cells.items():
        q, arriving, rows = _population(draw, name, cell, sizes, trials)
        populations.append(q)
        edges += arriving
        watches += rows
    probes = [Probe(n, x) for n in cells for x in ("spikes", "u", "v", "v_pre")]
    probes += [Probe(n, "v_pre", draw(st.integers(1, 4)), draw(st.integers(0, 3)), "moments")
               for n in cells]  # fmt: skip
    p = Program("chip", "chip", seed=draw(st.integers(0, 2**64 - 1)), trials=trials,
                populations=tuple(populations), edges=tuple(edges),
                probes=tuple(probes), watches=tuple(watches))  # fmt: skip
    verify(p)
    steps = draw(st.integers(2, max_steps))
    return Case("chip_programs", p, steps, random_inputs(draw, p, steps), 0,
                draw(st.integers(1, steps - 1)))  # fmt: skip
