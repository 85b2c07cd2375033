"""Targets: what semantics a result must have. One TOML record each, and the loader."""

from neurohw.targets.record import Target, load_target, target_names

__all__ = ["Target", "load_target", "target_names"]
