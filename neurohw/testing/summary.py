"""The suite as one function call, for numbers to quote; and the table of rejections.

Random cases are derandomised: two reports on the same code are the same report.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurohw.backend import Backend
from neurohw.testing.broken import broken_backends
from neurohw.testing.cases import Bench, Case, Failure, resolve
from neurohw.testing.checks import Examination, examine
from neurohw.testing.chip import chip_programs
from neurohw.testing.directed import directed_cases
from neurohw.testing.drift import CAP, NearTie, drift
from neurohw.testing.floats import LIMITS
from neurohw.testing.leaky import float_programs
from neurohw.testing.models import model_programs
from neurohw.testing.strategies import programs

__all__ = [
    "FAMILIES",
    "ConformanceReport",
    "Rejection",
    "each",
    "rejection_table",
    "report",
    "share",
]

FAMILIES: dict[str, Callable[[], st.SearchStrategy[Case]]] = {
    "programs": programs,
    "programs with traps": lambda: programs(traps=True),
    "programs with floats": lambda: programs(floats=True),
    "chip programs": chip_programs,
    "float programs": float_programs,
    "neuron models": model_programs,
}
# Of N programs asked for: a backend that compiles takes seconds for each new structure.
SHARES = {
    "programs": 2, "programs with traps": 8, "programs with floats": 4, "float programs": 4,
    "neuron models": 4,
}  # fmt: skip
_QUIET: dict[str, Any] = {
    "deadline": None, "derandomize": True, "database": None,
    "suppress_health_check": tuple(HealthCheck),
}  # fmt: skip


def share(family: str, programs: int) -> int:
    """How many cases of a family are tried where ``programs`` are asked for."""
    return -(-programs // SHARES.get(family, 1))


def each(strategy: st.SearchStrategy[Case], count: int, visit: Callable[[Case], None]) -> None:
    """Call ``visit`` with ``count`` random cases, the same ones every time."""
    if count < 1:
        return

    @settings(max_examples=count, **_QUIET)
    @given(strategy)
    def run(case: Case) -> None:
        visit(case)

    run()


@dataclass
class ConformanceReport:
    """Counts of one run of the suite.

    Attributes
    ----------
    cases, refused : Counter
        Cases by family; ``refused`` are those that the backend says it cannot run.
    checks : Counter
        Times each check passed.
    left : Counter
        Chip programs that ran and in which a value left its word, by watch: ``u`` wrapped, ``v``
        clipped, and so on; ``up to 2**23``: it was then 2**23 - 2 or more in magnitude.
    failures : list of Failure
        All that failed; at most 20 are kept with their text.
    ulps : dict
        Largest distance seen, by float operation (``step``: probed values of a whole step).
    excused : list of NearTie
        First spike mismatches excused by T2, of ``pairs`` trials x populations.
    """

    backend: str
    cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    ulps: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=lambda: dict(LIMITS))
    pairs: int = 0
    excused: list[NearTie] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """No check failed, and no more near-ties were excused than the cap allows."""
        return not self.failed and len(self.excused) <= max(1, CAP * self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as for JSON."""
        return {**dataclasses.asdict(self), "ok": self.ok}

    def __str__(self) -> str:
        lines = [f"{self.backend}: {'conforms' if self.ok else 'DOES NOT CONFORM'} "
                 f"({sum(self.cases.values())} cases, {self.seconds:.1f} s)"]  # fmt: skip
        lines += [f"  {k}: {n} cases, {self.refused[k]} refused" for k, n in self.cases.items()]
        lines += [f"  {k}: {n} passed, {self.failed[k]} failed" for k, n in self.checks.items()]
        lines += [f"  {k}: failed {n}" for k, n in self.failed.items() if k not in self.checks]
        ran = self.cases["chip programs"] - self.refused["chip programs"]
        left = ", ".join(f"{k} {n}" for k, n in sorted(self.left.items()))
        lines.append(f"  chip programs with values out of range, of {ran}: {left or 'none'}")
        worst = ", ".join(f"{k} {v:g}" for k, v in sorted(self.ulps.items()) if v)
        lines.append(f"  largest ulps: {worst or 'all 0'}")
        lines.append(f"  near-ties excused: {len(self.excused)} of {self.pairs} pairs")
        lines += [f"  {f.check}: {f.detail}" for f in self.failures[:5]]
        return "\n".join(lines)

    def add(self, family: str, result: Examination) -> None:
        self.cases[family] += 1
        if result.refused:
            self.refused[family] += 1
            self.reasons.update({reason for _, reason in result.refused})
        self.checks.update(result.passed)
        self.failed.update(f.check for f in result.failures)
        if family == "chip programs":
            self.left.update(result.left)
        self.failures += result.failures[: max(0, 20 - len(self.failures))]
        for op, worst in result.ulps.items():
            self.ulps[op] = max(self.ulps.get(op, 0.0), worst)


def trajectories(backend: Backend, case: Case, out: ConformanceReport) -> None:
    """T2 on one case, into a report."""
    bench = Bench(backend, case)
    if bench.refused:
        return
    result = drift(bench)
    out.pairs += result.pairs
    out.excused += result.excused
    if result.problem:
        out.failed["drift"] += 1
        out.failures.append(Failure("drift", repr(case), result.problem))
    else:
        out.checks["drift"] += 1


def report(backend: Backend | str, programs: int = 40) -> ConformanceReport:
    """Put ``backend`` through everything: directed cases and random programs.

    Parameters
    ----------
    backend : Backend or str
        As for :func:`~neurohw.testing.resolve`.
    programs : int
        Random chip networks; of the other families fewer, see ``SHARES`` (0: only directed).
    """
    start = time.perf_counter()
    engine = resolve(backend) if isinstance(backend, str) else backend
    out = ConformanceReport(engine.name)

    def visit(family: str, case: Case) -> None:
        out.add(family, examine(engine, case))
        if family in ("float programs", "directed") and Bench(engine, case).floats:
            if any(q.spike is not None for q in case.program.populations):
                trajectories(engine, case, out)

    for case in directed_cases():
        visit("directed", case)
    for family, strategy in FAMILIES.items():
        each(strategy(), share(family, programs), lambda case, family=family: visit(family, case))
    out.seconds = time.perf_counter() - start
    return out


@dataclass(frozen=True)
class Rejection:
    """How one broken backend was found out."""

    name: str
    mistake: str
    checks: tuple[str, ...]
    cases: tuple[str, ...]
    random: tuple[str, ...]


def rejection_table(random: int = 0, names: tuple[str, ...] = ()) -> tuple[Rejection, ...]:
    """For each broken backend: checks and directed cases that reject it, random families that do.

    Parameters
    ----------
    random : int
        Random programs tried per family, besides the directed cases.
    names : tuple of str
        Only these backends (default: all).
    """
    rows = []
    for backend in broken_backends():
        if names and backend.name not in names:
            continue
        checks: Counter[str] = Counter()
        labels: list[str] = []
        for case in directed_cases():
            failures = examine(backend, case).failures
            checks.update(f.check for f in failures)
            labels += [case.label.removeprefix("directed:")] if failures else []
        families = [f for f in FAMILIES if random and _caught(backend, FAMILIES[f](), random)]
        rows.append(Rejection(backend.name, backend.mistake, tuple(checks),
                              tuple(dict.fromkeys(labels)), tuple(families)))  # fmt: skip
    return tuple(rows)


def _caught(backend: Backend, strategy: st.SearchStrategy[Case], count: int) -> bool:
    found = False

    def visit(case: Case) -> None:
        nonlocal found
        if not found:
            found = bool(examine(backend, case).failures)

    each(strategy, count, visit)
    return found
