"""The command line. What is heavy is imported inside the commands, so that help comes at once."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from neurohw.cli.commands import compare, run
from neurohw.cli.explaining import explain
from neurohw.cli.figures import figures
from neurohw.cli.front import Front
from neurohw.cli.inspect import backends, show, targets
from neurohw.cli.nir import nir
from neurohw.cli.planning import plan

__all__ = ["app", "main"]

app = typer.Typer(
    name="neurohw",
    cls=Front,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"neurohw {version('neurohw')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Write a network once, get the same spikes from every engine, and learn where a chip differs.

    A network is a TOML file in physical units, or a NIR graph. A target says which rules and
    number formats hold (float64, lava, loihi1, ...); a backend executes it (native, torch, lava,
    ...).
    """


for _command in (run, compare, explain, plan, show, backends, targets, figures):
    app.command()(_command)
app.add_typer(nir, name="nir")


def main() -> NoReturn:
    """Entry point of ``neurohw``."""
    try:
        app()
    except KeyboardInterrupt:  # before the first command had been found
        raise SystemExit(130) from None
    raise SystemExit(0)
