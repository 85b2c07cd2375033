"""neurohw plan and explain, as a user sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

TOML = """
[[driver]]
name = "in"
kind = "poisson"
size = 40
rate = "100 Hz"

[[population]]
name = "hidden"
model = "lif"
size = 10
C = "1 mF"
tau = "10 ms"
E_L = "0 V"
V_th = "1 V"
V_reset = "0 V"

[[synapse]]
source = "in"
target = "hidden"
kind = "delta"
weight = "0.05 V"

[run]
dt = "1 ms"
duration = "0.3 s"
targets = ["float32", "snntorch"]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return path


def neurohw(*words):
    return subprocess.run(
        [sys.executable, "-m", "neurohw", *map(str, words)], capture_output=True, text=True
    )


def test_plan_prints_forecast_and_measurement(file):
    done = neurohw("plan", file, "--target", "loihi1", "--backend", "reference")
    assert done.returncode == 0, done.stderr
    for text in ("forecast loihi1", "measured loihi1", "forecast, latency: retimed"):
        assert text in done.stdout


def test_plan_says_what_it_cannot_forecast(file):
    done = neurohw("plan", file, "--target", "loihi2", "--backend", "reference")
    assert done.returncode == 0, done.stderr
    assert "no forecast for hidden: not a linear neuron's step on loihi2" in done.stdout
    rows = [x.split() for x in done.stdout.splitlines() if x.startswith("hidden  ")]
    assert len(rows) == 1 and rows[0][2] == rows[0][4] == "Hz"  # float64's and loihi2's, measured
    assert float(rows[0][1]) > 0 and float(rows[0][3]) > 0


def test_losses_are_counted_where_asked(file):
    words = ("--target", "loihi1", "--backend", "reference")
    for command in ("run", "plan"):
        plain, whole = (neurohw(command, file, *words, *more) for more in ((), ("--losses",)))
        assert plain.returncode == whole.returncode == 0, whole.stderr
        assert "lost by rounding" in whole.stdout and "lost by" not in plain.stdout
        lost = whole.stdout.partition("lost by rounding")[2]
        row = next(x for x in lost.splitlines() if x.startswith("hidden.v  "))
        assert "12 bits shifted out" in row and int(row.split("out")[1].split()[0]) > 0
    told = json.loads(neurohw("run", file, *words, "--losses", "--json").stdout)
    assert {x["kind"] for x in told["losses"]} == {"lost", "zero"}
    assert all("excess" in x for x in told["overflow"])


def test_plan_fails_on_what_it_is_told_to(file):
    done = neurohw("plan", file, "--target", "loihi1", "--no-measure", "--fail-on", "latency")
    assert done.returncode == 1
    assert done.stderr.startswith("failed on latency: retimed; latency in steps: hidden 1")
    fine = neurohw("plan", file, "--target", "loihi1", "--no-measure", "--fail-on", "silent,tau")
    assert fine.returncode == 0, fine.stderr
    wrong = neurohw("plan", file, "--fail-on", "silnt")
    assert wrong.returncode == 2
    assert "--fail-on: unknown kind of failure; got 'silnt'; allowed: overflow" in wrong.stderr
    assert "did you mean 'silent'?" in wrong.stderr


def test_explain_as_a_table_and_as_json(file):
    done = neurohw("explain", file, "--targets", "float32,snntorch")
    assert done.returncode == 0, done.stderr
    assert "float32 and snntorch: " in done.stdout
    data = json.loads(neurohw("explain", file, "--targets", "float32,snntorch", "--json").stdout)
    assert {"method"} <= {s["rule"] for s in data["shares"]}
    wrong = neurohw("explain", file, "--targets", "float32")
    assert wrong.returncode == 2
    assert "--targets: two targets; got 'float32'; allowed: A,B" in wrong.stderr


def test_compare_ends_in_the_rules(file):
    done = neurohw("compare", file, "--backends", "reference")
    assert done.returncode == 0, done.stderr
    assert "integration method" in done.stdout.splitlines()[-1]
    quiet = neurohw("compare", file, "--backends", "reference", "--no-explain")
    assert "integration method" not in quiet.stdout


def test_compare_explains_records_given_by_path(file, tmp_path):
    record = (files("neurohw.targets") / "snntorch.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(record.replace('name = "snntorch"', 'name = "mine"'))
    done = neurohw("compare", file, "--backends", "reference", "--targets", f"float32,{path}")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("float32 and mine: ") and "integration method" in last


def test_data_from_a_file(file, tmp_path):
    file.write_text(TOML.replace('kind = "poisson"', 'kind = "spike_array"').replace(
        'rate = "100 Hz"\n', ""))  # fmt: skip
    spikes = np.random.default_rng(1).random((70, 40)) < 0.1
    path = tmp_path / "in.npy"
    np.save(path, spikes)
    done = neurohw("run", file, "--backend", "reference", "--data", path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["steps"], told["populations"]["in"]["spikes"]) == (70, int(spikes.sum()))
    np.save(path, spikes * 2.5)
    wrong = neurohw("run", file, "--data", path)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().endswith("in: not spikes; got 2.5; allowed: 0 or 1")
    path.write_bytes(b"no numbers")
    wrong = neurohw("run", file, "--data", path)
    assert wrong.returncode == 2 and "not arrays of NumPy" in wrong.stderr
