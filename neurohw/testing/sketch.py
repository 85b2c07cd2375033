"""A builder that knows the interval of every value, so that what it adds is legal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurohw.errors import ProgramError
from neurohw.program import Bool, Builder, DType, Float, Int, Interval, Node, Value
from neurohw.program.intervals import after_overflow, exact_interval, range_of, type_range

__all__ = ["Sketch"]

I64 = Int(64)


class Sketch(Builder):
    """A :class:`~neurohw.program.Builder` with the interval rules of ``verify`` at hand.

    Parameters
    ----------
    ports : mapping
        Port -> interval of what can arrive there, which only the edges tell.
    """

    def __init__(self, name: str, size: int, ports: Mapping[str, Interval | None]) -> None:
        super().__init__(name, size)
        self.arriving = ports
        self.spans: list[Interval | None] = []

    def op(self, op: str, dtype: DType, *args: Value, **attrs: Any) -> Value:
        value = super().op(op, dtype, *args, **attrs)
        self.spans.append(self._span(self._nodes[-1]))
        return value

    def _span(self, node: Node) -> Interval | None:
        if isinstance(node.dtype, Float):
            return None
        if node.op == "const":
            return int(node.attrs["value"]), int(node.attrs["value"])
        if node.op == "param":
            return range_of(self._params[-1].data, node.dtype)
        if node.op in ("state", "external"):
            return type_range(node.dtype)
        if node.op == "input":
            return self.arriving[node.attrs["name"]]
        if isinstance(node.dtype, Bool):
            return 0, 1
        return after_overflow(
            self._exact(node), node.dtype, node.attrs.get("overflow", "exact"), self.name
        )

    def _exact(self, node: Node) -> Interval:
        types = [self._nodes[a].dtype for a in node.args]
        return exact_interval(node, types, [self.spans[a] for a in node.args])

    def exact(self, op: str, *args: Value, **attrs: Any) -> Interval | None:
        """Interval of an operation's exact integer result; None if it may exceed 64 bits."""
        try:
            low, high = self._exact(Node(op, I64, tuple(a.index for a in args), attrs))
        except ProgramError:
            return None
        return (low, high) if I64.lo <= low and high <= I64.hi else None

    def span(self, value: Value) -> Interval:
        """Interval of an integer value."""
        span = self.spans[value.index]
        assert span is not None
        return span
