"""From source to a compiled function: once per process, and where possible once per machine.

The source is written to ``$NEUROHW_CACHE_DIR`` (default: ``neurohw`` in the user's cache
directory) under the hash of all that it depends on, and numba keeps the machine code beside it.
Where nothing can be written, or ``NEUROHW_CACHE_DIR`` is empty, it is compiled in memory.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np

__all__ = ["cache_directory", "load"]

_loaded: dict[str, Any] = {}
_lock = threading.Lock()


def cache_directory() -> Path | None:
    """Where generated kernels are kept, or None."""
    given = os.environ.get("NEUROHW_CACHE_DIR")
    if given is not None:
        return Path(given) / "native" if given else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"
    try:
        return Path(base).expanduser() / "neurohw" / "native" if base else None
    except RuntimeError:  # no home directory
        return None


@cache
def _text(module: str) -> str:
    return Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def _key(source: str) -> str:
    """Hash of all that the machine code depends on: versions, and the modules that it imports."""
    helpers = "".join(map(_text, re.findall(r"^from neurohw_native\.(\w+)", source, re.MULTILINE)))
    text = f"{numba.__version__} {np.__version__} {sys.version}\n{helpers}{source}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(path: Path, text: str) -> bool:
    """Write ``text`` unless it is there already; numba wants the file's age to stay the same."""
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return True
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except (OSError, UnicodeDecodeError):
        return False
    return True


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.CACHE = True  # type: ignore[attr-defined]
    sys.modules[name] = module  # numba finds the module of a cached function by its name
    spec.loader.exec_module(module)
    return module


def load(source: str) -> Any:
    """The function ``block`` of ``source``, ready for numba to compile or to fetch."""
    with _lock:
        if source in _loaded:
            return _loaded[source]
        name = f"neurohw_native_{_key(source)}"
        directory = cache_directory()
        if directory is not None and _write(directory / f"{name}.py", source):
            block = _import(name, directory / f"{name}.py").block
        else:
            scope: dict[str, Any] = {"CACHE": False, "__name__": name}
            exec(compile(source, f"<{name}>", "exec"), scope)
            block = scope["block"]
        _loaded[source] = block
        return block
