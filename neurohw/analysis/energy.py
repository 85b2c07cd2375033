"""How often synapses were used: what published energies of chips are multiplied by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Conv, Dense, OneToOne, Program, Sparse, Weights
from neurohw.recording import Recording

__all__ = ["Work", "work_of"]


@dataclass(frozen=True)
class Work:
    """What a run did, over all trials.

    Attributes
    ----------
    synaptic_events : int
        Spikes times synapses that they reached; weights of 0 are no synapses.
    updates : int
        Neurons (of populations that something arrives at, and that keep something) times steps.
    uncounted : tuple of str
        Connections that carry numbers instead of spikes, or whose source was not recorded.
    """

    synaptic_events: int
    updates: int
    uncounted: tuple[str, ...]


def work_of(program: Program, recording: Recording) -> Work:
    """Synaptic events and neuron updates of a run.

    Parameters
    ----------
    program : Program
        What was run.
    recording : Recording
        With the spikes of all sources.
    """
    events, uncounted = 0, []
    for edge in program.edges:
        if edge.value or edge.source not in recording.populations:
            uncounted.append(edge.where)
            continue
        reached = _fan_out(edge.weights)
        events += int(reached[recording.spikes(edge.source).element].sum())
    heard = {e.target for e in program.edges}
    neurons = sum(p.size for p in program.populations if p.name in heard and p.states)
    probes = recording.probes
    return Work(events, neurons * probes.steps * len(probes.trials), tuple(uncounted))


def _fan_out(weights: Weights) -> np.ndarray:
    """Synapses of each source element, int64 ``[sources]``."""
    if isinstance(weights, Dense):
        return np.count_nonzero(weights.data, axis=0)
    if isinstance(weights, OneToOne):
        return (np.asarray(weights.data) != 0).astype(np.int64)
    if isinstance(weights, Sparse):
        held = np.concatenate([[0], np.cumsum(np.asarray(weights.data) != 0)])
        return held[weights.indptr[1:]] - held[weights.indptr[:-1]]
    assert isinstance(weights, Conv)
    return _reached(weights)


def _reached(conv: Conv) -> np.ndarray:
    """Of a convolution: for each element of the source how many targets hear it."""
    outs, each, height, width = conv.data.shape
    groups, (channels, rows, columns) = conv.groups, conv.input_shape
    used = (conv.data != 0).reshape(groups, outs // groups, each, height, width).sum(axis=1)
    used = used.reshape(channels, height, width)  # kernel entries that a channel meets
    met = [  # how often an entry of the kernel lies on a row, and on a column
        (conv.reach(axis)[..., None] == np.arange(n)).sum(axis=0)
        for axis, n in enumerate((rows, columns))
    ]
    return np.einsum("crq,rv,qu->cvu", used, *met).ravel()
