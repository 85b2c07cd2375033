"""Expressions of ``algebra`` as nodes in a float type, each once."""

from __future__ import annotations

from typing import Any

from neurohw.program import BOOL, Builder, DType, Value

from .algebra import COMPARE, Const, Expr, Leaf, Op, constant

__all__ = ["Emitter"]

Array = Any


class Emitter:
    """Turns expressions into nodes of one population, in one float type."""

    def __init__(self, builder: Builder, real: DType) -> None:
        self.builder, self.real = builder, real
        self._done: dict[int, tuple[Expr, Value]] = {}
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._count = 0

    def value(self, e: Any) -> Value:
        """The node of an expression."""
        e = constant(e)
        if id(e) not in self._done:
            self._done[id(e)] = (e, self._emit(e))  # keeping e keeps its id
        return self._done[id(e)][1]

    def _emit(self, e: Expr) -> Value:
        b, real = self.builder, self.real
        if isinstance(e, Const):
            return self._constant(e.data)
        if isinstance(e, Leaf):
            if e.value is None:
                raise ValueError(f"the symbol {e.name} has no value")
            return e.value
        assert isinstance(e, Op)
        args = [self.value(a) for a in e.args]
        if e.op in COMPARE:
            return b.compare(e.op, *args)
        if e.op == "select":
            return b.select(*args)
        return b.op(e.op, real, *args)

    def _constant(self, data: Array) -> Value:
        if data.dtype == bool:
            if data.ndim:
                raise ValueError("a condition that differs from neuron to neuron is not constant")
            return self.builder.const(bool(data), BOOL)
        key = (data.shape, data.tobytes())
        if key not in self._constants:
            self._constants[key] = self.builder.value_or_param(f"k{self._count}", self.real, data)
            self._count += 1
        return self._constants[key]
