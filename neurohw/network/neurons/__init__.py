"""Neuron models, one file each; ``docs/extending.md`` shows how to add one."""

from neurohw.network.neurons.adex import AdEx
from neurohw.network.neurons.hodgkin_huxley import HodgkinHuxley
from neurohw.network.neurons.integrator import IF
from neurohw.network.neurons.izhikevich import Izhikevich
from neurohw.network.neurons.lif import LIF
from neurohw.network.neurons.relay import Relay

__all__ = ["IF", "LIF", "MODELS", "AdEx", "HodgkinHuxley", "Izhikevich", "Relay"]

MODELS = {
    "lif": LIF,
    "if": IF,
    "hodgkin_huxley": HodgkinHuxley,
    "adex": AdEx,
    "izhikevich": Izhikevich,
    "relay": Relay,
}
"""Name in TOML -> class."""
