"""What an engine that generates code wants to know: how wide numbers are, what is needed at all.

Kinds: ``b`` bool, ``i4``/``i8`` integers held in 32 or 64 bits, ``f4``/``f8`` floats. An integer
may be held in 32 bits where ``verify`` shows that every value fits, whatever its type.
"""

from __future__ import annotations

from neurohw.program.intervals import Interval, exact_interval, weight_sums
from neurohw.program.program import Population, Program
from neurohw.program.types import Bool, DType, Float, Int

__all__ = ["closure", "exact_intervals", "fits32", "kind_of", "port_span", "storage_kind"]


def fits32(*spans: Interval | None) -> bool:
    """Whether all of these intervals lie within int32."""
    return all(s is not None and s[0] >= -(2**31) and s[1] < 2**31 for s in spans)


def kind_of(dtype: DType, span: Interval | None) -> str:
    """How values of a type, known to lie in ``span``, are held."""
    if isinstance(dtype, Bool):
        return "b"
    if isinstance(dtype, Float):
        return "f4" if dtype.bits == 32 else "f8"
    return "i4" if fits32(span) else "i8"


def storage_kind(dtype: DType) -> str:
    """The kind of arrays of a type at the boundary."""
    return "b" if isinstance(dtype, Bool) else dtype.storage.str[1:]


def exact_intervals(
    q: Population, spans: tuple[Interval | None, ...]
) -> tuple[Interval | None, ...]:
    """Interval of each node before its overflow mode; ``spans``: after it, as ``verify`` has it."""
    exact: list[Interval | None] = []
    for i, node in enumerate(q.nodes):
        if not node.args or not isinstance(node.dtype, Int):
            exact.append(spans[i])
        else:
            types = [q.nodes[a].dtype for a in node.args]
            exact.append(exact_interval(node, types, [spans[a] for a in node.args]))
    return tuple(exact)


def port_span(program: Program, pop: str, port: str) -> Interval | None:
    """Interval of a port's sum and of every part of it, in whatever order; None for floats."""
    q = program.population(pop)
    if isinstance(next(x for x in q.ports if x.name == port).dtype, Float):
        return None
    sums = []
    for e in program.edges:
        if (e.target, e.port) == (pop, port):
            s = program.population(e.source)
            sent = s.nodes[s.value(e.value)].dtype if e.value else None
            span = (sent.lo, sent.hi) if isinstance(sent, Int) else (0, 1)
            sums.append(weight_sums(e.weights, span))
    return sum(s[0] for s in sums), sum(s[1] for s in sums)


def closure(q: Population, roots: set[int]) -> set[int]:
    """The nodes that these need, and they themselves."""
    found: set[int] = set()
    todo = list(roots)
    while todo:
        i = todo.pop()
        if i not in found:
            found.add(i)
            todo += q.nodes[i].args
    return found
