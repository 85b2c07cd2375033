"""Colours that colour-blind readers can tell apart, axes, and saving."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "DASHES", "GREY", "new_figure", "plain_axes", "save_figure"]

# Okabe and Ito 2008, without the yellow that white paper swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (1, 1)), (0, (8, 3)), "-")
GREY = "#666666"


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own, in inches, on no screen."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def plain_axes(ax: Axes) -> None:
    """No box, a light grid, small ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=9)


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 120) -> None:
    """Write an image (type by the path's suffix); a reader never sees half of one.

    The same figure gives the same bytes: no date, and no random names inside an SVG.
    """
    from matplotlib import rc_context

    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex}{target.suffix}")
    date = {".svg": "Date", ".pdf": "CreationDate"}.get(target.suffix.lower())
    try:
        with rc_context({"svg.hashsalt": "neurohw"}):
            figure.savefig(temporary, dpi=dpi, metadata={date: None} if date else None)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
