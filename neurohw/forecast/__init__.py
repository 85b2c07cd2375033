"""What a target will do to a network, said before the run; and whether it came true."""

from .forecast import Finding, Forecast, Layer, forecast
from .measured import KINDS, Measured, measure

__all__ = ["KINDS", "Finding", "Forecast", "Layer", "Measured", "forecast", "measure"]
