"""What can be switched between two targets: the rules in which their records differ, and numbers.

A rule is a leaf of a record, named by its path (``reset.timing``). Where one target computes in
floats and the other in integers, the numbers that the integers stand for (weights, decays,
thresholds) are switched as well: the float target then computes with them, and what still differs
is the arithmetic itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from neurohw.targets import Target

from .words import phrase, title

__all__ = ["NUMBERS", "Switch", "alternatives", "differences", "leaves", "switched"]

METHOD = "method"
_SAID = (
    "name",
    "title",
    "kind",
    "fidelity",
    "sources",
    "checked_against",
    "methods",
    "limits",
    "energy",
)
_ELSEWHERE = ("number.arithmetic", "noise.note", "offers.graded")
NUMBERS = {
    "weights": "weights",
    "decay_v": "the membrane's decay",
    "decay_u": "the synapses' decay",
    "threshold": "threshold",
    "bias": "constant current",
}
"""Numbers that a fixed-point target rounds, by the label that lowering gives them."""
_TRIED: dict[str, tuple[Any, ...]] = {
    "delay.extra": (0, 1, 2),
    "refractory.blocked_offset": (-1, 0, 1),
    "number.float_bits": (32, 64),
    "current.bits": (16, 24, 32),
    "current.input_bits": (16, 22, 32),
    "voltage.bits": (16, 24, 32),
    "voltage.drive_bits": (24, 64),
    "voltage.sum_bits": (32, 64),
    "arrival.late": ((), ("delta",), ("current",), ("delta", "current")),
    "firing.most": (1, 15, 31, 2**16),
    "firing.floor": (-math.inf, -1.0, 0.0),
    "reset.zero_after_input": ((), ("delta",), ("current",), ("delta", "current")),
}
"""Numbers worth trying where nothing but the spikes of the other side is known."""


@dataclass(frozen=True)
class Switch:
    """One thing that one side does and the other does otherwise.

    Attributes
    ----------
    path : str
        Of the rule in the record; ``method``; or a key of ``NUMBERS``.
    a, b : Any
        What each side has; of numbers, the names of the targets.
    """

    path: str
    a: Any
    b: Any

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return NUMBERS.get(self.path) or title(self.path)

    @property
    def numbers(self) -> bool:
        """Whether it is about numbers, not a rule."""
        return self.path in NUMBERS

    def words(self, side: Literal["a", "b"]) -> str:
        """What a side does, to follow its name: ``resets one step late``."""
        value = self.a if side == "a" else self.b
        if self.numbers:
            return f"has {self.title} as {value} holds it"
        return phrase(self.path, value)


def leaves(record: Target) -> Iterator[tuple[str, Any]]:
    """(path, value) of every rule of a record, the method among them."""
    yield METHOD, record.methods[0]
    yield from ((p, v) for p, v in _walk(record, "") if p not in _ELSEWHERE)


def _walk(node: Any, head: str) -> Iterator[tuple[str, Any]]:
    for f in dataclasses.fields(node):
        if not head and f.name in _SAID:
            continue
        value = getattr(node, f.name)
        if dataclasses.is_dataclass(value):
            yield from _walk(value, f"{head}{f.name}.")
        else:
            yield f"{head}{f.name}", value


def switched(record: Target, path: str, value: Any) -> Target:
    """The record with one rule changed; its name stays."""
    if path == METHOD:
        return dataclasses.replace(record, methods=(value,))
    table, _, leaf = path.rpartition(".")
    if not table:
        return dataclasses.replace(record, **{leaf: value})
    return dataclasses.replace(
        record, **{table: dataclasses.replace(getattr(record, table), **{leaf: value})}
    )


def differences(a: Target, b: Target) -> list[Switch]:
    """Every rule in which two records differ, in the order of the record."""
    other = dict(leaves(b))
    return [Switch(path, value, other[path]) for path, value in leaves(a) if value != other[path]]


def alternatives(record: Target) -> list[Switch]:
    """Every single change of a rule worth trying: named rules, flags, a few numbers."""
    found = []
    for path, value in leaves(record):
        for other in _values(record, path):
            if other != value:
                found.append(Switch(path, value, other))
    return found


def _values(record: Target, path: str) -> tuple[Any, ...]:
    if path == METHOD:
        return record.methods
    if path in _TRIED:
        return _TRIED[path]
    table, _, leaf = path.rpartition(".")
    hint = get_type_hints(type(getattr(record, table) if table else record))[leaf]
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (False, True) if hint is bool else ()
