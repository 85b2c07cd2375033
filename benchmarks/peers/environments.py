"""A Python environment for each group of peers, made when first needed.

``<name>.txt`` lists every package at its version and is installed without resolving anything, since
the peers' own metadata contradict each other and the Pythons they run on. Its first line says which
Python: ``# python 3.8``. Environments live in ``.venv-peers`` and are made again when their list
changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness import Failed

__all__ = ["OWN", "environment", "find_python"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1] / ".venv-peers"
OWN = "own"
"""The environment that runs the harness: neurohw, and Lava beside it."""


def find_python(version: str) -> str | None:
    """An interpreter of this version (``3.8``): on the path, of pyenv, or the one running this."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python{version}") or ""]
    found += [str(p / "bin" / "python") for p in sorted(pyenv.glob(f"{version}.*"), reverse=True)]
    check = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in found:
        if not candidate:
            continue
        try:
            done = subprocess.run([candidate, "-c", check], capture_output=True, text=True,
                                  timeout=30, check=False)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == version:
            return candidate
    return None


def environment(
    name: str,
    *,
    root: Path = ROOT,
    lists: Path = HERE,
    tell: Callable[[str], None] = print,
    timeout: float = 900.0,
) -> str:
    """The interpreter of an environment, made if need be.

    Raises
    ------
    Failed
        There is no Python of the version, or something could not be installed.
    """
    if name == OWN:
        return sys.executable
    text = (lists / f"{name}.txt").read_text()
    version = text.splitlines()[0].removeprefix("# python").strip()
    folder = root / name
    python, stamp = folder / "bin" / "python", folder / "made-from"
    digest = hashlib.sha256(text.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return str(python)
    base = find_python(version)
    if base is None:
        raise Failed(f"needs Python {version}, which is not here")
    tell(f"installing {name}")
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    requirements = str(lists / f"{name}.txt")
    for command in (
        [base, "-m", "venv", str(folder)],
        [*pip, "--no-deps", "--ignore-requires-python", "-r", requirements],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                                  check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{name} was not installed within {timeout:.0f} s") from error
        if done.returncode:
            lines = [x for x in done.stderr.splitlines() if x.startswith("ERROR")] or ["no reason"]
            raise Failed(f"{name} cannot be installed: {lines[-1]}")
    stamp.write_text(digest)
    return str(python)
