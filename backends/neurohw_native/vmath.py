"""exp, expm1 and log that become vector instructions inside a loop over lanes.

Additions, multiplications, one division (``log``), comparisons and integer operations on the bits,
in a fixed order, nothing fused and no branch: LLVM inlines them and vectorises the loop around
them, and every CPU gives the same bits. Largest error seen, in units in the last place of the
correctly rounded result:

======== ======= =======
function float32 float64
======== ======= =======
exp      0       0
expm1    0       0
log      0       0
======== ======= =======

Argument reduction and the form of ``log``: Tang, ACM TOMS 15, 144 (1989); FreeBSD's ``e_log.c``.
The polynomials are minimax (Remez), rounded to the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

__all__ = ["exp_f4", "exp_f8", "expm1_f4", "expm1_f8", "log_f4", "log_f8"]

_CAST = {
    types.float32: types.uint32,
    types.uint32: types.float32,
    types.float64: types.uint64,
    types.uint64: types.float64,
}


@intrinsic
def _bits(context: Any, x: Any) -> Any:
    """The bits of a float as an unsigned integer of its width, or the other way round."""
    if x not in _CAST:
        raise TypingError(f"no bits of {x}")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return _CAST[x](x), generate


def _inline(function: Callable[..., Any]) -> Any:
    return njit(forceinline=True, error_model="numpy")(function)


@_inline
def _tail_f4(r):
    """``(exp(r) - 1 - r) / r**2``, |r| <= ln(2) / 2; ``r`` times its error is 2**-26."""
    p = np.float32(1.3946668911216933e-03)
    p = p * r + np.float32(8.366710670469048e-03)
    p = p * r + np.float32(4.1666279118685534e-02)
    p = p * r + np.float32(1.6666542048462457e-01)
    return p * r + np.float32(5.000000062620559e-01)


@_inline
def _tail_f8(r):
    """The same to 2**-55."""
    p = 2.5114696801636255e-08
    p = p * r + 2.762658905022189e-07
    p = p * r + 2.7557227311867806e-06
    p = p * r + 2.480150381511343e-05
    p = p * r + 1.9841269903667828e-04
    p = p * r + 1.3888888932875852e-03
    p = p * r + 8.33333333331434e-03
    p = p * r + 4.1666666666572205e-02
    p = p * r + 1.6666666666666685e-01
    return p * r + 5.000000000000006e-01


@_inline
def _series_f4(z):
    """``(log((1 + s) / (1 - s)) / s - 2) / z``, z = s**2 <= 0.0295; z / 2 of its error is 2**-30."""
    p = np.float32(0.29877119735248864)
    p = p * z + np.float32(0.39977356959831994)
    return p * z + np.float32(0.6666677773011195)


@_inline
def _series_f8(z):
    """The same to 2**-59."""
    p = 0.1476742575153465
    p = p * z + 0.1531720844533848
    p = p * z + 0.18183425966543493
    p = p * z + 0.22222201607883885
    p = p * z + 0.2857142870782794
    p = p * z + 0.3999999999960366
    return p * z + 0.6666666666666697


def _functions(
    f: Any,
    u: Any,
    tail: Any,
    series: Any,
    shift: int,
    ln2: tuple[float, float],
    ends: tuple[float, float, float],
) -> tuple[Any, Any, Any]:
    """exp, expm1 and log of one type.

    Parameters
    ----------
    f, u : types
        Float and unsigned integer of the same width.
    tail, series : functions
        The polynomials.
    shift : int
        Bits of a significand without its first one.
    ln2 : float
        ln 2 as a sum; an exponent times the first term is exact.
    ends : float
        An argument whose exp is rounded to 0, one whose expm1 is rounded to -1, and one whose exp
        is rounded to infinity: beyond them nothing changes.
    """
    bias = 127 if f is np.float32 else 1023
    zero, half, one, two = f(0), f(0.5), f(1), f(2)
    bottom, floor, top = f(ends[0]), f(ends[1]), f(ends[2])
    log2e, high, low = f(1.4426950408889634), f(ln2[0]), f(ln2[1])
    # Adding this rounds to an integer and leaves it, plus the bias, in the last bits
    round2 = f(1.5 * 2.0**shift + 2 * bias)
    round1 = f(1.5 * 2.0**shift + bias - 1)
    by, bit = u(shift), u(1)
    small = f(2.0 ** -(shift + 7))
    normal, up, raised = f(2.0 ** (1 - bias)), f(2.0 ** (shift + 2)), f(shift + 2)
    whole, offset = f(2.0**shift), f(2.0**shift + bias)
    root = int(np.sqrt(f(0.5)).view(u))
    to_one, mask, root = u(int(one.view(u)) - root), u(2**shift - 1), u(root)
    whole = u(int(whole.view(u)))
    infinity, nan = f(np.inf), f(np.nan)

    @_inline
    def exp(x):
        y = bottom if x < bottom else x
        y = top if y > top else y
        t = y * log2e + round2
        k = t - round2
        r = (y - k * high) - k * low
        b = _bits(t)
        h = u(b >> bit)  # two factors, as one could be out of range
        scale, rest = _bits(u(h << by)), _bits(u(u(b - h) << by))
        return (one + (r + r * r * tail(r))) * scale * rest

    @_inline
    def expm1(x):
        y = floor if x < floor else x
        y = top if y > top else y
        t = y * log2e + round1
        k = t - round1
        d, c = y - k * high, k * low
        r = d - c
        w = r * r * tail(r) + ((d - r) - c)
        s = _bits(u(_bits(t) << by))  # half of the scale, which could be out of range
        y = ((s - half) + s * r) + s * w
        return x if abs(x) < small else y + y

    @_inline
    def log(x):
        y = x * up if x < normal else x
        b = u(_bits(y) + to_one)
        k = _bits(u(u(b >> by) + whole)) - offset
        k = k - raised if x < normal else k
        g = _bits(u(u(b & mask) + root)) - one
        s = g / (two + g)
        z = s * s
        q = half * g * g
        y = k * high - ((q - (s * (q + z * series(z)) + k * low)) - g)
        y = y if x < infinity else x
        y = -infinity if x == zero else y
        return nan if x < zero else y

    return exp, expm1, log


exp_f4, expm1_f4, log_f4 = _functions(
    np.float32,
    np.uint32,
    _tail_f4,
    _series_f4,
    23,
    (0.693145751953125, 1.4286068203094173e-06),
    (-104.0, -18.0, 89.0),
)
exp_f8, expm1_f8, log_f8 = _functions(
    np.float64,
    np.uint64,
    _tail_f8,
    _series_f8,
    52,
    (0.693147180559663, 2.8235290563031577e-13),
    (-746.0, -38.0, 710.0),
)
