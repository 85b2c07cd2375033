"""Make ``import lava`` work on Python 3.11 and later.

Two things stop lava-nc 0.10.0 from importing today, and both are undone around its import only:

* One of its modules has dataclass fields whose default is an unhashable object. Python 3.11
  rejects that. While Lava is imported, :func:`dataclasses.dataclass` turns such a default into a
  ``default_factory`` returning the same object, which is what Python 3.10 did.
* It calls ``multiprocessing.set_start_method("fork")``, which raises if anybody used
  multiprocessing before (a torch loader, a test runner) and otherwise changes the start method of
  the whole program. While Lava is imported that call does nothing;
  :class:`neurohw_lava.session.LavaSession` selects ``fork`` while it starts processes and puts
  the former method back.

After that every other Lava module imports as it is, now or later.

Lava always forks where it can, and a forked child has this module's work done already. Where
processes are spawned, a child first unpickles Lava's process object, which would import Lava
before this module. That class is therefore registered with multiprocessing's pickler such that
the child calls :func:`import_lava` first. Spawning scripts need the usual ``__main__`` guard.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import logging
import multiprocessing
import pickle
import threading
import warnings
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

from neurohw.errors import BackendError

__all__ = ["INSTALL", "import_lava", "quiet"]

INSTALL = (
    "pip install scipy networkx asteval scikit-learn && "
    "pip install --no-deps --ignore-requires-python lava-nc==0.10.0"
)

_ACTORS = "lava.magma.runtime.message_infrastructure.multiprocessing"
_lock = threading.RLock()
_done = False


@contextlib.contextmanager
def _patched() -> Iterator[None]:
    """Let dataclasses take unhashable defaults, and ignore a request for a start method."""
    strict, set_start_method = dataclasses.dataclass, multiprocessing.set_start_method

    def lenient(cls: Any = None, /, **options: Any) -> Any:
        if cls is None:
            return lambda c: lenient(c, **options)
        for name in inspect.get_annotations(cls):
            default = cls.__dict__.get(name)
            # the rule of dataclasses itself: unhashable stands for mutable
            if not isinstance(default, dataclasses.Field) and type(default).__hash__ is None:
                setattr(cls, name, dataclasses.field(default_factory=lambda same=default: same))
        return strict(cls, **options)

    dataclasses.dataclass = lenient  # type: ignore[assignment]
    multiprocessing.set_start_method = lambda *_, **__: None
    try:
        yield
    finally:
        dataclasses.dataclass, multiprocessing.set_start_method = strict, set_start_method


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Lava's warnings to itself, and drop the log handlers it adds to the root logger.

    Each Lava process, when made, adds a console handler to the root logger, so that a program's
    own log lines come out once more. Wrap the making of processes in this.
    """
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = [handler for handler in root.handlers if handler in before]


def import_lava() -> None:
    """Import Lava's core; afterwards any ``import lava...`` works. Cheap from the second call on.

    Raises
    ------
    BackendError
        Lava or one of the packages it needs is not installed.
    """
    global _done
    with _lock:
        if _done:
            return
        try:
            with _patched(), quiet():
                importlib.import_module("lava.magma.core.process.process")
                actors = importlib.import_module(_ACTORS)
        except ImportError as error:
            raise BackendError(f"cannot import Lava ({error})", fix=f"run: {INSTALL}") from error
        ForkingPickler.register(actors.SystemProcess, _reduce_actor)
        _done = True


def _reduce_actor(actor: Any) -> tuple[Any, tuple[bytes]]:
    # bytes, so that a spawned child comes by _rebuild_actor before it meets Lava
    return _rebuild_actor, (bytes(ForkingPickler.dumps((type(actor), actor.__dict__))),)


def _rebuild_actor(pickled: bytes) -> Any:
    import_lava()
    cls, state = pickle.loads(pickled)
    actor = cls.__new__(cls)
    actor.__dict__.update(state)
    return actor
