"""snnTorch modules as physical networks; the way back is :mod:`neurohw_torch.export`.

A layer ends in neurons: ``Leaky`` and ``RLeaky`` are a population of LIF neurons with Delta
synapses (weights in V), ``Synaptic`` and ``RSynaptic`` one with Exponential synapses (weights in
A). The linear modules before them become one connection. The numbers of a module have no unit; here
one unit is one volt, and the circuit is chosen so that, discretised exactly (method exponential,
the first of target ``snntorch``), it has the module's numbers:

========================  ======================================================================
snnTorch                  network
========================  ======================================================================
beta                      ``tau = C / g_L = -dt / ln(beta)``, ``g_L = 1 - beta`` siemens, so that
                          an ampere held for a step moves V by one volt. beta = 1: ``g_L = 0``,
                          ``C = dt``. beta = 0: ``tau = dt / 1024``, whose decay is exactly 0.
alpha                     ``tau_syn = -dt / ln(alpha)``; 0 as above; 1: ``tau_syn = 2**40 dt``.
threshold                 V_th; E_L, V_reset and V_init are 0 V
reset subtract/zero/none  ``subtract``, ``to``, ``none``
bias of a Leaky layer     I_bias (amperes equal volts per step)
bias of a Synaptic layer  synapses of a driver that fires in every step (it feeds the current)
recurrent, V              a connection of the population to itself that takes one step; the bias of
                          ``recurrent`` is constant input, as that of the layer
========================  ======================================================================

Time constants are nudged until the decay, rounded to float32, is the given one bit for bit. Several
linear modules in a row are multiplied in float64; alone, a Linear or a Conv2d keeps its weights.

Not carried: ``learn_*`` flags, surrogate gradients, ``init_hidden`` and ``output`` (who keeps the
state), hidden states, names of modules, ``requires_grad``, training or evaluation mode (Dropout
passes everything on). Refused: everything that changes the forward pass and that the other side
cannot express.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from snntorch import Leaky, RLeaky
from torch import Tensor, nn

from neurohw.errors import NetworkError
from neurohw.network import LIF, Delta, Exponential, Network, Origin, Regular, SpikeArray
from neurohw_torch.export import snntorch_from_network
from neurohw_torch.linear import Map, Shape, first_shape, linear_map
from neurohw_torch.spiking import (
    RESETS,
    Neuron,
    SpikingNet,
    chain,
    membrane,
    read,
    read_decay,
    recurrent,
    refuse,
    time_constant,
)

__all__ = ["SpikingNet", "network_from_snntorch", "snntorch_from_network", "target_of_snntorch"]

Array = np.ndarray


def network_from_snntorch(
    module: nn.Module,
    dt: float = 1e-3,
    *,
    name: str = "snntorch",
    input_shape: Shape | None = None,
) -> Network:
    """The physical network of a chain of linear maps and snnTorch's neurons.

    Parameters
    ----------
    module : nn.Module
        Its modules without children, in the order in which they are registered, are taken as the
        chain: Linear, Conv2d, AvgPool2d, Flatten, Unflatten (behind neurons or the input), Identity
        and Dropout between Leaky, Synaptic, RLeaky and RSynaptic; nothing else may be among them
        (containers may).
    dt : float
        What one step of the module stands for, in s, > 0; lower with the same.
    name : str
        Of the network.
    input_shape : tuple of int, optional
        Of one sample, without the batch: ``(channels, height, width)`` of images. Default: what
        the first Linear takes.

    Returns
    -------
    Network
        Driver ``input`` (a SpikeArray; images in C order), populations ``layer1``, ``layer2``...;
        no probes. The target whose rules are the module's is :func:`target_of_snntorch`.

    Raises
    ------
    NetworkError
        Something that changes the forward pass cannot be expressed; the layer is named.
    """
    if not (np.isfinite(dt) and dt > 0):
        raise NetworkError("step length", where=name, got=dt, allowed="> 0 s")
    net, source = Network(name), ""
    shape = None if input_shape is None else tuple(int(n) for n in input_shape)
    for number, (path, parts, neuron) in enumerate(chain(module), start=1):
        layer = f"layer{number}"
        shape = first_shape(parts, layer) if shape is None else shape
        made = linear_map(parts, shape, layer)
        if not source:
            source = net.driver("input", SpikeArray(size=math.prod(shape))).name
        where = f"{layer} ({path})"
        refuse(where, neuron)
        source = _add_layer(net, layer, where, source, made, neuron, dt)
        shape = made.shape
    if not source:
        raise NetworkError("no layers", where=name, allowed="Linear, Leaky, ...")
    target_of_snntorch(module)
    return net


def target_of_snntorch(module: nn.Module) -> str:
    """Name of the target on which the module's network gives the module's spikes.

    ``snntorch-recurrent`` if an RLeaky resets to zero: it zeroes V after its input was added, a
    Leaky before. For all else ``snntorch``; both are the same there.

    Raises
    ------
    NetworkError
        The module has both.
    """
    zeroed = {
        type(neuron): path for path, _, neuron in chain(module) if neuron.reset_mechanism == "zero"
    }
    if Leaky in zeroed and RLeaky in zeroed:
        raise NetworkError(
            "Leaky resets to zero before its input is added, RLeaky after: no target does both",
            where=f"{zeroed[Leaky]}, {zeroed[RLeaky]}", got="zero",
            allowed="another reset_mechanism for one of them",
        )  # fmt: skip
    return "snntorch-recurrent" if RLeaky in zeroed else "snntorch"


def _back(where: str, neuron: Neuron, shape: Shape) -> tuple[Map | None, dict[str, Any]]:
    """What a layer's own spikes bring it a step later, and how it is connected."""
    found = recurrent(where, neuron)
    if found is None:
        return None, {}
    if isinstance(found, Tensor):
        weight = read(where, "V", found, shape)
        return Map(shape, weight, None), dict(connectivity="one_to_one")
    made = linear_map(found, shape, where)
    if made.shape != shape:
        raise NetworkError("wrong number of outputs", where=f"{where}.recurrent",
                           got=made.shape, allowed=f"{shape}, the neurons")  # fmt: skip
    if made.weight is None:
        return Map(shape, 1.0, None), dict(connectivity="one_to_one")
    return made, {}


