"""What the fused kernels of a program compute: values and their widths, records, order of work.

Names of kinds: ``b`` bool, ``i4``/``i8`` integers held in 32 or 64 bits, ``f4``/``f8`` floats. An
integer is held in 32 bits where ``verify`` shows that every value fits, whatever its type.

Populations that feed each other in a ring form a *group*; groups are run one after the other, each
for a whole window of steps, and within a window in spans that no spike of the group crosses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from neurohw.program import Dense, Edge, Int, Interval, OneToOne, Population, Program, Sparse
from neurohw.program.analysis import closure, exact_intervals, fits32, kind_of, port_span

__all__ = ["Group", "PopPlan", "Tap", "groups", "plan_population", "why_not"]

_KNOWN = {
    "Edge": {"source", "target", "port", "weights", "delay"},
    "Port": {"name", "dtype", "overflow"},
    "State": {"name", "dtype", "init"},
    "External": {"name", "dtype", "events"},
    "Probe": {"population", "value", "every", "offset", "reduce", "scale", "shift", "unit"},
    "Watch": {"population", "value", "lo", "hi", "label"},
    "Population": {
        "name", "size", "params", "states", "ports", "externals", "nodes", "writes", "spike",
    },
    "Node": {"op", "dtype", "args", "attrs", "name"},
}  # fmt: skip
_OPS = {
    "const", "param", "state", "input", "external", "word", "normal", "add", "sub", "mul", "neg",
    "abs", "min", "max", "shl", "shr", "div", "sqrt", "exp", "expm1", "log", "eq", "ne", "lt", "le",
    "gt", "ge", "and", "or", "xor", "not", "select", "cast",
}  # fmt: skip
LANES = 1 << 30
"""Most lanes (trials times elements) of a population: a kernel counts them in 32 bits."""


def why_not(program: Program) -> str:
    """What of ``program`` the fused kernels cannot run; "" if they can run all of it.

    A field or operation that this module does not know makes the answer no, so that what is added
    to programs later is never run as if it were not there.
    """
    for q in program.populations:
        for record in (q, *q.ports, *q.states, *q.externals, *q.nodes):
            if found := _unknown(record):
                return f"{q.name}: {found}"
        for node in q.nodes:
            if node.op not in _OPS:
                return f"{q.name}: operation {node.op}"
        if q.size * program.trials > LANES:
            return f"{q.name}: more than {LANES} lanes"
    for record in (*program.edges, *program.probes, *program.watches):
        if found := _unknown(record):
            return found
    for e in program.edges:
        if not isinstance(e.weights, Dense | Sparse | OneToOne):
            return f"edge {e.source} -> {e.target}: {type(e.weights).__name__} weights"
    return ""


def _unknown(record: object) -> str:
    """A field of ``record`` that is new here and does not hold its default."""
    name = type(record).__name__
    if name not in _KNOWN:
        return f"a {name}"
    for x in dataclasses.fields(record):  # type: ignore[arg-type]
        if x.name in _KNOWN[name]:
            continue
        value = getattr(record, x.name)
        if x.default is dataclasses.MISSING or value != x.default:
            return f"{name.lower()} with {x.name}"
    return ""


# one population ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tap:
    """An integer that is watched: a node's, or a port's, before its overflow mode if ``wide``."""

    key: str
    lo: int
    hi: int
    what: str  # "node" or "port"
    index: int
    wide: bool
    kind: str


@dataclass(frozen=True)
class PopPlan:
    """What codegen and the run agree on for one population.

    ``live`` are the nodes that matter; ``spans`` and ``exact`` the intervals of each node after
    and before its overflow mode; ``ports`` name -> kind of the exact sum, for those that are read.
    ``traces`` are (probe index in the program, node); ``events`` whether spikes are recorded;
    ``ring`` whether an edge carries them. ``late``: see :func:`_late`.
    """

    pop: Population
    live: tuple[int, ...]
    spans: tuple[Interval | None, ...]
    exact: tuple[Interval | None, ...]
    ports: Mapping[str, str]
    sums: Mapping[str, Interval | None]
    watches: tuple[Tap, ...]
    traces: tuple[tuple[int, int], ...]
    events: bool
    ring: bool
    late: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @property
    def states(self) -> list[str]:
        """States that are read or written."""
        used = {
            self.pop.nodes[i].attrs["name"] for i in self.live if self.pop.nodes[i].op == "state"
        }
        return [s.name for s in self.pop.states if s.name in used or s.name in self.pop.writes]

    def leaves(self, op: str) -> list[str]:
        """Names or sites of the live nodes of a leaf operation, each once."""
        nodes = [self.pop.nodes[i] for i in self.live if self.pop.nodes[i].op == op]
        return list(dict.fromkeys(str(n.attrs.get("name", n.attrs.get("site"))) for n in nodes))


def plan_population(program: Program, q: Population, spans: tuple[Interval | None, ...]) -> PopPlan:
    """Decide what is computed in a step of ``q``, whose nodes lie in ``spans`` (from verify)."""
    exact = exact_intervals(q, spans)
    sums = {x.name: port_span(program, q.name, x.name) for x in q.ports}
    watches: list[Tap] = []
    for w in program.watches:
        if w.population == q.name:
            i = q.value(w.value)
            kind = "i4" if fits32(spans[i]) else "i8"
            watches.append(Tap(w.key, w.lo, w.hi, "node", i, False, kind))
    for j, x in enumerate(q.ports):
        if x.overflow == "trap" and isinstance(x.dtype, Int):
            kind = kind_of(x.dtype, sums[x.name])
            key = f"trap:{q.name}.{x.name}"
            watches.append(Tap(key, x.dtype.lo, x.dtype.hi, "port", j, True, kind))
    for i, node in enumerate(q.nodes):
        if node.attrs.get("overflow") == "trap" and isinstance(node.dtype, Int):
            kind = "i4" if fits32(exact[i]) else "i8"
            key = f"trap:{q.name}.%{i}"
            watches.append(Tap(key, node.dtype.lo, node.dtype.hi, "node", i, True, kind))
    probes = [(j, p) for j, p in enumerate(program.probes) if p.population == q.name]
    traces = tuple((j, q.value(p.value)) for j, p in probes if p.value != "spikes")
    events = any(p.value == "spikes" for _, p in probes)
    ring = any(e.source == q.name for e in program.edges)
    roots = {*q.writes.values(), *(i for _, i in traces)}
    roots |= {w.index for w in watches if w.what == "node"}
    if (ring or events) and q.spike is not None:
        roots.add(q.spike)
    live = closure(q, roots)
    read = {q.nodes[i].attrs["name"] for i in live if q.nodes[i].op == "input"}
    read |= {q.ports[w.index].name for w in watches if w.what == "port"}
    ports = {x.name: kind_of(x.dtype, sums[x.name]) for x in q.ports if x.name in read}
    seen = roots - {*q.writes.values()} | {q.spike}
    return PopPlan(q, tuple(sorted(live)), spans, exact, ports, sums, tuple(watches),
                   traces, events, ring, _late(q, live, seen))  # fmt: skip


def _late(q: Population, live: set[int], seen: set[int | None]) -> dict[int, frozenset[int]]:
    """What only a spike needs: choice at a spike -> the nodes that it takes with normals in them.

    A normal number is looked up in a table, which costs more than a step does. Where all that
    depends on one ends in ``select(spike, a, b)`` as ``a``, it is looked up only in the lanes that
    spike; elsewhere these nodes hold anything. None of them is recorded (``seen``), may trap, or is
    written as it is.
    """
    found: dict[int, set[int]] = {}
    if q.spike is None:
        return {}
    sites = {q.nodes[i].attrs["site"] for i in live if q.nodes[i].op == "normal"}
    for site in sites:
        reached = {i for i in live if q.nodes[i].attrs.get("site") == site}
        exits: set[int] = set()
        for i in sorted(live):
            node = q.nodes[i]
            if not reached.intersection(node.args):
                continue
            condition = node.args[0] if node.op == "select" else None
            if condition == q.spike and not reached & {node.args[0], node.args[2]}:
                exits.add(i)
            else:
                reached.add(i)
        ends = reached & (seen | {*q.writes.values()})
        if ends or any(q.nodes[i].attrs.get("overflow") == "trap" for i in reached):
            continue
        for i in exits:
            found.setdefault(i, set()).update(reached & closure(q, {q.nodes[i].args[1]}))
    # A node that also needs a normal that is always looked up is fine; one that a choice shares
    # with another choice is computed at the first.
    return {i: frozenset(nodes) for i, nodes in found.items()}


# the order of work -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Populations that feed each other, in evaluation order, and the edges into them.

    ``span`` is how many steps a population may run ahead of those after it: the shortest delay of
    an inner edge that leads backward, or None where there is none. ``before`` are the indices of
    edges whose spikes are delivered for a whole window at once; ``within`` those that are
    delivered span by span. Both are in the order of the program, and no edge of a float port that
    is delivered within is followed by one delivered before.
    """

    names: tuple[str, ...]
    span: int | None
    before: tuple[int, ...]
    within: tuple[int, ...]


