"""Advance a program, or some of its populations, step by step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from neurohw.program import Int, Population, Program, RunState, per_trial
from neurohw.program.philox import Block, block_words, pick_normal, pick_word, site_hash
from neurohw_lava.collect import Collector
from neurohw_lava.deliver import Delivery
from neurohw_lava.evaluate import Step, fit, work_type

__all__ = ["Draws", "Engine", "parameters"]

Array = np.ndarray


class Draws:
    """Words and normals of all sites; a block of the generator is kept for the steps it serves."""

    def __init__(self, seed: int, trials: Array) -> None:
        self._seed, self._trials = seed, trials
        self._blocks: dict[str, tuple[int, Block]] = {}

    def __call__(self, op: str, site: str, size: int, t: int) -> Array:
        """The draw of ``site`` in step ``t``, int64 [T, size]."""
        shift, pick = (2, pick_word) if op == "word" else (3, pick_normal)
        number = t >> shift
        held = self._blocks.get(site)
        if held is None or held[0] != number:
            block = block_words(self._seed, site_hash(site), self._trials, np.arange(size), number)
            held = self._blocks[site] = (number, block)
        return pick(held[1], t).astype(np.int64)  # type: ignore[operator]


def parameters(q: Population, trials: Array) -> dict[tuple[str, str], Array]:
    """The parameters of a population for these trials, as leaves [T, size]."""
    return {
        ("param", x.name): per_trial(x.data, trials, q.size).astype(work_type(x.dtype))
        for x in q.params
    }


class Engine:
    """Holds the state of a span of steps; calling it runs one of them.

    Parameters
    ----------
    externals : mapping
        As returned by ``check_inputs``; its first row belongs to step ``t0``.
    collector : Collector
        Is given the values of every step.
    only : collection of str, optional
        Populations to run; default: all.
    given : mapping, optional
        Spikes, bool [steps, T, size], of populations that are not run.
    keep : mapping, optional
        Arrays like those of ``given``, to be filled with the spikes of populations that are run.
    """

    def __init__(
        self,
        p: Program,
        state: RunState,
        externals: Mapping[str, Array],
        t0: int,
        collector: Collector,
        *,
        only: Collection[str] | None = None,
        given: Mapping[str, Array] | None = None,
        keep: Mapping[str, Array] | None = None,
    ) -> None:
        self.p, self.trials, self.t0, self.collector = p, state.trials, t0, collector
        self._given, self._keep, self._externals = given or {}, keep or {}, externals
        run = [n for n in p.order if only is None or n in only]
        self._populations = [p.population(n) for n in run]
        self._steps = {n: Step(p.population(n)) for n in run}
        self._edges = {n: [Delivery(e) for e in p.edges if e.target == n] for n in run}
        self._params = {q.name: parameters(q, state.trials) for q in self._populations}
        self._draws = Draws(p.seed, state.trials)
        self.values: dict[str, Array] = {
            f"{q.name}.{s.name}": state.values[f"{q.name}.{s.name}"].astype(work_type(s.dtype))
            for q in self._populations
            for s in q.states
        }
        sources = {d.edge.source for edges in self._edges.values() for d in edges}
        self.history: dict[str, list[Array]] = {
            n: list(state.history[n].transpose(1, 0, 2)) for n in {*run, *sources}
        }

    def __call__(self, k: int) -> None:
        """Run step ``t0 + k``; k = 0, 1, ..."""
        t = self.t0 + k
        spikes = {n: data[k] for n, data in self._given.items()}
        written: dict[str, Array] = {}
        for q in self._populations:
            leaves = self._leaves(q, k, t, spikes)
            values, wide = self._steps[q.name](leaves)
            shape = (len(self.trials), q.size)
            if q.spike is not None:
                spikes[q.name] = np.broadcast_to(values[q.spike], shape)
                if q.name in self._keep:
                    self._keep[q.name][k] = spikes[q.name]
            for s, index in q.writes.items():
                written[f"{q.name}.{s}"] = np.broadcast_to(values[index], shape)
            self.collector.step(q, t, 1, values, wide)
        self.values.update(written)  # all together
        for n, past in self.history.items():
            if past:
                past.insert(0, spikes[n])
                past.pop()

    def _leaves(
        self, q: Population, k: int, t: int, spikes: Mapping[str, Array]
    ) -> dict[tuple[str, str], Array]:
        leaves = dict(self._params[q.name])
        totals = {x.name: np.zeros((len(self.trials), q.size), work_type(x.dtype)) for x in q.ports}
        for delivery in self._edges[q.name]:
            e = delivery.edge
            sent = self.history[e.source][e.delay - 1] if e.delay else spikes[e.source]
            delivery(totals[e.port], sent)
        fit_ports(q, totals, lambda key, x, dtype: self.collector.trap(key, x[None], dtype, t))
        leaves |= {("input", n): x for n, x in totals.items()}
        leaves |= {("state", s.name): self.values[f"{q.name}.{s.name}"] for s in q.states}
        for x in q.externals:
            row = self._externals[f"{q.name}.{x.name}"][k]
            leaves["external", x.name] = row.astype(work_type(x.dtype))
        for node in q.nodes:
            if node.op in ("word", "normal"):
                site = str(node.attrs["site"])
                leaves[node.op, site] = self._draws(node.op, site, q.size, t)
        return leaves

    def final(self, before: RunState) -> RunState:
        """State after the last step, of the populations that were run."""
        return RunState(
            before.trials,
            {k: np.array(v, before.values[k].dtype) for k, v in self.values.items()},
            {
                q.name: np.stack(past, axis=1)
                if (past := self.history[q.name])
                else np.array(before.history[q.name])
                for q in self._populations
            },
        )


def fit_ports(
    q: Population, totals: dict[str, Array], trap: Callable[[str, Array, Int], None]
) -> None:
    """Bring the sums of integer ports into their types; report those of mode ``trap`` before."""
    for x in q.ports:
        if isinstance(x.dtype, Int):
            if x.overflow == "trap":
                trap(f"trap:{q.name}.{x.name}", totals[x.name], x.dtype)
            totals[x.name] = fit(totals[x.name], x.dtype, x.overflow)
