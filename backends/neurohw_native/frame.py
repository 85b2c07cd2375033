"""Source of what a block does before its first step and after its last: arrays of its own lanes."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurohw.program.analysis import kind_of
from neurohw_native.lines import NUMPY, param_rows
from neurohw_native.plan import Kernel, PopPlan
from neurohw_native.steps import PAD

__all__ = ["KINDS", "Frame", "sampled", "scratch"]

KINDS = ("b", "i4", "i8", "f4", "f8")


@dataclass
class Frame:
    """What surrounds the steps: names of arguments, lines before and lines after."""

    kernel: Kernel
    arguments: list[str] = field(default_factory=list)
    begin: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)

    def share(self, what: str, kind: str) -> None:
        """Take an array that all populations share: ``P``, ``T`` or ``M``."""
        if (what, kind, "") not in self.kernel.arrays:
            self.kernel.arrays.append((what, kind, ""))
            self.arguments.append(f"{what[0].upper()}{kind}")


def sampled(plan: PopPlan, kind: str) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Rows (probe, row among the taps of this kind, kind) of the traces, and of the moments."""
    found: dict[str, list[tuple[int, int, str]]] = {"traces": [], "moments": []}
    for probe, tap in plan.traces:
        if plan.taps[tap].kind == kind:
            what = "moments" if probe in plan.reduced else "traces"
            found[what].append((probe, plan.row(tap)[1], "m" if what == "moments" else kind))
    return list(found.items())


def scratch(f: Frame, p: int, plan: PopPlan) -> None:
    """Slices and scratch arrays of a population, and what is written back at the end."""
    f.begin += [
        f"e{p} = cut[{p}, part]",
        f"w{p} = cut[{p}, part + 1] - e{p}",
        f"n{p} = B * w{p}",
        f"z{p} = (n{p} + {PAD - 1}) // {PAD} * {PAD}",
    ]
    _states(f, p, plan)
    _params(f, p, plan)
    _inputs(f, p, plan)
    _draws(f, p, plan)
    _records(f, p, plan)
    _rings(f, p, plan)


def _states(f: Frame, p: int, plan: PopPlan) -> None:
    q = plan.pop
    used = {q.nodes[i].attrs["name"] for i in plan.live if q.nodes[i].op == "state"}
    for j, s in enumerate(q.states):
        if s.name in used or s.name in q.writes:
            f.kernel.arrays.append(("state", q.name, s.name))
            f.arguments.append(f"S{p}_{j}")
            where = f"b0, B, siz[{p}], e{p}, w{p})"
            f.begin += [
                f"s{p}_{j} = zeros(z{p}, S{p}_{j}.dtype)",
                f"take(S{p}_{j}, s{p}_{j}, {where}",
            ]
            f.end.append(f"give(s{p}_{j}, S{p}_{j}, {where}")


def _params(f: Frame, p: int, plan: PopPlan) -> None:
    k, q = f.kernel, plan.pop
    held = param_rows(plan)
    names = [str(q.nodes[i].attrs["name"]) for i in plan.leaves("param")]
    for kind in KINDS:
        rows = {name: row for name, (one, row) in held.items() if one == kind}
        if rows:
            f.share("params", kind)
            f.begin += [
                f"q{p}{kind} = zeros2({len(rows)}, z{p}, {NUMPY[kind]})",
                f"spread_all(P{kind}, q{p}{kind}, pst, {len(k.params)}, b0, e{p}, B, w{p})",
            ]
            f.begin += [f"q{p}_{names.index(n)} = q{p}{kind}[{m}]" for n, m in rows.items()]
            k.params += [(q.name, name, kind) for name in rows]


