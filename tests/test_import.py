"""The front door: importing neurohw is cheap, and its names are what they say."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "numpy",
    "scipy",
    "pint",
    "numba",
    "matplotlib",
    "xarray",
    "torch",
    "lava",
    "rich",
    "typer",
)


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, neurohw; print(*[m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == ""


def test_command_line_loads_nothing_heavy() -> None:
    heavy = tuple(m for m in HEAVY if m not in ("rich", "typer"))
    code = f"import sys, neurohw.cli; print(*[m for m in {heavy} if m in sys.modules])"
    assert python(code) == ""


def test_every_name_is_there() -> None:
    import neurohw

    assert sorted(neurohw._HOME.keys() | {"__version__"}) == sorted(neurohw.__all__)
    for name in neurohw.__all__:
        assert getattr(neurohw, name) is not None
    assert set(neurohw.__all__) <= set(dir(neurohw))


def test_units() -> None:
    from neurohw import mV, to_si

    assert to_si(-70 * mV, "V") == -0.07


def test_unknown_name_suggests_the_nearest() -> None:
    import neurohw

    with pytest.raises(AttributeError, match="did you mean Poisson"):
        neurohw.Poison  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        neurohw.np  # type: ignore[attr-defined]  # an import of the units module is no unit


@pytest.mark.parametrize(
    "first",
    ["import neurohw.run, neurohw.compare", "from neurohw.compare import Entry", "import neurohw"],
)
def test_run_and_compare_stay_functions(first: str) -> None:
    code = f"{first}; import neurohw; print(neurohw.run.__name__, neurohw.compare.__name__)"
    assert python(code) == "run compare"
