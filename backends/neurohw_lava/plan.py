"""Decide whether a program can run on stock processes, and on which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Dense, Edge, Float, OneToOne, Program, Weights
from neurohw_lava.pattern import Neuron, is_driver, is_relay, recognise

__all__ = ["Link", "Plan", "make_plan", "matrix"]

Array = np.ndarray
LARGEST = 1 << 20  # entries of a dense matrix over all trials; DelayDense has one per delay
SMALL = 1 << 12  # a one-to-one connection of at most so many entries is made dense
LONGEST = 64  # steps; Lava's delays are 0..63, and one step is its own
EXACT = 2.0**53


@dataclass(frozen=True)
class Link:
    """A connection process: one edge, or several of different delays that share no synapse."""

    kind: str
    source: str
    target: str
    edges: tuple[Edge, ...]
    exponent: int
    sign: str

    @property
    def delay(self) -> int:
        """The longest."""
        return max(e.delay for e in self.edges)


@dataclass(frozen=True)
class Plan:
    """Stock processes, and the populations evaluated on the host before and after them."""

    neurons: dict[str, Neuron]
    links: tuple[Link, ...]
    before: frozenset[str]
    after: frozenset[str]
    fixed: bool

    @property
    def processes(self) -> tuple[str, ...]:
        """Names of the Lava classes that run."""
        found = {n.kind for n in self.neurons.values()} | {x.kind for x in self.links}
        if any(x.source in self.before for x in self.links):
            found.add("RingBuffer")
        return tuple(sorted(found))

    def components(self) -> list[list[str]]:
        """Neuron populations that are connected, directly or by a common source."""
        groups = [{n} for n in self.neurons]
        for x in self.links:
            joined = {x.source, x.target}
            for g in [g for g in groups if g & joined]:
                groups.remove(g)
                joined |= g
            groups.append(joined)
        return [[n for n in self.neurons if n in g] for g in groups]


def matrix(w: Weights) -> Array:
    """Weights as a full matrix [targets, sources]."""
    if isinstance(w, Dense):
        return w.data
    if isinstance(w, OneToOne):
        return np.diag(w.data)
    out = np.zeros(w.shape, w.data.dtype)
    out[w.indices, np.repeat(np.arange(w.shape[1]), np.diff(w.indptr))] = w.data
    return out


def make_plan(p: Program) -> Plan | str:
    """The plan, or why stock processes cannot run the program."""
    found = {q.name: recognise(q) for q in p.populations}
    neurons = {n: x for n, x in found.items() if isinstance(x, Neuron)}
    if not neurons:
        known = {q.name for q in p.populations if is_driver(q) or is_relay(q)}
        reasons = [f"{n}: {x}" for n, x in found.items() if n not in known]
        return "; ".join(reasons) or "no neurons"
    after = _reached(p, set(neurons)) - set(neurons)
    before = set(found) - set(neurons) - after
    for n in before | after:
        q = p.population(n)
        if not (is_driver(q) or is_relay(q)):
            return f"{n}: {found[n]}"
    fixed = {x.fixed for x in neurons.values()}
    if len(fixed) > 1:
        return "fixed-point and floating-point neurons in one program"
    links: list[Link] = []
    for name, neuron in neurons.items():
        edges = [e for e in p.edges if e.target == name]
        for e in edges:
            if e.source in after:
                return f"{name}: a neuron that a relay of neurons drives"
            if e.port not in neuron.exponents:
                return f"{name}.{e.port}: a port that is not read"
        made = _integer_links(neuron, edges, p) if neuron.fixed else _float_links(edges, p)
        if isinstance(made, str):
            return f"{name}: {made}"
        links += made
    return Plan(neurons, tuple(links), frozenset(before), frozenset(after), fixed.pop())


def _reached(p: Program, start: set[str]) -> set[str]:
    """Populations that spikes of ``start`` reach."""
    found = set(start)
    while new := {e.target for e in p.edges if e.source in found} - found:
        found |= new
    return found


def _size(edge_shape: tuple[int, int], delay: int, trials: int) -> int:
    return edge_shape[0] * edge_shape[1] * trials**2 * max(1, delay)


def _kind(e: Edge, trials: int) -> str:
    """Class of the connection process, or why there is none."""
    if not 1 <= e.delay <= LONGEST:
        return f"delay {e.delay} from {e.source}"
    if e.delay > 1:
        fits = _size(e.weights.shape, e.delay, trials) <= LARGEST
        return "DelayDense" if fits else f"too large a DelayDense from {e.source}"
    limit = LARGEST if isinstance(e.weights, Dense) else 0
    if isinstance(e.weights, OneToOne):
        limit = SMALL
    return "Dense" if _size(e.weights.shape, 1, trials) <= limit else "Sparse"


# integers ----------------------------------------------------------------------------------------


def _sign(data: Array) -> str:
    """Sign mode in which Lava leaves these weights as they are, or ''."""
    low, high = int(data.min(initial=0)), int(data.max(initial=0))
    if low >= 0:
        return "EXCITATORY" if high <= 255 else ""
    if high <= 0 and low >= -255:
        return "INHIBITORY"
    return "MIXED" if low >= -256 and high <= 254 and not np.any(data & 1) else ""


def _integer_links(neuron: Neuron, edges: list[Edge], p: Program) -> list[Link] | str:
    links: list[Link] = []
    used: set[str] = set()
    for e in edges:
        exponent, kind, sign = neuron.exponents[e.port], _kind(e, p.trials), _sign(e.weights.data)
        if " " in kind:
            return kind
        if not sign:
            return f"weights from {e.source} are not on Lava's grid"
        if exponent < 0 and e.port in used:
            return f"several connections are shifted together at {e.port}"
        used.add(e.port)
        link = Link(kind, e.source, e.target, (e,), exponent, sign)
        for i, other in enumerate(links):
            if merged := _merged(other, link, p.trials):
                links[i] = merged
                break
        else:
            links.append(link)
    return links


def _merged(a: Link, b: Link, trials: int) -> Link | None:
    """One DelayDense instead of two processes, where that is the same."""
    if (a.source, a.target, a.exponent) != (b.source, b.target, b.exponent):
        return None
    e, delays = b.edges[0], {x.delay for x in a.edges}
    longest = max(*delays, e.delay)
    if e.delay in delays or _size(e.weights.shape, longest, trials) > LARGEST:
        return None
    parts = [matrix(x.weights) for x in a.edges]
    new = matrix(e.weights)
    sign = _sign(sum(parts, new))
    if not sign or any(np.any((x != 0) & (new != 0)) for x in parts):
        return None
    return Link("DelayDense", a.source, a.target, (*a.edges, e), a.exponent, sign)


# floats ------------------------------------------------------------------------------------------


def _float_links(edges: list[Edge], p: Program) -> list[Link] | str:
    """Links whose sums, in Lava's order, are those of the program's order."""
    free = _order_free(edges)
    links: list[Link] = []
    for i, e in enumerate(edges):
        if not isinstance(e.weights.dtype, Float):
            return "integer weights"
        kind, most = _kind(e, p.trials), _most(e)
        fits = _size(e.weights.shape, 1, p.trials) <= LARGEST
        if kind == "Sparse" and fits and not (free or most <= 2):
            kind = "Dense"  # its sum is taken in the program's order
        if " " in kind:
            return kind
        targets, sources = e.weights.shape
        # NumPy adds up fewer than eight numbers one by one, and rows of a matrix always
        alone = sources * p.trials < 8 or (kind == "Dense" and (targets > 1 or sources < 8))
        alone = alone and kind != "Sparse"
        if not (free or most <= 1 or (i == 0 and (most <= 2 or alone))):
            return f"float sums over {e.source} in another order"
        links.append(Link(kind, e.source, e.target, (e,), 0, ""))
    return links


def _entries(w: Weights) -> tuple[Array, Array]:
    """Target and weight of every synapse whose weight is not zero."""
    if isinstance(w, Dense):
        target, source = np.nonzero(w.data)
        return target, w.data[target, source]
    used = np.flatnonzero(w.data)
    return (used if isinstance(w, OneToOne) else w.indices[used]), w.data[used]


def _most(e: Edge) -> int:
    """Most weights other than zero that any target has."""
    return int(np.bincount(_entries(e.weights)[0], minlength=1).max())


def _order_free(edges: list[Edge]) -> bool:
    """True if no sum of these weights is ever rounded, or no target has more than two of them."""
    pairs = [_entries(e.weights) for e in edges]
    target = np.concatenate([np.zeros(0, np.int64), *(a for a, _ in pairs)])
    size = np.abs(np.concatenate([np.zeros(0), *(b for _, b in pairs)]))
    if not len(target) or np.bincount(target).max() <= 2:
        return True
    mantissa, exponent = np.frexp(size)
    whole = (mantissa * EXACT).astype(np.int64)
    zeros = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)  # trailing zeros
    lowest = int((exponent - 53 + zeros).min())
    if not -1000 < lowest < 900:
        return False
    return float(np.bincount(target, size).max()) < float(np.ldexp(EXACT, lowest - 1))
