"""Random connectivity: who is connected to whom, drawn from a seed, as a sparse matrix of weights.

::

    w = fixed_in_degree(800, 200, 40, weight=0.1e-3, seed=1)
    net.connect("source", "target", Delta(weight=w), delay="1 ms")

A matrix holds bare SI numbers: volts for ``Delta``, amperes for ``Exponential``, siemens for
``Conductance``. Time and memory go with the number of synapses, not of pairs.

Which pairs are connected is a function of the seed and of the other arguments alone, on every
machine and with every version of NumPy (see ``choices``). Two matrices of one seed have their draws
in common: give each its own. A spread of weights comes from a stream of its own and leaves the
pattern alone; NumPy draws it, with logarithms and exponentials, so its last bits are the same only
on equal versions of NumPy and kinds of processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from neurohw.network.choices import Choices, Ints, index_type
from neurohw.network.common import Ask, any_weight, here
from neurohw.network.noise import MIN_FACTOR
from neurohw.network.synapses import CSR
from neurohw.network.units import FloatArray, Quantity, Shown

__all__ = ["fixed_in_degree", "fixed_total_number", "pairwise_bernoulli"]

_CHUNK = 1 << 18  # synapses drawn together; another number would draw other synapses


def fixed_in_degree(
    n_target: int,
    n_source: int,
    k: int,
    *,
    weight: Quantity,
    seed: int,
    self_connections: bool = True,
    unique: bool = True,
    cv: float = 0.0,
    distribution: str = "normal",
) -> CSR:
    """Connect every target to k sources, drawn uniformly and independently of other targets.

    Parameters
    ----------
    n_target, n_source : int
        Sizes of the two populations, at least 1 and below 2**31.
    k : int
        Synapses per target, at least 0; at most the number of sources if `unique`.
    weight : Quantity
        Weight in V, A or S, or a bare number in the SI unit of the synapse; an array is broadcast
        against ``[target, source]``: ``(n_source,)``, ``(n_target, 1)``, or the whole matrix.
    seed : int
        0 to 2**64 - 1.
    self_connections : bool
        Whether neuron i may be a source of neuron i; without them, both populations are the same
        one.
    unique : bool
        Whether the sources of a target differ. If not, the weights of synapses between the same
        two neurons are added, since a matrix has one entry for them.
    cv : float
        Coefficient of variation of each synapse's weight around `weight`, at least 0.
    distribution : {"normal", "lognormal"}
        Distribution of the weights: `weight` times a factor of mean 1. ``normal``: ``max(1 + cv *
        N, 0.01)``, cv below 0.5, so that no synapse changes its sign; ``lognormal``: ``exp(s * N -
        s**2 / 2)``, ``s**2 = log(1 + cv**2)``.

    Returns
    -------
    CSR
        Of shape (n_target, n_source); a row is a target.

    Raises
    ------
    NetworkError
        An argument is out of range, or more synapses are wanted than there are pairs.
    UnitError
        `weight` is not finite, or has another unit.
    """
    draw = _Draw("fixed_in_degree", n_target, n_source, seed, self_connections)
    k = draw.count("k", k, draw.per_target, unique)
    sources = draw.sources(k) if unique else draw.repeated(k)
    return draw.matrix(
        k * np.arange(n_target + 1), sources, weight, cv, distribution, merge=not unique
    )


def pairwise_bernoulli(
    n_target: int,
    n_source: int,
    p: float,
    *,
    weight: Quantity,
    seed: int,
    self_connections: bool = True,
    cv: float = 0.0,
    distribution: str = "normal",
) -> CSR:
    """Connect every pair with probability p, independently.

    Parameters
    ----------
    p : float
        0 to 1.
    n_target, n_source, weight, seed, self_connections, cv, distribution
        As for :func:`fixed_in_degree`.

    Returns
    -------
    CSR
        Of shape (n_target, n_source); a row is a target.

    Raises
    ------
    NetworkError, UnitError
        As for :func:`fixed_in_degree`.
    """
    draw = _Draw("pairwise_bernoulli", n_target, n_source, seed, self_connections)
    p = draw.ask.one("p", p, "", least=0)
    if p > 1:
        draw.ask.error("p", "not a probability", got=p, allowed="0 to 1")
    total = n_target * draw.per_target
    likely = int(total * p + 8 * (total * p * (1 - p)) ** 0.5)
    found = draw.choices.successes(p, total)
    return draw.pairs(found, likely, weight, cv, distribution, merge=False)


def fixed_total_number(
    n_target: int,
    n_source: int,
    n: int,
    *,
    weight: Quantity,
    seed: int,
    self_connections: bool = True,
    unique: bool = True,
    cv: float = 0.0,
    distribution: str = "normal",
) -> CSR:
    """Connect n pairs, drawn uniformly from all of them.

    Parameters
    ----------
    n : int
        Synapses in all, at least 0; at most the number of pairs if `unique`.
    n_target, n_source, weight, seed, self_connections, unique, cv, distribution
        As for :func:`fixed_in_degree`.

    Returns
    -------
    CSR
        Of shape (n_target, n_source); a row is a target.

    Raises
    ------
    NetworkError, UnitError
        As for :func:`fixed_in_degree`.
    """
    draw = _Draw("fixed_total_number", n_target, n_source, seed, self_connections)
    total = draw.per_target * n_target
    n = draw.count("n", n, total, unique)
    if unique:
        found = draw.choices.distinct(1, total, n)[0]
    else:
        found = draw.choices.below(total, n)
        found.sort()
    parts = (found[first : first + _CHUNK] for first in range(0, n, _CHUNK))
    return draw.pairs(parts, n, weight, cv, distribution, merge=not unique)


class _Draw:
    """One matrix while it is drawn.

    Without self-connections, a target has one source less to choose from: a number c stands for
    source c, or c + 1 from the target's own index on.
    """

    def __init__(self, name: str, n_target: int, n_source: int, seed: int, loops: bool) -> None:
        self.ask = Ask(name, here())
        self.shape = (
            self.ask.count("n_target", n_target, least=1, most=2**31 - 1),
            self.ask.count("n_source", n_source, least=1, most=2**31 - 1),
        )
        self.seed = self.ask.count("seed", seed, most=2**64 - 1)
        self.loops = loops
        if not loops and n_target != n_source:
            got, allowed = Shown(f"shape {self.shape}"), "as many targets as sources"
            self.ask.error("self_connections", "two populations", got=got, allowed=allowed)
        self.per_target = n_source if loops else n_source - 1
        self.choices = Choices(self.seed)

    def count(self, key: str, value: int, most: int, unique: bool) -> int:
        """A number of synapses."""
        return self.ask.count(key, value, most=most if unique or most == 0 else None)

    def sources(self, k: int) -> Ints:
        """k different sources for each target, ascending within a target, flat."""
        rows = max(1, _CHUNK // max(k, 1, self.per_target if 2 * k > self.per_target else 0))
        return self._by_rows(k, rows, lambda n: self.choices.distinct(n, self.per_target, k))

    def repeated(self, k: int) -> Ints:
        """k sources for each target, ascending within a target, the same one maybe twice, flat."""

        def some(n: int) -> Ints:
            drawn = self.choices.below(self.per_target, n * k).reshape(n, k)
            drawn.sort(axis=1)
            return drawn

        return self._by_rows(k, max(1, _CHUNK // max(k, 1)), some)

    def _by_rows(self, k: int, rows: int, draw: Callable[[int], Ints]) -> Ints:
        """``draw(n)`` for n targets at a time."""
        n = self.shape[0]
        out = np.empty(n * k, index_type(self.shape[1]))
        for first in range(0, n if k else 0, rows):
            part = out[first * k : (first + rows) * k].reshape(-1, k)
            part[:] = draw(len(part))
            self._skip_self(np.arange(first, first + len(part))[:, None], part)
        return out

    def _skip_self(self, row: Ints, choice: Ints) -> Ints:
        if not self.loops:
            choice += choice >= row
        return choice

    def pairs(
        self, found: Iterable[Ints], likely: int, weight: Any, cv: Any, distribution: str, *,
        merge: bool,
    ) -> CSR:  # fmt: skip
        """The matrix of pairs that are numbered row by row, ascending, in several arrays.

        There is room for the `likely` number of them from the start.
        """
        counts = np.zeros(self.shape[0], np.int64)
        indices, end = np.empty(likely, index_type(self.shape[1])), 0
        for part in found:
            if not part.size:
                continue
            row = part // self.per_target
            first, last = int(row[0]), int(row[-1])
            counts[first : last + 1] += np.bincount(row - first, minlength=last + 1 - first)
            part -= row * self.per_target
            start, end = end, end + part.size
            if end > indices.size:
                indices.resize(2 * end, refcheck=False)
            indices[start:end] = self._skip_self(row, part)
        indices.resize(end, refcheck=False)
        return self.matrix(_ends(counts), indices, weight, cv, distribution, merge=merge)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        try:
            return np.broadcast_shapes(shape, self.shape) == self.shape
        except ValueError:
            return False

    def weights(
        self, indptr: Ints, indices: Ints, weight: Any, cv: Any, distribution: str
    ) -> tuple[FloatArray, str]:
        """The weight of each synapse, in order, and their unit."""
        ask = self.ask
        number, unit = any_weight(ask, "weight", weight)
        ask.choice("distribution", distribution, ("normal", "lognormal"))
        cv = ask.one("cv", cv, "", least=0)
        if distribution == "normal" and cv >= 0.5:
            fix = "use distribution='lognormal'"
            ask.error("cv", "too wide for a normal spread", got=cv, allowed="< 0.5", fix=fix)
        data = np.broadcast_to(number, indices.shape) if np.ndim(number) == 0 else None
        if data is None:
            if not self._fits(np.shape(number)):
                got, allowed = Shown(f"shape {np.shape(number)}"), f"what fits {self.shape}"
                ask.error("weight", "wrong shape", got=got, allowed=f"{allowed} [target, source]")
            data = self._picked(np.atleast_2d(number), indptr, indices)
        if cv == 0:
            return data, unit
        normal = np.random.Generator(np.random.Philox(key=self.seed | 1 << 64))
        factor = normal.standard_normal(indices.size)
        if distribution == "normal":
            factor *= cv
            factor += 1
            np.maximum(factor, MIN_FACTOR, out=factor)
        else:
            s = np.sqrt(np.log1p(cv**2))
            factor *= s
            factor -= s**2 / 2
            np.exp(factor, out=factor)
        factor *= data
        return factor, unit

    def _picked(self, matrix: FloatArray, indptr: Ints, indices: Ints) -> FloatArray:
        """The entries of a matrix that is as high and wide as all targets and sources, or one."""
        if matrix.shape[0] == 1:
            return matrix[0][indices] if matrix.shape[1] > 1 else np.full(indices.size, matrix[0])
        rows = np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(indptr))
        return matrix[rows, indices if matrix.shape[1] > 1 else 0]

    def matrix(
        self, indptr: Ints, indices: Ints, weight: Any, cv: Any, distribution: str, *, merge: bool
    ) -> CSR:
        """The matrix with its weights; entries that occur twice become one where `merge`."""
        data, unit = self.weights(indptr, indices, weight, cv, distribution)
        if merge and indices.size:
            new = np.ones(indices.size, bool)
            np.not_equal(indices[1:], indices[:-1], out=new[1:])
            new[indptr[:-1][np.diff(indptr) > 0]] = True
            if not new.all():
                first = np.flatnonzero(new)
                data, indices = np.add.reduceat(data, first), indices[first]
                indptr = np.searchsorted(first, indptr)
        for array in (indptr, indices, data):
            array.flags.writeable = False
        return CSR(self.shape, indptr, indices, data, unit)


def _ends(counts: Ints) -> Ints:
    """Where each row starts, and the last one ends."""
    out = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out
