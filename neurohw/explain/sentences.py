"""An explanation in the words a user needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurohw.compare.sentence import time_text

if TYPE_CHECKING:
    from .explain import Explanation, Share
    from .identify import Identified

__all__ = ["explained", "identified"]


def explained(e: Explanation) -> str:
    """Where the two part, by which rule, how far they agree without it, and the shares."""
    if e.distance == 0:
        return f"{e.base} and {e.goal} give the same spikes in all {e.steps} steps"
    d = e.first
    head = f"{e.base} and {e.goal} differ"
    if d is not None and d.variable == "spikes":
        who = e.base if d.spike_a else e.goal
        head = (
            f"first divergence: population {d.population}, neuron {d.neuron}, step {d.step} "
            f"({time_text(d.time)}), trial {d.trial}, where only {who} spikes"
        )
    if d is not None and d.variable == "count":
        head = (
            f"first divergence: population {d.population}, neuron {d.neuron}, step {d.step} "
            f"({time_text(d.time)}), trial {d.trial}, with {d.value_a:.0f} spikes on {e.base} and "
            f"{d.value_b:.0f} on {e.goal}"
        )
    if not e.way:
        rest = "no rule of the records, and no rounded number, explains it by itself"
        if e.left:
            rest += ": it is the arithmetic, integers against floats"
            rest += ", or noise of another kind" if _noise(e) else ""
        return f"{head}; {rest}"
    text = [f"{head}: {_does(e, e.way[0])}"]
    for k, share in enumerate(e.way):
        done = "with that switched" if k == 0 else f"with these {k + 1} switched"
        if share.agree is not None and k + 1 < len(e.way) and e.way[k + 1].agree == share.agree:
            text.append(f"and {_does(e, e.way[k + 1])}")
            continue
        if share.agree == e.steps or (k + 1 == len(e.way) and not e.left):
            text.append(f"{done} the two agree in all {e.steps} steps")
            break
        text.append(f"{done} the two agree up to step {share.agree}")
        if k + 1 < len(e.way):
            text[-1] += f", where {_does(e, e.way[k + 1])}"
    return "; ".join(text) + ". " + _shares(e)


def _does(e: Explanation, s: Share) -> str:
    x = s.switch
    if x.numbers:
        return f"{e.goal} rounds {x.title}"
    return f"{e.goal} {x.words('b')}, {e.base} {x.words('a')} ({x.title})"


def _noise(e: Explanation) -> bool:
    """Whether the two draw noise by rules that neither can take over."""
    return any(path.startswith("noise.") for path in e.problems)


def _shares(e: Explanation) -> str:
    parts = [f"{s.switch.title} {100 * s.share:.0f} %" for s in e.way]
    left = 100 * e.left / e.distance
    if e.left:
        what = "arithmetic, and noise of another kind" if _noise(e) else "arithmetic"
        parts.append(f"the rest ({what}) {left:.0f} %")
    return f"Of the difference ({100 * e.distance:.0f} % of all spikes): " + ", ".join(parts) + "."


def identified(f: Identified) -> str:
    """Which changes of a record give the spikes that were recorded."""
    if not f.changes and f.equal:
        return f"{f.target} gives the recorded spikes as it is"
    if not f.changes:
        return (
            f"no single change of a rule of {f.target} brings it closer to the recorded spikes "
            f"({100 * f.distance:.1f} % differ)"
        )
    does = "; ".join(f"it {s.words('b')}, {f.target} {s.words('a')} ({s.title})" for s in f.changes)
    how = (
        "the recorded spikes are those of"
        if f.equal
        else f"the recorded spikes come closest ({100 * f.left:.1f} % differ) to"
    )
    many = "s" * (len(f.changes) > 1)
    text = f"{how} {f.target} with {len(f.changes)} rule{many} changed: {does}"
    same = "; or ".join(f"it {s.words('b')} ({s.title})" for s in f.also)
    return f"{text}. Not told apart from: {same}" if same else text
