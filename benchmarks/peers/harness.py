"""Run workers in turn and keep every sample.

A worker is a process of its own, perhaps of another Python, that speaks ``protocol``. Only one
computes at a time: all others are stopped (SIGSTOP, with everything they have started), so that no
thread of theirs spins and no process of theirs polls meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Failed", "Result", "Worker", "alternate", "measure", "median"]


SHORT = 1.0
"""Seconds: a run that takes less is repeated at once, and the repetition counts."""


class Failed(Exception):
    """A worker is missing, cannot do what was asked, has died or took too long; says which."""


class Worker:
    """One worker process.

    Parameters
    ----------
    command : sequence of str
        Interpreter, script and its arguments.
    log : Path
        Gets its stderr, and what the simulator prints.
    patience : float
        Seconds until its import must be done.

    Raises
    ------
    Failed
        It could not be started, or could not import its simulator.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: dict[str, str] | None = None,
        patience: float = 120.0,
    ) -> None:
        self._log = log.open("ab")
        self._buffer = b""
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
                env=env, process_group=0,
            )  # fmt: skip
        except OSError as error:
            self._log.close()
            raise Failed(f"cannot start: {error}") from error
        self.ready = self._answer(patience)
        if self.ready["is"] != "ready":
            self.end()
            raise Failed(self.ready.get("why", "no answer"))
        self.pause()

    @property
    def pid(self) -> int:
        """Of the process and of its group."""
        return self._process.pid

    def ask(self, timeout: float, **what: Any) -> dict[str, Any]:
        """Wake the worker, ask, wait for its answer and stop it again.

        Raises
        ------
        Failed
            With the worker's own reason, or because it died or took longer than `timeout` seconds;
            in the last two cases the worker is ended.
        """
        assert self._process.stdin is not None
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            self.end()
            raise Failed(f"died ({self._process.returncode})") from error
        answer = self._answer(timeout)
        if answer["is"] in ("cannot", "error"):
            raise Failed(answer["why"])
        self.pause()
        return answer

    def pause(self) -> None:
        """Stop it until it is asked again."""
        self._signal(signal.SIGSTOP)

    def leave(self) -> None:
        """Ask it to stop, and do not wait until it has. Twice does no harm."""
        assert self._process.stdin is not None
        if self._process.poll() is None and not self._process.stdin.closed:
            self._signal(signal.SIGCONT)
            with contextlib.suppress(OSError):
                self._process.stdin.write(b'{"do": "stop"}\n')
                self._process.stdin.close()

    def end(self) -> None:
        """Ask it to stop, then end its whole group. Twice does no harm."""
        self.leave()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _answer(self, timeout: float) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        end = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                self._signal(signal.SIGKILL)
                raise Failed(f"no answer within {timeout:.0f} s")
            more = os.read(stream.fileno(), 1 << 16)
            if not more:
                self._process.wait()
                raise Failed(f"died (exit status {self._process.returncode}); see {self._log.name}")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)


@dataclass
class Result:
    """What one contender did in one case: its samples, or why there are none."""

    name: str
    import_s: float = 0.0
    setup_s: float = 0.0
    compile_s: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    failed: str = ""

    @property
    def seconds(self) -> list[float]:
        """Of every sample."""
        return [s["seconds"] for s in self.samples]

    @property
    def spikes(self) -> list[int]:
        """Of every sample that counted them."""
        return [s["spikes"] for s in self.samples if s.get("spikes") is not None]


def median(values: Iterable[float]) -> float:
    """Of at least one value."""
    return statistics.median(values)


def alternate(names: Sequence[str], rounds: int) -> list[tuple[int, str]]:
    """The order of measuring: A B C A B C..., so that a slow minute hits all alike."""
    return [(k, name) for k in range(rounds) for name in names]


def measure(
    starters: dict[str, Callable[[], Worker]],
    request: dict[str, dict[str, Any]],
    *,
    rounds: int,
    long: float = 60.0,
    timeout: float = 900.0,
    tell: Callable[[str], None] = print,
    keep: Callable[[dict[str, Result]], None] = lambda _: None,
    last: Callable[[dict[str, Worker]], None] = lambda _: None,
) -> dict[str, Result]:
    """Build the case in every worker, then run them in turn.

    Parameters
    ----------
    starters : mapping
        Contender -> function that starts its worker.
    request : mapping
        Contender -> the fields of its ``build``.
    long : float
        A contender whose run takes more seconds than this is not asked again.
    keep : callable
        Gets all results after each sample, so that an interrupt loses none.
    last : callable
        Gets the workers that are left, when all has been measured.
    """
    results = {name: Result(name) for name in starters}
    workers: dict[str, Worker] = {}
    try:
        for name, start in starters.items():
            tell(f"building {name}")
            result = results[name]
            try:
                worker = workers[name] = start()
                built = worker.ask(timeout, do="build", **request[name])
            except Failed as error:
                result.failed = str(error)
                if name in workers:
                    workers.pop(name).end()
                continue
            result.import_s = worker.ready["import_s"]
            result.versions = worker.ready.get("versions", {})
            result.setup_s, result.compile_s = built["setup_s"], built["compile_s"]
            result.about = built.get("about", {})
        keep(results)
        for k, name in alternate(list(workers), rounds):
            if name not in workers:
                continue
            result = results[name]
            if result.samples and result.seconds[0] > long:
                continue
            tell(f"round {k + 1} of {rounds}: {name}")
            try:
                answer = workers[name].ask(timeout, do="run", seed=k)
                if answer["seconds"] < SHORT:  # what was stopped finds caches and memory cold
                    answer = workers[name].ask(timeout, do="run", seed=k)
            except Failed as error:
                result.failed = str(error)
                workers.pop(name).end()
                continue
            answer.pop("is")
            result.samples.append(answer)
            keep(results)
        last(workers)
    finally:
        for worker in workers.values():  # all at once: what a simulator does at its end takes time
            worker.leave()
        for worker in workers.values():
            worker.end()
    return results
