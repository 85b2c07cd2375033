"""Figures: files, their text, the same bytes twice, and findings that are measured."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from neurohw.cli import app
from neurohw.errors import NeurohwError
from neurohw.science import lif
from neurohw.science.claim import above, amount, below, find, jackknife, mean_error, within
from neurohw.science.claims import SOURCES, markdown, with_tables
from neurohw.science.figure import FIGURES, make_figure, maker, quiet, save_figure
from neurohw.science.lif_claims import CLAIMS

MINE = [name for name, where in FIGURES.items() if "network" not in where]
QUICK = 4


@pytest.fixture(scope="module", params=MINE)
def figure(request):
    return make_figure(request.param, seed=3, trials=QUICK)


def test_three_files_and_nothing_else(figure, tmp_path):
    paths = save_figure(figure, tmp_path / "new" / "folder")
    names = sorted(p.name for p in paths)
    assert names == sorted(f"{figure.name}.{kind}" for kind in ("png", "svg", "json"))
    assert sorted(p.name for p in paths[0].parent.iterdir()) == names
    height, width, _ = matplotlib.image.imread(paths[0]).shape
    assert width >= 900 and height >= 600
    assert "<svg" in paths[1].read_text()


def test_json(figure, tmp_path):
    path = save_figure(figure, tmp_path)[2]
    data = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (data["name"], data["seed"], data["trials"]) == (figure.name, 3, figure.trials)
    assert data["parameters"] and data["numbers"] and data["title"] and data["caption"]
    for finding in data["findings"]:
        assert set(finding) == {
            "id", "source", "sentence", "reading", "quantity", "value", "error", "unit", "n",
            "verdict", "note",
        }  # fmt: skip
        assert finding["verdict"] in ("holds", "does not hold", "not decidable")
        assert finding["n"] >= 1 and finding["source"] and finding["sentence"]
        if finding["verdict"] != "not decidable":
            assert math.isfinite(finding["value"])


def test_the_sheet_names_units_seed_and_findings(figure):
    from neurohw.plot.page import page
    from neurohw.science.figure import _call

    entries = [(f.verdict, f.sentence, f.number) for f in figure.findings]
    sheet = page(
        _call(figure.draw), figure.data, size=figure.size, title=figure.title,
        caption=figure.caption, findings=entries,
    )  # fmt: skip
    text = " ".join(t.get_text() for t in sheet.texts)
    assert f"seed {figure.seed}" in figure.caption and f"seed {figure.seed}" in text
    for verdict, sentence, number in entries:
        assert verdict in text
        assert sentence.split()[0] in text and number.split()[-1] in text
    width, height = sheet.get_size_inches() * sheet.dpi
    renderer = FigureCanvasAgg(sheet).get_renderer()
    for t in sheet.texts:  # nothing runs off the sheet
        box = t.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, t.get_text()
    unit = re.compile(
        r"\((m?s|mV|[nµp]A|nS|k?Hz|%|mS/cm²|µA/cm²)\b|share|realisation|trial|gate|train"
    )
    for ax in sheet.axes:
        for label in (ax.get_xlabel(), ax.get_ylabel()):
            assert not label or unit.search(label), label
    assert any("(ms)" in ax.get_xlabel() for ax in sheet.axes)


@pytest.mark.parametrize("name", MINE)
def test_same_seed_same_bytes_in_another_process(name, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    save_figure(make_figure(name, seed=7, trials=QUICK), here)
    words = ["figures", name, "--out", str(there), "--seed", "7", "--trials", str(QUICK)]
    env = {**os.environ, "PYTHONHASHSEED": "5", "SOURCE_DATE_EPOCH": "86400"}
    subprocess.run([sys.executable, "-m", "neurohw", *words], check=True, env=env)
    for path in here.iterdir():
        assert path.read_bytes() == (there / path.name).read_bytes(), path.name


def test_another_seed_is_another_figure(tmp_path):
    one, other = (make_figure("lif-additive", seed=s, trials=QUICK) for s in (1, 2))
    assert one.numbers != other.numbers


# findings are measured -------------------------------------------------------------------------


def measured(runs):
    return {f.id: f for f in find(CLAIMS, runs)}


@pytest.fixture(scope="module")
def runs():
    return lif.simulate(1, 400)


def euler_steps(current):
    """Steps of the recursion w' = w + (R I - w) dt / tau from 0 until w >= 20 mV."""
    push = current / lif.G_L
    level = math.log(1 - (lif.V_TH - lif.E_L) / push) / math.log(1 - lif.DT / lif.TAU)
    return math.ceil(level)


