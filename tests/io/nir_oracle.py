"""The nir library's view of a graph, held against ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir
import numpy as np

from neurohw.io.nir import KINDS, Graph, Node


def of_nir(node: Any, field: str) -> Any:
    """A field of one of nir's nodes."""
    if field == "shape":
        ports = node.input_type if isinstance(node, nir.Input) else node.output_type
        return ports["input" if isinstance(node, nir.Input) else "output"]
    if field == "input_type":
        return node.input_type["input"]
    if field == "input_shape" and isinstance(node, nir.Conv1d):
        return None if node.input_shape is None else (node.input_shape,)
    return getattr(node, field)


def same_value(theirs: Any, ours: Any) -> bool:
    if isinstance(ours, str) or ours is None or theirs is None:
        return theirs == ours
    return np.array_equal(np.asarray(theirs), np.asarray(ours))


def same_metadata(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    def plain(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {k: plain(v) for k, v in x.items()}
        x = np.asarray(x)
        texts = x.dtype.kind in "OSU"
        return [t.decode() if isinstance(t, bytes) else str(t) for t in x.reshape(-1)] if texts \
            else (x.shape, x.dtype, x.tobytes())  # fmt: skip

    return plain(theirs) == plain(ours)


def assert_same(theirs: Any, ours: Graph | Node, path: str = "") -> None:
    """nir's graph or node and ours hold the same."""
    assert same_metadata(theirs.metadata, ours.metadata), path
    if isinstance(ours, Graph):
        assert isinstance(theirs, nir.NIRGraph)
        assert sorted(theirs.nodes) == sorted(ours.nodes)
        assert [tuple(e) for e in theirs.edges] == list(ours.edges)
        for name, node in ours.nodes.items():
            assert_same(theirs.nodes[name], node, f"{path}/{name}")
        return
    assert type(theirs).__name__ == ours.kind
    for field in KINDS[ours.kind].fields:
        found = of_nir(theirs, field.name)
        assert same_value(found, ours[field.name]), (path, field.name, found, ours[field.name])
