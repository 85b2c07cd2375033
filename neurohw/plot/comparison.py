"""A comparison as a picture: traces over each other, their difference, and all spikes."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurohw.compare import Comparison, Divergence, Entry, Pair
from neurohw.errors import ProgramError

from .style import COLOURS, DASHES, GREY, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compare_figure"]

WHOLE = 0.5  # seconds: longer runs are shown around the first difference
MOST_TRIALS = 40
_SCALES = {"V": (1e3, "mV"), "A": (1e9, "nA"), "s": (1e3, "ms")}


@dataclass(frozen=True)
class _Line:
    """Entries drawn as one, because they are bit-identical."""

    entry: Entry
    label: str
    colour: str
    dashes: object


def compare_figure(
    comparison: Comparison,
    population: str | None = None,
    *,
    trial: int | None = None,
    neuron: int | None = None,
    variable: str = "v",
    window: tuple[float, float] | None = None,
    title: str = "",
) -> Figure:
    """Draw one neuron's trace on every entry, the difference to the first, and the spikes.

    Parameters
    ----------
    population : str, optional
        Default: where the earliest difference is, if its ``variable`` was recorded.
    trial, neuron : int, optional
        Default: those of the first difference in the population, or the first.
    variable : str
        Trace to draw.
    window : (float, float), optional
        Seconds to show; default: the whole run, or 0.5 s about the first difference.
    title : str
        Default: the network's name and the finding.

    Raises
    ------
    ProgramError
        If the population, trial or neuron does not exist.
    """
    population = population or _population(comparison, variable)
    pair, d = _first(comparison, population, trial, neuron)
    trial = trial if trial is not None else d.trial if d else _trials(comparison)[0]
    neuron = neuron if neuron is not None else d.neuron if d else 0
    _check(comparison, population, trial, neuron)
    lines = _lines(comparison)
    fig = new_figure(10, 7.6)
    top, middle, bottom = fig.subplots(3, 1, sharex=True, height_ratios=[3, 1.6, 1.8])
    _traces(top, lines, population, variable, trial, neuron)
    _differences(middle, lines, population, variable, trial, neuron, d)
    _raster(bottom, lines, population, trial, neuron)
    start, stop = window or _window(comparison, d)
    bottom.set_xlim(start * 1e3, stop * 1e3)
    if d is not None and start <= d.time <= stop:
        _mark((top, middle, bottom), d, left=d.time > start + 0.6 * (stop - start))
    bottom.set_xlabel("time (ms)")
    what = f"{comparison.entries[0].program.name}: {population}[{neuron}], trial {trial}"
    finding = pair.difference if pair else _agreement(comparison)
    text = title or what + "\n" + "\n".join(textwrap.wrap(finding, 130))
    fig.suptitle(text, fontsize=10, x=0.01, ha="left")
    handles, labels = top.get_legend_handles_labels()
    columns = 110 // (8 + max(map(len, labels)))
    fig.legend(handles, labels, loc="outside lower center", fontsize=9, frameon=False,
               ncols=max(1, min(len(labels), columns)))  # fmt: skip
    fig.align_ylabels()
    return fig


# what to show ------------------------------------------------------------------------------------


def _trials(c: Comparison) -> list[int]:
    return c.entries[0].probes.trials.tolist()


def _population(c: Comparison, variable: str) -> str:
    traced = [p for e in c.entries for p, name in e.series if name == variable]
    found = sorted((p.divergence for p in c.pairs if p.divergence), key=lambda d: d.step)
    for d in found:
        if d.population in traced or not traced:
            return d.population
    spiking = [name for e in c.entries for name in e.probes.events]
    for name in [*traced, *spiking]:
        return name
    raise ProgramError("nothing recorded to draw", fix="add a probe to the network")


def _first(
    c: Comparison, population: str, trial: int | None, neuron: int | None
) -> tuple[Pair | None, Divergence | None]:
    """The earliest difference that fits, verdicts that fail before all others."""
    found = [
        (p.ok, d.step, p.i, p.j, p, d)
        for p in c.pairs
        for d in p.divergences
        if d.population == population
        and (trial is None or d.trial == trial)
        and (neuron is None or d.neuron == neuron)
    ]
    if not found:
        return None, None
    *_, pair, d = min(found, key=lambda x: x[:4])
    return (pair if d is pair.divergence else None), d


def _check(c: Comparison, population: str, trial: int, neuron: int) -> None:
    size = c.entries[0].program.population(population).size
    if trial not in _trials(c):
        raise ProgramError("no such trial", got=trial, allowed=str(_trials(c))[:60])
    if not 0 <= neuron < size:
        raise ProgramError("no such neuron", where=population, got=neuron, allowed=f"0..{size - 1}")


def _lines(c: Comparison) -> list[_Line]:
    same = {(p.i, p.j) for p in c.pairs if p.verdict == "bit-identical"}
    groups: list[list[int]] = []
    for k in range(len(c.entries)):
        for group in groups:
            if (group[0], k) in same:
                group.append(k)
                break
        else:
            groups.append([k])
    out = []
    for n, group in enumerate(groups):
        e = c.entries[group[0]]
        names = " = ".join(dict.fromkeys(c.entries[k].backend for k in group))
        style = COLOURS[n % len(COLOURS)], DASHES[n % len(DASHES)]
        out.append(_Line(e, f"{e.target} ({names})", *style))
    return out


def _agreement(c: Comparison) -> str:
    found = [p for p in c.pairs if p.divergence is not None]
    return f"elsewhere, {found[0].difference}" if found else "no differences"


def _window(c: Comparison, d: Divergence | None) -> tuple[float, float]:
    e = c.entries[0]
    start, stop = (t * e.program.dt for t in (e.probes.t0, e.probes.t0 + e.probes.steps))
    if stop - start <= WHOLE:
        return start, stop
    left = min(max(start, (d.time if d else start) - WHOLE / 2), stop - WHOLE)
    return left, left + WHOLE


# panels ------------------------------------------------------------------------------------------


def _values(
    line: _Line, population: str, variable: str, trial: int, neuron: int
) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Times in ms, values, unit."""
    s = line.entry.series.get((population, variable))
    if s is None or not len(s.steps):
        return None
    scale, unit = _SCALES.get(s.probe.unit, (1.0, s.probe.unit))
    k = int(np.searchsorted(line.entry.probes.trials, trial))
    values = s.raw[:, k, neuron] * np.float64(s.probe.scale) + s.probe.shift
    return s.steps * line.entry.program.dt * 1e3, values * scale, unit


