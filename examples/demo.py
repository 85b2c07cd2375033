"""The demonstration: ``make demo``. Tables on the terminal, figures in the output directory.

1. The pipeline of ``pipeline.toml`` (two drivers, two weights, a noisy neuron with refractory
   jitter, a spike driver) on every engine and four targets: who agrees with whom, and why not.
2. Handwritten digits through given weights: float against fixed point against device noise.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import digits as dg
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from neurohw.errors import NeurohwError

HERE = Path(__file__).parent
SEEDS = 5
LAVA_IMAGES = 32
"""Images that Lava runs: it simulates one network after the other, in milliseconds per step."""
FIXED = ("lava", "loihi1")


def pipeline(out: Path) -> bool:
    """Part 1, by the command line that a user would type."""
    from neurohw.cli import main as cli

    figure = out / "pipeline.png"
    arguments = ["compare", str(HERE / "pipeline.toml"), "--figure", str(figure), "--json",
                 str(out / "pipeline.json")]  # fmt: skip
    print(f"$ neurohw {' '.join(arguments)}\n", flush=True)
    sys.argv = ["neurohw", *arguments]
    try:
        cli()
    except SystemExit as end:
        if end.code not in (0, 1, None):
            raise
        return not end.code
    return True


def identical(digits: dg.Digits, console: Console) -> bool:
    """Fixed-point spikes of every engine against the reference."""
    table = Table(title="spikes of the digits against the reference engine")
    for name in ("target", "engine", "images", "spikes", "verdict"):
        table.add_column(name)
    fine = True
    for target in FIXED:
        for engine in ("reference", "native", "torch", "lava"):
            count = LAVA_IMAGES if engine == "lava" else len(digits.labels)
            try:
                events = dg.simulate(digits, target, engine, images=count).spikes("digits")
            except NeurohwError as error:
                table.add_row(target, engine, "", "", str(error))
                continue
            if engine == "reference":
                want = events
            mine = want.trial < count
            same = all(
                np.array_equal(getattr(want, k)[mine], getattr(events, k))
                for k in ("trial", "step", "element")
            )
            fine &= same
            verdict = "bit-identical" if same else "DIFFERENT"
            table.add_row(target, engine, str(count), str(len(events)), verdict)
    console.print(table)
    return fine


def accuracies(digits: dg.Digits, progress: Progress) -> dict[str, dict[str, list[float]]]:
    """Target -> level -> accuracy per seed; no noise needs one seed."""
    targets = ("float64", "float32", *FIXED)
    task = progress.add_task("digits under noise", total=len(targets) * (1 + 3 * SEEDS))
    out: dict[str, dict[str, list[float]]] = {}
    for target in targets:
        out[target] = {}
        for level in ("", *dg.LEVELS):
            out[target][level or "none"] = row = []
            for seed in range(SEEDS if level else 1):
                run = dg.simulate(digits, target, "native", level=level, seed=seed)
                row.append(dg.accuracy(digits, run))
                progress.advance(task)
    return out


def show_accuracies(
    digits: dg.Digits, found: dict[str, dict[str, list[float]]], console: Console
) -> None:
    """The table of part 2."""
    n = len(digits.labels)
    error = np.sqrt(digits.linear_accuracy * (1 - digits.linear_accuracy) / n)
    console.print(
        f"\nDigits: {n} held-back images, weights by ridge regression (penalty "
        f"{digits.penalty:.2g}); the readout without spikes classifies "
        f"{digits.linear_accuracy:.1%}. Sampling error of an accuracy: {error:.1%}."
    )
    table = Table(title=f"accuracy; under noise the mean of {SEEDS} seeds ± their deviation")
    table.add_column("target")
    for level in ("none", *dg.LEVELS):
        share = "" if level == "none" else "\n{:.0%} V_th/step, {:.0%} mismatch".format(
            *dg.LEVELS[level])  # fmt: skip
        table.add_column(f"noise {level}{share}", justify="right")
    for target, levels in found.items():
        cells = [f"{np.mean(v):.1%}" + (f" ± {np.std(v, ddof=1):.1%}" if len(v) > 1 else "")
                 for v in levels.values()]  # fmt: skip
        table.add_row(target, *cells)
    console.print(table)


def figure(digits: dg.Digits, found: dict[str, dict[str, list[float]]], path: Path) -> None:
    """One image on its way, and accuracy against noise."""
    from matplotlib.figure import Figure

    from neurohw.plot import save_figure

    picture = Figure(figsize=(12, 7), layout="constrained")
    image, raster, voltage, bars = picture.subplot_mosaic(
        [["image", "raster", "raster"], ["voltage", "voltage", "bars"]],
        width_ratios=[1, 1, 1.4],
    ).values()  # fmt: skip
    which = 0
    image.imshow(digits.images[which].reshape(8, 8), cmap="gray_r")
    image.set(title=f"image {which}: a {digits.labels[which]}", xticks=[], yticks=[])
    step, pixel = np.nonzero(digits.spikes[:, which])
    raster.plot(step, pixel, "|", ms=3, color="0.3")
    raster.set(title="pixels as spike trains", xlabel="time (ms)", ylabel="pixel",
               xlim=(0, dg.STEPS))  # fmt: skip
    neuron = int(digits.labels[which])
    for target, style in (("float64", {"lw": 3, "color": "#56B4E9"}),
                          ("loihi1", {"lw": 1.2, "color": "#D55E00", "ls": "--"})):  # fmt: skip
        run = dg.simulate(digits, target, "native", images=1)
        trace = run.trace("digits", "v").values[:, 0, neuron]
        late = run.latency.get("digits", 0)
        label = target + (f", drawn {late} step earlier" if late else "")
        voltage.plot(np.arange(len(trace)) * dg.DT * 1e3, trace * 1e3, label=label, **style)
    voltage.axhline(dg.THRESHOLD * 1e3, color="0.6", lw=1, ls=":")
    voltage.set(title=f"membrane of neuron {neuron}, after reset", xlabel="time (ms)",
                ylabel="V (mV)", xlim=(0, dg.STEPS), ylim=(None, 13.5))  # fmt: skip
    voltage.legend(loc="upper right", ncols=2, frameon=False)
    levels = ["none", *dg.LEVELS]
    colours = ("#0072B2", "#56B4E9", "#E69F00", "#D55E00")
    for k, (target, row) in enumerate(found.items()):
        mean = [100 * np.mean(row[level]) for level in levels]
        spread = [100 * np.std(row[level], ddof=1) if len(row[level]) > 1 else 0
                  for level in levels]  # fmt: skip
        bars.errorbar(np.arange(4) + 0.12 * (k - 1.5), mean, spread, fmt="os^D"[k], ms=6,
                      capsize=3, color=colours[k], label=target)  # fmt: skip
    bars.axhline(100 * digits.linear_accuracy, color="0.4", lw=1, ls="--")
    bars.text(3.3, 100 * digits.linear_accuracy + 0.3, "readout without spikes", ha="right",
              color="0.3")  # fmt: skip
    lowest = min(np.mean(v) for row in found.values() for v in row.values())
    bars.set(title=f"{len(digits.labels)} held-back images", ylabel="accuracy (%)",
             xlabel=f"device noise ({SEEDS} seeds, bars: their deviation)",
             ylim=(max(0, 100 * lowest - 4), 93), xticks=range(4), xticklabels=levels)  # fmt: skip
    bars.legend(loc="lower left", frameon=False)
    save_figure(picture, path)


def main() -> int:
    """Both parts; 1 if any verdict fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="for the figures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    console = Console()
    console.rule("1  one network, every engine, four targets")
    fine = pipeline(out)
    console.rule("2  real input: handwritten digits")
    digits = dg.load_digits()
    fine &= identical(digits, console)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = accuracies(digits, progress)
    show_accuracies(digits, found, console)
    figure(digits, found, out / "digits.png")
    seconds = time.perf_counter() - start
    verdict = "every verdict holds" if fine else "A VERDICT FAILS"
    console.print(f"\n{verdict}; figures in {out}; {seconds:.0f} s.")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
