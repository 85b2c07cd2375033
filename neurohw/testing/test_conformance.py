"""The suite, for ``pytest --pyargs neurohw.testing --backend NAME``."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

from neurohw.backend import Backend
from neurohw.testing.cases import Bench, Case
from neurohw.testing.checks import examine
from neurohw.testing.directed import directed_cases
from neurohw.testing.drift import CAP
from neurohw.testing.leaky import float_programs
from neurohw.testing.summary import FAMILIES, ConformanceReport, each, share, trajectories

RANDOM: dict[str, Any] = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": tuple(HealthCheck),
}


@functools.cache
def _directed() -> tuple[Case, ...]:
    return directed_cases()


def _check(backend: Backend, case: Case) -> bool:
    result = examine(backend, case)
    if result.failures:
        raise AssertionError(str(result.failures[0]))
    return not result.refused


@pytest.mark.parametrize("index", range(len(_directed())), ids=lambda i: _directed()[i].label)
def test_directed_program_passes(conformance_backend: Backend, index: int) -> None:
    case = _directed()[index]
    if not _check(conformance_backend, case):
        pytest.skip(f"{conformance_backend.name} refuses {case.label}")


@pytest.mark.parametrize("family", FAMILIES)
def test_random_programs_pass(
    conformance_backend: Backend, conformance_programs: int, family: str
) -> None:
    ran = 0

    @settings(max_examples=share(family, conformance_programs), **RANDOM)
    @given(FAMILIES[family]())
    def random_case(case: Case) -> None:
        nonlocal ran
        done = _check(conformance_backend, case)
        event("run" if done else "refused")
        ran += done

    random_case()
    if not ran:
        pytest.skip(f"{conformance_backend.name} refuses all {family}")


def test_float_trajectories_part_only_at_near_ties(
    conformance_backend: Backend, conformance_programs: int
) -> None:
    out = ConformanceReport(conformance_backend.name)
    for case in _directed():
        if Bench(conformance_backend, case).floats:
            trajectories(conformance_backend, case, out)
    each(float_programs(), share("float programs", conformance_programs),
         lambda case: trajectories(conformance_backend, case, out))  # fmt: skip
    if not out.pairs:
        pytest.skip(f"{conformance_backend.name} refuses floats")
    assert not out.failures, str(out.failures[0])
    assert len(out.excused) <= max(1, CAP * out.pairs), out.excused
