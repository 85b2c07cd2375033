"""A .nir file on the command line: recovered step, input from a file, one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurohw.io.nir import EventData, Graph, GraphData, Node, NodeData, write_data, write_nir


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A Linear and a layer of LIF; r = tau / dt for dt = 1 ms."""
    lif = {"tau": 0.02, "r": 20.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    nodes = {
        "input": Node("Input", {"shape": (3,)}),
        "fc": Node("Linear", {"weight": np.array([[0.6, 0.5, 0.1], [0.2, 0.3, 0.7]])}),
        "lif": Node("LIF", {k: np.full(2, v) for k, v in lif.items()}),
        "output": Node("Output", {"shape": (2,)}),
    }
    path = tmp_path / "net.nir"
    edges = (("input", "fc"), ("fc", "lif"), ("lif", "output"))
    write_nir(path, Graph(nodes, edges))
    return path


def test_compare_says_why(graph: Path, cli: Any) -> None:
    given = graph.with_name("x.npy")
    np.save(given, np.random.default_rng(0).random((200, 3)) < 0.3)
    done = cli("compare", graph, "--targets", "snntorch,sinabs", "--backends", "reference",
                   "--data", given)  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "dt = 0.001 s, recovered from tau / r of every neuron" in done.stderr
    assert "first divergence: population lif, neuron" in done.stdout
    assert "integration method" in done.stdout


def test_input_may_be_numbers_or_nirdata(graph: Path, cli: Any) -> None:
    given = graph.with_name("x.npy")
    np.save(given, np.random.default_rng(0).uniform(0, 0.5, (200, 3)))
    done = cli("run", graph, "--backend", "reference", "--data", given)
    assert done.exit_code == 0 and "lif" in done.stdout
    data = graph.with_name("data.nir")
    times = np.array([[0.001, 0.002, 0.003, 0.004]])
    events = EventData(np.array([[0, 1, 0, 1]]), times, 3, 0.01)
    write_data(data, GraphData({"input": NodeData({"spikes": events})}))
    done = cli("run", graph, "--backend", "reference", "--data", data)
    assert done.exit_code == 0 and "10 steps" in done.stdout and " 4 " in done.stdout


def test_one_line_for_a_step_that_is_not_known_and_for_a_file_that_is_not_nir(
    graph: Path, cli: Any, error_of: Any
) -> None:
    from neurohw.io.nir import read_nir

    known = read_nir(graph)
    fields = {**known["lif"].fields, "r": np.array([3.0, 4.0])}
    other = graph.with_name("other.nir")
    write_nir(other, Graph({**known.nodes, "lif": Node("LIF", fields)}, known.edges))
    assert "other.nir: dt: the step that a spike lasts is not in the file" in error_of("run", other)
    assert cli("run", other, "--dt", "1 ms", "--backend", "reference").exit_code == 0
    bad = graph.with_name("bad.nir")
    bad.write_bytes(b"not HDF5 at all")
    assert "bad.nir" in error_of("run", bad)
