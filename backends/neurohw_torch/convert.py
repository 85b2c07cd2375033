"""snnTorch modules as physical networks, and back.

A layer ``Linear, Leaky`` is a population of LIF neurons with Delta synapses (weights in V), a
layer ``Linear, Synaptic`` one with Exponential synapses (weights in A). The numbers of a module
have no unit; here one unit is one volt, and the circuit is chosen so that, discretised exactly
(``method="exponential"``, the only method of target ``snntorch``), it has the module's numbers:

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
========================  ======================================================================

Time constants are nudged until the decay, rounded to float32, is the given one bit for bit.

Not carried: ``learn_*`` flags, surrogate gradients, ``init_hidden`` and ``output`` (who keeps the
state), hidden states, names of modules, ``requires_grad``, training or evaluation mode. Refused:
everything that changes the forward pass and that the other side cannot express.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from snntorch import Leaky, Synaptic
from torch import nn

from neurohw.errors import NetworkError
from neurohw.network import (
    CSR,
    LIF,
    Connection,
    Delta,
    Exponential,
    Network,
    Origin,
    Population,
    Regular,
    SpikeArray,
)
from neurohw.network.units import Shown
from neurohw_torch.spiking import (
    Neuron,
    SpikingNet,
    chain,
    lowered_decay,
    membrane,
    read,
    read_decay,
    refuse,
    time_constant,
)

__all__ = ["SpikingNet", "network_from_snntorch", "snntorch_from_network"]

Array = np.ndarray
_RESETS = {"subtract": "subtract", "zero": "to", "none": "none"}


def _gain(lif: LIF, dt: float) -> Array:
    """Volts per ampere and step, as lowering has it (neurohw.lowering.neuron.membrane)."""
    leak, free = np.asarray(lif.g_L, np.float64), dt / np.asarray(lif.C, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(leak > 0, -np.expm1(-dt / np.asarray(lif.tau)) / leak, free)
        return np.where(np.isclose(gain, free, rtol=1e-15, atol=0), free, gain)


# module -> network -------------------------------------------------------------------------------


def network_from_snntorch(
    module: nn.Module, dt: float = 1e-3, *, name: str = "snntorch"
) -> Network:  # fmt: skip
    """The physical network of a chain of ``Linear, Leaky | Synaptic`` layers.

    Parameters
    ----------
    module : nn.Module
        Its Linear, Leaky and Synaptic modules, in the order in which they are registered, are
        taken as the chain; nothing else may be among them (containers may).
    dt : float
        What one step of the module stands for, in s, > 0; lower with the same.
    name : str
        Of the network.

    Returns
    -------
    Network
        Driver ``input`` (a SpikeArray), populations ``layer1``, ``layer2``...; no probes.

    Raises
    ------
    NetworkError
        Something that changes the forward pass cannot be expressed; the layer is named.
    """
    if not (np.isfinite(dt) and dt > 0):
        raise NetworkError("step length", where=name, got=dt, allowed="> 0 s")
    net, source = Network(name), ""
    for number, (path, linear, neuron) in enumerate(chain(module), start=1):
        where = f"layer{number} ({path})"
        if not source:
            source = net.driver("input", SpikeArray(size=linear.in_features)).name
        elif net[source].size != linear.in_features:  # type: ignore[union-attr]
            raise NetworkError("wrong number of inputs", where=where, got=linear.in_features,
                               allowed=f"{net[source].size}, the neurons of {source}")  # fmt: skip
        refuse(where, neuron)
        source = _add_layer(net, f"layer{number}", where, source, linear, neuron, dt)
    if not source:
        raise NetworkError("no layers", where=name, allowed="Linear, Leaky | Synaptic, ...")
    return net


def _add_layer(
    net: Network, name: str, where: str, source: str, linear: nn.Linear, neuron: Neuron, dt: float
) -> str:
    size, origin = linear.out_features, Origin(owner=where)
    for key, data in linear.named_parameters():
        if data.dtype != torch.float32:
            raise NetworkError("not float32", where=f"{where}.{key}", got=str(data.dtype))
    weight = linear.weight.detach().cpu().numpy().astype(np.float64)
    bias = None if linear.bias is None else linear.bias.detach().cpu().numpy().astype(np.float64)
    capacity, leak = membrane(read_decay(where, "beta", neuron.beta, size), dt)
    jumps = isinstance(neuron, Leaky)
    net.population(
        name,
        LIF(
            size=size,
            C=capacity,
            g_L=leak,
            V_th=read(where, "threshold", neuron.threshold, size),
            I_bias=bias if jumps and bias is not None else 0.0,
            reset=_RESETS[neuron.reset_mechanism],  # type: ignore[arg-type]
            origin=origin,
        ),
        origin=origin,
    )
    if jumps:
        net.connect(source, name, Delta(weight=weight, origin=origin), origin=origin)
        return name
    alpha = read_decay(where, "alpha", neuron.alpha, size)
    if np.any(alpha != alpha.flat[0]):
        raise NetworkError("one alpha per layer", where=f"{where}.alpha", got=alpha.tolist(),
                           allowed="equal values", fix="split the layer")  # fmt: skip
    tau = float(time_constant(alpha.flat[0], dt))
    net.connect(source, name, Exponential(weight=weight, tau=tau, origin=origin), origin=origin)
    if bias is not None:
        if "always" not in {d.name for d in net.drivers}:
            net.driver("always", Regular(period=dt))
        synapse = Exponential(weight=bias[:, None], tau=tau, origin=origin)
        net.connect("always", name, synapse, origin=origin)
    return name


# network -> module -------------------------------------------------------------------------------


def snntorch_from_network(network: Network, dt: float = 1e-3) -> SpikingNet:
    """The snnTorch module of a feed-forward chain of LIF populations.

    What drives the first population is the module's input; the driver itself is not carried, nor
    are probes and names.

    Parameters
    ----------
    network : Network
        A chain of LIF populations, each with Delta synapses (then Leaky) or Exponential ones
        (then Synaptic) from the one before it, without delay.
    dt : float
        Step of the module in s, > 0.

    Raises
    ------
    NetworkError
        The network holds something that Linear, Leaky and Synaptic do not have; it is named.
    """
    network.check()
    left, layers = {p.name: p for p in network.populations}, []
    before = {d.name for d in network.drivers}
    while left:
        inputs = {name: _inputs(network, p, dt) for name, p in left.items()}
        reached = [name for name, (own, _) in inputs.items() if before & {c.source for c in own}]
        if len(reached) != 1:
            raise NetworkError("not a chain of populations", where=", ".join(before),
                               got=Shown(f"drives {', '.join(reached) or 'none'} of "
                                         f"{', '.join(left)}"), allowed="one")  # fmt: skip
        layers.append(_layer(left.pop(reached[0]), *inputs[reached[0]], dt))
        before = set(reached)
    return SpikingNet(layers)


def _inputs(
    network: Network, p: Population, dt: float
) -> tuple[list[Connection], Connection | None]:  # fmt: skip
    """(connections that drive a population, the one that makes up its bias)."""
    found = [c for c in network.connections if c.target == p.name]
    ticks = {
        d.name for d in network.drivers
        if isinstance(m := d.model, Regular) and m.size == 1 and m.period == dt and m.start == 0
    }  # fmt: skip
    always = [c for c in found[1:] if c.source in ticks and isinstance(c.synapse, Exponential)]
    bias = always[-1] if always else None
    return [c for c in found if c is not bias], bias


def _layer(
    p: Population, inputs: list[Connection], extra: Connection | None, dt: float
) -> tuple[nn.Linear, Neuron]:
    _plain(p, inputs, [extra] if extra else [])
    lif, connection = p.model, inputs[0]
    gain = _gain(lif, dt)
    beta = lowered_decay(lif.tau, dt)
    threshold = np.asarray(np.subtract(lif.V_th, lif.V_reset), np.float32)
    reset = next(k for k, v in _RESETS.items() if v == lif.reset)
    kept: dict[str, Any] = dict(threshold=torch.tensor(threshold), reset_mechanism=reset)
    weight, bias = _matrix(connection), None
    neuron: Neuron
    if isinstance(connection.synapse, Delta):
        neuron = Leaky(beta=torch.tensor(beta), **kept)
        if np.ndim(lif.I_bias) or np.any(lif.I_bias):
            bias = np.broadcast_to(lif.I_bias * gain, (p.size,))
    else:
        tau = connection.synapse.tau
        if np.any(lif.I_bias) or (extra and extra.synapse.tau != tau):
            raise NetworkError("Synaptic has one current and no other input", where=p.name,
                               fix="no I_bias, and one tau for all its synapses")  # fmt: skip
        neuron = Synaptic(torch.tensor(lowered_decay(tau, dt)), torch.tensor(beta), **kept)
        rows = np.broadcast_to(gain, (p.size,))
        weight = weight * rows[:, None]
        bias = _matrix(extra)[:, 0] * rows if extra else None
    empty = nn.Linear(connection.shape[1], p.size, bias=bias is not None, device="meta")
    linear = empty.to_empty(device="cpu")  # no random numbers are drawn
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(weight))
        if bias is not None:
            linear.bias.copy_(torch.tensor(bias))
    return linear, neuron


def _plain(p: Population, inputs: list[Connection], extra: list[Connection]) -> None:
    """Refuse a population that is not a plain layer."""

    def no(key: str, what: str, got: Any, allowed: str) -> None:
        raise NetworkError(
            what, where=f"{p.name}.{key}", got=got, allowed=allowed, origin=p.at(key)
        )

    if not isinstance(p.model, LIF):
        no("kind", "no layer of snnTorch", type(p.model).__name__, "LIF")
    for key in ("noise", "mismatch"):
        if getattr(p, key):
            no(key, "snnTorch has none", len(getattr(p, key)), "0")
    for key in ("t_ref", "t_ref_sigma"):
        if np.any(getattr(p.model, key)):
            no(key, "snnTorch has no refractory period", getattr(p.model, key), "0 s")
    reset = np.asarray(p.model.V_reset)
    for key in ("V_reset", "E_L", "V_init"):
        if np.any(np.not_equal(getattr(p.model, key), reset.flat[0])):
            no(key, "the membrane rests, starts and is reset at one value",
                   getattr(p.model, key), f"{reset.flat[0]:g} V")  # fmt: skip
    for c in (*inputs, *extra):
        if c.delay_steps is not None or np.any(c.delay):
            no("delay", f"{c.name} is delayed; snnTorch has no delay", c.delay, "0 s")
    if len(inputs) != 1:
        names = ", ".join(c.name for c in inputs)
        no("inputs", "snnTorch has one Linear per layer", Shown(names), "one connection")


def _matrix(c: Connection) -> Array:
    """Weights ``[target, source]`` in SI."""
    if isinstance(c.weight, CSR):
        return c.weight.toarray()
    if c.connectivity == "one_to_one":
        return np.diag(np.broadcast_to(c.weight, c.shape[:1]))
    return np.array(np.broadcast_to(c.weight, c.shape))
