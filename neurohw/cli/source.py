"""What the commands are given: a file, how to run it, names of backends and targets."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from neurohw.cli.front import fail

if TYPE_CHECKING:
    from neurohw.lowering import Lowered
    from neurohw.network import Network, RunSpec
    from neurohw.program import Program
    from neurohw.targets import Target

__all__ = [
    "FIRST", "Dt", "Duration", "File", "Losses", "Method", "Seed", "Source", "Steps", "Trials",
    "names", "read", "schedule", "writable",
]  # fmt: skip

File: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A network (.toml), a NIR graph (.nir), or a program that is lowered already (.nhw).",
    ),
]
Dt: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TIME", help="Time step, such as '0.1 ms'.")
]
Duration: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long to run, such as '1 s'.")
]
Steps: TypeAlias = Annotated[
    int | None, typer.Option(help="How many steps, instead of a duration.")
]
Trials: TypeAlias = Annotated[int | None, typer.Option(help="Independent repetitions.")]
Seed: TypeAlias = Annotated[int | None, typer.Option(help="Key of every random draw.")]
Method: TypeAlias = Annotated[
    str, typer.Option(help="euler or exponential.", show_default="the target's first")
]
Losses: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--losses", help="Fixed point: also count bits shifted out, and values that became 0."
    ),
]
FIRST = "the file's first, else float64"


@dataclass(frozen=True)
class Source:
    """A network with its [run] table, or a program that is lowered already.

    ``names``: path of a node of a NIR graph -> driver or population.
    """

    path: Path
    network: Network | None = None
    spec: RunSpec | None = None
    program: Program | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def rules(self, target: str) -> Target:
        """The record; a NIR graph takes Euler's step where the target knows it.

        That is how importers read NIR (snnTorch: ``beta = 1 - dt / tau``), and what the numbers of
        exporters are made for.
        """
        from neurohw.targets import load_target

        record = load_target(target)
        if self.names and "euler" in record.methods:
            others = tuple(m for m in record.methods if m != "euler")
            return dataclasses.replace(record, methods=("euler", *others))
        return record

    def lowered(self, target: str, spec: RunSpec, method: str) -> tuple[Target, Lowered]:
        """The network as a target has it, and its record; not named, it is the file's first."""
        from neurohw.lowering import lower

        assert self.network is not None
        record = self.rules(target or next(iter(spec.targets), "float64"))
        return record, lower(self.network, record, dt=spec.dt, trials=spec.trials, seed=spec.seed,
                             method=method)  # fmt: skip

    def refuse(self, **options: Any) -> None:
        """Refuse options that a program leaves no room for."""
        said = [f"--{key}" for key, value in options.items() if value not in (None, "")]
        if said:
            fail(
                f"the program is lowered already; {', '.join(said)} cannot change it",
                where=str(self.path),
                fix="give the network's .toml instead",
            )

    def steps(self, duration: str | None, steps: int | None) -> int:
        """How many steps to run a program; 1 s unless said otherwise."""
        from neurohw.network import Origin, RunSpec

        assert self.program is not None
        if steps is None and duration is None:
            return max(1, round(1 / self.program.dt))
        place = Origin("command line", owner="run")
        spec = RunSpec(dt=self.program.dt, duration=duration, steps=steps, origin=place)
        return spec.steps


def read(path: Path, *, dt: str | None = None, data: Path | None = None) -> Source:
    """Read a network (.toml), a NIR graph (.nir) or a program (.nhw).

    ``dt`` and ``data`` are what the command was given: a NIR graph may need the step, and its
    inputs are spikes or numbers, as the data are.
    """
    if path.suffix == ".nhw":
        from neurohw.program import load_program

        return Source(path, program=load_program(path))
    if path.suffix == ".nir":
        return _read_nir(path, dt, data)
    if path.suffix != ".toml":
        fail("not a file neurohw runs", where=str(path),
             allowed="a network .toml, a NIR graph .nir, a program .nhw")  # fmt: skip
    from neurohw.network import load

    network, spec = load(path)
    return Source(path, network, spec)


def _read_nir(path: Path, dt: str | None, data: Path | None) -> Source:
    from rich.console import Console

    from neurohw.cli.data import is_analog
    from neurohw.io.nir import network_of_graph, read_nir
    from neurohw.network import RunSpec

    inputs = "analog" if data is not None and is_analog(data) else "spikes"
    found = network_of_graph(
        read_nir(path), dt=dt, inputs=inputs, name=re.sub(r"\W|^(?=\d)", "_", path.stem) or "nir",
        origin=str(path),
    )  # fmt: skip
    notes = list(found.notes)
    if data is None:
        notes.append("no --data: nothing enters the network")
    out = Console(stderr=True, highlight=False)
    for note in notes:
        out.print(f"[dim]{path.name}:[/dim] {note}", soft_wrap=True)
    return Source(path, found.network, RunSpec(dt=found.dt), names=found.names)


def schedule(
    spec: RunSpec,
    *,
    dt: str | None = None,
    duration: str | None = None,
    steps: int | None = None,
    trials: int | None = None,
    seed: int | None = None,
) -> RunSpec:
    """The [run] table, changed by what the command line says."""
    from neurohw.network import Origin, RunSpec

    said = {"dt": dt, "duration": duration, "steps": steps, "trials": trials, "seed": seed}
    said = {key: value for key, value in said.items() if value is not None}
    if not said:
        return spec
    given: dict[str, Any] = spec.arguments()
    if "duration" in said or "steps" in said:
        given.pop("duration", None)
        given.pop("steps", None)
    given |= {**said, "origin": Origin("command line", owner="run")}
    return RunSpec(**given)


def names(text: str) -> tuple[str, ...]:
    """A comma list, each name once."""
    return tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))


def writable(path: Path | None, *endings: str) -> None:
    """Refuse a path that cannot be written, before anything is run."""
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        fail("not a kind of file that can be written", where=str(path), allowed=" ".join(endings))
    if not os.access(path.parent, os.W_OK):
        what = "the folder is read-only" if path.parent.is_dir() else "no such folder"
        fail(what, where=str(path))
