"""What arrives at a chip's neuron in one step: connections, and the sum of their weights."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.program import Builder, Edge, Int, Value, Watch, Weights
from neurohw.targets import Target

from .chip_words import by_sign, ones

__all__ = ["Arrivals", "ChipInput"]

I32 = Int(32)


@dataclass(frozen=True)
class ChipInput:
    """One connection: integer weights, and the exponent where it shifts their sum.

    ``value`` is what the source sends, where that is not spikes (see ``Edge``); ``current`` says
    which of the neuron's currents hears it.
    """

    source: str
    weights: Weights
    delay: int
    exponent: int = 0
    value: str = ""
    current: int = 0


class Arrivals:
    """Connections of one population.

    Attributes
    ----------
    edges, watches : list
        Those of the program, as they are made.
    """

    def __init__(self, b: Builder, target: Target, inputs: tuple[ChipInput, ...]) -> None:
        self.b, self.target, self.inputs = b, target, inputs
        self.edges: list[Edge] = []
        self.watches: list[Watch] = []
        self._order: dict[str, tuple[Value, Value]] = {}

    def watch(self, value: str, lo: int, hi: int, label: str) -> None:
        self.watches.append(Watch(self.b.name, value, lo, hi, label))

    def _hear(self, x: ChipInput, port: str, weights: Weights) -> None:
        self.edges.append(Edge(x.source, self.b.name, port, weights, x.delay, x.value))

    def arrived(self, k: int, tag: str, shift: int = 0) -> Value:
        """Sum of weights of this step for one current, aligned; ``shift`` is the current's own."""
        b, rule = self.b, self.target.current
        together = self.target.weight.exponent_on != "sum"
        inputs = [x for x in self.inputs if x.current == k]
        if together and rule.one_by_one:
            total = self._two_sums(inputs, tag)
        elif together:
            total = b.port(f"in{tag}", Int(48))
            for x in inputs:
                self._hear(x, f"in{tag}", x.weights)
        else:
            total = self._shifted(inputs, tag)
        if rule.one_event and inputs:
            self._count_events(inputs, tag)
        total = b.const(0, I32) if total is None else total
        b.name_value(total, f"input{tag}")
        word = Int(rule.input_bits, rule.input_signed)
        self.watch(f"input{tag}", word.lo, word.hi, f"sum of weights {tag}".strip())
        narrow = b.cast(total, word, overflow=rule.input_overflow)
        if self.target.weight.exponent_on == "current":
            return b.shl(narrow, shift, Int(rule.bits), overflow="wrap")
        if rule.overflow == "wrap_once":  # 32-bit arithmetic throughout
            return b.shl(narrow, rule.align, I32, overflow="wrap")
        return b.shl(narrow, rule.align, Int(rule.input_bits + rule.align))

    def _count_events(self, inputs: list[ChipInput], tag: str) -> None:
        """A row of the ledger: more than one spike arrived."""
        self.b.name_value(self.b.port(f"events{tag}", Int(32)), f"events{tag}")
        for x in inputs:
            self._hear(x, f"events{tag}", ones(x.weights))
        self.watch(f"events{tag}", 0, 1, f"more than one event {tag}".strip())

    def _shifted(self, inputs: list[ChipInput], tag: str) -> Value | None:
        """A shift of the sum of weights keeps connections apart."""
        b, total = self.b, None
        for i, x in enumerate(inputs):
            self._hear(x, f"in{tag}{i}", x.weights)
            raw = b.port(f"in{tag}{i}", Int(48))
            part = (
                b.shl(raw, x.exponent, Int(56))
                if x.exponent >= 0
                else b.shr(raw, -x.exponent, Int(48), rounding="floor")
            )
            total = part if total is None else b.add(total, part, Int(60))
        return total

    def _two_sums(self, inputs: list[ChipInput], tag: str) -> Value | None:
        """Weights of either sign apart: bounds of what adding them one by one goes through."""
        b, total, sums = self.b, None, {}
        for x in inputs:
            for sign, part in zip(("up", "down"), by_sign(x.weights), strict=True):
                if part is None:
                    continue
                if sign not in sums:
                    sums[sign] = b.port(f"{sign}{tag}", Int(48))
                self._hear(x, f"{sign}{tag}", part)
        for x in sums.values():
            total = x if total is None else b.add(total, x, Int(49))
        if len(sums) == 2:
            self._order[tag] = sums["up"], sums["down"]
        return total

    def by_order(self, old: Value, tag: str) -> None:
        """A row of the ledger: the order of the weights may matter (see ``Current``)."""
        if tag not in self._order:
            return
        up, down = self._order[tag]
        b, state = self.b, Int(self.target.current.bits)
        zero, one = b.const(0, Int(2)), b.const(1, Int(2))
        found = []
        for x, other, beyond, end, side in (
            (up, down, "gt", state.hi, "lt"),
            (down, up, "lt", state.lo, "gt"),
        ):
            reaches = b.compare(beyond, b.add(old, x, Int(50)), b.const(end, state))
            found.append(b.logic("and", reaches, b.compare(side, other, zero)))
        may = b.select(b.logic("or", *found), one, zero)
        b.name_value(may, f"order{tag}")
        self.watch(f"order{tag}", 0, 0, f"order of weights {tag}".strip())