def test_constant_current_against_the_closed_form_of_the_recursion(runs):
    t = runs.trains("2 left")
    first, pause = euler_steps(3e-9), round(8e-3 / lif.DT)
    want = np.arange(first - 1, lif.STEPS, first + pause)
    assert np.array_equal(t.step[t.trial == 0], want)
    assert len(t) == runs.trials * len(want)
    n = np.arange(1, first)
    v = lif.E_L * 1e3 + 3 / 16.7 * 1e3 * (1 - (1 - lif.DT / lif.TAU) ** n)
    assert runs.potential("2 left")[: first - 1, 0] == pytest.approx(v, abs=1e-9)


def test_multiplicative_noise_in_its_first_step_against_the_normal_distribution(runs):
    from scipy.special import ndtr

    step = 2e-6 * abs(lif.E_L) * lif.DT / (lif.TAU * lif.G_L)
    drift = 6e-9 / lif.G_L * lif.DT / lif.TAU
    p = float(ndtr(-(lif.V_TH - lif.E_L - drift) / step))
    spiked = [np.sum(runs.trains(q).step == 0) for q in ("4 right", "4 right, 5 ms")]
    n = 2 * runs.trials
    assert abs(sum(spiked) / n - p) < 4.5 * math.sqrt(p * (1 - p) / n)


def test_every_claim_has_a_verdict_that_its_number_and_error_explain(runs):
    found = measured(runs)
    assert len(found) == len(CLAIMS) >= 25
    for f in found.values():
        assert f.n == 1 or f.n >= runs.trials
        assert math.isfinite(f.value) and f.error >= 0
    assert found["lif-level-2"].value == pytest.approx(-70) and found["lif-level-2"].error == 0
    late = runs.trains("3 left", 20)
    assert found["lif-silent-20"].value == pytest.approx(len(late) / runs.trials / 80e-3)


def test_other_parameters_give_other_verdicts():
    changed = dict(lif.VARIANTS)
    changed["3 left"] = replace(changed["3 left"], current=0.2, additive=0.0)  # below rheobase
    changed["2 right"] = replace(changed["2 right"], t_ref=8, t_ref_sigma=0)
    before, after = measured(lif.simulate(1, 50)), measured(lif.simulate(1, 50, variants=changed))
    for name, verdicts in {
        "lif-silent-20": ("does not hold", "holds"),
        "lif-slower": ("does not hold", "holds"),
        "lif-jitter-similar": ("does not hold", "holds"),
        "lif-jitter-raster": ("holds", "does not hold"),
        "lif-fluctuation": ("holds", "does not hold"),
    }.items():
        assert (before[name].verdict, after[name].verdict) == verdicts, name
    assert after["lif-silent-20"].value == 0
    assert after["lif-refractory"].verdict == "not decidable"  # no interval was seen


def test_verdicts_use_three_standard_errors():
    assert above(1, 0.1, 0.5) == "holds" and above(1, 0.2, 0.5) == "not decidable"
    assert above(1, 0.1, 1.5) == "does not hold" and below(1, 0.1, 1.5) == "holds"
    assert above(1, 0, 1) == "does not hold" and below(1, 0, 1) == "does not hold"
    assert above(math.nan, 0.1) == above(1, math.nan) == "not decidable"
    assert within(1, 0.1, 0, 2) == "holds" and within(1, 0.1, 0.9, 2) == "not decidable"
    assert within(3, 0.1, 0, 2) == "does not hold"


