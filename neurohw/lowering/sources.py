"""Drivers and relays: the same nodes on every target, so that all hear the same spikes."""

from __future__ import annotations

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import Poisson, Regular, SpikeArray, SpikeTimes, Waveform
from neurohw.network.drivers import DriverModel
from neurohw.program import BOOL, F64, Builder, Int, Population, Value

from .report import Log, worst
from .waveforms import Clock, waveform_value

__all__ = ["lower_driver", "lower_relay"]

_COUNT, _CHANCE = Int(32), Int(34)
SILENT = 2**31 - 1


def lower_driver(name: str, driver: DriverModel, dt: float, log: Log) -> Population:
    """Population of a driver."""
    b = Builder(name, driver.size)
    if isinstance(driver, Regular):
        _regular(b, driver, dt, log)
    elif isinstance(driver, Poisson):
        b.spike(b.compare("lt", b.word("poisson"), _chance(b, driver, dt, log)))
    elif isinstance(driver, SpikeTimes):
        steps = [np.rint(t / dt).astype(np.int64) for t in driver.times]
        pairs = {(int(s), i) for i, train in enumerate(steps) for s in train}
        lost = sum(map(len, steps)) - len(pairs)
        if lost:
            log.warnings.append(f"{name}: {lost} spikes fall into a step that already holds one")
        b.spike(b.external("spikes", BOOL, np.array(sorted(pairs), np.int64).reshape(-1, 2)))
    else:
        assert isinstance(driver, SpikeArray)
        events = None if driver.events is None else np.stack(driver.events, axis=1)
        b.spike(b.external("spikes", BOOL, events))
    return b.build()


def _chance(b: Builder, driver: Poisson, dt: float, log: Log) -> Value:
    """Chance of a spike in the step, in units of 2**-32, nearest, halves to even."""
    rate = driver.rate
    moving = isinstance(rate, Waveform)
    low, high = rate.limits() if moving else (0.0, np.asarray(rate, np.float64))
    chance = high * dt
    if np.any(chance > 1):
        raise LoweringError(
            "more than one spike per step",
            where=f"{b.name}.rate",
            got=f"{float(np.max(high)):g} Hz at dt = {dt:g} s",
            allowed=f"<= {1 / dt:g} Hz",
            origin=driver.origin.place,
        )
    bound = np.rint(chance * 2**32).astype(np.int64)
    note = "the highest" if moving else ""
    log.rows.append(worst(f"{b.name}.rate", high, bound / 2.0**32 / dt, "Hz", note))
    if not moving:
        return b.value_or_param("chance", _CHANCE, bound)

    now = waveform_value(b, Clock(b), rate, "rate", F64, dt, dt * 2**32, log)
    if low < 0:  # no word is below a negative chance
        log.warnings.append(f"{b.name}.rate: the sine goes below 0 Hz, where it counts as 0")
    return b.cast(now, _CHANCE, rounding="half_even", overflow="saturate")


def _regular(b: Builder, driver: Regular, dt: float, log: Log) -> None:
    """A counter: spike at zero, then start again from period - 1."""
    wanted = np.broadcast_to(np.asarray(driver.period, np.float64), (driver.size,))
    silent = ~np.isfinite(wanted)
    period = np.where(silent, 1, np.rint(np.where(silent, dt, wanted) / dt)).astype(np.int64)
    if np.any(period < 1):
        raise LoweringError(
            "more than one spike per step",
            where=f"{b.name}.period",
            got=f"{float(wanted.min()):g} s",
            allowed=f">= {dt:g} s",
            origin=driver.origin.place,
        )
    start = np.rint(np.asarray(driver.start, np.float64) / dt).astype(np.int64)
    left = b.state("left", _COUNT, np.where(silent, SILENT, start))
    again = b.value_or_param("again", _COUNT, period - 1)
    zero = b.compare("le", left, b.const(0, _COUNT))
    down = b.sub(left, b.const(1, Int(2)), _COUNT, overflow="saturate")
    b.write("left", b.select(zero, again, down))
    b.spike(zero)
    if not silent.all():
        log.rows.append(worst(f"{b.name}.period", wanted[~silent], period[~silent] * dt, "s"))


def lower_relay(name: str, size: int) -> Population:
    """A spike whenever at least one arrives."""
    b = Builder(name, size)
    b.spike(b.compare("gt", b.port("in", _COUNT, "saturate"), b.const(0, _COUNT)))
    return b.build()
