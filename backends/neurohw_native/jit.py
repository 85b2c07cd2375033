"""How kernels are compiled, and the few machine instructions that numba has no name for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.compiler import Compiler
from numba.core.runtime.nrt import rtsys
from numba.extending import intrinsic

__all__ = ["ARRIVED", "BARRIER", "BROKEN", "barrier", "bit_count", "choose", "element"]
__all__ += ["inlined", "jit", "set_flags", "trailing_zeros", "wide"]


class NoAlias(Compiler):
    """Compile with the promise that array arguments do not overlap: loops then vectorise."""

    def define_pipelines(self) -> Any:
        self.state.flags.noalias = True
        return super().define_pipelines()


def jit(function: Callable[..., Any], cache: bool = True, inline: bool = False) -> Any:
    """``njit`` without the GIL, IEEE arithmetic, no aliasing; cached on disk where that works.

    ``inline`` is for what a step calls: an array is six arguments, so calls cost more than they do.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "pipeline_class": NoAlias}
    options["forceinline"] = inline
    if cache:
        try:
            return _fetch_quickly(njit(cache=True, **options)(function))
        except RuntimeError:  # no directory that numba could write to
            pass
    return njit(**options)(function)


def _fetch_quickly(function: Any) -> Any:
    """Let a cached function be fetched without what only a compiler needs; return it.

    numba first imports its lowering of everything, and SciPy's linear algebra: two thirds of the
    time of a fetch. Machine code needs the runtime alone; on a miss, numba's compiler still makes
    itself ready. Where numba is built differently than in 0.61 to 0.68, all stays as it is.
    """
    cache: Any = getattr(function, "_cache", None)
    if not all(hasattr(cache, x) for x in ("_load_overload", "_guard_against_spurious_io_errors")):
        return function

    def load_overload(sig: Any, target: Any) -> Any:
        rtsys.initialize(target)
        with cache._guard_against_spurious_io_errors():
            return cache._load_overload(sig, target)

    cache.load_overload = load_overload
    return function


def inlined(function: Callable[..., Any]) -> Any:
    """:func:`jit` for what is to become part of its caller."""
    return jit(function, inline=True)


@intrinsic
def trailing_zeros(typing: Any, x: Any) -> Any:
    """Number of zero bits below the lowest one of a uint64; 64 of 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.false_bit)

    return types.int64(types.uint64), build


@intrinsic
def choose(typing: Any, c: Any, a: Any, b: Any) -> Any:
    """``a if c else b`` without a branch: where there is one, LLVM may turn what follows it into
    stores for some lanes only, which cost more than all that a step computes."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(*args)

    kind = types.unliteral(a)
    return kind(types.boolean, kind, kind), build


@intrinsic
def bit_count(typing: Any, x: Any) -> Any:
    """Number of bits of a uint64 that are set."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build


@intrinsic
def set_flags(typing: Any, groups: Any, index: Any) -> Any:
    """Which of the 64 bytes from ``groups[index]`` on, a uint64 array, are not 0, as bits."""
    flags, bits = ir.VectorType(ir.IntType(8), 64), ir.IntType(64)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = element(context, builder, signature.args[0], args[0], args[1])
        x = builder.load(builder.bitcast(at, flags.as_pointer()), align=8)
        some = builder.icmp_unsigned("!=", x, ir.Constant(flags, None))
        if sys.byteorder == "big":  # the first flag is bit 0 everywhere
            order = ir.Constant(ir.VectorType(ir.IntType(32), 64), list(range(63, -1, -1)))
            some = builder.shuffle_vector(some, some, order)
        return builder.bitcast(some, bits)

    return types.uint64(groups, types.int64), build


@intrinsic
def wide(typing: Any) -> Any:
    """In this function let vectors have 512 bits, where the CPU has them."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # the attributes' own add() knows no names of targets
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        set.add(builder.function.attributes, '"min-legal-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), build


def element(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Address of ``array[index]``, for intrinsics."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@intrinsic
def _atomic_add(typing: Any, array: Any, index: Any, value: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = element(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", at, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), build


@intrinsic
def _atomic_load(typing: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = element(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(at, "seq_cst", 8)

    return types.int64(array, types.int64), build


# A barrier is an int64 array; what threads write to lies on cache lines of its own.
ARRIVED, TURN, BROKEN, BARRIER = 0, 16, 32, 48

SPINS = 2000  # about as long as a step of a small network takes
if hasattr(os, "sched_yield"):
    _pause = types.ExternalFunction("sched_yield", types.int32())
else:

    @njit(nogil=True)
    def _pause() -> int:
        return 0


@jit
def barrier(bar, threads):
    """Wait until ``threads`` threads are here; ``bar`` is int64 ``[BARRIER]``, zero at first.

    If ``bar[BROKEN]`` is set, nobody waits: another thread failed, and what follows is void.
    """
    if threads == 1:
        return
    turn = _atomic_load(bar, TURN)
    if _atomic_add(bar, ARRIVED, 1) == threads - 1:
        _atomic_add(bar, ARRIVED, -threads)
        _atomic_add(bar, TURN, 1)
        return
    spins = 0
    while _atomic_load(bar, TURN) == turn and _atomic_load(bar, BROKEN) == 0:
        spins += 1
        if spins > SPINS:
            _pause()
