"""The suite can fail: every backend that is wrong on purpose is rejected, the reference is not."""

from __future__ import annotations

import numpy as np
import pytest

from neurohw.program import F64, Float, verify
from neurohw.reference import ReferenceBackend
from neurohw.reference import evaluate as EVALUATE
from neurohw.testing import (
    broken_backends,
    directed_cases,
    examine,
    float_programs,
    programs,
    rejection_table,
    report,
)
from neurohw.testing.broken import Broken
from neurohw.testing.budget import budget
from neurohw.testing.cases import Bench
from neurohw.testing.drift import drift, drift_budget
from neurohw.testing.floats import instrument, ulps, values_of
from neurohw.testing.summary import FAMILIES, each

CASES = directed_cases()
SIX = ["delay_plus_one", "ge_for_gt", "floor_for_toward_zero", "saturate_for_wrap", "draw_twice",
       "late_reset"]  # fmt: skip
# Mistakes that a particular check has to find, not just any.
BY = {
    "delay_plus_one": "identity", "ge_for_gt": "identity", "floor_for_toward_zero": "identity",
    "saturate_for_wrap": "identity", "draw_twice": "draws", "late_reset": "identity",
    "swapped_counter": "draws", "short_seed": "draws", "short_step": "draws",
    "relative_trial": "alone", "forgets_history": "split", "spoils_state": "repeat",
    "f32_sums": "step", "rough_exp": "ops", "contracted": "ops", "i32_sums": "identity",
    "binary_values": "identity", "tf32_values": "step",
}  # fmt: skip


def test_the_six_mistakes_of_the_design_are_there_and_more() -> None:
    names = [b.name for b in broken_backends()]
    assert names[:6] == SIX
    assert len(set(names)) == len(names) >= 11


@pytest.mark.parametrize("backend", broken_backends(), ids=lambda b: b.name)
def test_broken_backend_is_rejected(backend: Broken, record_property) -> None:
    checks = set()
    for case in CASES:
        checks |= {f.check for f in examine(backend, case).failures}
        if BY.get(backend.name) in checks:
            break
    assert checks, f"the suite accepts {backend.name}: {backend.mistake}"
    record_property("rejected by", ", ".join(sorted(checks)))
    assert BY.get(backend.name, min(checks)) in checks


@pytest.mark.parametrize("name", SIX)
def test_random_programs_find_it_too(name: str) -> None:
    backend = next(b for b in broken_backends() if b.name == name)
    found: list[str] = []

    def visit(case) -> None:
        if not found:
            found.extend(f.check for f in examine(backend, case, ("identity",)).failures)

    each(FAMILIES["chip programs"](), 60, visit)
    assert found


def test_the_reference_passes_the_directed_programs() -> None:
    result = report("reference", programs=3)
    assert result.ok, str(result)
    assert result.cases["directed"] == len(CASES)
    assert result.checks["identity"] < sum(result.cases.values())  # floats are not counted
    assert all(result.checks[name] for name in ("identity", "split", "alone", "draws", "drift"))
    assert max(result.ulps.values()) <= 4
    assert result.as_dict()["ok"] is True
    assert "conforms" in str(result)


def test_a_failing_report_says_so() -> None:
    backend = next(b for b in broken_backends() if b.name == "ge_for_gt")
    result = report(backend, programs=0)
    assert not result.ok
    assert result.failed["identity"]
    assert "DOES NOT CONFORM" in str(result)


def test_rejection_table_names_check_and_case() -> None:
    rows = rejection_table(random=5, names=("delay_plus_one", "relative_trial"))
    assert [row.name for row in rows] == ["delay_plus_one", "relative_trial"]
    assert "identity" in rows[0].checks
    assert "delays" in rows[0].cases
    assert "chip programs" in rows[0].random
    assert rows[1].checks == ("alone",)


def test_random_programs_are_legal_and_stay_in_the_verified_intervals() -> None:
    def visit(case) -> None:
        p = instrument(case.program)
        spans = verify(p)
        state, out = Bench(ReferenceBackend(), case).start(), None
        run = ReferenceBackend().compile(p)
        _, out = run(state, case.inputs, case.t0, case.steps)
        for q in p.populations:
            for node, span in zip(q.nodes, spans[q.name], strict=True):
                if span is not None:
                    trace = out.traces[f"{q.name}.{node.name}"]
                    assert span[0] <= trace.min() <= trace.max() <= span[1], (node, span)

    each(programs(), 60, visit)


# the measures themselves -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ulps(dtype: type) -> None:
    one = np.array([1.0, -3.0, 0.0, np.inf, np.nan], dtype)
    assert not ulps(one, one).any()
    assert ulps(np.nextafter(one[:2], dtype(100)), one[:2]).tolist() == [1.0, 1.0]
    assert ulps(np.array([np.nan], dtype), np.array([1.0], dtype))[0] == np.inf


def test_budget_is_zero_where_ieee_leaves_no_choice() -> None:
    case = next(c for c in CASES if c.label == "directed:contraction_f32")
    p, bench = instrument(case.program), Bench(ReferenceBackend(), case)
    _, probes = ReferenceBackend().compile(p)(bench.start(), None, 0, 1)
    errors = budget(p, bench.start(), values_of(p, probes))
    assert all(not e.any() for rows in errors.values() for e in rows)


def _noisy(scale: float) -> Broken:
    """A backend whose float sums are off by a relative ``scale``."""

    def evaluate(node, args, types):
        out = EVALUATE(node, args, types)
        if isinstance(node.dtype, Float) and node.op == "add":
            return out * out.dtype.type(1 + scale)
        return out

    return Broken("noisy", "", patches={"evaluate": evaluate})


def test_drift_excuses_rounding_and_nothing_else() -> None:
    excused, problems = [], []

    def visit(case, scale: float) -> None:
        result = drift(Bench(_noisy(scale), case))
        excused.extend(result.excused)
        problems.extend([result.problem] if result.problem else [])

    each(float_programs(), 30, lambda case: visit(case, 2.0**-52))
    assert not problems
    each(float_programs(), 30, lambda case: visit(case, 1e-3))
    assert problems
    assert "drift budget" in problems[0]


def test_drift_budget_is_small_against_a_threshold() -> None:
    assert drift_budget(F64, 1.0, 10_000) < 1e-11
