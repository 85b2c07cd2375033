"""What the README shows is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_python_runs_and_is_the_toml(capsys: pytest.CaptureFixture[str]) -> None:
    import neurohw

    names: dict = {}
    code = block("python").replace("trials=100", "trials=2")
    exec(compile(code, "README.md", "exec"), names)
    assert names["found"].ok
    assert "('time', 'trial', 'neuron')" in capsys.readouterr().out
    network, spec = neurohw.loads(block("toml"))
    assert network == names["net"]
    assert (spec.dt, spec.duration, spec.trials, spec.seed) == (2e-4, 1.0, 100, 1)


def test_printed_comparison_is_what_comes_out() -> None:
    import neurohw

    network, spec = neurohw.load(ROOT / "examples" / "pipeline.toml")
    found = neurohw.compare(
        network,
        backends=["native"],
        targets=["float64", "loihi1"],
        dt=spec.dt,
        steps=spec.steps,
        trials=spec.trials,
        seed=spec.seed,
    )
    words = " ".join(README.split())
    assert f"float64 and loihi1: {found.pairs[0].sentence}" in words
    for entry in found.entries:
        spikes = sum(map(len, entry.probes.events.values()))
        assert f"{entry.target} native {spikes} reference bit-identical" in words


def test_every_target_is_described() -> None:
    import neurohw

    table = README.partition("## Targets")[2].partition("## Install")[0]
    assert [n for n in neurohw.target_names() if f"`{n}`" not in table] == []


def test_links_and_length() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    assert len(README.splitlines()) < 200
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr)/", README)
