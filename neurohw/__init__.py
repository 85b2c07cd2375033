"""Write a network once, in physical units; get the same spikes from every engine.

>>> import neurohw as nh
>>> net = nh.Network("one")
>>> _ = net.population("n", nh.LIF(C="0.5 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV"))

All names below, and units such as ``from neurohw import ms, mV``, are looked up when they are first
used: importing neurohw imports nothing heavy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurohw.backend import available as available_backends
    from neurohw.backend import load as load_backend
    from neurohw.backend import simulate
    from neurohw.compare import Comparison
    from neurohw.errors import (
        BackendError,
        FormatError,
        LoweringError,
        NetworkError,
        NeurohwError,
        OverflowTrap,
        ProgramError,
        TargetError,
        UnitError,
        Unsupported,
    )
    from neurohw.lowering import Lowered, LoweringReport, lower
    from neurohw.network import (
        CSR,
        IF,
        LIF,
        AdditiveNoise,
        AdEx,
        AnalogInput,
        Conductance,
        Delta,
        Event,
        Exponential,
        Graded,
        HodgkinHuxley,
        Izhikevich,
        Mismatch,
        MultiplicativeNoise,
        Network,
        Neuron,
        Piecewise,
        Poisson,
        PooledPoisson,
        Ramp,
        Regular,
        Relay,
        RunSpec,
        Sine,
        SpikeArray,
        SpikeTimes,
        Step,
        conv2d,
        dumps,
        fixed_in_degree,
        fixed_total_number,
        load,
        loads,
        pairwise_bernoulli,
        parameter,
        to_si,
    )
    from neurohw.program import Program, load_program, save_program
    from neurohw.recording import Recording
    from neurohw.run import compare, run, run_program
    from neurohw.targets import Target, load_target, target_names

    __version__: str

_HOMES = {
    "network": """CSR IF LIF AdditiveNoise AdEx AnalogInput Conductance Delta Event Exponential
        Graded HodgkinHuxley Izhikevich Mismatch MultiplicativeNoise Network Neuron Piecewise
        Poisson PooledPoisson Ramp Regular Relay RunSpec Sine SpikeArray SpikeTimes Step conv2d
        dumps fixed_in_degree fixed_total_number load loads pairwise_bernoulli parameter to_si""",
    "targets": "Target load_target target_names",
    "lowering": "Lowered LoweringReport lower",
    "program": "Program load_program save_program",
    "backend": "simulate",
    "run": "compare run run_program",
    "recording": "Recording",
    "compare": "Comparison",
    "errors": """BackendError FormatError LoweringError NetworkError NeurohwError OverflowTrap
        ProgramError TargetError UnitError Unsupported""",
}
_HOME = {name: (home, name) for home, names in _HOMES.items() for name in names.split()} | {
    "available_backends": ("backend", "available"),
    "load_backend": ("backend", "load"),
}

__all__ = [
    "CSR",
    "IF",
    "LIF",
    "AdEx",
    "AdditiveNoise",
    "AnalogInput",
    "BackendError",
    "Comparison",
    "Conductance",
    "Delta",
    "Event",
    "Exponential",
    "FormatError",
    "Graded",
    "HodgkinHuxley",
    "Izhikevich",
    "Lowered",
    "LoweringError",
    "LoweringReport",
    "Mismatch",
    "MultiplicativeNoise",
    "Network",
    "NetworkError",
    "NeurohwError",
    "Neuron",
    "OverflowTrap",
    "Piecewise",
    "Poisson",
    "PooledPoisson",
    "Program",
    "ProgramError",
    "Ramp",
    "Recording",
    "Regular",
    "Relay",
    "RunSpec",
    "Sine",
    "SpikeArray",
    "SpikeTimes",
    "Step",
    "Target",
    "TargetError",
    "UnitError",
    "Unsupported",
    "__version__",
    "available_backends",
    "compare",
    "conv2d",
    "dumps",
    "fixed_in_degree",
    "fixed_total_number",
    "load",
    "load_backend",
    "load_program",
    "load_target",
    "loads",
    "lower",
    "pairwise_bernoulli",
    "parameter",
    "run",
    "run_program",
    "save_program",
    "simulate",
    "target_names",
    "to_si",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("neurohw")
    elif name in _HOME:
        home, attribute = _HOME[name]
        value = getattr(import_module(f"neurohw.{home}"), attribute)
    elif name.startswith("_"):  # what importlib, doctest or a notebook asks of every module
        raise AttributeError(f"module 'neurohw' has no attribute {name!r}")
    else:
        value = _room_or_unit(name)
    globals()[name] = value
    return value


def _room_or_unit(name: str) -> Any:
    """A submodule (``neurohw.targets``), or a unit of pint (``neurohw.mV``)."""
    from importlib.util import find_spec

    if find_spec(f"neurohw.{name}") is not None:
        return import_module(f"neurohw.{name}")
    try:
        return import_module("neurohw.network.units").__getattr__(name)
    except AttributeError:
        import difflib

        near = difflib.get_close_matches(name, __all__, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise AttributeError(f"neurohw has no name and no unit {name!r}{hint}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Front(ModuleType):
    """Keeps ``neurohw.run`` and ``neurohw.compare`` the functions.

    Two submodules are called like the function people want from them, and importing a submodule
    binds it on its package. ``from neurohw.compare import ...`` finds the module all the same.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in ("run", "compare") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
