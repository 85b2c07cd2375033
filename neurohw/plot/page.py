"""The sheet around a drawing: title and caption above it, the findings in words below."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .style import GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["page"]

SIZE = 8.5  # points
LINE = 0.168  # inches between lines
MARGIN = 0.1  # inches, left and right
INDENT = 1.12  # inches: the column of verdicts
TOGETHER = re.compile(r" (?=[=≈] )|(?<= [=≈]) |(?<=\d) (?=(?:[mnpµ]?[AFsSV]|Hz|%)\b)")
"""Spaces that no line may break at: around an equals sign, and before a unit."""
VERDICTS = {"holds": "#00724F", "does not hold": "#B34700", "not decidable": GREY}


def page(
    draw: Callable[[Any, Mapping[str, Any]], object],
    data: Mapping[str, Any],
    *,
    size: tuple[float, float],
    title: str,
    caption: str,
    findings: Sequence[tuple[str, str, str]] = (),
) -> Figure:
    """A figure with its text.

    Parameters
    ----------
    draw : callable
        ``draw(figure, data)`` adds axes to a matplotlib Figure, which keeps them between the texts.
    data : mapping
        What it draws.
    size : (float, float)
        Width and height of the body in inches.
    title, caption : str
        Above it; the caption is wrapped.
    findings : sequence of (verdict, sentence, number)
        Below it, one entry each, wrapped.
    """
    width, height = size
    above = _wrap(caption, width)
    below = [(verdict, _wrap(f"“{sentence}” – {number}", width - INDENT + MARGIN))
             for verdict, sentence, number in findings]  # fmt: skip
    head = 0.42 + LINE * len(above)
    foot = 0.2 + LINE * sum(len(lines) for _, lines in below) if below else 0.05
    total = head + height + foot
    fig = new_figure(width, total)
    fig.set_layout_engine("constrained", rect=(0, foot / total, 1, height / total))
    draw(fig, data)
    _freeze(fig)
    _write(fig, MARGIN, 0.28, [title], size=11.5, weight="bold")
    _write(fig, MARGIN, 0.28 + 1.15 * LINE, above)
    at = head + height + 0.1 + LINE / 2
    for verdict, lines in below:
        colour = VERDICTS.get(verdict, GREY)
        _write(fig, MARGIN, at, [verdict], color=colour, weight="bold")
        _write(fig, INDENT, at, lines)
        at += LINE * len(lines)
    return fig


def _wrap(text: str, inches: float) -> list[str]:
    """Lines that fit between the left margin and as much on the right, by the font's widths."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font, measure = FontProperties(size=SIZE), TextToPath().get_text_width_height_descent
    room = 0.94 * 72 * (inches - 2 * MARGIN)  # points; whole pixels for each letter widen a line
    lines: list[str] = []
    for word in TOGETHER.sub("\u00a0", text).split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure(longer, font, ismath=False)[0] <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _freeze(fig: Figure) -> None:
    """Lay out once and for all, to 10^-5: the solver's last digits change from run to run."""
    from matplotlib.transforms import Bbox

    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for ax in fig.axes:
        box = ax.get_position(original=True).bounds
        ax.set_position(Bbox.from_bounds(*(round(float(x), 5) for x in box)))


def _write(fig: Figure, x: float, y: float, lines: list[str], **style: Any) -> None:
    """Lines from (x, y) inches right of and below the upper left corner."""
    width, height = fig.get_size_inches()
    for k, line in enumerate(lines):
        fig.text(x / width, 1 - (y + k * LINE) / height, line, ha="left", va="baseline",
                 **{"size": SIZE, **style})  # fmt: skip