def _traces(
    ax: Axes, lines: list[_Line], population: str, variable: str, trial: int, neuron: int
) -> None:
    plain_axes(ax)
    levels: dict[float, None] = {}
    unit, width = "", 2.4
    for line in lines:
        found = _values(line, population, variable, trial, neuron)
        if found is None:
            ax.plot([], [], color=line.colour, label=line.label)
            continue
        times, values, unit = found
        ax.plot(times, values, color=line.colour, linestyle=line.dashes, linewidth=width,
                label=line.label)  # fmt: skip
        width = max(1.1, width - 0.5)
        level = line.entry.threshold(population, trial, neuron)
        rule = line.entry.rules.get(population)
        if level is not None and rule and variable in (rule.value, rule.after):
            p = line.entry.series[population, variable].probe
            mine = (level * p.scale + p.shift) * _SCALES.get(p.unit, (1.0, ""))[0]
            if not any(abs(mine - x) < 1e-6 * max(1.0, abs(x)) for x in levels):
                levels[mine] = None
    for k, level in enumerate(levels):
        ax.axhline(level, color=GREY, linewidth=1, linestyle=(0, (1, 1.5)),
                   label="" if k else "threshold")  # fmt: skip
    if not unit:
        ax.text(0.5, 0.5, f"{variable} of {population} was not recorded", ha="center",
                transform=ax.transAxes, color=GREY)  # fmt: skip
        ax.set_yticks([])
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.16 * (high - low))  # room for the label of the first difference
    ax.set_ylabel(f"{population}.{variable}" + (f" ({unit})" if unit else ""))


