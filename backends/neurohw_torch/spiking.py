"""Chains of linear maps and snnTorch's neurons: running one, reading one.

Reading checks that nothing is there that only snnTorch knows; the network side of a conversion is
in :mod:`neurohw_torch.convert`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from snntorch import Leaky, RLeaky, RSynaptic, Synaptic
from snntorch._neurons import rleaky, rsynaptic
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor, nn

from neurohw.errors import NetworkError
from neurohw_torch.linear import NOTHING, Part, Shape, leaves

__all__ = [
    "MIN_DECAY",
    "NEURONS",
    "RESETS",
    "Neuron",
    "SpikingNet",
    "chain",
    "lowered_decay",
    "membrane",
    "read",
    "read_decay",
    "recurrent",
    "refuse",
    "time_constant",
]

Array = np.ndarray
Neuron = Leaky | Synaptic | RLeaky | RSynaptic
NEURONS = "Leaky, Synaptic, RLeaky or RSynaptic"
MIN_DECAY = 2.0**-24
"""Smallest decay above 0: with less, ``1 - (1 - decay)`` in float64 no longer gives the float32."""
_NONE, _FOREVER = 2.0**-10, 2.0**40  # time constants in steps, of decays 0 and 1
_STATE_FUNCTIONS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}
RESETS = {"subtract": "subtract", "zero": "to", "none": "none"}
"""reset_mechanism -> reset of a LIF."""
_ONE_TO_ONE = (rleaky.RecurrentOneToOne, rsynaptic.RecurrentOneToOne)


class SpikingNet(nn.Module):
    """Layers of a linear map and neurons, run over time from a state of zeros.

    Parameters
    ----------
    layers : sequence of (nn.Module, Leaky, Synaptic, RLeaky or RSynaptic)

    Attributes
    ----------
    layers : nn.ModuleList
        The pairs, each an nn.ModuleList. Weights and biases are parameters; decays and thresholds
        are buffers, as snnTorch has them unless they are to be learned.
    """

    def __init__(self, layers: Sequence[tuple[nn.Module, Neuron]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList(pair) for pair in layers)

    def forward(self, spikes: Tensor) -> list[Tensor]:
        """Spikes of every layer, each ``[T, B, n_l]``, for input spikes ``[T, B, n]``."""
        recorded = []
        for linear, neuron in self.layers:  # type: ignore[misc]
            back = isinstance(neuron, RLeaky | RSynaptic)  # its own spikes are a state too
            count = (2 if isinstance(neuron, Synaptic | RSynaptic) else 1) + back
            state: list[Tensor] = []
            out = []
            for given in spikes:
                current = linear(given)
                state = state or [torch.zeros_like(current)] * count
                fired, *rest = neuron(current, *state)
                state = [fired, *rest] if back else rest
                out.append(fired)
            spikes = torch.stack(out)
            recorded.append(spikes)
        return recorded


def chain(module: nn.Module) -> Iterator[tuple[str, list[Part], Neuron]]:
    """(path of the neurons, linear modules before them, neurons) of each layer, as registered."""
    parts: list[Part] = []
    for path, part in leaves(module, "", (SpikingNeuron,), NEURONS):
        if not isinstance(part, SpikingNeuron):
            parts.append((path, part))
            continue
        if type(part) not in (Leaky, Synaptic, RLeaky, RSynaptic):
            raise NetworkError("a network cannot express these neurons", where=path or "module",
                               got=type(part).__name__, allowed=NEURONS)  # fmt: skip
        if all(type(p) in NOTHING for _, p in parts):
            raise NetworkError("neurons without a linear map before them", where=path or "module",
                               got=type(part).__name__, allowed="Linear or Conv2d, ..., then "
                               f"{NEURONS}")  # fmt: skip
        yield path, parts, part  # type: ignore[misc]
        parts = []
    rest = [(path, part) for path, part in parts if type(part) not in NOTHING]
    if rest:
        path, part = rest[-1]
        raise NetworkError(f"a {type(part).__name__} without neurons", where=path or "module",
                           allowed=f"{NEURONS} after it")  # fmt: skip


def recurrent(where: str, neuron: Neuron) -> list[Part] | Tensor | None:
    """What takes a neuron's spikes back: linear modules, the weights of one-to-one, or nothing."""
    if not isinstance(neuron, RLeaky | RSynaptic):
        return None
    back = neuron.recurrent
    if isinstance(back, _ONE_TO_ONE):
        return torch.as_tensor(back.V)
    return list(leaves(back, "recurrent", (), "RecurrentOneToOne"))


