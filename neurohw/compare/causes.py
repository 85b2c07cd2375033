"""Why two runs part: rules, each a function from a scene to its evidence in words, or None.

The rules are asked in the order of :data:`RULES`, from what proves itself to what merely fits; the
first that finds its evidence names the cause. Rules never guess: with too few probes they are
silent, and the cause is "unnamed".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurohw.program import Program

from .scene import Scene

__all__ = ["RULES", "cause_of"]

Rule = Callable[[Scene], str | None]
SMOOTH = 0.05  # largest growth of a difference in one step, as a share of the working range
FIELD = 2.0**-12  # relative error of a decay held in twelve bits
COARSE = 2.0**-4  # what rounded weights and thresholds may add once, as a share of the range


def overflow(s: Scene) -> str | None:
    """A number left its range.

    Evidence: a row of one side's ledger for this population, whose first event lies in this trial
    and neuron, at or before the divergence. Equal rows on both sides of one program explain a
    difference in that very step alone.
    """
    same = s.a.program.hash == s.b.program.hash
    for e, other in (s.entries, s.entries[::-1]):
        for w in e.program.watches:
            row = e.probes.ledger.get(w.key)
            if w.population != s.d.population or row is None or row.first is None:
                continue
            step, trial, neuron = row.first
            step -= e.latency(w.population)
            if (trial, neuron) != (s.d.trial, s.d.neuron) or step > s.d.step:
                continue
            if step == s.d.step or not (same and other.probes.ledger.get(w.key) == row):
                return f"{w.label or w.value} left {w.lo}..{w.hi} on {e.label} at step {step}"
    return None


def compare(s: Scene) -> str | None:
    """The threshold is compared by another rule.

    Evidence: one side spikes, the values before the reset are equal within one unit in the last
    place, and either both stand exactly on the threshold, or the two comparisons differ and both
    stand within that unit of it.
    """
    d, rules = s.d, [e.rules.get(s.d.population) for e in s.entries]
    if d.spike_a == d.spike_b or rules[0] is None or rules[1] is None:
        return None
    if d.distance_a is None or d.distance_b is None or d.value_a is None or d.value_b is None:
        return None
    grain = max((s.entries[k].series[d.population, n].grain
                 for k, r in enumerate(rules) if r for n in (r.value, r.after)
                 if (d.population, n) in s.entries[k].series), default=0.0)  # fmt: skip
    ops = rules[0].op, rules[1].op
    tie = max(abs(d.distance_a), abs(d.distance_b))
    if abs(d.value_a - d.value_b) > grain or tie > grain or (tie > 0 and ops[0] == ops[1]):
        return None
    if ops[0] == ops[1]:
        return f"both stand on the threshold, and {ops[0]} was evaluated differently"
    return f"both stand on the threshold, compared by {ops[0]} and {ops[1]}"


def delay(s: Scene) -> str | None:
    """Something arrives at another time.

    Evidence, any of: an edge into the population has another delay once retiming is taken off, and
    one of its spikes could have arrived; a recorded value of the neuron (a potential: before the
    first reset) is the other's, shifted by one to five steps; the population has no potential, and
    the neuron's trains, of two spikes or more, are equal up to a shift.
    """
    return _edges(s) or _shifted_values(s) or _shifted_trains(s)


def _edges(s: Scene) -> str | None:
    p, q = (_delays(e.program, s.d.population) for e in s.entries)
    for source in sorted(p.keys() & q.keys()):
        if p[source] == q[source] or source not in s.a.probes.events:
            continue
        x, y = p[source], q[source]
        arrival = min(set(x) ^ set(y) or {*x, *y})
        events = s.a.spikes(source)
        if np.any((events.trial == s.d.trial) & (events.step <= s.d.step - arrival)):
            steps = [",".join(map(str, z)) for z in (x, y)]
            return f"spikes of {source} arrive after {steps[0]} and {steps[1]} steps"
    return None


def _delays(program: Program, target: str) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    late = program.latency
    for e in program.edges:
        if e.target == target and not e.value:
            net = e.delay - late.get(target, 0) + late.get(e.source, 0)
            out.setdefault(e.source, []).append(net)
    return {k: sorted(v) for k, v in out.items()}


def _shifted_values(s: Scene) -> str | None:
    spiked = any(len(t) and t[0] <= s.d.step for t in s.trains)
    for name in sorted({n for p, n in s.a.series if p == s.d.population}):
        both, potential = s.both(name), name in ("v", "v_pre")
        if both is None or (potential and spiked):  # a late reset, too, shifts what follows it
            continue
        both = both.upto(s.d.step) if potential else both
        if len(both.steps) < 20:
            continue
        apart = float(both.apart.max())
        if not apart > 10 * both.grain:
            continue
        for k in (1, -1, 2, -2, 3, -3, 4, -4, 5, -5):
            x, y = (both.a[:-k], both.b[k:]) if k > 0 else (both.a[-k:], both.b[:k])
            if len(x) > 2 * abs(k) and float(np.abs(x - y).max()) <= max(0.02 * apart, both.grain):
                return f"{name} is the same, {abs(k)} steps {'later' if k > 0 else 'earlier'}"
    return None


def _shifted_trains(s: Scene) -> str | None:
    x, y = s.trains
    if s.a.rules.get(s.d.population) is not None or len(x) < 2 or len(y) < 2:
        return None
    k = int(y[0] - x[0])
    n = min(len(x), len(y))
    if k and abs(len(x) - len(y)) <= 1 and np.array_equal(x[:n] + k, y[:n]):
        return f"the spikes are the same, {abs(k)} steps {'later' if k > 0 else 'earlier'}"
    return None


def refractory(s: Scene) -> str | None:
    """The neuron is blocked for another time.

    Evidence: after a spike of both, the potential is held for different numbers of steps, and in
    those where only one holds, the other moves by more than eight units in the last place; or one
    side, which has spiked before, stands beyond its threshold and does not spike.
    """
    v = s.v
    if v is not None:
        for spike in s.shared.tolist():
            holds = [_hold(v.steps, raw, spike) for raw in (v.raw_a, v.raw_b)]
            short, long = min(holds), max(holds)
            moving = v.a if holds[0] == short else v.b
            i = int(np.searchsorted(v.steps, spike))
            if short == long or spike + short >= s.d.step + 1:
                continue
            moved = float(np.ptp(moving[i + short : i + long + 1]))
            if moved > 8 * v.grain:
                return f"after the spike at step {spike}, v is held {holds[0]} and {holds[1]} steps"
    for e, spiked, distance in (
        (s.a, s.d.spike_a, s.d.distance_a),
        (s.b, s.d.spike_b, s.d.distance_b),
    ):
        rule = e.rules.get(s.d.population)
        if spiked or distance is None or rule is None or not len(s.shared):
            continue
        beyond = {"gt": distance > 0, "ge": distance >= 0, "lt": distance < 0, "le": distance <= 0}
        if s.d.spike_a != s.d.spike_b and beyond[rule.op]:
            return f"{e.label} is beyond its threshold but blocked"
    return None


def _hold(steps: np.ndarray, raw: np.ndarray, spike: int) -> int:
    """Steps after ``spike`` in which the value is that of the step before."""
    i = int(np.searchsorted(steps, spike))
    moves = np.flatnonzero(raw[i + 1 :] != raw[i:-1])
    return int(moves[0]) if len(moves) else len(raw) - 1 - i


def reset(s: Scene) -> str | None:
    """The reset happens at another time, or to another value.

    Evidence: at a spike of both, or in the step after it, the potentials after the step part by
    more than ``SMOOTH`` of the working range above what they were apart; or they were equal until
    then, and this is the first difference.
    """
    v = s.v
    if v is None:
        return None
    for spike in s.trains[0][s.trains[0] <= s.d.step].tolist():
        i = int(np.searchsorted(v.steps, spike))
        if spike not in s.trains[1] or i == 0 or i + 1 >= len(v.steps):
            continue
        before, now, after = v.apart[i - 1 : i + 2]
        first = before == 0 and s.d.variable == "v" and s.d.step in (spike, spike + 1)
        if not first and max(now, after) <= before + SMOOTH * s.span:
            continue
        late = now > before and after <= max(before, SMOOTH * s.span)
        how = "one step apart" if late else "to different values"
        return f"at the spike at step {spike}, the resets are {how}"
    return None


def noise(s: Scene) -> str | None:
    """The programs draw different noise.

    Evidence: the population's draws differ in kind or site between the programs, or the seeds
    differ and it draws at all.
    """
    draws = [
        {(n.attrs["site"], n.op) for n in q.nodes if n.op in ("word", "normal")}
        for q in s.populations
    ]
    odd = sorted(draws[0] ^ draws[1])
    if odd:
        site = odd[0][0]
        kinds = [next((op for at, op in sorted(d) if at == site), "nothing") for d in draws]
        names = {"word": "uniform words", "normal": "normal numbers"}
        return f"{site} draws {' against '.join(names.get(k, k) for k in kinds)}"
    if s.a.program.seed != s.b.program.seed and draws[0]:
        return f"seeds {s.a.program.seed} and {s.b.program.seed}"
    return None


def rounding(s: Scene) -> str | None:
    """Numbers are rounded differently.

    Evidence: before the divergence the potentials differ, the difference never grows by more than
    ``SMOOTH`` of the working range in a step, and it stays within what quantisation accumulates in
    the n steps since the last spike of both: two units in the last place and ``FIELD`` of the range
    per step, and once ``COARSE`` of it for weights, bias and threshold.
    """
    v = s.v
    if v is None:
        return None
    start = int(s.shared[-1]) if len(s.shared) else int(v.steps[0]) - 1
    here = v.upto(s.d.step - (s.d.spike_a != s.d.spike_b))
    apart = here.apart[here.steps > start]
    if s.d.value_a is not None and s.d.value_b is not None and s.d.variable == "spikes":
        apart = np.append(apart, abs(s.d.value_a - s.d.value_b))
    if not len(apart) or not apart.max() > 0:
        return None
    growth = float(np.diff(apart, prepend=0.0).max())
    allowed = len(apart) * (2 * v.grain + FIELD * s.span) + COARSE * s.span
    if growth > max(SMOOTH * s.span, 2 * v.grain) or float(apart.max()) > allowed:
        return None
    return f"the difference of v grew smoothly over {len(apart)} steps"


RULES: tuple[tuple[str, Rule], ...] = (
    ("overflow", overflow),
    ("compare", compare),
    ("delay", delay),
    ("refractory", refractory),
    ("reset", reset),
    ("noise", noise),
    ("rounding", rounding),
)


def cause_of(s: Scene) -> tuple[str, str]:
    """(cause, evidence); ("unnamed", hint) where no rule finds its evidence."""
    for name, rule in RULES:
        found = rule(s)
        if found is not None:
            return name, found
    if s.v is None and s.a.rules.get(s.d.population) is not None:
        return "unnamed", f"record v of {s.d.population} in every step to learn more"
    return "unnamed", ""
