"""A table of a network's numbers, with the spread behind each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .network import sets, small_legend
from .style import DASHES, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["table"]

Data = Mapping[str, Any]


def table(figure: Figure, data: Data) -> None:
    """Strips of dots, one per network, beside each printed number; and the table itself.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``quantities`` (key -> name, unit, digits), ``printed``, ``values`` and ``half`` (set ->
        key -> one number per network; the latter with half the step), ``bins`` (ms), ``by_bin``
        (set -> ``[network, bin]``), ``neurons``.
    """
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.5, 1])[:, 0]
    axes = upper.subplots(1, 6, width_ratios=[1, 1, 1, 1, 1, 1.9])
    axes[0].set_ylabel("one dot per network", fontsize=9)
    for ax, (key, (name, unit, _)) in zip(axes, data["quantities"].items(), strict=False):
        plain_axes(ax)
        for at, (one, label, colour) in enumerate(sets(data)):
            y = data["values"][one][key]
            x = at + 0.5 * ((np.arange(len(y)) * 0.618034) % 1 - 0.5)
            ax.plot(x, y, ".", color=colour, markersize=5, alpha=0.6, label=label)
            ax.errorbar(at + 0.38, y.mean(), y.std(ddof=1), color=colour, marker="D", markersize=4,
                        capsize=3, linewidth=1.2)  # fmt: skip
        ax.axhline(data["printed"][key], color="black", linewidth=1, linestyle=DASHES[1])
        ax.set_xlim(-0.5, 1.7)
        ax.set_xticks([0, 1], [label.split()[0] for _, label, _ in sets(data)])
        ax.set_title(f"{name.replace('mean pairwise ', '')}{f' ({unit})' if unit else ''}",
                     fontsize=9)  # fmt: skip
    ax = axes[-1]
    plain_axes(ax)
    for one, label, colour in sets(data):
        y = data["by_bin"][one]
        ax.errorbar(data["bins"], y.mean(0), y.std(0, ddof=1), color=colour, marker="o",
                    markersize=4, capsize=3, linewidth=1, label=label)  # fmt: skip
    ax.axhline(data["printed"]["correlation"], color="black", linewidth=1, linestyle=DASHES[1],
               label="printed")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(data["bins"], [f"{b:g}" for b in data["bins"]])
    ax.minorticks_off()
    ax.set_ylim(0, None)
    ax.set_xlabel("bin (ms)", fontsize=9)
    ax.set_title("correlation against its bin", fontsize=9)
    small_legend(ax, loc="lower right")
    _cells(lower.subplots(), data)


def _cells(ax: Axes, data: Data) -> None:
    ax.axis("off")
    names = [label for _, label, _ in sets(data)]
    head = ["parameter", "units", "printed", *names, *(f"{name}, dt / 2" for name in names)]
    rows = [["network size", "neurons", *[str(data["neurons"])] * 5]]
    for key, (name, unit, digits) in data["quantities"].items():
        found = [data[part][one][key] for part in ("values", "half") for one in data["sets"]]
        spread = [f"{y.mean():.{digits}f} ± {y.std(ddof=1):.{digits}f}" for y in found]
        printed = {"cv": ".2f", "correlation": ".3f"}.get(key, ".1f")
        rows.append([name, unit, format(data["printed"][key], printed), *spread])
    cells = ax.table(rows, colLabels=head, loc="center", cellLoc="center", edges="horizontal",
                     colWidths=[0.2, 0.08, 0.09, 0.15, 0.15, 0.17, 0.17])  # fmt: skip
    cells.auto_set_font_size(False)
    cells.set_fontsize(9.5)
    cells.scale(1, 1.75)
    for (row, column), cell in cells.get_celld().items():
        cell.set_edgecolor("#BBBBBB")
        if row == 0:
            cell.set_text_props(weight="bold")
        if column == 0:
            cell.set_text_props(ha="left")
