"""Evaluate the program's nodes from what Lava recorded, many steps at once.

Lava's LIF keeps ``u``, ``v`` and the spikes; a program also has a ledger, and probes of values in
between. Those are computed here from the recorded states. That doubles as a check: the nodes
also give ``u``, ``v`` and the spikes, and they must be the ones that Lava recorded.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurohw.errors import BackendError
from neurohw.program import Population, Program, RunState
from neurohw_lava.collect import Collector
from neurohw_lava.deliver import Delivery
from neurohw_lava.engine import fit_ports, parameters
from neurohw_lava.evaluate import Step, work_type
from neurohw_lava.plan import Plan
from neurohw_lava.stock import Recorded

__all__ = ["after", "replay"]

Array = np.ndarray
AT_ONCE = 1 << 17  # elements of one value


def after(past: Array, spikes: Array) -> Array:
    """History [T, depth, size] after the steps whose spikes are [steps, T, size]."""
    depth = past.shape[1]
    recent = spikes[::-1][:depth].transpose(1, 0, 2)
    return np.concatenate([recent, past], axis=1)[:, :depth]


def replay(
    plan: Plan,
    p: Program,
    state: RunState,
    recorded: Recorded,
    spikes: Mapping[str, Array],
    collector: Collector,
) -> dict[str, Array]:
    """Give the collector the values of all stock populations; return their final states.

    Parameters
    ----------
    spikes : mapping
        bool [steps, T, size] of every population with an edge to a stock population.

    Raises
    ------
    BackendError
        Lava computed something else than the program says.
    """
    final: dict[str, Array] = {}
    for name in plan.neurons:
        q, got = p.population(name), recorded[name]
        states = _states(q, plan, state, got)
        deliveries = [Delivery(e) for e in p.edges if e.target == name]
        steps, trials, size = got["s"].shape
        step, params = Step(q), parameters(q, state.trials)
        span = max(1, AT_ONCE // (trials * size))
        for a in range(0, steps, span):
            b = min(steps, a + span)
            totals = {x.name: np.zeros((b - a, trials, size), work_type(x.dtype)) for x in q.ports}
            for d in deliveries:
                e = d.edge
                sent = _sent(state.history[e.source], spikes[e.source], a, b, e.delay)
                d(totals[e.port].reshape(-1, size), sent.reshape(-1, sent.shape[-1]))
            fit_ports(q, totals, lambda key, x, dtype: None)  # stock ports never trap
            leaves = dict(params) | {("input", n): x for n, x in totals.items()}
            leaves |= {("state", n): x[a:b] for n, x in states.items()}
            values, wide = step(leaves)
            for s, index in q.writes.items():
                _same(f"{name}.{s}", values[index], states[s][a + 1 : b + 1], collector.t0 + a)
            assert q.spike is not None
            _same(f"{name}.spikes", values[q.spike], got["s"][a:b], collector.t0 + a)
            collector.step(q, collector.t0 + a, b - a, values, wide)
        for s in q.states:
            final[f"{name}.{s.name}"] = states[s.name][-1].astype(s.dtype.storage)
    return final


def _states(
    q: Population, plan: Plan, state: RunState, got: Mapping[str, Array]
) -> dict[str, Array]:
    """Each state before every step, and after the last: [steps + 1, T, size]."""
    out: dict[str, Array] = {}
    for s in q.states:
        first = state.values[f"{q.name}.{s.name}"][None]
        if s.name in ("u", "v"):
            rest = got[s.name]
        else:  # the refractory counter: Lava keeps the step at which it ends
            rest = np.zeros(got["s"].shape, np.int64)
            left = first[0].astype(np.int64)
            for k, fired in enumerate(got["s"]):
                left = rest[k] = np.where(
                    fired, plan.neurons[q.name].period, np.maximum(left - 1, 0)
                )
        out[s.name] = np.concatenate([first, rest]).astype(work_type(s.dtype))
    return out


def _sent(past: Array, spikes: Array, a: int, b: int, delay: int) -> Array:
    """Spikes that arrive in the steps a .. b - 1 of the run, [b - a, T, size]."""
    # [:, k] of the past lies k + 1 steps back
    old = past[:, max(0, delay - b) : max(0, delay - a)][:, ::-1].transpose(1, 0, 2)
    return np.concatenate([old, spikes[max(0, a - delay) : max(0, b - delay)]])


def _same(where: str, want: Array, got: Array, t: int) -> None:
    want = np.broadcast_to(want, got.shape)
    wrong = want != got
    if got.dtype.kind == "f":
        wrong &= ~(np.isnan(want) & np.isnan(got))
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise BackendError(
            "Lava computed something else than the program says",
            where=where,
            got=f"{got[at]} in step {t + at[0]}, row {at[1]}, element {at[2]}",
            allowed=f"{want[at]}",
            fix="set NEUROHW_LAVA_PATH=own, and report this with the program's text",
        )
