"""Which neuron model runs on which target and engine; where it does not, the refusal.

With ``--page`` the tables go into docs/numerics.md. A target runs a model if lowering accepts it.
An engine that runs the program is then compared with the reference, spike for spike and bit for
bit (300 steps of two neurons that are driven and connected).
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import neurohw as nh
from neurohw.errors import LoweringError
from neurohw.program import Program
from neurohw.run import compare_programs
from neurohw.targets import target_names
from neurohw.testing.models import MODELS

PAGE = Path(__file__).parents[1] / "docs" / "numerics.md"
BEGIN, END = "<!-- models -->\n", "<!-- /models -->"
SYNAPSES = {
    "jumps": nh.Delta(weight="1 mV"),
    "currents": nh.Exponential(weight="0.2 nA", tau="5 ms"),
    "conductances": nh.Conductance(weight="5 nS", tau="5 ms", E_rev="0 mV", receptor="E"),
}
STEPS = 300


def network(kind: str, synapse: Any) -> nh.Network:
    """Two neurons of a model, driven by spikes and by one another."""
    neuron = MODELS[kind](2, 0.8e-9)
    if type(neuron).refractory:
        neuron = neuron.replace(t_ref=0.0, t_ref_sigma=0.0)  # the model is asked for, not this
    net = nh.Network("models")
    net.driver("x", nh.Poisson(size=4, rate="200 Hz"))
    net.population("n", neuron)
    net.connect("x", "n", synapse, delay_steps=1)
    net.connect("n", "n", synapse, delay_steps=3)
    net.probe("n", "v")
    return net


def name_of(kind: str) -> str:
    """Of the class of a model."""
    return type(MODELS[kind](1, 0.0)).__name__


def lowered(kind: str, synapse: str, target: str, method: str = "") -> Program | str:
    """The program, or the one line that refuses it."""
    dt = 2e-5 if kind == "hodgkin_huxley" else 1e-4
    try:
        return nh.lower(network(kind, SYNAPSES[synapse]), target, dt=dt, method=method).program
    except LoweringError as error:
        return str(error).removeprefix(f"{error.origin}: ")


def support() -> list[str]:
    """Models and synapses against targets, in Markdown, with the refusals as notes."""
    targets, notes = target_names(), {}
    lines = [f"| model, synapses | {' | '.join(f'`{t}`' for t in targets)} |"]
    lines.append("|---" * (len(targets) + 1) + "|")
    for kind in MODELS:
        for synapse in SYNAPSES:
            cells = []
            for target in targets:
                found = lowered(kind, synapse, target)
                if isinstance(found, Program):
                    cells.append("runs")
                    continue
                text = re.sub(rf"\b{re.escape(target)}\b", "TARGET", found)
                cells.append(f"({notes.setdefault(text, len(notes) + 1)})")
            lines.append(f"| {name_of(kind)}, {synapse} | {' | '.join(cells)} |")
    lines += ["", "Refusals, as printed (TARGET is the target's name):", ""]
    return lines + [f"{k}. `{text}`" for text, k in notes.items()]


def engines(names: list[str]) -> list[str]:
    """Models, methods and chips against engines, in Markdown."""
    lines = [f"| model, synapses, target | method | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for kind in MODELS:
        for synapse in ("currents", "conductances"):
            for target in ("float64", "float32", "lava", "loihi1", "loihi2"):
                for method in ("euler", "exponential") if "float" in target else ("euler",):
                    program = lowered(kind, synapse, target, method)
                    if not isinstance(program, Program):
                        continue
                    done = compare_programs([program], STEPS, backends=["reference", *names])
                    said = {done.entries[p.j].backend: p.verdict for p in done.pairs}
                    said |= {s.backend: "refused" for s in done.skipped}
                    cells = " | ".join(said[n] for n in names)
                    lines.append(f"| {name_of(kind)}, {synapse}, `{target}` | {method} | {cells} |")
                    print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="write docs/numerics.md")
    parser.add_argument("--engines", default="native,torch,lava")
    asked = parser.parse_args()
    text = "\n".join([*support(), "", *engines(asked.engines.split(",")), ""])
    if not asked.page:
        print(text)
        return
    page = PAGE.read_text("utf-8")
    head, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
