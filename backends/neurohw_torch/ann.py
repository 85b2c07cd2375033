"""Trained networks of ReLUs as networks of integrate-and-fire neurons.

A neuron that integrates a constant current and takes its threshold off at every spike fires at the
rate ``min(max(a, 0) / threshold, 1)`` per step, within one spike: a ReLU of its input a (Cao et al.
2015). So each ReLU becomes a population and each chain of linear modules a connection. Rates end at
one spike per step; the threshold of a layer is therefore an activation that data seldom exceed,
its percentile over given samples (Diehl et al. 2015; Rueckauer et al. 2017, section 2.2.2, doi
10.3389/fnins.2017.00682). There weights are divided by the scale of their layer and multiplied by
that of the layer before, with all thresholds 1; here one volt is one unit of activation, V_th is
the scale, and weights are multiplied by what a spike of the layer before stands for: the same
network, in which numbers keep their unit and ``rate * V_th`` is the activation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from neurohw.errors import NetworkError
from neurohw.network import LIF, AnalogInput, Delta, Network, Origin, SpikeArray
from neurohw_torch.linear import NOTHING, Map, Part, leaves, linear_map, times

__all__ = ["network_from_ann", "spike_code"]

Array = np.ndarray


def network_from_ann(
    module: nn.Sequential,
    data: Array | Tensor,
    *,
    dt: float,
    percentile: float = 99.9,
    steps: int = 1000,
    inputs: Literal["analog", "spikes"] = "analog",
    reset: Literal["subtract", "to"] = "subtract",
    rate: float = 1.0,
    name: str = "ann",
) -> Network:
    """The network of integrate-and-fire neurons of a trained chain of ReLU layers.

    Parameters
    ----------
    module : nn.Sequential
        Of Linear, Conv2d, AvgPool2d, Flatten, Identity, Dropout (as in evaluation) and ReLU; the
        last layer is linear.
    data : array [samples, ...]
        Samples as the module takes them, from which the scales of the layers follow.
    dt : float
        Step in s, > 0; lower with the same.
    percentile : float
        Of a layer's activations above 0, in 0..100: the activation that is a neuron's highest
        rate. 100 cuts nothing of `data`, and leaves low rates if a few activations are large.
    steps : int
        For how long an input is shown at most: the readout's V has room for twice the largest
        output that `data` give in so many steps.
    inputs : {"analog", "spikes"}
        Driver ``input`` is an AnalogInput, given the sample in every step, or a SpikeArray, given
        its :func:`spike_code`; for chips, whose synapses add integers. Then `data` lie in 0..1.
    reset : {"subtract", "to"}
        What a spike does. ``"to"`` zero loses what lay above the threshold, a share of up to `rate`
        of an activation, and is all that some chips have.
    rate : float
        Spikes per step at the scale of a layer, in 0..1.
    name : str
        Of the network.

    Returns
    -------
    Network
        Populations ``layer1``, ``layer2``... for the ReLUs: spikes per step times V_th is the
        activation. Population ``readout`` does not spike; after n steps its V, which is probed, is
        n times the output of the module (volts).

    Raises
    ------
    NetworkError
        A module or a number that does not fit; it is named.
    """
    for key, got, fine, allowed in (
        ("dt", dt, np.isfinite(dt) and dt > 0, "> 0 s"),
        ("percentile", percentile, 0 < percentile <= 100, "above 0, up to 100"),
        ("steps", steps, steps >= 1, "at least 1"),
        ("inputs", inputs, inputs in ("analog", "spikes"), "analog or spikes"),
        ("reset", reset, reset in ("subtract", "to"), "subtract or to"),
        ("rate", rate, 0 < rate <= 1, "above 0, up to 1"),
    ):
        if not fine:
            raise NetworkError("not possible", where=f"{name}.{key}", got=got, allowed=allowed)
    x = _samples(data, inputs == "spikes", name)
    shape = tuple(x.shape[1:])
    driver = AnalogInput if inputs == "analog" else SpikeArray
    net = Network(name)
    source, worth = net.driver("input", driver(size=math.prod(shape))).name, 1.0
    for number, (parts, last) in enumerate(_layers(module), start=1):
        layer = "readout" if last else f"layer{number}"
        made = linear_map(parts, shape, layer)
        x = _through(parts, x)
        if last:
            top = 2 * steps * max(float(x.abs().max()), 1e-30)
        else:
            x = x.clamp(min=0)
            top = _scale(x, percentile) / rate
        _add(net, layer, source, made, worth, top, reset, dt)
        source, worth, shape = layer, top, made.shape
    net.probe("readout", "v")
    return net


def spike_code(data: Array | Tensor, steps: int) -> Array:
    """Spike trains whose rates are intensities, without randomness.

    Parameters
    ----------
    data : array [samples, ...]
        Spikes per step, 0..1.
    steps : int

    Returns
    -------
    bool array [steps, samples, size]
        Elements of a sample in C order. In any number of first steps an element has spiked within
        one of its share; elements begin at different phases.
    """
    x = _samples(data, True, "spike_code").numpy().astype(np.float64).reshape(len(data), -1)
    phase = (np.arange(x.shape[1]) * 0.6180339887498949) % 1  # golden ratio: spread in time
    out = np.zeros((steps, *x.shape), np.bool_)
    before = np.floor(phase + 0 * x)
    for t in range(steps):
        now = np.floor(phase + (t + 1) * x)
        out[t], before = now > before, now
    return out


def _samples(data: Array | Tensor, shares: bool, name: str) -> Tensor:
    x = torch.tensor(np.array(data), dtype=torch.float32)
    if x.ndim < 2 or not x.numel():
        raise NetworkError("not samples", where=f"{name}.data", got=tuple(x.shape),
                           allowed="[samples, ...], at least one")  # fmt: skip
    low, high = float(x.min()), float(x.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NetworkError("not finite", where=f"{name}.data", got=low)
    if shares and (low < 0 or high > 1):
        raise NetworkError("an intensity is spikes per step", where=f"{name}.data",
                           got=low if low < 0 else high, allowed="0..1")  # fmt: skip
    return x


def _layers(module: nn.Module) -> Iterator[tuple[list[Part], bool]]:
    """(linear modules of a layer, whether it is the last one, without a ReLU)."""
    for path, part in module.named_modules():
        if list(part.children()) and type(part) is not nn.Sequential:
            raise NetworkError("what this module computes is not known", where=path or "module",
                               got=type(part).__name__, allowed="Sequential")  # fmt: skip
    parts: list[Part] = []
    where = "module"
    for where, part in leaves(module, "", (nn.ReLU,), "ReLU"):
        if type(part) is nn.ReLU:
            if not parts:
                raise NetworkError("a ReLU without a linear map before it", where=where)
            yield parts, False
            parts = []
        elif type(part) not in NOTHING:
            parts.append((where, part))
    if not parts:
        raise NetworkError("no linear layer at the end", where=where, allowed="a readout that does "
                           "not spike", fix="leave out the last ReLU")  # fmt: skip
    yield parts, True


@torch.no_grad()
def _through(parts: list[Part], x: Tensor) -> Tensor:
    for _, part in parts:
        x = part(x)
    return x


def _scale(x: Tensor, percentile: float) -> float:
    """The percentile of the activations above 0; 1 if there is none."""
    above = x.numpy()[x.numpy() > 0]
    return float(np.percentile(above.astype(np.float64), percentile)) if above.size else 1.0


def _add(
    net: Network,
    layer: str,
    source: str,
    made: Map,
    worth: float,
    top: float,
    reset: Literal["subtract", "to"],
    dt: float,
) -> None:
    """A population and what it hears; a spike of the source stands for `worth`."""
    origin = Origin(owner=layer)
    bias = 0.0 if made.bias is None else made.bias
    model = LIF(size=math.prod(made.shape), C=dt, g_L=0.0, V_th=top, I_bias=bias, reset=reset,
                origin=origin)  # fmt: skip
    net.population(layer, model, origin=origin)
    alone = made.weight is None
    weight = worth if made.weight is None else times(made.weight, worth)
    net.connect(source, layer, Delta(weight=weight, origin=origin), origin=origin,
                connectivity="one_to_one" if alone else None)  # fmt: skip
