"""Check a program against the rules of ``docs/program.md``, and bound every integer in it.

``verify`` either raises one :class:`~neurohw.errors.ProgramError` that names the population and
the node, or returns the interval of values each node can take. Backends may rely on the
intervals: every exact integer result, before its overflow mode is applied, fits 64 bits.
"""

from __future__ import annotations

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program.fields import check_fields
from neurohw.program.intervals import (
    Interval,
    after_overflow,
    exact_interval,
    fits,
    range_of,
    type_range,
    weight_sums,
)
from neurohw.program.ops import OPS, OVERFLOW
from neurohw.program.philox import site_hash
from neurohw.program.program import (
    Edge,
    Node,
    Population,
    Program,
    Sparse,
)
from neurohw.program.rows import ascending
from neurohw.program.types import BOOL, Bool, DType, Float, Int

__all__ = ["Interval", "verify"]

MAX_DELAY = 1 << 20


def verify(program: Program) -> dict[str, tuple[Interval | None, ...]]:
    """Check ``program``; return per population the interval of each node (None for floats).

    A program that has passed once is not looked at again: it cannot be changed.

    Raises
    ------
    ProgramError
        At the first rule that is broken.
    """
    p = program
    if "_facts" in p.__dict__:
        return p.__dict__["_facts"]
    check_fields(p)
    if not 0 <= p.seed < 2**64:
        raise ProgramError("seed out of range", where=p.name, got=p.seed, allowed="0..2**64-1")
    if p.trials < 1:
        raise ProgramError("no trials", where=p.name, got=p.trials, allowed=">= 1")
    if not (np.isfinite(p.dt) and p.dt > 0):
        raise ProgramError("step length", where=p.name, got=p.dt, allowed="> 0 s")
    _unique([q.name for q in p.populations], p.name, "population")
    _unique([*(q.name for q in p.populations), *p.carried], p.name, "history")
    ports = _check_edges(p)
    facts = {q.name: _check_population(q, p.trials, ports) for q in p.populations}
    _ = p.order
    for probe in p.probes:
        _check_probe(p, probe.population, probe.value)
        if probe.every < 1 or probe.offset < 0 or probe.reduce not in ("", "moments"):
            raise ProgramError("bad probe", where=probe.key, got=probe, allowed="every >= 1")
        if probe.reduce and probe.value == "spikes":
            raise ProgramError("spikes are recorded as events", where=probe.key)
    for w in p.watches:
        node = p.population(w.population)
        if not isinstance(node.nodes[node.value(w.value)].dtype, Int):
            raise ProgramError("a watch needs an integer value", where=w.key)
    _check_sites(p)
    _unique([q.key for q in p.probes], p.name, "probe")
    _unique([w.key for w in p.watches], p.name, "watch")
    p.__dict__["_facts"] = facts
    return facts


def _unique(names: list[str], where: str, what: str) -> None:
    seen: set[str] = set()
    plural = {"history": "histories", "watch": "watches"}.get(what, f"{what}s")
    for n in names:
        if n in seen:
            raise ProgramError(f"two {plural} of the same name", where=where, got=n)
        seen.add(n)


def _check_probe(p: Program, population: str, value: str) -> None:
    pop = p.population(population)
    if value == "spikes":
        if pop.spike is None:
            raise ProgramError("population emits no spikes", where=f"{population}.spikes")
    else:
        pop.value(value)


def _check_sites(p: Program) -> None:
    """A site serves one kind of draw, and no two sites share a counter."""
    kinds: dict[str, str] = {}
    hashes: dict[int, str] = {}
    for q in p.populations:
        for node in q.nodes:
            if node.op not in ("word", "normal"):
                continue
            site = node.attrs.get("site", "")
            if kinds.setdefault(site, node.op) != node.op:
                raise ProgramError("one site for two kinds of draw", where=q.name, got=site)
            if hashes.setdefault(site_hash(site), site) != site:
                raise ProgramError(
                    "two sites have the same hash",
                    where=q.name,
                    got=site,
                    fix="rename the population",
                )


# edges and ports ---------------------------------------------------------------------------------


