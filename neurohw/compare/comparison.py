"""All pairs of some runs of one network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from neurohw.program import Probe, Program

from .entry import Entry, check_entries
from .pair import Pair, compare_pair
from .sentence import quantity
from .spiking import spike_rule

__all__ = ["Comparison", "compare", "summary_table", "with_evidence"]


@dataclass(frozen=True)
class Comparison:
    """Runs and how each pair of them compares."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]

    @property
    def ok(self) -> bool:
        """Whether every verdict holds; measurements never fail."""
        return all(p.ok for p in self.pairs)

    def pair(self, i: int, j: int) -> Pair:
        """The pair of entries ``i`` and ``j``."""
        i, j = sorted((i, j))
        return next(p for p in self.pairs if (p.i, p.j) == (i, j))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        entries = [
            {
                "backend": e.backend,
                "target": e.target,
                "program": e.program.hash,
                "spikes": {k: len(v) for k, v in e.probes.events.items()},
            }
            for e in self.entries
        ]
        first = self.entries[0]
        return {
            "network": first.program.name,
            "dt": first.program.dt,
            "steps": first.probes.steps,
            "trials": len(first.probes.trials),
            "ok": self.ok,
            "entries": entries,
            "pairs": [p.as_dict() for p in self.pairs],
        }

    def rows(self) -> list[dict[str, str]]:
        """A row per pair, by header."""
        headers, rows = summary_table(self)
        return [dict(zip(headers, row, strict=True)) for row in rows]


def compare(
    entries: Sequence[Entry],
    *,
    window: float = 1e-3,
    max_divergences: int = 20,
    every_pair: bool = True,
) -> Comparison:
    """Compare every pair, or only those that a verdict and a measurement need.

    Parameters
    ----------
    entries : sequence of Entry
        Two or more runs of one network, with equal dt, steps and trials.
    window : float
        Seconds by which spikes may be apart in ``overlap_window``.
    max_divergences : int
        Diverging trials of a pair to explain.
    every_pair : bool
        If not, each run is compared with the first of its target, and the first runs of the
        targets with each other.

    Raises
    ------
    ProgramError
        If the entries cannot be laid side by side.
    """
    entries = tuple(entries)
    check_entries(entries)
    first: dict[str, int] = {}
    for k, entry in enumerate(entries):
        first.setdefault(entry.target, k)
    pairs = (
        compare_pair(x, y, i, j, window=window, max_divergences=max_divergences)
        for (i, x), (j, y) in combinations(enumerate(entries), 2)
        if every_pair or (i == first[x.target] and (x.target == y.target or j == first[y.target]))
    )
    return Comparison(entries, tuple(pairs))


def summary_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of strings: per pair the population whose spikes agree least, and why."""
    headers = ["a", "b", "result", "spikes", "same step", "within window", "lag", "max |dv|",
               "first difference"]  # fmt: skip
    return headers, [_row(p, comparison.entries[p.i].program.dt) for p in comparison.pairs]


def _row(p: Pair, dt: float) -> list[str]:
    worst = min(p.spikes, key=lambda m: (m.overlap, m.overlap_window), default=None)
    v = max((t for t in p.traces if t.variable == "v"), key=lambda t: t.largest, default=None)
    lag = max((m.lag for m in p.spikes), key=abs, default=0)
    return [
        p.a,
        p.b,
        p.verdict or "measured",
        "" if worst is None else f"{worst.population}: {worst.count_a} / {worst.count_b}",
        "" if worst is None else f"{worst.overlap:.1%}",
        "" if worst is None else f"{worst.overlap_window:.1%}",
        "0" if not lag else f"{lag:+d} ({lag * dt * 1e3:+.3g} ms)",
        "" if v is None else quantity(v.largest, v.unit),
        p.difference or ("none" if p.ok else p.detail),
    ]


def with_evidence(program: Program) -> Program:
    """The program, recording what naming a cause takes: spikes, and v before the reset.

    Where the potential is recorded in every step, the value that meets the threshold is, too.
    """
    probes = {p.key: p for p in program.probes}
    for q in program.populations:
        if q.spike is not None:
            probes.setdefault(f"{q.name}.spikes", Probe(q.name, "spikes"))
        rule, v = spike_rule(q), probes.get(f"{q.name}.v")
        if rule is not None and v is not None and v.every == 1:
            new = dataclasses.replace(v, value=rule.value)
            probes.setdefault(new.key, new)
    return dataclasses.replace(program, probes=tuple(probes.values()))
