"""Source of what happens in few lanes of a step: those that spike, or whose countdown has ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurohw.program.analysis import kind_of, storage_kind
from neurohw_native.expr import Var, operation
from neurohw_native.lines import NUMPY, hoist, load, param_rows, scalar_param
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["Late", "ahead", "at_spikes", "counted"]

CHUNK = 512  # lanes computed together, so that what they need stays in the caches
_COMMON = "el, tr, a, b, site, table, ci, cf, cd"


@dataclass
class Late:
    """Source of the function ``rare``, and what it is given.

    Attributes
    ----------
    source : str
    arrays : list of str
        Of states and parameters, as the step has them.
    scratch : dict
        Type -> number of rows of numbers that are gathered, drawn or computed.
    sites : list of str
        Of the draws.
    """

    source: str = ""
    arrays: list[str] = field(default_factory=list)
    scratch: dict[str, int] = field(default_factory=dict)
    sites: list[str] = field(default_factory=list)

    def row(self, kind: str) -> str:
        """A new row of scratch."""
        self.scratch[kind] = self.scratch.get(kind, 0) + 1
        return f"R{kind}[{self.scratch[kind] - 1}]"

    def setup(self, p: int) -> list[str]:
        """Lines that make the scratch arrays."""
        return [
            f"R{p}{kind} = np.zeros(({rows}, {CHUNK}), {NUMPY[kind]})"
            for kind, rows in self.scratch.items()
        ]

    def given(self, p: int, first: int) -> str:
        """Arguments of a call, from the number of the first site on."""
        here = f"el{p}, tr{p}, key[0], key[1], sites[{first}:]"
        common = _COMMON.replace("el, tr, a, b, site", here)
        return ", ".join([common, *(f"R{p}{x}" for x in self.scratch), *self.arrays])

    @property
    def parameters(self) -> str:
        """The same as the function calls them."""
        return ", ".join([_COMMON, *(f"R{x}" for x in self.scratch), *self.arrays])


def at_spikes(k: Kernel, p: int, plan: PopPlan) -> Late:
    """Source of ``rare``: new values of states in ``n`` lanes ``c``, in step ``t``, or each in its.

    Draws that only these lanes need are made here. What the lanes need is gathered first, so that
    the loops over them can be vectors.
    """
    out = Late()
    if not plan.rare:
        return out
    q = plan.pop
    states = [s.name for s in q.states]
    params = param_rows(plan)
    head = [f"e, r, w = {out.row('u4')}, {out.row('u4')}, {out.row('i8')}"]
    gather = ["e[m], r[m] = el[c[first + m]], tr[c[first + m]]"]
    gather.append("w[m] = t[first + m]" if plan.countdown else "w[m] = t")
    draw: list[str] = []
    body: list[str] = []
    scatter: list[str] = []
    arrays: dict[str, None] = {}
    nodes = sorted({i for x in plan.rare.values() for i in x.nodes})
    for op, kind in (("word", "u4"), ("normal", "i4")):
        found = dict.fromkeys(str(q.nodes[i].attrs["site"]) for i in nodes if q.nodes[i].op == op)
        if found:
            first, m = out.scratch.get(kind, 0), len(out.sites)
            where = f"R{kind}[{first} + h], e, r, w, some, site[{m} + h], a, b"
            table = ", table" if op == "normal" else ""
            draw += [f"for h in range({len(found)}):", f"    few_{op}s({where}{table})"]
        for name in found:
            head.append(f"d{len(out.sites)} = {out.row(kind)}")
            out.sites.append(name)
    values: dict[int, Var] = {}
    for i in nodes:
        node, x = q.nodes[i], f"n{i}"
        kind = kind_of(node.dtype, plan.spans[i])
        name = str(node.attrs.get("name", node.attrs.get("site", "")))
        if node.op == "const" or (node.op == "param" and scalar_param(plan, name)):
            head.append(f"{x} = {hoist(k, plan, i)}")
        elif node.op == "param":
            held, row = params[name]
            array, x = f"q{p}{held}", f"g{held}{row}"
            if f"{x} = " not in "\n".join(head):
                arrays[array] = None
                head.append(f"{x} = {out.row(held)}")
                gather.append(f"{x}[m] = {array}[{row}, c[first + m]]")
            body.append(f"n{i} = {load(kind, x, 'm')}")
        elif node.op in ("word", "normal"):
            body.append(f"{x} = {kind}(d{out.sites.index(name)}[m])")
        else:
            spans = [plan.spans[a] for a in node.args]
            args = [values[a] for a in node.args]
            body += operation(x, node, args, plan.exact[i], spans, plan.spans[i], "")[0]
        values[i] = (f"n{i}", kind)
    for name, rare in plan.rare.items():
        j = states.index(name)
        arrays[f"s{p}_{j}"] = None
        x, held = values[rare.value]
        kind = storage_kind(q.nodes[rare.value].dtype)
        head.append(f"o{j} = {out.row(kind)}")
        value = f"(np.uint8(1) if {x} else np.uint8(0))" if held == "b" else f"{kind}({x})"
        body.append(f"o{j}[m] = {value}")
        scatter.append(f"s{p}_{j}[c[first + m]] = o{j}[m]")
    out.arrays = list(arrays)
    lines = [
        f"def rare{p}(c, n, t, {out.parameters}):",
        *("    " + h for h in head),
        f"    for first in range(0, n, {CHUNK}):",
        f"        some = min(n - first, {CHUNK})",
        "        for m in range(some):",
        *("            " + x for x in gather),
        *("        " + x for x in draw),
        "        for m in range((some + FEW - 1) // FEW * FEW):",
        *("            " + x for x in body),
        "        for m in range(some):",
        *("            " + x for x in scatter),
    ]
    end = "CACHE" if plan.countdown else "CACHE, True"
    out.source = "\n".join(lines) + f"\n\n\nrare{p} = jit(rare{p}, {end})\n\n\n"
    if plan.countdown:
        out.source += _ahead(p, plan, out)
    return out


def counted(p: int, plan: PopPlan) -> str:
    """The array of the state of a countdown."""
    return f"s{p}_{[s.name for s in plan.pop.states].index(next(iter(plan.rare)))}"


_EVENTS = "when{p}, start{p}, order{p}, lane{p}, step{p}, link{p}, who{p}, y{p}, at{p}"


def _ahead(p: int, plan: PopPlan, late: Late) -> str:
    """Source of ``ahead``: all spikes of a countdown in steps ``t .. end - 1``."""
    lines = [
        f"def ahead{p}(t, end, {_EVENTS.format(p='')}, {late.parameters}):",
        "    m = first_events(when, t, end, lane, step, link)",
        "    f, count = 0, m",
        "    while True:",
        "        c = waiting(lane, step, f, m, end, who, y, at)",
        "        if c == 0:",
        "            break",
        f"        rare{p}(y, c, at, {late.parameters})",
        "        if len(lane) < m + c:",
        "            lane, step, link = grow(lane, m + c), grow(step, m + c), grow(link, m + c)",
        "        f = m",
        f"        m = later_events(who, c, {counted(p, plan)}, end, lane, step, link, when, m)",
        "    if len(order) < m:",
        "        order = grow(order, m)",
        "    arrange(lane, step, link, count, m, t, end, start, order)",
        "    return m, order, lane, step, link",
    ]
    return "\n".join(lines) + f"\n\n\nahead{p} = jit(ahead{p}, CACHE)\n\n\n"


def ahead(p: int, plan: PopPlan, late: Late, first: int) -> tuple[list[str], list[str]]:
    """Lines of the block that look ahead: before the first step, and in each."""
    setup = [
        f"when{p} = np.empty(n{p}, np.int64)",
        f"timers_load({counted(p, plan)}, t0, when{p})",
        f"since{p}, until{p}, span{p} = t0, t0, 1",
        f"start{p} = np.empty(AHEAD + 2, np.int64)",
        f"who{p}, at{p} = np.empty(n{p}, np.int32), np.empty(n{p}, np.int64)",
        *(f"{x}{p} = np.empty(n{p}, np.int32)" for x in ("order", "lane", "link")),
        f"step{p} = np.empty(n{p}, np.int64)",
    ]
    found = f"c{p}, order{p}, lane{p}, step{p}, link{p}"
    given = f"t, until{p}, {_EVENTS.format(p=p)}, {late.given(p, first)}"
    loop = [
        f"if t == until{p}:",
        f"    since{p}, until{p} = t, min(t + span{p}, t0 + steps)",
        f"    {found} = ahead{p}({given})",
        f"    span{p} = stretch(until{p} - t, c{p}, n{p})",
        f"o{p} = start{p}[t - since{p}]",
        f"c{p} = start{p}[t - since{p} + 1] - o{p}",
        f"copy(order{p}[o{p} : o{p} + c{p}], y{p}[:c{p}])",
    ]
    return setup, loop