def _check_edges(p: Program) -> dict[tuple[str, str], Interval | None]:
    sums: dict[tuple[str, str], Interval | None] = {}
    for q in p.populations:
        _unique([port.name for port in q.ports], q.name, "port")
        for port in q.ports:
            if port.overflow not in OVERFLOW:
                raise ProgramError(
                    "overflow mode",
                    where=f"{q.name}.{port.name}",
                    got=port.overflow,
                    allowed=", ".join(OVERFLOW),
                )
            sums[q.name, port.name] = None if isinstance(port.dtype, Float) else (0, 0)
    for e in p.edges:
        where = e.where
        source, target = p.population(e.source), p.population(e.target)
        port = next((q for q in target.ports if q.name == e.port), None)
        if port is None:
            raise ProgramError(
                "no such port",
                where=where,
                got=e.port,
                allowed=", ".join(q.name for q in target.ports) or "none",
            )
        sent = _sent(e, source, port.dtype)
        if not 0 <= e.delay <= MAX_DELAY:
            raise ProgramError("delay", where=where, got=e.delay, allowed=f"0..{MAX_DELAY} steps")
        _check_weights(e, where, (target.size, source.size), port.dtype)
        interval = sums[e.target, e.port]
        if interval is not None:
            low, high = weight_sums(e.weights, sent or (0, 1))
            interval = interval[0] + low, interval[1] + high
            fits(interval, where, "sum of weights")
            sums[e.target, e.port] = interval
    for (pop, name), interval in sums.items():
        if interval is None:
            continue
        port = next(q for q in p.population(pop).ports if q.name == name)
        sums[pop, name] = after_overflow(interval, port.dtype, port.overflow, f"{pop}.{name}")
    return sums


def _sent(e: Edge, source: Population, port: DType) -> Interval | None:
    """Range of what each source sends; None for floats.

    It is that of the value's type, not the interval of the node: what the node can be may depend
    on this very edge, and what a state holds is only known to be of its type.
    """
    if not e.value:
        if source.spike is None:
            raise ProgramError("source emits no spikes", where=e.where)
        return 0, 1
    dtype = source.nodes[source.value(e.value)].dtype
    if (
        isinstance(dtype, Bool)
        or isinstance(dtype, Int) != isinstance(port, Int)
        or (isinstance(port, Float) and dtype != port)
    ):
        raise ProgramError(
            "type of the value that is carried",
            where=f"{e.where} value {e.value}",
            got=str(dtype),
            allowed="an integer" if isinstance(port, Int) else str(port),
        )
    return type_range(dtype)


def _check_weights(e: Edge, where: str, shape: tuple[int, int], dtype: DType) -> None:
    w = e.weights
    if w.shape != shape:
        raise ProgramError(
            "weights have the wrong shape",
            where=where,
            got=w.shape,
            allowed=f"{shape} = (target size, source size)",
        )
    if (
        isinstance(w.dtype, Bool)
        or isinstance(w.dtype, Int) != isinstance(dtype, Int)
        or (isinstance(dtype, Float) and w.dtype != dtype)
    ):
        raise ProgramError(
            "weight type",
            where=where,
            got=str(w.dtype),
            allowed="an integer" if isinstance(dtype, Int) else str(dtype),
        )
    if isinstance(w, Sparse):
        if len(w.indices) != len(w.data) or not ascending(w.indptr, w.indices, w.targets):
            raise ProgramError(
                "sparse rows are malformed",
                where=where,
                allowed="targets in range, ascending and distinct in each row",
            )


# one population ----------------------------------------------------------------------------------


def _check_population(
    q: Population, trials: int, ports: dict[tuple[str, str], Interval | None]
) -> tuple[Interval | None, ...]:
    if q.size < 1:
        raise ProgramError("size", where=q.name, got=q.size, allowed=">= 1")
    _unique([n.name for n in q.nodes if n.name], q.name, "value")
    shapes = ((), (q.size,), (trials, 1), (trials, q.size))
    leaves: dict[tuple[str, str], tuple[DType, Interval | None]] = {}
    for kind, items in (("param", q.params), ("state", q.states)):
        _unique([i.name for i in items], q.name, kind)
        for item in items:
            data = item.data if kind == "param" else item.init  # type: ignore[union-attr]
            if data.shape not in shapes:
                raise ProgramError(
                    f"{kind} has the wrong shape",
                    where=f"{q.name}.{item.name}",
                    got=data.shape,
                    allowed=" or ".join(map(str, shapes)),
                )
            if data.dtype != item.dtype.storage:
                raise ProgramError(
                    "wrong storage",
                    where=f"{q.name}.{item.name}",
                    got=data.dtype,
                    allowed=str(item.dtype.storage),
                )
            span = range_of(data, item.dtype) if kind == "param" else type_range(item.dtype)
            leaves[kind, item.name] = (item.dtype, span)
    for port in q.ports:
        leaves["input", port.name] = (port.dtype, ports[q.name, port.name])
    _unique([x.name for x in q.externals], q.name, "external")
    for x in q.externals:
        leaves["external", x.name] = (x.dtype, type_range(x.dtype))
        if x.events is not None and (
            x.dtype != BOOL
            or x.events.ndim != 2
            or x.events.shape[1:] != (2,)
            or (x.events.size and (x.events.min() < 0 or x.events[:, 1].max() >= q.size))
            or not _ascending(x.events)
        ):
            raise ProgramError(
                "events are malformed",
                where=f"{q.name}.{x.name}",
                allowed=f"ascending rows (step >= 0, element 0..{q.size - 1}) of a bool",
            )
    spans: list[Interval | None] = []
    for i, node in enumerate(q.nodes):
        where = f"{q.name}.%{i}{' ' + node.name if node.name else ''}"
        spans.append(_check_node(q, i, node, leaves, spans, where))
    for name, index in q.writes.items():
        state = next((s for s in q.states if s.name == name), None)
        if state is None or not 0 <= index < len(q.nodes):
            raise ProgramError("write to an unknown state or node", where=q.name, got=name)
        if q.nodes[index].dtype != state.dtype:
            raise ProgramError(
                "write of another type",
                where=f"{q.name}.{name}",
                got=str(q.nodes[index].dtype),
                allowed=str(state.dtype),
            )
    if q.spike is not None and not (0 <= q.spike < len(q.nodes) and q.nodes[q.spike].dtype == BOOL):
        raise ProgramError("the spike must be a bool node", where=q.name, got=q.spike)
    return tuple(spans)


