"""Differences planted in a program, and the cause that the comparator has to name."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurohw.compare import compare
from neurohw.program import Dense, Int, Program, freeze
from neurohw.testing.broken import broken_backends
from neurohw.testing.mutations import late_reset


def edited(p: Program, change, population: str = "N3", **fields) -> Program:
    """The program with each node of a population replaced by ``change(population, i, node)``."""
    populations = tuple(
        dataclasses.replace(
            q, nodes=tuple(change(q, i, n) for i, n in enumerate(q.nodes)), **fields
        )
        if q.name == population
        else q
        for q in p.populations
    )
    return dataclasses.replace(p, populations=populations)


def constant(index: int, value):
    def change(q, i, n):
        return dataclasses.replace(n, attrs={"value": value}) if i == index else n

    return change


def causes(*entries) -> set[str]:
    pair = compare(entries).pairs[0]
    assert pair.divergence is not None
    return {d.cause for d in pair.divergences}


def threshold_node(p: Program) -> int:
    q = p.population("N3")
    compare_node = next(n for n in q.nodes if n.op in ("gt", "ge")
                        and q.nodes[n.args[0]].name == "v_pre")  # fmt: skip
    return compare_node.args[1]


@pytest.mark.parametrize("target", ["lava", "loihi1"])
def test_rounding_between_float_and_chip(pipeline, target):
    entries = [pipeline.run(pipeline.program(t)) for t in ("float64", target)]
    assert causes(*entries) == {"rounding"}


def test_rounding_of_a_decay_on_one_chip(pipeline):
    p = pipeline.program("lava")

    def floor(q, i, n):
        if n.attrs.get("rounding") != "toward_zero":
            return n
        return dataclasses.replace(n, attrs={**n.attrs, "rounding": "floor"})

    pair = compare([pipeline.run(p), pipeline.run(edited(p, floor))]).pairs[0]
    assert pair.verdict == "DIVERGES"
    assert pair.divergence.cause == "rounding"


def test_overflow(pipeline):
    p = pipeline.program("loihi1")
    weights = Dense(Int(24), freeze(np.array([[40000]]), Int(24)))
    edges = tuple(
        dataclasses.replace(e, weights=weights) if e.source == "N1" else e for e in p.edges
    )
    p = dataclasses.replace(p, edges=edges)

    def saturate(q, i, n):
        if n.op == "cast" and q.nodes[n.args[0]].name == "input":
            return dataclasses.replace(n, attrs={"overflow": "saturate"})
        return n

    d = compare([pipeline.run(p), pipeline.run(edited(p, saturate))]).pairs[0].divergence
    assert (d.trial, d.cause) == (0, "overflow")
    assert "sum of weights left -32768..32767" in d.why
    wrong = next(b for b in broken_backends() if b.name == "saturate_for_wrap")
    d = compare([pipeline.run(p), pipeline.run(p, wrong)]).pairs[0].divergence
    assert (d.trial, d.variable, d.cause) == (0, "u", "overflow")


def test_threshold_compare(pipeline):
    """The threshold is put exactly where a maximum of v lies: ``ge`` spikes there, ``gt`` later."""
    p = pipeline.program("loihi1", trials=1)
    index = threshold_node(p)
    free = pipeline.run(edited(p, constant(index, 2**23 - 1)))
    v = free.series["N3", "v_pre"].raw[:, 0, 0]
    peak = int(np.argmax(v[:500]))
    assert np.count_nonzero(v[: peak + 1] == v[peak]) == 1
    tied = edited(p, constant(index, int(v[peak])))

    def at_least(q, i, n):
        deciding = n.op == "gt" and n.args[1] == index
        return dataclasses.replace(n, op="ge") if deciding else n

    pair = compare([pipeline.run(tied), pipeline.run(edited(tied, at_least))]).pairs[0]
    d = pair.divergence
    assert (d.step, d.cause, d.spike_a, d.spike_b) == (peak, "compare", False, True)
    assert d.distance_a == d.distance_b == 0
    assert "exactly the threshold" in pair.sentence and "gt and ge" in pair.sentence


def test_reset_to_another_value(pipeline):
    p = pipeline.program("loihi1", trials=1)
    q = p.population("N3")
    reset = next(n for n in q.nodes if n.op == "select" and n.name == "v").args[1]
    other = edited(p, constant(reset, 400_000))
    entries = pipeline.run(p), pipeline.run(other)
    d = compare(entries).pairs[0].divergence
    assert (d.variable, d.cause) == ("v", "reset")
    assert entries[0].spikes_of("N3", 0, 0)[0] == d.step


def test_reset_to_another_value_between_targets(pipeline):
    p = pipeline.program("loihi1", trials=1)
    q = p.population("N3")
    reset = next(n for n in q.nodes if n.op == "select" and n.name == "v").args[1]
    other = dataclasses.replace(edited(p, constant(reset, 400_000)), target="another")
    assert causes(pipeline.run(p), pipeline.run(other)) == {"reset"}


@pytest.mark.parametrize("target", ["float64", "loihi1"])
def test_reset_one_step_late(pipeline, target):
    p = pipeline.program(target, trials=1, t_ref="0 ms")
    late = late_reset(p).population("N3")
    changed = tuple(late if q.name == "N3" else q for q in p.populations)
    for name in (target, "another"):
        other = dataclasses.replace(p, populations=changed, target=name)
        d = compare([pipeline.run(p), pipeline.run(other)]).pairs[0].divergence
        assert d.cause == "reset", d


@pytest.mark.parametrize("target", ["float64", "loihi1"])
def test_refractory(pipeline, target):
    a, b = (pipeline.run(pipeline.program(target, t_ref=t)) for t in ("3 ms", "5 ms"))
    pair = compare([a, b]).pairs[0]
    assert {d.cause for d in pair.divergences} == {"refractory"}
    assert "held 15 and 25 steps" in pair.divergence.why


def test_refractory_between_targets(pipeline):
    a = pipeline.run(pipeline.program("float64", t_ref="3 ms"))
    b = pipeline.run(pipeline.program("float32", t_ref="5 ms"))
    assert causes(a, b) == {"refractory"}


def test_delay_of_an_edge(pipeline):
    a, b = (pipeline.run(pipeline.program("loihi1", delay=d)) for d in ("1 ms", "1.2 ms"))
    pair = compare([a, b]).pairs[0]
    assert {d.cause for d in pair.divergences} == {"delay"}
    assert "after 5 and 6 steps" in pair.divergence.why


def test_a_delay_that_only_the_values_show(pipeline):
    """The programs are equal; the backend delivers a step late."""
    p = pipeline.program("loihi1")
    late = next(b for b in broken_backends() if b.name == "delay_plus_one")
    assert causes(pipeline.run(p), pipeline.run(p, late)) == {"delay"}


def test_delay_of_a_relay_without_values(pipeline):
    p = pipeline.program("loihi1")
    edges = tuple(
        dataclasses.replace(e, delay=e.delay + 2) if e.target == "D3" else e for e in p.edges
    )
    d = compare([pipeline.run(p), pipeline.run(dataclasses.replace(p, edges=edges))]).pairs[0]
    assert {x.population for x in d.divergences} == {"D3"}
    assert {x.cause for x in d.divergences} == {"delay"}
    assert next(m for m in d.spikes if m.population == "D3").lag == 2


def test_noise_models(pipeline):
    entries = [pipeline.run(pipeline.program(t, noise=True)) for t in ("float64", "loihi1")]
    assert causes(*entries) == {"noise"}


def test_seeds(pipeline):
    entries = [pipeline.run(pipeline.program("float64", noise=True, seed=s)) for s in (1, 2)]
    pair = compare(entries).pairs[0]
    assert pair.divergence.cause == "noise"


def test_what_no_rule_explains_stays_unnamed(pipeline):
    p = pipeline.program("float64")
    edges = list(p.edges)
    k = next(k for k, e in enumerate(edges) if e.source == "N1")
    w = edges[k].weights
    strong = dataclasses.replace(w, data=freeze(w.data * 40, w.dtype))
    edges[k] = dataclasses.replace(edges[k], weights=strong)
    other = dataclasses.replace(p, edges=tuple(edges))
    assert causes(pipeline.run(p), pipeline.run(other)) == {"unnamed"}


def test_without_values_the_hint_says_what_to_record(pipeline):
    def bare(target):
        p = pipeline.program(target)
        return dataclasses.replace(p, probes=tuple(x for x in p.probes if x.value == "spikes"))

    d = compare([pipeline.run(bare(t)) for t in ("float64", "loihi1")]).pairs[0].divergence
    assert (d.cause, d.value_a, d.distance_b) == ("unnamed", None, None)
    assert "record v of N3" in d.why
