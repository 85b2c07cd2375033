"""network x target x dt -> program, and a report of what was lost on the way."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import AnalogInput, Network, Relay
from neurohw.network.parts import Population as NetworkPopulation
from neurohw.program import Edge, Int, Population, Probe, Program, Watch, verify
from neurohw.targets import Target, load_target
from neurohw.targets.simulator import Arrival, Firing

from .dynamics import lower_dynamics
from .fixed import lower_fixed
from .floating import lower_float
from .neuron import bind, linear, membrane
from .numbers import Numbers
from .part import NONE, Outcome, Part, ProbeMap, most_spikes
from .programmable import lower_programmable
from .readout import as_readout
from .refusal import refuse_graded, refuse_signs, refuse_size
from .report import Log, LoweringReport, Row
from .sources import lower_driver, lower_relay
from .timing import retime
from .units import lower_units
from .waveforms import no_waveforms
from .wires import Wire, wires_of

__all__ = ["METHODS", "Lowered", "lower"]

METHODS = ("euler", "exponential")


@dataclass(frozen=True)
class Lowered:
    """A program, the report of how it came about, and the numbers it computes with.

    ``numbers`` are those of populations that are linear in V.
    """

    program: Program
    report: LoweringReport
    numbers: Numbers = NONE


def lower(
    network: Network,
    target: Target | str | os.PathLike[str],
    *,
    dt: float,
    method: str = "",
    seed: int = 0,
    trials: int = 1,
    device_per_trial: bool = False,
    numbers: Numbers | None = None,
) -> Lowered:
    """Lower a network onto a target.

    Parameters
    ----------
    network : Network
    target : Target or str
        A record, its name, or the path of a record file.
    dt : float
        Step in seconds, > 0.
    method : {"euler", "exponential"}, optional
        How the membrane equation becomes a step (see ``neuron``); default: the target's first.
    seed : int
        0..2**64 - 1; the key of every draw, of noise and of mismatch.
    trials : int
        Trials of the program, >= 1.
    device_per_trial : bool
        Draw parameter mismatch anew for every trial; default: one device for all trials.
    numbers : Numbers, optional
        Of another lowering of this network (``Lowered.numbers``): float targets compute with them
        instead of those that follow from the physics.

    Raises
    ------
    LoweringError
        If the target cannot express the network, naming the part.
    """
    record = target if isinstance(target, Target) else load_target(target)
    network.check()
    method = method or record.methods[0]
    if method not in record.methods:
        raise LoweringError(
            f"{record.name} has no such method",
            where=network.name,
            got=method,
            allowed=", ".join(record.methods),
        )
    if not (np.isfinite(dt) and dt > 0):
        raise LoweringError("step length", where=network.name, got=dt, allowed="> 0 s")
    refuse_size(network, record)
    log = Log()

    models = {d.name: d.model for d in network.drivers}
    numbers = numbers or NONE
    wires = [
        numbers.wire(w) for c in network.connections for w in wires_of(c, dt, models.get(c.source))
    ]
    if record.firing.most > 1:
        counted = {p.name for p in network.populations if not isinstance(p.model, Relay)}
        wires = [
            replace(w, sends="count") if w.source in counted and not w.graded else w for w in wires
        ]
    if record.number.shifted:
        wires = [replace(w, sends="v_sent") if w.graded else w for w in wires]
    followed = {w.source for w in wires if w.graded}
    used = {w.source for w in wires if not w.graded}  # whose spikes matter
    used |= {x.population for x in network.probes if {"spikes", "count"} & {*x.variables}}
    for w in wires:
        log.rows.append(Row(f"{w.where}.delay", w.asked, w.delay * dt, "s", f"{w.delay} steps"))
    names = [d.name for d in network.drivers] + [p.name for p in network.populations]
    arcs = [(w.source, w.target, w.delay) for w in wires]
    latency = retime(names, arcs, record.delay.extra, network.name)
    delays = _delays(wires, latency, record)
    if any(latency.values()):
        late = ", ".join(f"{k} {v}" for k, v in latency.items() if v)
        log.notes.append(
            f"retimed for a synapse of at least {record.delay.extra} step; latency in steps: {late}"
        )

    relays = {p.name for p in network.populations if isinstance(p.model, Relay)}
    heard = {w.source for w in wires if w.target not in relays}
    populations: list[Population] = [
        lower_driver(d.name, d.model, dt, log, record, heard=d.name in heard)
        for d in network.drivers
    ]
    edges: list[Edge] = []
    watches: list[Watch] = []
    probe_maps: dict[str, ProbeMap] = {
        d.name: {s: (s, 1.0, 0.0, "")} if (s := getattr(d.model, "sends", "")) else {}
        for d in network.drivers
    }
    devices = np.arange(trials if device_per_trial else 1)
    for p in network.populations:
        mine = [i for i, w in enumerate(wires) if w.target == p.name]
        incoming = [wires[i] for i in mine]
        own = {k: delays[i] for k, i in enumerate(mine)}
        if isinstance(p.model, Relay):
            populations.append(lower_relay(p.name, p.model.size))
            edges += [
                Edge(
                    w.source,
                    p.name,
                    "in",
                    w.build(Int(24), np.rint(w.data).astype(np.int64)),
                    own[k],
                    w.carries(Int(32)),
                )
                for k, w in enumerate(incoming)
            ]
            probe_maps[p.name] = {}
            continue
        try:
            _refuse_noise(p, record)
            bound = bind(p.name, p.model, p.mismatch, seed, devices)
            lowered, new_edges, probes, new_watches = _neurons(
                Part(p.name, p.model, bound, p.noise, p.currents, incoming, own,
                     latency[p.name], record, dt, method, log, numbers,
                     most_spikes(p.name, wires, models, record), p.name in followed,
                     p.name in used)
            )  # fmt: skip
        except LoweringError as error:
            raise error.at(p.at(error.where.rpartition(".")[2])) from None
        populations.append(lowered)
        edges += new_edges
        watches += new_watches
        probe_maps[p.name] = probes
    refuse_signs(edges, record)
    given = ", ".join(d.name for d in network.drivers if isinstance(d.model, AnalogInput))
    if given and record.number.bfloat16:
        log.notes.append(f"rounded to bfloat16 when they are given: {given}")
    if record.noise.note and any(p.noise for p in network.populations):
        log.notes.append(record.noise.note)

    program = Program(
        name=network.name,
        target=record.name,
        dt=dt,
        seed=seed,
        trials=trials,
        populations=tuple(populations),
        edges=tuple(edges),
        probes=tuple(_probes(network, probe_maps, latency, dt)),
        watches=tuple(watches),
        latency={k: v for k, v in latency.items() if v},
    )
    verify(program)
    report = LoweringReport(
        network.name,
        record.name,
        dt,
        method,
        tuple(log.rows),
        tuple(log.warnings),
        tuple(log.notes),
        dict(program.latency),
        log.weights,
        log.choices,
    )
    kept = Numbers(log.numbers, log.origins, log.weights, log.scales)
    return Lowered(program, report, kept)


def _delays(wires: list[Wire], latency: dict[str, int], target: Target) -> dict[int, int]:
    """Delay of each wire's edge after retiming, checked against the target."""
    out = {}
    longest = target.delay.extra + target.delay.max
    for i, w in enumerate(wires):
        out[i] = w.delay + latency[w.target] - latency[w.source]
        if out[i] > longest:
            shift = out[i] - w.delay
            raise LoweringError(
                "delay too long",
                where=f"{w.where}.delay",
                origin=w.origin,
                got=f"{w.delay} steps" + (f" and {shift} for retiming" if shift else ""),
                allowed=f"up to {longest} step{'s' * (longest != 1)} on {target.name}",
                fix="use a longer step",
            )
    return out


