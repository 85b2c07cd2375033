"""All claims of all sources, measured, and as the tables of ``docs/science.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from neurohw.errors import NeurohwError
from neurohw.network.common import nearest
from neurohw.science.claim import Finding, find
from neurohw.science.figure import SEED, Progress, quiet

__all__ = ["SOURCES", "Source", "markdown", "measure", "with_tables"]


@dataclass(frozen=True)
class Source:
    """A set of claims that share their runs.

    Attributes
    ----------
    module : str
        Defines ``CLAIMS`` and ``simulate(seed, trials, progress) -> runs``.
    trials : int
        Realisations for the table.
    """

    module: str
    trials: int


SOURCES: Mapping[str, Source] = {
    "snn": Source("neurohw.science.pipeline", 200),
    "lif": Source("neurohw.science.lif_claims", 1000),
    "conductances": Source("neurohw.science.conductance_inputs", 1000),
    "cond": Source("neurohw.science.conductance_claims", 2000),
    "models": Source("neurohw.science.models_claims", 1),
    "network": Source("neurohw.science.network_claims", 200),
}
"""By the name that their table's markers carry."""


def measure(
    name: str, *, seed: int = SEED, trials: int | None = None, progress: Progress = quiet
) -> tuple[Finding, ...]:
    """Run a source and measure its claims.

    Parameters
    ----------
    name : str
        One of :data:`SOURCES`.
    seed : int
        Key of all random draws.
    trials : int, optional
        Realisations, at least 2; default: the source's own.

    Raises
    ------
    NeurohwError
        If there is no such source.
    """
    if name not in SOURCES:
        raise NeurohwError(
            "no such source", got=name, allowed=", ".join(SOURCES), fix=nearest(name, SOURCES)
        )
    source = SOURCES[name]
    module = import_module(source.module)
    return find(module.CLAIMS, module.simulate(seed, trials or source.trials, progress))


def markdown(findings: Sequence[Finding]) -> str:
    """A table: the claim, our reading, the number with its error, n, and the verdict."""
    rows = ["| claim | reading | measured | n | |", "|---|---|---|---|---|"]
    for f in findings:
        note = f"; {f.note}" if f.note else ""
        cells = (
            f"{f.source}: “{f.sentence}”",
            f.reading,
            f"{f.quantity}: **{f.number}**{note}",
            str(f.n),
            f.verdict,
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def with_tables(text: str, tables: Mapping[str, str]) -> str:
    """The text, with each table between its markers ``<!-- NAME -->`` and ``<!-- /NAME -->``.

    Raises
    ------
    NeurohwError
        If a table has no markers, or more than one pair.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        found = len(pattern.findall(text))
        if found != 1:
            raise NeurohwError("a table needs one pair of markers", where=name, got=found)
        text = pattern.sub(lambda _, t=table, b=begin, e=end: f"{b}\n{t}\n{e}", text)
    return text
