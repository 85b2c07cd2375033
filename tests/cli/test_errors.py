"""Every mistake is one line on stderr that says what, where, got, allowed; the status is 2."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Net = Callable[..., Path]
Fails = Callable[..., str]
Process = Callable[..., "subprocess.CompletedProcess[str]"]

NEGATIVE_TAU = ('tau = "20 ms"', 'tau = "-20 ms"')
WRONG_UNIT = ('C = "0.5 nF"', 'C = "0.5 mV"')
NAN_WEIGHT = ('weight = "2 nA"', "weight = nan")
SHAPE = ('weight = "2 nA"', "weight = [[1e-9, 2e-9]]")
TYPO = ("V_th =", "V_tresh =")
NOT_TOML = ('rate = "100 Hz"', 'rate = "100 Hz')


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (NEGATIVE_TAU, ("small.toml:13: n.tau: out of range", "got -20 ms", "greater than 0 s")),
        (WRONG_UNIT, ("small.toml:12: n.C: wrong unit", "0.5 mV", "a quantity in F")),
        (NAN_WEIGHT, ("small.toml:23: w.weight: ", "nan")),
        (SHAPE, ("small.toml:23: w.weight: ", "shape", "(1, 2)", "(1, 1)")),
        (TYPO, ("small.toml:15: n.V_tresh: unknown key", "did you mean 'V_th'?")),
        (NOT_TOML, ("small.toml:7: not TOML: ",)),
    ],
    ids=["negative tau", "wrong unit", "NaN weight", "shape", "typo", "not TOML"],
)
def test_network(
    network: Net, error_of: Fails, change: tuple[str, str], parts: tuple[str, ...]
) -> None:
    for command in ("run", "compare", "show"):
        line = error_of(command, network(change))
        assert all(part in line for part in parts), line


def test_multiplicative_noise_on_loihi1(network: Net, error_of: Fails) -> None:
    noise = 'noise = [{ kind = "multiplicative", sigma = "0.1 nS*s**0.5" }]'
    path = network(('t_ref = "2 ms"', f't_ref = "2 ms"\n{noise}'))
    line = error_of("run", path, "--target", "loihi1")
    assert "n.noise: loihi1 has no multiplicative noise" in line
    assert "allowed: additive noise" in line
    assert "small.toml:17" in line


def test_delay_register_63_on_loihi1(network: Net, error_of: Fails, cli: Callable) -> None:
    steps = ('delay = "1 ms"', "delay_steps = {}")
    longest = network((steps[0], steps[1].format(63)))
    args = ("--target", "loihi1", "--backend", "reference", "--steps", 2)
    assert cli("run", longest, *args).exit_code == 0
    line = error_of("run", network((steps[0], steps[1].format(64))), *args)
    assert "w.delay: delay too long; got '64 steps'; allowed: up to 63 steps on loihi1" in line


def test_backend_unknown(network: Net, error_of: Fails) -> None:
    for option in (("run", "--backend"), ("compare", "--backends")):
        line = error_of(option[0], network(), option[1], "nativ")
        assert "unknown backend; got 'nativ'; allowed: " in line
        assert "did you mean native?" in line


def test_target_unknown(network: Net, error_of: Fails) -> None:
    for command, option in (("run", "--target"), ("show", "--target"), ("compare", "--targets")):
        line = error_of(command, network(), option, "lohi1")
        assert "unknown target; got 'lohi1'; allowed: " in line
        assert "did you mean loihi1?" in line
    assert "did you mean loihi1?" in error_of("targets", "lohi1")


@pytest.mark.parametrize(
    ("missing", "fix"),
    [
        ("torch", "pip install 'neurohw[torch]'"),
        ("lava", "pip install --no-deps --ignore-requires-python lava-nc==0.10.0"),
    ],
)
def test_extra_not_installed(network: Net, process: Process, missing: str, fix: str) -> None:
    before = f"sys.modules[{missing!r}] = None"
    done = process("run", network(), "--backend", missing, "--steps", 2, before=before)
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert missing in done.stderr.lower() and fix in done.stderr
    named = ("compare", network(), "--targets", "float64", "--steps", 2, "--backends")
    done = process(*named, f"reference,{missing}", before=before)
    assert done.returncode == 2 and fix in done.stderr  # asked for by name: an error
    done = process(*named[:-1], before=before)
    assert done.returncode == 0 and fix in done.stdout  # not asked for: skipped, and said so


def test_broken_plugin(network: Net, process: Process, plugins: dict[str, str]) -> None:
    done = process("run", network(), "--backend", "absent", env=plugins)
    assert done.returncode == 2
    assert "backend absent cannot be imported (No module named 'plugin_absent')" in done.stderr
    listed = process("backends", env=plugins)
    assert listed.returncode == 0
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert "plugins 1.2" in rows["wrong"] and "usable" in rows["wrong"]
    assert "plugin_absent" in rows["absent"] and "usable" not in rows["absent"]


def test_program_of_a_newer_version(tmp_path: Path, error_of: Fails) -> None:
    path = tmp_path / "late.nhw"
    path.write_text("neurohw-program 99\nprogram {}\n")
    for command in ("run", "compare", "show"):
        line = error_of(command, path)
        assert "late.nhw:1: program file is of a newer version; got '99'; allowed: up to 2" in line
        assert "upgrade neurohw" in line


def test_program_refuses_what_lowering_decides(
    tmp_path: Path, network: Net, error_of: Fails, cli: Callable
) -> None:
    path = tmp_path / "p.nhw"
    assert cli("show", network(), "--target", "lava", "--save", path).exit_code == 0
    line = error_of("run", path, "--target", "loihi1", "--dt", "1 ms")
    assert "the program is lowered already; --target, --dt cannot change it" in line


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (("--steps", "5", "--duration", "1 s"), "command line: run.steps: give duration or steps"),
        (("--dt", "0.3 ms"), "command line: run.duration: not a whole number of steps of 300 us"),
        (("--dt", "1 mV"), "command line: run.dt: wrong unit; got '1 mV'"),
        (("--dt", "-1 ms"), "command line: run.dt: out of range; got -1 ms"),
        (("--trials", "0"), "command line: run.trials: out of range; got 0; allowed: at least 1"),
        (("--seed", "-1"), "command line: run.seed: out of range; got -1"),
        (("--method", "eulr"), "float64 has no such method; got 'eulr'"),
        (("--sed", "1"), "--seed"),
        (("--trials", "many"), "'--trials'"),
    ],
)
def test_options(network: Net, error_of: Fails, args: tuple[str, ...], part: str) -> None:
    assert part in error_of("run", network(), *args)


def test_files(tmp_path: Path, network: Net, error_of: Fails) -> None:
    assert "nope.toml: cannot read the file: No such file" in error_of("run", "nope.toml")
    assert "cannot read the program file" in error_of("run", "nope.nhw")
    line = error_of("run", network(name="small.json"))
    assert (
        "small.json: not a file neurohw runs; allowed: a network .toml, a NIR graph .nir," in line
    )
    none = tmp_path / "none"
    for command, option, name in (
        ("run", "--out", "rec.nc"),
        ("compare", "--figure", "f.png"),
        ("compare", "--json", "c.json"),
        ("show", "--save", "p.nhw"),
    ):
        assert "no such folder" in error_of(command, network(), option, none / name)
    assert "allowed: .nc" in error_of("run", network(), "--out", "rec.txt")
    assert "allowed: .png .svg .pdf" in error_of("compare", network(), "--figure", "f.bmp")


def test_usage(error_of: Fails) -> None:
    assert "did you mean 'run'?; see neurohw --help" in error_of("rn").lower()
    assert "FILE" in error_of("run")


def test_traceback_on_demand(network: Net, process: Process) -> None:
    before = "import os; os.environ['NEUROHW_TRACEBACK'] = '1'"
    done = process("run", network(NEGATIVE_TAU), before=before)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
