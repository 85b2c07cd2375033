"""What a target did to a network: rates beside float64's, and what a run found wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from neurohw.lowering import lower
from neurohw.network import Network
from neurohw.program import with_losses
from neurohw.recording import Recording
from neurohw.run import run_program, with_spikes
from neurohw.targets import Target, load_target

from .findings import LARGE, Finding

__all__ = ["KINDS", "Measured", "findings_of", "measure"]

KINDS = {
    "overflow": "a register left its range",
    "silent": "a population that fires in float64 does not",
    "rate": "a mean rate is off by more than 5 %",
    "weights": "half of a population's weights round to zero",
    "threshold": "a threshold is off by more than 5 %",
    "tau": "a time constant is off by more than 5 %",
    "latency": "a population answers later than in the network",
}
"""What can be found, by the name that ``--fail-on`` takes."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Mean rates in Hz by population, in float64 and on the target, and findings of the run."""

    target: str
    rates: Mapping[str, tuple[float, float]]
    findings: tuple[Finding, ...]
    recording: Recording

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rates = {k: {"float64": a, self.target: b} for k, (a, b) in self.rates.items()}
        rows = [asdict(e) | {"kind": e.kind, "excess": e.excess} for e in self.recording.ledger]
        return {"rates": rates, "findings": [asdict(f) for f in self.findings], "ledger": rows}


def measure(
    network: Network,
    target: Target | str | os.PathLike[str],
    *,
    dt: float,
    steps: int,
    trials: int = 1,
    seed: int = 0,
    method: str = "",
    inputs: Mapping[str, Any] | None = None,
    backend: str = "native",
    losses: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Measured:
    """Run a network on float64 and on a target, by one method, and lay their rates side by side.

    Parameters are those of :func:`neurohw.run`.
    """
    record = target if isinstance(target, Target) else load_target(target)
    method = method or record.methods[0]
    found = []
    for net, which in ((network.unprobed(), "float64"), (network, record)):
        lowered = lower(net, which, dt=dt, trials=trials, seed=seed, method=method)
        program = with_spikes(lowered.program)

        def tick(done: int, total: int, name: str = lowered.report.target) -> None:
            if progress is not None:
                progress(f"{backend}/{name}", done, total)

        found.append(
            run_program(
                with_losses(program) if losses else program,
                backend, steps, inputs=inputs, progress=tick,
            )
        )  # fmt: skip
    rates = {}
    for p in network.populations:
        time = p.size * trials * steps * dt
        rates[p.name] = tuple(
            len(r.spikes(p.name)) / time if p.name in r.populations else float("nan") for r in found
        )
    return Measured(record.name, rates, tuple(findings_of(found[1], rates)), found[1])


def findings_of(
    recording: Recording, rates: Mapping[str, tuple[float, float]] | None = None
) -> list[Finding]:
    """What a run found wrong: overflows of its ledger, rates that are not those of float64."""
    found = []
    for row in recording.ledger:
        if row.count and row.kind == "range":
            step, trial, neuron = row.first or (0, 0, 0)
            text = (f"{row.key} left {row.lo}..{row.hi} {row.count} times, first at step {step}, "
                    f"trial {trial}, neuron {neuron}; seen {row.low}..{row.high}, at worst "
                    f"{row.excess:.0f} too far")  # fmt: skip
            found.append(Finding("overflow", row.key, True, text))
    for name, (asked, got) in (rates or {}).items():
        if asked > 0 and got == 0:
            text = f"{name}: {asked:.3g} Hz in float64, silent on {recording.target}"
            found.append(Finding("silent", name, True, text))
        elif asked > 0 and abs(got / asked - 1) > LARGE:
            text = (f"{name}: {asked:.4g} Hz in float64, {got:.4g} Hz on {recording.target} "
                    f"({100 * (got / asked - 1):+.1f} %)")  # fmt: skip
            found.append(Finding("rate", name, True, text))
    return found
