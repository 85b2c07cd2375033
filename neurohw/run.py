"""Lower, run, record, compare: the whole way in one call.

:func:`run` takes a network to a recording. :func:`compare` runs it on several backends and targets
and says whether they agree, and where, when and why not.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.backend import Backend, compile_program, load, simulate
from neurohw.backend import names as registered
from neurohw.compare import Comparison, Entry, with_evidence
from neurohw.compare import compare as compare_entries
from neurohw.errors import BackendError, LoweringError, ProgramError
from neurohw.lowering import LoweringReport, lower
from neurohw.network import Network, RunSpec
from neurohw.network.common import nearest
from neurohw.program import Probe, Program, with_losses
from neurohw.recording import Recording
from neurohw.targets import Target

__all__ = [
    "Crosscheck",
    "Skipped",
    "compare",
    "compare_programs",
    "run",
    "run_program",
    "with_spikes",
]

Inputs = Mapping[str, Any] | None
TargetLike = Target | str | os.PathLike[str]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Skipped:
    """A combination that was asked for and not run, and why."""

    backend: str
    target: str
    reason: str


@dataclass(frozen=True)
class Crosscheck(Comparison):
    """A comparison that also knows what was not run, and what lowering did.

    Attributes
    ----------
    skipped : tuple of Skipped
        ``backend`` is "all" where the target itself cannot express the network.
    reports : mapping
        Target -> its lowering report; empty for programs that came lowered.
    """

    skipped: tuple[Skipped, ...] = ()
    reports: Mapping[str, LoweringReport] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return super().as_dict() | {
            "skipped": [dataclasses.asdict(s) for s in self.skipped],
            "reports": {name: report.as_dict() for name, report in self.reports.items()},
        }


def run(
    network: Network,
    *,
    target: TargetLike = "float64",
    backend: str | Backend = "native",
    dt: Any = 1e-4,
    duration: Any = None,
    steps: int | None = None,
    trials: int = 1,
    seed: int = 0,
    method: str = "",
    inputs: Inputs = None,
    device_per_trial: bool = False,
    record: Sequence[str] | None = None,
    losses: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """Lower a network, run it, and return what was recorded.

    What the network's probes ask for is recorded, and spikes: by default those of every driver
    and population.

    Parameters
    ----------
    target : Target or str
        Whose rules and number formats hold; a record, its name, or the path of a record file.
    backend : str or Backend
        What executes the program. It does not change the result.
    dt, duration : Quantity
        Step and length of the run, e.g. ``"0.1 ms"`` and ``"1 s"``; numbers are seconds.
    steps : int, optional
        Steps to run, instead of `duration`.
    trials, seed : int
        Independent repetitions, and the key of every random draw.
    method : {"euler", "exponential"}, optional
        How the membrane equation becomes a step; default: the target's first.
    inputs : mapping, optional
        Name -> ``[steps, size]`` or ``[steps, trials, size]``: of ``SpikeArray`` drivers spikes
        (bool), of ``AnalogInput`` drivers numbers (float).
    device_per_trial : bool
        Draw mismatch anew for every trial; default: one device.
    record : sequence of str, optional
        Drivers and populations whose spikes are recorded, besides those with a probe for them;
        others are not held in memory. Default: all.
    losses : bool
        On fixed point: also note in the ledger what rounding takes away, bits that are shifted out
        and values that become 0. It changes no spike, and takes time.
    progress : callable, optional
        Called with (steps done, steps).

    Raises
    ------
    NetworkError, LoweringError
        If the network is wrong, or the target cannot express it.
    ProgramError
        If there is no population of a name in `record`, or it emits no spikes.
    BackendError, Unsupported
        If the backend is missing, or cannot run the program.
    """
    spec = RunSpec(dt=dt, duration=duration, steps=steps, trials=trials, seed=seed)
    lowered = lower(
        network,
        target,
        dt=spec.dt,
        method=method,
        seed=spec.seed,
        trials=spec.trials,
        device_per_trial=device_per_trial,
    )
    program = with_spikes(lowered.program, record)
    program = with_losses(program) if losses else program
    del lowered  # the report knows every weight that was asked for
    return run_program(program, backend, spec.steps, inputs=inputs, progress=progress)


def run_program(
    program: Program,
    backend: str | Backend = "native",
    steps: int = 1000,
    *,
    inputs: Inputs = None,
    progress: Callable[[int, int], None] | None = None,
) -> Recording:
    """Run a lowered program; arguments as for :func:`run`."""
    engine = load(backend) if isinstance(backend, str) else backend
    given = _externals(program, steps, inputs)
    compiled = compile_program(engine, program)
    _, probes = simulate(compiled, program, steps, inputs=given, progress=progress)
    return Recording.of(program, probes, backend=engine.name)


def compare(
    network: Network,
    *,
    backends: Sequence[str | Backend] | None = None,
    targets: Sequence[TargetLike] = ("float64", "float32", "lava", "loihi1"),
    dt: Any = 1e-4,
    duration: Any = None,
    steps: int | None = None,
    trials: int = 1,
    seed: int = 0,
    method: str = "",
    inputs: Inputs = None,
    device_per_trial: bool = False,
    progress: Progress | None = None,
) -> Crosscheck:
    """Run a network on every backend and target, and compare what comes out.

    The network is lowered once for each target. Two backends on one target must agree, and get a
    verdict; two targets may differ, and what they differ in is measured. A target that cannot
    express the network, and a backend that cannot run a program, are listed in ``skipped``.

    Parameters
    ----------
    backends : sequence of str or Backend, optional
        Default: all that are installed. One that is named but cannot be imported is an error.
    targets : sequence
        Names, records or paths.
    progress : callable, optional
        Called with (``"backend/target"``, steps done, steps).

    Other parameters are those of :func:`run`.
    """
    spec = RunSpec(dt=dt, duration=duration, steps=steps, trials=trials, seed=seed)
    programs: list[Program] = []
    reports: dict[str, LoweringReport] = {}
    skipped: list[Skipped] = []
    for target in targets:
        try:
            lowered = lower(
                network,
                target,
                dt=spec.dt,
                method=method,
                seed=spec.seed,
                trials=spec.trials,
                device_per_trial=device_per_trial,
            )
        except LoweringError as error:
            name = target.name if isinstance(target, Target) else str(target)
            skipped.append(Skipped("all", name, str(error)))
            continue
        reports[lowered.report.target] = lowered.report
        programs.append(lowered.program)
    done = compare_programs(
        programs, spec.steps, backends=backends, inputs=inputs, progress=progress
    )
    return dataclasses.replace(done, skipped=(*skipped, *done.skipped), reports=reports)


def compare_programs(
    programs: Sequence[Program],
    steps: int,
    *,
    backends: Sequence[str | Backend] | None = None,
    inputs: Inputs = None,
    progress: Progress | None = None,
) -> Crosscheck:
    """Run lowered programs on every backend that can, and compare; see :func:`compare`.

    Each program also records what it takes to name the cause of a difference.
    """
    engines: list[Backend] = []
    skipped: list[Skipped] = []
    for name in registered() if backends is None else backends:
        try:
            engines.append(load(name) if isinstance(name, str) else name)
        except BackendError as error:
            if backends is not None:
                raise
            skipped.append(Skipped(str(name), "all", str(error)))
    entries: list[Entry] = []
    for program in map(with_evidence, programs):
        for engine in engines:
            problems = engine.unsupported(program)
            if problems:
                listed = "; ".join(f"{part}: {reason}" for part, reason in problems)
                skipped.append(Skipped(engine.name, program.target, listed))
                continue
            label = f"{engine.name}/{program.target}"

            def tick(done: int, total: int, label: str = label) -> None:
                if progress is not None:
                    progress(label, done, total)

            try:
                tick(0, steps)  # compiling may take a while
                compiled = compile_program(engine, program)
            except BackendError as error:
                if backends is not None:
                    raise
                skipped.append(Skipped(engine.name, program.target, str(error)))
                continue
            given = _externals(program, steps, inputs)
            _, probes = simulate(compiled, program, steps, inputs=given, progress=tick)
            entries.append(Entry.of(program, probes, backend=engine.name))
    found = (
        compare_entries(entries, every_pair=False)
        if len(entries) > 1
        else Comparison(tuple(entries), ())
    )
    plain = {f.name: getattr(found, f.name) for f in dataclasses.fields(found)}
    return Crosscheck(**plain, skipped=tuple(skipped))


def with_spikes(program: Program, record: Sequence[str] | None = None) -> Program:
    """The program, with the spikes of the populations in `record` recorded (default: of all)."""
    have = {p.population for p in program.probes if p.value == "spikes"}
    spiking = [p.name for p in program.populations if p.spike is not None]
    if isinstance(record, str):
        raise ProgramError("not a list of names", where="record", got=record, fix=f"[{record!r}]")
    for name in record or ():
        if name not in spiking:
            raise ProgramError(
                "nothing of this name emits spikes",
                where="record",
                got=name,
                allowed=", ".join(spiking) or "none",
                fix=nearest(name, spiking),
            )
    wanted = spiking if record is None else record
    more = [name for name in spiking if name in wanted and name not in have]
    probes = program.probes + tuple(Probe(name, "spikes") for name in more)
    return dataclasses.replace(program, probes=probes)


def _externals(program: Program, steps: int, inputs: Inputs) -> dict[str, np.ndarray]:
    """Inputs by driver as inputs by external, each with one row per step."""
    externals = {p.name: f"{p.name}.{x.name}" for p in program.populations for x in p.externals}
    given: dict[str, np.ndarray] = {}
    for name, data in (inputs or {}).items():
        if name not in externals:
            raise ProgramError(
                "takes no input from outside",
                where=f"inputs[{name!r}]",
                allowed=", ".join(externals)
                or "none: the network has no SpikeArray or AnalogInput",
                fix=nearest(name, externals),
            )
        array = np.asarray(data)
        if not array.ndim or len(array) != steps:
            raise ProgramError(
                "not one row per step",
                where=f"inputs[{name!r}]",
                got=f"shape {array.shape}",
                allowed=f"[{steps}, size] or [{steps}, {program.trials}, size]",
            )
        given[externals[name]] = array
    return given