def _add_layer(
    net: Network, name: str, where: str, source: str, made: Map, neuron: Neuron, dt: float
) -> str:
    shape, origin = made.shape, Origin(owner=where)
    capacity, leak = membrane(read_decay(where, "beta", neuron.beta, shape), dt)
    jumps = isinstance(neuron, Leaky | RLeaky)
    back, kept = _back(where, neuron, shape)
    given = [m.bias for m in (made, back) if m is not None and m.bias is not None]
    bias: Array | None = sum(given[1:], given[0]) if given else None
    net.population(
        name,
        LIF(
            size=math.prod(shape),
            C=capacity,
            g_L=leak,
            V_th=read(where, "threshold", neuron.threshold, shape),
            I_bias=bias if jumps and bias is not None else 0.0,
            reset=RESETS[neuron.reset_mechanism],  # type: ignore[arg-type]
            origin=origin,
        ),
        origin=origin,
    )
    tau = None if jumps else _one_tau(where, neuron, shape, dt)

    def connect(start: str, weight: Any, **settings: Any) -> None:
        synapse = (
            Delta(weight=weight, origin=origin)
            if tau is None
            else Exponential(weight=weight, tau=tau, origin=origin)
        )
        net.connect(start, name, synapse, origin=origin, **settings)

    if made.weight is None:
        connect(source, 1.0, connectivity="one_to_one")
    else:
        connect(source, made.weight)
    if back is not None:
        connect(name, back.weight, delay_steps=1, **kept)
    if bias is not None and not jumps:
        if "always" not in {d.name for d in net.drivers}:
            net.driver("always", Regular(period=dt))
        connect("always", bias[:, None])
    return name


def _one_tau(where: str, neuron: Neuron, shape: Shape, dt: float) -> float:
    alpha = read_decay(where, "alpha", neuron.alpha, shape)
    if np.any(alpha != alpha.flat[0]):
        raise NetworkError("one alpha per layer", where=f"{where}.alpha", got=alpha.tolist(),
                           allowed="equal values", fix="split the layer")  # fmt: skip
    return float(time_constant(alpha.flat[0], dt))
