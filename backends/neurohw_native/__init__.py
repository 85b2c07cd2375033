"""The ``native`` backend: generated scalar code, compiled by numba for the CPU.

A program is cut into its connected components. The structure of each becomes Python source in
which no number of the program appears (``codegen``), so that programs which differ in values,
sizes, delays or seed share one compiled kernel (``load``). ``schedule`` calls the kernels on blocks
of trials, or of elements where nothing couples them, from as many threads as
``numba.get_num_threads()`` says; where there are fewer trials than threads, these share a trial.
``products`` sums before the run what comes from outside over dense weights. The result does not
depend on threads or blocks, but for the last bits of moments.

Bit-identical to the reference, floats included, with two exceptions: ``exp``, ``expm1`` and ``log``
(``vmath``; the same bits on every CPU) may differ from NumPy's by ``TRANSCENDENTAL_ULP``, and a
float port that is one matrix product lies within the bound of docs/program.md, section 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurohw.program import IR_VERSION, Program

if TYPE_CHECKING:
    from neurohw_native.run import NativeRun

__all__ = ["TRANSCENDENTAL_ULP", "NativeBackend", "backend"]

TRANSCENDENTAL_ULP = 4
"""Largest distance of exp, expm1 and log from the reference's (NumPy states 4 ulp for its own)."""


class NativeBackend:
    """Runs every legal program; numba is imported when the first one is compiled."""

    name = "native"
    ir_version = IR_VERSION

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        """Nothing: every legal program runs."""
        return []

    def compile(self, program: Program) -> NativeRun:
        """Generate, or find, the kernels of ``program`` (the first call may take seconds)."""
        from neurohw_native.run import NativeRun

        return NativeRun(program)


def backend() -> NativeBackend:
    """Entry point."""
    return NativeBackend()
