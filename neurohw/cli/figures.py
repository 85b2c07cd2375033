"""The command that makes the figures of the texts: figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurohw.cli.front import fail
from neurohw.cli.look import console, plain, progress, table

__all__ = ["figures"]

STYLES = {"holds": "green", "does not hold": "red", "not decidable": ""}


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which.", show_default="all")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for NAME.png, NAME.svg and NAME.json.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Key of every random draw.")] = 1,
    trials: Annotated[
        int | None, typer.Option(help="Realisations.", show_default="the figure's own")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the figures and stop.")] = False,
) -> None:
    """Make the figures of the sources and judge their claims.

    Every figure names its parameters and seed, and lists the sentences it was checked against with
    the number that was measured. The same seed gives the same files.
    """
    from neurohw.science.figure import FIGURES, make_figure, maker, save_figure

    if show:
        rows = [(name, (maker(name).__doc__ or "").partition("\n")[0]) for name in FIGURES]
        console().print(table(rows, ("figure", "shows")))
        return
    if out is None:
        fail("no folder given", where="--out", fix="for example --out out/figures")
    chosen = list(dict.fromkeys(names or FIGURES))
    for name in chosen:
        maker(name)  # a wrong name is told before anything runs
    rows = []
    with progress() as tick:
        for name in chosen:

            def told(label: str, done: int, total: int, name: str = name) -> None:
                tick(f"{name}: {label}", done, total)

            made = make_figure(name, seed=seed, trials=trials, progress=told)
            path = save_figure(made, out)[0]
            found = [f.verdict for f in made.findings]
            marks = [plain(str(found.count(v)), style) for v, style in STYLES.items()]
            rows.append((name, *marks, path))
    columns = ("figure", *STYLES, "file")
    console().print(table(rows, columns, right=" ".join(s.replace(" ", "_") for s in STYLES)))
