"""Drivers and relays: the same nodes on every target, so that all hear the same spikes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import (
    AnalogInput,
    Poisson,
    PooledPoisson,
    Regular,
    SpikeArray,
    SpikeTimes,
    Waveform,
)
from neurohw.network.drivers import DriverModel
from neurohw.program import BOOL, F64, Builder, Float, Int, Population, Value
from neurohw.program.bfloat16 import rounded, short
from neurohw.targets import Target

from .gaps import chance_of_gaps, lower_intervals
from .pooled import count_moving, count_steady
from .report import Log, worst
from .waveforms import Clock, waveform_value

__all__ = ["lower_driver", "lower_relay"]

_COUNT, _CHANCE = Int(32), Int(34)
SILENT = 2**31 - 1


def lower_driver(
    name: str, driver: DriverModel, dt: float, log: Log, target: Target, *, heard: bool
) -> Population:
    """Population of a driver; ``heard`` says whether neurons of the target hear it."""
    b = Builder(name, driver.size)
    real = None if target.fixed else Float(target.number.float_bits)
    if isinstance(driver, Regular):
        _regular(b, driver, dt, log)
    elif isinstance(driver, Poisson) and driver.sampling == "interval":
        _, bound = _chance(b, driver, dt, log, chance_of_gaps)
        lower_intervals(b, bound)
    elif isinstance(driver, Poisson):
        word = b.word("poisson")
        now, bound = _chance(b, driver, dt, log)
        level = b.value_or_param("chance", _CHANCE, bound) if now is None else now
        b.spike(b.compare("lt", word, level))
    elif isinstance(driver, PooledPoisson):
        now, bound = _chance(b, driver, dt, log)
        steady = now is None
        count = count_steady(b, driver, bound) if steady else count_moving(b, driver, now, bound)
        if 0 < (most := target.firing.given) < driver.trains:
            assert isinstance(count.dtype, Int)
            count = b.op("min", count.dtype, count, b.const(most, Int(most.bit_length(), False)))
            log.warnings.append(f"{name}: at most {most} spikes per step on {target.name}")
        b.name_value(count, "count")
        if real is not None and heard:
            number = b.cast(count, real)
            assert isinstance(count.dtype, Int)
            exact = not target.number.bfloat16 or short(count.dtype)
            b.name_value(number if exact else rounded(b, number), f"count_{real}")
    elif isinstance(driver, AnalogInput):
        if real is None:
            raise LoweringError(
                f"{target.name} has no analog input: its synapses add integers",
                where=name,
                got="an AnalogInput",
                allowed="spikes",
                fix="use a float target, or encode the input in spikes",
                origin=driver.origin.place,
            )
        given = b.external("value", real)
        b.name_value(rounded(b, given) if target.number.bfloat16 else given, "value")
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


def _chance(
    b: Builder,
    driver: Poisson | PooledPoisson,
    dt: float,
    log: Log,
    realised: Callable[[np.ndarray], np.ndarray] = lambda bound: bound / 2.0**32,
) -> tuple[Value | None, np.ndarray]:
    """Chance of a spike in the step, in units of 2**-32, nearest, halves to even.

    The nodes of one that moves, else None; and the highest, or the one that there always is.
    ``realised`` says what comes of the chance asked for.
    """
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
    log.rows.append(worst(f"{b.name}.rate", high, realised(bound) / dt, "Hz", note))
    if not moving:
        return None, bound
    now = waveform_value(b, Clock(b), rate, "rate", F64, dt, dt * 2**32, log)
    if low < 0:  # no word is below a negative chance
        log.warnings.append(f"{b.name}.rate: the sine goes below 0 Hz, where it counts as 0")
    return b.cast(now, _CHANCE, rounding="half_even", overflow="saturate"), bound


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
