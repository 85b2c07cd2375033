"""Source of the steps of one population: a few of them, over all lanes of a block.

The lanes are taken a tile at a time, so that a tile's states stay in the first-level cache from
one step to the next. What comes in and what goes out has a row for each step.

Array names, each followed by the population's number and an index: s state, q param, x external,
a accumulator, W word, N normal; v taps of a kind; f flags, y lists and c numbers of spikes.
"""

from __future__ import annotations

from neurohw.program import Int, Node
from neurohw.program.analysis import kind_of, storage_kind
from neurohw_native.expr import fit
from neurohw_native.lines import Made, evaluate, load, site, store
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["PAD", "steps"]

PAD = 32  # lanes: no vector is wider, and what follows a vector loop is never run
TILE = 512  # lanes, a multiple of 64


class _Arrays:
    """Elements of a population's arrays in lane ``i``, step ``k``; ``used`` are their names."""

    def __init__(self, p: int, plan: PopPlan) -> None:
        q = plan.pop
        self.p, self.plan = p, plan
        self.used: dict[str, None] = {}
        self.states = [s.name for s in q.states]
        self.leaves = {
            op: [str(q.nodes[i].attrs.get("name", q.nodes[i].attrs.get("site"))) for i in found]
            for op in ("param", "external", "word", "normal")
            if (found := plan.leaves(op))
        }

    def _use(self, array: str) -> str:
        self.used[array] = None
        return array

    def port(self, j: int) -> str:
        return f"{self._use(f'a{self.p}_{j}')}[k, i]"

    def state(self, name: str) -> str:
        return f"{self._use(f's{self.p}_{self.states.index(name)}')}[i]"

    def tap(self, n: int) -> str:
        kind, row = self.plan.row(n)
        return f"{self._use(f'v{self.p}{kind}')}[k, {row}, i]"

    def leaf(self, node: Node, name: str) -> str:
        """The element of a leaf."""
        if node.op == "state":
            return self.state(name)
        letter = {"param": "q", "external": "x", "word": "W", "normal": "N"}[node.op]
        array = self._use(f"{letter}{self.p}_{self.leaves[node.op].index(name)}")
        return f"{array}[{ {'param': 'i', 'external': 'k, i'}.get(node.op, 'u + k, i') }]"


def _function(name: str, arguments: list[str], lines: list[str]) -> str:
    text = "\n".join([f"def {name}({', '.join(arguments)}):", *("    " + x for x in lines)])
    return f"{text}\n\n\n{name} = jit({name}, CACHE, True)\n\n\n"


def _rare(k: Kernel, p: int, plan: PopPlan) -> tuple[str, list[str], list[str]]:
    """Source of what happens in lanes that spiked; a call of it, and the arrays that it takes.

    Draws that only a spike needs are made here, for the few lanes that need them.
    """
    if not plan.rare:
        return "", [], []
    arrays = _Arrays(p, plan)
    sites: dict[str, str] = {}

    def leaf(node: Node, name: str, kind: str) -> str:
        if node.op not in ("word", "normal"):
            return load(kind, arrays.leaf(node, name))
        if name not in sites:
            sites[name] = site(k, name)
        table = ", table" if node.op == "normal" else ""
        return f"{kind}(one_{node.op}(el[i], tr[i], t, {sites[name]}, key[0], key[1]{table}))"

    nodes = sorted({i for r in plan.rare.values() for i in r.nodes})
    once, lines, values = evaluate(k, plan, nodes, leaf)
    for name, r in plan.rare.items():
        kind = storage_kind(plan.pop.nodes[r.value].dtype)
        lines.append(store(arrays.state(name), values[r.value], kind))
    shared = ["key", "sites", "table", "ci", "cf", "cd", *arrays.used]
    source = _function(
        f"rare{p}",
        ["y", "first", "last", "t", "el", "tr", *shared],
        [*once, "for j in range(first, last):", "    i = y[j]", *("    " + x for x in lines)],
    )
    call = f"rare{p}(y{p}[k], first, c{p}[k], t + i8(k), el{p}, tr{p}, {', '.join(shared)})"
    taken = [f"el{p}", f"tr{p}", "key", "sites", "table", *arrays.used]
    return source, [f"if c{p}[k] > first:", f"    {call}"], taken


def _body(k: Kernel, plan: PopPlan, arrays: _Arrays) -> tuple[list[str], list[str]]:
    """Lines to be run once, and those of a lane in a step."""
    q = plan.pop
    body: list[str] = []
    for j, port in enumerate(q.ports):
        if port.name not in plan.ports:
            continue
        kind = kind_of(port.dtype, plan.ports[port.name])
        body.append(f"p{j} = {arrays.port(j)}")
        if port.name not in plan.ahead:
            body.append(f"{arrays.port(j)} = {kind}(0)")
        for n, tap in enumerate(plan.taps):
            if (tap.what, tap.index) == ("port", j):
                body.append(f"{arrays.tap(n)} = p{j}")
        if isinstance(port.dtype, Int):
            span = plan.ports[port.name]
            assert span is not None
            body += fit(f"p{j}", kind, span, port.dtype, port.overflow)

    def leaf(node: Node, name: str, kind: str) -> str:
        if node.op == "input":
            return f"{kind}(p{[x.name for x in q.ports].index(name)})"
        return load(kind, arrays.leaf(node, name))

    wide = {tap.index: n for n, tap in enumerate(plan.taps) if tap.what == "node" and tap.wide}
    once, lines, values = evaluate(
        k, plan, plan.live, leaf, lambda i: arrays.tap(wide[i]) if i in wide else ""
    )
    body += lines
    for name, i in sorted(q.writes.items(), key=lambda w: arrays.states.index(w[0])):
        now = plan.rare[name].else_ if name in plan.rare else i
        body.append(store(arrays.state(name), values[now], storage_kind(q.nodes[i].dtype)))
    for n, tap in enumerate(plan.taps):
        if tap.what == "node" and not tap.wide:
            body.append(store(arrays.tap(n), values[tap.index], tap.kind))
    if plan.spike:
        assert q.spike is not None
        body.append(store(f"f{arrays.p}[k, i]", values[q.spike], "b"))
    return once, body


def steps(k: Kernel, p: int, plan: PopPlan) -> Made:
    """The function that runs ``m`` steps from ``t`` on, and a call of it.

    It lists the spikes as well: ``y[k, :c[k]]`` are the lanes that fired in step ``t + k``.
    """
    arrays = _Arrays(p, plan)
    once, body = _body(k, plan, arrays)
    source, late, taken = _rare(k, p, plan)
    after: list[str] = []
    if plan.spike:
        arrays.used |= dict.fromkeys([f"f{p}", f"y{p}", f"c{p}", *taken])
        once += [f"g = eights(f{p})", f"c{p}[:m] = 0"]
        after += [f"first = c{p}[k]", f"c{p}[k] = spiking(g[k], i0, i1, n, y{p}[k], first)", *late]
    arguments = ["m", "t", "ci", "cf", "cd", *arrays.used]
    source += _function(
        f"step{p}",
        ["n", *arguments],
        [
            "wide()",
            *once,
            f"u, end = u8(t & 7), u8((n + {PAD - 1}) // {PAD} * {PAD})",
            f"for i0 in range(u8(0), end, u8({TILE})):",
            f"    i1 = min(i0 + u8({TILE}), end)",
            "    for k in range(u8(m)):",
            "        for i in range(i0, i1):",
            *("            " + x for x in body or ["pass"]),
            *("        " + x for x in after),
        ],
    )
    return Made(source, [f"step{p}(n{p}, {', '.join(arguments)})"])
