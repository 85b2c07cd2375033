"""What of a program has to be computed, and how wide: everything codegen and run agree on.

Names of kinds are those of ``neurohw.program.analysis``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from neurohw.program import (
    Dense,
    Edge,
    Int,
    Interval,
    Population,
    Program,
    Sparse,
)
from neurohw.program.analysis import (
    closure,
    exact_intervals,
    fits32,
    kind_of,
    port_span,
    storage_kind,
)
from neurohw_native.rare import Rare, countdown, rare_states

__all__ = ["DTYPES", "Kernel", "PopPlan", "Tap", "WatchRow", "arrange", "components"]
__all__ += ["delivery", "edge_arrays", "held", "plan_population"]

DTYPES: Mapping[str, np.dtype] = {
    "b": np.dtype(np.uint8),
    "i4": np.dtype(np.int32),
    "i8": np.dtype(np.int64),
    "f4": np.dtype(np.float32),
    "f8": np.dtype(np.float64),
    "u4": np.dtype(np.uint32),
}


@dataclass(frozen=True)
class Tap:
    """A value written out in each step: the node's (or port's), before overflow if ``wide``."""

    what: str  # "node" or "port"
    index: int
    wide: bool
    kind: str


@dataclass(frozen=True)
class WatchRow:
    """A row of the ledger, and the tap that feeds it."""

    key: str
    lo: int
    hi: int
    tap: int


@dataclass(frozen=True)
class PopPlan:
    """What codegen needs to know of one population.

    ``live`` are the nodes that matter; ``exact`` and ``spans`` the intervals of each node before
    and after its overflow mode; ``ports`` the interval of each live port's exact sum. Of a
    ``countdown`` no node is live: the lanes in which something happens are known before.
    """

    pop: Population
    live: tuple[int, ...]
    spans: tuple[Interval | None, ...]
    exact: tuple[Interval | None, ...]
    ports: dict[str, Interval | None]
    taps: tuple[Tap, ...]
    watches: tuple[WatchRow, ...]
    traces: tuple[tuple[int, int], ...]  # (probe index in the program, tap)
    reduced: frozenset[int]  # probes of which moments are kept
    event_probe: int | None
    values: Mapping[str, int]  # name of a value that edges carry -> tap
    ahead: frozenset[str]  # ports that are summed before the run
    ring: bool
    spike: bool
    rare: Mapping[str, Rare] = field(default_factory=dict)
    countdown: bool = False

    def row(self, tap: int) -> tuple[str, int]:
        """Kind of a tap, and its number among the taps of that kind."""
        kind = self.taps[tap].kind
        return kind, sum(t.kind == kind for t in self.taps[:tap])

    def leaves(self, op: str) -> list[int]:
        """Live nodes of a leaf operation, one per name or site."""
        seen: dict[str, int] = {}
        late = {i for r in self.rare.values() for i in r.nodes} if op == "param" else set()
        for i in sorted({*self.live, *late}):
            node = self.pop.nodes[i]
            if node.op == op:
                seen.setdefault(str(node.attrs.get("name", node.attrs.get("site"))), i)
        return list(seen.values())


STEPS = 8
"""At most so many in a pass: as many as a draw of normal numbers serves."""


def arrange(program: Program, plans: list[PopPlan]) -> tuple[list[PopPlan], int]:
    """Order the populations of a component so that a pass may have many steps; that many.

    In a pass of n steps a population needs what another sends in these steps over an edge whose
    delay is shorter than n. Where such edges form no cycle, the sender comes first.
    """
    plan = {x.pop.name: x for x in plans}
    edges = [
        e
        for e in program.edges
        if e.target in plan and e.port in plan[e.target].ports
        if e.port not in plan[e.target].ahead
    ]
    for n in range(STEPS, 0, -1):
        left, done = list(plan), []
        while left:
            waits = {e.target for e in edges if e.delay < n and e.source in left}
            ready = [name for name in left if name not in waits]
            if not ready:
                break
            done += ready
            left = [name for name in left if name in waits]
        else:
            return [plan[name] for name in done], n
    raise AssertionError("edges without delay form a cycle, which verify refuses")


def components(program: Program, ahead: Collection[int] = ()) -> list[list[str]]:
    """Populations connected by edges other than ``ahead``, each group in evaluation order."""
    group = {q.name: i for i, q in enumerate(program.populations)}
    for j, e in enumerate(program.edges):
        if j in ahead:
            continue
        a, b = group[e.source], group[e.target]
        group = {k: a if v == b else v for k, v in group.items()}
    found: dict[int, list[str]] = {}
    for name in program.order:
        found.setdefault(group[name], []).append(name)
    return list(found.values())


def plan_population(
    program: Program,
    q: Population,
    spans: tuple[Interval | None, ...],
    ahead: Collection[int] = (),
) -> PopPlan:
    """Decide what is computed in a step of ``q``; edges ``ahead`` are summed before the run."""
    edges = [e for j, e in enumerate(program.edges) if j not in ahead]
    summed = {e.port for j, e in enumerate(program.edges) if j in ahead and e.target == q.name}
    exact = exact_intervals(q, spans)
    taps: list[Tap] = []

    def tap(what: str, index: int, wide: bool, kind: str) -> int:
        new = Tap(what, index, wide, kind)
        if new not in taps:
            taps.append(new)
        return taps.index(new)

    traces, watches, event_probe = [], [], None
    for j, probe in enumerate(program.probes):
        if probe.population != q.name:
            continue
        if probe.value == "spikes":
            event_probe = j
        else:
            i = q.value(probe.value)
            traces.append((j, tap("node", i, False, storage_kind(q.nodes[i].dtype))))
    for w in program.watches:
        if w.population == q.name:
            i = q.value(w.value)
            kind = kind_of(q.nodes[i].dtype, spans[i])
            watches.append(WatchRow(w.key, w.lo, w.hi, tap("node", i, False, kind)))
    trap_ports = set()
    for j, port in enumerate(q.ports):
        if port.overflow == "trap" and isinstance(port.dtype, Int):
            trap_ports.add(port.name)
            kind = kind_of(port.dtype, port_span(program, q.name, port.name))
            watches.append(
                WatchRow(
                    f"trap:{q.name}.{port.name}",
                    port.dtype.lo,
                    port.dtype.hi,
                    tap("port", j, True, kind),
                )
            )
    for i, node in enumerate(q.nodes):
        if node.attrs.get("overflow") == "trap" and isinstance(node.dtype, Int):
            watches.append(
                WatchRow(
                    f"trap:{q.name}.%{i}",
                    node.dtype.lo,
                    node.dtype.hi,
                    tap("node", i, True, "i4" if fits32(exact[i]) else "i8"),
                )
            )

    values = {}
    for e in edges:
        if e.source == q.name and e.value:
            i = q.value(e.value)
            values[e.value] = tap("node", i, False, storage_kind(q.nodes[i].dtype))
    ring = any(e.source == q.name and not e.value for e in edges)
    spike = q.spike is not None and (ring or event_probe is not None)
    roots = {*q.writes.values(), *(t.index for t in taps if t.what == "node")}
    if spike:
        roots.add(q.spike)  # type: ignore[arg-type]
    recorded = {t.index for t in taps if t.what == "node"}
    counted = countdown(q, recorded, spans)
    rare = counted or rare_states(q, recorded)
    if rare:
        spike = True
        roots |= {q.spike, *(r.else_ for r in rare.values())}  # type: ignore[arg-type]
        roots -= {q.writes[s] for s in rare}
    live = set() if counted else closure(q, roots)
    read = {q.nodes[i].attrs["name"] for i in live if q.nodes[i].op == "input"} | trap_ports
    ports = {x.name: port_span(program, q.name, x.name) for x in q.ports if x.name in read}
    return PopPlan(
        q,
        tuple(sorted(live)),
        spans,
        exact,
        ports,
        tuple(taps),
        tuple(watches),
        tuple(traces),
        frozenset(j for j, _ in traces if program.probes[j].reduce),
        event_probe,
        values,
        frozenset(summed & {*ports}),
        ring,
        spike,
        rare,
        bool(counted),
    )


def delivery(edge: Edge, kind: str) -> str:
    """How an edge into a port held as ``kind`` is delivered: the end of the name of a function."""
    w = edge.weights
    if edge.value:
        return "values_" + (
            "dense" if isinstance(w, Dense) else "sparse" if isinstance(w, Sparse) else "one"
        )
    if isinstance(w, Dense):
        return "bytes" if kind[0] == "i" and held(w.data) == np.int8 else "dense"
    if isinstance(w, Sparse):
        return "same" if len(w.data) and equal(w.data) else "sparse"
    return "one"


def equal(data: np.ndarray) -> bool:
    """Whether all entries are the same."""
    return data.strides == (0,) or bool((data == data[0]).all())


def held(data: np.ndarray) -> np.dtype:
    """The narrowest type that holds these weights: floats as they are."""
    if data.dtype.kind != "i" or not data.size:
        return data.dtype
    lo, hi = int(data.min()), int(data.max())
    types = (np.dtype(f"i{n}") for n in (1, 2, 4, 8))
    return next(t for t in types if lo >= np.iinfo(t).min and hi <= np.iinfo(t).max)


def edge_arrays(edge: Edge, kind: str) -> tuple[np.ndarray, ...]:
    """The arrays that ``deliver_*`` takes for an edge into a port held as ``kind``."""
    w = edge.weights
    same = delivery(edge, kind) == "same"
    data = w.data[:1] if same else w.data
    data = data.astype(held(data)) if kind[0] == "i" else data.astype(DTYPES[kind])
    if isinstance(w, Dense):
        rows = np.zeros((w.data.shape[1] + 1, w.data.shape[0]), data.dtype)
        rows[:-1] = data.T
        return (rows.reshape(-1),)
    if isinstance(w, Sparse):
        index = np.uint16 if w.targets <= 2**16 else np.int32
        return np.array(w.indptr), w.indices.astype(index), data
    return (data,)


@dataclass
class Kernel:
    """The source of a component, and what has to be passed to it, in order.

    ``reach``: steps that a population may run before it needs what those after it send in them.
    ``arrays``: ("state", population, name), ("params", kind, ""), ("external", population, name),
    ("history", key, ""), ("count" or "index" of the ring, population, ""), ("values", key, ""),
    ("edge", index of the edge, index of the array), ("traces", kind, ""), ("moments", "", ""),
    ("lane" or "end" of spikes, population, "");
    a key is a population or, for what edges carry, population.value. ``values``: these keys, their
    population and kind. ``ints``, ``singles``, ``doubles``: (population, node) of each hoisted
    number. ``sites``: the draws' site names. ``events``: populations whose spikes are returned.
    """

    pops: list[PopPlan]
    coupled: bool
    reach: int = 1
    source: str = ""
    arrays: list[tuple[str, str | int, str | int]] = field(default_factory=list)
    ints: list[tuple[str, int]] = field(default_factory=list)
    singles: list[tuple[str, int]] = field(default_factory=list)
    doubles: list[tuple[str, int]] = field(default_factory=list)
    params: list[tuple[str, str, str]] = field(default_factory=list)  # population, name, kind
    externals: list[tuple[str, str, str]] = field(default_factory=list)  # name, "" or "port"
    sites: list[str] = field(default_factory=list)
    edges: list[int] = field(default_factory=list)
    values: list[tuple[str, str, str]] = field(default_factory=list)
    probes: list[tuple[int, int, str]] = field(default_factory=list)  # probe, tap row, kind or ""
    watches: list[tuple[int, int]] = field(default_factory=list)  # (population, row in it)
    events: list[str] = field(default_factory=list)