def _ascending(events: np.ndarray) -> bool:
    step, element = np.diff(events, axis=0).T
    return bool(np.all((step > 0) | ((step == 0) & (element > 0))))


def _check_node(
    q: Population,
    i: int,
    node: Node,
    leaves: dict[tuple[str, str], tuple[DType, Interval | None]],
    spans: list[Interval | None],
    where: str,
) -> Interval | None:
    spec = OPS.get(node.op)
    if spec is None:
        raise ProgramError("unknown operation", where=where, got=node.op, allowed=", ".join(OPS))
    if len(node.args) not in spec.arity:
        raise ProgramError(
            "number of arguments",
            where=where,
            got=len(node.args),
            allowed=" or ".join(map(str, spec.arity)),
        )
    if any(not 0 <= a < i for a in node.args):
        raise ProgramError("argument is not an earlier node", where=where, got=node.args)
    for key, value in node.attrs.items():
        allowed = spec.attrs.get(key)
        if (
            allowed is None
            or (isinstance(allowed, tuple) and value not in allowed)
            or (isinstance(allowed, type) and not isinstance(value, allowed))
            or (allowed is int and isinstance(value, bool))
        ):
            raise ProgramError(
                "attribute", where=where, got=f"{key}={value!r}", allowed=str(spec.attrs)
            )
    missing = {"shr": "rounding", "word": "site", "normal": "site"}.get(node.op, "")
    if missing and not node.attrs.get(missing):
        raise ProgramError("attribute is missing", where=where, got=dict(node.attrs),
                           allowed=f"{missing}=...")  # fmt: skip
    if not isinstance(node.dtype, Int) and "overflow" in node.attrs:
        raise ProgramError("only integers overflow", where=where, got=dict(node.attrs))
    types = [q.nodes[a].dtype for a in node.args]
    if not spec.rule(types, node.dtype, dict(node.attrs)):
        raise ProgramError(
            f"types of {node.op}",
            where=where,
            got=f"({', '.join(map(str, types))}) -> {node.dtype} {dict(node.attrs)}",
            allowed=spec.types,
        )
    if node.op in ("param", "state", "input", "external"):
        leaf = leaves.get((node.op, node.attrs.get("name", "")))
        if leaf is None or leaf[0] != node.dtype:
            raise ProgramError(
                f"no such {node.op} of this type",
                where=where,
                got=f"{node.attrs.get('name')} {node.dtype}",
                allowed=", ".join(f"{k[1]} {v[0]}" for k, v in leaves.items() if k[0] == node.op)
                or "none",
            )
        return leaf[1]
    if node.op == "const":
        return _const(node, where)
    if isinstance(node.dtype, Float):
        return None
    if isinstance(node.dtype, Bool):
        return (0, 1)
    exact = exact_interval(node, types, [spans[a] for a in node.args], where)
    return after_overflow(exact, node.dtype, node.attrs.get("overflow", "exact"), where)


def _const(node: Node, where: str) -> Interval | None:
    value = node.attrs.get("value")
    if isinstance(node.dtype, Float):
        if (
            not isinstance(value, float)
            or not np.isfinite(value)
            or (float(node.dtype.storage.type(value)) != value)
        ):
            raise ProgramError(
                "constant is not exact in its type",
                where=where,
                got=value,
                allowed=f"a finite {node.dtype}",
            )
        return None
    if isinstance(node.dtype, Bool):
        if not isinstance(value, bool):
            raise ProgramError("constant", where=where, got=value, allowed="true or false")
        return int(value), int(value)
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not (node.dtype.lo <= value <= node.dtype.hi)
    ):
        raise ProgramError(
            "constant", where=where, got=value, allowed=f"{node.dtype.lo}..{node.dtype.hi}"
        )
    return value, value
