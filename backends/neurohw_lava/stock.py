"""Run a plan on Lava's stock processes, by Lava's own runtime.

The trials of a population are so many more neurons of one process, and the weights are repeated
along the diagonal. Time step t of Lava, counted from 1, is step ``t0 + t - 1`` of the program. A
connection process sends what it has gathered before it takes in the spikes of its step, so a
spike of step t arrives in step t + 1 + delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from neurohw.program import Program, RunState
from neurohw.program import Sparse as SparseWeights
from neurohw_lava.cores import one_core
from neurohw_lava.deliver import Delivery
from neurohw_lava.pattern import Neuron
from neurohw_lava.plan import Link, Plan, matrix
from neurohw_lava.record import Block, recording
from neurohw_lava.session import LavaSession
from neurohw_lava.shim import quiet

__all__ = ["Recorded", "run_stock"]

Array = np.ndarray
Recorded = dict[str, dict[str, Array]]
"""Population -> u, v (after the step) and s (spikes), each [steps, T, size]."""


def run_stock(
    plan: Plan, p: Program, state: RunState, steps: int, spikes: Mapping[str, Array]
) -> Recorded:
    """What Lava computes in ``steps`` steps from ``state``.

    Parameters
    ----------
    spikes : mapping
        bool [steps, T, size] of the populations that drive the neurons.
    """
    out: Recorded = {}
    for names in plan.components():
        out |= _run_component(plan, p, names, state, steps, spikes)
    return out


def _run_component(
    plan: Plan,
    p: Program,
    names: list[str],
    state: RunState,
    steps: int,
    spikes: Mapping[str, Array],
) -> Recorded:
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    trials = len(state.trials)
    shapes = {n: (steps, trials * p.population(n).size) for n in names}
    number = np.int32 if plan.fixed else np.float64
    links = [x for x in plan.links if x.target in names]
    with ExitStack() as stack:
        blocks: dict[str, dict[str, Block]] = {}
        with quiet():
            processes: dict[str, Any] = {}
            for n in names:
                processes[n] = _neuron(plan.neurons[n], p.population(n).size, n, state)
                kinds = {"u": number, "v": number, "s": np.bool_}
                blocks[n] = {
                    k: stack.enter_context(Block(shapes[n], kind)) for k, kind in kinds.items()
                }
                processes[n].proc_params["record"] = blocks[n]
            for x in links:
                if x.source not in processes:
                    data = spikes[x.source].reshape(steps, -1).T
                    data = data.astype(np.int32 if plan.fixed else np.float64)
                    processes[x.source] = RingBuffer(data=data)
                connection = _connection(x, state, plan.fixed)
                processes[x.source].s_out.connect(connection.s_in)
                connection.a_out.connect(processes[x.target].a_in)
            tag = "fixed_pt" if plan.fixed else "floating_pt"
            config = Loihi2SimCfg(select_tag=tag, exception_proc_model_map=_models(plan.fixed))
            session = stack.enter_context(LavaSession(processes[names[0]], config))
        with one_core():
            session.run(steps)
        return {
            n: {
                k: np.array(block.array).reshape(steps, trials, -1)
                for k, block in blocks[n].items()
            }
            for n in names
        }


def _models(fixed: bool) -> dict[type, type]:
    """The models that Lava's tags select, made to record."""
    from lava.proc.lif.models import (
        PyLifModelBitAcc,
        PyLifModelFloat,
        PyLifRefractoryModelFloat,
    )
    from lava.proc.lif.process import LIF, LIFRefractory

    if fixed:
        return {LIF: recording(PyLifModelBitAcc)}
    return {LIF: recording(PyLifModelFloat), LIFRefractory: recording(PyLifRefractoryModelFloat)}


def _neuron(neuron: Neuron, size: int, name: str, state: RunState) -> Any:
    from lava.proc.lif.process import LIF, LIFRefractory

    trials = state.trials
    count = len(trials) * size

    def flat(data: Array) -> Array:
        rows = data[trials] if data.ndim == 2 else data
        return np.broadcast_to(rows, (len(trials), size)).reshape(count).copy()

    values: dict[str, Any] = {
        "shape": (count,), "du": neuron.du, "dv": neuron.dv, "vth": neuron.vth,
        "bias_mant": flat(np.asarray(neuron.bias)), "v": state.values[f"{name}.v"].reshape(count),
    }  # fmt: skip
    if neuron.has_current:
        values["u"] = state.values[f"{name}.u"].reshape(count)
    if neuron.fixed:
        values["bias_exp"] = flat(np.asarray(neuron.bias_exp))
    if neuron.kind == "LIF":
        return LIF(**values)
    process = LIFRefractory(**values, refractory_period=neuron.period)
    # Lava keeps the last blocked step, counted from 1
    process.refractory_period_end.init = state.values[f"{name}.refractory"].reshape(count)
    return process


# connections -------------------------------------------------------------------------------------


def _connection(link: Link, state: RunState, fixed: bool) -> Any:
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.sparse.process import Sparse
    from lava.utils.weightutils import SignMode

    trials = len(state.trials)
    options: dict[str, Any] = {}
    if fixed:
        options = {"weight_exp": link.exponent, "sign_mode": SignMode[link.sign]}
    number = np.int32 if fixed else np.float64
    if link.kind == "Sparse":
        process = Sparse(weights=_repeated_sparse(link, trials, number), **options)
    else:
        full = np.sum([matrix(e.weights) for e in link.edges], axis=0, dtype=number)
        weights = np.kron(np.eye(trials, dtype=number), full)
        if link.kind == "Dense":
            process = Dense(weights=weights, **options)
        else:
            delays = np.full(full.shape, link.edges[0].delay - 1)
            for e in link.edges[1:]:
                delays[matrix(e.weights) != 0] = e.delay - 1
            delays = np.kron(np.eye(trials, dtype=np.int64), delays)
            process = DelayDense(
                weights=weights, delays=delays, max_delay=link.delay - 1, **options
            )
    flying = _in_flight(link, state, fixed)
    if flying.any():
        process.a_buff.init = flying if link.kind == "DelayDense" else flying[:, 0]
    return process


def _repeated_sparse(link: Link, trials: int, number: Any) -> Any:
    from scipy.sparse import csc_matrix, csr_matrix, identity, kron

    w = link.edges[0].weights
    if isinstance(w, SparseWeights):
        one = csc_matrix((w.data.astype(number), w.indices, w.indptr), shape=w.shape)
    else:
        one = csc_matrix(matrix(w).astype(number))
    return csr_matrix(kron(identity(trials, dtype=number), one, format="csr"), dtype=number)


def _in_flight(link: Link, state: RunState, fixed: bool) -> Array:
    """What spikes before the first step still bring: [targets, step of arrival]."""
    past = state.history[link.source]
    trials, targets = len(state.trials), link.edges[0].weights.shape[0]
    out = np.zeros((trials * targets, link.delay), np.int64 if fixed else np.float64)
    for e in link.edges:
        deliver = Delivery(e)
        for back in range(1, e.delay + 1):
            total = np.zeros((trials, targets), out.dtype)
            deliver(total, past[:, back - 1])
            if fixed:
                total = total << link.exponent if link.exponent > 0 else total >> -link.exponent
            out[:, e.delay - back] += total.reshape(-1)
    return out.astype(np.int32) if fixed else out  # wraps
