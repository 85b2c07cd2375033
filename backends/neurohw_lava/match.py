"""Match the step of a population against a pattern.

A pattern is text like that of a program, with names for values: ``x = op type args attributes``.
``?`` stands for any type or attribute. A line ``x = number type`` is a constant, or a parameter
that is the same for all elements and trials; ``x = numbers type`` is one that may differ; ``x =
any`` is taken as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from neurohw.program import Population

__all__ = ["match", "numbers"]

Array = np.ndarray

_Line = tuple[str, str, tuple[str, ...], dict[str, str]]


@cache
def _read(text: str) -> dict[str, _Line]:
    lines: dict[str, _Line] = {}
    for line in text.strip().splitlines():
        name, op, *rest = line.replace("=", " ", 1).split()
        attrs = dict(part.split("=", 1) for part in rest if "=" in part)
        plain = [part for part in rest if "=" not in part]
        lines[name] = op, plain[0] if plain else "?", tuple(plain[1:]), attrs
    return lines


def match(q: Population, text: str, roots: Mapping[str, int]) -> dict[str, int] | None:
    """Indices of the nodes that the names stand for, or None."""
    lines, found = _read(text), {}

    def same(name: str, index: int) -> bool:
        op, dtype, args, attrs = lines[name]
        if name in found and op != "const":  # equal constants may be several nodes
            return found[name] == index
        found[name] = index
        node = q.nodes[index]
        if op == "any":
            return True
        if dtype not in ("?", str(node.dtype)):
            return False
        if op in ("number", "numbers"):
            data = numbers(q, index)
            return data is not None and (op == "numbers" or bool(np.all(data == data.flat[0])))
        has = {k: str(v) for k, v in node.attrs.items() if (k, v) != ("overflow", "exact")}
        if node.op != op or set(has) != set(attrs) or len(node.args) != len(args):
            return False
        if any(attrs[k] not in ("?", has[k]) for k in has):
            return False
        return all(same(a, i) for a, i in zip(args, node.args, strict=True))

    return found if all(same(name, index) for name, index in roots.items()) else None


def numbers(q: Population, index: int) -> Array | None:
    """The numbers of a constant or parameter."""
    node = q.nodes[index]
    if node.op == "const":
        return np.asarray(node.attrs["value"])
    if node.op == "param":
        return next(x.data for x in q.params if x.name == node.attrs["name"])
    return None
