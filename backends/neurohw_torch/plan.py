"""A population's step as a list of tensor instructions, sorted by how often they must run.

Every value has a level:

- ``CALL``: made of constants and parameters; computed once per call of the run;
- ``BLOCK``: made of those, draws and external inputs; computed for a block of steps at once, with
  a leading axis of steps;
- ``STEP``: depends on states or on spikes that arrive; computed in every step.

Values that nothing reads are dropped. Values live in numbered slots and need not have the full
shape ``[T, size]``: constants have none, parameters theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from neurohw.program import Float, Int, Interval, Node, Population
from neurohw.program.bfloat16 import source_of
from neurohw.program.philox import site_hash
from neurohw_torch import ops

__all__ = ["BLOCK", "CALL", "STEP", "Draw", "Instruction", "Plan", "Trap", "make_plan"]

CALL, BLOCK, STEP = range(3)


@dataclass(frozen=True, slots=True)
class Instruction:
    """``slots[out] = fn(*slots[args])``."""

    fn: ops.Fn
    args: tuple[int, ...]
    out: int


@dataclass(frozen=True, slots=True)
class Draw:
    """Fill ``slot`` with the draws of a site, ``kind`` being ``word`` or ``normal``."""

    slot: int
    kind: str
    site: int


@dataclass(frozen=True, slots=True)
class Trap:
    """Count when the exact value in ``slot`` leaves the range of ``dtype``."""

    key: str
    slot: int
    dtype: Int


@dataclass
class Plan:
    """What one population does; built by :func:`make_plan`, then only read.

    Attributes
    ----------
    code : list of instructions for each level.
    level, dtype : per slot.
    values : node index -> slot, for the nodes that were kept.
    constants, params, states, externals, inputs : slot -> what it is loaded from.
    sums : slot -> port whose exact sum it takes, before the overflow mode (for traps).
    draws, traps : see their classes.
    carried : slots of level ``BLOCK`` that are read in every step.
    sent : key of a value that edges carry -> its slot.
    """

    population: Population
    code: tuple[list[Instruction], ...] = field(default_factory=lambda: ([], [], []))
    level: list[int] = field(default_factory=list)
    dtype: list[torch.dtype] = field(default_factory=list)
    values: dict[int, int] = field(default_factory=dict)
    constants: dict[int, float | int | bool] = field(default_factory=dict)
    params: dict[int, np.ndarray] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    externals: dict[int, str] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    sums: dict[int, str] = field(default_factory=dict)
    draws: list[Draw] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    carried: list[int] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)

    def slot(self, level: int, dtype: torch.dtype) -> int:
        """A new slot."""
        self.level.append(level)
        self.dtype.append(dtype)
        return len(self.level) - 1

    def emit(self, fn: ops.Fn, args: tuple[int, ...], dtype: torch.dtype) -> int:
        """Append an instruction at the level of its arguments."""
        level = max(self.level[a] for a in args)
        out = self.slot(level, dtype)
        self.code[level].append(Instruction(fn, args, out))
        return out


def make_plan(
    q: Population,
    spans: tuple[Interval | None, ...],
    wanted: set[int],
    sent: Mapping[str, int],
) -> Plan:
    """Plan the step of ``q``.

    Parameters
    ----------
    spans : tuple
        Interval of each node, from ``verify``.
    wanted : set of int
        Nodes that are recorded. What is written, emitted or may trap is kept in any case.
    sent : mapping
        Key of a value that edges carry -> its node.
    """
    plan = Plan(q)
    as_type: dict[tuple[int, torch.dtype], int] = {}

    def at(node: int, dtype: torch.dtype) -> int:
        """Slot of a node's value in an integer type of another width."""
        slot = plan.values[node]
        if plan.dtype[slot] == dtype:
            return slot
        if (slot, dtype) not in as_type:
            as_type[slot, dtype] = plan.emit(lambda x: x.to(dtype), (slot,), dtype)
        return as_type[slot, dtype]

    short = {i: x for i in range(len(q.nodes)) if (x := source_of(q, i)) is not None}
    keep = _needed(q, wanted | set(sent.values()), short)
    for i, node in enumerate(q.nodes):
        if i not in keep:
            continue
        if i in short:
            plan.values[i] = plan.emit(ops.to_bfloat16, (plan.values[short[i]],), torch.float32)
        elif not node.args:
            plan.values[i] = _leaf(plan, node, spans[i])
        elif isinstance(node.dtype, Int) and node.op != "select":
            plan.values[i] = _integer(plan, q, i, spans, at)
        elif node.op == "cast":
            to = ops.tensor_type(node.dtype)
            plan.values[i] = plan.emit(lambda x, to=to: x.to(to), (plan.values[node.args[0]],), to)
        else:
            args = tuple(plan.values[a] for a in node.args)
            ints = [a for a in node.args if isinstance(q.nodes[a].dtype, Int)]
            out = ops.tensor_type(node.dtype)
            if ints:  # a comparison of integers, or a choice between them
                to = ops.width([s for a in ints if (s := spans[a]) is not None])
                args = tuple(at(a, to) if a in ints else plan.values[a] for a in node.args)
                out = to if isinstance(node.dtype, Int) else torch.bool
            plan.values[i] = plan.emit(ops.exact(node, out), args, out)
    for port in q.ports:
        if port.overflow == "trap" and isinstance(port.dtype, Int):
            slot = plan.slot(STEP, torch.int64)
            plan.sums[slot] = port.name
            plan.traps.append(Trap(f"trap:{q.name}.{port.name}", slot, port.dtype))
    plan.sent = {key: at(i, ops.tensor_type(q.nodes[i].dtype)) for key, i in sent.items()}
    read = {a for x in plan.code[STEP] for a in x.args}
    read |= {plan.values[i] for i in q.writes.values()}
    read |= {plan.values[q.spike]} if q.spike is not None else set()
    read |= set(plan.sent.values())
    plan.carried = sorted(a for a in read if plan.level[a] == BLOCK)
    return plan


