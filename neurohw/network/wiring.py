"""Who is connected to whom, and after which delay: shapes, checked once, when it is connected."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurohw.network.common import Ask, same
from neurohw.network.convolution import Conv2D
from neurohw.network.synapses import CSR, Weight, is_sparse, read_csr
from neurohw.network.units import FloatArray, Shown, Value, format_si, to_si

__all__ = ["Connectivity", "edges", "read_connectivity", "read_delay"]

Connectivity = Literal["all_to_all", "one_to_one", "dense", "sparse", "conv2d"]
_WORDS = ("all_to_all", "one_to_one", "dense", "sparse", "conv2d")
Steps = int | NDArray[np.int64]


def read_connectivity(
    ask: Ask, weight: Weight, sources: int, targets: int, word: str | None
) -> Connectivity:
    """Which form the weights have, having checked that they fit.

    Parameters
    ----------
    ask : Ask
        Who asks.
    weight : Weight
        As stored in a synapse.
    sources, targets : int
        Population sizes.
    word : str, optional
        What the user said; by default it follows from the weights.

    Raises
    ------
    NetworkError
        Shapes do not fit, or contradict `word`; both shapes are named.
    """
    if word is not None:
        ask.choice("connectivity", word, _WORDS)
    shape = weight.shape if isinstance(weight, CSR | Conv2D) else np.shape(weight)
    if len(shape) == 2:
        form: Connectivity = "sparse" if isinstance(weight, CSR) else "dense"
        if isinstance(weight, Conv2D):
            form = "conv2d"
        fits = shape == (targets, sources)
    elif len(shape) == 1 or word == "one_to_one":
        form = "one_to_one"
        if word is None:
            ask.error(
                "weight",
                "a list of weights is ambiguous",
                got=Shown(f"shape {shape}"),
                allowed=f"one value, or a matrix of shape {(targets, sources)}",
                fix="if each source drives one target, say connectivity='one_to_one'",
            )
        fits = sources == targets and shape in ((), (targets,))
    else:
        form, fits = "all_to_all", True
    if word is not None and word != form:
        got = Shown(f"{word} with weights of shape {shape}")
        ask.error("connectivity", "does not fit the weights", got=got, allowed=form)
    if not fits and form == "one_to_one" and sources != targets:
        got = Shown(f"{sources} sources and {targets} targets")
        ask.error("connectivity", "one_to_one needs equal sizes", got=got)
    if not fits:
        wanted = (targets,) if form == "one_to_one" else (targets, sources)
        turn = "transpose it: rows are targets" if shape == (sources, targets) else ""
        allowed = f"shape {wanted}" + (" [target, source]" if len(wanted) == 2 else "")
        got = Shown(f"shape {tuple(shape)}")
        ask.error("weight", "wrong shape", got=got, allowed=allowed, fix=turn)
    return form


def read_delay(
    ask: Ask,
    form: Connectivity,
    weight: Weight,
    shape: tuple[int, int],
    delay: Any,
    delay_steps: Any,
) -> tuple[Value | None, Steps | None]:
    """The delay in s or in steps, one of them None; arrays are shaped like the weights.

    Parameters
    ----------
    ask : Ask
        Who asks.
    form : str
        From :func:`read_connectivity`.
    weight : Weight
        As stored in a synapse.
    shape : (int, int)
        ``(n_target, n_source)``.
    delay : Quantity, optional
        In s, at least 0.
    delay_steps : int or array of int, optional
        At least 0; excludes `delay`.

    Raises
    ------
    NetworkError
        Both are given, one is negative, or the shape does not fit.
    UnitError
        `delay` has the wrong unit or is not finite.
    """
    if delay is not None and delay_steps is not None:
        ask.error("delay_steps", "give delay or delay_steps", got=Shown("both"))
    if delay_steps is not None:
        if not is_sparse(delay_steps) and np.ndim(delay_steps) == 0:
            steps = ask.count("delay_steps", delay_steps, most=2**31 - 1)
            return (None, steps) if steps else (0.0, None)
        raw = _shaped(ask, "delay_steps", form, weight, shape, delay_steps, "")
        if (raw != np.floor(raw)).any() or (raw < 0).any() or (raw >= 2**31).any():
            bad = raw[(raw != np.floor(raw)) | (raw < 0) | (raw >= 2**31)][0]
            ask.error("delay_steps", "out of range", got=float(bad), allowed="integers >= 0")
        whole = raw.astype(np.int64)
        whole.flags.writeable = False
        return None, whole
    if delay is None:
        return 0.0, None
    if not is_sparse(delay):
        seconds = to_si(delay, "s", where=f"{ask.owner}.delay", origin=ask.origin.at("delay"))
        if isinstance(seconds, float):
            return ask.one("delay", seconds, "s", least=0), None
        delay = seconds
    array = _shaped(ask, "delay", form, weight, shape, delay, "s")
    if (array < 0).any():
        index = tuple(int(i) for i in np.argwhere(array < 0)[0])
        got = Shown(format_si(float(array[index]), "s"))
        ask.error("delay", f"negative at index {index}", got=got, allowed="at least 0 s")
    return array, None


def _shaped(
    ask: Ask, key: str, form: Connectivity, weight: Weight, shape: tuple[int, int],
    value: Any, unit: str,
) -> FloatArray:  # fmt: skip
    """An array of per-synapse values in the layout of the weights."""
    if isinstance(weight, Conv2D):
        ask.error(key, "a convolution has one delay", allowed="one value")
    if is_sparse(value):
        matrix = read_csr(ask, key, value, unit)
        if not isinstance(weight, CSR) or not matrix.same_pattern(weight):
            got = Shown(f"a sparse matrix of {matrix.data.size} entries, shape {matrix.shape}")
            ask.error(key, "not the pattern of the weights", got=got)
        return matrix.data
    array = np.asarray(to_si(value, unit, where=f"{ask.owner}.{key}", origin=ask.origin.at(key)))
    allowed: tuple[int, ...] = (shape[0],) if form == "one_to_one" else shape
    if isinstance(weight, CSR):
        if array.shape == shape:
            array = array[weight.rows, weight.indices]
            array.flags.writeable = False
        allowed = weight.data.shape
    if array.shape != allowed:
        ask.error(key, "wrong shape", got=Shown(f"shape {array.shape}"),
                  allowed=f"one value, or shape {allowed} as the weights")  # fmt: skip
    return array


def edges(
    form: Connectivity, weight: Weight, delay: Any, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray, NDArray[Any]]:
    """The non-zero synapses, one by one: targets, sources, weights and delays, by target.

    Parameters
    ----------
    form : str
        From :func:`read_connectivity`.
    weight : Weight
        As stored in a synapse.
    delay : float, int or numpy.ndarray
        As from :func:`read_delay`, in s or in steps.
    shape : (int, int)
        ``(n_target, n_source)``.

    Returns
    -------
    tuple of arrays of shape (n_synapse,)
        Targets (int64), sources (int64), weights (SI), delays (as given).
    """
    if isinstance(weight, CSR):
        rows, columns, values = weight.rows, weight.indices, weight.data
        delays = np.broadcast_to(delay, values.shape)
    elif isinstance(weight, Conv2D):
        rows, columns, places = weight.entries()
        order = np.lexsort((columns, rows))
        rows, columns, values = rows[order], columns[order], weight.data.ravel()[places[order]]
        delays = np.broadcast_to(delay, values.shape)
    elif form == "one_to_one":
        rows = columns = np.arange(shape[0])
        values, delays = (np.broadcast_to(x, rows.shape) for x in (weight, delay))
    else:
        rows, columns = (index.ravel() for index in np.indices(shape))
        values, delays = (np.broadcast_to(x, shape).ravel() for x in (weight, delay))
    keep = values != 0
    return rows[keep], columns[keep], values[keep], delays[keep]


def same_edges(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether two results of :func:`edges` agree."""
    return all(a.shape == b.shape and same(a, b) for a, b in zip(left, right, strict=True))
