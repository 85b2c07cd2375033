"""What the circuit is: physics in SI units, without a time step or a number format.

Build it in Python with :class:`Network`, or read it from TOML with :func:`load`.
"""

from neurohw.network.common import Origin
from neurohw.network.connectivity import fixed_in_degree, fixed_total_number, pairwise_bernoulli
from neurohw.network.convolution import Conv2D, conv2d
from neurohw.network.drivers import Poisson, Regular, SpikeArray, SpikeTimes
from neurohw.network.graded import AnalogInput, PooledPoisson
from neurohw.network.model import Neuron, parameter
from neurohw.network.network import Network
from neurohw.network.neurons import IF, LIF, AdEx, HodgkinHuxley, Izhikevich, Relay
from neurohw.network.noise import AdditiveNoise, Mismatch, MultiplicativeNoise
from neurohw.network.parts import Connection, Driver, Population, Probe
from neurohw.network.runspec import RunSpec
from neurohw.network.synapses import CSR, Conductance, Delta, Event, Exponential, Graded
from neurohw.network.toml import dumps, load, loads
from neurohw.network.units import format_si, to_si
from neurohw.network.waveforms import Piecewise, Ramp, Sine, Step, Waveform

__all__ = [
    "CSR",
    "IF",
    "LIF",
    "AdEx",
    "AdditiveNoise",
    "AnalogInput",
    "Conductance",
    "Conv2D",
    "Connection",
    "Delta",
    "Driver",
    "Event",
    "Exponential",
    "Graded",
    "HodgkinHuxley",
    "Izhikevich",
    "Mismatch",
    "MultiplicativeNoise",
    "Network",
    "Neuron",
    "Origin",
    "Piecewise",
    "Poisson",
    "PooledPoisson",
    "Population",
    "Probe",
    "Ramp",
    "Regular",
    "Relay",
    "RunSpec",
    "Sine",
    "SpikeArray",
    "SpikeTimes",
    "Step",
    "Waveform",
    "conv2d",
    "dumps",
    "fixed_in_degree",
    "fixed_total_number",
    "format_si",
    "load",
    "loads",
    "pairwise_bernoulli",
    "parameter",
    "to_si",
]