def groups(program: Program, plans: Mapping[str, PopPlan]) -> list[Group]:
    """The groups of a program, each after those that feed it."""
    reach = _reach(program)
    order, done, out = program.order, set[str](), []
    members = {
        n: tuple(m for m in order if m == n or (m in reach[n] and n in reach[m])) for n in order
    }
    left = list(order)
    while left:
        # A group may begin once all that feeds it from outside is done.
        name = next(
            n for n in left
            if all(e.source in done or e.source in members[n]
                   for e in program.edges if e.target in members[n])
        )  # fmt: skip
        names = members[name]
        done |= set(names)
        left = [n for n in left if n not in done]
        out.append(_group(program, plans, names))
    return out


def _reach(program: Program) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {q.name: set() for q in program.populations}
    for e in program.edges:
        after[e.source].add(e.target)
    for middle in after:
        for a in after:
            if middle in after[a]:
                after[a] |= after[middle]
    return after


def _group(program: Program, plans: Mapping[str, PopPlan], names: tuple[str, ...]) -> Group:
    into: list[tuple[int, Edge]] = [
        (j, e) for j, e in enumerate(program.edges)
        if e.target in names and e.port in plans[e.target].ports
    ]  # fmt: skip
    at = {n: k for k, n in enumerate(names)}
    back = [
        e.delay for e in program.edges
        if e.source in at and e.target in at and at[e.source] >= at[e.target]
    ]  # fmt: skip
    before: list[int] = []
    late: set[tuple[str, str]] = set()  # float ports that have met an inner edge
    for j, e in into:
        key = e.target, e.port
        is_float = plans[e.target].sums[e.port] is None
        if e.source not in names and not (is_float and key in late):
            before.append(j)
        else:
            late.add(key)
    within = tuple(j for j, _ in into if j not in before)
    return Group(names, min(back, default=None), tuple(before), within)
