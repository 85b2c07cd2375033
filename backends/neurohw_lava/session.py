"""Run Lava processes such that nothing of theirs outlives the run.

Lava starts one operating system process per Lava process, one runtime service and one server for
shared memory. Left to itself, Ctrl-C goes to all of them, and an exception in one leaves the
others waiting for ever. :class:`LavaSession` keeps these rules:

* Children never see Ctrl-C. SIGINT is blocked in the thread that starts them, and a child inherits
  that; in the parent it is held back until the start is complete.
* The parent waits with one eye on the children. If one dies, or on Ctrl-C, or any exception, all
  of them are ended and the shared memory is given back before the exception goes on.

If the parent itself is killed, the children notice that and end by themselves.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

from neurohw.errors import BackendError
from neurohw_lava.shim import import_lava, quiet

__all__ = ["LavaSession"]

_POLL_S = 0.1


@contextlib.contextmanager
def _hold_sigint() -> Iterator[None]:
    """Hold Ctrl-C back in this thread, and for good in processes started meanwhile."""
    held: list[int] = []
    if hasattr(signal, "pthread_sigmask"):
        # it starts by itself at the first semaphore, and unblocks SIGINT when it has started
        resource_tracker.ensure_running()
    main = threading.current_thread() is threading.main_thread()
    former = signal.getsignal(signal.SIGINT)
    swap = main and former is not None  # None: a handler that was not set from Python
    can_mask = hasattr(signal, "pthread_sigmask")
    if swap:
        signal.signal(signal.SIGINT, lambda *_: held.append(1))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_mask else None
    try:
        yield
    finally:
        if swap:
            signal.signal(signal.SIGINT, former)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if held:
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def _start_method(name: str) -> Iterator[None]:
    former = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(name, force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(former, force=True)


class LavaSession:
    """Owns one compiled Lava network from its start to its end.

    Parameters
    ----------
    root : AbstractProcess
        Any process of the network. Make processes inside :func:`neurohw_lava.shim.quiet`.
    run_cfg : RunConfig
        Selects the process models.
    start_method : str, optional
        ``fork`` where there is one, as Lava itself has it, or ``spawn``.
    patience : float
        Seconds that children get to stop when asked, before they are killed.

    Examples
    --------
    >>> with LavaSession(lif, Loihi2SimCfg(select_tag="fixed_pt")) as session:  # doctest: +SKIP
    ...     session.run(100)
    """

    def __init__(
        self,
        root: Any,
        run_cfg: Any,
        *,
        start_method: str | None = None,
        patience: float = 5.0,
    ) -> None:
        import_lava()
        methods = multiprocessing.get_all_start_methods()
        self._method = start_method or ("fork" if "fork" in methods else "spawn")
        self._root, self._run_cfg, self._patience = root, run_cfg, patience
        self._runtime: Any = None
        self._executable: Any = None
        self._children: list[Any] = []
        self._idle = False  # children wait for a command, so a polite stop will be heard
        self._closed = False
        self.steps = 0

    def __enter__(self) -> LavaSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, steps: int) -> None:
        """Advance the network by `steps` time steps; the first call compiles and starts it.

        Raises
        ------
        BackendError
            A process failed. The session is closed, with all of its processes ended.
        KeyboardInterrupt
            Ctrl-C. Likewise closed.
        """
        if self._closed:
            raise BackendError("this Lava session is closed", fix="make a new LavaSession")
        if steps < 1:
            return
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

        try:
            if self._runtime is None:
                self._start()
            self._idle = False
            runtime: Any = self._runtime
            runtime.start(RunSteps(num_steps=steps, blocking=False))
            for answer in self._answers(None):
                if not enum_equal(answer, MGMT_RESPONSE.DONE):
                    self._fail()
            runtime._is_running = False  # what Lava does on DONE; Var.get asks for it
            self._idle = True
            self.steps += steps
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all processes and free the shared memory. Safe to call at any time, repeatedly."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        with _hold_sigint():
            try:
                if self._idle:
                    self._ask_to_stop()
            finally:
                self._end_children()
                self._forget()

    # -- start -----------------------------------------------------------------------------------

    def _start(self) -> None:
        from lava.magma.core.process.message_interface_enum import ActorType
        from lava.magma.runtime.runtime import Runtime

        # without this an unclosed session would keep the interpreter from exiting
        atexit.register(self.close)
        before = set(multiprocessing.active_children())
        with quiet(), _hold_sigint():
            self._executable = self._root.compile(self._run_cfg)
            self._runtime = Runtime(self._executable, ActorType.MultiProcessing)
            self._executable.assign_runtime_to_all_processes(self._runtime)
            try:
                with _start_method(self._method):
                    self._adapt(self._runtime)
                    self._runtime.initialize()
            finally:
                self._children = list(set(multiprocessing.active_children()) - before)
        self._idle = True

    def _adapt(self, runtime: Any) -> None:
        """Put two of our acts behind two of the acts that make up ``runtime.initialize()``."""
        build_infrastructure, start_ports = (
            runtime._build_message_infrastructure,
            runtime._start_ports,
        )

        def build_and_guard() -> None:
            build_infrastructure()
            infrastructure = runtime._messaging_infrastructure
            build, server = infrastructure.build_actor, _server_pid(infrastructure)
            infrastructure.build_actor = lambda target, *rest: build(
                functools.partial(_mortal, server, target), *rest
            )

        def start_and_check() -> None:
            start_ports()
            self._check_built()  # Lava's own check waits for each child without end

        runtime._build_message_infrastructure = build_and_guard
        runtime._start_ports = start_and_check

    def _check_built(self) -> None:
        actors = self._runtime._messaging_infrastructure.actors
        for actor, reports in zip(actors, self._runtime.exception_q, strict=True):
            while True:
                try:
                    error = reports.get(timeout=_POLL_S)
                    break
                except queue.Empty:
                    if not actor.is_alive():
                        self._fail()
            if error is not None:
                self._fail()
        self._runtime.exception_q = []

    # -- wait ------------------------------------------------------------------------------------

    def _answers(self, timeout: float | None) -> list[Any]:
        """One answer of every runtime service; fail if a child died or the time is up."""
        ports = self._runtime.service_to_runtime
        actors = self._runtime._messaging_infrastructure.actors
        news = threading.Event()
        end = None if timeout is None else time.monotonic() + timeout
        for port in ports:
            port.observer = news.set
        try:
            while not all(port.probe() for port in ports):
                news.wait(_POLL_S)
                news.clear()
                done = all(port.probe() for port in ports)
                if not done and end is None and not all(actor.is_alive() for actor in actors):
                    self._fail()
                if not done and end is not None and time.monotonic() > end:
                    raise BackendError("Lava processes did not stop in time")
        finally:
            for port in ports:
                port.observer = None
        return [port.recv() for port in ports]

    def _fail(self) -> None:
        """Raise what the children have to say."""
        time.sleep(_POLL_S)  # the one that failed may still be writing
        actors = self._runtime._messaging_infrastructure.actors
        said = [actor.exception for actor in actors if actor.exception]
        if not said:
            codes = [actor.exitcode for actor in actors if actor.exitcode]
            raise BackendError("a Lava process died", got=f"exit codes {codes}")
        cause, trace = said[0]
        error = BackendError(
            f"a Lava process failed: {type(cause).__name__}: {cause}", where="lava"
        )
        error.add_note(trace)
        raise error from cause

    # -- end -------------------------------------------------------------------------------------

    def _ask_to_stop(self) -> None:
        from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND

        with contextlib.suppress(Exception):
            for port in self._runtime.runtime_to_service:
                port.send(MGMT_COMMAND.STOP)
            self._answers(self._patience)
            end = time.monotonic() + self._patience
            for actor in self._runtime._messaging_infrastructure.actors:
                multiprocessing.Process.join(actor, max(0.0, end - time.monotonic()))

    def _end_children(self) -> None:
        infrastructure = getattr(self._runtime, "_messaging_infrastructure", None)
        actors = list(infrastructure.actors) if infrastructure is not None else []
        # the server of the shared memory is a child too, and goes last: it unlinks the blocks
        server = _server_pid(infrastructure)
        workers = {*actors, *(child for child in self._children if child.pid != server)}
        for act in (multiprocessing.Process.terminate, multiprocessing.Process.kill):
            alive = [worker for worker in workers if _alive(worker)]
            for worker in alive:
                act(worker)
            end = time.monotonic() + 1.0
            for worker in alive:
                multiprocessing.Process.join(worker, max(0.0, end - time.monotonic()))
        steps: list[Callable[[], Any]] = [*(actor.join for actor in actors)]
        if self._runtime is not None:
            steps.append(self._runtime.join)
        if infrastructure is not None and infrastructure.smm is not None:
            steps.append(infrastructure.smm.shutdown)
        for step in steps:
            with contextlib.suppress(Exception):
                step()
        if infrastructure is not None:
            infrastructure._actors.clear()

    def _forget(self) -> None:
        """Take the network out of Lava's global registers, which would keep it for ever."""
        from lava.magma.core.process.process import ProcessServer
        from lava.magma.core.process.variable import VarServer

        if self._runtime is not None:
            self._runtime._is_started = self._runtime._is_running = False
        if self._executable is not None:
            own = set(self._executable.proc_builders)
            self._executable.assign_runtime_to_all_processes(None)
            for server, name in ((ProcessServer(), "processes"), (VarServer(), "vars")):
                kept = getattr(server, name)
                kept[:] = [
                    one
                    for one in kept
                    if one not in own and getattr(one, "process", None) not in own
                ]
        self._runtime = self._executable = None
        self._children = []


def _mortal(server: int | None, target: Callable[..., None], /, **options: Any) -> None:
    """Call `target` in a child that ends when its parent does, and ends the memory server too."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
        with contextlib.suppress(OSError):
            if server is not None:
                os.kill(server, signal.SIGTERM)
        os._exit(1)

    threading.Thread(target=watch, name="neurohw parent watch", daemon=True).start()
    target(**options)


def _alive(process: Any) -> bool:
    try:
        return bool(process.is_alive())
    except ValueError:  # closed, hence joined
        return False


def _server_pid(infrastructure: Any) -> int | None:
    manager = getattr(getattr(infrastructure, "smm", None), "_manager", None)
    return getattr(getattr(manager, "_process", None), "pid", None)
