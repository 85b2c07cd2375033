"""snnTorch, Norse, SpikingJelly, sinabs on torch, two threads, no gradients; torch's product.

W1: the membrane in units of its threshold, noise from ``torch.randn``; none of these neurons has a
refractory period that could be drawn anew, so all run without one and are held to that rate. W4:
one product over all steps, then the neuron of each library; SpikingJelly and sinabs take whole
blocks of steps, snnTorch and Norse one step at a time.
"""

from __future__ import annotations

import math
import sys
import time
from importlib.metadata import version

import numpy as np
import protocol
import workloads as w

BLOCK = 100  # steps whose noise is held at once
LIBRARY = sys.argv[1] if len(sys.argv) > 1 else ""
PACKAGE = {"snnTorch": "snntorch", "Norse": "norse", "SpikingJelly": "spikingjelly",
           "sinabs": "sinabs"}  # fmt: skip


def load():
    """Import torch and the library that the command names."""
    global torch, library
    import torch

    torch.set_grad_enabled(False)
    library = None
    if LIBRARY == "snnTorch":
        import snntorch as library
    elif LIBRARY == "Norse":
        import norse.torch as library
    elif LIBRARY == "SpikingJelly":
        from spikingjelly.activation_based import neuron as library
    elif LIBRARY == "sinabs":
        import sinabs.layers as library
    versions = {"torch": torch.__version__}
    if LIBRARY in PACKAGE:
        versions[PACKAGE[LIBRARY]] = version(PACKAGE[LIBRARY])
    return versions


def neurons(decay, threshold):
    """A function from input [step, ...] to spikes of the same shape that keeps its own state.

    ``v' = decay v + input``, a spike where v' > threshold, then v' = 0.
    """
    if LIBRARY == "snnTorch":
        layer = library.Leaky(beta=decay, threshold=threshold, reset_mechanism="zero",
                              reset_delay=False)  # fmt: skip
        held = {}

        def run(x):
            v = held.get("v")
            out = torch.empty_like(x)
            for k in range(len(x)):
                spikes, v = layer(x[k], v) if v is not None else layer(x[k])
                out[k] = spikes
            held["v"] = v
            return out

    elif LIBRARY == "Norse":
        # box neuron: v + dt tau_mem_inv (v_leak - v + i); dt tau_mem_inv = 1 - decay
        p = library.LIFBoxParameters(
            tau_mem_inv=torch.tensor((1 - decay) * 1e3), v_th=torch.tensor(threshold),
        )  # fmt: skip
        layer, scale = library.LIFBoxCell(p), 1 / (1 - decay)
        held = {}

        def run(x):
            state, x = held.get("state"), x * scale
            out = torch.empty_like(x)
            for k in range(len(x)):
                out[k], state = layer(x[k], state)
            held["state"] = state
            return out

    elif LIBRARY == "SpikingJelly":
        # mode "m" with eval(): its compiled step for inference
        layer = library.LIFNode(tau=1 / (1 - decay), decay_input=False, v_threshold=threshold,
                                v_reset=0.0, step_mode="m")  # fmt: skip
        run = layer.eval()
    else:
        from sinabs.activation import MembraneReset, SingleSpike

        layer = library.LIF(tau_mem=-1 / math.log(decay), spike_threshold=threshold,
                            norm_input=False, min_v_mem=None,
                            reset_fn=MembraneReset(), spike_fn=SingleSpike)  # fmt: skip

        def run(x):  # [step, batch, neuron] -> [batch, step, neuron] is a view
            return layer(x.transpose(0, 1)).transpose(0, 1)

    return run


class Ensemble:
    """W1: all trials are one batch."""

    def __init__(self, asked):
        p, self.size, self.steps = w.W1, asked["size"], asked["steps"]
        gap = p["V_th"] - p["E_L"]
        self.decay = math.exp(-w.DT / p["tau"])
        self.push = p["mu"] / gap * (1 - self.decay)
        self.noise = (
            w.w1_strength() * math.sqrt(p["tau"] / 2 * -math.expm1(-2 * w.DT / p["tau"])) / gap
        )
        torch.set_num_threads(asked.get("threads", 2))
        start = time.perf_counter()
        self._simulate(2 * BLOCK)
        self.compile_s = time.perf_counter() - start
        self.about = {"leaves_out": "refractory periods", "t_ref": 0.0, "jitter": 0.0}

    def _simulate(self, steps):
        run, spikes = neurons(self.decay, 1.0), 0
        events = []
        for _ in range(steps // BLOCK):
            x = torch.randn(BLOCK, 1, self.size).mul_(self.noise).add_(self.push)
            out = run(x)
            events.append(out.nonzero())
            spikes += len(events[-1])
        return spikes

    def run(self, seed):
        """With a seed of its own."""
        torch.manual_seed(seed)
        seconds, spikes = protocol.timed(self._simulate, self.steps)
        return {"seconds": seconds, "spikes": spikes}


class Layer:
    """W4."""

    def __init__(self, asked):
        with np.load(asked["data"]) as data:
            self.weights = torch.from_numpy(data["weights"])
            self.given = torch.from_numpy(data["given"])
        torch.set_num_threads(asked.get("threads", 2))
        start = time.perf_counter()
        self._simulate(self.given[:2])
        self.compile_s = time.perf_counter() - start

    def _simulate(self, given):
        steps, batch, n = given.shape
        x = torch.mm(given.view(-1, n), self.weights.t())
        if LIBRARY == "product":
            return None
        return neurons(w.W4["beta"], w.W4["threshold"])(x.view(steps, batch, -1))

    def run(self, seed):
        """All steps."""
        seconds, out = protocol.timed(self._simulate, self.given)
        return {"seconds": seconds, "spikes": None if out is None else int(out.sum())}


CASES = {"W1": Ensemble, "W4": Layer, "W4-binary": Layer}

if __name__ == "__main__":
    protocol.serve(load, CASES)