def _needed(q: Population, wanted: set[int], short: Mapping[int, int]) -> set[int]:
    keep = set(wanted) | set(q.writes.values()) | ({q.spike} if q.spike is not None else set())
    keep |= {i for i, n in enumerate(q.nodes) if n.attrs.get("overflow") == "trap"}
    for i in range(len(q.nodes) - 1, -1, -1):
        if i in keep:
            keep.update([short[i]] if i in short else q.nodes[i].args)
    return keep


def _leaf(plan: Plan, node: Node, span: Interval | None) -> int:
    q, name, dtype = plan.population, node.attrs.get("name", ""), ops.tensor_type(node.dtype)
    if node.op == "const":
        narrow = isinstance(node.dtype, Int) and span is not None
        slot = plan.slot(CALL, ops.width([span]) if narrow and span else dtype)
        plan.constants[slot] = node.attrs["value"]
    elif node.op == "param":
        slot = plan.slot(CALL, dtype)
        plan.params[slot] = next(x.data for x in q.params if x.name == name)
    elif node.op == "state":
        slot = plan.slot(STEP, dtype)
        plan.states[slot] = f"{q.name}.{name}"
    elif node.op == "input":
        slot = plan.slot(STEP, dtype)
        plan.inputs[slot] = name
    elif node.op == "external":
        slot = plan.slot(BLOCK, dtype)
        plan.externals[slot] = f"{q.name}.{name}"
    else:
        slot = plan.slot(BLOCK, torch.int64 if node.op == "word" else torch.int32)
        plan.draws.append(Draw(slot, node.op, site_hash(node.attrs["site"])))
    return slot


def _integer(plan: Plan, q: Population, i: int, spans: tuple[Interval | None, ...], at) -> int:
    """An operation with an integer result: the exact value, then the overflow mode."""
    node, dtype = q.nodes[i], q.nodes[i].dtype
    assert isinstance(dtype, Int)
    mode, source = node.attrs.get("overflow", "exact"), q.nodes[node.args[0]].dtype
    if isinstance(source, Float):
        out = ops.tensor_type(dtype)
        return plan.emit(
            ops.from_float(dtype, node.attrs["rounding"], out), (plan.values[node.args[0]],), out
        )
    args = node.args[:1] if node.op == "shr" else node.args  # random bits are masked in the shift
    known = [s for a in args if (s := spans[a]) is not None]
    result, span = spans[i], ops.bounds(node, known)
    assert result is not None and len(known) == len(args)
    compute = ops.width([*known, span, result])
    slots = tuple(at(a, compute) for a in args) + tuple(
        plan.values[a] for a in node.args[1:] if node.op == "shr"
    )
    wide = slots[0] if node.op == "cast" else plan.emit(ops.exact(node, compute), slots, compute)
    if mode == "trap":
        plan.traps.append(Trap(f"trap:{q.name}.%{i}", wide, dtype))
    fitting = ops.fit(dtype, mode, span, compute)
    return wide if fitting is None else plan.emit(fitting, (wide,), compute)
