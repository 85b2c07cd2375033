"""Two runs of one network: a verdict on one target, a measurement between targets."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from typing import Any

from .causes import cause_of
from .divergence import Divergence, Place, describe, spike_mismatches, value_mismatch
from .entry import Entry
from .measure import SpikeMeasure, TraceMeasure, measure_spikes, measure_traces
from .numeric import probes_differ
from .promise import broken_promise
from .scene import Scene
from .sentence import plain, sentence

__all__ = ["DIVERGES", "IDENTICAL", "PROMISE", "Pair", "compare_pair"]

IDENTICAL, PROMISE, DIVERGES = "bit-identical", "within the float promise", "DIVERGES"
LAG = 20e-3  # seconds over which shifts of spike trains are looked for
SHARE = 0.05  # between targets with equal spikes, what a value must differ by to be told


@dataclass(frozen=True)
class Pair:
    """How two entries compare.

    Attributes
    ----------
    i, j : int
        Positions of the entries; ``a`` and ``b`` are their labels, ``short`` shorter names.
    kind : str
        "verdict" (one target) or "measurement" (two).
    verdict : str
        "bit-identical", "within the float promise", "DIVERGES"; empty for a measurement.
    detail : str
        What the verdict rests on.
    divergences : tuple of Divergence
        The first of each trial, earliest first, at most as many as asked for.
    diverged_trials, trials : int
        Trials that diverge, of how many.
    """

    i: int
    j: int
    a: str
    b: str
    short: tuple[str, str]
    kind: str
    verdict: str
    detail: str
    divergences: tuple[Divergence, ...]
    diverged_trials: int
    trials: int
    spikes: tuple[SpikeMeasure, ...]
    traces: tuple[TraceMeasure, ...]

    @property
    def ok(self) -> bool:
        """False for a verdict of DIVERGES alone."""
        return self.verdict != DIVERGES

    @property
    def divergence(self) -> Divergence | None:
        """The earliest."""
        return self.divergences[0] if self.divergences else None

    @property
    def difference(self) -> str:
        """The earliest divergence in one sentence, or nothing."""
        return "" if self.divergence is None else sentence(self.divergence, *self.short)

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        head = f"{self.verdict}: {self.detail}" if not self.ok else self.verdict or self.detail
        return f"{head}; {self.difference}" if self.difference else head

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite becomes None."""
        out = asdict(self) | {"divergences": [d.as_dict() for d in self.divergences]}
        return plain(out | {"ok": self.ok, "sentence": self.sentence})


def compare_pair(
    a: Entry, b: Entry, i: int, j: int, *, window: float, max_divergences: int
) -> Pair:
    """Judge or measure two entries."""
    same = a.target == b.target
    kind, verdict = ("verdict" if same else "measurement"), ""
    spikes = measure_spikes(a, b, window=window, lag=LAG)
    if same:
        verdict, detail, places = _judge(a, b)
    else:
        places = spike_mismatches(a, b)
        equal = all(m.overlap == 1.0 for m in spikes)
        detail = "same spikes" if spikes and equal and not places else _spread(spikes)
        places = places or value_mismatch(a, b, SHARE)
    divergences = []
    for place in places[:max_divergences]:
        d = describe(a, b, place)
        cause, why = cause_of(Scene(a, b, d))
        divergences.append(dataclasses.replace(d, cause=cause, why=why))
    return Pair(
        i,
        j,
        a.label,
        b.label,
        _short(a, b, i, j),
        kind,
        verdict,
        detail,
        tuple(divergences),
        len(places),
        len(a.probes.trials),
        spikes,
        measure_traces(a, b),
    )


def _judge(a: Entry, b: Entry) -> tuple[str, str, list[Place]]:
    want, got = (b, a) if b.backend == "reference" and a.backend != "reference" else (a, b)
    note = "" if a.program.hash == b.program.hash else " (the programs differ)"
    problem = probes_differ(got.probes, want.probes)
    if not problem:
        return IDENTICAL, f"spikes, traces, moments and ledger are equal{note}", []
    shared = all(
        set(getattr(got.probes, k)) == set(getattr(want.probes, k))
        for k in ("events", "traces", "moments", "ledger")
    )
    if shared and not note and want.floats:
        broken, where, excused = broken_promise(want, got)
        if not broken:
            ties = f"{excused} near-ties excused" if excused else "equal spikes"
            return PROMISE, f"{ties}, traces within the drift budget", spike_mismatches(a, b)
        return DIVERGES, broken, where or _first(a, b)
    return DIVERGES, problem + note, _first(a, b)


def _first(a: Entry, b: Entry) -> list[Place]:
    """Per trial the first unequal spike or value; of one step, the spike."""
    places = {p.trial: p for p in value_mismatch(a, b)}
    for p in spike_mismatches(a, b):
        if p.trial not in places or p.step <= places[p.trial].step:
            places[p.trial] = p
    return sorted(places.values(), key=lambda p: (p.step, p.trial))


def _spread(spikes: tuple[SpikeMeasure, ...]) -> str:
    worst = min(spikes, key=lambda m: m.overlap, default=None)
    if worst is None:
        return "no spikes recorded on both sides"
    return (
        f"{worst.population}: {worst.count_a} and {worst.count_b} spikes, "
        f"{worst.overlap:.0%} in the same step, {worst.overlap_window:.0%} within "
        f"{worst.window} steps"
    )


def _short(a: Entry, b: Entry, i: int, j: int) -> tuple[str, str]:
    if a.target != b.target:
        return a.target, b.target
    if a.backend != b.backend:
        return a.backend, b.backend
    return f"{a.label} (#{i})", f"{b.label} (#{j})"
