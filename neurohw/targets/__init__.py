"""Targets: what semantics a result must have. One TOML record each, and the loader."""

from neurohw.targets.loader import load_target, target_names
from neurohw.targets.record import Target

__all__ = ["Target", "load_target", "target_names"]
