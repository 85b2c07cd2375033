"""Constants of the workloads against closed forms, bounds on spike counts, medians and ratios."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import checks
import contenders
import environments
import numpy as np
import pytest
import report
import scaling
import workloads as w
from harness import Failed

# constants ---------------------------------------------------------------------------------------


def test_w1_has_the_deviation_and_the_rate_it_says() -> None:
    assert w.w1_free_deviation() == pytest.approx(5e-3)
    p = w.W1
    # no noise: tau log(mu / (mu - gap)) + t_ref
    quiet = 1 / (p["t_ref"] + p["tau"] * math.log(34 / 14))
    count, sd = checks.w1_count(1000, 10_000, method="exponential", t_ref=8e-3, jitter=1e-3)
    assert quiet == pytest.approx(28.9, abs=0.05)
    assert 28.5 < count / 1000 < 30 and 0 < sd < math.sqrt(count)


def test_w1_by_brute_force() -> None:
    """The expected count against a simulation written here, refractory draws included."""
    p, rng, size, steps = w.W1, np.random.default_rng(0), 400, 3000
    v, hold, count = np.zeros(size), np.zeros(size, int), 0
    a = math.exp(-w.DT / p["tau"])
    s = w.w1_strength() * math.sqrt(p["tau"] / 2 * (1 - a * a))
    gap = p["V_th"] - p["E_L"]
    for _ in range(steps):
        free = hold == 0
        v = np.where(free, a * v + (1 - a) * p["mu"] + s * rng.standard_normal(size), v)
        hold -= ~free
        fired = free & (v > gap)
        count += fired.sum()
        v[fired] = 0
        draws = rng.normal(p["t_ref"], p["t_ref_sigma"], fired.sum()) / w.DT
        hold[fired] = np.rint(np.maximum(draws, 0))
    mean, sd = checks.w1_count(size, steps, method="exponential", t_ref=8e-3, jitter=1e-3)
    assert abs(count - mean) < 4.5 * sd


def test_w2_w3_and_w5_by_their_closed_forms() -> None:
    assert w.w2_mean_conductance() == pytest.approx((10e-9, 25e-9))
    assert w.w3_sizes(4000) == (3200, 800) and sum(w.w3_sizes(20_001)) == 20_001
    for n in w.SIZES["W3"]:  # the same drive at any size
        (e, i), (a, b) = w.w3_sizes(n), w.w3_weights(n)
        assert w.W3["p"] * e * a == pytest.approx(64 * 1.62e-3)
        assert w.W3["p"] * i * b == pytest.approx(16 * -9e-3)
    # the weights that are drawn have the deviation 73 that the threshold is made of
    assert w.w5_weight_deviation() == pytest.approx(73.3, abs=0.05)
    weights, spikes = w.w5_data(400, 1000)
    assert weights.dtype == np.int8 and not (weights % 2).any()
    assert weights.min() == -126 and weights.max() == 126
    assert weights.std() == pytest.approx(w.w5_weight_deviation(), rel=5 / math.sqrt(2 * 400**2))
    assert spikes.mean() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / spikes.size))
    assert w.w5_threshold(200) == round(5 * math.sqrt(10) * 73)
    again = w.w5_data(400, 1000)
    assert (again[0] == weights).all() and (again[1] == spikes).all()


def test_every_case_has_a_size_a_title_steps_and_somebody_to_run_it() -> None:
    assert set(w.SIZES) == set(w.TITLES)
    for case, sizes in w.SIZES.items():
        assert w.STEPS[case.partition("-")[0]] > 0
        for size in sizes:
            names = [c.name for c in contenders.entered(case, size)]
            assert names[0] == contenders.OURS and len(names) == len(set(names)) > 2
            assert case == "W1" or case in checks.BOUNDS
    for c in contenders.CONTENDERS:
        assert (environments.HERE / c.script).exists()
        listed = environments.HERE / f"{c.env}.txt"
        if c.env != environments.OWN:
            lines = listed.read_text().splitlines()
            assert lines[0].startswith("# python 3.")
            assert all("==" in line for line in lines[1:])


def test_a_quick_run_has_every_workload_and_somebody_to_compare_it_with() -> None:
    sizes = contenders.cases(quick=True)
    assert {case.partition("-")[0] for case in sizes} == {f"W{k}" for k in range(1, 7)}
    for case, at in sizes.items():
        assert at and set(at) <= set(w.SIZES[case])
        for size in at:
            wanted = contenders.QUICK[case, size]
            first, *others = contenders.entered(case, size, quick=True)
            assert first.name == contenders.OURS
            assert sorted(c.name for c in others) == sorted(wanted)  # all have this case
            assert any(c.peer != "matrix product alone" for c in others)
    # a case that a quick run does not have, asked for by name
    assert contenders.entered("W2-explicit", 1_000, quick=True) == contenders.entered(
        "W2-explicit", 1_000
    )


def test_workers_of_an_old_python_are_written_for_it() -> None:
    import ast

    for name in ("protocol.py", "peer_brian2loihi.py", "peer_nengoloihi.py", "../workloads.py"):
        ast.parse((environments.HERE / name).read_text(), feature_version=(3, 8))


# judging ------------------------------------------------------------------------------------------


def test_counts_are_judged() -> None:
    mean, sd = checks.w1_count(10_000, 10_000, method="exponential", t_ref=8e-3, jitter=1e-3)
    good, _ = checks.within("W1", 10_000, 10_000, mean + 3 * sd, {}, None)
    bad, said = checks.within("W1", 10_000, 10_000, mean * 1.02, {}, None)
    assert good and not bad and f"{mean:.0f}" in said
    free = {"t_ref": 0.0, "jitter": 0.0}  # without refractory periods: another rate
    assert not checks.within("W1", 10_000, 10_000, mean, free, None)[0]
    assert checks.within("W5", 200, 1000, 13_513, {}, 13_513.0)[0]
    assert not checks.within("W5", 200, 1000, 13_514, {}, 13_513.0)[0]
    assert checks.within("W3", 4_000, 10_000, 24_000, {}, 22_956.0)[0]
    assert not checks.within("W3", 4_000, 10_000, 40_000, {}, 22_956.0)[0]


# tables -------------------------------------------------------------------------------------------


def result(name: str, seconds: list[float], spikes: int = 7, **more: Any) -> dict[str, Any]:
    samples = [{"seconds": s, "spikes": spikes} for s in seconds]
    return {"name": name, "samples": samples, "failed": "", "about": {}, "import_s": 1.0,
            "setup_s": 2.0, "compile_s": 3.0, "versions": {}} | more  # fmt: skip


ENTRY = {
    "case": "W1", "size": 100, "steps": 10_000,
    "results": [
        result("neurohw", [0.02, 0.01, 0.03]),
        result("Brian2 C++, 1 thread", [0.2, 0.9, 0.4], right=False, bound="9 +- 1"),
        result("Brian2 C++, 2 threads", [0.5, 0.6, 0.7]),
        result("NEST, 1 thread", [2.0], about={"leaves_out": "refractory jitter"}),
        result("Norse", [], failed="ImportError: norse"),
    ],
}  # fmt: skip


def test_rows_hold_medians_ratios_extremes_and_what_is_wrong() -> None:
    table = {row[0]: row for row in report.rows(ENTRY)}
    assert list(table) == ["neurohw", "Brian2 C++, 1 thread", "NEST, 1 thread", "Norse"]
    assert table["neurohw"][1:7] == ["0.02", "0.01..0.03", "1", "3", "3", "7"]
    assert table["Brian2 C++, 1 thread"][1:4] == ["0.4", "0.2..0.9", "20"]
    assert table["Brian2 C++, 1 thread"][7] == "SPIKES: expected 9 +- 1"
    assert table["NEST, 1 thread"][7] == "without refractory jitter; 1 run"
    assert table["Norse"][1] == "-" and table["Norse"][7] == "ImportError: norse"


def test_the_share_of_recording_and_of_reading_is_said() -> None:
    samples = [{"seconds": 2.0, "spikes": 1, "silent_s": 1.5, "read_s": 0.3}] * 3
    (row,) = report.rows({**ENTRY, "results": [result("neurohw", []) | {"samples": samples}]})
    assert row[7] == "reading the spikes back: 0.3 s; recording is 25% of the run"


def test_summary_has_a_column_per_peer_and_no_ratio_without_a_standard() -> None:
    other = {**ENTRY, "size": 200, "results": [result("neurohw", [], failed="no"),
                                               result("NEST, 1 thread", [2.0])]}  # fmt: skip
    lines = report.summary({"cases": {"a": ENTRY, "b": other}})
    assert lines[0] == "| | neurohw (s) | Brian2 C++ | NEST |"
    assert lines[2:] == ["| W1 100 | 0.02 | 20 | 100 |", "| W1 200 | - |  |  |"]


def test_the_ratios_are_printed_as_well() -> None:
    from rich.console import Console

    console = Console(width=80, record=True, quiet=False, file=io.StringIO())
    report.show_summary(console, {"cases": {"a": ENTRY}})
    text = console.export_text()
    row = next(line for line in text.splitlines() if line.startswith(" W1 100"))
    assert row.split() == ["W1", "100", "0.02", "20", "100"]


def test_a_difference_from_lava_is_said() -> None:
    good = {"u": True, "v": True, "spikes": True}
    assert "same integers" in report.same({"identical": good})
    assert report.same({"identical": good | {"v": False}}) == "DIFFERS from Lava in v."


def test_only_what_lies_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Speed\n\nby hand\n")
    record = {"date": "today", "processor": "cpu", "cores": 2, "python": "3", "rounds": 3,
              "cases": {"a": ENTRY}}  # fmt: skip
    report.write(record, page)
    once = page.read_text()
    page.write_text(once + "\nmore by hand\n")
    report.write({**record, "date": "tomorrow"}, page)
    text = page.read_text()
    assert text.startswith("# Speed\n\nby hand\n") and text.endswith("\nmore by hand\n")
    assert text.replace("tomorrow", "today") == once + "\nmore by hand\n"
    assert "| NEST, 1 thread | 2 | 2..2 | 100 |" in text and "today" not in text


# environments and fits ----------------------------------------------------------------------------


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("# python 1.4\nnothing==1\n")
    with pytest.raises(Failed, match=r"needs Python 1\.4"):
        environments.environment("old", root=tmp_path / "made", lists=tmp_path)
    assert environments.environment(environments.OWN) == sys.executable
    assert environments.find_python(f"3.{sys.version_info[1]}") == sys.executable


def test_exponents_are_fitted() -> None:
    sizes = [10, 100, 1000, 10_000]
    assert scaling.exponent(sizes, [3e-6 * n**1.5 for n in sizes])[0] == pytest.approx(1.5)
    slope, error = scaling.exponent(sizes, [2.0, 1.0, 2.0, 1.0])
    assert abs(slope) < 2 * error
    with pytest.raises(ValueError, match="three sizes"):
        scaling.exponent([1, 2], [1, 2])


def test_the_harness_is_found_by_its_command() -> None:
    done = subprocess.run([sys.executable, str(environments.HERE), "--help"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0 and "--resume" in done.stdout
