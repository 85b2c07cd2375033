"""How kernels are compiled, and the few machine instructions that numba has no name for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.core.compiler import Compiler
from numba.extending import intrinsic

__all__ = ["ARRIVED", "BARRIER", "BROKEN", "barrier", "choose", "element", "inlined", "jit"]
__all__ += ["trailing_zeros", "wide"]


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
            return njit(cache=True, **options)(function)
        except RuntimeError:  # no directory that numba could write to
            pass
    return njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """:func:`jit` for what is to become part of its caller."""
    return jit(function, inline=True)


@intrinsic
def trailing_zeros(typing: Any, x: Any) -> Any:
    """Number of zero bits below the lowest one of a uint64 that is not 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], cgutils.true_bit)

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
