"""Cost against size, neurohw and its peers: ``peers.json`` and ``scaling.json`` as a figure."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
sys.path[1:1] = [str(HERE / "peers"), str(HERE)]

import contenders  # noqa: E402
import report  # noqa: E402

CASES = {"W1": ("W1: trials of a noisy neuron", "trials"),
         "W3": ("W3: excitatory-inhibitory network", "neurons"),
         "W5": ("W5: fixed point, dense", "neurons")}  # fmt: skip


def points(record: dict[str, Any], case: str) -> dict[str, list[tuple[int, float]]]:
    """Peer -> (size, median seconds) of a case, the fastest variant of each."""
    out: dict[str, list[tuple[int, float]]] = {}
    for entry in record.get("cases", {}).values():
        if entry["case"] != case:
            continue
        for r in report.fastest(entry):
            if r["samples"] and r["name"] != f"{contenders.OURS}, 1 thread":
                peer = next(c.peer for c in contenders.CONTENDERS if c.name == r["name"])
                seconds = report.median(s["seconds"] for s in r["samples"])
                out.setdefault(peer, []).append((entry["size"], seconds))
    return {peer: sorted(found) for peer, found in out.items()}


def draw(record: dict[str, Any], scaling: dict[str, Any], path: Path) -> None:
    """Three panels, logarithmic; a thin line is neurohw alone over three decades."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    names: list[str] = []
    for axis, (case, (title, unit)) in zip(axes, CASES.items(), strict=True):
        for peer, found in points(record, case).items():
            if peer not in names:
                names.append(peer)
            ours = peer == contenders.OURS
            axis.plot(*zip(*found, strict=True), marker="o", color="black" if ours else
                      f"C{names.index(peer) % 10}", linewidth=2 if ours else 1, markersize=4,
                      linestyle="-" if names.index(peer) < 10 else "--", label=peer)  # fmt: skip
        rows = scaling.get(case, {}).get("rows", [])
        # W3 keeps its synapses per neuron there, and here its density: only W1 and W5 compare
        if rows and case != "W3":
            axis.plot([r["size"] for r in rows], [min(r["seconds"]) for r in rows], "-",
                      color="0.6", linewidth=1, zorder=0)  # fmt: skip
        axis.set(xscale="log", yscale="log", title=title, xlabel=unit)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("run (s)")
    handles = {label: h for axis in axes for h, label in
               zip(*axis.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6,
                  frameon=False, fontsize=8)  # fmt: skip
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)
    plt.close(figure)


def main() -> None:
    """Read what was measured, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--figure", type=Path, default=Path("docs/performance.png"))
    options = parser.parse_args()
    found = []
    for name in ("peers.json", "scaling.json"):
        path = options.out / name
        found.append(json.loads(path.read_text()) if path.exists() else {})
    draw(*found, options.figure)
    print("wrote", options.figure)


if __name__ == "__main__":
    main()
