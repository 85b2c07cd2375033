"""From floats to a chip's integers: how many random networks keep their rates on ``loihi1``.

A hundred feed-forward networks of leaky integrate-and-fire neurons with exponential currents, one
or two layers, weights log-uniform over three orders of magnitude. Input is the same spikes on
every side: Poisson trains, or an array of spikes whose rate swings. A network is kept if the mean
rate of each of its layers is within 5 % of float64's (same method, same step).

Four programs are run beside float64's:

``planner``
    What :func:`neurohw.lowering.lower` makes of it.
``gain kept``
    The same of a network whose weights and constant currents are multiplied so that a constant
    input reaches the same potential in spite of the rounded decays.
``by hand``
    Plain max-scaling, as one writes parameters for Lava or a chip by hand: the largest weight of a
    population gets the largest mantissa, with exponent 0, or the next lower one with which the
    threshold fits; and threshold, bias and decays are rounded in the unit that follows.
``decays alone``
    float64 with nothing of the chip but its 12-bit decays: what no choice of scale can mend.

A network with a layer of fewer than 200 spikes in float64 is left out, whatever the chip does:
there 5 % are a few spikes. Nothing else is left out or tuned.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurohw as nh
from neurohw.lowering import Lowered, lower
from neurohw.lowering.chip import ChipInput, ChipLIF, chip_population
from neurohw.lowering.common import Period
from neurohw.lowering.scale import bias_field
from neurohw.network import Network
from neurohw.program import Dense, Int, Program, freeze
from neurohw.run import run_program, with_spikes
from neurohw.targets import load_target

sys.path[1:1] = [str(Path(__file__).parent / "peers"), str(Path(__file__).parent)]

NETWORKS, LEAST, WITHIN = 100, 200, 0.05
DECADES, STEPS_OF = 3.0, (1e-4, 2.5e-4, 5e-4, 1e-3)
DURATION, DELAY, REST, THRESHOLD, CAPACITY = 1.0, 1e-3, -70e-3, -50e-3, 0.2e-9
WAYS = ("planner", "gain kept", "by hand", "decays alone")


@dataclass(frozen=True, eq=False)
class Case:
    """A network, how it is run, and the weights and time constants that it was made of."""

    network: Network
    dt: float
    steps: int
    inputs: dict[str, np.ndarray]


def weights(rng: np.random.Generator, targets: int, sources: int, *, mixed: bool) -> np.ndarray:
    """Log-uniform over ``DECADES``, at most 1; of mixed sign every fifth source inhibits."""
    found = 10.0 ** -(DECADES * rng.random((targets, sources)))
    if mixed:
        found[:, ::5] *= -1
    return found


def case(seed: int, duration: float = DURATION) -> Case:
    """One random network. Its weights are scaled so that the mean drive is 0.9 to 2 thresholds."""
    rng = np.random.default_rng(seed)
    dt = float(rng.choice(STEPS_OF))
    steps = round(duration / dt)
    sources, rate = int(rng.integers(40, 200)), rng.uniform(10.0, 60.0)
    mixed, array = rng.random() < 0.5, rng.random() < 0.5
    net, inputs = Network(f"planner{seed}"), {}
    if array:
        swing = rate * (1 + np.sin(2 * np.pi * 4.0 * np.arange(steps) * dt))
        inputs["in"] = rng.random((steps, sources)) < swing[:, None] * dt
        net.driver("in", nh.SpikeArray(size=sources))
    else:
        net.driver("in", nh.Poisson(size=sources, rate=rate))
    before, many, heard = "in", sources, rate
    for k in range(int(rng.integers(1, 3))):
        size, name = int(rng.integers(10, 60)), f"layer{k + 1}"
        tau, tau_syn = 10e-3 * 3 ** rng.random(), 2e-3 * 5 ** rng.random()
        pull = tau / CAPACITY  # volts per ampere
        bias = rng.uniform(0, 0.5) * (THRESHOLD - REST) / pull if rng.random() < 0.5 else 0.0
        w = weights(rng, size, many, mixed=mixed)
        mean = w.sum(axis=1).mean() * heard * tau_syn * pull
        drive = rng.uniform(0.9, 2.0) * (THRESHOLD - REST) - bias * pull
        net.population(name, nh.LIF(size=size, C=CAPACITY, tau=tau, E_L=REST, V_th=THRESHOLD,
                                    t_ref=2e-3, I_bias=bias))  # fmt: skip
        net.connect(before, name, nh.Exponential(weight=w * drive / mean, tau=tau_syn), delay=DELAY)
        before, many, heard = name, size, 40.0
    return Case(net, dt, steps, inputs)


def gain_kept(x: Case, planned: Lowered) -> Network:
    """The network with inputs that make up for the decays of ``planned``."""
    made, held = Network(x.network.name), planned.numbers.values
    for d in x.network.drivers:
        made.driver(d.name, d.model)
    for p in x.network.populations:
        c: Any = next(c for c in x.network.connections if c.target == p.name)
        lif: Any = p.model
        v = (1 - held["decay_v", p.name]) * lif.tau / x.dt
        u = (1 - held["decay_u", p.name]) * c.synapse.tau / x.dt
        made.population(p.name, lif.replace(I_bias=lif.I_bias * v))
        weight = np.asarray(c.weight) * u * v
        made.connect(c.source, p.name, nh.Exponential(weight=weight, tau=c.synapse.tau),
                     delay=DELAY)  # fmt: skip
    return made


def by_hand(x: Case, planned: Lowered) -> Program:
    """The planned program with other integers: plain max-scaling.

    Raises
    ------
    ValueError
        If the threshold does not fit its field.
    """
    target, program = load_target("loihi1"), planned.program
    made = {p.name: p for p in program.populations}
    edges: list[Any] = []
    watches: list[Any] = []
    for p in x.network.populations:
        lif: Any = p.model
        c: Any = next(c for c in x.network.connections if c.target == p.name)
        volts = np.asarray(c.weight) * x.dt / float(lif.C)
        mixed = volts.min() < 0 < volts.max()
        grid, limit = (2, target.weight.mixed_max) if mixed else (1, target.weight.positive_max)
        unit = np.abs(volts).max() / limit  # volts of a mantissa
        mantissa = np.rint(volts / unit / grid).astype(np.int64) * grid
        exponent, top = 0, 2**target.threshold.mantissa_bits
        while round(float(lif.V_th - lif.V_reset) / unit) >= top:
            exponent, unit = exponent - 1, unit * 2
        threshold = round(float(lif.V_th - lif.V_reset) / unit)
        if exponent < target.weight.exponent_min or threshold < 1:
            raise ValueError(f"{p.name}: threshold mantissa {threshold}, exponent {exponent}")
        mantissa >>= -exponent  # the chip's floor
        per_volt = 2**target.current.align / unit
        bias, _, _ = bias_field(np.asarray(lif.I_bias * x.dt / lif.C), per_volt, target)
        delay = next(e.delay for e in program.edges if e.target == p.name)
        matrix = Dense(Int(16), freeze(mantissa, Int(16)))
        chip = ChipLIF(
            name=p.name,
            size=p.size,
            keep_u=4096 - round(4096 * x.dt / float(c.synapse.tau)),
            keep_v=4096 - round(4096 * x.dt / float(lif.tau)),
            threshold=threshold << target.threshold.shift,
            bias=bias,
            period=Period(round(float(lif.t_ref) / x.dt), None, 0, 62),
            inputs=(ChipInput(c.source, matrix, delay),),
        )
        made[p.name], more, rows = chip_population(chip, target)
        edges += more
        watches += rows
    return dataclasses.replace(
        program, populations=tuple(made.values()), edges=tuple(edges), watches=tuple(watches)
    )


def counts(x: Case, program: Program) -> tuple[dict[str, int], bool]:
    """Spikes of each layer, and whether a register left its range."""
    rec = run_program(with_spikes(program), "reference", x.steps, inputs=x.inputs)
    found = {p.name: len(rec.spikes(p.name)) for p in x.network.populations}
    return found, any(row.count for row in rec.ledger)


def measured(x: Case, seed: int) -> dict[str, Any] | None:
    """Errors of the rates of one network by each way; None if it has too few spikes."""
    plain = lower(x.network, "float64", dt=x.dt, method="euler", seed=seed)
    asked, _ = counts(x, plain.program)
    if min(asked.values()) < LEAST:
        return None
    planned = lower(x.network, "loihi1", dt=x.dt, method="euler", seed=seed)
    only = planned.numbers.only(["decay_u", "decay_v"])
    decays = lower(x.network, "float64", dt=x.dt, method="euler", seed=seed, numbers=only)
    kept = lower(gain_kept(x, planned), "loihi1", dt=x.dt, method="euler", seed=seed)
    programs = {"planner": planned.program, "gain kept": kept.program,
                "decays alone": decays.program}  # fmt: skip
    try:
        programs["by hand"] = by_hand(x, planned)
    except ValueError:
        pass
    out: dict[str, Any] = {"seed": seed, "dt": x.dt, "layers": len(asked), "spikes": asked}
    for way in WAYS:
        if way not in programs:
            out[way] = {"errors": [-1.0] * len(asked), "overflow": False, "impossible": True}
            continue
        got, over = counts(x, programs[way])
        errors = [got[k] / asked[k] - 1 for k in asked]
        out[way] = {"errors": errors, "overflow": over, "impossible": False}
    return out


def study(networks: int = NETWORKS, duration: float = DURATION) -> Iterator[dict[str, Any]]:
    """Results of so many networks, seed by seed; those left out are None."""
    done = seed = 0
    while done < networks:
        found = measured(case(seed, duration), seed)
        done += found is not None
        seed += 1
        yield found if found is not None else {"seed": seed - 1, "left_out": True}


def worst(row: dict[str, Any], way: str) -> float:
    """Largest magnitude of the errors of a network's layers."""
    return max(map(abs, row[way]["errors"]))


