"""What the circuit is: physics in SI units, without a time step or a number format.

Build it in Python with :class:`Network`, or read it from TOML with :func:`load`.
"""

from neurohw.network.common import Origin
from neurohw.network.drivers import Poisson, Regular, SpikeArray, SpikeTimes
from neurohw.network.network import Network
from neurohw.network.neurons import LIF, Relay
from neurohw.network.noise import AdditiveNoise, Mismatch, MultiplicativeNoise
from neurohw.network.parts import Connection, Driver, Population, Probe
from neurohw.network.runspec import RunSpec
from neurohw.network.synapses import CSR, Delta, Event, Exponential
from neurohw.network.toml import dumps, load, loads
from neurohw.network.units import format_si, to_si

__all__ = [
    "CSR",
    "LIF",
    "AdditiveNoise",
    "Connection",
    "Delta",
    "Driver",
    "Event",
    "Exponential",
    "Mismatch",
    "MultiplicativeNoise",
    "Network",
    "Origin",
    "Poisson",
    "Population",
    "Probe",
    "Regular",
    "Relay",
    "RunSpec",
    "SpikeArray",
    "SpikeTimes",
    "dumps",
    "format_si",
    "load",
    "loads",
    "to_si",
]
