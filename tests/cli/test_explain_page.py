"""What docs/explain.md shows as printed by a command is what the command prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explain.md").read_text()


def shown(name: str) -> tuple[list[str], list[str]]:
    """The command between a part's markers, and the lines below it."""
    part = PAGE.partition(f"<!-- generated: {name} -->")[2].partition("<!-- end")[0]
    found = re.fullmatch(r"\s*```\n\$ neurohw (.*?)\n(.*)```\s*", part, re.DOTALL)
    assert found is not None
    return found[1].split(), found[2].splitlines()


@pytest.mark.slow
def test_the_plan_is_printed_so() -> None:
    """Where it fails because a number has changed for good, put in what the command prints."""
    words, lines = shown("plan")
    done = subprocess.run([sys.executable, "-m", "neurohw", *words], cwd=ROOT, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line.rstrip() for line in done.stdout.splitlines()] == lines


def test_every_table_of_a_plan_is_on_the_page() -> None:
    _, lines = shown("plan")
    for title in ("choices", "errors and rates", "overflow", "lost by rounding"):
        assert title in lines
