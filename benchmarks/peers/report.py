"""What was measured, as tables: on the terminal, and in docs/performance.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import contenders
import workloads as w
from harness import median
from rich.console import Console
from rich.table import Table

__all__ = ["BEGIN", "END", "fastest", "ratios", "replace", "rows", "same", "show"]
__all__ += ["show_summary", "summary", "write"]

BEGIN, END = "<!-- generated: {} -->", "<!-- end of generated: {} -->"
HEAD = ["peer", "run (s)", "least..most", "x", "set-up (s)", "compile (s)", "spikes", "note"]


def fastest(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The fastest variant of each peer, ours first, then by time, then those that did not run."""
    peer = {c.name: c.peer for c in contenders.CONTENDERS}
    best: dict[str, dict[str, Any]] = {}
    for r in entry.get("results", []):
        name = peer.get(r["name"], r["name"])
        if name not in best or _time(r) < _time(best[name]):
            best[name] = r
    return sorted(best.values(), key=lambda r: (r["name"] != contenders.OURS, _time(r)))


def _time(r: dict[str, Any]) -> float:
    return median(s["seconds"] for s in r["samples"]) if r["samples"] else float("inf")


def rows(entry: dict[str, Any]) -> list[list[str]]:
    """One row of text per peer."""
    best = fastest(entry)
    ours = _time(best[0]) if best and best[0]["name"] == contenders.OURS else float("nan")
    out = []
    for r in best:
        if not r["samples"]:
            out.append([r["name"], "-", "", "", "", "", "", r["failed"]])
            continue
        seconds = [s["seconds"] for s in r["samples"]]
        notes = [f"without {r['about']['leaves_out']}"] if r["about"].get("leaves_out") else []
        if len(seconds) < 3:
            notes.append(f"{len(seconds)} run{'s' * (len(seconds) > 1)}")
        reads = [s["read_s"] for s in r["samples"] if s.get("read_s") is not None]
        if reads and max(reads) > 0.1 * median(seconds):
            notes.append(f"reading the spikes back: {_number(reads[0])} s")
        silent = [s["silent_s"] for s in r["samples"] if s.get("silent_s") is not None]
        if silent:
            share = 1 - median(silent) / median(seconds)
            notes.append(f"recording is {share:.0%} of the run")
        if r.get("right") is False:
            notes.append(f"SPIKES: expected {r['bound']}")
        if r["failed"]:
            notes.append(r["failed"])
        counts = [s["spikes"] for s in r["samples"] if s.get("spikes") is not None]
        middle = _time(r)
        out.append([
            r["name"], _number(middle), f"{_number(min(seconds))}..{_number(max(seconds))}",
            _number(middle / ours) if 0 < ours < float("inf") else "",
            _number(r["import_s"] + r["setup_s"]),
            _number(r["compile_s"]), f"{median(counts):,.0f}" if counts else "", "; ".join(notes),
        ])  # fmt: skip
    return out


def _number(x: float) -> str:
    return f"{x:.3g}" if x < 1000 else f"{x:,.0f}"


def show(console: Console, record: dict[str, Any], keys: list[str]) -> None:
    """Print the tables of these cases."""
    for key in keys:
        entry = record["cases"][key]
        table = Table(title=title(entry), title_justify="left", box=None, padding=(0, 1))
        for i, name in enumerate(HEAD):
            table.add_column(name, justify="right" if 0 < i < 7 else "left")
        for row in rows(entry):
            table.add_row(*row)
        console.print(table)
        if entry.get("identical"):
            console.print(same(entry), "\n")


def title(entry: dict[str, Any]) -> str:
    """Case, size and what it is."""
    unit = "trials" if entry["case"] == "W1" else "neurons"
    return f"{entry['case']}, {entry['size']:,} {unit}: {w.TITLES[entry['case']]}"