def _neurons(part: Part) -> Outcome:
    """By the way that fits the model and the target."""
    target = part.target
    if part.currents and target.neuron.functions != "all":
        raise no_waveforms(target, f"{part.name}.currents", part.currents[0].origin.place)
    form = linear(part.neuron, part.p)
    simple = form is not None and all(w.reversal is None for w in part.wires)
    refuse_graded(part, simple)
    if target.fixed and target.neuron.functions == "products":
        return lower_programmable(part)
    if form is None or not simple:
        if target.neuron.functions == "all":
            _refuse_rules(part)
        return lower_dynamics(part)
    m = part.numbers.membrane(part.name, membrane(part, form))
    if not target.fixed:
        return lower_float(part, m)
    lowering = lower_units if target.voltage.unit else lower_fixed
    return as_readout(part, m, lowering)


def _refuse_rules(part: Part) -> None:
    """Rules of a simulator's linear neurons say nothing about other models."""
    t = part.target
    if (t.arrival, t.firing, t.reset.timing) != (Arrival(), Firing(), "same_step"):
        raise LoweringError(
            f"the rules of {t.name} are those of linear neurons",
            where=part.name,
            got=type(part.neuron).__name__,
            allowed="LIF, IF, or a model of one state that is linear in V, without conductances",
            fix="use target float64 or float32",
            origin=part.neuron.origin.place,
        )


def _refuse_noise(p: NetworkPopulation, target: Target) -> None:
    rule = target.noise
    for n in p.noise:
        kind = type(n).__name__.removesuffix("Noise").lower()
        if getattr(rule, kind) == "none":
            raise LoweringError(
                f"{target.name} has no {kind} noise",
                where=f"{p.name}.noise",
                got=f"{kind} noise",
                allowed="additive noise" if rule.additive != "none" else "none",
                fix="use target lava or a float target",
                origin=n.origin.place,
            )


def _probes(
    network: Network, maps: dict[str, ProbeMap], latency: dict[str, int], dt: float
) -> list[Probe]:
    """Probes of the program; a retimed population is sampled that much later."""
    out: dict[str, Probe] = {}
    for probe in network.probes:
        for variable in probe.variables:
            if variable == "spikes":
                new = Probe(probe.population, "spikes")
            else:
                name = "v_pre" if (variable, probe.when) == ("v", "before_reset") else variable
                known = maps[probe.population]
                if name not in known:
                    raise LoweringError(
                        "nothing of this name to record",
                        where=f"{probe.population}.{variable}",
                        got=variable,
                        allowed=", ".join(["spikes", *known]),
                    )
                value, scale, shift, unit = known[name]
                every = 1 if probe.every is None else max(1, round(probe.every / dt))
                new = Probe(
                    probe.population,
                    value,
                    every,
                    latency[probe.population],
                    probe.reduce or "",
                    scale,
                    shift,
                    unit,
                )
            out.setdefault(new.key, new)
    return list(out.values())
