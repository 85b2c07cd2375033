"""Recognise a population whose step is exactly what a stock LIF process of Lava computes.

The patterns (see :mod:`neurohw_lava.match`) are the steps that lowering emits for the targets
``lava`` and ``lava-float``. Which numbers Lava's own registers hold is checked after the match; a
population that fails any of it is not an error, it runs on our own process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.program import Int, Population
from neurohw_lava.match import match, numbers

__all__ = ["Neuron", "is_driver", "is_relay", "recognise"]

Array = np.ndarray

# lava-nc 0.10.0, proc/lif/models.py, AbstractPyLifModelFixed and PyLifModelBitAcc
_FIXED = """
narrow = cast i32 total overflow=wrap
total = any
arrived = shl i32 narrow by=6 overflow=wrap
u_old = state i32 name=u
keep_u = number i14
u_product = mul i48 u_old keep_u
u_decayed = shr i32 u_product by=12 rounding=toward_zero
u_exact = add i32 u_decayed arrived overflow=wrap
turn = const i32 value=16777216
top = const i32 value=8388608
bottom = const i32 value=-8388608
over = gt bool u_exact top
lower = sub i32 u_exact turn overflow=wrap
down = select i32 over lower u_exact
under = le bool down bottom
higher = add i32 u_exact turn overflow=wrap
u = select i32 under higher down
v_old = state i24 name=v
keep_v = number i14
v_product = mul i48 v_old keep_v
v_decayed = shr i24 v_product by=12 rounding=toward_zero
v_driven = add i32 v_decayed u overflow=wrap
bias = numbers i32
v_biased = add i32 v_driven bias overflow=wrap
v_low = const i24 value=-8388607
v_high = const i24 value=8388607
v_above = max i32 {sum} v_low
v_pre = min i24 v_above v_high
threshold = number i24
spike = gt bool v_pre threshold
zero = const i24 value=0
v = select i24 spike zero v_pre
"""

# AbstractPyLifModelFloat, PyLifModelFloat and PyLifRefractoryModelFloat
_FLOAT = """
arrived = input f64 name=?
u_old = state f64 name=u
keep_u = number f64
u_kept = mul f64 u_old keep_u
u = add f64 u_kept arrived
v_old = state f64 name=v
keep_v = number f64
v_kept = mul f64 v_old keep_v
v_driven = add f64 v_kept u
bias = numbers f64
v_biased = add f64 {driven} bias
threshold = number f64
reset = number f64
left = state i22 name=refractory
none = const i22 value=0
blocked = gt bool left none
free = not bool blocked
period = number i22
one = const i2 value=1
fewer = sub i23 left one
floor = max i22 fewer none
refractory = select i22 spike period floor
v_held = select f64 blocked v_old {sum}
above = gt bool {before} threshold
fired = and bool above free
v = select f64 {spike} reset {before}
"""

_REGULAR = """
left = state i32 name=left
zero = const i32 value=0
spike = le bool left zero
one = const i2 value=1
down = sub i32 left one overflow=saturate
again = numbers i32
next = select i32 spike again down
"""


_INTERVAL = """
wait = state ? name=wait
zero = const ? value=0
over = eq bool wait zero
one = const i2 value=1
down = sub ? wait one overflow=saturate
gap = any
next = select ? over gap down
spike = eq bool next zero
"""


_RELAY = """
arrived = input ? name=?
none = const ? value=0
spike = gt bool arrived none
"""


@dataclass(frozen=True)
class Neuron:
    """What a stock process is to be given.

    Attributes
    ----------
    kind : {"LIF", "LIFRefractory"}
    fixed : bool
        Tag ``fixed_pt`` rather than ``floating_pt``.
    du, dv, vth : int or float
        As Lava's registers hold them.
    bias, bias_exp : array
        Mantissa and exponent, of shape ``()``, ``(size,)``, ``(trials, 1)`` or ``(trials, size)``.
    has_current : bool
        False if the program has no state ``u`` (nothing ever arrives).
    period : int
        Of LIFRefractory; 0 for LIF.
    exponents : mapping
        Port -> power of two by which the sum of its weights is shifted.
    """

    kind: str
    fixed: bool
    du: float
    dv: float
    vth: float
    bias: Array
    bias_exp: Array
    has_current: bool = True
    period: int = 0
    exponents: Mapping[str, int] = field(default_factory=dict)


# neurons -----------------------------------------------------------------------------------------


def recognise(q: Population) -> Neuron | str:
    """The stock process that computes this population, or why there is none."""
    if any(node.op in ("word", "normal") for node in q.nodes):
        return "random draws"
    if q.spike is None or any(node.attrs.get("overflow") == "trap" for node in q.nodes):
        return "no spikes, or operations that trap"
    states = {s.name for s in q.states}
    if states != set(q.writes) or "v" not in states:
        return "not the states of a LIF"
    return _fixed(q) if states == {"u", "v"} and _is_fixed(q) else _float(q, states)


def _is_fixed(q: Population) -> bool:
    return all(isinstance(s.dtype, Int) for s in q.states)


def _roots(q: Population, spike: str = "spike") -> dict[str, int]:
    assert q.spike is not None
    return {**q.writes, spike: q.spike}


def _fixed(q: Population) -> Neuron | str:
    for total in ("v_driven", "v_biased"):
        m = match(q, _FIXED.format(sum=total), _roots(q))
        if m is not None:
            break
    else:
        return "not the step of Lava's fixed-point LIF"
    keep_u, keep_v, threshold = (_scalar(q, m[n]) for n in ("keep_u", "keep_v", "threshold"))
    if not (0 <= keep_u <= 4095 and 1 <= keep_v <= 4096):
        return "decays out of Lava's range"
    if threshold % 64 or not 0 <= threshold < 1 << 23:
        return "threshold is not a mantissa of 17 bits times 64"
    bias = _bias(numbers(q, m["bias"]) if "bias" in m else np.int64(0))  # type: ignore[arg-type]
    if bias is None:
        return "bias is not a mantissa of 16 bits times a power of two"
    exponents = _inputs(q, m["total"])
    if isinstance(exponents, str):
        return exponents
    return Neuron("LIF", True, 4095 - keep_u, 4096 - keep_v, threshold >> 6, *bias,
                  exponents=exponents)  # fmt: skip


def _scalar(q: Population, index: int) -> Any:
    data = numbers(q, index)
    assert data is not None
    return data.flat[0].item()


def _bias(whole: Array) -> tuple[Array, Array] | None:
    """Mantissa and exponent; of 13 bits and 0..7 where possible, else of int16."""
    whole = np.asarray(whole, np.int64)
    exponent, done = np.zeros_like(whole), np.zeros(whole.shape, np.bool_)
    for low, high in ((-(2**12), 2**12 - 1), (-(2**15), 2**15 - 1)):
        for e in range(8):
            mantissa = whole >> e
            fits = ~done & (mantissa << e == whole) & (mantissa >= low) & (mantissa <= high)
            exponent, done = np.where(fits, e, exponent), done | fits
    return (whole >> exponent, exponent) if done.all() else None


def _inputs(q: Population, total: int) -> dict[str, int] | str:
    """Ports that are summed, and the shift of each."""
    problem = "not the sum of Lava's inputs"
    exponents: dict[str, int] = {}
    stack = [total]
    while stack:
        node = q.nodes[stack.pop()]
        exact = node.attrs.get("overflow", "exact") == "exact"
        if node.op == "const" and node.attrs["value"] == 0:
            continue
        if node.op == "add" and exact:
            stack += node.args
            continue
        shift = 0
        if node.op in ("shl", "shr") and exact:
            if node.op == "shr" and node.attrs["rounding"] != "floor":
                return problem
            shift = node.attrs["by"] * (1 if node.op == "shl" else -1)
            node = q.nodes[node.args[0]]
        if node.op != "input" or node.attrs["name"] in exponents:
            return problem
        if not -31 <= shift <= 31:
            return "weight exponent beyond 31"
        exponents[node.attrs["name"]] = shift
    if any(x.overflow != "exact" for x in q.ports):
        return problem
    return exponents


def _float_patterns(current: bool, refractory: bool) -> Iterator[str]:
    driven = "v_driven" if current else "v_kept"
    for total in ("v_biased", driven) if not refractory else (driven,):
        yield _FLOAT.format(
            driven=driven, sum=total,
            before="v_held" if refractory else total,
            spike="fired" if refractory else "above",
        ).replace("i22 spike", "i22 fired")  # fmt: skip


def _float(q: Population, states: set[str]) -> Neuron | str:
    if not {"v"} <= states <= {"u", "v", "refractory"}:
        return "not the states of a LIF"
    refractory, current = "refractory" in states, "u" in states
    roots = _roots(q, "fired" if refractory else "above")
    for text in _float_patterns(current, refractory):
        m = match(q, text, roots)
        if m is not None:
            break
    else:
        return "not the step of Lava's floating-point LIF"
    given = {n: float(_scalar(q, m[n])) for n in ("keep_u", "keep_v", "threshold") if n in m}
    du, dv = (1.0 - given.get(n, 1.0) for n in ("keep_u", "keep_v"))
    if 1 - du != given.get("keep_u", 1.0) or 1 - dv != given["keep_v"]:
        return "a decay that is not one minus a float"
    if _scalar(q, m["reset"]) != 0:
        return "reset to another value than 0"
    period = int(_scalar(q, m["period"])) if refractory else 0
    if refractory and not (period >= 1 and given["threshold"] >= 0):
        return "refractory period below 1, or threshold below 0"
    bias = np.asarray(numbers(q, m["bias"]) if "bias" in m else 0.0)
    name = q.nodes[m["arrived"]].attrs["name"] if "arrived" in m else ""
    return Neuron("LIFRefractory" if refractory else "LIF", False, du, dv, given["threshold"],
                  bias, np.int64(0), current, period, {name: 0} if name else {})  # type: ignore[arg-type] # fmt: skip


# what feeds them, and what listens ---------------------------------------------------------------


def is_driver(q: Population) -> bool:
    """True for what lowering makes of drivers: nothing arrives, and the only state counts down."""
    if q.ports or q.spike is None:
        return False
    if not q.states:
        return True
    counters = {"left": _REGULAR, "wait": _INTERVAL}
    return any(
        match(q, counters[name], {"spike": q.spike, "next": i}) is not None
        for name, i in q.writes.items()
        if name in counters
    )


def is_relay(q: Population) -> bool:
    """True for what lowering makes of relays: a spike if more than nothing arrived."""
    if q.states or q.spike is None:
        return False
    return match(q, _RELAY, {"spike": q.spike}) is not None