def _inputs(f: Frame, p: int, plan: PopPlan) -> None:
    """Externals, and the sums of ports."""
    k, q = f.kernel, plan.pop
    for j, i in enumerate(plan.leaves("external")):
        k.externals.append((q.name, str(q.nodes[i].attrs["name"]), ""))
        k.arrays.append(("external", *k.externals[-1][:2]))
        f.arguments.append(f"X{p}_{j}")
        f.begin.append(f"x{p}_{j} = zeros2(rows, z{p}, X{p}_{j}.dtype)")
    for j, port in enumerate(q.ports):
        if port.name in plan.ahead:
            k.externals.append((q.name, port.name, "port"))
            k.arrays.append(("product", q.name, port.name))
            f.arguments.append(f"Y{p}_{j}")
        if port.name in plan.ports:
            kind = kind_of(port.dtype, plan.ports[port.name])
            f.begin.append(f"a{p}_{j} = zeros2(rows, z{p}, {NUMPY[kind]})")
            if kind[0] == "i":
                f.begin.append(f"h{p} = zeros(w{p}, np.int16)")


def _draws(f: Frame, p: int, plan: PopPlan) -> None:
    if plan.leaves("word") or plan.leaves("normal") or plan.rare:
        f.begin.append(f"el{p}, tr{p} = lanes(trials, b0, B, e{p}, w{p}, z{p})")
    for j, _ in enumerate(plan.leaves("word")):
        f.begin.append(f"W{p}_{j} = empty2(8, z{p}, np.uint32)")
    if plan.leaves("normal"):
        f.begin.append(f"V{p} = empty2(4, z{p}, np.uint32)")
    for j, _ in enumerate(plan.leaves("normal")):
        f.begin.append(f"N{p}_{j} = empty2(8, z{p}, np.int32)")


def _records(f: Frame, p: int, plan: PopPlan) -> None:
    for kind in KINDS:
        if count := sum(tap.kind == kind for tap in plan.taps):
            f.begin.append(f"v{p}{kind} = zeros3(rows, {count}, z{p}, {NUMPY[kind]})")
        for what, rows in sampled(plan, kind):
            if rows:
                f.share(what, kind if what == "traces" else "")
    if plan.spike:
        f.begin += [
            f"y{p} = empty2(rows, n{p} + SLACK, np.int32)",
            f"c{p} = zeros(rows, np.int64)",
        ]
        if not plan.countdown:
            f.begin.append(f"f{p} = zeros2(rows, (z{p} + 63) // 64 * 64, np.uint8)")
    if plan.event_probe is not None:
        f.kernel.events.append(plan.pop.name)
        f.kernel.arrays += [("lane", plan.pop.name, ""), ("end", plan.pop.name, "")]
        f.arguments += [f"L{p}", f"D{p}"]
        f.begin += [f"m{p} = 0", f"l{p} = L{p}"]


def _rings(f: Frame, p: int, plan: PopPlan) -> None:
    k, q = f.kernel, plan.pop
    if plan.ring:
        for what in ("history", "count", "index"):
            k.arrays.append((what, q.name, ""))
        f.arguments += [f"H{p}", f"C{p}", f"I{p}"]
        ring = (
            f"(H{p}, b0, B, w{p}, e{p}, siz[{p}], dep[{p}], slots[{p}], part, parts, %s, "
            f"C{p}, I{p})"
        )
        f.begin += ["if begins:", f"    ring_load{ring % 't0'}"]
        f.end += ["if ends:", f"    ring_store{ring % 't0 + steps'}"]
    for name, tap in plan.values.items():
        c, key = len(k.values), f"{q.name}.{name}"
        k.values.append((key, q.name, plan.taps[tap].kind))
        k.arrays += [("history", key, ""), ("values", key, "")]
        f.arguments += [f"HV{c}", f"RV{c}"]
        ring = f"(HV{c}, b0, B, w{p}, e{p}, siz[{p}], vdep[{c}], vslots[{c}], %s, RV{c})"
        f.begin += ["if begins:", f"    values_load{ring % 't0'}"]
        f.end += ["if ends:", f"    values_store{ring % 't0 + steps'}"]