def same(entry: dict[str, Any]) -> str:
    """Whether every step's numbers are Lava's, in words."""
    found = entry["identical"]
    if "failed" in found:
        return f"Not compared with Lava step by step: {found['failed']}."
    differ = [k for k, equal in found.items() if not equal]
    if differ:
        return f"DIFFERS from Lava in {', '.join(differ)}."
    return f"{', '.join(found)} of every step and neuron are the same integers as Lava's."


def ratios(record: dict[str, Any]) -> list[list[str]]:
    """How many times longer than neurohw each peer took: a head, and a row per case and size."""
    columns: list[str] = []
    table = []
    for entry in record["cases"].values():
        best = fastest(entry)
        if not best or best[0]["name"] != contenders.OURS:
            continue
        ours = _time(best[0])
        ran = {_peer(r): _time(r) / ours for r in best[1:] if r["samples"] and best[0]["samples"]}
        ran = {name: x for name, x in ran.items() if not name.startswith(f"{contenders.OURS}, ")}
        columns += [name for name in ran if name not in columns]
        table.append((f"{entry['case']} {entry['size']:,}", ours, ran))
    out = [["", "neurohw (s)", *columns]]
    for name, ours, ran in table:
        cells = [_number(ran[c]) if c in ran else "" for c in columns]
        out.append([name, _number(ours) if ours != float("inf") else "-", *cells])
    return out


def summary(record: dict[str, Any]) -> list[str]:
    """The same in Markdown."""
    head, *table = ratios(record)
    lines = ["| | " + " | ".join(head[1:]) + " |", "|---" * len(head) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in table]


def show_summary(console: Console, record: dict[str, Any]) -> None:
    """Print the table of ratios; a name may take two lines."""
    head, *table = ratios(record)
    out = Table(title="x: how many times longer than neurohw", title_justify="left", box=None,
                padding=(0, 1))  # fmt: skip
    for i, name in enumerate(head):
        out.add_column(name, justify="right" if i else "left", no_wrap=not i)
    for row in table:
        out.add_row(*row)
    console.print(out)


def write(record: dict[str, Any], path: Path) -> None:
    """Put the tables between their markers in ``path``; the rest of it stays."""
    parts = [
        f"Measured {record['date']}: {record['processor']}, {record['cores']} cores, Python"
        f" {record['python']}; medians of {record['rounds']}, all in one run and in turn. How many"
        " times longer than neurohw each peer took, in its fastest variant:", "",
        *summary(record), "",
    ]  # fmt: skip
    for entry in record["cases"].values():
        parts += [f"### {title(entry)}", "", "| " + " | ".join(HEAD) + " |"]
        parts += ["|---" * len(HEAD) + "|"]
        parts += ["| " + " | ".join(row) + " |" for row in rows(entry)] + [""]
        if entry.get("identical"):
            parts += [same(entry), ""]
    parts += ["Versions: " + "; ".join(_versions(record)) + "."]
    path.write_text(replace(path.read_text(), "peers", "\n".join(parts)))


def _peer(r: dict[str, Any]) -> str:
    return next((c.peer for c in contenders.CONTENDERS if c.name == r["name"]), r["name"])


def _versions(record: dict[str, Any]) -> list[str]:
    found: dict[str, str] = {}
    for entry in record["cases"].values():
        for r in entry.get("results", []):
            found |= {k: v for k, v in r["versions"].items() if k not in ("numpy", "numba")}
    return [f"{k} {v}" for k, v in sorted(found.items())]


def replace(text: str, name: str, new: str) -> str:
    """``text`` with what lies between the markers of ``name`` replaced, or with a part added."""
    begin, end = BEGIN.format(name), END.format(name)
    if begin in text and end in text:
        before, rest = text.split(begin, 1)
        return before + begin + "\n" + new + "\n" + end + rest.split(end, 1)[1]
    return text.rstrip("\n") + f"\n\n{begin}\n{new}\n{end}\n"
