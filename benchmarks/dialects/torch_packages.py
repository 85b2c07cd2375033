"""What norse, sinabs, spikingjelly, rockpool and snnTorch make of circuits.

``python torch_packages.py PACKAGE IN.npz OUT.npz``, in the environment of the package. Every layer
is the package's own module; what it is fed with is the sum over inputs in the order of their
numbers, in float32, since packages leave that order to a matrix product.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from circuits import DT, Array, Circuit, Layer, Result, answer


class Bits:
    """Precision of the circuit that runs."""

    double = False


torch.set_num_threads(1)
torch.set_grad_enabled(False)


def summed(weight: Array, spikes: Array, bias: Array | None = None) -> torch.Tensor:
    """The input of a layer ``[steps, n]``: weights ``[n, inputs]`` of all that spiked."""
    dtype = np.float64 if Bits.double else np.float32
    terms = spikes.astype(dtype)[:, None, :] * weight.astype(dtype)[None]
    total = np.add.accumulate(terms, axis=2, dtype=dtype)[:, :, -1]
    if bias is not None and np.any(bias):
        total = total + bias.astype(dtype)
    return torch.from_numpy(np.ascontiguousarray(total))


def real(x: Array) -> torch.Tensor:
    """A tensor of the precision of the circuit."""
    return torch.tensor(np.asarray(x, np.float64 if Bits.double else np.float32))


def zeros(size: int) -> torch.Tensor:
    """The same, of zeros."""
    return real(np.zeros(size))


def widened(module: Any, **exact: Array) -> Any:
    """In double precision if that is asked: parameters that a module has cut to float32 anew."""
    if Bits.double:
        module.double()
        for name, value in exact.items():
            getattr(module, name).data = real(value)
    return module


def decay(layer: Layer) -> Array:
    """Of the membrane, by the exponential rule."""
    return np.exp(-DT / layer.tau_mem)


def run(circuit: Circuit, layer_of: Any) -> Result:
    """Layer after layer."""
    before, result = circuit.spikes, Result([], [])
    Bits.double = circuit.options["bits"] == 64
    for layer in circuit.layers:
        spikes, v = layer_of(layer, before, circuit.options)
        result.spikes.append(np.rint(np.asarray(spikes, np.float64)).astype(np.int64))
        result.v.append(np.asarray(v))
        before = result.spikes[-1]
    return result


def norse(layer: Layer, before: Array, options: dict[str, Any]) -> tuple[Array, Array]:
    """LIFCell, LIFRefracCell (currents), LIFBoxCell (jumps), IAFCell (jumps, no leak)."""
    import norse.torch as n
    from norse.torch.functional import iaf, lif, lif_box, lif_refrac
    from norse.torch.functional.reset import reset_subtract, reset_value

    size = len(layer.v_th)
    v_th, v_reset = real(layer.v_th), real(layer.v_reset)
    if not layer.leaky:
        given = summed(layer.weight, before, layer.bias * DT)
        p: Any = iaf.IAFParameters(v_th=v_th, v_reset=v_reset)
        cell: Any = n.IAFCell(p=p)
        state: Any = iaf.IAFFeedForwardState(v=zeros(size))
        read = lambda s: s.v  # noqa: E731
    elif not layer.tau_syn:
        scale = (layer.tau_mem / DT)[:, None]
        given = summed(layer.weight * scale, before, layer.bias)
        reset = reset_subtract if layer.reset == "subtract" else reset_value
        p = lif_box.LIFBoxParameters(tau_mem_inv=real(1 / layer.tau_mem),
                             v_leak=real(layer.v_leak),
                             v_th=v_th, v_reset=v_reset, reset_method=reset)  # fmt: skip
        cell = lambda x, s: lif_box.lif_box_feed_forward_step(x, s, p, DT)  # noqa: E731
        state = lif_box.LIFBoxFeedForwardState(v=real(layer.v_leak))
        read = lambda s: s.v  # noqa: E731
    else:
        given = summed(layer.weight, before)
        p = lif.LIFParameters(tau_syn_inv=real(1 / layer.tau_syn), v_th=v_th, v_reset=v_reset,
                            tau_mem_inv=real(1 / layer.tau_mem),
                            v_leak=real(layer.v_leak + layer.bias))  # fmt: skip
        state = lif.LIFFeedForwardState(v=real(layer.v_leak), i=zeros(size))
        if layer.t_ref:
            p = lif_refrac.LIFRefracParameters(lif=p, rho_reset=torch.as_tensor(float(layer.t_ref)))
            cell = n.LIFRefracCell(p=p, dt=DT)
            state = lif_refrac.LIFRefracFeedForwardState(lif=state, rho=zeros(size))
            read = lambda s: s.lif.v  # noqa: E731
        else:
            cell = n.LIFCell(p=p, dt=DT)
            read = lambda s: s.v  # noqa: E731
    spikes, v = [], []
    for x in given:
        z, state = cell(x, state)
        spikes.append(z.numpy())
        v.append(read(state).numpy())
    return np.stack(spikes), np.stack(v)


def sinabs(layer: Layer, before: Array, options: dict[str, Any]) -> tuple[Array, Array]:
    """LIF with its defaults, or norm_input=False; IAF."""
    import sinabs.activation as activation
    import sinabs.layers as layers

    normed = options.get("norm_input", True)
    reset = activation.MembraneReset() if layer.reset == "to" else activation.MembraneSubtract()
    common = dict(spike_threshold=real(layer.v_th), reset_fn=reset, record_states=True)
    if layer.reset == "none":  # a readout: it gives V instead of spikes
        common["spike_fn"] = None
    weight = layer.weight
    if layer.leaky:
        if layer.tau_syn:
            weight = weight if normed else weight * (1 - decay(layer))[:, None]
            common["tau_syn"] = real(np.array(layer.tau_syn / DT))
        elif normed:
            weight = weight * (layer.tau_mem / DT)[:, None]
        tau = real(layer.tau_mem / DT)
        module: Any = layers.LIF(tau_mem=tau, norm_input=normed, **common)
        taus = {"tau_mem": layer.tau_mem / DT}
        bias = layer.bias if normed or layer.tau_syn else layer.bias * (1 - decay(layer))
    else:
        if layer.tau_syn:
            weight = weight * DT
            common["tau_syn"] = real(np.array(layer.tau_syn / DT))
        module = layers.IAF(**common)
        taus = {}
        bias = layer.bias * DT
    if layer.tau_syn:
        taus["tau_syn"] = np.array(layer.tau_syn / DT)
    widened(module, **taus)
    out = module(summed(weight, before, bias)[None])[0].numpy()
    if layer.reset == "none":
        out = np.zeros(out.shape)
    return out, module.recordings["v_mem"][0].numpy()


def spikingjelly(layer: Layer, before: Array, options: dict[str, Any]) -> tuple[Array, Array]:
    """LIFNode (with or without decay_input), IFNode (jumps), CUBALIFNode (currents)."""
    from spikingjelly.activation_based import neuron

    v_th = float(layer.v_th[0])
    v_reset = None if layer.reset == "subtract" else float(layer.v_reset[0])
    settings: dict[str, Any] = dict(v_threshold=v_th, v_reset=v_reset)
    euler = DT / layer.tau_mem
    weight, bias = layer.weight, layer.bias * euler
    if not layer.leaky:
        bias = layer.bias * DT
    if layer.tau_syn:
        weight = weight * (euler if layer.leaky else np.full(len(euler), DT))[:, None]
        node: Any = neuron.CUBALIFNode(c_decay=1 - DT / layer.tau_syn,
                                       v_decay=float(1 - euler[0]), **settings)  # fmt: skip
    elif not layer.leaky:
        node = neuron.IFNode(**settings)
    else:
        inside = options.get("decay_input", True)
        # towards V_reset: what is left of the way to the resting potential is input
        pull = layer.v_leak - (0.0 if v_reset is None else layer.v_reset)
        bias = bias + pull * euler
        if inside:
            weight, bias = weight / euler[:, None], bias / euler
        node = neuron.LIFNode(tau=float(1 / euler[0]), decay_input=inside, **settings)
    node.eval()
    node.v = real(layer.v_leak)[None]
    spikes, v = [], []
    for x in summed(weight, before, bias):
        spikes.append(node(x[None])[0].numpy())
        v.append(node.v[0].numpy().copy())
    return np.stack(spikes), np.stack(v)


def rockpool(layer: Layer, before: Array, options: dict[str, Any]) -> tuple[Array, Array]:
    """LIFTorch (currents), LIFNeuronTorch (jumps)."""
    from rockpool.nn.modules import LIFNeuronTorch, LIFTorch

    size = len(layer.v_th)
    gain = 1 - decay(layer) if layer.leaky else np.full(size, DT)
    common = dict(threshold=real(layer.v_th), bias=real(layer.bias * gain), dt=DT)
    tau = real(np.where(np.isfinite(layer.tau_mem), layer.tau_mem, np.inf))
    if layer.tau_syn:
        module: Any = LIFTorch((size, size), tau_mem=tau, tau_syn=real(np.array(layer.tau_syn)),
                               **common)  # fmt: skip
        given = summed(layer.weight * gain[:, None], before)
    else:
        module = LIFNeuronTorch((size,), tau_mem=tau, **common)
        given = summed(layer.weight, before)
    exact = dict(threshold=layer.v_th, bias=layer.bias * gain, tau_mem=layer.tau_mem)
    if layer.tau_syn:
        exact["tau_syn"] = np.array(layer.tau_syn)
    widened(module, **exact)
    if layer.tau_syn:  # spikes are float32 there in any case
        module.w_rec, module.spikes = module.w_rec.float(), module.spikes.float()
    out, _, record = module.evolve(given[None], record=True)
    return out[0].numpy(), record["vmem"][0].numpy()


def snntorch(layer: Layer, before: Array, options: dict[str, Any]) -> tuple[Array, Array]:
    """Leaky (jumps) and Synaptic (currents)."""
    import snntorch as snn

    beta = decay(layer)
    reset = {"to": "zero", "subtract": "subtract", "none": "none"}[layer.reset]
    common = dict(beta=real(beta), threshold=real(layer.v_th), reset_mechanism=reset,
                  reset_delay=options.get("reset_delay", True))  # fmt: skip
    state: list[torch.Tensor] = [zeros(len(beta))]
    weight, bias = layer.weight, layer.bias * (1 - beta)
    if layer.tau_syn:
        alpha = real(np.exp(-DT / np.array(layer.tau_syn)))
        module: Any = snn.Synaptic(alpha=alpha, **common)
        state, weight = state * 2, weight * (1 - beta)[:, None]
    else:
        module = snn.Leaky(**common)
    spikes, v = [], []
    for x in summed(weight, before, bias):
        z, *state = module(x, *state)
        spikes.append(z.numpy())
        v.append(state[-1].numpy())
    return np.stack(spikes), np.stack(v)


if __name__ == "__main__":
    package = sys.argv[1]
    answer(partial(run, layer_of=globals()[package]), version=version(package),
           torch=torch.__version__)  # fmt: skip
