"""A small network as a file, changed line by line, and the command line in and out of process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

NETWORK = """\
[network]
name = "small"

[[driver]]
name = "in"
kind = "regular"
rate = "100 Hz"

[[population]]
name = "n"
model = "lif"
C = "0.5 nF"
tau = "20 ms"
E_L = "-70 mV"
V_th = "-50 mV"
t_ref = "2 ms"

[[synapse]]
name = "w"
source = "in"
target = "n"
kind = "exponential"
weight = "2 nA"
tau = "5 ms"
delay = "1 ms"

[[probe]]
population = "n"
variables = ["v", "spikes"]

[run]
dt = "1 ms"
duration = "200 ms"
trials = 2
"""

# Runs every program like the reference, with each delay one step too long.
WRONG = """\
import dataclasses
from neurohw.reference import ReferenceBackend

class Wrong(ReferenceBackend):
    name = "wrong"
    def compile(self, program):
        edges = tuple(dataclasses.replace(e, delay=e.delay + 1) for e in program.edges)
        run = ReferenceBackend.compile(self, dataclasses.replace(program, edges=edges))
        def shorter(state, inputs, t0, steps):
            import numpy as np
            from neurohw.program import initial_state
            assert t0 == 0
            longer = initial_state(dataclasses.replace(program, edges=edges), state.trials)
            _, probes = run(longer, inputs, t0, steps)
            return state, probes
        return shorter

class Choosy(ReferenceBackend):
    name = "choosy"
    def unsupported(self, program):
        return [("n.v", "membranes are not our business")]

def backend():
    return Wrong()

def choosy():
    return Choosy()
"""


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., Path]:
    """Write the network, with some of its text replaced, and return its path."""

    def write(*changes: tuple[str, str], name: str = "small.toml") -> Path:
        text = NETWORK
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def cli() -> Callable[..., Any]:
    """Run a command in this process."""
    from neurohw.cli import app

    def invoke(*args: Any) -> Any:
        return CliRunner().invoke(app, [str(a) for a in args], prog_name="neurohw")

    return invoke


@pytest.fixture
def error_of(cli: Callable[..., Any]) -> Callable[..., str]:
    """Run a command that must fail with status 2, one line on stderr and nothing on stdout."""

    def invoke(*args: Any) -> str:
        result = cli(*args)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("error: ").rstrip("\n")

    return invoke


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """Environment of a process that finds three more backends: wrong, choosy and absent."""
    room = tmp_path / "plugins"
    info = room / "plugins-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[neurohw.backends]\n"
        "wrong = plugin_wrong:backend\n"
        "choosy = plugin_wrong:choosy\n"
        "absent = plugin_absent:backend\n"
    )
    (room / "plugin_wrong.py").write_text(WRONG)
    path = os.pathsep.join(filter(None, (str(room), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own; ``before`` is Python that runs first."""

    def invoke(
        *args: Any, before: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        code = f"import sys\n{before}\nfrom neurohw.cli import main\nmain()"
        words = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(words, capture_output=True, text=True, env=env, timeout=300)

    return invoke
