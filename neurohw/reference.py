"""The meaning of a program: a plain NumPy interpreter. Clear before fast.

``docs/program.md`` says in prose what this file says in NumPy; where the two disagree, one of
them has a bug. Values of a node are arrays ``[T, size]`` over trials and elements: int64 for
integers (``verify`` has shown that every exact result fits), the type's own storage for floats.

A step, for each population in an order in which zero-delay edges point forward:
ports gather spikes and values; nodes are evaluated; spikes and carried values leave. After the
last population all state writes commit together, so no node can see another's write, and the
order of declaration cannot matter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurohw.program import (
    IR_VERSION,
    Dense,
    DType,
    Edge,
    Events,
    Float,
    Int,
    LedgerRow,
    Moments,
    Node,
    OneToOne,
    Population,
    Probes,
    Program,
    RunState,
    Sparse,
    Weights,
    check_inputs,
    check_traps,
    per_trial,
    verify,
)
from neurohw.program.philox import normals, site_hash, words

__all__ = ["ReferenceBackend", "ReferenceRun", "backend", "evaluate", "shift_right"]

Array = np.ndarray


# integers ----------------------------------------------------------------------------------------


def shift_right(x: Array, by: int, rounding: str, random: Array | None = None) -> Array:
    """``x / 2**by`` rounded to an integer, exactly, for int64 ``x``."""
    if rounding == "floor" or by == 0:
        return x >> by
    if rounding == "toward_zero":  # never -x, which 64 bits may not hold
        return (x + np.where(x < 0, np.int64((1 << by) - 1), np.int64(0))) >> by
    if rounding == "half_away":
        return (x + (np.int64(1 << (by - 1)) - (x < 0))) >> by
    if rounding == "half_even":
        half = np.int64(1 << (by - 1))
        rest = x - ((x >> by) << by)
        up = (rest > half) | ((rest == half) & ((x >> by) & 1 == 1))
        return (x >> by) + up
    assert random is not None
    return (x + (random & ((1 << by) - 1))) >> by  # stochastic: up with probability rest / 2**by


def fit(x: Array, dtype: Int, mode: str) -> Array:
    """Bring exact int64 results into the range of ``dtype``."""
    if mode == "saturate":
        return np.clip(x, dtype.lo, dtype.hi)
    if mode in ("wrap", "trap") and dtype.bits < 64:
        span = np.int64(1) << dtype.bits if dtype.bits < 63 else None
        if span is None:  # 63 bits: two shifts avoid the constant 2**63
            return (x << 1) >> 1 if dtype.signed else x & dtype.hi
        low = x & (span - 1)
        return np.where(low > dtype.hi, low - span, low) if dtype.signed else low
    return x


def _round_float(x: Array, rounding: str) -> Array:
    if rounding == "floor":
        return np.floor(x)
    if rounding == "toward_zero":
        return np.trunc(x)
    if rounding == "half_even":
        return np.rint(x)
    whole = np.trunc(x)  # half away from zero, without adding 0.5, which could round
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def cast(x: Array, source: DType, out: DType, attrs: Mapping[str, str]) -> Array:
    """Convert between types; to an integer by the rounding and overflow of ``attrs``."""
    if isinstance(out, Float):
        return x.astype(out.storage)
    assert isinstance(out, Int)
    if isinstance(source, Float):
        r = _round_float(np.nan_to_num(x, nan=0.0), attrs["rounding"])
        above, below = r >= float(out.hi + 1), r < float(out.lo)  # hi itself may not be a float
        inside = np.where(above | below, 0.0, r).astype(np.int64)
        return np.where(above, out.hi, np.where(below, out.lo, inside))
    return fit(x.astype(np.int64), out, attrs.get("overflow", "exact"))


_COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_ARITH = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
}
_FLOAT = {"div": np.divide, "sqrt": np.sqrt, "exp": np.exp, "expm1": np.expm1, "log": np.log}
_LOGIC = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not}


def _exact(node: Node, args: list[Array]) -> Array:
    """The exact integer result, before the overflow mode."""
    if node.op == "shl":
        return args[0] << np.int64(node.attrs["by"])
    if node.op == "shr":
        return shift_right(args[0], node.attrs["by"], node.attrs["rounding"], *args[1:])
    return _ARITH[node.op](*args)


def evaluate(node: Node, args: list[Array], types: list[DType]) -> Array:
    """Value of one node that is not a leaf."""
    if node.op in _COMPARE:
        return _COMPARE[node.op](*args)
    if node.op in _LOGIC:
        return _LOGIC[node.op](*args)
    if node.op == "select":
        return np.where(*args)
    if node.op == "cast":
        return cast(args[0], types[0], node.dtype, node.attrs)
    if isinstance(node.dtype, Float):
        return (_FLOAT.get(node.op) or _ARITH[node.op])(*args)
    assert isinstance(node.dtype, Int)
    return fit(_exact(node, args), node.dtype, node.attrs.get("overflow", "exact"))


# edges -------------------------------------------------------------------------------------------


def deliver(total: Array, edge: Edge, sent: Array) -> None:
    """Add what ``sent`` [T, sources] brings over ``edge`` to ``total`` [T, targets].

    ``sent`` are spikes (bool), or what the edge carries. Sources are added one after the other in
    ascending order: for spikes and float weights this order is part of the meaning, for integers
    it cannot matter, and for float values it is one of those that are allowed.
    """
    if edge.value:
        _deliver_values(total, edge.weights, sent)
    else:
        _deliver_spikes(total, edge.weights, sent)


def _deliver_values(total: Array, w: Weights, values: Array) -> None:
    if isinstance(w, OneToOne):
        total += values * w.data
        return
    for j in range(w.shape[1]):
        targets, weights = fan_out(w, j)
        total[:, targets] += values[:, j, None] * weights


def _deliver_spikes(total: Array, w: Weights, spikes: Array) -> None:
    if isinstance(w, OneToOne):
        total += np.where(spikes, w.data, w.data.dtype.type(0))
        return
    for j in np.flatnonzero(spikes.any(axis=0)):
        if isinstance(w, Dense):
            total[spikes[:, j]] += w.data[:, j]
            continue
        targets, weights = fan_out(w, j)
        total[np.ix_(spikes[:, j], targets)] += weights


def fan_out(w: Weights, source: int | np.intp) -> tuple[Array, Array]:
    """Targets of a source, ascending, and the weights of its edges to them."""
    if isinstance(w, Dense):
        return np.arange(len(w.data)), w.data[:, source]
    if isinstance(w, OneToOne):
        return np.array([source]), w.data[source : source + 1]
    if isinstance(w, Sparse):
        row = slice(w.indptr[source], w.indptr[source + 1])
        return w.indices[row], w.data[row]
    channel, v, u = np.unravel_index(source, w.input_shape)
    outs, height, width = w.output_shape
    (y, r), (x, q) = np.nonzero(w.reach(0) == v), np.nonzero(w.reach(1) == u)
    mine, ours = w.data.shape[1], outs // w.groups
    group, i = divmod(channel, mine)
    o = np.arange(group * ours, (group + 1) * ours)[:, None, None]
    targets = (o * height + y[:, None]) * width + x
    return targets.ravel(), w.data[o, i, r[:, None], q].ravel()


def _work(dtype: DType) -> np.dtype:
    """Type in which values are held while a step is evaluated."""
    return np.dtype(np.int64) if isinstance(dtype, Int) else dtype.storage


# the run -----------------------------------------------------------------------------------------


class ReferenceRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, steps >= 1: a pure function."""

    def __init__(self, program: Program) -> None:
        verify(program)
        self.program = program

    def __call__(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        p, trials = self.program, state.trials
        external = check_inputs(p, inputs, trials, t0, steps)
        values = {
            k: v.astype(np.int64) if v.dtype.kind == "i" else v.copy()
            for k, v in state.values.items()
        }
        history = {
            k: list((v.astype(np.int64) if v.dtype.kind == "i" else v).transpose(1, 0, 2))
            for k, v in state.history.items()
        }
        samples: dict[str, list[Array]] = {probe.key: [] for probe in p.probes}
        ledger: dict[str, LedgerRow] = {}

        with np.errstate(all="ignore"):
            for t in range(t0, t0 + steps):
                sent: dict[str, Array] = {}
                nodes: dict[str, list[Array]] = {}
                for name in p.order:
                    q = p.population(name)
                    nodes[name] = self._step(
                        q, t, t - t0, trials, values, external, history, sent, ledger
                    )
                    if q.spike is not None:
                        sent[name] = nodes[name][q.spike]
                    for key, (source, value) in p.carried.items():
                        if source == name:
                            sent[key] = nodes[name][q.value(value)]
                for q in p.populations:
                    for s, index in q.writes.items():
                        values[f"{q.name}.{s}"] = nodes[q.name][index]
                for key, depth in p.depth.items():
                    if depth:
                        history[key] = [sent[key], *history[key][:-1]]
                self._record(t, trials, nodes, sent, samples, ledger)
        check_traps(p, ledger)
        return (
            self._state(state, values, history),
            self._probes(t0, steps, trials, samples, ledger),
        )

    def _step(
        self,
        q: Population,
        t: int,
        row: int,
        trials: Array,
        values: dict[str, Array],
        external: dict[str, Array],
        history: dict[str, list[Array]],
        sent: dict[str, Array],
        ledger: dict[str, LedgerRow],
    ) -> list[Array]:
        shape = (len(trials), q.size)
        ports = {x.name: np.zeros(shape, _work(x.dtype)) for x in q.ports}
        for edge in self.program.edges:
            if edge.target == q.name:
                arrived = history[edge.key][edge.delay - 1] if edge.delay else sent[edge.key]
                deliver(ports[edge.port], edge, arrived)
        for x in q.ports:
            if isinstance(x.dtype, Int):
                if x.overflow == "trap":
                    _watch(ledger, f"trap:{q.name}.{x.name}", ports[x.name], x.dtype, t, trials)
                ports[x.name] = fit(ports[x.name], x.dtype, x.overflow)
        params = {x.name: x for x in q.params}
        out: list[Array] = []
        for i, node in enumerate(q.nodes):
            name = node.attrs.get("name", "")
            if node.op == "const":
                value = np.asarray(node.attrs["value"], _work(node.dtype))
            elif node.op == "param":
                value = per_trial(params[name].data, trials, q.size).astype(_work(node.dtype))
            elif node.op == "state":
                value = values[f"{q.name}.{name}"]
            elif node.op == "input":
                value = ports[name]
            elif node.op == "external":
                value = external[f"{q.name}.{name}"][row].astype(_work(node.dtype))
            elif node.op in ("word", "normal"):
                draw = words if node.op == "word" else normals
                site = site_hash(node.attrs["site"])
                value = draw(self.program.seed, site, trials, np.arange(q.size), t)
                value = value.astype(np.int64)
            else:
                args = [out[a] for a in node.args]
                if node.attrs.get("overflow") == "trap":
                    assert isinstance(node.dtype, Int)
                    wide = args[0] if node.op == "cast" else _exact(node, args)
                    _watch(
                        ledger,
                        f"trap:{q.name}.%{i}",
                        np.broadcast_to(wide, shape),
                        node.dtype,
                        t,
                        trials,
                    )
                value = evaluate(node, args, [q.nodes[a].dtype for a in node.args])
            out.append(value if np.shape(value) == shape else np.broadcast_to(value, shape))
        return out

    def _record(
        self,
        t: int,
        trials: Array,
        nodes: dict[str, list[Array]],
        sent: dict[str, Array],
        samples: dict[str, list[Array]],
        ledger: dict[str, LedgerRow],
    ) -> None:
        for probe in self.program.probes:
            if t < probe.offset or (t - probe.offset) % probe.every:
                continue
            q = self.program.population(probe.population)
            if probe.value == "spikes":
                samples[probe.key].append(np.argwhere(sent[q.name]) + (0, 0))
                samples[probe.key][-1] = np.insert(samples[probe.key][-1], 1, t, axis=1)
            else:
                node = q.nodes[index := q.value(probe.value)]
                samples[probe.key].append(nodes[q.name][index].astype(node.dtype.storage))
        for w in self.program.watches:
            q = self.program.population(w.population)
            _watch(ledger, w.key, nodes[q.name][q.value(w.value)], w, t, trials)

    def _state(
        self, before: RunState, values: dict[str, Array], history: dict[str, list[Array]]
    ) -> RunState:
        return RunState(
            before.trials,
            {k: np.array(v, before.values[k].dtype) for k, v in values.items()},
            {
                k: np.stack(v, axis=1).astype(before.history[k].dtype) if v else before.history[k]
                for k, v in history.items()
            },
        )

    def _probes(
        self,
        t0: int,
        steps: int,
        trials: Array,
        samples: dict[str, list[Array]],
        ledger: dict[str, LedgerRow],
    ) -> Probes:
        out = Probes(t0, steps, trials, ledger=ledger)
        for probe in self.program.probes:
            q, rows = self.program.population(probe.population), samples[probe.key]
            if probe.value == "spikes":
                flat = np.concatenate([np.zeros((0, 3), np.int64), *rows])
                flat = flat[np.lexsort((flat[:, 2], flat[:, 1], flat[:, 0]))]
                out.events[q.name] = Events(trials[flat[:, 0]], flat[:, 1], flat[:, 2])
                continue
            dtype = q.nodes[q.value(probe.value)].dtype.storage
            trace = np.stack(rows) if rows else np.zeros((0, len(trials), q.size), dtype)
            if probe.reduce:
                out.moments[probe.key] = Moments.of(trace)
            else:
                out.traces[probe.key] = trace
        return out


def _watch(
    ledger: dict[str, LedgerRow], key: str, x: Array, limits: object, t: int, trials: Array
) -> None:
    """Count the entries of ``x`` outside ``limits.lo .. limits.hi``; remember first, extremes."""
    lo, hi = limits.lo, limits.hi  # type: ignore[attr-defined]
    outside = np.argwhere((x < lo) | (x > hi))
    first = None if not len(outside) else (t, int(trials[outside[0][0]]), int(outside[0][1]))
    row = LedgerRow(len(outside), first, int(x.min()), int(x.max()))
    ledger[key] = ledger[key].merge(row) if key in ledger else row


class ReferenceBackend:
    """The specification as a backend; it runs every legal program."""

    name = "reference"
    ir_version = IR_VERSION

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        return []

    def compile(self, program: Program) -> ReferenceRun:
        return ReferenceRun(program)


def backend() -> ReferenceBackend:
    """Entry point."""
    return ReferenceBackend()
