"""From the physics of a population to integers that have units: nothing is scaled, all is rounded.

For targets whose voltages and currents are fixed-point numbers in millivolts and nanoamperes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Int

from .chip import ChipInput, ChipLIF, chip_population
from .common import refractory_period, refuse_cell, refuse_reset
from .fixed import report_weights
from .neuron import Membrane
from .part import Outcome, Part
from .report import Row, worst
from .scale import Mantissas, fan_in
from .wires import Wire, single

__all__ = ["lower_units"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class _Side:
    """Weights of one sign of one wire: magnitudes in units of the current."""

    wire: Wire
    at: int
    sign: int
    units: Array


def lower_units(part: Part, m: Membrane) -> Outcome:
    """Lower a linear population, whose numbers are ``m``, to a closed form in fixed units."""
    name, target = part.name, part.target
    refuse_reset(part, m.kind)
    refuse_cell(part, m)
    if part.method != "exponential":
        raise ValueError("the closed form is the exponential method")
    volt, ampere = target.voltage.unit, target.current.unit
    places = target.voltage.fraction_bits
    bias = np.asarray(part.p["I_bias"], np.float64)
    ohm = m.pull / -m.rate
    rest = m.bias / m.leak - ohm * bias + m.origin

    def held(field: str, asked: Array, unit: float, name_of_unit: str) -> Array:
        """An asked number in whole units, with a row in the report."""
        whole = np.rint(np.asarray(asked) / unit)
        word = Int(target.voltage.bits)
        if np.any(whole > word.hi) or np.any(whole < word.lo):
            raise LoweringError(
                f"{target.name} cannot hold the number",
                where=f"{name}.{field}",
                got=f"{float(np.max(np.abs(asked))):g} {name_of_unit}",
                allowed=f"{word.lo * unit:g}..{word.hi * unit:g} {name_of_unit}",
                origin=part.neuron.origin.place,
            )
        note = f"in units of {unit:g} {name_of_unit}"
        part.log.rows.append(worst(f"{name}.{field}", asked, whole * unit, name_of_unit, note))
        return whole.astype(np.int64)

    keep = np.rint(np.exp(-part.dt / m.tau) * 2**places).astype(np.int64)
    i = int(np.argmax(np.abs(keep / 2**places - (1 - m.leak))))
    with np.errstate(divide="ignore"):
        tau = -part.dt / np.log(keep / 2**places)
    row = Row(f"{name}.tau", float(np.broadcast_to(m.tau, keep.shape).flat[i]),
              float(tau.flat[i]), "s", f"factor {int(keep.flat[i])}/{2**places}")  # fmt: skip
    part.log.rows.append(row)
    threshold = held("V_th", m.threshold + m.origin, volt, "V")
    currents = _Currents(part)
    chip = ChipLIF(
        name=name,
        size=part.neuron.size,
        keep_u=currents.keep,
        keep_v=keep,
        shares=currents.shares,
        shifts=currents.shifts,
        signs=(1, -1),
        inputs=currents.inputs(part),
        resistance=held("R", ohm, volt / ampere / 2**places, "ohm"),
        rest=held("E_L", rest, volt, "V"),
        bias=held("I_bias", bias, ampere, "A") if np.any(bias) else 0,
        threshold=threshold,
        reset=held("V_reset", m.reset + m.origin, volt, "V"),
        v_init=held("V_init", m.init + m.origin, volt, "V"),
        period=refractory_period(name, m.blocked, m.jitter, target, part.dt, part.log),
    )
    part.log.origins[name] = 0.0
    part.log.numbers |= {
        ("decay_v", name): keep / 2**places,
        ("threshold", name): threshold * volt,
        ("bias", name): m.bias + m.leak * m.origin,
        ("gain", name): m.gain,
    }
    if len(currents.heard) == 1:  # one decay for all that is heard
        ((keep_u, share),) = currents.heard
        part.log.numbers["decay_u", name] = np.asarray(keep_u / currents.one)
        part.log.numbers["gain", name] = m.gain * (share / currents.one)
    population, edges, watches = chip_population(chip, target)
    probes = {
        "v": ("v", volt, 0.0, "V"),
        "v_pre": ("v_pre", volt, 0.0, "V"),
        "u": ("u", ampere, 0.0, "A"),
        "refractory": ("refractory", part.dt, 0.0, "s"),
    }
    if chip.period is None:
        del probes["refractory"]
    return population, edges, probes, watches


class _Currents:
    """Excitation and inhibition: decay, share and shift of each, and the weights."""

    def __init__(self, part: Part) -> None:
        rule, dt = part.target.current, part.dt
        self.one = 2**rule.decay_bits
        self._sides = [s for i, w in enumerate(part.wires) for s in _sides(i, w, rule.unit)]
        keep, shares, shifts = [], [], []
        for sign, word in ((1, "excitatory"), (-1, "inhibitory")):
            mine = [s for s in self._sides if s.sign == sign]
            taus = sorted({s.wire.tau for s in mine if s.wire.tau is not None})
            where = f"{part.name}.tau_syn ({word})"
            if len(taus) > 1:
                raise LoweringError(
                    f"{part.target.name} has one {word} time constant per neuron",
                    where=where,
                    got=", ".join(f"{t:g} s" for t in taus),
                    allowed="one",
                    fix="use one synapse model for all inputs of one sign",
                )
            decay = np.exp(-dt / taus[0]) if taus else 0.0
            keep.append(min(round(decay * self.one), self.one - 1))
            steps = round(taus[0] / dt * 2**15) if taus else 0
            shares.append(min(steps * (self.one - 1 - keep[-1]) >> 15, self.one - 1))
            shifts.append(self._shift(part, mine, word))
            if taus:
                realised = float(-dt / np.log(keep[-1] / self.one))
                note = f"factor {keep[-1]}/{self.one}"
                part.log.rows.append(Row(where, taus[0], realised, "s", note))
        self.keep, self.shares, self.shifts = tuple(keep), tuple(shares), tuple(shifts)
        self.heard = {(keep[s.sign < 0], shares[s.sign < 0]) for s in self._sides}

    def _shift(self, part: Part, mine: list[_Side], word: str) -> int:
        """The smallest shift with which weights, and those that may arrive together, fit."""
        top = 2.0**part.target.current.input_bits - 1
        largest = max((float(np.max(s.units)) for s in mine if s.units.size), default=0.0)
        together = fan_in([s.wire for s in mine], [s.units for s in mine])
        needed = max(largest, together) / top
        shift = max(0, int(np.ceil(np.log2(needed)))) if needed > 0 else 0
        if shift > part.target.weight.exponent_max:
            raise LoweringError(
                "weights too large",
                where=f"{part.name} ({word})",
                got=f"{largest * part.target.current.unit:g} A",
                allowed=f"a left shift of at most {part.target.weight.exponent_max}",
                fix="use smaller weights, or fewer inputs",
            )
        return shift

    def inputs(self, part: Part) -> tuple[ChipInput, ...]:
        """Weights as unsigned integers, those of either sign apart."""
        word = Int(part.target.current.input_bits, False)
        out, held = [], {}
        for s in self._sides:
            k = 0 if s.sign > 0 else 1
            mantissa = np.rint(s.units / 2.0 ** self.shifts[k]).astype(np.int64)
            mantissa = np.minimum(mantissa, part.target.weight.positive_max)
            weights, value = s.wire.build(word, mantissa), s.wire.carries(Int(48))
            out.append(ChipInput(s.wire.source, weights, part.delays[s.at], value=value, current=k))
            held.setdefault(s.at, []).append((s.sign * mantissa, self.shifts[k]))
        for at, parts in held.items():
            w, mantissa = part.wires[at], np.sum([m for m, _ in parts], axis=0)
            units = np.sum([m << shift for m, shift in parts], axis=0)
            realised = units * part.target.current.unit
            sign = "mixed" if len(parts) > 1 else "of one sign"
            shown = Mantissas(max(shift for _, shift in parts), sign, mantissa, units, realised)
            report_weights(w, shown, realised, part.log)
        return tuple(out)


def _sides(at: int, w: Wire, unit: float) -> list[_Side]:
    """A wire's weights of either sign, if there are any."""
    units = np.asarray(single(w.data)) / unit
    out = [_Side(w, at, sign, np.maximum(sign * units, 0.0)) for sign in (1, -1)]
    return [s for s in out if np.any(s.units)]
