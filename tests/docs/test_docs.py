"""What the documentation shows is run."""

import re
from pathlib import Path

import pytest

from neurohw.program import parse

DOCS = Path(__file__).parents[2] / "docs"


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def test_extending(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("extending.md", "python"):
        exec(compile(code, "extending.md", "exec"), names)  # asserts inside
    assert names["result"].ok


def test_example_program_parses():
    text = (DOCS / "program.md").read_text()
    lines = re.search(r"    neurohw-program 2\n(?:    .*\n)+", text)
    assert lines is not None
    program = parse(re.sub(r"^ {4}", "", lines[0], flags=re.MULTILINE))
    assert parse(program.text) == program and program.population("N").size == 3


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_links_point_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", (DOCS / page).read_text()):
        assert link.startswith("http") or (DOCS / link).exists(), link


def test_snntorch():
    pytest.importorskip("snntorch")
    pytest.importorskip("torch")
    names = {}
    for code in blocks("snntorch.md", "python"):
        exec(compile(code, "snntorch.md", "exec"), names)
    assert [type(n).__name__ for _, n in names["again"].layers] == ["Leaky", "RLeaky"]
    assert names["outputs"].shape == (20, 10)
