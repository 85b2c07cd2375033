"""Damaged NIR files: the reader reads or refuses, and the harness that says so can fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import FormatError
from neurohw.io.nir import parse_nir
from neurohw.testing.nir_files import corpus, mutated, spoilt

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "benchmarks" / "fuzz_nir.py"
BROKEN = """
import sys
sys.path.insert(0, {folder!r})
import fuzz_nir
def read(data):
    number = len(data) % 7
    if number == 3: raise KeyError("x")
    if number == 4: return "bad message"
    if number == 5:
        import os, signal
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 6:
        while True: pass
    return "read"
fuzz_nir.ours = read
sys.exit(fuzz_nir.main())
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_two_thousand_damaged_files_are_read_or_refused() -> None:
    done = run(str(FUZZ), "--count", "2000", "--seed", "20261129")
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = dict(re.findall(r"(read|refused) (\d+)", done.stdout))
    assert sum(map(int, outcomes.values())) == 2000, done.stdout
    assert int(outcomes["read"]) > 100 and int(outcomes["refused"]) > 1000, done.stdout


def test_the_harness_reports_what_goes_wrong() -> None:
    code = BROKEN.format(folder=str(FUZZ.parent))
    done = run("-c", code, "--count", "30", "--seed", "1", "--limit", "0.2")
    assert done.returncode == 1, done.stdout + done.stderr
    for outcome in ("raised KeyError", "bad message", "died of SIGSEGV", "hung"):
        assert outcome in done.stdout, (outcome, done.stdout)


def test_a_number_names_a_file_for_ever() -> None:
    files = list(corpus().values())
    assert mutated(files, 7) == mutated(files, 7) != mutated(files, 8)
    assert spoilt(7) == spoilt(7) != spoilt(8)


def test_a_file_of_which_all_was_put_away() -> None:
    # 6 of 10^5 files could not be made: nothing was left to spoil
    data = spoilt(20261129 << 40 | 29949)
    with pytest.raises(FormatError, match="HDF5, but not NIR; got nothing in it"):
        parse_nir(data)


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_what_is_read_can_be_written_and_read_again(first: int, tmp_path: Path) -> None:
    """A graph made of a damaged file is as valid as any other."""
    from neurohw.io.nir import complete, lint, read_nir, write_nir

    files, survived = list(corpus().values()), 0
    for number in range(first, first + 20):
        data: Any = mutated(files, 1_000_003 + number)
        try:
            graph = complete(parse_nir(data))
        except FormatError:
            continue
        survived += 1
        lint(graph)
        try:
            write_nir(tmp_path / "a.nir", graph)
        except FormatError as error:
            assert "input shape is unknown" in str(error)
            continue
        assert read_nir(tmp_path / "a.nir") == graph
    assert survived
