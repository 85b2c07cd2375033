"""A chain of snnTorch modules, run by itself and as a network, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import snntorch as snn
import torch
from torch import nn

import neurohw_native
import neurohw_torch
from neurohw.backend import compile_program, simulate
from neurohw.lowering import lower
from neurohw.reference import ReferenceBackend
from neurohw_torch import snn as snn_engine
from neurohw_torch.convert import network_from_snntorch, target_of_snntorch

STEPS, TRIALS = 1000, 2
BOUND = 2e-5
"""Volts by which membranes near 1 V may differ through the order of sums in float32."""
ENGINES = {
    "reference": ReferenceBackend,
    "native": neurohw_native.backend,
    "torch": lambda: neurohw_torch.backend("cpu"),
    "snntorch": snn_engine.backend,
}
NEURONS = (snn.Leaky, snn.Synaptic, snn.RLeaky, snn.RSynaptic)


@dataclass(frozen=True)
class Trace:
    """Per layer: spikes (bool) and membrane (float32), each ``[steps, trials, n]``."""

    spikes: list[np.ndarray]
    mem: list[np.ndarray]


def fill(net: nn.Module, seed: int, *, grid: int = 0, strength: float = 1.2) -> None:
    """Random weights and biases; with `grid`, multiples of ``2**-grid``, whose sums are exact."""
    rng = np.random.default_rng(seed)
    for key, p in net.named_parameters():
        if key.split(".")[-1] not in ("weight", "bias", "V"):
            continue
        inputs = int(np.prod(p.shape[1:])) if p.ndim > 1 else 0
        size = strength / np.sqrt(inputs * 0.3) if inputs else 0.1 * strength
        if "recurrent" in key or key.endswith(".V"):
            size *= 0.5
        data = rng.normal(0.1 * size, size, tuple(p.shape))
        with torch.no_grad():
            p.copy_(torch.tensor(np.rint(data * 2**grid) / 2**grid if grid else data))


def drive(seed: int, shape: tuple[int, ...], steps: int = STEPS) -> np.ndarray:
    """Input spikes, bool ``[steps, trials, *shape]``."""
    return np.random.default_rng([99, seed]).random((steps, TRIALS, *shape)) < 0.3


Call = Callable[[nn.Module, torch.Tensor, list[torch.Tensor]], list[torch.Tensor]]


def by_itself(neuron: nn.Module, current: torch.Tensor, state: list) -> list[torch.Tensor]:
    """A module called as its documentation does; its new state, spikes first."""
    given = state if isinstance(neuron, snn.RLeaky | snn.RSynaptic) else state[1:]
    return list(neuron(current, *given))


@torch.no_grad()
def by_snntorch(net: nn.Sequential, spikes: np.ndarray, call: Call = by_itself) -> Trace:
    """snnTorch by itself, module after module, step after step, from a state of zeros."""
    net.eval()
    layers = [m for m in net if isinstance(m, NEURONS)]
    states: dict[nn.Module, list[torch.Tensor]] = {}
    out = Trace([[] for _ in layers], [[] for _ in layers])
    for x in torch.from_numpy(spikes).float():
        for part in net:
            if not isinstance(part, NEURONS):
                x = part(x)
                continue
            count = 3 if isinstance(part, snn.Synaptic | snn.RSynaptic) else 2
            states[part] = call(part, x, states.get(part) or [torch.zeros_like(x)] * count)
            x, mem = states[part][0], states[part][-1]
            k = layers.index(part)
            out.spikes[k].append(x.numpy().reshape(TRIALS, -1) > 0)
            out.mem[k].append(mem.numpy().reshape(TRIALS, -1))
    return Trace([np.stack(s) for s in out.spikes], [np.stack(m) for m in out.mem])


def by_engine(name: str, net: nn.Sequential, spikes: np.ndarray, target: str = "") -> Trace:
    """The network of the module, with the rules of its target or of another."""
    network = network_from_snntorch(net, input_shape=spikes.shape[2:])
    sizes = {p.name: p.size for p in network.populations}
    for layer in sizes:
        network.probe(layer, "spikes", "v")
    target = target or target_of_snntorch(net)
    program = lower(network, target, dt=1e-3, trials=TRIALS).program
    run = compile_program(ENGINES[name](), program)
    steps = len(spikes)
    given = {"input.spikes": spikes.reshape(steps, TRIALS, -1)}
    _, out = simulate(run, program, steps, inputs=given, chunk=400)
    trials = np.arange(TRIALS)
    return Trace(
        [out.events[k].dense(trials, 0, steps, n) for k, n in sizes.items()],
        [out.traces[f"{k}.v"] for k in sizes],
    )


def apart(a: Trace, b: Trace) -> tuple[int, float, float]:
    """(spikes that differ, membranes at the first, furthest membranes before the first).

    The first is the earliest step of a trial in which a spike differs, in the earliest layer.
    """
    differ = [x != y for x, y in zip(a.spikes, b.spikes, strict=True)]
    far = [np.abs(x - y) for x, y in zip(a.mem, b.mem, strict=True)]
    here = before = 0.0
    for trial in range(TRIALS):
        steps = [np.flatnonzero(d[:, trial].any(1)) for d in differ]
        end = min((int(s[0]) for s in steps if len(s)), default=len(differ[0]))
        before = max([before, *(float(m[:end, trial].max(initial=0)) for m in far)])
        if end < len(differ[0]):
            k = next(k for k, s in enumerate(steps) if len(s) and s[0] == end)
            here = max(here, float(far[k][end, trial][differ[k][end, trial]].max()))
    return sum(int(d.sum()) for d in differ), here, before


def lively(trace: Trace) -> bool:
    """Whether no layer is silent or saturated."""
    return all(0.001 < s.mean() < 0.999 for s in trace.spikes)