def _differences(
    ax: Axes,
    lines: list[_Line],
    population: str,
    variable: str,
    trial: int,
    neuron: int,
    d: Divergence | None,
) -> None:
    plain_axes(ax)
    found = [_values(line, population, variable, trial, neuron) for line in lines]
    first, small, unit = found[0], [], ""
    for line, other in zip(lines[1:], found[1:], strict=True):
        if first is None or other is None:
            continue
        times, i, j = np.intersect1d(first[0], other[0], return_indices=True)
        delta, unit = other[1][j] - first[1][i], first[2]
        ax.plot(times, delta, color=line.colour, linewidth=1.2)
        early = delta if d is None else delta[times < d.time * 1e3]
        small.append(float(np.abs(early).max(initial=0.0)))
    if small:
        ax.axhline(0, color=GREY, linewidth=0.8)
    else:
        ax.set_yticks([])
    ax.set_ylabel(f"minus {lines[0].entry.target}" + (f"\n({unit})" if unit else ""))
    top = max((float(np.abs(x.get_ydata()).max(initial=0)) for x in ax.lines), default=0.0)
    base = max(small, default=0.0)
    if base > 0 and top > 20 * base:  # drift before, reset-sized difference after
        low, high = int(np.floor(np.log10(base))), int(np.ceil(np.log10(top)))
        ax.set_yscale("symlog", linthresh=10.0**low, linscale=1.2)
        powers = [10.0**k for k in range(low, high + 1, max(1, (high - low + 1) // 3))]
        ax.set_yticks([-x for x in powers[::-1]] + [0.0] + powers)
        ax.minorticks_off()
        ax.set_ylim(-1.6 * top, 1.6 * top)
        ax.set_ylabel(ax.get_ylabel() + ", symlog")


def _raster(ax: Axes, lines: list[_Line], population: str, trial: int, neuron: int) -> None:
    plain_axes(ax)
    ax.grid(False, axis="y")
    ids = lines[0].entry.probes.trials[:MOST_TRIALS]
    if trial not in ids:
        ids = np.append(ids[:-1], trial)
    height, ticks = len(ids) + 1, []
    for n, line in enumerate(lines):
        base = n * height
        ticks.append(base + (len(ids) - 1) / 2)
        if population in line.entry.probes.events:
            e = line.entry.spikes(population)
            mine = np.isin(e.trial, ids) & (e.element == neuron)
            row = base + np.searchsorted(np.sort(ids), e.trial[mine])
            times = e.step[mine] * line.entry.program.dt * 1e3
            ax.vlines(times, row - 0.4, row + 0.4, color=line.colour, linewidth=1.4)
        shown = base + int(np.searchsorted(np.sort(ids), trial))
        ax.axhspan(shown - 0.5, shown + 0.5, color="#F0F0F0", zorder=0)
    ax.set_ylim(len(lines) * height - 1.5, -0.6)
    ax.set_yticks(ticks, [line.entry.target for line in lines])
    ax.set_ylabel(f"spikes of {population}[{neuron}]\n{len(ids)} trial{'s' * (len(ids) > 1)} each")


def _mark(axes: tuple[Axes, ...], d: Divergence, *, left: bool) -> None:
    for ax in axes:
        ax.axvline(d.time * 1e3, color="black", linewidth=1, alpha=0.8, zorder=1)
    what = "spike" if d.variable == "spikes" else d.variable
    axes[0].annotate(
        f"first unequal {what}: step {d.step}, {d.cause}",
        (d.time * 1e3, 0.985),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if left else 5, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        fontsize=9,
    )
