"""NIR files to try a reader on: sound ones with everything in them, and such as are spoilt.

`corpus` holds sound files of every kind, `mutated` damages bytes, `spoilt` writes HDF5 files that
are sound as HDF5 and wrong as NIR. All are functions of their arguments, so that a number names a
file for ever.
"""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any

import h5py
import numpy as np

from neurohw.io.nir import EventData, Graph, GraphData, GridData, Node, NodeData
from neurohw.io.nir.datafile import data_writer
from neurohw.io.nir.schema import KINDS
from neurohw.io.nir.writer import graph_writer

__all__ = ["corpus", "example_data", "example_graph", "example_node", "mutated", "spoilt"]


def example_node(kind: str, size: int = 3) -> Node:
    """A node of any kind with all its fields, and metadata."""
    rng = np.random.default_rng(sum(map(ord, kind)))
    given: dict[str, Any] = {
        "shape": (size,),
        "weight": rng.normal(size=(size, size)),
        "bias": rng.normal(size=size),
        "stride": 1,
        "dilation": 1,
        "groups": 1,
        "padding": "same" if kind == "Conv1d" else 0,
        "kernel_size": 2,
        "input_type": (size, 4, 4),
        "start_dim": 0,
        "end_dim": -1,
    }
    if kind.startswith("Conv"):
        axes = int(kind[4])
        given["weight"] = rng.normal(size=(size, 2, *(3,) * axes))
        given["input_shape"] = (7, 6)[:axes]
    for field in KINDS[kind].fields:
        if field.rule == "unit":
            given[field.name] = rng.uniform(0.5, 2.0, size)
    fields = {f.name: given[f.name] for f in KINDS[kind].fields}
    return Node(kind, fields, {"made": "here", "n": 3, "x": {"a": np.arange(3), "b": ("c", "d")}})


def example_graph(size: int = 3, kinds: Iterable[str] = KINDS) -> Graph:
    """One node of every kind, and an inner graph with a cycle; the shapes do not all fit."""
    inner = Graph(
        {
            "input": example_node("Input", size),
            "lif": example_node("CubaLIF", size),
            "rec": example_node("Linear", size),
            "output": example_node("Output", size),
        },
        (("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")),
    )
    nodes: dict[str, Node | Graph] = {k.lower(): example_node(k, size) for k in kinds}
    nodes["inner"] = inner
    edges = tuple(itertools.pairwise(nodes))
    return Graph(nodes, edges, {"neurohw": {"dt": 1e-4, "loud": True}, "text": "grüß dich"})


def example_data() -> GraphData:
    """Every kind of observable, one of them inside an inner graph."""
    rng = np.random.default_rng(0)
    idx = np.array([[0, 2, 1], [1, -1, -1]])
    time = np.array([[0.0, 0.01, 0.02], [0.01, np.inf, np.inf]])
    return GraphData(
        {
            "lif": NodeData(
                {
                    "spikes": GridData(rng.random((2, 5, 3)) < 0.5, 1e-3),
                    "v": GridData(rng.normal(size=(2, 5, 3)), 1e-3),
                }
            ),
            "inner": GraphData({"lif": NodeData({"spikes": EventData(idx, time, 3, 0.02)})}),
            "in": NodeData({"current": EventData(idx, time, 3, 0.02, rng.normal(size=(2, 3)))}),
        }
    )


def _file(write: Callable[[Any], None], libver: str = "earliest") -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=(libver, "latest")) as file:
        write(file)
    return out.getvalue()


def _repacked(data: bytes, libver: str, **pack: Any) -> bytes:
    """The same content, otherwise laid out; `pack` goes to arrays."""

    def copy(source: h5py.Group, target: h5py.Group) -> None:
        target.attrs.update(source.attrs)
        for name, x in source.items():
            if isinstance(x, h5py.Group):
                copy(x, target.create_group(name))
            else:
                more = pack if x.size and x.shape and x.dtype.kind != "O" else {}
                target.create_dataset(name, data=x[()], dtype=x.dtype, **more)

    with h5py.File(io.BytesIO(data)) as source:
        return _file(lambda file: copy(source, file), libver)


def corpus() -> dict[str, bytes]:
    """Sound files; those whose name begins with ``data`` hold NIRData, others a graph."""
    whole = _file(graph_writer(example_graph()))
    small = _file(graph_writer(Graph({k: example_node(k) for k in ("LIF", "Conv2d")})))
    data = _file(data_writer(example_data()))
    return {
        "whole": whole,
        "small": small,
        "gzip": _repacked(small, "earliest", compression="gzip", shuffle=True),
        "large": _file(graph_writer(Graph({"a": example_node("Affine", 60)}))),
        "latest": _repacked(whole, "latest"),
        "latest small": _repacked(small, "latest", compression="gzip", chunks=True),
        "data": data,
        "data latest": _repacked(data, "latest"),
    }


# damage ------------------------------------------------------------------------------------------

