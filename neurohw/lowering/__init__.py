"""network x target x dt -> program: discretise, quantise, place noise; say what was lost."""

from neurohw.lowering.lower import METHODS, Lowered, lower
from neurohw.lowering.numbers import Numbers
from neurohw.lowering.report import LoweringReport, Row

__all__ = ["METHODS", "Lowered", "LoweringReport", "Numbers", "Row", "lower"]
