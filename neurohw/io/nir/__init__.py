"""NIR files (https://neuroir.org): a graph of neurons and maps, as HDF5."""

from neurohw.io.nir.check import check
from neurohw.io.nir.clock import recovered_dt
from neurohw.io.nir.data import EventData, GraphData, GridData, NodeData
from neurohw.io.nir.datafile import parse_data, read_data, write_data
from neurohw.io.nir.exchange import data_of_recording, inputs_of_data
from neurohw.io.nir.from_network import graph_of_network
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.lint import Finding, Framework, frameworks, lint
from neurohw.io.nir.reader import Limits, parse_nir, read_nir
from neurohw.io.nir.schema import GRAPH, KINDS, Field, Kind
from neurohw.io.nir.shapes import Flat, Ports, complete, flatten, infer_shapes
from neurohw.io.nir.to_network import Imported, network_of_graph
from neurohw.io.nir.writer import write_nir

__all__ = [
    "GRAPH",
    "KINDS",
    "EventData",
    "Field",
    "Finding",
    "Flat",
    "Framework",
    "Graph",
    "GraphData",
    "GridData",
    "Imported",
    "Kind",
    "Limits",
    "Node",
    "NodeData",
    "Ports",
    "check",
    "complete",
    "data_of_recording",
    "flatten",
    "graph_of_network",
    "infer_shapes",
    "inputs_of_data",
    "network_of_graph",
    "frameworks",
    "lint",
    "parse_data",
    "parse_nir",
    "read_data",
    "read_nir",
    "recovered_dt",
    "write_data",
    "write_nir",
]