def test_errors_of_means_and_of_functions_of_sums():
    x = np.random.default_rng(1).normal(5, 2, 1000)
    mean, error = mean_error(np.append(x, np.nan))
    assert (mean, error) == pytest.approx((x.mean(), x.std(ddof=1) / math.sqrt(1000)))
    ones = np.ones_like(x)
    assert jackknife(lambda s: s[0] / s[1], np.array([x, ones])) == pytest.approx((mean, error))
    # of the square of the mean: 2 mean * error, to first order in 1 / n
    square, wide = jackknife(lambda s: (s[0] / s[1]) ** 2, np.array([x, ones]))
    assert square == pytest.approx(mean**2) and wide == pytest.approx(2 * mean * error, rel=1e-2)
    assert math.isnan(mean_error([1.0])[1])


def test_numbers_as_text():
    assert amount(1.2345, 0.0567, "mV") == "1.234 ± 0.057 mV"
    assert amount(-123.4, 12.3, "Hz") == "−123 ± 12 Hz"
    assert amount(0.25, 0.0) == "0.25" and amount(math.nan, math.nan, "ms") == "none"


# mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["lif-additve"], ("no such figure", "lif-additve", "did you mean 'lif-additive'?")),
        (["lif-additive", "--trials", "1"], ("trials: out of range", "got 1", "at least 2")),
        (["lif-additive", "--seed", "-1"], ("seed: out of range", "got -1")),
        (["lif-additive", "--trials", "99999999"], ("trials: out of range", "at most")),
    ],
)
def test_one_line_for_a_mistake(words, parts, tmp_path):
    result = CliRunner().invoke(app, ["figures", *words, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert all(part in result.stderr for part in parts), result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    words = ["figures", "lif-deterministic", "--trials", "2", "--out", str(tmp_path / "file")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2 and "cannot write the figure" in result.stderr
    result = CliRunner().invoke(app, ["figures"])
    assert result.exit_code == 2 and "no folder given" in result.stderr


def test_list():
    result = CliRunner().invoke(app, ["figures", "--list"])
    assert result.exit_code == 0
    for name in FIGURES:
        assert name in result.stdout and (maker(name).__doc__ or "").split("\n")[0] in result.stdout


def test_interrupted_leaves_nothing(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def interrupted(*args, **kwargs):
        (args[1]).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", interrupted)
    out = tmp_path / "out"
    words = ["figures", "lif-deterministic", "--trials", "2", "--out", str(out)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 130 and "interrupted" in result.stderr
    assert list(out.iterdir()) == []


def test_progress_reaches_its_end():
    seen = []
    make_figure("lif-deterministic", trials=2, progress=lambda *told: seen.append(told))
    assert seen[-1][1] == seen[-1][2] == lif.STEPS
    quiet("", 0, 1)


# the page of claims ----------------------------------------------------------------------------


def test_tables_replace_what_is_between_their_markers(runs):
    table = markdown(find(CLAIMS, runs))
    assert len(table.splitlines()) == len(CLAIMS) + 2
    assert all(line.count(" | ") == 4 for line in table.splitlines()[2:])
    page = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
    assert with_tables(page, {"x": "new\\1"}) == "a\n<!-- x -->\nnew\\1\n<!-- /x -->\nb\n"
    for wrong in ("no markers", page + page):
        with pytest.raises(NeurohwError, match="one pair of markers"):
            with_tables(wrong, {"x": ""})


def test_the_page_holds_every_claim_with_its_number():
    from importlib import import_module
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "science.md").read_text()
    for name, source in SOURCES.items():
        begin, end = page.index(f"<!-- {name} -->"), page.index(f"<!-- /{name} -->")
        rows = page[begin:end].splitlines()[3:]
        claims = import_module(source.module).CLAIMS
        assert len(rows) == len(claims), f"{name}: run benchmarks/claims.py"
        for row, claim in zip(rows, claims, strict=True):
            cells = row.replace("\\|", "").split(" | ")
            assert claim.sentence in cells[0] and claim.reading in cells[1], claim.id
            assert claim.quantity in cells[2] and re.search(r"\d|none", cells[2]), claim.id
            assert cells[4].strip(" |") in ("holds", "does not hold", "not decidable")
