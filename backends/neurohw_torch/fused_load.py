"""From source to Triton kernels, compiled for a GPU or interpreted on the CPU.

Triton reads a kernel's source from its file, so generated source is written to
``$NEUROHW_CACHE_DIR/torch`` (default: ``neurohw`` in the user's cache directory) under the hash of
its text, or to a temporary directory where that cannot be written. The machine code is kept by
Triton itself, in its own cache, under a key that covers the source and all that it calls.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["cache_directory", "library", "load", "problem"]

_lock = threading.RLock()
_loaded: dict[tuple[str, bool], ModuleType] = {}


def cache_directory() -> Path | None:
    """Where generated source is kept, or None."""
    given = os.environ.get("NEUROHW_CACHE_DIR")
    if given is not None:
        return Path(given) / "torch" if given else None
    base = os.environ.get("XDG_CACHE_HOME", "") or "~/.cache"  # Triton runs on Linux
    try:
        return Path(base).expanduser() / "neurohw" / "torch"
    except RuntimeError:  # no home directory
        return None


@cache
def _temporary() -> Path:
    path = tempfile.mkdtemp(prefix="neurohw-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


def _write(directory: Path, name: str, text: str) -> Path | None:
    path = directory / name
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return path
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=directory, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except (OSError, UnicodeDecodeError):
        return None
    return path


@cache
def problem() -> str:
    """Why Triton cannot drive the CUDA device here (no C compiler, say); "" if it can."""
    try:
        from triton.runtime import driver

        driver.active.get_current_target()
    except Exception as error:
        return f"Triton cannot use this device: {type(error).__name__}: {error}"
    return ""


def _jit(interpret: bool) -> Callable[..., Any]:
    """``triton.jit``, whatever the environment says about its interpreter."""
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    def jit(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        if fn is None:
            return lambda f: jit(f, **options)
        return InterpretedFunction(fn) if interpret else JITFunction(fn, **options)

    return jit


def _import(path: Path, name: str, scope: dict[str, Any]) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update(scope)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def library(interpret: bool) -> ModuleType:
    """The module :mod:`neurohw_torch.fused_lib`, compiled or interpreted."""
    with _lock:
        key = "", interpret
        if key not in _loaded:
            name = f"neurohw_torch._fused_lib_{'interpreted' if interpret else 'compiled'}"
            path = Path(__file__).with_name("fused_lib.py")
            _loaded[key] = _import(path, name, {"JIT": _jit(interpret)})
        return _loaded[key]


def load(source: str, interpret: bool) -> ModuleType:
    """The kernels of ``source``, which may use the names of the library and ``JIT``."""
    with _lock:
        key = source, interpret
        if key not in _loaded:
            digest = hashlib.sha256(source.encode()).hexdigest()[:32]
            directory, file = cache_directory(), f"neurohw_torch_{digest}.py"
            path = (_write(directory, file, source) if directory else None) or _write(
                _temporary(), file, source
            )
            assert path is not None, "no directory can be written"
            lib = library(interpret)
            scope = {"JIT": lib.JIT, **{name: getattr(lib, name) for name in lib.__all__}}
            name = f"neurohw_torch_{digest}_{'interpreted' if interpret else 'compiled'}"
            _loaded[key] = _import(path, name, scope)
        return _loaded[key]
