"""`neurohw nir show` and `neurohw nir lint`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from neurohw.cli import app
from neurohw.io.nir import Graph, Node, frameworks, write_nir

runner = CliRunner()


def neuron(**more: float) -> Node:
    fields = {"tau": 2e-3, "r": 20.0, "v_leak": 0.0, "v_threshold": 0.5, "v_reset": 0.0}
    return Node("LIF", {k: np.full(2, v) for k, v in (fields | more).items()})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    nodes = {
        "input": Node("Input", {"shape": 3}),
        "fc": Node("Affine", {"weight": np.ones((2, 3)), "bias": [0, 0]}, {"by": "a", "n": [1]}),
        "lif": neuron(v_reset=-0.1),
        "output": Node("Output", {"shape": 2}),
    }
    edges = (("input", "fc"), ("fc", "lif"), ("lif", "output"))
    write_nir(tmp_path / "net.nir", Graph(nodes, edges, {"made": "here"}))
    return tmp_path / "net.nir"


def test_show(path: Path) -> None:
    done = runner.invoke(app, ["nir", "show", str(path)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].endswith("net.nir: 4 nodes, 3 edges, written by nir 1.0.8")
    fc = next(x for x in lines if x.startswith("fc "))
    assert fc.split() == ["fc", "Affine", "3", "2", "weight", "1,", "bias", "0"]
    lif = next(x for x in lines if x.startswith("lif "))
    assert "tau 0.002, r 20, v_leak 0, v_threshold 0.5, v_reset -0.1" in lif
    assert 'metadata of the graph: {"made": "here"}' in lines
    assert 'metadata of fc: {"by": "a", "n": [1]}' in lines


def test_show_as_json(path: Path) -> None:
    done = runner.invoke(app, ["nir", "show", str(path), "--json"])
    told = json.loads(done.output)
    assert [n["path"] for n in told["nodes"]] == ["fc", "input", "lif", "output"]
    assert told["edges"] == [["input", "fc"], ["fc", "lif"], ["lif", "output"]]
    assert told["nodes"][0]["takes"] == [3] and told["nodes"][0]["gives"] == [2]
    assert told["nodes"][2]["fields"]["v_reset"] == "-0.1" and told["notes"] == []


def test_lint_says_what_each_framework_does(path: Path) -> None:
    done = runner.invoke(app, ["nir", "lint", str(path), "--for", "snntorch,rockpool"])
    assert done.exit_code == 0, done.output
    head = [x for x in done.output.splitlines() if x.startswith(("snntorch", "rockpool"))]
    assert head[0].startswith("snntorch 1.0.0 (nir 1.0.8, nirtorch 2.6): ")
    assert "1 ignored" in head[0] and "rejected" not in head[0]
    assert head[1].startswith("rockpool 3.1.0 (nir 1.0.4, nirtorch 2.0.2): ")
    row = next(x for x in done.output.splitlines() if "v_reset" in x and "ignored" in x)
    assert row.split()[:5] == ["lif", "LIF", "v_reset", "-0.1", "ignored"]


def test_lint_of_all_and_strict(path: Path) -> None:
    done = runner.invoke(app, ["nir", "lint", str(path)])
    assert done.exit_code == 0
    for name, about in frameworks().items():
        assert f"{name} {about.version} (nir {about.nir}" in done.output
    assert runner.invoke(app, ["nir", "lint", str(path), "--strict"]).exit_code == 1
    only = ["nir", "lint", str(path), "--strict", "--for"]
    assert runner.invoke(app, [*only, "rockpool"]).exit_code == 1  # rejected
    assert runner.invoke(app, [*only, "snntorch"]).exit_code == 0  # ignored and rescaled only
    assert runner.invoke(app, [*only, "nir"]).exit_code == 0
    assert "nir 1.0.8 (nir 1.0.8): all is kept" in runner.invoke(app, [*only, "nir"]).output


def test_lint_as_json(path: Path) -> None:
    done = runner.invoke(app, ["nir", "lint", str(path), "--json", "--for", "snntorch"])
    told = json.loads(done.output)
    assert list(told["frameworks"]) == ["snntorch"]
    assert told["frameworks"]["snntorch"]["version"] == "1.0.0"
    reset = [f for f in told["findings"] if f["field"] == "v_reset"]
    assert [(f["path"], f["verdict"], f["value"]) for f in reset] == [("lif", "ignored", "-0.1")]


def test_mistakes_are_one_line_and_exit_2(path: Path, tmp_path: Path, error_of: Any) -> None:
    text = error_of("nir", "lint", path, "--for", "snntorhc")
    assert text.startswith("unknown framework; got 'snntorhc'")
    assert "did you mean 'snntorch'" in text
    bad = tmp_path / "bad.nir"
    bad.write_bytes(b"nothing")
    for command in ("lint", "show"):
        assert error_of("nir", command, bad).startswith(f"{bad}: not an HDF5 file; got")
    assert "no such command" in error_of("nir", "lnt", path)