_WORDS = (0, 1, 7, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def mutated(files: list[bytes], seed: int) -> bytes:
    """One of the files, with one to thirty pieces of it changed; or, now and then, random bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.05:
        head = b"\x89HDF\r\n\x1a\n" if rng.random() < 0.8 else b""
        return head + rng.randbytes(rng.choice((0, 8, 90, 3000)))
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 10, 30))):
        at = rng.randrange(len(data))
        if rng.random() < 0.3:
            at -= at % 8  # where addresses and sizes are
        if rng.random() < 0.3:
            at = min(at, rng.randrange(2048))  # where the structure is
        what = rng.randrange(6)
        if what == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            data[at] = rng.randrange(256)
        elif what == 2:
            word = rng.choice((*_WORDS, rng.randrange(len(data)), rng.randrange(len(data)) & ~7))
            width = rng.choice((1, 2, 4, 8))
            data[at : at + width] = (word % 2 ** (8 * width)).to_bytes(width, "little")
        elif what == 3:
            start, count = rng.randrange(len(data)), rng.choice((8, 16, 40, 300))
            data[at : at + count] = data[start : start + count]
        elif what == 4:
            del data[at : at + rng.choice((1, 8, 200))]
        else:
            data[at:at] = rng.randbytes(rng.choice((1, 8)))
        data = data or bytearray(b"?")
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def _odd_values(group: h5py.Group, name: str, rng: random.Random) -> None:
    """Put something in a field that has no place there."""
    text = h5py.string_dtype()
    odd: tuple[Callable[[], Any], ...] = (
        lambda: group.create_dataset(name, data=[np.nan, 1.0, np.inf]),
        lambda: group.create_dataset(name, data=-np.ones(3)),
        lambda: group.create_dataset(name, data=np.ones((2, 3, 4))),
        lambda: group.create_dataset(name, data=np.ones(3, complex)),
        lambda: group.create_dataset(name, data=np.ones(3, np.longdouble)),
        lambda: group.create_dataset(name, data=h5py.Empty("f8")),
        lambda: group.create_dataset(name, data=group.ref),
        lambda: group.create_dataset(name, data=np.zeros(2, [("a", "i4"), ("b", "f8")])),
        lambda: group.create_dataset(name, data=["a", "b"], dtype=text),
        lambda: group.create_dataset(name, (3,), h5py.vlen_dtype(np.int32)),
        lambda: group.create_dataset(name, (2**20, 2**20), "f8", chunks=(2**9, 2**9)),
        lambda: group.create_dataset(name, (2**40,), "f8"),
        lambda: group.create_dataset(name, data=np.zeros((1000, 1000)), compression="gzip"),
        lambda: group.create_dataset(name, data=np.ones(9), compression="lzf"),
        lambda: group.create_dataset(name, data=np.ones(9), fletcher32=True),
        lambda: group.create_dataset(name, data=np.ones(9), chunks=(3,), maxshape=(None,)),
        lambda: group.create_dataset(name, (3,), "f8", external=[("/etc/passwd", 0, 24)]),
        lambda: group.create_virtual_dataset(name, _virtual()),
        lambda: group.create_dataset(name, data=np.uint64(2**64 - 1)),
        lambda: group.create_dataset(name, data=np.zeros(0)),
        lambda: group.create_dataset(name, data=np.ones(3, ">f2")),
        lambda: group.create_group(name),
        lambda: group.__setitem__(name, h5py.SoftLink("/version")),
        lambda: group.__setitem__(name, h5py.SoftLink(f"/{name}")),
        lambda: group.__setitem__(name, h5py.ExternalLink("/etc/passwd", "/")),
        lambda: group.__setitem__(name, group),
        lambda: group.__setitem__(name, group.file["/"]),
    )
    rng.choice(odd)()


def _virtual() -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    return layout


def spoilt(seed: int) -> bytes:
    """A file of HDF5 with the graph of :func:`example_graph` in it, and some places put wrong."""
    rng = random.Random(seed)

    def write(file: h5py.File) -> None:
        graph_writer(example_graph(rng.choice((1, 3)), rng.sample(sorted(KINDS), 3)))(file)
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            paths: list[str] = []
            file.visit(paths.append)
            if not paths:  # all of it was put away
                break
            group, _, name = rng.choice(paths).rpartition("/")
            place = file[group or "/"]
            if not isinstance(place, h5py.Group) or name not in place:
                continue
            what = rng.randrange(5)
            if what == 0:
                del place[name]
            elif what == 1:
                new = rng.choice(
                    (name[::-1], name + "x", "..", "a\nb", "é" * 40, "v_reset", "type")
                )
                if new not in place and new != "..":
                    place.move(name, new)
            elif what == 2 and "type" in place:
                del place["type"]
                place["type"] = rng.choice((*KINDS, "NIRGraph", "Identity", "lif", ""))
            elif what == 3 and "edges" in place:
                del place["edges"]
                some = ["inner", "lif", "lif.input", "nobody", "", "input"]
                count = rng.randrange(6)
                pairs = [[rng.choice(some) for _ in range(2)] for _ in range(count)]
                place.create_dataset(
                    "edges",
                    data=np.array(pairs, object).reshape(count, 2),
                    dtype=h5py.string_dtype(),
                )
            else:
                del place[name]
                _odd_values(place, name, rng)

    return _file(write, rng.choice(("earliest", "earliest", "latest")))
