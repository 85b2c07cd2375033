"""What a NIR node may hold: one row per node type and field, and the check that reads the rows.

The rows follow nir 1.0.8 (`nir/ir/*.py`). The reader, the writer, the linter and the mapping to a
network all ask here. :func:`~neurohw.io.nir.check.check` brings the fields of a node into one form:

| value | in a node | in a file, also |
|---|---|---|
| ``real`` | read-only float64 array, finite | any array of numbers that float64 holds exactly |
| ``count`` | int | an array of one integer |
| ``pair`` | tuple of two int | one integer, meaning both |
| ``padding`` | ``"same"``, ``"valid"``, an int (1-D) or a pair (2-D) | as for count and pair |
| ``shape`` | tuple of int | a single integer; an empty array of any type is ``()`` |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

__all__ = ["GRAPH", "KINDS", "MAX_COUNT", "MAX_RANK", "NIR_VERSION", "Field", "Kind"]

NIR_VERSION = "1.0.8"  # the nir release whose files these rows describe
GRAPH = "NIRGraph"  # the one type that is no Node
MAX_COUNT = 2**31 - 1  # of any one integer, and of the elements a shape spans
MAX_RANK = 32  # HDF5's own limit

Value = Literal["real", "count", "pair", "padding", "shape"]
Rule = Literal["", "unit", "matrix", "rows", "kernel1d", "kernel2d", "channels", "1d", "2d"]


@dataclass(frozen=True)
class Field:
    """One field of a node type.

    Attributes
    ----------
    name : str
    value : {"real", "count", "pair", "padding", "shape"}
        Kind of value, see the table above.
    rule : str
        Shape of a real: ``unit`` (as all other ``unit`` fields of the node), ``matrix``
        ``(..., out, in)``, ``rows`` ``(..., out)`` of the weight, ``kernel1d`` ``(out, in, x)``,
        ``kernel2d`` ``(out, in, x, y)``, ``channels`` ``(out,)``. Number of spatial axes of a
        padding or of an optional shape: ``1d`` or ``2d``.
    required : bool
        Whether a file must hold it.
    default : float or int or None
        Value of every element where it is left out; None: unknown.
    least, above : float, optional
        Smallest value, or the value that all must exceed.
    unit : str
        SI unit, with one NIR unit read as one SI unit; empty: a number.
    absent : str
        What a note says where an optional field is missing; empty: nothing to say.
    """

    name: str
    value: Value = "real"
    rule: Rule = ""
    required: bool = True
    default: float | int | None = None
    least: float | None = None
    above: float | None = None
    unit: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Kind:
    """A node type: its name, its fields in order, and what it computes."""

    name: str
    fields: tuple[Field, ...]
    meaning: str

    def __getitem__(self, name: str) -> Field:
        """The field of this name."""
        return next(f for f in self.fields if f.name == name)


def _unit(name: str, unit: str, **more: Any) -> Field:
    return Field(name, rule="unit", unit=unit, **more)


_TAU, _TAU_MEM = _unit("tau", "s", above=0.0), _unit("tau_mem", "s", above=0.0)
_TAU_SYN = _unit("tau_syn", "s", above=0.0)
_R, _LEAK, _THRESHOLD = _unit("r", "ohm"), _unit("v_leak", "V"), _unit("v_threshold", "V")
_RESET = _unit(
    "v_reset", "V", required=False, default=0.0, absent="0, as in files older than nir 1.0.6"
)
_W_IN = _unit("w_in", "", required=False, default=1.0, absent="1")
_WEIGHT, _BIAS = Field("weight", rule="matrix"), Field("bias", rule="rows")
_GROUPS = Field("groups", "count", least=1)
_POOL = (
    Field("kernel_size", "pair", least=1),
    Field("stride", "pair", least=1),
    Field("padding", "pair", least=0),
)


def _conv(axes: Literal["1d", "2d"]) -> tuple[Field, ...]:
    per_axis: Value = "count" if axes == "1d" else "pair"
    return (
        Field("input_shape", "shape", axes, required=False, least=1, absent="unknown"),
        Field("weight", rule="kernel1d" if axes == "1d" else "kernel2d"),
        Field("stride", per_axis, least=1),
        Field("padding", "padding", axes, least=0),
        Field("dilation", per_axis, least=1),
        _GROUPS,
        Field("bias", rule="channels"),
    )


_ROWS = (
    Kind("Input", (Field("shape", "shape", least=1),), "where data enter"),
    Kind("Output", (Field("shape", "shape", least=1),), "where data leave"),
    Kind("Affine", (_WEIGHT, _BIAS), "y = W x + b"),
    Kind("Linear", (_WEIGHT,), "y = W x"),
    Kind("Scale", (_unit("scale", ""),), "y = s * x, element by element"),
    Kind("Conv1d", _conv("1d"), "as torch.nn.Conv1d"),
    Kind("Conv2d", _conv("2d"), "as torch.nn.Conv2d"),
    Kind("SumPool2d", _POOL, "sum over windows"),
    Kind("AvgPool2d", _POOL, "mean over windows"),
    Kind(
        "Flatten",
        (
            Field("start_dim", "count", required=False, default=1, least=-MAX_RANK),
            Field("end_dim", "count", required=False, default=-1, least=-MAX_RANK),
            Field("input_type", "shape", required=False, least=1, absent="unknown"),
        ),
        "axes start_dim to end_dim become one",
    ),
    Kind("Delay", (_unit("delay", "s", least=0.0),), "y(t) = x(t - delay)"),
    Kind("Threshold", (_unit("threshold", ""),), "z = 1 where x > threshold"),
    Kind("I", (_R,), "v' = r I"),
    Kind("IF", (_R, _THRESHOLD, _RESET), "v' = r I; spike and reset where v > v_threshold"),
    Kind("LI", (_TAU, _R, _LEAK), "tau v' = v_leak - v + r I"),
    Kind("LIF", (_TAU, _R, _LEAK, _THRESHOLD, _RESET), "LI; spike and reset"),
    Kind(
        "CubaLI",
        (_TAU_SYN, _TAU_MEM, _R, _LEAK, _W_IN),
        "tau_syn I' = -I + w_in S; tau_mem v' = v_leak - v + r I",
    ),
    Kind(
        "CubaLIF",
        (_TAU_SYN, _TAU_MEM, _R, _LEAK, _THRESHOLD, _RESET, _W_IN),
        "CubaLI; spike and reset",
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({k.name: k for k in _ROWS})
