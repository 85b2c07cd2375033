"""The lowered program: types, operations, records, checks, text form, random draws.

Knows nothing above it. ``docs/program.md`` is its specification.
"""

from neurohw.program.builder import Builder, Value
from neurohw.program.ops import OPS, OpSpec
from neurohw.program.program import (
    IR_VERSION,
    Dense,
    Edge,
    External,
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
    Weights,
    freeze,
)
from neurohw.program.state import (
    Events,
    LedgerRow,
    Moments,
    Probes,
    RunState,
    check_inputs,
    check_traps,
    concat,
    initial_state,
    per_trial,
    sample_steps,
)
from neurohw.program.text import load_program, parse, print_program, save_program
from neurohw.program.types import BOOL, F32, F64, Bool, DType, Float, Int, parse_dtype
from neurohw.program.verify import Interval, verify

__all__ = [
    "BOOL",
    "F32",
    "F64",
    "IR_VERSION",
    "OPS",
    "Bool",
    "Builder",
    "DType",
    "Dense",
    "Edge",
    "Events",
    "External",
    "Float",
    "Int",
    "Interval",
    "LedgerRow",
    "Moments",
    "Node",
    "OneToOne",
    "OpSpec",
    "Param",
    "Population",
    "Port",
    "Probe",
    "Probes",
    "Program",
    "RunState",
    "Sparse",
    "State",
    "Value",
    "Watch",
    "Weights",
    "check_inputs",
    "check_traps",
    "concat",
    "freeze",
    "initial_state",
    "load_program",
    "parse",
    "parse_dtype",
    "per_trial",
    "print_program",
    "sample_steps",
    "save_program",
    "verify",
]
