"""LavaSession leaves nothing behind: after a run, an error, a dead child or Ctrl-C."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

if importlib.util.find_spec("lava") is None:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from neurohw.errors import BackendError
from neurohw_lava.shim import import_lava, quiet

import_lava()

from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.lif.process import LIF  # noqa: E402

from neurohw_lava.record import Block, Stepper  # noqa: E402
from neurohw_lava.session import LavaSession  # noqa: E402

pytestmark = pytest.mark.lava

ROOT = Path(__file__).parents[2]


def leaked(names: set[str]) -> set[str]:
    """Those of the shared memory blocks `names` that still exist."""
    return {name for name in names if Path("/dev/shm", name).exists()}


def own_blocks(session: LavaSession) -> set[str]:
    """Names of the shared memory blocks of a running session."""
    handles = session._runtime._messaging_infrastructure.smm._shared_memory_handles
    return {handle.name for handle in handles}


def group_members(group: int) -> list[Path]:
    """Folders below /proc of the live processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(path)
    return found


def remaining(group: int) -> list[Path]:
    """Members of a process group that are still there after some time.

    Python's resource tracker, the last to go, ends when it sees that the others have gone.
    """
    deadline = time.monotonic() + 10
    while group_members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    return group_members(group)


def mapped_blocks(processes: list[Path]) -> set[str]:
    """Names of the shared memory blocks that processes have mapped."""
    return {
        line.split("/dev/shm/")[1].split()[0]
        for path in processes
        for line in (path / "maps").read_text().splitlines()
        if "/dev/shm/psm_" in line
    }


def start_child(method: str, steps: int) -> subprocess.Popen[str]:
    """Start child_session.py, leader of a process group."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("child_session.py")), method, str(steps)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": path},
    )


class Count:
    """Writes the step number; fails or dies at a chosen step."""

    def __init__(self, block: Block, raise_at: int = 0, die_at: int = 0) -> None:
        self.block, self.raise_at, self.die_at = block, raise_at, die_at

    def __call__(self, t: int) -> None:
        self.block.array[t - 1] = t
        if t == self.raise_at:
            raise ValueError("step went wrong")
        if t == self.die_at:
            os._exit(3)


def test_runs_in_parts_and_ends_clean() -> None:
    former = multiprocessing.get_start_method(allow_none=True)
    with Block((30,), "int64") as block, quiet():
        with LavaSession(Stepper(Count(block)), Loihi2SimCfg()) as session:
            session.run(10)
            names = own_blocks(session)
            session.run(20)
            assert session.steps == 30
        assert block.array.tolist() == list(range(1, 31))
    assert multiprocessing.active_children() == []
    assert names and not leaked(names)
    assert multiprocessing.get_start_method(allow_none=True) == former
    with pytest.raises(BackendError, match="closed"):
        session.run(1)


@pytest.mark.parametrize(
    ("fault", "text"), [({"raise_at": 5}, "step went wrong"), ({"die_at": 5}, "exit codes")]
)
def test_failed_child_is_reported_and_all_end(fault: dict[str, int], text: str) -> None:
    with Block((30,), "int64") as block, quiet():
        session = LavaSession(Stepper(Count(block, **fault)), Loihi2SimCfg())
        session.run(1)
        names = own_blocks(session)
        with pytest.raises(BackendError, match=text):
            session.run(10)
        assert block.array.tolist()[:6] == [1, 2, 3, 4, 5, 0]
    assert multiprocessing.active_children() == []
    assert names and not leaked(names)


def test_model_that_cannot_be_built_is_reported() -> None:
    with quiet():
        lif = LIF(shape=(2,), bias_mant=100_000)  # does not fit int16
        session = LavaSession(lif, Loihi2SimCfg(select_tag="fixed_pt"))
        with pytest.raises(BackendError, match="100000"):
            session.run(1)
    assert multiprocessing.active_children() == []


def test_spawned_children_import_the_shim_first() -> None:
    process = start_child("spawn", 3)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "running\n", "")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("presses", [1, 3])
@pytest.mark.usefixtures("hears_interrupt")
def test_ctrl_c_leaves_nothing(method: str, presses: int) -> None:
    process = start_child(method, 100_000)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        names = mapped_blocks(group_members(process.pid))
        assert names and len(group_members(process.pid)) >= 4
        time.sleep(0.2)
        for _ in range(presses):  # to everybody, as a terminal does
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.002)
        _, errors = process.communicate(timeout=20)
        assert errors == ""
        assert process.returncode == 130
        assert remaining(process.pid) == []
        assert not leaked(names)
    finally:
        if group_members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_end_when_the_parent_is_killed(method: str) -> None:
    process = start_child(method, 100_000)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        names = mapped_blocks(group_members(process.pid))
        process.kill()
        process.wait()
        assert remaining(process.pid) == []
        assert names and not leaked(names)
    finally:
        process.communicate()
        if group_members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
