"""Lines of source that both the step and what follows a spike are made of."""

from __future__ import annotations

from neurohw.program.analysis import kind_of, storage_kind
from neurohw_native.expr import Var, operation
from neurohw_native.plan import Kernel, PopPlan

__all__ = ["at_spikes", "hoist", "load", "scalar_param"]


def hoist(k: Kernel, plan: PopPlan, i: int) -> str:
    """Expression of a constant or scalar parameter, loaded once per call of a step."""
    node = plan.pop.nodes[i]
    kind = kind_of(node.dtype, plan.spans[i])
    name, where = {"f4": ("cf", k.singles), "f8": ("cd", k.doubles)}.get(kind, ("ci", k.ints))
    where.append((plan.pop.name, i))
    load = f"{name}[{len(where) - 1}]"
    return f"{load} != 0" if kind == "b" else f"{kind}({load})"


def scalar_param(plan: PopPlan, name: str) -> bool:
    return next(x for x in plan.pop.params if x.name == name).data.ndim == 0


def load(kind: str, array: str) -> str:
    return f"{array}[i] != 0" if kind == "b" else f"{kind}({array}[i])"


def at_spikes(k: Kernel, p: int, plan: PopPlan) -> tuple[str, list[str], list[str]]:
    """Source of what happens in the lanes that spike; its arrays, and the sites of its draws.

    Draws that only a spike needs are made here, for the few lanes that need them.
    """
    if not plan.rare:
        return "", [], []
    q = plan.pop
    states, params = (
        [s.name for s in q.states],
        [q.nodes[i].attrs["name"] for i in plan.leaves("param")],
    )
    head: list[str] = []
    body: list[str] = []
    arrays: dict[str, None] = {}
    sites: list[str] = []
    values: dict[int, Var] = {}
    for i in sorted({i for r in plan.rare.values() for i in r.nodes}):
        node, x = q.nodes[i], f"n{i}"
        kind = kind_of(node.dtype, plan.spans[i])
        name = str(node.attrs.get("name", node.attrs.get("site", "")))
        if node.op == "const" or (node.op == "param" and scalar_param(plan, name)):
            head.append(f"{x} = {hoist(k, plan, i)}")
        elif node.op == "param":
            array = f"q{p}_{params.index(name)}"
            arrays[array] = None
            body.append(f"{x} = {load(kind, array)}")
        elif node.op in ("word", "normal"):
            if name not in sites:
                sites.append(name)
            table = ", table" if node.op == "normal" else ""
            draw = f"one_{node.op}(el[i], tr[i], t, h{sites.index(name)}, a, b{table})"
            body.append(f"{x} = {kind}({draw})")
        else:
            lines, _ = operation(
                x,
                node,
                [values[a] for a in node.args],
                plan.exact[i],
                [plan.spans[a] for a in node.args],
                plan.spans[i],
                "",
            )
            body += lines
        values[i] = (x, kind)
    for name, r in plan.rare.items():
        array = f"s{p}_{states.index(name)}"
        arrays[array] = None
        x, held = values[r.value]
        kind = storage_kind(q.nodes[r.value].dtype)
        value = f"(np.uint8(1) if {x} else np.uint8(0))" if held == "b" else f"{kind}({x})"
        body.append(f"{array}[i] = {value}")
    drawn = ", ".join(f"h{m}" for m in range(len(sites)))
    lines = [
        f"def rare{p}(c, n, el, tr, t, a, b, table, ci, cf, cd, {', '.join([drawn, *arrays])}):",
        *("    " + h for h in head),
        "    for m in range(n):",
        "        i = c[m]",
        *("        " + x for x in body),
    ]
    source = "\n".join(lines) + f"\n\n\nrare{p} = jit(rare{p}, CACHE, True)\n\n\n"
    return source, list(arrays), sites
