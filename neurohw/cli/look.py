"""How results look: tables that stay readable in a pipe, and bars that never reach one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Ticker", "amount", "console", "plain", "progress", "table"]

Ticker = Callable[[str, int, int], None]
"""Called with the label of a run, the steps done and the steps to do."""


class _Out(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console() -> Console:
    """Standard output: words wrap at a terminal's edge, and lines stay whole in a pipe."""
    out = _Out(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.soft_wrap, out.width = True, 240
    return out


def table(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], *, right: str = "", title: str = ""
) -> Table:
    """A plain table; ``right`` names the columns of numbers."""
    out = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title or None, title_justify="left",
        title_style="bold", header_style="bold",
    )  # fmt: skip
    numbers = right.split()
    for name in columns:
        where = "right" if name.replace(" ", "_") in numbers else "left"
        out.add_column(name, justify=where, overflow="fold")
    for row in rows:
        out.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    return out


def plain(text: str, style: str = "") -> Text:
    """Text with a style, and no markup."""
    return Text(text, style=style)


def amount(value: float, unit: str) -> str:
    """A quantity of four digits, with a prefix where its unit takes one."""
    from neurohw.network import format_si

    if unit[:1].isalpha():
        return format_si(float(f"{value:.4g}"), unit)
    return f"{value:.4g} {unit}".rstrip()


@contextmanager
def progress() -> Iterator[Ticker]:
    """Bars on standard error if that is a terminal; otherwise nothing."""
    if not sys.stderr.isatty():
        yield lambda label, done, steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tick(label: str, done: int, steps: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=steps)
            bars.update(tasks[label], completed=done)

        yield tick
