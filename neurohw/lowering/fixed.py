"""From the physics of a population to the integers of a chip, with every loss written down."""

from __future__ import annotations

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Int
from neurohw.program.philox import NORMAL_FRACTION_BITS

from .chip import ChipInput, ChipLIF, ChipNoise, chip_population
from .common import refractory_period, refuse_cell, refuse_reset
from .floating import realised_tau, weight_gain
from .neuron import Membrane, current_decay
from .part import Outcome, Part
from .refusal import refuse_bias, refuse_weights
from .report import Log, Row, WeightErrors, worst
from .scale import (
    NOISE_EXPONENT_MAX,
    Mantissas,
    bias_field,
    choose_scale,
    decay_of,
    weight_field,
)
from .wires import Wire, single

__all__ = ["lower_fixed", "report_weights"]

Array = np.ndarray


class _Fields:
    """Computes one population's integers; each method adds its rows to the report."""

    def __init__(self, part: Part, m: Membrane) -> None:
        name, wires, target, log = part.name, part.wires, part.target, part.log
        self.part, self.name, self.m, self.wires, self.target = part, name, m, wires, target
        self.dt, self.method, self.log = part.dt, part.method, log
        refuse_reset(part, m.kind)
        refuse_cell(part, m)
        refuse_bias(part, m)
        self.taus = sorted({w.tau or 0.0 for w in wires})
        self.gain = gain = weight_gain(name, m.gain, part.neuron.size)
        self.volts = [
            single(w.data) * w.of_target(gain) if w.tau is not None else single(w.data)
            for w in wires
        ]
        log.choices[name] = choice = choose_scale(name, m, target, wires, self.volts)
        self.scale, said = choice.scale, f"set by {choice.cause}"
        log.rows.append(Row(f"{name}.scale", self.scale, self.scale, "1/V", said))

    def inputs(self, delays: dict[int, int]) -> tuple[ChipInput, ...]:
        """Weights and delays."""
        out, held = [], []
        for i, (w, v) in enumerate(zip(self.wires, self.volts, strict=True)):
            f = weight_field(v, self.scale, self.target)
            held.append((w, f.mantissa))
            gain = w.of_target(self.gain) if w.tau is not None else 1.0
            report_weights(w, f, f.realised / gain, self.log)
            by_sum = self.target.weight.exponent_on == "sum"
            weights = w.build(
                Int(9) if by_sum else Int(self.target.current.input_bits), f.effective
            )
            exponent, value = f.exponent if by_sum else 0, w.carries(Int(48))
            k = self.taus.index(w.tau or 0.0)
            out.append(ChipInput(w.source, weights, delays[i], exponent, value, k))
        refuse_weights(self.part, held)
        return tuple(out)

    def currents(self) -> list[tuple[Array, Array]]:
        """For each current what the step holds of its decay, and the factor that this is."""
        rule, taus = self.target.current, self.taus
        if len(taus) > rule.several:
            raise LoweringError(
                f"{self.target.name} has "
                + ("one synaptic time constant" if rule.several == 1
                   else f"{rule.several} synaptic time constants") + " per neuron",
                where=self.name,
                got=", ".join(f"{t:g} s" if t else "a jump of V" for t in taus),
                allowed="one" if rule.several == 1 else f"at most {rule.several}",
                fix="use one synapse model for all inputs",
            )  # fmt: skip
        out = []
        for k, tau in enumerate(taus or [0.0]):
            where = f"{self.name}.tau_syn{k if len(taus) > 1 else ''}"
            leak = np.asarray(current_decay(tau, self.dt, self.method, where))
            held, lost, note = decay_of(leak, rule, rule.decay_min)
            if tau:
                realised = realised_tau(float(lost), self.dt, self.method)
                self.log.rows.append(Row(where, tau, realised, "s", note(0)))
            out.append((held, 1 - lost))
        return out

    def keep_v(self) -> tuple[Array, Array]:
        """What the step holds of the membrane's decay, and the factor that this is."""
        leak = self.m.leak
        held, lost, note = decay_of(leak, self.target.voltage, 0)
        i = int(np.argmax(np.abs(lost - leak)))
        tau = np.broadcast_to(self.m.tau, lost.shape).flat[i]
        realised = realised_tau(float(lost.flat[i]), self.dt, self.method)
        self.log.rows.append(Row(f"{self.name}.tau", float(tau), realised, "s", note(i)))
        if np.any((lost == 0) & (leak > 0)):
            self.log.warnings.append(
                f"{self.name}: the leak rounds to zero, the membrane never decays"
            )
        return held, 1 - lost

    def threshold(self) -> Array:
        """Mantissa << shift."""
        m, rule = self.m, self.target.threshold
        mantissa = np.rint(m.threshold * self.scale / 2**rule.shift).astype(np.int64)
        top = 2**rule.mantissa_bits - 1
        if np.any(mantissa < 0) or np.any(mantissa > top):
            raise LoweringError(
                "threshold out of range",
                where=f"{self.name}.V_th",
                got=mantissa.tolist(),
                allowed=f"mantissa 0..{top}",
            )
        whole = mantissa << rule.shift
        self.log.rows.append(
            worst(
                f"{self.name}.V_th",
                m.threshold + m.origin,
                whole / self.scale + m.origin,
                "V",
                f"mantissa {int(mantissa.max())}",
            )
        )
        return whole

    def lowest(self) -> int | None:
        """Lower limit of ``v``, where the target has one of its own."""
        floor = self.target.firing.floor
        if not np.isfinite(floor):
            return None
        top = float(np.max(self.m.threshold)) * self.scale
        low = round(floor * top)
        self.log.rows.append(
            Row(f"{self.name}.floor", floor * top / self.scale, low / self.scale, "V")
        )
        return max(low, -(2 ** (self.target.voltage.bits - 1)))

    def bias(self) -> Array:
        """Mantissa << exponent."""
        whole, mantissa, exponent = bias_field(self.m.bias, self.scale, self.target)
        if np.any(self.m.bias):
            largest = int(mantissa.flat[np.argmax(np.abs(mantissa))])
            self.log.rows.append(
                worst(
                    f"{self.name}.bias",
                    self.m.bias,
                    whole / self.scale,
                    "V/step",
                    f"mantissa {largest}, exponent {exponent}",
                )
            )
        if np.any((whole == 0) & (self.m.bias != 0)):
            self.log.warnings.append(f"{self.name}: the bias rounds to zero")
        return whole

    def noise(self) -> tuple[ChipNoise, ...]:
        """Noise by the target's rules; ``lower`` has refused what it cannot carry."""
        out = []
        for kind, sigma in (
            ("additive", self.m.additive),
            ("multiplicative", self.m.multiplicative),
        ):
            if sigma is not None and np.any(sigma):
                uniform = getattr(self.target.noise, kind) == "uniform8"
                out.append(self._uniform8(sigma) if uniform else self._normal(kind, sigma))
        return tuple(out)

    def _uniform8(self, sigma: Array) -> ChipNoise:
        if np.ptp(sigma):
            raise LoweringError(
                "one noise level per population",
                where=f"{self.name}.noise",
                got=sigma.tolist(),
                allowed="the same sigma for all neurons",
            )
        units = float(np.max(sigma)) * self.scale
        e = round(np.log2(units * np.sqrt(3)))
        if not 0 <= e <= NOISE_EXPONENT_MAX:
            raise LoweringError(
                "noise out of the chip's range",
                where=f"{self.name}.noise",
                got=f"{units:.3g} units",
                allowed="0.6..18900 units",
            )
        values = np.arange(-128, 128)
        held = values << (e - 7) if e >= 7 else np.sign(values) * (np.abs(values) >> (7 - e))
        self.log.rows.append(
            Row(
                f"{self.name}.additive_noise",
                float(np.max(sigma)),
                float(held.std()) / self.scale,
                "V/step",
                f"uniform, exponent {e}, mean {held.mean():g} units",
            )
        )
        return ChipNoise("uniform8", exponent=e)

    def _normal(self, kind: str, sigma: Array) -> ChipNoise:
        units = np.asarray(sigma, np.float64) * (self.scale if kind == "additive" else 1.0)
        largest = float(np.max(units))
        shift = min(15 - int(np.floor(np.log2(largest))) + NORMAL_FRACTION_BITS - 1, 62)
        if shift < 0:
            raise LoweringError(
                "noise too large",
                where=f"{self.name}.noise",
                got=f"{largest:.3g} units",
                allowed="< 2**27 units",
            )
        mantissa = np.rint(units * 2.0 ** (shift - NORMAL_FRACTION_BITS)).astype(np.int64)
        offset = round(self.m.origin * self.scale) if kind == "multiplicative" else 0
        if abs(offset) >= 2**26:
            raise LoweringError(
                "the reset potential is too far from 0 V for multiplicative noise",
                where=f"{self.name}.V_reset",
                got=f"{self.m.origin:g} V",
            )
        realised = mantissa * 2.0 ** (NORMAL_FRACTION_BITS - shift)
        unit = "1/step"
        if kind == "additive":
            realised, unit = realised / self.scale, "V/step"
            if largest < 0.5:
                self.log.warnings.append(
                    f"{self.name}: the noise is below half a unit and mostly rounds to zero"
                )
        self.log.rows.append(
            worst(
                f"{self.name}.{kind}_noise",
                sigma,
                realised,
                unit,
                f"normal, mantissa {int(mantissa.max())} >> {shift}",
            )
        )
        return ChipNoise(kind, mantissa, shift, offset=offset)


