"""Input from a file: what the drivers of a network send, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from neurohw.errors import FormatError

if TYPE_CHECKING:
    import numpy as np

    from neurohw.cli.source import Source
    from neurohw.network import Network

__all__ = ["Data", "is_analog", "read_data"]

Data: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Input: .npy [steps, size] of the only driver that takes one, .npz by driver, or "
        "NIRData (.nir).",
        dir_okay=False,
    ),
]


def is_analog(path: Path) -> bool:
    """Whether a file of input holds other numbers than 0 and 1."""
    import numpy as np

    if path.suffix == ".nir":
        return False
    found = _load(path)
    arrays = found.values() if isinstance(found, dict) else [found]
    return any(a.dtype.kind == "f" and not np.isin(a, (0, 1)).all() for a in arrays)


def read_data(
    path: Path | None, source: Source, duration: str | None, steps: int | None
) -> tuple[dict[str, np.ndarray] | None, int | None]:
    """Input by driver, and how many steps to run: as many as it has, unless something is said.

    Raises
    ------
    FormatError
        The file cannot be read, or holds something else.
    """
    if path is None:
        return None, steps
    network = source.network
    assert network is not None and source.spec is not None
    if path.suffix == ".nir":
        from neurohw.io.nir import inputs_of_data
        from neurohw.io.nir import read_data as read_nir_data

        drivers = {d.name for d in network.drivers}
        names = {k: v for k, v in source.names.items() if v in drivers} or None
        arrays = inputs_of_data(read_nir_data(path), dt=source.spec.dt, names=names)
    else:
        arrays = _arrays(path, network)
    if steps is None and duration is None:
        steps = len(next(iter(arrays.values())))
    return arrays, steps


def _load(path: Path) -> Any:
    """The array of a .npy, or the arrays of a .npz by name."""
    import zipfile

    import numpy as np

    try:
        found = np.load(path, allow_pickle=False)
        return {k: found[k] for k in found.files} if hasattr(found, "files") else found
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError("not arrays of NumPy", origin=str(path), got=str(error),
                          allowed=".npy, .npz or NIRData .nir") from error  # fmt: skip


def _arrays(path: Path, network: Network) -> dict[str, np.ndarray]:
    """``[steps, size]`` or ``[steps, trials, size]`` by driver."""
    import numpy as np

    from neurohw.network import AnalogInput, SpikeArray

    drivers = [d.name for d in network.drivers if isinstance(d.model, SpikeArray | AnalogInput)]
    arrays = _load(path)
    if not isinstance(arrays, dict):
        if len(drivers) != 1:
            raise FormatError("one array, and not one driver that takes it", origin=str(path),
                              got=", ".join(drivers) or "no such driver",
                              fix="save arrays by driver with numpy.savez")  # fmt: skip
        arrays = {drivers[0]: arrays}
    for name, data in arrays.items():
        if data.dtype.kind not in "biuf" or data.ndim not in (2, 3):
            raise FormatError("not rows of numbers", origin=str(path), where=name,
                              got=f"{data.dtype} of shape {data.shape}",
                              allowed="[steps, size] or [steps, trials, size]")  # fmt: skip
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            raise FormatError("not finite", origin=str(path), where=name)
        kind = next((type(d.model) for d in network.drivers if d.name == name), None)
        if kind is SpikeArray and data.dtype != np.bool_:
            if not np.isin(data, (0, 1)).all():
                odd = data[~np.isin(data, (0, 1))].flat[0]
                raise FormatError("not spikes", origin=str(path), where=name, got=odd,
                                  allowed="0 or 1")  # fmt: skip
            arrays[name] = data.astype(bool)
    if len({len(a) for a in arrays.values()}) > 1:
        raise FormatError("drivers of different lengths", origin=str(path),
                          got=", ".join(f"{k} {len(a)}" for k, a in arrays.items()))  # fmt: skip
    return arrays
