"""NIR files (https://neuroir.org): a graph of neurons and maps, as HDF5."""

from neurohw.io.nir.check import check
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.reader import Limits, parse_nir, read_nir
from neurohw.io.nir.schema import GRAPH, KINDS, Field, Kind
from neurohw.io.nir.shapes import Flat, Ports, complete, flatten, infer_shapes
from neurohw.io.nir.writer import write_nir

__all__ = [
    "GRAPH",
    "KINDS",
    "Field",
    "Flat",
    "Graph",
    "Kind",
    "Limits",
    "Node",
    "Ports",
    "check",
    "complete",
    "flatten",
    "infer_shapes",
    "parse_nir",
    "read_nir",
    "write_nir",
]
