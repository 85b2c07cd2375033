"""Small panels of membrane potential and adaptation current."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .style import COLOURS, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["patterns"]


def patterns(figure: Figure, data: Mapping[str, Any]) -> None:
    """Draw ``data["panels"]`` over ``data["time"]`` in ms.

    A panel has title, v (mV), w (pA), spikes (ms), foot and peak (mV), current (pA).
    """
    panels, columns = data["panels"], 4
    rows = -(-len(panels) // columns)
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for k, (ax, panel) in enumerate(zip(axes, panels, strict=False)):
        plain_axes(ax)
        ax.plot(data["time"], panel["v"], color=COLOURS[0], linewidth=0.8)
        floor = panel["v"].min()
        ax.vlines(panel["spikes"], panel["foot"], panel["peak"], color=COLOURS[0], linewidth=0.8)
        ax.set_ylim(floor - 8, panel["peak"] + 6)
        ax.set_title(f"{panel['title']}\n{panel['current']:g} pA", fontsize=9, loc="left")
        other = ax.twinx()
        other.plot(data["time"], panel["w"], color=COLOURS[1], linewidth=0.7, alpha=0.8)
        other.spines[["top"]].set_visible(False)
        other.tick_params(labelsize=8, colors=COLOURS[1])
        if k % columns == 0:
            ax.set_ylabel("V (mV)", color=COLOURS[0])
        if k % columns == columns - 1 or k == len(panels) - 1:
            other.set_ylabel("w (pA)", color=COLOURS[1])
        if k + columns >= len(panels):
            ax.set_xlabel("time (ms)")
            ax.tick_params(labelbottom=True)
    for ax in axes[len(panels) :]:
        ax.remove()
