"""Every rule of ``verify``: one program that breaks it, and the message."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from neurohw.errors import ProgramError
from neurohw.program import (
    BOOL,
    F32,
    F64,
    Builder,
    Conv,
    Dense,
    Edge,
    External,
    Int,
    Node,
    OneToOne,
    Param,
    Population,
    Port,
    Probe,
    Program,
    Sparse,
    State,
    Watch,
    freeze,
    verify,
)

I8, I16, U32 = Int(8), Int(16), Int(32, False)


def base() -> Program:
    b = Builder("A", 2)
    v = b.state("v", I8)
    b.write("v", b.add(v, b.const(1, I8), I8, overflow="wrap"), name="v")
    b.spike(b.compare("gt", v, b.port("syn", I16)))
    w = Dense(I8, freeze([[1, 2], [3, 4]], I8))
    return Program("P", populations=(b.build(),), edges=(Edge("A", "A", "syn", w, 1),))


def pop(**changes: Any) -> Program:
    p = base()
    return dataclasses.replace(p, populations=(dataclasses.replace(p.populations[0], **changes),))


def add(*nodes: Node, **changes: Any) -> Program:
    """The base with nodes appended; they follow nodes %0 .. %4."""
    return pop(nodes=(*base().populations[0].nodes, *nodes), **changes)


def edge(**changes: Any) -> Program:
    p = base()
    return dataclasses.replace(p, edges=(dataclasses.replace(p.edges[0], **changes),))


def top(**changes: Any) -> Program:
    return dataclasses.replace(base(), **changes)


def dense(values: Any, dtype: Any = I8) -> Dense:
    return Dense(dtype, freeze(values, dtype))


def sparse(indptr: list[int], indices: list[int], targets: int = 2) -> Sparse:
    i64 = Int(64)
    return Sparse(
        I8,
        freeze(indptr, i64),
        freeze(indices, i64) if indices else np.zeros(0, np.int64),
        freeze(np.ones(len(indices), int), I8),
        targets,
    )


def conv(value: str = "", **changes: Any) -> Program:
    """A kernel of one weight over a row of two."""
    w = Conv(I8, freeze(np.ones((1, 1, 1, 1), int), I8), (1, 1, 2))
    return edge(weights=dataclasses.replace(w, **changes), value=value)


def lonely(**changes: Any) -> Program:
    """One population with nothing but nodes."""
    return Program("P", populations=(Population("A", 2, **changes),))


def const(value: Any, dtype: Any) -> Node:
    return Node("const", dtype, (), {"value": value})


two = base().populations[0]
loop = (
    Edge("A", "B", "syn", dense([[1, 1]] * 2), 0),
    Edge("B", "A", "syn", dense([[1, 1]] * 2), 0),
)
ev = np.array([[3, 0], [1, 0]])

RULES: dict[str, tuple[Program, str]] = {
    # program
    "seed": (top(seed=2**64), "seed out of range; got 18446744073709551616"),
    "seed type": (top(seed="1"), "type of seed; got '1'; allowed: int"),
    "trials": (top(trials=0), "no trials"),
    "trials type": (top(trials=2.0), "type of trials"),
    "dt": (top(dt=0.0), "step length"),
    "dt finite": (top(dt=float("nan")), "dt is not finite"),
    "latency": (top(latency={"A": 0.5}), "latency of A"),
    "population twice": (top(populations=(two, two)), "two populations of the same name"),
    "population name": (pop(name="a b"), "name of a population; got 'a b'"),
    "state name": (pop(states=(State("v.w", I8, freeze(0, I8)),)), "name of a state"),
    "value name": (add(dataclasses.replace(const(1, I8), name="x y")), "name of a value"),
    "value spikes": (add(dataclasses.replace(const(1, I8), name="spikes")), "names the events"),
    "zero-delay cycle": (
        top(populations=(two, dataclasses.replace(two, name="B")), edges=loop),
        "edges without delay form a cycle; got 'A -> B -> A'",
    ),
    "zero-delay self-loop": (edge(delay=0), "edges without delay form a cycle"),
    # edges and ports
    "port mode": (pop(ports=(Port("syn", I16, "clip"),)), "overflow mode"),
    "port twice": (pop(ports=(Port("syn", I16), Port("syn", I16))), "two ports"),
    "no such port": (edge(port="exc"), "no such port; got 'exc'; allowed: syn"),
    "no such source": (edge(source="Z"), "no such population; got 'Z'; allowed: A"),
    "no such value": (edge(value="w"), "no such value; got 'w'; allowed: v"),
    "value type": (edge(value=1), "type of value; got 1; allowed: str"),
    "bool value": (
        dataclasses.replace(
            add(dataclasses.replace(Node("not", BOOL, (4,)), name="n")),
            edges=edge(value="n").edges,
        ),
        "type of the value that is carried; got 'bool'; allowed: an integer",
    ),
    "float value": (
        dataclasses.replace(
            add(dataclasses.replace(const(1.0, F32), name="x")), edges=edge(value="x").edges
        ),
        "type of the value that is carried; got 'f32'; allowed: an integer",
    ),
    "value of another float": (
        dataclasses.replace(
            pop(nodes=(dataclasses.replace(const(1.0, F32), name="x"),), writes={}, spike=None,
                states=(), ports=(Port("syn", F64),)),
            edges=edge(value="x", weights=dense([[1.0, 2], [3, 4]], F64)).edges,
        ),
        "type of the value that is carried; got 'f32'; allowed: f64",
    ),
    "values leave the port": (
        edge(value="v", weights=dense([[200, 100], [3, 4]], I16)),
        "the result may leave i16, and the overflow mode is exact; got (-38400, 38100)",
    ),
    "two histories of one name": (
        top(populations=(two, dataclasses.replace(two, name="A.v")), edges=edge(value="v").edges),
        "two histories of the same name; got 'A.v'",
    ),
    "source is silent": (pop(spike=None), "source emits no spikes"),
    "negative delay": (edge(delay=-1), "delay; got -1"),
    "delay type": (edge(delay=1.5), "type of delay"),
    "weights' shape": (edge(weights=dense([[1, 2]])), "weights have the wrong shape; got (1, 2)"),
    "weights' axes": (edge(weights=dense(np.ones((2, 2, 2), int))), "allowed: 2 axes"),
    "weights' axes, one to one": (
        edge(weights=OneToOne(I8, freeze(np.ones((2, 1), int), I8))), "allowed: 1 axes"),
    "weights' storage": (edge(weights=Dense(I8, np.ones((2, 2)))), "wrong storage"),
    "conv axes": (edge(weights=Conv(I8, freeze([1, 2], I8), (1, 1, 2))), "allowed: 4 axes"),
    "conv input": (conv(input_shape=(1, 2)), "input_shape of a convolution; got (1, 2)"),
    "conv input empty": (conv(input_shape=(1, 0, 2)), "input_shape of a convolution"),
    "conv type": (conv(stride=(1.0, 1)), "type of stride; got 1.0; allowed: int"),
    "conv stride": (conv(stride=(0, 1)), "stride of a convolution; got (0, 1)"),
    "conv padding": (conv(padding=(0, -1)), "padding of a convolution; got (0, -1)"),
    "conv dilation": (conv(dilation=[1, 1]), "type of dilation; got [1, 1]; allowed: tuple"),
    "conv groups": (conv(groups=0), "groups of a convolution; got 0; allowed: >= 1"),
    "conv channels": (
        conv(groups=2), "channels of a convolution; got '1 to 1 in 2 groups by a kernel"),
    "conv kernel": (
        conv(data=freeze(np.ones((1, 1, 1, 3), int), I8)), "the kernel is larger than its input"),
    "conv shape": (
        conv(padding=(0, 1)), "weights have the wrong shape; got (4, 2); allowed: (2, 2)"),
    "conv bound": (
        dataclasses.replace(
            conv(data=freeze(np.full((1, 1, 1, 1), 100), I8), value="v"),
            populations=pop(ports=(Port("syn", Int(14)),), nodes=(
                *(dataclasses.replace(n, dtype=Int(14)) if n.op == "input" else n
                  for n in two.nodes),)).populations),
        "the result may leave i14, and the overflow mode is exact; got (-12800, 12700)"),
    "float weights, int port": (edge(weights=dense([[1.0, 2], [3, 4]], F32)), "weight type"),
    "bool weights": (edge(weights=dense([[True] * 2] * 2, BOOL)), "weight type"),
    "float port, other float": (
        pop(ports=(Port("syn", F64),), nodes=(), spike=None, writes={}), "source emits no spikes"),
    "port too narrow": (pop(ports=(Port("syn", Int(3)),)), "may leave i3"),
    "64 bits of weights": (
        edge(weights=dense(np.full((2, 2), 2**62), Int(64))), "sum of weights may exceed 64 bits"),
    "sparse pointers": (edge(weights=sparse([0, 2, 1], [0])), "sparse rows are malformed"),
    "sparse target": (edge(weights=sparse([0, 1, 2], [0, 2])), "sparse rows are malformed"),
    "sparse order": (edge(weights=sparse([0, 2, 2], [1, 0])), "ascending and distinct"),
    # population
    "size": (lonely(), "size"),
    "size type": (pop(size=2.0), "type of size"),
    "value twice": (add(dataclasses.replace(const(1, I8), name="v")), "two values"),
    "state twice": (pop(states=two.states * 2), "two states"),
    "param twice": (pop(params=(Param("p", I8, freeze(1, I8)),) * 2), "two params"),
    "external twice": (pop(externals=(External("x", I8),) * 2), "two externals"),
    "param shape": (pop(params=(Param("p", I8, freeze([1, 2, 3], I8)),)), "param has the wrong"),
    "state shape": (pop(states=(State("v", I8, freeze([[0]] * 3, I8)),)), "state has the wrong"),
    "param storage": (pop(params=(Param("p", I8, np.int64(3).reshape(())),)), "wrong storage"),
    "events of an int": (pop(externals=(External("x", I8, ev[::-1]),)), "events are malformed"),
    "events' order": (pop(externals=(External("x", BOOL, ev),)), "ascending rows"),
    "events' element": (pop(externals=(External("x", BOOL, ev[:1] + 2),)), "element 0..1"),
    "write unknown": (pop(writes={"w": 2}), "write to an unknown state or node"),
    "write beyond": (pop(writes={"v": 99}), "write to an unknown state or node"),
    "write type": (pop(writes={"v": 4}), "write of another type"),
    "spike type": (pop(spike=0), "the spike must be a bool node"),
    # nodes
    "op": (add(Node("plus", I8)), "unknown operation; got 'plus'"),
    "arity": (add(Node("add", I8, (0,), {"overflow": "wrap"})), "number of arguments; got 1"),
    "later argument": (add(Node("neg", I8, (5,))), "argument is not an earlier node"),
    "negative argument": (add(Node("neg", I8, (-1,))), "argument is not an earlier node"),
    "argument type": (add(Node("neg", I8, (True,))), "type of argument"),
    "unknown attribute": (add(Node("neg", I8, (0,), {"by": 1})), "attribute; got 'by=1'"),
    "overflow mode": (add(Node("neg", I8, (0,), {"overflow": "clip"})), "attribute"),
    "by is true": (add(Node("shl", I16, (0,), {"by": True})), "attribute; got 'by=True'"),
    "by too large": (add(Node("shl", I16, (0,), {"by": 63})), "types of shl"),
    "no rounding": (add(Node("shr", I8, (0,), {"by": 1})), "attribute is missing"),
    "no site": (add(Node("word", U32)), "attribute is missing"),
    "word type": (add(Node("word", Int(32), (), {"site": "x"})), "types of word"),
    "normal type": (add(Node("normal", I16, (), {"site": "x"})), "types of normal"),
    "site of two kinds": (
        add(Node("word", U32, (), {"site": "x"}), Node("normal", Int(17), (), {"site": "x"})),
        "one site for two kinds of draw"),
    "float overflow": (
        add(const(1.0, F32), Node("neg", F32, (5,), {"overflow": "trap"})), "only integers"),
    "mixed add": (add(const(1.0, F32), Node("add", F32, (0, 5))), "types of add"),
    "int exp": (add(Node("exp", I8, (0,))), "types of exp"),
    "compare int, float": (add(const(1.0, F32), Node("lt", BOOL, (0, 5))), "types of lt"),
    "logic of ints": (add(Node("and", BOOL, (0, 0))), "types of and"),
    "select types": (add(Node("select", I16, (4, 0, 0))), "types of select"),
    "cast to bool": (add(Node("cast", BOOL, (0,))), "types of cast"),
    "float to int": (add(const(1.0, F32), Node("cast", I8, (5,), {"overflow": "wrap"})),
                     "types of cast"),
    "stochastic without word": (
        add(Node("shr", I8, (0,), {"by": 1, "rounding": "stochastic"})), "types of shr"),
    "no such state": (add(Node("state", I8, (), {"name": "w"})), "no such state of this type"),
    "state of other type": (add(Node("state", I16, (), {"name": "v"})), "no such state"),
    "const range": (add(const(128, I8)), "constant; got 128; allowed: -128..127"),
    "const bool": (add(const(1, BOOL)), "constant; got 1; allowed: true or false"),
    "const is true": (add(const(True, I8)), "constant; got True"),
    "const inexact": (add(const(0.1, F32)), "constant is not exact in its type"),
    "const not finite": (add(const(float("inf"), F64)), "constant is not exact"),
    "exact is proved": (
        add(Node("add", I8, (0, 0), {"overflow": "exact"})), "may leave i8"),
    "exact is the default": (add(Node("mul", I8, (0, 0))), "may leave i8"),
    "64 bits": (add(const(2**62, Int(64)), Node("mul", I8, (5, 5), {"overflow": "wrap"})),
                "exact result may exceed 64 bits"),
    "64 bits before rounding": (
        add(const(2**63 - 1, Int(64)),
            Node("shr", Int(64), (5,), {"by": 1, "rounding": "half_even"})),
        "sum before rounding may exceed 64 bits"),
    # probes and watches
    "probe value": (top(probes=(Probe("A", "w"),)), "no such value; got 'w'; allowed: v"),
    "probe silent": (
        dataclasses.replace(pop(spike=None), edges=(), probes=(Probe("A", "spikes"),)),
        "population emits no spikes"),
    "probe period": (top(probes=(Probe("A", "v", 0),)), "bad probe"),
    "probe offset": (top(probes=(Probe("A", "v", 1, -1),)), "bad probe"),
    "probe reduce": (top(probes=(Probe("A", "v", reduce="max"),)), "bad probe"),
    "probe twice": (top(probes=(Probe("A", "v"),) * 2), "two probes"),
    "probe scale": (top(probes=(Probe("A", "v", scale="x"),)), "type of scale"),
    "moments of spikes": (top(probes=(Probe("A", "spikes", reduce="moments"),)), "as events"),
    "watch twice": (top(watches=(Watch("A", "v", 0, 1),) * 2), "two watches"),
    "watch bounds": (top(watches=(Watch("A", "v", 0, 1.5),)), "type of hi"),
    "watch bool": (
        add(dataclasses.replace(Node("not", BOOL, (4,)), name="n")), "needs an integer value"),
}  # fmt: skip
RULES["size"] = (dataclasses.replace(base(), edges=(), populations=(Population("A", 0),)), "size")
_bool = RULES["watch bool"]
RULES["watch bool"] = (dataclasses.replace(_bool[0], watches=(Watch("A", "n", 0, 1),)), _bool[1])


def test_the_base_is_legal() -> None:
    spans = verify(base())["A"]
    assert spans[0] == (-128, 127)
    assert spans[1] == (1, 1)
    assert verify(pop()) == verify(base())


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    program, message = RULES[rule]
    with pytest.raises(ProgramError, match=re.escape(message)):
        verify(program)


@pytest.mark.parametrize("rule", RULES)
def test_the_message_says_where(rule: str) -> None:
    with pytest.raises(ProgramError) as caught:
        verify(RULES[rule][0])
    assert re.match(r"^(A|P|B|program|Z|\w+->\w+)\b", str(caught.value))


def test_a_port_is_bounded_by_the_type_of_the_value() -> None:
    p = edge(value="v", weights=dense([[200, -55], [3, 4]], I16))  # v is an i8
    assert verify(p)["A"][3] == (-128 * 200 - 55 * 127, 127 * 200 + 55 * 128)
    unsigned = dataclasses.replace(const(3, Int(3, False)), name="n")  # 0..7
    p = dataclasses.replace(add(unsigned), edges=edge(value="n").edges)
    assert verify(p)["A"][3] == (0, 7 * 7)


@pytest.mark.parametrize("mode", ["wrap", "saturate", "trap"])
def test_intervals_after_overflow(mode: str) -> None:
    b = Builder("A", 1)
    total = b.add(b.const(10, I8), b.const(20, I8), Int(3, False), overflow=mode)
    b.name_value(b.op("max", I8, total, b.const(0, I8)), "x")
    span = verify(Program("P", populations=(b.build(),)))["A"][total.index]
    assert span == ((7, 7) if mode == "saturate" else (0, 7))
