"""The evaluator of the ``lava`` backend against the reference, in this process, without Lava."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import HealthCheck, given, settings

from neurohw.errors import OverflowTrap
from neurohw.program import Probes, RunState, check_inputs, check_traps, initial_state
from neurohw.reference import ReferenceRun
from neurohw.testing.cases import Case
from neurohw.testing.checks import difference
from neurohw.testing.chip import chip_programs
from neurohw.testing.leaky import float_programs
from neurohw.testing.strategies import programs
from neurohw_lava.collect import Collector, layout
from neurohw_lava.engine import Engine

FAST = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def evaluate(case: Case) -> tuple[RunState, Probes]:
    """What our own Lava process does, without Lava."""
    p = case.program
    state = initial_state(p)
    shapes = layout(p, len(state.trials), case.t0, case.steps)
    arrays = {name: np.zeros(*shape) for name, shape in shapes.items()}
    collector = Collector(p, state.trials, case.t0, case.steps, arrays)
    collector.start()
    externals = check_inputs(p, case.inputs, state.trials, case.t0, case.steps)
    engine = Engine(p, state, externals, case.t0, collector)
    for k in range(case.steps):
        engine(k)
    probes = collector.probes()
    check_traps(p, probes.ledger)
    return engine.final(state), probes


def spiking(case: Case) -> Case:
    """The case as the backend runs it: spikes where edges carry values, convolutions written out.

    A spike is less than a value may be, so what was bounded stays so.
    """
    p = case.program.without_conv()
    edges = tuple(dataclasses.replace(e, value="") for e in p.edges)
    return dataclasses.replace(case, program=dataclasses.replace(p, edges=edges))


def compare(case: Case) -> None:
    """Same numbers, or the same trap."""
    case, outcomes = spiking(case), []
    for run in (
        lambda: evaluate(case),
        lambda: ReferenceRun(case.program)(
            initial_state(case.program), case.inputs, case.t0, case.steps
        ),
    ):
        try:
            outcomes.append(run())
        except OverflowTrap as trap:
            outcomes.append(trap)
    assert difference(*outcomes) == ""


@FAST
@given(programs(traps=True))
def test_integers_and_traps(case: Case) -> None:
    compare(case)


@FAST
@given(programs(floats=True))
def test_floats(case: Case) -> None:
    compare(case)


@FAST
@given(float_programs())
def test_float_sums_in_order(case: Case) -> None:
    compare(case)


@FAST
@given(chip_programs())
def test_chips(case: Case) -> None:
    compare(case)
