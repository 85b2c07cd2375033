"""Conditions of the rows of ``frameworks.toml``: small expressions over a node or a graph.

An expression has the names below, numbers, ``+ - * /``, comparisons, ``and``, ``or``, ``not``, and
the functions ``varies(x)`` (not all elements are equal), ``axes(x)`` (how many an array or a shape
has) and ``given(name)`` (the file has the field). A comparison of arrays holds where it holds for
some element; ``==`` and ``!=`` take numbers as equal that differ by no more than float32's
rounding.

In a row of a node type the names are the node's fields, ``feeds``, the number of its edges to
nodes that are no Output, and ``neighbours``, of these and those from nodes that are no Input. In a
row of ``NIRGraph`` they are

===================  ==========================================================================
``inputs``           number of Input nodes
``outputs``          number of Output nodes
``graphs``           number of graphs among the nodes
``inner``            1 in a graph that is a node, 0 in the outer one
``cycles``           number of groups of nodes that reach each other
``loops``            number of edges from a node to itself
``neuron_cycles``    number of pairs of a LIF or CubaLIF and a Linear or Affine that feed only
                     each other, but for what enters and leaves at the neuron
``cells``            1 if the graph is an Input, an Output and such a pair
``quartet``          1 if the graph is an Input, an Output, an IF, LIF or CubaLIF, and a Linear or
                     Affine
``strays``           number of edges by which a ``quartet`` is no neuron between Input and Output
                     that feeds the layer and is fed by it
``off_path``         number of edges that are not on the path from node ``input`` along the first
                     edge of each node to node ``output``; ``neuron_cycles`` are one node there
``endless``          1 if this path comes back to a node
``cuba_cells``       number of CubaLIFs in ``neuron_cycles`` and in a ``quartet``
``cell_biases``      number of Affines with a bias in ``neuron_cycles`` and in a ``quartet``
``lone_li``          number of LI whose first edge leads to no Threshold
``bare_thresholds``  number of Thresholds that no LI feeds
``fan_in``           most edges into one node that is no Output
``fan_in_output``    most edges into one Output
``through``          number of edges from an Input to an Output
``dots``             number of names with a dot
``keywords``         number of names that are keywords of Python
``odd_names``        number of names that are, dots aside, no identifiers of Python
``doubled``          number of edges that the file gives more than once
``renamed``          number of names in its edges that are no nodes, and were taken for others
``torch_names``      number of names that are attributes of torch.nn.Module
``misordered``       number of edges, outside cycles, against the depth-first order from the first
                     Input, in which nirtorch.load runs nodes; one more if it ends at no Output
``misfits``          number of edges whose ends declare different shapes
===================  ==========================================================================
"""

from __future__ import annotations

import ast
import keyword
import operator
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.graph import Edge, Graph, Node
from neurohw.io.nir.shapes import infer_shapes
from neurohw.network.order import components

__all__ = ["TORCH_NAMES", "facts", "holds"]

_LAYERS = ("Linear", "Affine")
_ROLES = (("Input",), ("Output",), ("IF", "LIF", "CubaLIF"), _LAYERS)

TORCH_NAMES = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    ]
)
"""Public attributes of a torch.nn.Module, by which no module inside it can be called."""

_CLOSE = 1e-6  # float32 rounds by 6e-8; fields that were float32 are products of a few such

_ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _equal(a: Any, b: Any) -> np.ndarray:
    if isinstance(a, str | tuple) or isinstance(b, str | tuple) or a is None or b is None:
        return np.asarray(a == b)
    return np.isclose(a, b, rtol=_CLOSE, atol=0.0)


_COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: _equal,
    ast.NotEq: lambda a, b: ~_equal(a, b),
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def holds(expression: str, names: Mapping[str, Any], given: Callable[[str], bool]) -> bool:
    """Whether a condition holds; an empty one always does.

    Parameters
    ----------
    expression : str
        As described above.
    names : mapping
        Field -> value, or what :func:`facts` says of a graph.
    given : callable
        Whether the file has a field.

    Raises
    ------
    FormatError
        If the expression has another form or another name.
    """
    if not expression:
        return True
    with np.errstate(all="ignore"):  # a gain may be 0
        return bool(np.any(_value(_parsed(expression), expression, names, given)))


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise FormatError("not a condition", where="when", got=expression) from None


def _value(e: ast.expr, text: str, names: Mapping[str, Any], given: Callable[[str], bool]) -> Any:
    def value(x: ast.expr) -> Any:
        return _value(x, text, names, given)

    match e:
        case ast.Constant(value=int() | float() | str()):
            return e.value
        case ast.Tuple():
            return tuple(value(x) for x in e.elts)
        case ast.Name() if e.id in names:
            return names[e.id]
        case ast.UnaryOp(op=ast.USub()):
            return -value(e.operand)
        case ast.UnaryOp(op=ast.Not()):
            return not np.any(value(e.operand))
        case ast.BoolOp():
            fold = all if isinstance(e.op, ast.And) else any
            return fold(bool(np.any(value(x))) for x in e.values)
        case ast.BinOp() if type(e.op) in _ARITHMETIC:
            return _ARITHMETIC[type(e.op)](value(e.left), value(e.right))
        case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _COMPARISONS[type(op)](value(e.left), value(right))
        case ast.Call(func=ast.Name(id="varies"), args=[x], keywords=[]):
            array = np.asarray(value(x), float).reshape(-1)
            return not np.all(_equal(array, array[:1]))
        case ast.Call(func=ast.Name(id="axes"), args=[x], keywords=[]):
            found = value(x)
            return len(found) if isinstance(found, tuple) else np.ndim(found)
        case ast.Call(func=ast.Name(id="given"), args=[ast.Name(id=name)], keywords=[]):
            return given(name)
    raise FormatError(
        "not a condition", where="when", got=text, allowed=f"names {', '.join(names)}"
    )


