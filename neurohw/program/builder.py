"""Write a population's step in Python: each method appends one node and returns its value.

>>> b = Builder("N", 3)
>>> v = b.state("v", Int(24), 0)
>>> b.write("v", b.add(v, b.const(1, Int(2)), Int(24), overflow="wrap"), name="v")
>>> b.build().states[0].name
'v'
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.program.program import (
    External,
    Node,
    Param,
    Population,
    Port,
    State,
    freeze,
)
from neurohw.program.types import BOOL, DType, Float, Int

__all__ = ["Builder", "Value"]


@dataclass(frozen=True, slots=True)
class Value:
    """A node of the builder that made it."""

    index: int
    dtype: DType


class Builder:
    """Collects the parts of one :class:`~neurohw.program.program.Population`."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size
        self._params: list[Param] = []
        self._states: list[State] = []
        self._ports: list[Port] = []
        self._externals: list[External] = []
        self._nodes: list[Node] = []
        self._writes: dict[str, int] = {}
        self._spike: int | None = None

    def op(self, op: str, dtype: DType, *args: Value, **attrs: Any) -> Value:
        """Append any operation (see ``ops.OPS``)."""
        self._nodes.append(Node(op, dtype, tuple(a.index for a in args), attrs))
        return Value(len(self._nodes) - 1, dtype)

    # leaves
    def const(self, value: float | int | bool, dtype: DType) -> Value:
        """A constant; a float is first rounded to ``dtype``."""
        if isinstance(dtype, Float):
            value = float(dtype.storage.type(value))
        return self.op("const", dtype, value=value)

    def param(self, name: str, dtype: DType, data: Any) -> Value:
        """A parameter: scalar, ``(size,)``, ``(trials, 1)`` or ``(trials, size)``."""
        self._params.append(Param(name, dtype, freeze(data, dtype)))
        return self.op("param", dtype, name=name)

    def value_or_param(self, name: str, dtype: DType, data: Any) -> Value:
        """A constant where all elements agree, else a parameter."""
        data = freeze(data, dtype)
        if data.size and np.all(data == data.flat[0]):
            return self.const(data.flat[0].item(), dtype)
        return self.param(name, dtype, data)

    def state(self, name: str, dtype: DType, init: Any = 0) -> Value:
        """Declare a state and read its old value."""
        self._states.append(State(name, dtype, freeze(init, dtype)))
        return self.op("state", dtype, name=name)

    def port(self, name: str, dtype: DType, overflow: str = "exact") -> Value:
        """Declare a port and read what arrived in this step."""
        self._ports.append(Port(name, dtype, overflow))
        return self.op("input", dtype, name=name)

    def external(self, name: str, dtype: DType = BOOL, events: Any = None) -> Value:
        """Declare an external input and read its value in this step."""
        if events is not None:
            events = freeze(np.asarray(events, np.int64).reshape(-1, 2), Int(64))
        self._externals.append(External(name, dtype, events))
        return self.op("external", dtype, name=name)

    def word(self, site: str) -> Value:
        """A draw of 32 random bits; ``site`` is qualified with the population's name."""
        return self.op("word", Int(32, False), site=f"{self.name}.{site}")

    def normal(self, site: str) -> Value:
        """A normal draw in units of 2**-13 standard deviations."""
        return self.op("normal", Int(17), site=f"{self.name}.{site}")

    # operations
    def add(self, a: Value, b: Value, dtype: DType, **mode: Any) -> Value:
        return self.op("add", dtype, a, b, **mode)

    def sub(self, a: Value, b: Value, dtype: DType, **mode: Any) -> Value:
        return self.op("sub", dtype, a, b, **mode)

    def mul(self, a: Value, b: Value, dtype: DType, **mode: Any) -> Value:
        return self.op("mul", dtype, a, b, **mode)

    def shr(self, a: Value, by: int, dtype: DType, *, rounding: str, **mode: Any) -> Value:
        return self.op("shr", dtype, a, by=by, rounding=rounding, **mode)

    def shl(self, a: Value, by: int, dtype: DType, **mode: Any) -> Value:
        return self.op("shl", dtype, a, by=by, **mode)

    def cast(self, a: Value, dtype: DType, **mode: Any) -> Value:
        return self.op("cast", dtype, a, **mode)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        return self.op("select", a.dtype, condition, a, b)

    def compare(self, op: str, a: Value, b: Value) -> Value:
        """``op`` is one of eq, ne, lt, le, gt, ge."""
        return self.op(op, BOOL, a, b)

    def logic(self, op: str, *args: Value) -> Value:
        """``op`` is one of and, or, xor, not."""
        return self.op(op, BOOL, *args)

    # results
    def name_value(self, value: Value, name: str) -> Value:
        """Give a value a name, by which probes and watches find it."""
        node = self._nodes[value.index]
        if node.name:
            raise ValueError(f"{self.name}: value is already called {node.name}")
        self._nodes[value.index] = dataclasses.replace(node, name=name)
        return value

    def write(self, state: str, value: Value, *, name: str = "") -> None:
        """Let ``state`` take ``value`` when the step commits."""
        if name:
            self.name_value(value, name)
        self._writes[state] = value.index

    def spike(self, value: Value) -> None:
        """Emit a spike where ``value`` (bool) is true."""
        self._spike = value.index

    def build(self) -> Population:
        """The population."""
        return Population(
            self.name,
            self.size,
            tuple(self._params),
            tuple(self._states),
            tuple(self._ports),
            tuple(self._externals),
            tuple(self._nodes),
            dict(self._writes),
            self._spike,
        )
