"""The benchmark harness: protocol, order, samples, peers that are missing, die or hang.

No timing decides anything here; the peers are ``fake_worker.py``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import harness
import pytest

FAKE = str(Path(__file__).with_name("fake_worker.py"))


def starter(name: str, folder: Path) -> Any:
    log = folder / f"{name}.log"
    command = [sys.executable, FAKE, name, str(folder / "order")]
    return lambda: harness.Worker(command, log=log)


def measure(names: list[str], folder: Path, **options: Any) -> dict[str, harness.Result]:
    starters = {name: starter(name, folder) for name in names}
    case = options.pop("case", "W1")
    request = {name: {"case": case, "size": 3, "steps": 5, "threads": 2} for name in names}
    return harness.measure(starters, request, tell=lambda _: None, **options)


def gone(pid: int) -> bool:
    """Whether no process of this number is left (a zombie is: it was not waited for)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_all_run_in_turn_and_every_sample_is_kept(tmp_path: Path) -> None:
    found = measure(["a", "b", "c"], tmp_path, rounds=3)
    turns = (tmp_path / "order").read_text().splitlines()
    # a run this short is repeated at once, and the repetition counts
    assert turns == [f"{name} {k}" for k in range(3) for name in "abc" for _ in range(2)]
    assert harness.alternate("ab", 2) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    for result in found.values():
        assert result.seconds == pytest.approx([0.0032, 0.0034, 0.0036])
        assert result.spikes == [30, 31, 32]
        assert result.compile_s == 0.25 and result.about == {"threads": 2}
        assert result.versions == {"fake": "1.0"} and result.failed == ""


def test_results_are_handed_over_after_every_sample(tmp_path: Path) -> None:
    counts: list[list[int]] = []
    left: list[str] = []
    measure(["a", "b", "dies"], tmp_path, rounds=2, last=left.extend,
            keep=lambda r: counts.append([len(x.samples) for x in r.values()]))  # fmt: skip
    assert counts == [[a, b, 0] for a, b in ((0, 0), (1, 0), (1, 1), (2, 1), (2, 2))]
    assert left == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "reason", "samples"),
    [
        ("missing", "no module named peer", 0),
        ("dies", "exit status 7", 0),
        ("sleeps", "no answer within 1 s", 0),
    ],
)
def test_one_that_fails_is_listed_with_its_reason_and_the_others_go_on(
    tmp_path: Path, name: str, reason: str, samples: int
) -> None:
    found = measure(["a", name, "b"], tmp_path, rounds=2, timeout=1.0 if name == "sleeps" else 60)
    assert reason in found[name].failed and len(found[name].samples) == samples
    assert len(found["a"].samples) == len(found["b"].samples) == 2


def test_a_case_that_a_peer_does_not_have(tmp_path: Path) -> None:
    found = measure(["a"], tmp_path, rounds=2, case="W4")
    assert found["a"].failed == "no such neuron" and not found["a"].samples
    assert "no such model" in measure(["a"], tmp_path, rounds=1, case="W9")["a"].failed


def test_what_a_simulator_prints_does_not_reach_the_harness(tmp_path: Path) -> None:
    found = measure(["noisy"], tmp_path, rounds=1)["noisy"]
    assert found.seconds == pytest.approx([0.0032])
    assert "straight to the descriptor" in (tmp_path / "noisy.log").read_text()


def test_a_run_of_a_second_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "SHORT", 0.0)
    found = measure(["a"], tmp_path, rounds=2)["a"]
    assert found.seconds == pytest.approx([0.0031, 0.0032])


def test_a_slow_one_is_run_once(tmp_path: Path) -> None:
    found = measure(["a", "b"], tmp_path, rounds=3, long=0.001)
    assert [len(r.samples) for r in found.values()] == [1, 1]


def test_idle_workers_are_stopped_and_none_outlives_the_run(tmp_path: Path) -> None:
    worker = starter("a", tmp_path)()
    stat = Path(f"/proc/{worker.pid}/stat")
    if not stat.exists():
        worker.end()
        pytest.skip("needs /proc to see the state of a process")
    for _ in range(100):
        if stat.read_text().rpartition(")")[2].split()[0] == "T":
            break
        time.sleep(0.01)
    else:
        pytest.fail("an idle worker goes on")
    assert worker.ask(60, do="build", case="W1", size=1, steps=1)["is"] == "built"
    worker.end()
    worker.end()
    assert gone(worker.pid)


def test_an_interrupt_ends_all_workers(tmp_path: Path) -> None:
    started: list[harness.Worker] = []

    def start() -> harness.Worker:
        started.append(starter("a", tmp_path)())
        return started[-1]

    def stop(results: dict[str, harness.Result]) -> None:
        if results["a"].samples:
            raise KeyboardInterrupt

    request = {"a": {"case": "W1", "size": 1, "steps": 1}}
    with pytest.raises(KeyboardInterrupt):
        harness.measure({"a": start}, request, rounds=2, tell=lambda _: None, keep=stop)
    assert gone(started[0].pid)


def test_a_worker_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(harness.Failed, match="cannot start"):
        harness.Worker([str(tmp_path / "nothing")], log=tmp_path / "log")
