"""Equivalence: a verdict on one target, a measurement between targets, and why runs part."""

from .comparison import Comparison, compare, summary_table, with_evidence
from .divergence import Divergence
from .entry import Entry
from .measure import SpikeMeasure, TraceMeasure
from .pair import Pair
from .sentence import quantity

__all__ = [
    "Comparison",
    "Divergence",
    "Entry",
    "Pair",
    "SpikeMeasure",
    "TraceMeasure",
    "compare",
    "quantity",
    "summary_table",
    "with_evidence",
]
