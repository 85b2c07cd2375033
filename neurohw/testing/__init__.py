"""A conformance suite that any backend can be put through, ours or a stranger's.

``pytest --pyargs neurohw.testing --backend NAME`` runs it; :func:`report` runs the same checks
without pytest and returns the counts. The claims are T0 to T2 of ``docs/program.md``:

- T0, integers, fixed point and draws: bit-identical to the reference, however a run is split.
- T1, floats: one step from the reference's own state, within stated ulps per operation.
- T2, float trajectories: equal spikes, except first mismatches at a demonstrable near-tie.

``broken`` holds backends that are wrong on purpose; the suite has to reject every one of them.
Nothing heavy is imported until a name of ``__all__`` is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Case": "cases",
    "ConformanceReport": "summary",
    "Failure": "cases",
    "broken_backends": "broken",
    "chip_programs": "chip",
    "directed_cases": "directed",
    "examine": "checks",
    "float_programs": "leaky",
    "programs": "strategies",
    "rejection_table": "summary",
    "report": "summary",
    "resolve": "cases",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
