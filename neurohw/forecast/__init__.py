"""What a target will do to a network, said before the run; and whether it came true."""

from .findings import Finding
from .forecast import Forecast, Layer, forecast
from .measured import KINDS, Measured, measure
from .rejected import Rejected

__all__ = [
    "KINDS",
    "Finding",
    "Forecast",
    "Layer",
    "Measured",
    "Rejected",
    "forecast",
    "measure",
]
