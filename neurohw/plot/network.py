"""Panels of a network: its activity and its synchrony."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLOURS, DASHES, GREY, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["activity", "sets", "small_legend", "synchrony"]

POPULATION = {"E": COLOURS[0], "I": COLOURS[1]}
SET = (COLOURS[2], COLOURS[3])
Data = Mapping[str, Any]


def _grid(figure: Figure, titles: tuple[str, ...]) -> list[Axes]:
    axes = list(figure.subplots(2, 3).ravel())
    for ax, letter, title in zip(axes, "abcdef", titles, strict=True):
        plain_axes(ax)
        ax.set_title(f"({letter}) {title}", fontsize=9.5, loc="left")
    return axes


def _labels(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)


def small_legend(ax: Axes, **options: Any) -> None:
    """A legend without a frame, in small print."""
    ax.legend(**{"fontsize": 7.5, "frameon": False, "handlelength": 1.8, **options})


def sets(data: Data) -> list[tuple[str, str, str]]:
    """Key, label and colour of each set."""
    pairs = zip(data["sets"].items(), SET, strict=True)
    return [(key, label, colour) for (key, label), colour in pairs]


def activity(figure: Figure, data: Data) -> None:
    """Raster, population rate, rate distribution, intervals, correlogram, spectrum.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        ``raster`` (population -> times in ms, neurons), ``sizes``, ``course`` (population -> Hz in
        ms), ``rates`` (population -> Hz of each neuron), ``printed`` (Hz), and by set
        ``intervals`` (edges in ms, density), ``mean_interval`` (ms), ``cv``, ``correlogram`` (over
        ``lag`` in ms), ``power`` (mean, error) and ``alone`` (over ``frequency`` in Hz).
    """
    titles = ("raster", "population rate", "rate distribution", "ISI", "cross-correlogram E–I",
              "power spectrum")  # fmt: skip
    a, b, c, d, e, f = _grid(figure, titles)
    _raster(a, data)
    _course(b, data)
    _rates(c, data)
    for key, label, colour in sets(data):
        edges, density = data["intervals"][key]
        text = f"{label}: CV {data['cv'][key]:.2f}"
        d.stairs(density, edges, color=colour, linewidth=1.3, label=text)
    mean = float(np.mean(list(data["mean_interval"].values())))
    t = np.linspace(0, 12, 200)
    d.plot(t, np.exp(-t / mean) / mean, color=GREY, linewidth=0.9, linestyle=DASHES[1],
           label="exponential: CV 1")  # fmt: skip
    d.set_xlim(0, 12)
    _labels(d, "interval (ms)", "density (1/ms)")
    small_legend(d)
    for key, label, colour in sets(data):
        e.plot(data["lag"], data["correlogram"][key], color=colour, linewidth=1, label=label)
    e.set_xlim(data["lag"][0], data["lag"][-1])
    e.set_xticks(np.linspace(data["lag"][0], data["lag"][-1], 9)[::2])
    _labels(e, "lag of I behind E (ms)", "coefficient")
    small_legend(e, loc="lower right")
    _spectrum(f, data)


def _raster(ax: Axes, data: Data) -> None:
    above = 0
    for name, (time, neuron) in data["raster"].items():
        ax.plot(time, neuron + above, "|", color=POPULATION[name], markersize=1.4, mew=0.7,
                rasterized=True)  # fmt: skip
        above += data["sizes"][name]
        ax.text(1.01, above - data["sizes"][name] / 2, name, color=POPULATION[name], va="center",
                transform=ax.get_yaxis_transform(), fontsize=9)  # fmt: skip
    ax.set_xlim(0, 100)
    ax.set_ylim(-1, above)
    ax.grid(False)
    _labels(ax, "time (ms)", "neuron")


def _course(ax: Axes, data: Data) -> None:
    for name in ("I", "E"):
        y = data["course"][name]
        ax.stairs(y, np.arange(len(y) + 1.0), baseline=None, color=POPULATION[name], linewidth=0.9,
                  alpha=0.6 if name == "I" else 1, label=f"{name}, 1 ms")  # fmt: skip
    ax.axhline(data["printed"]["rate"], color="black", linewidth=1, linestyle=DASHES[1],
               label=f"printed mean {data['printed']['rate']:g} Hz")  # fmt: skip
    ax.set_xlim(0, len(data["course"]["E"]))
    top = max(y.max() for y in data["course"].values())
    ax.set_ylim(0, 1.3 * top)
    _labels(ax, "time (ms)", "rate (Hz)")
    small_legend(ax, loc="upper right", ncols=3)


def _rates(ax: Axes, data: Data) -> None:
    both = np.concatenate(list(data["rates"].values()))
    edges = np.arange(5 * np.floor(both.min() / 5), both.max() + 5, 5)
    for name, values in data["rates"].items():
        density, _ = np.histogram(values, edges, density=True)
        printed = data["printed"][f"rate_{name}"]
        look: dict[str, Any] = {"fill": True, "alpha": 0.35} if name == "E" else {"linewidth": 1.3}
        ax.stairs(density, edges, color=POPULATION[name], **look,
                  label=f"{name}: mean {values.mean():.1f} Hz")  # fmt: skip
        ax.axvline(printed, ymax=0.78, color=POPULATION[name], linewidth=1, linestyle=DASHES[1],
                   label=f"printed {printed:g} Hz")  # fmt: skip
    ax.set_ylim(0, 1.35 * ax.get_ylim()[1])
    _labels(ax, "rate of a neuron (Hz)", "density (1/Hz)")
    small_legend(ax, loc="upper left", ncols=2)


def _spectrum(ax: Axes, data: Data) -> None:
    x = data["frequency"][1:-1]  # neither the mean nor the end of the band
    for key, label, colour in sets(data):
        mean, error = (v[1:-1] for v in data["power"][key])
        ax.fill_between(x, mean - error, mean + error, color=colour, alpha=0.3, linewidth=0)
        ax.plot(x, mean, color=colour, linewidth=1.2, label=label)
        ax.plot(x, data["alone"][key][1:-1], color=colour, linewidth=0.9, linestyle=DASHES[1],
                label="independent neurons")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(x[0], x[-1])
    ax.set_xticks(
        [10, 20, 50, 100, 200, 500, 1000], ["10", "20", "50", "100", "200", "500", "1000"]
    )
    ax.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    ax.minorticks_off()
    low, high = ax.get_ylim()
    ax.set_ylim(low, 2.2 * high)
    _labels(ax, "frequency (Hz)", "power (Hz²/Hz)")
    small_legend(ax, loc="upper left", ncols=2)


def synchrony(figure: Figure, data: Data) -> None:
    """Spike counts, membrane traces, E/I balance, F-I curve, correlations, connectivity.

    Parameters
    ----------
    figure : Figure
        Where.
    data : mapping
        See :func:`neurohw.science.network.synchrony`.
    """
    titles = ("spike counts", "membrane traces", "E/I balance", "F–I curve",
              "pairwise correlations", "connectivity")  # fmt: skip
    a, b, c, d, e, f = _grid(figure, titles)
    _counts(a, data)
    _traces(b, data)
    _inputs(c, data)
    _curve(d, data)
    _correlations(e, data)
    _wires(f, data)


def _counts(ax: Axes, data: Data) -> None:
    for key, label, colour in sets(data):
        share = data["counts"][key]
        text = f"{label}: Fano factor {data['fano'][key]:.2f}"
        ax.stairs(share, np.arange(len(share) + 1) - 0.5, color=colour, linewidth=1.3, label=text)
    k = np.arange(len(data["poisson"]))
    ax.plot(k, data["poisson"], color=GREY, linewidth=0.9, linestyle=DASHES[1],
            label="Poisson: Fano factor 1")  # fmt: skip
    ax.set_xlim(10, 65)
    ax.set_ylim(0, 1.3 * max(x.max() for x in data["counts"].values()))
    _labels(ax, f"spikes of a neuron in {data['window']:g} ms", "share")
    small_legend(ax, loc="upper right")


def _traces(ax: Axes, data: Data) -> None:
    low, high = data["levels"]["V_reset"], data["levels"]["V_th"]
    lift = 2.6 * (high - low)
    for k, (name, v, spikes) in enumerate(data["traces"]):
        colour, at = POPULATION[name[0]], -k * lift
        time = data["dt"] * np.arange(1, len(v) + 1)
        ax.plot(time, v + at, color=colour, linewidth=0.8)
        ax.vlines(spikes + data["dt"], high + at, high + at + 12, color=colour, linewidth=0.8)
        ax.axhline(high + at, color=GREY, linewidth=0.6, linestyle=DASHES[2])
        ax.text(1.01, low + at + 0.5 * (high - low), name, color=colour, fontsize=9,
                transform=ax.get_yaxis_transform(), va="center")  # fmt: skip
    places = [(level - k * lift, f"{level:.0f}".replace("-", "−"))
              for k in range(len(data["traces"])) for level in (low, high)]  # fmt: skip
    ax.set_yticks(*zip(*places, strict=True))
    ax.set_xlim(0, 40)
    _labels(ax, "time (ms)", "V (mV)")


def _inputs(ax: Axes, data: Data) -> None:
    t, drive = data["input_time"], data["drive"]
    excitation, inhibition = data["inputs"]["E"], data["inputs"]["I"]
    ax.plot(t, excitation, color=POPULATION["E"], linewidth=1, label="recurrent E")
    ax.plot(t, inhibition, color=POPULATION["I"], linewidth=1, label="recurrent I")
    ax.axhline(drive, color=POPULATION["E"], linewidth=0.9, linestyle=DASHES[1], label="external")
    ax.plot(t, excitation + inhibition + drive, color="black", linewidth=0.8, label="sum")
    ax.axhline(data["threshold"], color=GREY, linewidth=0.9, linestyle=DASHES[2],
               label="threshold")  # fmt: skip
    ax.set_xlim(0, 100)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.3 * (high - low))
    _labels(ax, "time (ms)", "R I (mV)")
    small_legend(ax, loc="upper right", ncols=3)


def _curve(ax: Axes, data: Data) -> None:
    for k, (label, rate) in enumerate(data["curves"].items()):
        ax.plot(data["current"], rate, "os"[k], color=COLOURS[2 + 3 * k], markersize=4,
                linewidth=0.9, linestyle="-", label=label)  # fmt: skip
    ax.plot(*data["noise_free"], color=GREY, linewidth=1, linestyle=DASHES[1],
            label="no synapses, no noise (closed form)")  # fmt: skip
    ax.plot(*data["operating"], "*", color="black", markersize=9, label="printed mean rate")
    ax.set_xlim(0, data["current"][-1])
    ax.set_ylim(0, None)
    _labels(ax, "I_bias of E neurons (nA)", "mean rate (Hz)")
    small_legend(ax, loc="upper left")


def _correlations(ax: Axes, data: Data) -> None:
    edges = np.linspace(-0.4, 0.5, 91)
    for key, label, colour in sets(data):
        density, _ = np.histogram(data["correlations"][key], edges, density=True)
        mean = data["correlation_means"][key]
        ax.stairs(density, edges, color=colour, linewidth=1.2, label=f"{label}: mean {mean:.3f}")
    x = np.linspace(-0.4, 0.5, 300)
    sd = data["chance"]
    ax.plot(x, np.exp(-((x / sd) ** 2) / 2) / sd / np.sqrt(2 * np.pi), color=GREY, linewidth=0.9,
            linestyle=DASHES[1], label="independent: mean 0")  # fmt: skip
    printed = data["printed"]["correlation"]
    ax.axvline(printed, ymax=0.7, color="black", linewidth=0.9, linestyle=DASHES[2],
               label=f"printed mean {printed:.3f}")  # fmt: skip
    ax.set_xlim(-0.3, 0.4)
    ax.set_ylim(0, 1.4 * ax.get_ylim()[1])
    _labels(ax, "correlation of a pair", "density")
    small_legend(ax, loc="upper right")


def _wires(ax: Axes, data: Data) -> None:
    shift = {"E": 0, "I": data["sizes"]["E"]}
    for (source, target), (pre, post) in data["wires"].items():
        ax.plot(pre + shift[source], post + shift[target], ".", color=POPULATION[source],
                markersize=1.3, rasterized=True)  # fmt: skip
    n = sum(data["sizes"].values())
    for line in (ax.axhline, ax.axvline):
        line(shift["I"] - 0.5, color=GREY, linewidth=0.6)
    ax.set_xlim(-1, n)
    ax.set_ylim(n, -1)
    ax.set_aspect("equal")
    ax.grid(False)
    _labels(ax, "source (E blue, I orange)", "target")
