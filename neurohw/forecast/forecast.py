"""What a target will do to a network: errors of every parameter, and what follows from them.

The forecast lowers the network twice, onto ``float64`` with the same method and onto the target,
and compares what the two programs compute with. Nothing is run. That a population will be silent
is a bound, not a guess: even if every source that can fire fires in every step, its potential stays
below the threshold. Rates are those of the mean input, without fluctuations, by the rules of the
target's record: when input arrives, what a spike does, how many there may be in a step.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from neurohw.lowering import Lowered, LoweringReport, lower
from neurohw.lowering.part import most_spikes
from neurohw.lowering.report import WeightErrors
from neurohw.lowering.wires import Wire, wires_of
from neurohw.network import Network, Poisson, PooledPoisson, Regular, Relay
from neurohw.network.order import sources_first
from neurohw.network.waveforms import Waveform
from neurohw.targets import Target, load_target

from .drive import Inputs, Neurons, expected, inputs_of, neurons_of, strongest
from .findings import Finding, of_latency, of_layer, of_registers
from .rejected import Rejected, rejected

__all__ = ["Forecast", "Layer", "forecast"]

LEVELS = (1.2, 1.5, 2.0, 3.0, 5.0)
"""Constant currents, in units of the one that just reaches the threshold, of the f-I error."""


@dataclass(frozen=True)
class Layer:
    """A population as asked for and as it will be.

    Attributes
    ----------
    zeroed : float
        Share of its incoming weights that round to zero, of those that are not zero.
    lost : mapping
        Connection -> the same share of its weights, where it is not 0.
    weight_error, threshold_error, tau_error, tau_syn_error : float
        Relative: root mean square over the weights; largest over the neurons.
    fi_error : float
        Largest relative error of the rate at constant currents; NaN if not a linear neuron.
    rate_asked, rate : float
        Hz, of the mean input; NaN if it is not known.
    silent : bool
        It cannot fire; ``silent_asked``: it could not in float64 either.
    """

    population: str
    size: int
    zeroed: float
    lost: Mapping[str, float]
    weight_error: float
    threshold_error: float
    tau_error: float
    tau_syn_error: float
    fi_error: float
    rate_asked: float
    rate: float
    silent: bool
    silent_asked: bool


@dataclass(frozen=True, eq=False)
class Forecast:
    """Layers, findings, and the choices behind them with those that were rejected."""

    network: str
    target: str
    dt: float
    layers: tuple[Layer, ...]
    findings: tuple[Finding, ...]
    report: LoweringReport
    rejected: tuple[Rejected, ...] = ()
    unknown: tuple[str, ...] = ()
    """Populations that nothing is forecast of: their step is not that of a linear neuron."""

    def layer(self, population: str) -> Layer:
        """By name."""
        return next(x for x in self.layers if x.population == population)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = [{k: _finite(v) for k, v in asdict(x).items()} for x in self.layers]
        return {
            "network": self.network,
            "target": self.target,
            "dt": self.dt,
            "layers": plain,
            "findings": [asdict(f) for f in self.findings],
            "lowering": self.report.as_dict(),
            "rejected": [asdict(x) for x in self.rejected],
            "unknown": list(self.unknown),
        }


def _finite(x: Any) -> Any:
    return None if isinstance(x, float) and not math.isfinite(x) else x


def forecast(
    network: Network,
    target: Target | str | os.PathLike[str],
    *,
    dt: float,
    method: str = "",
    seed: int = 0,
    rates: Mapping[str, float] | None = None,
) -> Forecast:
    """Say what a target will do to a network.

    Parameters
    ----------
    target : Target or str
        A record, its name or path.
    dt : float
        Step in seconds.
    rates : mapping, optional
        Mean rate in Hz of drivers whose spikes come from outside.

    Raises
    ------
    LoweringError
        If the target cannot express the network.
    """
    record = target if isinstance(target, Target) else load_target(target)
    method = method or record.methods[0]
    held = lower(network, record, dt=dt, method=method, seed=seed)
    # not every target has what another one records
    asked = lower(network.unprobed(), "float64", dt=dt, method=method, seed=seed)
    models = {d.name: d.model for d in network.drivers}
    wires = [w for c in network.connections for w in wires_of(c, dt, models.get(c.source))]
    spikes = _spikes(network, dt, rates or {})
    sides = [_side(network, x, r, wires, spikes, seed)
             for x, r in ((asked, load_target("float64")), (held, record))]  # fmt: skip
    layers, findings, unknown = [], [], []
    for p in network.populations:
        a, h = (s.get(p.name) for s in sides)
        if a is None or h is None:
            unknown += [] if isinstance(p.model, Relay) else [p.name]
            continue
        mine = {w.where: held.report.weights[w.where] for w in wires
                if w.target == p.name and w.where in held.report.weights}  # fmt: skip
        layer = _layer(p.name, a, h, mine, dt)
        layers.append(layer)
        findings += of_layer(layer)
    findings += of_latency(held)
    for name, x in sides[1].items():
        scale = held.numbers.scales.get(name)
        if x.arriving is not None and scale:
            current = float(np.max(np.abs(x.arriving))) * scale
            below = -float(np.min(x.neurons.highest(x.arriving))) * scale
            findings += of_registers(name, current, below, record)
    return Forecast(
        network.name, record.name, dt, tuple(layers), tuple(findings), held.report,
        rejected(held, wires, record), tuple(unknown),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Population:
    neurons: Neurons
    inputs: list[Inputs]
    silent: bool
    arriving: np.ndarray | None  # mean drive, volts per step
    spikes: float  # mean per neuron and step; NaN if not known


def _spikes(network: Network, dt: float, rates: Mapping[str, float]) -> dict[str, float]:
    """Mean spikes per source, train and step of the drivers that are known."""
    out = {}
    for d in network.drivers:
        rate = rates.get(d.name)
        if rate is None and isinstance(d.model, Poisson | PooledPoisson | Regular):
            rate = None if isinstance(d.model.rate, Waveform) else float(np.mean(d.model.rate))
        if rate is not None:
            out[d.name] = min(rate * dt, 1.0)
    return out


def _side(
    network: Network, lowered: Lowered, record: Target, wires: list[Wire],
    spikes: dict[str, float], seed: int,
) -> dict[str, _Population]:  # fmt: skip
    """Every linear population of one lowering: whether it can fire, and how often it will."""
    models = {p.name: p for p in network.populations}
    drivers = {d.name for d in network.drivers}
    most = {n: most_spikes(n, wires, drivers, record) for n in models}
    graded = {w.target for w in wires if w.graded}  # what V brings is not counted in spikes
    wires = [w for w in wires if not w.graded]
    inputs, dt = inputs_of(wires, lowered, most), lowered.report.dt
    neurons = {
        n: neurons_of(p, lowered.numbers, record, dt, inputs.get(n, []), most[n], seed)
        if n not in graded else None
        for n, p in models.items()
    }  # fmt: skip
    active = {d.name for d in network.drivers if spikes.get(d.name) != 0.0}
    while True:  # whoever can be lifted by those who can fire can fire
        more = {
            n
            for n, p in models.items()
            if n not in active
            and ((x := neurons[n]) is None or p.noise or p.currents or _can_fire(
                x, strongest(inputs.get(n, []), x, active), p))
        }  # fmt: skip
        if not more:
            break
        active |= more
    out: dict[str, _Population] = {}
    mean = dict(spikes)
    names = [p.name for p in (*network.drivers, *network.populations)]
    order = sources_first(names, [(c.source, c.target) for c in network.connections])
    for n in sorted(models, key=order.__getitem__):
        x = neurons[n]
        if x is None:
            continue
        arriving = expected(inputs.get(n, []), x, mean)
        count = np.nan
        if arriving is not None and not models[n].currents:
            count = float(np.mean(x.rate(arriving)))
            mean[n] = count
        out[n] = _Population(x, inputs.get(n, []), n not in active, arriving, count)
    return out


def _can_fire(x: Neurons, arriving: np.ndarray, p: Any) -> bool:
    start = np.asarray(p.model.start(p.model.values)["V"]) - np.asarray(p.model.values["V_reset"])
    return bool(np.any(x.highest(arriving) >= x.threshold) or np.any(start >= x.threshold))


def _layer(
    name: str, a: _Population, h: _Population, weights: Mapping[str, WeightErrors], dt: float
) -> Layer:
    summed = {k: w.summary() for k, w in weights.items()}
    pairs = [(int(np.count_nonzero(w.asked)), summed[k]) for k, w in weights.items()]
    count = sum(n for n, _ in pairs)
    square = sum(n * s["rms_error"] ** 2 for n, s in pairs)
    x, y = a.neurons, h.neurons
    return Layer(
        name,
        len(x.bias),
        sum(s["rounded_to_zero"] for s in summed.values()) / count if count else 0.0,
        {
            k: s["rounded_to_zero"] / n
            for (n, s), k in zip(pairs, summed, strict=True)
            if s["rounded_to_zero"]
        },
        float(np.sqrt(square / count)) if count else 0.0,
        _largest(y.threshold, x.threshold),
        _largest(_tau(y.keep_v), _tau(x.keep_v)),
        _largest(_tau(y.keep_u), _tau(x.keep_u)),
        _fi_error(x, y),
        a.spikes / dt,
        h.spikes / dt,
        h.silent,
        a.silent,
    )


def _tau(keep: np.ndarray) -> np.ndarray:
    """Time constant in steps of the exact decay."""
    with np.errstate(divide="ignore"):
        tau = -1 / np.log(np.clip(keep, 1e-300, 1))
    return np.where(keep <= 0, 0.0, np.where(keep >= 1, np.inf, tau))


def _largest(held: np.ndarray, asked: np.ndarray) -> float:
    """Relative error with the largest magnitude."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(held == asked, 0.0, held / asked - 1)
    i = int(np.argmax(np.abs(np.nan_to_num(error, nan=0.0, posinf=1e300))))
    return float(error.flat[i])


def _fi_error(x: Neurons, y: Neurons) -> float:
    """Of the rate at constant currents; the same volts per step go into both."""
    level = np.array(LEVELS)[:, None]
    leaky = np.maximum(level * x.threshold * (1 - x.keep_v), 1e-300)
    drive = np.where(x.keep_v < 1, leaky, level * x.threshold / 100)
    n, m = (k.rate(drive - k.bias, jumps=False) for k in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(n > 0, m / n - 1, 0.0)
    return float(error.flat[np.argmax(np.abs(error))])
