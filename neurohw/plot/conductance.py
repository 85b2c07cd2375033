"""A neuron under synaptic conductances: what it hears, what it does, and what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .lif import marks
from .style import COLOURS, GREY, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["inputs", "panels"]

LOWEST = -200.0  # mV: traces that go further down are cut off, and the panel says how far they go
ROWS = 40  # realisations in the raster


def panels(figure: Figure, data: Mapping[str, Any]) -> None:
    """Draw ``data["columns"]`` side by side: V, a part of it, spikes, intervals.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``columns`` (title, v, free, trial, time, share, text), ``times`` (ms) of v and free,
        ``zoom`` (ms, ms), ``edges`` of the intervals (ms), ``short`` (ms), ``levels``
        (name -> mV), ``trials``.
    """
    columns = data["columns"]
    grid = figure.subplots(4, len(columns), height_ratios=[1.25, 1.25, 0.9, 0.9], squeeze=False)
    times = data["times"]
    span = (0.0, float(2 * times[-1] - times[-2]))
    top = 1.5 * max(float(c["share"].max()) for c in columns) or 1.0
    for k, (column, axes) in enumerate(zip(columns, grid.T, strict=True)):
        first = k == 0
        axes[0].set_title(column["title"], fontsize=9)
        _potential(axes[0], column, data, span, first, room=2.2)
        _potential(axes[1], column, data, data["zoom"], first)
        if first:
            axes[0].legend(loc="lower left", fontsize=7.5, ncols=4, handlelength=1.4, frameon=False,
                           borderaxespad=0.1)  # fmt: skip
        axes[0].axvspan(*data["zoom"], color=GREY, alpha=0.12, linewidth=0)
        marks(axes[2], column["trial"], column["time"], data["trials"], first, ROWS)
        axes[2].set_xlim(*span)
        axes[2].set_xlabel("time (ms)", fontsize=9)
        _intervals(axes[3], column, data, top, first)
    figure.align_ylabels(grid[:, 0])


def _potential(
    ax: Axes,
    column: Mapping[str, Any],
    data: Mapping[str, Any],
    span: tuple[float, float],
    first: bool,
    room: float = 1.0,
) -> None:
    plain_axes(ax)
    t, v, free = data["times"], column["v"], column["free"]
    seen = (t >= span[0]) & (t <= span[1])
    least = min(v.min(), free.min(), *data["levels"].values())
    most = max(v.max(), free.max(), *data["levels"].values())
    bottom = max(least, LOWEST)
    pad = 0.08 * (most - bottom)
    ax.plot(t[seen], v[seen], color=COLOURS[0], linewidth=1.1, label="V")
    ax.plot(t[seen], free[seen], color=COLOURS[1], linewidth=0.6, alpha=0.9, label="free V")
    for k, (name, level) in enumerate(data["levels"].items()):
        ax.axhline(level, color=(COLOURS[2], GREY)[k % 2], linewidth=0.9, linestyle=(0, (4, 2)),
                   label=name)  # fmt: skip
    spikes = column["time"][column["trial"] == 0]
    spikes = spikes[(spikes >= span[0]) & (spikes <= span[1])]
    ax.vlines(spikes, most + 0.6 * pad, most + 2.2 * pad, color="black", linewidth=0.7)
    least = min(v[seen].min(), free[seen].min())
    if least < bottom:
        ax.text(0.01, 0.03, f"down to −{-least:.0f} mV", transform=ax.transAxes, fontsize=7.5,
                color=GREY)  # fmt: skip
    ax.set_ylim(bottom - room * pad, most + 2.6 * pad)
    ax.set_xlim(*span)
    if first:
        ax.set_ylabel("V (mV)", fontsize=9)


def _intervals(
    ax: Axes, column: Mapping[str, Any], data: Mapping[str, Any], top: float, first: bool
) -> None:
    plain_axes(ax)
    edges = data["edges"]
    ax.axvspan(edges[0], data["short"], color=COLOURS[3], alpha=0.18, linewidth=0)
    ax.stairs(column["share"], edges, fill=True, color=COLOURS[0], alpha=0.55)
    ax.set_xscale("log")
    ax.set_xlim(0.1, 1000)
    ax.set_xticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1000"])
    ax.set_ylim(0, top)
    ax.set_xlabel("interval between spikes (ms)", fontsize=9)
    ax.text(0.98, 0.95, "\n".join(column["text"]), transform=ax.transAxes, fontsize=8, va="top",
            ha="right")  # fmt: skip
    if first:
        ax.set_ylabel("share per\ndecade (%)", fontsize=9)
        ax.text(0.015, 0.95, "burst", transform=ax.transAxes, fontsize=7.5, va="top", color=GREY)


def inputs(figure: Figure, data: Mapping[str, Any]) -> None:
    """Draw ``data["columns"]`` side by side: input spikes, a conductance, its mean and spread.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``columns`` (title, train, time, trains, shown, mean, sd, expected, settled), and the
        times in ms of a realisation (``fine``) and of the means (``times``).
    """
    columns = data["columns"]
    grid = figure.subplots(3, len(columns), sharex=True, height_ratios=[1, 1.2, 1.2], squeeze=False)
    for k, (column, axes) in enumerate(zip(columns, grid.T, strict=True)):
        first, (mean, sd) = k == 0, column["settled"]
        axes[0].set_title(column["title"], fontsize=9)
        plain_axes(axes[0])
        axes[0].grid(False)
        axes[0].plot(column["time"], column["train"], "|", color="black", markersize=3,
                     markeredgewidth=0.7)  # fmt: skip
        axes[0].set_ylim(-1, column["trains"])
        for ax in axes[1:]:
            plain_axes(ax)
            for level, style in ((mean, "--"), (mean - sd, ":"), (mean + sd, ":")):
                ax.axhline(level, color=GREY, linewidth=0.9, linestyle=style)
        axes[1].plot(data["fine"], column["shown"], color=COLOURS[k], linewidth=0.8)
        axes[1].set_ylim(0, None)
        low, high = (column["mean"] + s * column["sd"] for s in (-1, 1))
        axes[2].fill_between(data["times"], low, high, color=COLOURS[k], alpha=0.25, linewidth=0,
                             label="mean ± sd over realisations")  # fmt: skip
        axes[2].plot(data["times"], column["mean"], color=COLOURS[k], linewidth=0.9)
        axes[2].plot(data["times"], column["expected"], color="black", linewidth=0.9,
                     linestyle="--", label="closed form")  # fmt: skip
        axes[2].set_ylim(0, 1.55 * (mean + sd))
        axes[2].legend(loc="upper right", ncols=2, fontsize=7.5, frameon=False, handlelength=1.8)
        axes[2].set_xlabel("time (ms)", fontsize=9)
        axes[2].set_xlim(0, float(2 * data["fine"][-1] - data["fine"][-2]))
        if first:
            axes[0].set_ylabel("train, of one\nrealisation", fontsize=9)
            axes[1].set_ylabel("g of one\nrealisation (nS)", fontsize=9)
            axes[2].set_ylabel("g of all\nrealisations (nS)", fontsize=9)
