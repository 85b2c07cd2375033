"""Recordings as `neo <https://neo.readthedocs.io>`_ objects, for Elephant and the tools beside it.

Steps are absolute, as everywhere in this room: the trains of a population that retiming delays are
that much later, by the annotation ``latency`` (in s).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.errors import BackendError, ProgramError
from neurohw.program import Probe, sample_steps

if TYPE_CHECKING:
    import neo

    from neurohw.recording.record import Recording

__all__ = ["block"]


def _libraries() -> tuple[Any, Any]:
    try:
        return import_module("neo"), import_module("quantities")
    except ImportError as error:
        raise BackendError(
            "neo is not installed",
            where="Recording.to_neo",
            got=str(error),
            fix="pip install 'neurohw[neo]'",
        ) from None


def block(r: Recording, *, trials: Iterable[int] | None = None) -> neo.Block:
    """A Block with one Segment per trial; see :meth:`Recording.to_neo`."""
    neo, pq = _libraries()
    place = {k: i for i, k in enumerate(r.probes.trials.tolist())}
    wanted = list(place) if trials is None else [int(k) for k in trials]
    for k in wanted:
        if k not in place:
            raise ProgramError("no such trial", where=r.name, got=k, allowed=f"{list(place)}")
    # NIX, neo's own file format, holds integers of 64 bits with a sign.
    seed = r.seed if r.seed < 2**63 else str(r.seed)
    origin = {"backend": r.backend, "target": r.target, "seed": seed}
    out = neo.Block(name=r.name, program_hash=r.program_hash, dt=r.dt, **origin)
    t_start, t_stop = (n * r.dt * pq.s for n in (r.probes.t0, r.probes.t0 + r.probes.steps))
    traces = [p for p in r.declared if p.key in r.probes.traces]
    trains = {name: _by_train(r, name) for name in r.populations}
    for k in wanted:
        at = place[k]
        segment = neo.Segment(name=f"trial {k}", index=at, trial=k, **origin)
        for name, (step, starts) in trains.items():
            size, late = r.sizes[name], r.latency.get(name, 0) * r.dt
            about = origin | {"population": name, "trial": k, "latency": late}
            for i in range(size):
                first, last = starts[at * size + i : at * size + i + 2]
                segment.spiketrains.append(
                    neo.SpikeTrain(
                        step[first:last] * r.dt,
                        units=pq.s,
                        t_start=t_start,
                        t_stop=t_stop,
                        sampling_rate=1 / r.dt * pq.Hz,
                        name=f"{name}[{i}]",
                        neuron=i,
                        **about,
                    )
                )
        for p in traces:
            if r.probes.traces[p.key].shape[0]:
                about = origin | {"population": p.population, "variable": p.value, "trial": k}
                about["latency"] = r.latency.get(p.population, 0) * r.dt
                segment.analogsignals.append(_signal(r, p, at, about, neo, pq))
        out.segments.append(segment)
    return out


def _by_train(r: Recording, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps ascending by (trial, neuron, step), and where each train starts."""
    e, size = r.spikes(name), r.sizes[name]
    train = np.searchsorted(r.probes.trials, e.trial) * size + e.element
    order = np.argsort(train, kind="stable")
    starts = np.searchsorted(train[order], np.arange(len(r.probes.trials) * size + 1))
    return e.step[order], starts


def _signal(r: Recording, p: Probe, at: int, about: dict[str, Any], neo: Any, pq: Any) -> Any:
    """A trace of one trial in physical units, ``[samples, neurons]``."""
    steps = sample_steps(p, r.probes.t0, r.probes.steps)
    return neo.AnalogSignal(
        r.probes.traces[p.key][:, at] * np.float64(p.scale) + p.shift,
        units=p.unit or "dimensionless",
        t_start=steps[0] * r.dt * pq.s,
        sampling_period=p.every * r.dt * pq.s,
        name=p.key,
        **about,
    )
