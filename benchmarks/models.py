"""Which neuron model runs on which target and engine; where it does not, the refusal.

With ``--page`` the tables go into docs/numerics.md. A target runs a model if lowering accepts it;
where it refuses the whole circuit (a constant current, a rest of -70 mV, reset to a value, neurons
that hear each other three steps later), the fewest changes with which it runs are named.
An engine that runs the program is then compared with the reference, spike for spike and bit for
bit (300 steps of two neurons that are driven and connected).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
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
FIELDS = re.compile(r"\w+\.(delay|reset): ")
STEPS = 300


CHANGES: Mapping[str, Mapping[str, Any]] = {
    "no bias": {"bias": 0.0},
    "subtracts": {"reset": "subtract"},
    "rest at 0": {"rest": False},
    "no delay of 3": {"back": 1},
    "no recurrence": {"back": None, "delay": 0},
}
"""What a circuit is tried without, where a target refuses it with all."""


def network(
    kind: str, synapse: Any, *, bias: float = 0.8e-9, reset: str = "", rest: bool = True,
    delay: int = 1, back: int | None = 3,
) -> nh.Network:  # fmt: skip
    """Two neurons of a model, driven by spikes and by one another."""
    neuron = MODELS[kind](2, bias)
    if type(neuron).refractory:
        neuron = neuron.replace(t_ref=0.0, t_ref_sigma=0.0)  # the model is asked for, not this
    if reset:
        neuron = neuron.replace(reset=reset)
    if not rest:
        neuron = neuron.replace(E_L=0.0, V_reset=0.0, V_th=20e-3)
    net = nh.Network("models")
    net.driver("x", nh.Poisson(size=4, rate="200 Hz"))
    net.population("n", neuron)
    net.connect("x", "n", synapse, delay_steps=delay)
    if back is not None:
        net.connect("n", "n", synapse, delay_steps=back)
    net.probe("n", "v")
    return net


def name_of(kind: str) -> str:
    """Of the class of a model."""
    return type(MODELS[kind](1, 0.0)).__name__


def lowered(
    kind: str, synapse: str, target: str, method: str = "", **changed: Any
) -> Program | str:
    """The program, or the one line that refuses it."""
    dt = 2e-5 if kind == "hodgkin_huxley" else 1e-4
    net = network(kind, SYNAPSES[synapse], **changed)
    try:
        return nh.lower(net, target, dt=dt, method=method).program
    except LoweringError as error:
        return str(error).removeprefix(f"{error.origin}: ")


def circuits(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is left out and how, from nothing on."""
    known = [n for n in CHANGES if n not in ("subtracts", "rest at 0") or kind == "lif"]
    for number in range(len(known) + 1):
        for names in combinations(known, number):
            yield ", ".join(names), {k: v for n in names for k, v in CHANGES[n].items()}


def support() -> list[str]:
    """Targets against models and synapses, in Markdown, with the refusals as notes."""
    columns = [(kind, s) for kind in ("lif", "if") for s in SYNAPSES]
    columns += [(kind, "currents") for kind in MODELS if kind not in ("lif", "if")]
    notes: dict[str, int] = {}
    heads = [f"{name_of(k)}, {s}" if k in ("lif", "if") else name_of(k) for k, s in columns]
    lines = [f"| target | {' | '.join(heads)} |", "|---" * (len(columns) + 1) + "|"]
    for target in target_names():
        cells = []
        for kind, synapse in columns:
            told = []
            for said, changed in circuits(kind):
                found = lowered(kind, synapse, target, **changed)
                if isinstance(found, Program):
                    cells.append(said or "runs")
                    break
                told.append(found)
            else:  # the reason that no change of delay or reset takes away
                text = next((x for x in told[::-1] if not FIELDS.match(x)), told[-1])
                text = re.sub(rf"\b{re.escape(target)}\b", "TARGET", text)
                cells.append(f"({notes.setdefault(text, len(notes) + 1)})")
        lines.append(f"| `{target}` | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
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
    parser.add_argument("--support", action="store_true", help="only the table of targets")
    asked = parser.parse_args()
    if asked.support:
        print("\n".join(support()))
        return
    text = "\n".join([*support(), "", *engines(asked.engines.split(",")), ""])
    if not asked.page:
        print(text)
        return
    page = PAGE.read_text("utf-8")
    head, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
