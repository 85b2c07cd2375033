"""NIR files (https://neuroir.org): a graph of neurons and maps, as HDF5."""

from neurohw.io.nir.check import check
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.schema import KINDS, Field, Kind

__all__ = ["KINDS", "Field", "Graph", "Kind", "Node", "check"]
