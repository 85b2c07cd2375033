"""Neuron models side by side: a step, two pulses, gates, refractoriness, f-I curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLOURS, DASHES, GREY, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["models"]

HUE = {"IF": COLOURS[0], "LIF": COLOURS[2], "HH": COLOURS[1]}
NAMES = {"IF": "IF: capacitor", "LIF": "LIF: capacitor and resistor", "HH": "Hodgkin-Huxley"}
UNTIL = 90.0  # ms


def models(figure: Figure, data: Mapping[str, Any]) -> None:
    """Draw the three under a step on the left, and what tells them apart on the right.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``time`` (ms), ``step`` (µA, ms, ms), ``levels`` (name -> mV), ``v``, ``spikes`` and
        ``pulses`` by model, ``pulse_times`` (ms), ``gates`` by name, ``again`` and ``fired`` by
        delay (ms), ``rates`` and ``closed`` (currents, rates) by model, ``rheobase`` (µA).
    """
    halves = figure.add_gridspec(1, 2)
    left = halves[0].subgridspec(4, 1, height_ratios=[0.45, 1, 1, 1])
    right = halves[1].subgridspec(4, 1)
    current = figure.add_subplot(left[0])
    _current(current, data)
    for k, name in enumerate(data["v"]):
        ax = figure.add_subplot(left[k + 1], sharex=current)
        _step(ax, data, name)
        if k == 2:
            ax.set_xlabel("time (ms)", fontsize=9)
    _pulses(figure.add_subplot(right[0]), data)
    _gates(figure.add_subplot(right[1]), data)
    _again(figure.add_subplot(right[2]), data)
    _curves(figure.add_subplot(right[3]), data)


def _current(ax: Axes, data: Mapping[str, Any]) -> None:
    plain_axes(ax)
    size, start, stop = data["step"]
    ax.plot([0, start, start, stop, stop, UNTIL], [0, 0, size, size, 0, 0], color="black",
            linewidth=1.1)  # fmt: skip
    ax.set_xlim(0, UNTIL)
    ax.set_ylim(-0.1 * size, 1.25 * size)
    ax.set_ylabel("I (µA/cm²)", fontsize=9)
    ax.set_title("the same step of current", fontsize=9)


def _levels(ax: Axes, data: Mapping[str, Any]) -> None:
    for (name, level), colour in zip(data["levels"].items(), (COLOURS[3], GREY), strict=True):
        ax.axhline(level, color=colour, linewidth=0.9, linestyle=(0, (4, 2)), label=name)


def _step(ax: Axes, data: Mapping[str, Any], name: str) -> None:
    plain_axes(ax)
    seen = data["time"] <= UNTIL
    v, spikes = data["v"][name][seen], data["spikes"][name]
    if name != "HH":
        _levels(ax, data)
        top, bottom = data["levels"]["V_th"], data["levels"]["V_rest"]
        ax.vlines(spikes, top + 2, top + 6, color="black", linewidth=0.8)
        ax.set_ylim(bottom - 3, top + 12)
    else:
        ax.set_ylim(-85, 62)
    ax.plot(data["time"][seen], v, color=HUE[name], linewidth=1.1)
    ax.set_ylabel("V (mV)", fontsize=9)
    ax.set_title(f"{NAMES[name]}, {len(spikes)} spikes", fontsize=9)
    if name == "IF":
        ax.legend(loc="upper right", fontsize=7.5, handlelength=1.6, frameon=False,
                  borderaxespad=0.1)  # fmt: skip


def _pulses(ax: Axes, data: Mapping[str, Any]) -> None:
    plain_axes(ax)
    _levels(ax, data)
    seen = data["time"] <= 70
    for name, v in data["pulses"].items():
        ax.plot(data["time"][seen], v[seen], color=HUE[name], linewidth=1.2, label=name)
    top, bottom = data["levels"]["V_th"], data["levels"]["V_rest"]
    for start in data["pulse_times"]:
        ax.plot([start, start + 1], [bottom - 1.5] * 2, color="black", linewidth=3,
                solid_capstyle="butt")  # fmt: skip
    ax.set_xlim(0, 70)
    ax.set_ylim(bottom - 3, top + 5)
    ax.set_title("two pulses 40 ms apart: IF adds them up, LIF has forgotten the first", fontsize=9)
    ax.set_ylabel("V (mV)", fontsize=9)
    ax.set_xlabel("time (ms)", fontsize=9)
    ax.legend(*_only(ax, data["pulses"]), loc="center left", fontsize=7.5, handlelength=1.6,
              frameon=False, bbox_to_anchor=(0, 0.6))  # fmt: skip


def _only(ax: Axes, names: Any) -> tuple[list[Any], list[str]]:
    found = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    return [found[n] for n in names], list(names)


def _gates(ax: Axes, data: Mapping[str, Any]) -> None:
    plain_axes(ax)
    start, stop = data["step"][1] - 1, data["spikes"]["HH"][1]
    seen = (data["time"] >= start) & (data["time"] <= stop - 4)
    what = {"m": "m: sodium opens", "h": "h: sodium closes", "n": "n: potassium opens"}
    for k, (name, gate) in enumerate(data["gates"].items()):
        ax.plot(data["time"][seen], gate[seen], color=(COLOURS[1], COLOURS[0], COLOURS[2])[k],
                linestyle=DASHES[k], linewidth=1.2, label=what[name])  # fmt: skip
    ax.axvline(data["spikes"]["HH"][0], color=GREY, linewidth=0.8, linestyle=(0, (1, 1)))
    ax.set_xlim(start, stop - 4)
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("gate, open share", fontsize=9)
    ax.set_xlabel("time (ms)", fontsize=9)
    ax.set_title("Hodgkin-Huxley: gates during the first spike (dotted)", fontsize=9)
    ax.legend(loc="upper right", fontsize=7.5, handlelength=2.2, frameon=False)


def _again(ax: Axes, data: Mapping[str, Any]) -> None:
    plain_axes(ax)
    seen = (data["time"] >= 8) & (data["time"] <= 40)
    for delay, v in data["again"].items():
        fired = data["fired"][delay]
        ax.plot(data["time"][seen], v[seen], color=HUE["HH"] if fired else COLOURS[0],
                linewidth=1.1 if fired else 0.9)  # fmt: skip
        ax.plot([data["pulse_times"][0] + delay], [-93], "^", markersize=4, clip_on=False,
                color=HUE["HH"] if fired else COLOURS[0])  # fmt: skip
    ax.plot([data["pulse_times"][0]], [-93], "^", markersize=4, color="black", clip_on=False)
    ax.set_xlim(8, 40)
    ax.set_ylim(-100, 62)
    ax.set_ylabel("V (mV)", fontsize=9)
    ax.set_title("Hodgkin-Huxley: a second pulse after 4 to 18 ms (triangles)", fontsize=9)
    for text, colour, y in (("fires again", HUE["HH"], 0.9), ("refractory", COLOURS[0], 0.76)):
        ax.text(0.98, y, text, transform=ax.transAxes, fontsize=8, ha="right", color=colour)
    ax.set_xlabel("time (ms)", fontsize=9)


def _curves(ax: Axes, data: Mapping[str, Any]) -> None:
    plain_axes(ax)
    for name, (x, y) in data["closed"].items():
        start = [0, data["rheobase"]] if name == "LIF" else [0]
        ax.plot([*start, *x], [*(0 for _ in start), *y], color=HUE[name], linewidth=0.9)
    for k, (name, (x, y)) in enumerate(data["rates"].items()):
        ax.plot(x, y, ("o", "s", "D")[k], color=HUE[name], markersize=3.2, label=name)
    ax.axvline(data["rheobase"], color=GREY, linewidth=0.8, linestyle=(0, (1, 1)))
    ax.text(data["rheobase"] - 0.1, 0.9, "I_th", transform=ax.get_xaxis_transform(), fontsize=8,
            ha="right", color=GREY)  # fmt: skip
    ax.set_xlim(0, float(np.max(data["rates"]["IF"][0])) * 1.02)
    ax.set_ylim(0, None)
    ax.set_xlabel("I (µA/cm²)", fontsize=9)
    ax.set_ylabel("rate (Hz)", fontsize=9)
    ax.set_title("rate against current; lines: closed forms", fontsize=9)
    ax.legend(loc="upper left", fontsize=7.5, frameon=False, handlelength=1)