def facts(graph: Graph, *, inner: bool) -> dict[str, int]:
    """What the conditions of ``NIRGraph`` can ask for, see above."""
    kinds = {k: x.kind if isinstance(x, Node) else "" for k, x in graph.nodes.items()}
    fan = Counter(b for _, b in graph.edges)
    parts = {name: name.split(".") for name in graph.nodes}
    pairs, component = _pairs(graph, kinds), components(graph.nodes, graph.edges)
    four = len(kinds) == 4 and sum(k in ("Input", "Output") for k in kinds.values()) == 2
    quartet, celled, strays = _quartet(kinds), {n for pair in pairs for n in pair}, 0
    if quartet:
        source, sink, neuron, layer = quartet
        celled |= {neuron, layer}
        cell = {(source, neuron), (neuron, layer), (layer, neuron), (neuron, sink)}
        strays = len(cell ^ set(graph.edges))
    off_path, endless = _path(graph, pairs)
    first, after_li = _first(graph.edges), {b for a, b in graph.edges if kinds[a] == "LI"}
    return {
        "inputs": len(graph.inputs),
        "outputs": len(graph.outputs),
        "graphs": sum(isinstance(x, Graph) for x in graph.nodes.values()),
        "inner": int(inner),
        "cycles": sum(n > 1 for n in Counter(component.values()).values()),
        "loops": sum(a == b for a, b in graph.edges),
        "neuron_cycles": len(pairs),
        "cells": int(four and len(pairs) == 1),
        "quartet": int(bool(quartet)),
        "strays": strays,
        "off_path": off_path,
        "endless": endless,
        "cuba_cells": sum(kinds[name] == "CubaLIF" for name in celled),
        "cell_biases": sum(_biased(graph.nodes[name]) for name in celled),
        "lone_li": sum(
            kinds[k] == "LI" and kinds.get(first.get(k, "")) != "Threshold" for k in kinds
        ),
        "bare_thresholds": sum(kinds[k] == "Threshold" and k not in after_li for k in kinds),
        "fan_in": max((n for b, n in fan.items() if kinds[b] != "Output"), default=0),
        "fan_in_output": max((n for b, n in fan.items() if kinds[b] == "Output"), default=0),
        "through": sum(kinds[a] == "Input" and kinds[b] == "Output" for a, b in graph.edges),
        "dots": sum(len(p) > 1 for p in parts.values()),
        "keywords": sum(keyword.iskeyword(name) for name in graph.nodes),
        "odd_names": sum(not all(x.isidentifier() for x in p) for p in parts.values()),
        "doubled": sum(" is given " in note for note in graph.notes),
        "renamed": sum("edges: no node " in note for note in graph.notes),
        "torch_names": sum(name in TORCH_NAMES for name in graph.nodes),
        "misordered": _misordered(graph, component),
        "misfits": sum(note.startswith("edge ") for note in infer_shapes(graph)[1]),
    }


def _pairs(graph: Graph, kinds: Mapping[str, str]) -> list[Edge]:
    """Neuron and layer of each of the ``neuron_cycles``."""
    edges = set(graph.edges)
    return [
        (a, b) for a, b in graph.edges
        if kinds[a] in ("LIF", "CubaLIF") and kinds[b] in _LAYERS and (b, a) in edges
        and len(graph.into(b)) == 1 == len(graph.out_of(b))
    ]  # fmt: skip


def _quartet(kinds: Mapping[str, str]) -> list[str]:
    """Input, Output, neuron and layer, if these are all."""
    roles = [[k for k in kinds if kinds[k] in role] for role in _ROLES]
    whole = len(kinds) == 4 and all(len(role) == 1 for role in roles)
    return [role[0] for role in roles] if whole else []


def _biased(node: Node | Graph) -> bool:
    return isinstance(node, Node) and node.kind == "Affine" and bool(np.any(node["bias"]))


def _path(graph: Graph, pairs: Collection[Edge]) -> tuple[int, int]:
    """How many edges are not on the path along first edges, and whether it is a circle."""
    inside = {*pairs, *((b, a) for a, b in pairs)}
    edges = [e for e in graph.edges if e not in inside]
    follows = _first(edges)
    name, seen = "input", set[str]()
    while name != "output" and name in follows:
        if name in seen:
            return len(edges) - len(seen), 1
        seen.add(name)
        name = follows[name]
    return len(edges) - len(seen), 0


def _first(edges: Iterable[Edge]) -> dict[str, str]:
    """Node -> where the first edge from it leads."""
    return dict(reversed(list(edges)))


def _misordered(graph: Graph, component: Mapping[str, int]) -> int:
    if not graph.inputs:
        return 0
    place: dict[str, int] = {}
    targets: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for a, b in graph.edges:
        targets[a].append(b)
    waiting = [graph.inputs[0]]
    last = ""
    while waiting:
        name = waiting.pop()
        if name not in place:
            last = name
            place[last] = len(place)
            waiting += reversed(targets[last])
    late = sum(
        place.get(a, -1) > place[b] and component[a] != component[b]
        for a, b in graph.edges
        if b in place
    )
    return late + (last not in graph.outputs)