def refuse(where: str, neuron: Neuron) -> None:
    """Refuse whatever changes the forward pass and is not a number of the network."""
    factor = neuron.graded_spikes_factor
    behaviour = _STATE_FUNCTIONS.get(getattr(neuron.state_function, "__name__", ""), "unknown")
    for bad, key, got, allowed in (
        (neuron.inhibition, "inhibition", neuron.inhibition, "False"),
        (bool(neuron.state_quant), "state_quant", neuron.state_quant, "False"),
        (bool((factor != 1).any()), "graded_spikes_factor", factor.tolist(), "1.0"),
        (not neuron.reset_delay, "reset_delay", neuron.reset_delay, "True"),
        (behaviour != neuron.reset_mechanism, "reset_mechanism", neuron.reset_mechanism,
         f"{behaviour}, with which it was made and which it computes"),
    ):  # fmt: skip
        if bad:
            raise NetworkError("a network cannot express this", where=f"{where}.{key}", got=got,
                               allowed=allowed)  # fmt: skip


def read(where: str, key: str, data: Any, shape: Shape) -> Array:
    """A number of neurons of this shape, ``()`` or ``(n,)``, float64 that holds a float32 exactly.

    It is spread over the neurons as torch does, so that one per channel is ``(channels, 1, 1)``.
    """
    tensor = torch.as_tensor(data).detach().cpu()
    if tensor.is_floating_point() and tensor.dtype != torch.float32:
        raise NetworkError("not float32", where=f"{where}.{key}", got=str(tensor.dtype))
    array = tensor.to(torch.float32).numpy().astype(np.float64)
    if array.size == 1:
        return array.reshape(())
    try:
        return np.broadcast_to(array, (1, *shape)).reshape(math.prod(shape))
    except ValueError:
        raise NetworkError("wrong shape", where=f"{where}.{key}", got=tuple(tensor.shape),
                           allowed=f"one value, or one per neuron: {shape}") from None  # fmt: skip


def read_decay(where: str, key: str, data: Any, shape: Shape) -> Array:
    """A number like :func:`read` that is a decay per step."""
    decay = read(where, key, data, shape)
    fine = (decay == 0) | ((decay >= MIN_DECAY) & (decay <= 1))
    if not np.all(fine):
        raise NetworkError("decay out of range", where=f"{where}.{key}",
                           got=float(decay[~fine][0] if decay.ndim else decay),
                           allowed="0, or 2**-24 to 1 (snnTorch clips to 0..1)")  # fmt: skip
    return decay


def lowered_decay(tau: Array | float, dt: float) -> Array:
    """The float32 decay that lowering (method exponential) gives a time constant."""
    return np.asarray(1 + np.expm1(-dt / np.asarray(tau, np.float64)), np.float32)


def time_constant(
    decay: Array, dt: float, used: Callable[[Array], Array] = lambda tau: tau
) -> Array:
    """Time constants so that ``used(tau)`` lowers to the float32 decays, which lie in 0..1."""
    wanted = np.asarray(decay, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = -dt / np.log(wanted.astype(np.float64))
        tau = np.where(wanted == 0, dt * _NONE, np.where(wanted == 1, dt * _FOREVER, tau))
        for _ in range(64):
            found = lowered_decay(used(tau), dt)
            if np.array_equal(found, wanted):
                return tau
            toward = np.where(found < wanted, np.inf, 0.0)
            tau = np.where(found == wanted, tau, np.nextafter(tau, toward))
    raise AssertionError(f"no time constant gives {wanted[found != wanted]}")


def membrane(beta: Array, dt: float) -> tuple[Array, Array]:
    """(C in F, g_L in S) with decay ``beta`` and a gain of one volt per ampere and step."""
    tau = time_constant(beta, dt, lambda tau: tau * -np.expm1(-dt / tau) / -np.expm1(-dt / tau))
    leak = np.where(beta == 1, 0.0, -np.expm1(-dt / tau))
    return np.where(beta == 1, dt, tau * leak), leak
