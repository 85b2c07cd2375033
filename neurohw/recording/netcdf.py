"""Recordings as NetCDF-4 files: raw numbers, exact, with the scale factors that make them physical.

Variables follow the conventions of CF, so that ``xarray.open_dataset(path)`` decodes integers of a
chip to volts and amperes. What has no place in an array (probes, ledger, hash) is JSON in the
attribute ``neurohw``.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.program import Events, LedgerRow, Moments, Probe, Probes, sample_steps
from neurohw.recording.record import Recording

if TYPE_CHECKING:
    import xarray

__all__ = ["FORMAT_VERSION", "dataset", "load", "save"]

FORMAT_VERSION = 1
_MARK = "neurohw_recording"  # attribute of the file that holds the version
_COLUMNS = ("trial", "step", "element")
_PACK = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
Variables = dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]


def _attrs(p: Probe) -> dict[str, Any]:
    plain = (p.scale, p.shift) == (1.0, 0.0)
    scale = {} if plain else {"scale_factor": p.scale, "add_offset": p.shift}
    return {"units": p.unit or "1"} | scale


def _variables(r: Recording) -> Variables:
    """Everything as name -> (dims, raw numbers, attributes); a ``:`` is in no name of a program."""
    o = r.probes
    out: Variables = {"trial": (("trial",), o.trials, {})}
    for p in r.declared:
        if p.value == "spikes":
            events = o.events[p.population]
            for c in _COLUMNS:
                dims = (f"{p.population}:event",)
                out[f"{p.population}:spikes_{c}"] = (dims, getattr(events, c), {})
            continue
        time = "time" if (p.every, p.offset) == (1, 0) else f"time_{p.every}_{p.offset}"
        neuron = f"{p.population}:neuron"
        out[time] = ((time,), sample_steps(p, o.t0, o.steps) * r.dt, {"units": "s"})
        if p.reduce:
            m = o.moments[p.key]
            out[f"{p.key}:mean"] = ((time, neuron), m.mean, _attrs(p))
            out[f"{p.key}:m2"] = ((time, neuron), m.m2, {"units": "raw numbers squared"})
            continue
        trace = o.traces[p.key]
        trace = trace.astype(np.uint8) if trace.dtype == np.bool_ else trace
        out[p.key] = ((time, "trial", neuron), trace, _attrs(p))
    return out


def _global(r: Recording) -> dict[str, Any]:
    title = f"{r.name} on {r.target} by {r.backend}"
    return {_MARK: FORMAT_VERSION, "title": title, "source": "neurohw", "neurohw": _header(r)}


def _header(r: Recording) -> str:
    plain = {f.name: getattr(r, f.name) for f in fields(r) if f.name not in ("probes", "program")}
    o = r.probes
    plain |= {
        "program_hash": r.program_hash,
        "declared": [asdict(p) for p in r.declared],
        "t0": o.t0,
        "steps": o.steps,
        "counts": {k: m.count for k, m in o.moments.items()},
        "bools": [k for k, x in o.traces.items() if x.dtype == np.bool_],
        "ledger": {k: asdict(row) for k, row in o.ledger.items()},
    }
    return json.dumps(plain)


def dataset(r: Recording) -> xarray.Dataset:
    """In physical units, decoded from the same variables as the file's."""
    import xarray

    raw = xarray.Dataset(_variables(r), attrs=_global(r))
    return xarray.decode_cf(raw, decode_times=False)


def save(r: Recording, path: str | os.PathLike[str]) -> None:
    """Write to a new file beside ``path`` and rename it when it is whole."""
    import h5netcdf

    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with h5netcdf.File(temporary, "w") as file:
            file.attrs.update(_global(r))
            for name, (dims, data, attrs) in _variables(r).items():
                for dim, size in zip(dims, data.shape, strict=True):
                    if dim not in file.dimensions:
                        file.dimensions[dim] = size
                pack: dict[str, Any] = _PACK if data.size else {}
                file.create_variable(name, dims, data.dtype, data=data, **pack).attrs.update(attrs)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a file; see :meth:`Recording.load`."""
    import h5netcdf

    at = os.fspath(path)
    try:
        with h5netcdf.File(at, "r") as file:
            version = file.attrs.get(_MARK)
            if version is None:
                raise FormatError("not a recording", origin=at, allowed="what Recording.save wrote")
            if int(version) > FORMAT_VERSION:
                raise FormatError(
                    "recording of a newer version",
                    origin=at,
                    got=int(version),
                    allowed=f"up to {FORMAT_VERSION}",
                    fix="upgrade neurohw",
                )
            return _read(file)
    except FormatError:
        raise
    except Exception as error:  # HDF5 reports damage as any of half a dozen types
        raise FormatError(
            "cannot read the recording",
            origin=at,
            got=str(error),
            allowed="a NetCDF-4 file that Recording.save wrote",
        ) from error


def _read(file: Any) -> Recording:
    head = json.loads(file.attrs["neurohw"])
    declared = tuple(Probe(**p) for p in head.pop("declared"))
    t0, steps, bools = head.pop("t0"), head.pop("steps"), set(head.pop("bools"))
    counts, rows = head.pop("counts"), head.pop("ledger")
    ledger = {}
    for key, row in rows.items():
        first = None if row["first"] is None else tuple(row["first"])
        ledger[key] = LedgerRow(row["count"], first, row["low"], row["high"])
    out = Probes(t0, steps, file["trial"][...], ledger=ledger)
    for p in declared:
        if p.value == "spikes":
            columns = [file[f"{p.population}:spikes_{c}"][...] for c in _COLUMNS]
            out.events[p.population] = Events(*columns)
        elif p.reduce:
            m = (file[f"{p.key}:mean"][...], file[f"{p.key}:m2"][...])
            out.moments[p.key] = Moments(counts[p.key], *m)
        else:
            trace = file[p.key][...]
            out.traces[p.key] = trace.astype(np.bool_) if p.key in bools else trace
    head["limits"] = {k: tuple(v) for k, v in head["limits"].items()}
    program = head.pop("program_hash")
    return Recording(program=program, probes=out, declared=declared, **head)
