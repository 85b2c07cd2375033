"""The comparison as a picture; imports stay light until one is drawn."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.image
import pytest

from neurohw.compare import Entry, compare
from neurohw.compare.numeric import CAP, FACTOR, drift_budget
from neurohw.errors import ProgramError
from neurohw.plot import compare_figure, save_figure
from neurohw.program import F32, F64
from neurohw.testing import drift


@pytest.fixture(scope="module")
def comparison(pipeline):
    a, b = (pipeline.run(pipeline.program(t)) for t in ("float64", "loihi1"))
    return compare([a, Entry("twin", a.target, a.program, a.probes), b])


def test_figure_shows_each_outcome_once_and_marks_the_difference(comparison, tmp_path):
    fig = compare_figure(comparison)
    top, middle, bottom = fig.axes
    assert [x.get_text() for x in fig.legends[0].texts] == [
        "float64 (reference = twin)", "loihi1 (reference)", "threshold",
    ]  # fmt: skip
    assert "mV" in top.get_ylabel() and "mV" in middle.get_ylabel()
    assert bottom.get_xlabel() == "time (ms)"
    d = comparison.pair(0, 2).divergence
    assert f"step {d.step}, {d.cause}" in top.texts[0].get_text()
    assert "first differs" in fig._suptitle.get_text()
    save_figure(fig, tmp_path / "a.png")
    height, width, _ = matplotlib.image.imread(tmp_path / "a.png").shape
    assert width >= 1200 and height > 600
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_figure_without_values_or_differences(comparison, tmp_path):
    fig = compare_figure(comparison, "D3", window=(0, 0.05), title="mine")
    assert "not recorded" in fig.axes[0].texts[0].get_text()
    assert fig._suptitle.get_text() == "mine"
    save_figure(fig, tmp_path / "a.svg")
    same = compare(comparison.entries[:2])
    fig = compare_figure(same, trial=1, variable="u")
    assert "no differences" in fig._suptitle.get_text() and "nA" in fig.axes[0].get_ylabel()
    save_figure(fig, tmp_path / "b.pdf")


@pytest.mark.parametrize("wrong", [{"trial": 9}, {"neuron": 1}, {"population": "N9"}])
def test_what_does_not_exist_is_refused(comparison, wrong):
    with pytest.raises(ProgramError):
        compare_figure(comparison, **wrong)


def test_imports_stay_light():
    code = (
        "import sys, neurohw.recording, neurohw.compare, neurohw.plot;"
        "print([m for m in ('xarray', 'matplotlib', 'h5py', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_one_drift_budget_serves_the_suite_too():
    assert (drift.FACTOR, drift.CAP) == (FACTOR, CAP)
    for dtype in (F32, F64):
        assert drift.drift_budget(dtype, 0.3, 99) == drift_budget(dtype, 0.3, 99)
