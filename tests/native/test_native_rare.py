"""Draws that only a spike needs are made only there, and are the same draws."""

from __future__ import annotations

import numpy as np
import pytest

import neurohw_native
from neurohw.program import (
    Builder,
    Edge,
    Int,
    OneToOne,
    Population,
    Probe,
    Program,
    freeze,
    initial_state,
    verify,
)
from neurohw.program.philox import normal_table, normals, site_hash, words
from neurohw.reference import ReferenceRun
from neurohw_native.draws import one_normal, one_word
from neurohw_native.plan import plan_population


def jittered(size: int, op: str, *, extra: str = "") -> Population:
    """Fires at random; a spike starts a counter of a random length around a mean per neuron."""
    b = Builder("N", size)
    left = b.state("left", Int(22), 0)
    kept = b.state("kept", Int(40), 0)
    noise = b.word("noise")
    free = b.compare("le", left, b.const(0, Int(22)))
    fired = b.logic("and", b.compare("lt", noise, b.const(2**29, Int(34))), free)
    mean = b.param("mean", Int(20), np.arange(5, 5 + size))
    drawn = b.normal("length") if op == "normal" else b.word("length")
    few = b.shr(drawn, 12 if op == "normal" else 29, Int(22), rounding="floor")
    length = b.add(mean, few, Int(22), overflow="saturate")
    down = b.op("max", Int(22), b.sub(left, b.const(1, Int(2)), Int(23)), b.const(0, Int(2)))
    b.write("left", b.select(fired, length, down), name="left")
    if extra == "used elsewhere":
        b.write("kept", b.cast(drawn, Int(40)))
    elif extra == "of a state":  # what a spike gets depends on more than draws
        b.write("kept", b.select(fired, b.cast(left, Int(40)), kept))
    b.spike(fired)
    return b.build()


def program(population: Population, *probes: Probe, delay: int = 0) -> Program:
    edges = ()
    populations = [population]
    if delay:
        b = Builder("M", population.size)
        b.spike(b.compare("gt", b.port("in", Int(20)), b.const(0, Int(20))))
        populations.append(b.build())
        weights = OneToOne(Int(2), freeze(np.ones(population.size, int), Int(2)))
        edges = (Edge("N", "M", "in", weights, delay),)
    p = Program("p", seed=7, trials=5, populations=tuple(populations), edges=edges,
                probes=(Probe("N", "spikes"), *probes))  # fmt: skip
    verify(p)
    return p


def rare(p: Program) -> set[str]:
    q = p.population("N")
    return set(plan_population(p, q, verify(p)["N"]).rare)


@pytest.mark.parametrize("op", ["normal", "word"])
@pytest.mark.parametrize("delay", [0, 2])
def test_the_same_spikes_and_states(op: str, delay: int) -> None:
    p = program(jittered(13, op), delay=delay)
    assert rare(p) == {"left"}
    state = initial_state(p)
    a, x = ReferenceRun(p)(state, None, 3, 70)
    b, y = neurohw_native.backend().compile(p)(state, None, 3, 70)
    np.testing.assert_array_equal(a.values["N.left"], b.values["N.left"], strict=True)
    assert len(x.events["N"]) > 200
    for field in ("trial", "step", "element"):
        np.testing.assert_array_equal(
            getattr(x.events["N"], field), getattr(y.events["N"], field)
        )  # fmt: skip


@pytest.mark.parametrize("extra", ["used elsewhere", "recorded"])
def test_what_others_need_is_drawn_everywhere(extra: str) -> None:
    probes = (Probe("N", "left"),) if extra == "recorded" else ()
    p = program(jittered(9, "normal", extra=extra), *probes)
    assert rare(p) == set()
    state = initial_state(p)
    a, _ = ReferenceRun(p)(state, None, 0, 40)
    b, _ = neurohw_native.backend().compile(p)(state, None, 0, 40)
    for name in a.values:
        np.testing.assert_array_equal(a.values[name], b.values[name], strict=True)


def test_a_spike_that_needs_a_state_is_no_rare_draw() -> None:
    assert rare(program(jittered(9, "normal", extra="of a state"))) == {"left"}


def test_single_draws_are_those_of_the_reference() -> None:
    site, key = site_hash("N.x"), (2**40 + 5) & (2**64 - 1)
    a, b = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    table = np.array(normal_table(), np.int32)
    for t in (0, 1, 7, 8, 1000, 2**33 + 3):
        w = words(key, site, np.arange(3), np.arange(4), t)
        n = normals(key, site, np.arange(3), np.arange(4), t)
        for trial in range(3):
            for element in range(4):
                at = np.uint32(element), np.uint32(trial), t, np.uint32(site), a, b
                assert one_word(*at) == w[trial, element]
                assert one_normal(*at, table) == n[trial, element]
