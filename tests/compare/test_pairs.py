"""Verdicts and measurements: what passes, what must not, and how runs are laid side by side."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from neurohw.compare import Entry, compare, summary_table
from neurohw.compare.measure import best_lag, coincidences
from neurohw.compare.numeric import drift_budget, ulps
from neurohw.errors import ProgramError
from neurohw.program import F64, Events, Probes
from neurohw.testing.broken import broken_backends

BROKEN = {b.name: b for b in broken_backends()}
FELT = {  # mistakes that the pipeline on loihi1 must show, and what may be named as the cause
    "delay_plus_one": {"delay"},
    "floor_for_toward_zero": {"rounding"},
    "draw_twice": {"noise", "rounding", "unnamed"},
    "late_reset": {"reset", "refractory", "unnamed"},  # N1 counts down late: nothing is recorded
    "short_seed": {"rounding", "unnamed"},
    "probe_offset": {"delay"},
}


def changed(e: Entry, **fields) -> Entry:
    return Entry("other", e.target, e.program, dataclasses.replace(e.probes, **fields))


def with_trace(e: Entry, key: str, change) -> Entry:
    trace = e.probes.traces[key].copy()
    change(trace)
    return changed(e, traces={**e.probes.traces, key: trace})


def without_spike(e: Entry, population: str, index: int) -> Entry:
    old = e.probes.events[population]
    keep = np.arange(len(old)) != index
    new = Events(old.trial[keep], old.step[keep], old.element[keep])
    return changed(e, events={**e.probes.events, population: new})


@pytest.fixture(scope="module")
def chip(pipeline) -> Entry:
    return pipeline.run(pipeline.program("loihi1", noise=True, seed=2**40 + 3))


@pytest.fixture(scope="module")
def real(pipeline) -> Entry:
    return pipeline.run(pipeline.program("float64", noise=True, seed=2**40 + 3))


# verdicts ----------------------------------------------------------------------------------------


def test_equal_runs_are_bit_identical(chip, real):
    for e in (chip, real):
        c = compare([e, changed(e)])
        assert c.ok and c.pairs[0].kind == "verdict"
        assert c.pairs[0].verdict == "bit-identical" and c.pairs[0].divergence is None
        assert all(m.overlap == m.overlap_window == 1 and m.lag == 0 for m in c.pairs[0].spikes)


@pytest.mark.parametrize("name", sorted(FELT))
def test_broken_backends_are_caught(pipeline, chip, name):
    pair = compare([chip, pipeline.run(chip.program, BROKEN[name])]).pairs[0]
    assert pair.verdict == "DIVERGES" and not pair.ok, name
    assert pair.divergence is not None
    assert pair.divergence.cause in FELT[name], (name, pair.sentence)


@pytest.mark.parametrize("what", ["trace", "spike", "ledger", "missing"])
def test_any_recorded_difference_fails_on_a_chip(chip, what):
    if what == "trace":
        other = with_trace(chip, "N3.u", lambda x: x.__setitem__((500, 1, 0), x[500, 1, 0] + 1))
    elif what == "spike":
        other = without_spike(chip, "N3", 1)
    elif what == "ledger":
        key, row = next(iter(chip.probes.ledger.items()))
        ledger = {**chip.probes.ledger, key: dataclasses.replace(row, high=row.high + 1)}
        other = changed(chip, ledger=ledger)
    else:
        traces = {k: v for k, v in chip.probes.traces.items() if k != "N3.u"}
        other = changed(chip, traces=traces)
    c = compare([chip, other])
    assert not c.ok and c.pairs[0].verdict == "DIVERGES"
    d = c.pairs[0].divergence
    if what == "trace":
        assert (d.trial, d.step, d.variable, d.raw_b - d.raw_a) == (1, 500, "u", 1)


def test_the_earliest_difference_is_told(chip):
    def both(x):
        x[700, 0, 0] += 1
        x[300, 1, 0] -= 1

    pair = compare([chip, with_trace(chip, "N3.v", both)]).pairs[0]
    assert [(d.trial, d.step) for d in pair.divergences] == [(1, 300), (0, 700)]
    assert pair.diverged_trials == pair.trials == 2


def test_max_divergences_caps_the_list_and_not_the_count(chip):
    def both(x):
        x[300] -= 1

    pair = compare([chip, with_trace(chip, "N3.v", both)], max_divergences=1).pairs[0]
    assert len(pair.divergences) == 1 and pair.diverged_trials == 2


# the float promise -------------------------------------------------------------------------------


def test_a_drift_of_ulps_is_within_the_promise(real):
    def drift(x):
        x[10:] *= 1 + 2.0**-52

    pair = compare([real, with_trace(real, "N3.v", drift)]).pairs[0]
    assert pair.ok and pair.verdict == "within the float promise", pair.sentence
    v = next(t for t in pair.traces if t.variable == "v")
    assert 0 < v.ulp <= 2 and 0 < v.largest < 1e-16


def test_more_than_the_budget_is_not(real):
    def drift(x):
        x[10, 1] += 1e-12

    pair = compare([real, with_trace(real, "N3.v", drift)]).pairs[0]
    assert not pair.ok and "drift budget" in pair.detail
    assert (pair.divergence.trial, pair.divergence.step) == (1, 10)


def test_before_a_reset_that_both_have_a_value_may_differ(real):
    """An upstroke amplifies roundings without limit, and the reset forgets it."""
    e = real.probes.events["N3"]
    at = (e.step[0], np.searchsorted(real.probes.trials, e.trial[0]), e.element[0])
    beside = (at[0] - 1, *at[1:])

    def shift(where):
        def change(trace):
            trace[where] += 1e-6

        return with_trace(real, "N3.v_pre", change)

    assert compare([real, shift(at)]).pairs[0].verdict == "within the float promise"
    assert compare([real, shift(beside)]).pairs[0].verdict == "DIVERGES"
    state = with_trace(real, "N3.v", lambda t: t.__setitem__(at, t[at] + 1e-6))
    assert compare([real, state]).pairs[0].verdict == "DIVERGES"


def test_a_missing_spike_is_not_excused(real):
    pair = compare([real, without_spike(real, "N3", 0)]).pairs[0]
    assert not pair.ok and "margin" in pair.detail


def test_a_near_tie_is_excused(real):
    """The reference is moved to within an ulp of the threshold, as if it had come so far."""
    e = real.probes.events["N3"]
    k = len(e) - 1
    at = int(e.step[k]), int(np.searchsorted(real.probes.trials, e.trial[k])), 0

    def close(x):
        x[at] = np.nextafter(real.threshold("N3", at[1], 0), 0)

    near = with_trace(real, "N3.v_pre", close)
    other = without_spike(without_spike_of_relay(near, real.probes.events["N3"], k), "N3", k)
    pair = compare([near, other]).pairs[0]
    assert pair.ok and pair.verdict == "within the float promise", pair.sentence
    assert "1 near-ties excused" in pair.detail and pair.divergence.step == at[0]


def without_spike_of_relay(e: Entry, events: Events, k: int) -> Entry:
    d3 = e.probes.events["D3"]
    found = np.flatnonzero((d3.trial == events.trial[k]) & (d3.step == events.step[k]))
    return without_spike(e, "D3", int(found[0])) if len(found) else e


def test_a_near_tie_needs_a_probe(pipeline, real):
    keep = tuple(p for p in real.program.probes if p.value != "v_pre")
    bare = pipeline.run(dataclasses.replace(real.program, probes=keep))
    pair = compare([bare, without_spike(bare, "N3", 0)]).pairs[0]
    assert not pair.ok and "no probe before the reset" in pair.detail


def test_budget_and_ulps():
    assert drift_budget(F64, 2.0, 3) == 64 * 2.0**-52 * 2 * 2
    a = np.array([1.0, 1.0, 0.0, np.nan, 1.0])
    b = np.array([1.0, 1 + 2.0**-51, -0.0, np.nan, np.nan])
    assert ulps(b, a).tolist() == [0, 2, 0, 0, np.inf]


# between targets ---------------------------------------------------------------------------------


def test_targets_are_measured_and_never_fail(chip, real):
    c = compare([real, chip])
    pair = c.pairs[0]
    assert c.ok and (pair.kind, pair.verdict) == ("measurement", "")
    assert pair.divergence.population == "N3"
    assert {m.population for m in pair.spikes} == {"N1", "N2", "N3", "D3"}
    sources = [m for m in pair.spikes if m.population in ("N1", "N2")]
    assert all(m.overlap == 1 for m in sources)  # one noise, one set of sources


def test_the_sentence(pipeline):
    a, b = (pipeline.run(pipeline.program(t)) for t in ("float64", "loihi1"))
    d = compare([a, b]).pairs[0].divergence
    text = compare([a, b]).pairs[0].difference
    head = f"N3[0] first differs at step {d.step} ({d.step * 0.2:g} ms), trial {d.trial}: "
    assert text.startswith(head + "loihi1 spikes, float64 does not; on float64 v = -50.")
    assert "mV against threshold -50 mV: rounding" in text
    assert d.distance_a < 0 < d.distance_b


def test_latency_is_subtracted(pipeline):
    """loihi1 delays D3 by a step; a relay sees what N3 does, so it agrees as well as N3 does."""
    a = pipeline.run(pipeline.program("float64", seed=5))
    b = pipeline.run(pipeline.program("loihi1", seed=5))
    assert b.latency("D3") == 1 and a.latency("D3") == 0
    n3, d3 = b.spikes("N3"), b.spikes("D3")
    assert np.array_equal(n3.step, d3.step)
    assert not np.array_equal(b.probes.events["D3"].step, d3.step)
    same = {m.population: m for m in compare([b, b]).pairs[0].spikes}
    assert same["D3"].overlap == 1
    pair = {m.population: m for m in compare([a, b]).pairs[0].spikes}
    assert pair["D3"].overlap == pair["N3"].overlap and pair["D3"].lag == pair["N3"].lag


def test_a_spike_beyond_the_end_of_the_later_run_does_not_count(pipeline):
    """A spike of N3 in the last step reaches D3 only where D3 has no latency."""
    a = pipeline.run(pipeline.program("float64", trials=1))
    last = int(a.probes.events["N3"].step[0])
    p, q = pipeline.program("float64", trials=1), pipeline.program("float64", trials=1)
    edges = tuple(dataclasses.replace(e, delay=1) if e.target == "D3" else e for e in q.edges)
    q = dataclasses.replace(q, edges=edges, latency={"D3": 1}, target="late")
    pair = compare([pipeline.run(x, steps=last + 1) for x in (p, q)]).pairs[0]
    counts = {m.population: (m.count_a, m.count_b) for m in pair.spikes}
    assert counts["N3"] == (1, 1) and counts["D3"] == (1, 0)
    assert pair.divergence is None


# the table, JSON, refusals -----------------------------------------------------------------------


def test_comparison_as_data(chip, real):
    c = compare([real, chip, changed(chip)])
    assert [(p.i, p.j) for p in c.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert c.pair(2, 1) is c.pairs[2]
    again = json.loads(json.dumps(c.as_dict(), allow_nan=False))
    assert again["ok"] and len(again["pairs"]) == 3 and again["pairs"][2]["verdict"]
    headers, rows = summary_table(c)
    assert all(len(r) == len(headers) and all(isinstance(x, str) for x in r) for r in rows)
    assert c.rows()[2]["result"] == "bit-identical"


def test_values_that_are_not_finite_do_not_break_json(real):
    pair = compare([real, with_trace(real, "N3.v", lambda x: x.__setitem__(5, np.nan))])
    json.dumps(pair.as_dict(), allow_nan=False)
    assert not pair.ok


@pytest.mark.parametrize(
    "fields, word",
    [({"steps": 999}, "spans"), ({"trials": np.array([0, 3])}, "trials")],
)
def test_what_cannot_be_laid_side_by_side_is_refused(chip, fields, word):
    with pytest.raises(ProgramError, match=word):
        compare([chip, changed(chip, **fields)])


def test_one_entry_is_no_comparison(chip):
    with pytest.raises(ProgramError, match="nothing to compare"):
        compare([chip])
    other = dataclasses.replace(chip.program, dt=1e-3)
    with pytest.raises(ProgramError, match="step lengths"):
        compare([chip, Entry("x", "y", other, chip.probes)])


def test_probes_of_one_period_meet_in_the_samples_both_have(pipeline):
    p = pipeline.program("float64")
    other = dataclasses.replace(p, probes=tuple(
        dataclasses.replace(x, every=3) if x.value == "u" else x for x in p.probes
    ), target="thin")  # fmt: skip
    pair = compare([pipeline.run(p), pipeline.run(other)]).pairs[0]
    u = next(t for t in pair.traces if t.variable == "u")
    assert u.largest == 0 and pair.divergence is None


# spike trains ------------------------------------------------------------------------------------


def test_coincidences_and_lag():
    a = np.array([0, 10, 20, 30])
    assert coincidences(a, a, 0) == 4
    assert coincidences(a, a + 2, 1) == 0 and coincidences(a, a + 2, 2) == 4
    assert coincidences(np.array([0, 1]), np.array([1]), 1) == 1  # one partner each
    assert coincidences(np.array([0, 2]), np.array([1, 3]), 1) == 2
    assert best_lag(a, a + 3, 5) == 3 and best_lag(a, a - 3, 5) == -3
    assert best_lag(a, a + 9, 5) == -1  # all but the last meet the next spike
    assert best_lag(a, np.zeros(0, int), 5) == 0


def test_no_spikes_anywhere_agree(pipeline):
    a, b = (pipeline.run(pipeline.program(t, V_th="0 V")) for t in ("float64", "lava"))
    pair = compare([a, b]).pairs[0]
    n3 = next(m for m in pair.spikes if m.population == "N3")
    assert (n3.count_a, n3.overlap, n3.overlap_window, n3.lag) == (0, 1.0, 1.0, 0)
    assert pair.detail == "same spikes"


def test_entries_without_any_common_probe(real):
    empty = Probes(0, real.probes.steps, real.probes.trials)
    pair = compare([real, Entry("x", "loihi1", real.program, empty)]).pairs[0]
    assert pair.detail == "no spikes recorded on both sides" and pair.ok
    assert not compare([real, Entry("x", real.target, real.program, empty)]).ok
