"""What a figure is, which there are, and how one is written to a folder.

A figure is made by a function ``make(seed, trials, progress) -> Figure``, found by name in
:data:`FIGURES` and imported when it is asked for. It holds numbers, findings (see
:mod:`neurohw.science.claim`) and plain data; the function of :mod:`neurohw.plot` that it names
draws that data: ``draw(figure, data)`` adds axes to a matplotlib Figure. Title, caption and
findings are set above and below them by :func:`neurohw.plot.page.page`.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from neurohw.errors import NeurohwError
from neurohw.science.claim import Finding

__all__ = ["FIGURES", "Figure", "Make", "Progress", "make_figure", "maker", "save_figure"]

FIGURES: Mapping[str, str] = {
    "lif-deterministic": "neurohw.science.lif:deterministic",
    "lif-additive": "neurohw.science.lif:additive",
    "lif-multiplicative": "neurohw.science.lif:multiplicative",
    "conductances": "neurohw.science.conductance_inputs:inputs",
    "cond-lif-1": "neurohw.science.conductance_figures:fig6",
    "cond-lif-2": "neurohw.science.conductance_figures:fig7",
    "cond-lif-3": "neurohw.science.conductance_figures:fig8",
    "neuron-models": "neurohw.science.models:models",
    "firing-patterns": "neurohw.science.patterns:firing_patterns",
    "network-activity": "neurohw.science.network:activity",
    "network-synchrony": "neurohw.science.network:synchrony",
    "network-table": "neurohw.science.network:table",
}
"""Name -> "module:function", in the order in which they are made."""

SEED = 1
MOST = 5000
"""Realisations; figures keep the traces of all of them."""

NO_BREAK = "\u00a0"

Progress = Callable[[str, int, int], None]
"""Called with (label, steps done, steps to do)."""

Make = Callable[[int, int | None, Progress], "Figure"]
"""Seed, number of trials (None: the figure's own) and progress -> the figure."""


@dataclass(frozen=True, eq=False)
class Figure:
    """Everything there is to know about a figure; drawing it adds nothing.

    Attributes
    ----------
    name, title : str
        Its key in :data:`FIGURES`, and a line above it.
    caption : str
        What is shown, in our reading of the text's caption.
    seed, trials : int
        Key of all random draws; number of realisations.
    parameters, numbers : mapping
        Plain data for JSON: what went in (with units in the keys or values), what came out.
    findings : tuple of Finding
        The sentences this run bears out, or does not.
    draw : str
        "module:function" below :mod:`neurohw.plot`.
    data : mapping
        Arrays and labels that it draws.
    size : (float, float)
        Inches of the drawing, without the text around it.
    """

    name: str
    title: str
    caption: str
    seed: int
    trials: int
    parameters: Mapping[str, Any]
    numbers: Mapping[str, Any]
    findings: tuple[Finding, ...]
    draw: str
    data: Mapping[str, Any] = field(repr=False)
    size: tuple[float, float] = (10.0, 7.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: all but the arrays.

        Numbers keep ten digits: the last ones of a sum depend on where NumPy finds its memory.
        """
        return _ten_digits({
            "name": self.name,
            "title": self.title,
            "caption": self.caption,
            "seed": self.seed,
            "trials": self.trials,
            "parameters": dict(self.parameters),
            "numbers": dict(self.numbers),
            "findings": [f.as_dict() for f in self.findings],
        })  # fmt: skip


def _ten_digits(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _ten_digits(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_ten_digits(value) for value in data]
    return float(f"{data:.10g}") if isinstance(data, float) else data


def _call(reference: str) -> Any:
    module, _, function = reference.partition(":")
    return getattr(import_module(module), function)


def maker(name: str) -> Make:
    """The function that makes a figure.

    Raises
    ------
    NeurohwError
        If there is no such figure.
    """
    if name not in FIGURES:
        from neurohw.network.common import nearest

        raise NeurohwError(
            "no such figure", got=name, allowed=", ".join(FIGURES), fix=nearest(name, FIGURES)
        )
    return _call(FIGURES[name])


def quiet(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def make_figure(
    name: str, *, seed: int = SEED, trials: int | None = None, progress: Progress = quiet
) -> Figure:
    """Run what a figure needs and measure its claims.

    Parameters
    ----------
    name : str
        One of :data:`FIGURES`.
    seed : int
        0..2**63 - 1.
    trials : int, optional
        Realisations, 2 (a spread needs two) to :data:`MOST`; default: the figure's own number.

    Raises
    ------
    NeurohwError
        If there is no such figure, or seed or trials are out of range.
    """
    make = maker(name)
    for what, value, least, most in (("seed", seed, 0, 2**63 - 1), ("trials", trials, 2, MOST)):
        if value is not None and not least <= value <= most:
            allowed = f"at least {least}, at most {most}"
            raise NeurohwError("out of range", where=what, got=value, allowed=allowed)
    return make(seed, trials, progress)


def save_figure(figure: Figure, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write NAME.png, NAME.svg and NAME.json; a reader never sees half of one.

    The same figure gives the same bytes. The JSON is written last, so where it is, all are.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    NeurohwError
        If the folder cannot be written.
    """
    from neurohw.plot import save_figure as save_image
    from neurohw.plot.page import page

    out = Path(folder)
    findings = [
        (f.verdict, f.sentence, f"{f.quantity}: {f.number.replace(' ', NO_BREAK)}")
        for f in figure.findings
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        sheet = page(
            _call(figure.draw),
            figure.data,
            size=figure.size,
            title=figure.title,
            caption=figure.caption,
            findings=findings,
        )
        paths = tuple(out / f"{figure.name}.{kind}" for kind in ("png", "svg", "json"))
        for path in paths[:2]:
            save_image(sheet, path)
        text = json.dumps(figure.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        temporary = out / f".{figure.name}.{uuid.uuid4().hex}.json"
        try:
            temporary.write_text(text + "\n", encoding="utf-8")
            os.replace(temporary, paths[2])
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        what = "cannot write the figure"
        raise NeurohwError(what, where=str(error.filename or out), got=error.strerror) from error
    return paths
