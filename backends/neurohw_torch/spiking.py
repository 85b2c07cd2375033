"""Chains of ``nn.Linear, snntorch.Leaky | snntorch.Synaptic``: running one, reading one.

Reading checks that nothing is there that only snnTorch knows; the network side of a conversion is
in :mod:`neurohw_torch.convert`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from snntorch import Leaky, Synaptic
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor, nn

from neurohw.errors import NetworkError

__all__ = [
    "MIN_DECAY",
    "Neuron",
    "SpikingNet",
    "chain",
    "read",
    "read_decay",
    "lowered_decay",
    "membrane",
    "refuse",
    "time_constant",
]

Array = np.ndarray
Neuron = Leaky | Synaptic
MIN_DECAY = 2.0**-24
"""Smallest decay above 0: with less, ``1 - (1 - decay)`` in float64 no longer gives the float32."""
_NONE, _FOREVER = 2.0**-10, 2.0**40  # time constants in steps, of decays 0 and 1
_STATE_FUNCTIONS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}


class SpikingNet(nn.Module):
    """Layers of ``(nn.Linear, Leaky | Synaptic)``, run over time from a state of zeros.

    Parameters
    ----------
    layers : sequence of (nn.Linear, Leaky or Synaptic)

    Attributes
    ----------
    layers : nn.ModuleList
        The pairs, each an nn.ModuleList. Weights and biases are parameters; decays and thresholds
        are buffers, as snnTorch has them unless they are to be learned.
    """

    def __init__(self, layers: Sequence[tuple[nn.Linear, Neuron]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList(pair) for pair in layers)

    def forward(self, spikes: Tensor) -> list[Tensor]:
        """Spikes of every layer, each ``[T, B, n_l]``, for input spikes ``[T, B, n]``."""
        recorded = []
        for linear, neuron in self.layers:  # type: ignore[misc]
            zeros = spikes.new_zeros(spikes.shape[1], linear.out_features)
            state = [zeros] * (2 if isinstance(neuron, Synaptic) else 1)
            out = []
            for current in spikes:
                fired, *state = neuron(linear(current), *state)
                out.append(fired)
            spikes = torch.stack(out)
            recorded.append(spikes)
        return recorded


def _leaves(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, nn.Linear | SpikingNeuron):
        yield path, module
        return
    children = list(module.named_children())
    if not children and not isinstance(module, nn.Sequential | nn.ModuleList):
        raise NetworkError("a network cannot express this module", where=path or "module",
                           got=type(module).__name__,
                           allowed="Linear, Leaky, Synaptic")  # fmt: skip
    for name, child in children:
        yield from _leaves(child, f"{path}.{name}" if path else name)


def chain(module: nn.Module) -> Iterator[tuple[str, nn.Linear, Neuron]]:
    """(path, linear map, neurons) of each layer, in the order in which they are registered."""
    linear: nn.Linear | None = None
    path = ""
    for path, part in _leaves(module, ""):
        wanted = "Linear" if linear is None else "Leaky or Synaptic"
        if linear is None and type(part) is nn.Linear:
            linear = part
        elif linear is not None and type(part) in (Leaky, Synaptic):
            yield path, linear, part  # type: ignore[misc]
            linear = None
        else:
            raise NetworkError("a network cannot express this module here", where=path or "module",
                               got=type(part).__name__, allowed=wanted)  # fmt: skip
    if linear is not None:
        raise NetworkError("a Linear without neurons", where=path or "module",
                           fix="put Leaky or Synaptic after it")  # fmt: skip


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


def read(where: str, key: str, data: Any, size: int) -> Array:
    """A number of a neuron, ``()`` or ``(size,)``, float64 that holds a float32 exactly."""
    tensor = torch.as_tensor(data).detach().cpu()
    if tensor.is_floating_point() and tensor.dtype != torch.float32:
        raise NetworkError("not float32", where=f"{where}.{key}", got=str(tensor.dtype))
    if tensor.numel() != 1 and tuple(tensor.shape) != (size,):
        raise NetworkError("wrong shape", where=f"{where}.{key}", got=tuple(tensor.shape),
                           allowed=f"one value, or one per neuron: ({size},)")  # fmt: skip
    array = tensor.to(torch.float32).numpy().astype(np.float64)
    return array.reshape(()) if array.size == 1 else array


def read_decay(where: str, key: str, data: Any, size: int) -> Array:
    """A number like :func:`read` that is a decay per step."""
    decay = read(where, key, data, size)
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
