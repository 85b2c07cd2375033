"""Fields of a program's records: names that the text form can print, numbers that are numbers.

A program made in Python and one read from a damaged file go through the same check, so that
nothing after ``verify`` meets a seed that is a string or a name with a line break.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program.program import Conv, Dense, Edge, Population, Program, Sparse

__all__ = ["check_fields"]

_QUALIFIED = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)  # populations and values
_PLAIN = re.compile(r"\w+", re.ASCII)  # parts of a population: a dot would blur "population.part"


def _named(name: Any, where: str, what: str, pattern: re.Pattern[str]) -> None:
    if not isinstance(name, str) or not pattern.fullmatch(name):
        dot = " or '.'" if pattern is _QUALIFIED else ""
        raise ProgramError(
            f"name of a {what}", where=where, got=name, allowed=f"letters, digits, '_'{dot}"
        )


def _typed(value: Any, kinds: tuple[type, ...], where: str, what: str) -> None:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        allowed = " or ".join(k.__name__ for k in kinds)
        raise ProgramError(f"type of {what}", where=where, got=value, allowed=allowed)
    if isinstance(value, float) and not math.isfinite(value):
        raise ProgramError(f"{what} is not finite", where=where, got=value)


def check_fields(p: Program) -> None:
    """Check names, and the types of all fields that are not arrays.

    Raises
    ------
    ProgramError
        At the first field that is wrong.
    """
    where = p.name if isinstance(p.name, str) else "program"
    for what, kinds in (
        ("name", (str,)),
        ("target", (str,)),
        ("dt", (float, int)),
        ("seed", (int,)),
        ("trials", (int,)),
        ("latency", (Mapping,)),
    ):
        _typed(getattr(p, what), kinds, where, what)
    for name, steps in p.latency.items():
        _typed(name, (str,), where, "a latency's population")
        _typed(steps, (int,), where, f"latency of {name}")
    for q in p.populations:
        _check_population(q)
    for e in p.edges:
        _check_edge(e)
    for x in (*p.probes, *p.watches):
        for what in ("population", "value", "reduce", "unit", "label"):
            _typed(getattr(x, what, ""), (str,), str(x.population), what)
        for what in ("every", "offset", "lo", "hi"):
            _typed(getattr(x, what, 0), (int,), x.key, what)
        for what in ("scale", "shift"):
            _typed(getattr(x, what, 0), (float, int), x.key, what)


def _check_population(q: Population) -> None:
    _named(q.name, "program", "population", _QUALIFIED)
    _typed(q.size, (int, np.integer), q.name, "size")
    for what in ("params", "states", "ports", "externals"):
        for x in getattr(q, what):
            _named(x.name, q.name, what[:-1], _PLAIN)
    for i, node in enumerate(q.nodes):
        for a in node.args:
            _typed(a, (int, np.integer), f"{q.name}.%{i}", "argument")
        if node.name:
            _named(node.name, f"{q.name}.%{i}", "value", _QUALIFIED)
        if node.name == "spikes":
            raise ProgramError("'spikes' names the events", where=f"{q.name}.%{i}", got="spikes")
    for name, i in q.writes.items():
        _typed(i, (int, np.integer), f"{q.name}.{name}", "write")
    _typed(q.spike, (int, np.integer, type(None)), q.name, "spike")


def _check_edge(e: Edge) -> None:
    where = e.where
    _typed(e.delay, (int, np.integer), where, "delay")
    _typed(e.value, (str,), where, "value")
    w = e.weights
    dims = 2 if isinstance(w, Dense) else 4 if isinstance(w, Conv) else 1
    arrays = (w.data, w.indptr, w.indices) if isinstance(w, Sparse) else (w.data,)
    for x in arrays:
        if x.ndim != dims:
            raise ProgramError(
                "weights have the wrong shape", where=where, got=x.shape, allowed=f"{dims} axes"
            )
    if isinstance(w, Conv):
        _check_conv(w, where)
    if w.data.dtype != w.dtype.storage:
        raise ProgramError(
            "wrong storage", where=where, got=w.data.dtype, allowed=str(w.dtype.storage)
        )


def _check_conv(w: Conv, where: str) -> None:
    for what, count, least in (
        ("input_shape", 3, 1), ("stride", 2, 1), ("padding", 2, 0), ("dilation", 2, 1),
        ("groups", 0, 1),
    ):  # fmt: skip
        given = getattr(w, what)
        numbers = given if count else (given,)
        _typed(numbers, (tuple,), where, what)
        for x in numbers:
            _typed(x, (int,), where, what)
        if len(numbers) != max(count, 1) or min(numbers) < least:
            allowed = f"{count} integers >= {least}" if count else f">= {least}"
            raise ProgramError(f"{what} of a convolution", where=where, got=given, allowed=allowed)
    outs, mine, channels = w.data.shape[0], w.data.shape[1], w.input_shape[0]
    if outs % w.groups or mine * w.groups != channels or not w.data.size:
        raise ProgramError(
            "channels of a convolution",
            where=where,
            got=f"{channels} to {outs} in {w.groups} groups by a kernel {w.data.shape}",
            allowed="a kernel (outputs, inputs / groups, height, width), both divisible by groups",
        )
    if min(w.output_shape) < 1:
        raise ProgramError("the kernel is larger than its input", where=where, got=w.output_shape)
