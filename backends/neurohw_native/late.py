"""Source of a population that only counts down: its spikes, some steps ahead (see ``timers``).

In place of steps it has ``ahead``, which finds the spikes of many steps at once, and ``rare``,
which gives the few lanes whose countdown has ended a new value.
"""

from __future__ import annotations

from neurohw.program import Node
from neurohw.program.analysis import storage_kind
from neurohw_native.lines import NUMPY, Made, evaluate, load, param_rows, site, store
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["countdown"]

CHUNK = 512  # lanes computed together, so that what they need stays in the caches
_EVENTS = "when, start, order, lane, step, link, who, y, at"


class _Rows:
    """Rows of scratch arrays, by type, and the lines that name them."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.lines: list[str] = []

    def row(self, name: str, kind: str) -> str:
        """A new row, under a name."""
        self.count[kind] = self.count.get(kind, 0) + 1
        self.lines.append(f"{name} = R{kind}[{self.count[kind] - 1}]")
        return name


def _rare(k: Kernel, p: int, plan: PopPlan) -> tuple[str, dict[str, int], list[str]]:
    """Source of ``rare``, rows of scratch by type, and its arguments but for the scratch.

    What the lanes need is gathered first, so that the loops over them can be vectors.
    """
    ((name, rare),) = plan.rare.items()
    rows, params = _Rows(), param_rows(plan)
    for x, kind in (("e", "u4"), ("r", "u4"), ("w", "i8")):
        rows.row(x, kind)
    gather = ["e[m], r[m] = el[c[first + m]], tr[c[first + m]]", "w[m] = t[first + m]"]
    draw: list[str] = []
    arrays: dict[str, None] = {}
    drawn: dict[str, str] = {}

    def leaf(node: Node, key: str, kind: str) -> str:
        if node.op == "param":
            held, row = params[key]
            if (x := f"g{held}{row}") not in drawn:
                drawn[x] = rows.row(x, held)
                arrays[f"q{p}{held}"] = None
                gather.append(f"{x}[m] = q{p}{held}[{row}, c[first + m]]")
            return load(kind, f"{x}[m]")
        if key not in drawn:
            drawn[key] = x = rows.row(f"d{len(draw)}", "u4" if node.op == "word" else "i4")
            table = ", table" if node.op == "normal" else ""
            where = f"{x}, e, r, w, some, {site(k, key)}, key[0], key[1]"
            draw.append(f"few_{node.op}s({where}{table})")
        return f"{kind}({drawn[key]}[m])"

    once, lines, values = evaluate(k, plan, rare.nodes, leaf)
    kind = storage_kind(plan.pop.nodes[rare.value].dtype)
    out = rows.row("o", kind)
    lines.append(store(f"{out}[m]", values[rare.value], kind))
    state = f"s{p}_{[s.name for s in plan.pop.states].index(name)}"
    taken = ["el", "tr", "key", "sites", "table", "ci", "cf", "cd", state, *arrays]
    scratch = [f"R{kind}" for kind in rows.count]
    text = [
        f"def rare{p}(c, n, t, {', '.join([*taken, *scratch])}):",
        *("    " + x for x in [*once, *rows.lines]),
        f"    for first in range(0, n, {CHUNK}):",
        f"        some = min(n - first, {CHUNK})",
        "        for m in range(some):",
        *("            " + x for x in gather),
        *("        " + x for x in draw),
        "        for m in range((some + FEW - 1) // FEW * FEW):",
        *("            " + x for x in lines),
        "        for m in range(some):",
        f"            {state}[c[first + m]] = {out}[m]",
    ]
    source = "\n".join(text) + f"\n\n\nrare{p} = jit(rare{p}, CACHE)\n\n\n"
    return source, rows.count, taken


def countdown(k: Kernel, p: int, plan: PopPlan) -> Made:
    """What a kernel needs for a population that only counts down.

    As after steps, ``y[k, :c[k]]`` are the lanes that fired in step ``t + k``.
    """
    source, rows, taken = _rare(k, p, plan)
    scratch = [f"R{kind}" for kind in rows]
    given = ", ".join([*taken, *scratch])
    state = plan.pop.states[[s.name for s in plan.pop.states].index(next(iter(plan.rare)))]
    counted = taken[8]
    text = [
        f"def ahead{p}(t, end, {_EVENTS}, {given}):",
        "    m = first_events(when, t, end, lane, step, link)",
        "    f, count = 0, m",
        "    while True:",
        "        c = waiting(lane, step, f, m, end, who, y, at)",
        "        if c == 0:",
        "            break",
        f"        rare{p}(y, c, at, {given})",
        "        if len(lane) < m + c:",
        "            lane, step, link = grow(lane, m + c), grow(step, m + c), grow(link, m + c)",
        "        f = m",
        f"        m = later_events(who, c, {counted}, end, lane, step, link, when, m)",
        "    if len(order) < m:",
        "        order = grow(order, m)",
        "    arrange(lane, step, link, count, m, t, end, start, order)",
        "    return m, order, lane, step, link",
    ]
    source += "\n".join(text) + f"\n\n\nahead{p} = jit(ahead{p}, CACHE)\n\n\n"
    begin = [f"R{p}{kind} = zeros2({n}, {CHUNK}, {NUMPY[kind]})" for kind, n in rows.items()]
    begin += [
        f"when{p} = empty(n{p}, np.int64)",
        f"timers_load({counted}, t0, when{p})",
        f"since{p}, until{p}, span{p} = t0, t0, 1",
        f"start{p} = empty(AHEAD + 2, np.int64)",
        f"who{p}, at{p} = empty(n{p}, np.int32), empty(n{p}, np.int64)",
        *(f"{x}{p} = empty(n{p}, np.int32)" for x in ("order", "lane", "link", "now")),
        f"step{p} = empty(n{p}, np.int64)",
    ]
    events = f"when{p}, start{p}, order{p}, lane{p}, step{p}, link{p}, who{p}, now{p}, at{p}"
    passed = [f"el{p}", f"tr{p}", *taken[2:], *(f"R{p}{kind}" for kind in rows)]
    found = f"found, order{p}, lane{p}, step{p}, link{p}"
    loop = [
        "for k in range(m):",
        f"    if t + k == until{p}:",
        f"        since{p}, until{p} = t + k, min(t + k + span{p}, t0 + steps)",
        f"        {found} = ahead{p}(t + k, until{p}, {events}, {', '.join(passed)})",
        f"        span{p} = stretch(until{p} - t - k, found, n{p})",
        f"    o = start{p}[t + k - since{p}]",
        f"    c{p}[k] = start{p}[t + k - since{p} + 1] - o",
        f"    copy(order{p}[o : o + c{p}[k]], y{p}[k, : c{p}[k]])",
    ]
    low = state.dtype.lo  # type: ignore[union-attr]
    return Made(source, loop, begin, [f"timers_store(when{p}, t0 + steps, {low}, {counted})"])
