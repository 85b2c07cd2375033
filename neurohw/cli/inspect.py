"""The commands that run nothing: show, backends, targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from neurohw.cli.front import fail
from neurohw.cli.look import console, plain, table
from neurohw.cli.results import report_tables
from neurohw.cli.source import FIRST, Dt, File, Method, Seed, Trials, read, schedule, writable

__all__ = ["backends", "show", "targets"]


def show(
    file: File,
    target: Annotated[
        str, typer.Option(help="A target's name, or a record's path.", show_default=FIRST)
    ] = "",
    full: Annotated[bool, typer.Option("--full", help="Arrays in full.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Only what lowering did to each parameter.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(help="Save the program here (.nhw).", dir_okay=False)
    ] = None,
    dt: Dt = None,
    trials: Trials = None,
    seed: Seed = None,
    method: Method = "",
) -> None:
    """Show the program a network becomes.

    Prints the program as text, and what lowering did to each parameter: asked for, realised, lost.
    """
    from neurohw.program import print_program, save_program

    writable(save, ".nhw")
    source = read(file, dt=dt)
    lowered = None
    if source.network is None or source.spec is None:
        source.refuse(target=target, dt=dt, trials=trials, seed=seed, method=method)
        if report:
            fail("a program file holds no report", where=str(file), fix="give the network's .toml")
        program = source.program
    else:
        spec = schedule(source.spec, dt=dt, trials=trials, seed=seed)
        _, lowered = source.lowered(target, spec, method)
        program = lowered.program
    assert program is not None
    out = console()
    if not report:
        out.out(print_program(program, elide=not full).rstrip())
    if lowered is not None:
        if not report:
            out.print()
        report_tables(out, lowered.report)
    if save is not None:
        save_program(program, save)
        out.print(f"saved {save} (sha256 {program.hash[:16]})")


def backends() -> None:
    """List the backends, and whether each can be used."""
    from neurohw.backend import available

    rows = [
        (
            b.name,
            f"{b.distribution} {b.version}".strip(),
            b.value,
            plain(b.problem or "usable", "red" if b.problem else "green"),
        )
        for b in available()
    ]
    console().print(table(rows, ("backend", "from", "entry point", "state")))


def targets(
    name: Annotated[str, typer.Argument(help="Print the whole record of this target.")] = "",
) -> None:
    """List the targets, or print one record.

    A record holds the rules, where they come from, and what they were checked against.
    """
    import dataclasses

    from neurohw.targets import load_target, target_names

    out = console()
    if not name:
        records = [load_target(n) for n in target_names()]
        out.print(table([(r.name, r.kind, r.title) for r in records], ("target", "kind", "title")))
        return
    record = load_target(name)
    out.print(plain(f"{record.name}: {record.title} ({record.kind})", "bold"))
    out.print(record.fidelity)
    for heading, texts in (
        ("sources", record.sources),
        ("checked against", record.checked_against),
    ):
        out.print(plain(heading, "bold"))
        for text in texts:
            out.print(f"  {text}")
    out.print(plain("methods", "bold"), "\n  " + ", ".join(record.methods))
    for section in dataclasses.fields(record):
        rules = getattr(record, section.name)
        if not dataclasses.is_dataclass(rules):
            continue
        if not record.fixed and section.name in ("voltage", "weight", "bias"):
            continue  # widths of integers that a float target does not have
        out.print(plain(section.name, "bold"))
        for rule in dataclasses.fields(rules):
            value: Any = getattr(rules, rule.name)
            shown = ", ".join(value) if isinstance(value, tuple) else value
            if shown != "":
                out.print(f"  {rule.name} = {shown}")
