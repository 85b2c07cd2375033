"""Columns of one neuron's life: potential, spikes of all realisations, firing rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLOURS, GREY, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["marks", "panels"]

FAR = 40.0  # mV: a band wider than that below reset is drawn on a compressed axis


def panels(figure: Figure, data: Mapping[str, Any]) -> None:
    """Draw ``data["columns"]`` side by side; rows share their axes.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``columns`` (title, middle, low, high, band, trial, time, share, rate), ``times`` (ms),
        ``edges`` of the rate's bins (ms), ``levels`` (name -> mV), ``trials``.
    """
    columns = data["columns"]
    bottom = min(data["levels"].values())

    def lowest(column: Mapping[str, Any]) -> float:
        """The lowest value of all columns drawn on the same kind of axis."""
        far = [c["low"].min() < bottom - FAR for c in columns]
        mine = column["low"].min() < bottom - FAR
        return min(c["low"].min() for c, f in zip(columns, far, strict=True) if f == mine)

    axes = figure.subplots(
        3, len(columns), sharex=True, height_ratios=[1.25, 1.1, 1], squeeze=False
    )
    for k, column in enumerate(columns):
        first = k == 0
        _potential(axes[0, k], column, data, first, lowest(column))
        marks(axes[1, k], column["trial"], column["time"], data["trials"], first)
        _rate(axes[2, k], column, data, first, k == len(columns) - 1)
        axes[0, k].set_title(column["title"], fontsize=9)
        axes[2, k].set_xlabel("time (ms)", fontsize=9)
    axes[0, 0].set_xlim(data["edges"][0], data["edges"][-1])
    figure.align_ylabels(axes[:, 0])


def _potential(
    ax: Axes, column: Mapping[str, Any], data: Mapping[str, Any], first: bool, least: float
) -> None:
    plain_axes(ax)
    low, high, t = column["low"], column["high"], data["times"]
    ax.fill_between(t, low, high, color=COLOURS[0], alpha=0.25, linewidth=0, label=column["band"])
    ax.plot(t, column["middle"], color=COLOURS[0], linewidth=1.1)
    for k, (name, level) in enumerate(data["levels"].items()):
        ax.axhline(level, color=(COLOURS[1], GREY)[k % 2], linewidth=0.9, linestyle=(0, (4, 2)),
                   label=name)  # fmt: skip
    levels = list(data["levels"].values())
    top, bottom = max(levels), min(levels)
    if least < bottom - FAR:
        ax.set_yscale("symlog", linthresh=100, linscale=1.5)
        ax.set_ylim(1.6 * least, -30)
        ticks = [-(10.0**p) for p in range(3, int(np.log10(-1.6 * least)) + 1)]
        ax.set_yticks(
            [*ticks, -100, -70, -50], [f"−{-x:g}" for x in ticks] + ["−100", "−70", "−50"]
        )
        ax.minorticks_off()
        ax.text(0.005, 0.02, "logarithmic below −100 mV", transform=ax.transAxes, fontsize=7.5,
                color=GREY)  # fmt: skip
    else:
        pad = 0.12 * (top - bottom)
        ax.set_ylim(min(bottom, least) - pad, top + 4 * pad)
    ax.legend(loc="upper right", ncols=3, fontsize=7.5, frameon=False, handlelength=1.6,
              columnspacing=1.2, borderaxespad=0.1)  # fmt: skip
    if first:
        ax.set_ylabel("V (mV)", fontsize=9)


def marks(
    ax: Axes, trial: np.ndarray, time: np.ndarray, trials: int, labelled: bool, most: int = 100
) -> None:
    """Spikes (realisation; ms) of the first ``most`` realisations, of how many there are."""
    plain_axes(ax)
    ax.grid(False)
    shown = trial < most
    x, y = time[shown], trial[shown]
    gap = np.full(len(x), np.nan)  # one path with breaks: a hundredth of the SVG of separate marks
    ax.plot(
        np.stack([x, x, gap], 1).ravel(),
        np.stack([y - 0.45, y + 0.45, gap], 1).ravel(),
        color="black",
        linewidth=0.7,
    )
    many = min(trials, most)
    ax.set_ylim(-1, many)
    if labelled:
        more = f"\n({many} of {trials})" if trials > many else ""
        ax.set_ylabel(f"realisation{more}", fontsize=9)


def _rate(
    ax: Axes, column: Mapping[str, Any], data: Mapping[str, Any], first: bool, last: bool
) -> None:
    plain_axes(ax)
    ax.stairs(column["rate"], data["edges"], fill=True, color=COLOURS[2], alpha=0.55)
    ax.set_ylim(0, 1.1 * max(c["rate"].max() for c in data["columns"]))
    ax.tick_params(axis="y", colors="#00724F")
    other = ax.twinx()
    other.spines[["top", "left"]].set_visible(False)
    some = column["share"] > 0
    other.plot(data["times"][some], column["share"][some], ".", color=COLOURS[3], markersize=2.2)
    other.set_ylim(0, 1.1 * max(c["share"].max() for c in data["columns"]))
    other.tick_params(labelsize=9, colors="#A8517F")
    if first:
        ax.set_ylabel("rate (Hz), bars of 1 ms", fontsize=9, color="#00724F")
    if last:
        other.set_ylabel("share that spikes\nin a step, dots", fontsize=9, color="#A8517F")