def report_weights(w: Wire, f: Mantissas, realised: Array, log: Log) -> None:
    """Weights of a wire as asked and, in its unit, as ``realised``."""
    asked = single(w.data)
    repeats = w.data.size // max(1, np.size(f.effective), asked.size)
    lost = repeats * np.count_nonzero((f.effective == 0) & (asked != 0))
    wanted = np.count_nonzero(np.broadcast_to(asked, w.data.shape))
    span = f.mantissa if f.mantissa.size else np.zeros(1, np.int64)
    note = f"{f.sign}, mantissas {span.min()}..{span.max()}, exponent {f.exponent}"
    if lost:
        note += f", {lost} of {wanted} round to zero"
        log.warnings.append(f"{w.where}: {100 * lost / wanted:.0f} % of the weights round to zero")
    log.weights[w.where] = errors = WeightErrors(w.data, realised, w.unit)
    log.rows.append(errors.worst(f"{w.where}.weight", note))


def lower_fixed(part: Part, m: Membrane) -> Outcome:
    """Lower a linear population, whose numbers are ``m``, to the integers of a chip."""
    name, target, dt = part.name, part.target, part.dt
    f = _Fields(part, m)
    currents, (keep_v, decay_v) = f.currents(), f.keep_v()
    threshold, bias = f.threshold(), f.bias()
    part.log.origins[name], part.log.scales[name] = m.origin, f.scale
    part.log.numbers |= {
        ("decay_v", name): decay_v,
        ("threshold", name): threshold / f.scale + m.origin,
        ("bias", name): bias / f.scale,
        ("gain", name): m.gain,
    }
    if len(currents) == 1:
        part.log.numbers["decay_u", name] = currents[0][1]
    chip = ChipLIF(
        name=name,
        size=part.neuron.size,
        keep_u=tuple(keep for keep, _ in currents),
        keep_v=keep_v,
        threshold=threshold,
        bias=bias,
        noise=f.noise(),
        inputs=f.inputs(part.delays),
        v_init=np.rint(m.init * f.scale).astype(np.int64),
        period=refractory_period(name, m.blocked, m.jitter, target, dt, part.log),
        kind=m.kind,
        most=part.most,
        v_low=f.lowest(),
    )
    population, edges, watches = chip_population(chip, target)
    per_volt = 1 / f.scale
    probes = {
        "v": ("v", per_volt, m.origin, "V"),
        "v_pre": ("v_pre", per_volt, m.origin, "V"),
        "u": ("u", per_volt * m.per_volt, 0.0, "A"),
        "refractory": ("refractory", dt, 0.0, "s"),
    }
    if chip.most > 1:
        probes["count"] = ("count", 1.0, 0.0, "")
    if chip.period is None:
        del probes["refractory"]
    return population, edges, probes, watches
