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

from typing import Any

import numpy as np

from neurohw.errors import UnitError
from neurohw.network.choices import Choices, Ints
from neurohw.network.common import Ask, here
from neurohw.network.noise import MIN_FACTOR
from neurohw.network.synapses import CSR
from neurohw.network.units import FloatArray, Quantity, Shown, Value, brief, to_si

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
    found = draw.choices.successes(p, n_target * draw.per_target)
    return draw.pairs(found, weight, cv, distribution, merge=False)


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
        found = np.sort(draw.choices.below(total, n))
    return draw.pairs(found, weight, cv, distribution, merge=not unique)


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
        n = self.shape[0]
        out = np.empty((n, k), np.int64)
        rows = max(1, _CHUNK // max(k, 1, self.per_target if 2 * k > self.per_target else 0))
        for first in range(0, n if k else 0, rows):
            mine = slice(first, min(first + rows, n))
            out[mine] = self.choices.distinct(len(out[mine]), self.per_target, k)
        return self._skip_self(np.arange(n)[:, None], out).ravel()

    def repeated(self, k: int) -> Ints:
        """k sources for each target, ascending within a target, the same one maybe twice, flat."""
        n = self.shape[0]
        drawn = np.sort(self.choices.below(max(self.per_target, 1), n * k).reshape(n, k), axis=1)
        return self._skip_self(np.arange(n)[:, None], drawn).ravel()

    def _skip_self(self, row: Ints, choice: Ints) -> Ints:
        if not self.loops:
            choice += choice >= row
        return choice

    def pairs(
        self, found: Ints, weight: Any, cv: Any, distribution: str, *, merge: bool
    ) -> CSR:  # fmt: skip
        """The matrix of pairs that are numbered row by row, ascending."""
        row, choice = np.divmod(found, max(self.per_target, 1))
        ends = np.cumsum(np.bincount(row, minlength=self.shape[0]))
        indptr = np.concatenate(([0], ends)).astype(np.int64)
        return self.matrix(
            indptr, self._skip_self(row, choice), weight, cv, distribution, merge=merge
        )

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
        number, unit = _weight(ask, weight)
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
            rows = np.repeat(np.arange(self.shape[0]), np.diff(indptr))
            data = np.broadcast_to(number, self.shape)[rows, indices]
        if cv == 0:
            return data, unit
        normal = np.random.Generator(np.random.Philox(key=self.seed | 1 << 64))
        z = normal.standard_normal(indices.size)
        if distribution == "normal":
            return data * np.maximum(1 + cv * z, MIN_FACTOR), unit
        s = np.sqrt(np.log1p(cv**2))
        return data * np.exp(s * z - s**2 / 2), unit

    def matrix(
        self, indptr: Ints, indices: Ints, weight: Any, cv: Any, distribution: str, *, merge: bool
    ) -> CSR:
        """The matrix with its weights; entries that occur twice become one where `merge`."""
        data, unit = self.weights(indptr, indices, weight, cv, distribution)
        if merge and indices.size:
            rows = np.repeat(np.arange(self.shape[0]), np.diff(indptr))
            new = np.ones(indices.size, bool)
            new[1:] = (np.diff(rows) != 0) | (np.diff(indices) != 0)
            first = np.flatnonzero(new)
            data, indices = np.add.reduceat(data, first), indices[first]
            ends = np.cumsum(np.bincount(rows[first], minlength=self.shape[0]))
            indptr = np.concatenate(([0], ends)).astype(np.int64)
        for array in (indptr, indices, data):
            array.flags.writeable = False
        return CSR(self.shape, indptr, indices, data, unit)


def _weight(ask: Ask, weight: Any) -> tuple[Value, str]:
    """A weight in SI, and its unit: that of any synapse, or "" for bare numbers."""
    for unit in ("", "V", "A", "S"):
        try:
            return to_si(weight, unit, where=f"{ask.owner}.weight", origin=ask.origin.place), unit
        except UnitError:
            pass
    ask.error("weight", "not a weight", got=Shown(brief(weight)), kind=UnitError,
              allowed="a finite quantity in V, A or S, such as '0.1 mV', or a bare SI number",
              )  # fmt: skip
