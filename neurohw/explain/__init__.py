"""Why two targets differ on one network: which rule, from which step on, and how much of it."""

from .explain import Explanation, Share, explain
from .identify import Identified, identify
from .switches import Switch, alternatives, differences

__all__ = [
    "Explanation",
    "Identified",
    "Share",
    "Switch",
    "alternatives",
    "differences",
    "explain",
    "identify",
]