def share(rows: list[dict[str, Any]], way: str) -> float:
    """Share of the networks that keep the rate of every layer."""
    return float(np.mean([worst(r, way) <= WITHIN for r in rows]))


def table(results: list[dict[str, Any]]) -> list[str]:
    """In Markdown: one row per way, then what was left out."""
    rows = [r for r in results if "left_out" not in r]
    steps = sorted({r["dt"] for r in rows})
    head = ["", "all kept", *(f"dt {1e3 * dt:g} ms" for dt in steps), "median error",
            "90 % below", "largest", "overflowed"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for way in WAYS:
        errors = np.array([worst(r, way) for r in rows])
        at = [[r for r in rows if r["dt"] == dt] for dt in steps]
        kept = [f"{round(share(x, way) * len(x))} of {len(x)}" for x in (rows, *at)]
        spread = [f"{100 * np.quantile(errors, q):.2g} %" for q in (0.5, 0.9, 1.0)]
        over = sum(r[way]["overflow"] for r in rows)
        lines.append("| " + " | ".join([way, *kept, *spread, str(over)]) + " |")
    out = len(results) - len(rows)
    said = f"{len(rows)} networks; {out} more had a layer of fewer than {LEAST} spikes in float64"
    lines += ["", f"{said} and were left out. Errors are those of the worst layer's mean rate."]
    return lines


def main() -> None:
    """Run, print, and write the table where it is asked for."""
    import report

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", type=int, default=NETWORKS)
    parser.add_argument("--docs", type=Path, help="page that gets the table between its markers")
    parser.add_argument("--json", type=Path, help="where to save every network's errors")
    options = parser.parse_args()
    results = []
    for found in study(options.networks):
        results.append(found)
        said = ", left out" if "left_out" in found else "".join(
            f", {way} {100 * worst(found, way):.2f} %" for way in WAYS
        )  # fmt: skip
        print(f"network {found['seed']}{said}", file=sys.stderr, flush=True)
    text = "\n".join(table(results))
    print(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.docs:
        options.docs.write_text(report.replace(options.docs.read_text(), "planner", text))


if __name__ == "__main__":
    main()
