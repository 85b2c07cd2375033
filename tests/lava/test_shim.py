"""The shim leaves Python as it found it, and says what to install."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import multiprocessing
import subprocess
import sys

import pytest

from neurohw.errors import BackendError
from neurohw_lava import shim

needs_lava = pytest.mark.skipif(
    importlib.util.find_spec("lava") is None, reason="lava-nc is not installed"
)
pytestmark = pytest.mark.lava


def test_package_imports_nothing_heavy() -> None:
    code = "import sys, neurohw_lava; print({'lava', 'numpy', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"


@needs_lava
def test_import_lava_restores_what_it_changed() -> None:
    strict, method = dataclasses.dataclass, multiprocessing.set_start_method
    shim.import_lava()
    shim.import_lava()
    assert dataclasses.dataclass is strict
    assert multiprocessing.set_start_method is method
    with pytest.raises(ValueError, match="mutable default"):

        @dataclasses.dataclass
        class Bad:
            """Rejected as ever."""

            x: list[int] = []  # noqa: RUF008


@needs_lava
def test_import_lava_works_after_multiprocessing_was_used() -> None:
    code = (
        "import multiprocessing as m; m.set_start_method('spawn'); "
        "from neurohw_lava.shim import import_lava; import_lava(); "
        "import lava.proc.lif.models; print(m.get_start_method())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (out.stdout, out.stderr) == ("spawn\n", "")


@needs_lava
def test_quiet_drops_the_log_handlers_of_lava() -> None:
    shim.import_lava()
    from lava.proc.lif.process import LIF

    before = list(logging.getLogger().handlers)
    with shim.quiet():
        LIF(shape=(1,))
    assert logging.getLogger().handlers == before


def test_missing_lava_names_the_two_pip_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "_done", False)
    monkeypatch.setitem(sys.modules, "lava", None)
    for name in [name for name in sys.modules if name.startswith("lava.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BackendError, match=r"--no-deps .*lava-nc==0\.10\.0") as caught:
        shim.import_lava()
    assert "scipy networkx asteval scikit-learn" in str(caught.value)
