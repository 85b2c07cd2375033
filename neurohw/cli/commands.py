"""The commands that run something: run and compare."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from neurohw.cli.data import Data, read_data
from neurohw.cli.explaining import explain_pairs, print_explanation
from neurohw.cli.front import fail
from neurohw.cli.look import console, progress
from neurohw.cli.results import energy_line, print_comparison, print_run, summary
from neurohw.cli.source import (
    FIRST,
    Dt,
    Duration,
    File,
    Losses,
    Method,
    Seed,
    Steps,
    Trials,
    names,
    read,
    schedule,
    writable,
)

__all__ = ["compare", "run"]

QUICK = 5_000
"""Steps times populations and drivers up to which `compare` explains without being asked.

An explanation takes some thirty runs of changed programs, each of which `reference` does in well
under a second then; above that ask for it with --explain.
"""
DEFAULT_TARGETS = ("float64", "float32", "lava", "loihi1")


def run(
    file: File,
    backend: Annotated[str, typer.Option(help="What executes it; see `neurohw backends`.")] = (
        "native"
    ),
    target: Annotated[
        str, typer.Option(help="Whose rules hold; see `neurohw targets`.", show_default=FIRST)
    ] = "",
    dt: Dt = None,
    duration: Duration = None,
    steps: Steps = None,
    trials: Trials = None,
    seed: Seed = None,
    method: Method = "",
    data: Data = None,
    losses: Losses = False,
    out: Annotated[
        Path | None, typer.Option(help="Save the recording here (NetCDF, .nc).", dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run a network and print what it did.

    Prints spikes and rates, what lowering did to each parameter, and for fixed-point targets how
    close each register came to overflow.
    """
    writable(out, ".nc")
    source = read(file, dt=dt, data=data)
    from neurohw.run import run_program, with_spikes

    report = inputs = None
    record = None
    if source.network is None or source.spec is None:
        source.refuse(target=target, dt=dt, trials=trials, seed=seed, method=method, data=data)
        program, count = source.program, source.steps(duration, steps)
        assert program is not None
    else:
        inputs, steps = read_data(data, source, duration, steps)
        spec = schedule(
            source.spec, dt=dt, duration=duration, steps=steps, trials=trials, seed=seed
        )
        record, lowered = source.lowered(target, spec, method)
        program, report, count = lowered.program, lowered.report, spec.steps
    program = with_spikes(program)
    if losses:
        from neurohw.program import with_losses

        program = with_losses(program)
    with progress() as tick:
        label = f"{backend}/{program.target}"
        tick(label, 0, count)
        recording = run_program(
            program,
            backend,
            count,
            inputs=inputs,
            progress=lambda done, total: tick(label, done, total),
        )
    if out is not None:
        _save(out, recording.save)
    if as_json:
        print(_json(summary(recording, report)))
        return
    energy = ""
    if record is not None:
        energy = energy_line(program, recording, record)
    print_run(recording, report, energy)
    if out is not None:
        console().print(f"saved {out}")


def compare(
    file: File,
    backends: Annotated[
        str, typer.Option(metavar="A,B", help="Backends.", show_default="all that are installed")
    ] = "",
    targets: Annotated[
        str,
        typer.Option(
            metavar="X,Y",
            help="Targets.",
            show_default="the file's, else " + ",".join(DEFAULT_TARGETS),
        ),
    ] = "",
    dt: Dt = None,
    duration: Duration = None,
    steps: Steps = None,
    trials: Trials = None,
    seed: Seed = None,
    method: Method = "",
    data: Data = None,
    why: Annotated[
        bool | None,
        typer.Option(
            "--explain/--no-explain",
            help="Find the rules that make the first target differ from each other one.",
            show_default="if it is quick",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 also where something was skipped.")
    ] = False,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", help="Save all of it as JSON here; - prints it instead."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the first divergence here (.png, .svg, .pdf).")
    ] = None,
) -> None:
    """Say where, when and why backends and targets differ.

    Two backends on one target must agree: that is a verdict. How two targets differ is measured.
    Exits with 0 if every verdict holds, 1 if one fails, 2 on wrong input, 130 if interrupted.
    """
    writable(figure, ".png", ".svg", ".pdf")
    writable(None if str(as_json) == "-" else as_json)
    source = read(file, dt=dt, data=data)
    explanations: list[Any] = []
    from neurohw.run import compare as compare_network
    from neurohw.run import compare_programs

    chosen: Any = names(backends) or (source.spec.backends if source.spec else ()) or None
    with progress() as tick:
        if source.network is None or source.spec is None:
            source.refuse(targets=targets, dt=dt, trials=trials, seed=seed, method=method,
                          data=data)  # fmt: skip
            assert source.program is not None
            found = compare_programs(
                [source.program], source.steps(duration, steps), backends=chosen, progress=tick
            )
        else:
            inputs, steps = read_data(data, source, duration, steps)
            spec = schedule(
                source.spec, dt=dt, duration=duration, steps=steps, trials=trials, seed=seed
            )
            records = list(map(source.rules, names(targets) or spec.targets or DEFAULT_TARGETS))
            found = compare_network(
                source.network,
                backends=chosen,
                targets=records,
                dt=spec.dt,
                steps=spec.steps,
                trials=spec.trials,
                seed=spec.seed,
                method=method,
                inputs=inputs,
                progress=tick,
            )
            took_part = {e.target for e in found.entries}
            ran = [record for record in records if record.name in took_part]
            parts = len(source.network.populations) + len(source.network.drivers)
            if len(ran) > 1 and (why or (why is None and spec.steps * parts <= QUICK)):
                explanations = explain_pairs(source.network, spec, ran, inputs=inputs, tick=tick)
    if len(found.entries) < 2:
        told = "; ".join(f"{s.backend}/{s.target}: {s.reason}" for s in found.skipped)
        fail(
            "nothing to compare: fewer than two runs",
            where=str(file),
            fix=f"skipped {told}" if told else "name another backend or target",
        )
    if figure is not None:
        from neurohw.plot import compare_figure, save_figure

        save_figure(compare_figure(found), figure)
    told = found.as_dict() | {"explanations": [e.as_dict() for e in explanations]}
    if as_json is not None and str(as_json) != "-":
        _save(as_json, lambda path: Path(path).write_text(_json(told) + "\n"))
    if str(as_json) == "-":
        print(_json(told))
    else:
        print_comparison(found)
        for e in explanations:
            console().print()
            print_explanation(e, rows=False)
        for path in (as_json, figure):
            if path is not None:
                console().print(f"saved {path}")
    if not found.ok or (strict and found.skipped):
        raise typer.Exit(1)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, allow_nan=False)


def _save(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside ``path`` and rename, so that nobody ever sees half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    try:
        write(Path(name))
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp's file is for its owner alone
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    sys.stdout.flush()
