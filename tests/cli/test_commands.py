"""What the commands print and write, and their exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Net = Callable[..., Path]
Cli = Callable[..., Any]
Process = Callable[..., "subprocess.CompletedProcess[str]"]

QUICK = ("--backend", "reference", "--steps", 100)


def test_help(cli: Cli) -> None:
    top = cli("--help")
    assert top.exit_code == 0
    for command in ("run", "compare", "show", "backends", "targets"):
        assert f"  {command} " in top.stdout
        page = cli(command, "--help")
        assert page.exit_code == 0 and page.stdout.startswith(f"Usage: neurohw {command}")
    assert "..." not in top.stdout.split("Commands:")[1]  # no summary is cut short
    for option in ("--backends", "--targets", "--json", "--figure", "--steps", "--strict"):
        assert option in cli("compare", "--help").stdout
    assert cli().exit_code == 2  # no command: the same help, but not a success


def test_version(cli: Cli) -> None:
    import neurohw

    assert cli("--version").stdout == f"neurohw {neurohw.__version__}\n"


def test_module_and_script_are_the_same(process: Process) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "neurohw", "--version"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout == process("--version").stdout


def test_run_prints_spikes_lowering_and_overflow(network: Net, cli: Cli) -> None:
    done = cli("run", network(), "--target", "loihi1", *QUICK)
    assert done.exit_code == 0, done.output
    text = done.stdout
    assert "small on reference, target loihi1: 100 steps of 1 ms (100 ms), 2 trials" in text
    assert "population" in text and "100 Hz" in text
    assert "lowering to loihi1" in text and "n.tau" in text and "w.weight" in text
    assert "overflow" in text and "n.v" in text
    assert done.stderr == ""  # no bar where there is no terminal


def test_run_json(network: Net, cli: Cli) -> None:
    done = cli("run", network(), "--target", "loihi1", "--json", *QUICK)
    data = json.loads(done.stdout)
    assert data["populations"]["in"] == {"size": 1, "spikes": 20, "per_trial": 10.0, "rate": 100.0}
    assert data["steps"] == 100 and data["trials"] == 2 and data["target"] == "loihi1"
    assert {row["where"] for row in data["lowering"]["rows"]} > {"n.tau", "w.weight"}
    assert any(row["key"] == "n.v" for row in data["overflow"])


def test_run_saves_a_recording(tmp_path: Path, network: Net, cli: Cli) -> None:
    import neurohw

    path = tmp_path / "out" / "rec.nc"
    path.parent.mkdir()
    done = cli("run", network(), "--out", path, *QUICK)
    assert done.exit_code == 0, done.output
    assert [p.name for p in path.parent.iterdir()] == ["rec.nc"]
    recording = neurohw.Recording.load(path)
    assert len(recording.spikes("in")) == 20
    assert path.stat().st_mode & 0o044  # as readable as any other new file


def test_run_the_program_that_show_saved(tmp_path: Path, network: Net, cli: Cli) -> None:
    path = tmp_path / "p.nhw"
    shown = cli("show", network(), "--target", "lava", "--save", path)
    assert shown.exit_code == 0 and "neurohw-program 2" in shown.stdout
    assert "lowering to lava" in shown.stdout
    direct = cli("run", network(), "--target", "lava", "--json", *QUICK)
    again = cli("run", path, "--json", *QUICK)
    counts = [json.loads(d.stdout)["populations"] for d in (direct, again)]
    assert counts[0] == counts[1]
    assert cli("show", path).stdout.rstrip() == path.read_text().rstrip()


def test_show_elides_arrays_unless_full(network: Net, cli: Cli) -> None:
    wide = ('rate = "100 Hz"', 'rate = "100 Hz"\nsize = 50')
    elided, full = (cli("show", network(wide), *more).stdout for more in ((), ("--full",)))
    assert "[1,50] .." in elided and len(full) > len(elided)
    assert "neurohw-program" not in cli("show", network(), "--report").stdout


def test_targets(cli: Cli) -> None:
    listed = cli("targets").stdout
    assert "loihi1" in listed and "chip" in listed and "Intel Loihi 1" in listed
    record = cli("targets", "loihi1").stdout
    for part in ("checked against", "golden files", "sources", "nengo-loihi", "decay_max = 4096"):
        assert part in record


def test_compare_agrees(tmp_path: Path, network: Net, cli: Cli) -> None:
    saved, picture = tmp_path / "c.json", tmp_path / "c.png"
    args = ("--backends", "reference,native", "--targets", "float64,loihi1", "--steps", 100)
    done = cli("compare", network(), *args, "--json", saved, "--figure", picture)
    assert done.exit_code == 0, done.output
    assert "bit-identical" in done.stdout
    data = json.loads(saved.read_text())
    assert data["skipped"] == [] and set(data["reports"]) == {"float64", "loihi1"}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    printed = cli("compare", network(), *args, "--json", "-")
    assert json.loads(printed.stdout) == data


def test_compare_finds_a_wrong_backend(
    network: Net, process: Process, plugins: dict[str, str]
) -> None:
    args = ("compare", network(), "--targets", "loihi1", "--steps", 100)
    done = process(*args, "--backends", "reference,wrong", env=plugins)
    assert done.returncode == 1, done
    assert "DIVERGES" in done.stdout and "step" in done.stdout


def test_compare_lists_what_it_skipped(
    network: Net, process: Process, plugins: dict[str, str]
) -> None:
    args = ("compare", network(), "--targets", "float64", "--steps", 100)
    three = ("--backends", "reference,native,choosy")
    done = process(*args, *three, env=plugins)
    assert done.returncode == 0, done
    assert "n.v: membranes are not our business" in done.stdout
    assert process(*args, *three, "--strict", env=plugins).returncode == 1
    alone = process(*args, "--backends", "reference,choosy", env=plugins)
    assert alone.returncode == 2
    assert "nothing to compare" in alone.stderr and "membranes" in alone.stderr


def test_compare_skips_a_target_that_cannot(network: Net, cli: Cli) -> None:
    late = network(('delay = "1 ms"', "delay_steps = 64"))
    args = ("--targets", "float64,loihi1", "--backends", "reference,native", "--steps", 50)
    done = cli("compare", late, *args)
    assert done.exit_code == 0, done.output
    assert "loihi1" in done.stdout and "delay too long" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.usefixtures("hears_interrupt")
def test_interrupt(tmp_path: Path, network: Net) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = ["run", network(), "--backend", "reference", "--steps", 10**8, "--out", out / "r.nc"]
    child = subprocess.Popen(
        [sys.executable, "-m", "neurohw", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        time.sleep(4)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130
    assert (stdout, stderr) == ("", "interrupted\n")
    assert list(out.iterdir()) == []


def test_closed_pipe(network: Net) -> None:
    command = f"{sys.executable} -m neurohw show {network()} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 141 and done.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "neurohw", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"numpy", "numba", "pint", "scipy", "xarray", "matplotlib", "torch"}
