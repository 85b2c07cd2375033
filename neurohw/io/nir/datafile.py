"""Files of NIRData, as nir 1.0.8 has them; read without trusting them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io import hdf5
from neurohw.io.nir.data import EventData, GraphData, GridData, NodeData, Observable
from neurohw.io.nir.graph import check_name
from neurohw.io.nir.reader import Limits
from neurohw.io.nir.writer import replacing
from neurohw.network.units import Shown

if TYPE_CHECKING:
    import h5py

__all__ = ["data_writer", "parse_data", "read_data", "write_data"]


def write_data(path: str | os.PathLike[str], data: GraphData) -> None:
    """Write a file that ``nir.read_data`` reads; it is there whole or not at all.

    Inner graphs are written too (``nir.write_data`` of nir 1.0.8 recurses for ever on them).
    """
    replacing(path, data_writer(data))


def data_writer(data: GraphData) -> Callable[[h5py.File], None]:
    """What puts data into an open HDF5 file; see :func:`write_data`."""
    return lambda file: _write_graph(file, data)


def _write_graph(group: h5py.Group, data: GraphData) -> None:
    group.attrs["__type__"] = "NIRGraphData"
    nodes = group.create_group("nodes")
    for name in sorted(data.nodes):
        node, inside = data.nodes[name], nodes.create_group(name)
        if isinstance(node, GraphData):
            _write_graph(inside, node)
            continue
        inside.attrs["__type__"] = "NIRNodeData"
        observables = inside.create_group("observables")
        for key in sorted(node.observables):
            _write_observable(observables.create_group(key), node.observables[key])


def _write_observable(group: h5py.Group, x: Observable) -> None:
    if isinstance(x, GridData):
        group.attrs["__type__"], arrays = "TimeGriddedData", {"data": x.data}
        group.attrs["dt"] = x.dt
    else:
        group.attrs["__type__"] = "EventData" if x.value is None else "ValuedEventData"
        group.attrs["n_neurons"], group.attrs["t_max"] = x.n_neurons, x.t_max
        arrays = {"idx": x.idx, "time": x.time} | ({} if x.value is None else {"value": x.value})
    for name, array in arrays.items():
        pack = {"compression": "gzip", "shuffle": True} if array.size else {}
        group.create_dataset(name, data=array, **pack)


def read_data(path: str | os.PathLike[str], *, limits: Limits | None = None) -> GraphData:
    """Read a file of NIRData; the file is not trusted, see :func:`neurohw.io.nir.read_nir`.

    Raises
    ------
    FormatError
        If the file cannot be read, naming file, path in the file, value, and what is allowed.
    """
    origin = os.fspath(path)
    return _data(hdf5.open_file(path, limits=limits or Limits()), origin)


def parse_data(data: bytes, *, limits: Limits | None = None, origin: str = "") -> GraphData:
    """Read NIRData that is in memory; see :func:`read_data`."""
    return _data(hdf5.open_bytes(data, limits=limits or Limits(), origin=origin), origin)


def _data(file: hdf5.Group, origin: str) -> GraphData:
    try:
        found = _read_node(file)
        if isinstance(found, NodeData):
            got = Shown("NIRNodeData")
            raise FormatError("not the data of a graph", where="/", got=got, allowed="NIRGraphData")
        return found
    except FormatError as error:
        raise error.at(origin) from None
    except MemoryError:
        raise FormatError("needs more memory than there is", where="/", origin=origin) from None


def _kind(group: hdf5.Group, allowed: tuple[str, ...]) -> tuple[str, Mapping[str, Any]]:
    attributes = group.attributes()
    kind = attributes.get("__type__")
    if kind not in allowed:
        what = "not NIRData" if kind is None else "unknown type"
        got = Shown("no attribute '__type__'") if kind is None else kind
        raise FormatError(what, where=group.path, got=got, allowed=", ".join(allowed))
    return kind, attributes


def _member(group: hdf5.Group, name: str, kind: type) -> Any:
    found = group.members().get(name)
    if not isinstance(found, kind):
        wanted = "a group" if kind is hdf5.Group else "an array"
        path = f"{group.path.rstrip('/')}/{name}"
        raise FormatError("missing", where=path, allowed=wanted)
    return found


def _read_node(group: hdf5.Group) -> NodeData | GraphData:
    kind, _ = _kind(group, ("NIRGraphData", "NIRNodeData"))
    inside = _member(group, "observables" if kind == "NIRNodeData" else "nodes", hdf5.Group)
    members = inside.members()
    for name, item in members.items():
        if not isinstance(item, hdf5.Group):
            raise FormatError("an array where a group should be", where=item.path)
        check_name(name, inside.path)
    if kind == "NIRNodeData":
        return NodeData({name: _read_observable(x) for name, x in members.items()})
    return GraphData({name: _read_node(x) for name, x in members.items()})


def _read_observable(group: hdf5.Group) -> Observable:
    kind, attributes = _kind(group, ("TimeGriddedData", "EventData", "ValuedEventData"))

    def attribute(name: str) -> Any:
        if name not in attributes:
            raise FormatError("missing", where=f"{group.path}/{name}", allowed="an attribute")
        value = attributes[name]
        return value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value

    where = f"{group.path}/"
    if kind == "TimeGriddedData":
        return GridData(_member(group, "data", hdf5.Dataset).read(), attribute("dt"), where)
    names = ("idx", "time") + (("value",) if kind == "ValuedEventData" else ())
    idx, time, *value = (_member(group, name, hdf5.Dataset).read() for name in names)
    return EventData(
        idx, time, attribute("n_neurons"), attribute("t_max"), value[0] if value else None, where
    )
