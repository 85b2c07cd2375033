"""Networks as snnTorch modules: feed-forward chains of LIF populations.

The numbers are those of :mod:`neurohw_torch.convert`, read backwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from snntorch import Leaky, RLeaky, RSynaptic, Synaptic
from torch import nn

from neurohw.errors import NetworkError
from neurohw.network import (
    CSR,
    LIF,
    Connection,
    Conv2D,
    Delta,
    Exponential,
    Network,
    Population,
    Regular,
)
from neurohw.network.units import Shown
from neurohw_torch.spiking import RESETS, Neuron, SpikingNet, lowered_decay

__all__ = ["snntorch_from_network"]

Array = np.ndarray


def snntorch_from_network(network: Network, dt: float = 1e-3) -> SpikingNet:
    """The snnTorch module of a feed-forward chain of LIF populations.

    What drives the first population is the module's input; the driver itself is not carried, nor
    are probes and names. A population that hears itself one step later is an RLeaky or RSynaptic.
    A convolution becomes ``Unflatten, Conv2d, Flatten``: neurons stand in one row.

    Parameters
    ----------
    network : Network
        A chain of LIF populations, each with Delta synapses (then Leaky or RLeaky) or Exponential
        ones (then Synaptic or RSynaptic) from the one before it, without delay.
    dt : float
        Step of the module in s, > 0.

    Raises
    ------
    NetworkError
        The network holds something that these modules do not have; it is named.
    """
    network.check()
    left, layers = {p.name: p for p in network.populations}, []
    before = {d.name for d in network.drivers}
    while left:
        inputs = {name: _inputs(network, p, dt) for name, p in left.items()}
        reached = [n for n, (own, _, _) in inputs.items() if before & {c.source for c in own}]
        if len(reached) != 1:
            raise NetworkError("not a chain of populations", where=", ".join(before),
                               got=Shown(f"drives {', '.join(reached) or 'none'} of "
                                         f"{', '.join(left)}"), allowed="one")  # fmt: skip
        layers.append(_layer(left.pop(reached[0]), *inputs[reached[0]], dt))
        before = set(reached)
    zeroed = {type(n) for _, n in layers if n.reset_mechanism == "zero"}
    if {Leaky, RLeaky} <= zeroed:
        raise NetworkError("RLeaky resets to zero after its input was added, Leaky before",
                           where=network.name, got="to", allowed="another reset where a population "
                           "hears itself, or in the others")  # fmt: skip
    return SpikingNet(layers)


def _inputs(
    network: Network, p: Population, dt: float
) -> tuple[list[Connection], Connection | None, Connection | None]:
    """(connections that drive a population, its own, the one that makes up its bias)."""
    found = [c for c in network.connections if c.target == p.name]
    own = [c for c in found if c.source == p.name and _one_step(c, dt)]
    back = own[0] if own else None
    found = [c for c in found if c is not back]
    ticks = {
        d.name for d in network.drivers
        if isinstance(m := d.model, Regular) and m.size == 1 and m.period == dt and m.start == 0
    }  # fmt: skip
    always = [c for c in found[1:] if c.source in ticks and isinstance(c.synapse, Exponential)]
    bias = always[-1] if always else None
    return [c for c in found if c is not bias], back, bias


def _one_step(c: Connection, dt: float) -> bool:
    if c.delay_steps is not None:
        return isinstance(c.delay_steps, int) and c.delay_steps == 1
    return np.ndim(c.delay) == 0 and c.delay == dt


def _gain(lif: LIF, dt: float) -> Array:
    """Volts per ampere and step, as lowering has it (neurohw.lowering.neuron.membrane)."""
    leak, free = np.asarray(lif.g_L, np.float64), dt / np.asarray(lif.C, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(leak > 0, -np.expm1(-dt / np.asarray(lif.tau)) / leak, free)
        return np.where(np.isclose(gain, free, rtol=1e-15, atol=0), free, gain)


def _layer(
    p: Population,
    inputs: list[Connection],
    back: Connection | None,
    extra: Connection | None,
    dt: float,
) -> tuple[nn.Module, Neuron]:
    _plain(p, inputs, [extra] if extra else [])
    lif, connection = p.model, inputs[0]
    gain = _gain(lif, dt)
    threshold = np.asarray(np.subtract(lif.V_th, lif.V_reset), np.float32)
    reset = next(k for k, v in RESETS.items() if v == lif.reset)
    settings: dict[str, Any] = dict(
        beta=torch.tensor(lowered_decay(lif.tau, dt)),
        threshold=torch.tensor(threshold),
        reset_mechanism=reset,
    )
    jumps = isinstance(connection.synapse, Delta)
    bias = None
    if back and isinstance(back.synapse, Delta) != jumps:
        raise NetworkError("snnTorch has one kind of synapse per layer", where=back.name,
                           got=type(back.synapse).__name__,
                           allowed=type(connection.synapse).__name__)  # fmt: skip
    if jumps:
        rows = np.ones(p.size)
        if np.ndim(lif.I_bias) or np.any(lif.I_bias):
            bias = np.broadcast_to(lif.I_bias * gain, (p.size,))
    else:
        tau = connection.synapse.tau
        others = [c for c in (extra, back) if c]
        if np.any(lif.I_bias) or any(c.synapse.tau != tau for c in others):
            raise NetworkError("Synaptic has one current and no other input", where=p.name,
                               fix="no I_bias, and one tau for all its synapses")  # fmt: skip
        settings["alpha"] = torch.tensor(lowered_decay(tau, dt))
        rows = np.broadcast_to(gain, (p.size,))
        bias = _matrix(extra)[:, 0] * rows if extra else None
    linear = _linear(connection, rows, bias)
    if back is None:
        return linear, (Leaky if jumps else Synaptic)(**settings)
    return linear, _recurrent(RLeaky if jumps else RSynaptic, settings, back, rows)


def _recurrent(
    kind: type[RLeaky] | type[RSynaptic], settings: dict[str, Any], back: Connection, rows: Array
) -> Neuron:
    """RLeaky or RSynaptic, which hears itself through this connection."""
    if back.connectivity == "one_to_one":
        weight = np.asarray(back.weight * rows, np.float32)
        weight = weight[:1].reshape(()) if np.all(weight == weight[0]) else weight
        return kind(**settings, V=torch.tensor(weight), all_to_all=False)
    with torch.random.fork_rng(devices=[]):  # its random weights are replaced
        made = kind(**settings, linear_features=back.shape[0])
    made.recurrent = _linear(back, rows, None)
    return made


def _linear(c: Connection, rows: Array, bias: Array | None) -> nn.Module:
    """A connection, its weights times a factor for each target, as a linear map of rows."""
    if isinstance(c.weight, Conv2D):
        return _conv(c, c.weight, rows, bias)
    made = _empty(nn.Linear, c.shape[1], c.shape[0], bias=bias is not None)
    _fill(made, _matrix(c) * rows[:, None], bias)
    return made


def _conv(c: Connection, kernel: Conv2D, rows: Array, bias: Array | None) -> nn.Module:
    channels, mine, *size = kernel.data.shape
    for key, given in (("gain", rows), ("bias", bias)):
        grid = None if given is None else np.reshape(given, (channels, -1))
        if grid is not None and np.any(grid != grid[:, :1]):
            raise NetworkError("Conv2d has one number per channel", where=f"{c.target}.{key}",
                               fix="give the connection as a matrix")  # fmt: skip
    of_channel = np.reshape(rows, (channels, -1))[:, 0]
    made = _empty(
        nn.Conv2d, mine * kernel.groups, channels, tuple(size), stride=kernel.stride,
        padding=kernel.padding, dilation=kernel.dilation, groups=kernel.groups,
        bias=bias is not None,
    )  # fmt: skip
    weight = kernel.data * of_channel[:, None, None, None]
    _fill(made, weight, None if bias is None else np.reshape(bias, (channels, -1))[:, 0])
    return nn.Sequential(nn.Unflatten(1, kernel.input_shape), made, nn.Flatten())


def _empty(kind: Any, *args: Any, **settings: Any) -> Any:
    """A module whose numbers are not set, so that no random ones are drawn."""
    return kind(*args, **settings, device="meta").to_empty(device="cpu")


def _fill(made: Any, weight: Array, bias: Array | None) -> None:
    with torch.no_grad():
        made.weight.copy_(torch.tensor(weight))
        if bias is not None:
            made.bias.copy_(torch.tensor(bias))


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
        if not isinstance(c.synapse, Delta | Exponential):
            no("inputs", f"{c.name} is no synapse of snnTorch", Shown(type(c.synapse).__name__),
               "Delta or Exponential")  # fmt: skip
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
