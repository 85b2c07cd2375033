"""Damaged NIR files, many of them: does the reader ever do anything but read or refuse?

Every file is a function of ``--seed`` and its number. Files are read in child processes with a cap
on their address space and a time limit for each file; a child that dies or has to be killed is a
finding, and so is any exception other than FormatError. ``--reader h5py`` walks the same files with
h5py, carefully, to show why we do not use it for this; ``--reader nir`` calls ``nir.read``.

    python benchmarks/fuzz_nir.py --count 100000 --seed 1
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurohw.errors import FormatError
from neurohw.io.nir import parse_data, parse_nir
from neurohw.testing.nir_files import corpus, mutated, spoilt

BATCH = 500  # files for one child


def bytes_of(number: int, seed: int, files: list[bytes]) -> bytes:
    """File `number`: nine of ten are damaged in their bytes, one in its content."""
    key = seed << 40 | number
    return spoilt(key) if number % 10 == 9 else mutated(files, key)


def ours(data: bytes) -> str:
    """Read as a graph and as NIRData."""
    outcome = []
    for parse in (parse_nir, parse_data):
        try:
            parse(data)
            outcome.append("read")
        except FormatError as error:
            if "\n" in str(error) or not error.what:
                return "bad message"
            outcome.append("refused")
    return "read" if "read" in outcome else "refused"


def theirs(read: Callable[[str], Any]) -> Callable[[bytes], str]:
    """The outcome of a reader that wants a path and raises what it likes."""

    def outcome(data: bytes) -> str:
        with tempfile.NamedTemporaryFile(suffix=".nir") as file:
            file.write(data)
            file.flush()
            try:
                read(file.name)
                return "read"
            except Exception as error:
                return type(error).__name__

    return outcome


def with_h5py(path: str) -> None:
    """Everything in the file; links elsewhere and what is large are passed by."""
    import h5py

    seen = 0

    def walk(group: h5py.Group, depth: int) -> None:
        nonlocal seen
        for name in group:
            seen += 1
            if seen > 2000 or depth > 16:
                raise RuntimeError("too much")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            item: Any = group[name]
            if isinstance(item, h5py.Group):
                walk(item, depth + 1)
            elif item.size is not None and item.size * item.dtype.itemsize < 2**24:
                plist = item.id.get_create_plist()
                if plist.get_layout() != h5py.h5d.VIRTUAL and not plist.get_external_count():
                    item[()]

    with h5py.File(path) as file:
        walk(file, 0)


def child(out: int, first: int, last: int, a: argparse.Namespace, files: list[bytes]) -> None:
    """Read the files from `first` to `last`, one line of report before and after each."""
    cap = int(a.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if a.reader == "neurohw":
        read = ours
    elif a.reader == "h5py":
        read = theirs(with_h5py)
    else:
        import nir

        read = theirs(nir.read)
    for number in range(first, last):
        os.write(out, f"{number}\n".encode())
        data = bytes_of(number, a.seed, files)
        signal.setitimer(signal.ITIMER_REAL, a.limit)  # kills by SIGALRM, in C too
        began = time.process_time()
        try:
            outcome = read(data)
        except Exception as error:
            outcome = f"raised {type(error).__name__}"
        took = time.process_time() - began
        signal.setitimer(signal.ITIMER_REAL, 0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(out, f"{json.dumps([number, outcome, took, peak])}\n".encode())


def main() -> int:
    """Print the outcomes; the exit status is 1 if there was a finding."""
    parser = argparse.ArgumentParser(description="Read damaged NIR files.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", choices=("neurohw", "h5py", "nir"), default="neurohw")
    parser.add_argument("--memory", type=float, default=1.5, help="GiB of address space")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds for one file")
    parser.add_argument("--keep", type=Path, help="folder for the files that were findings")
    a = parser.parse_args()
    files = list(corpus().values())
    outcomes: collections.Counter[str] = collections.Counter()
    findings: list[tuple[int, str]] = []
    worst, peak = (0.0, -1), 0
    number, end = a.first, a.first + a.count
    began = time.perf_counter()
    while number < end:
        receive, send = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(receive)
            child(send, number, min(number + BATCH, end), a, files)
            os._exit(0)
        os.close(send)
        current = number
        with os.fdopen(receive) as lines:
            for line in lines:
                report = json.loads(line)
                if isinstance(report, int):
                    current = report
                    continue
                _, outcome, took, most = report
                outcomes[outcome] += 1
                worst, peak = max(worst, (took, current)), max(peak, most)
                if a.reader == "neurohw" and outcome not in ("read", "refused"):
                    findings.append((current, outcome))
                number = current + 1
        _, status = os.waitpid(pid, 0)
        if status:
            name = signal.Signals(status & 127).name if status & 127 else f"exit {status >> 8}"
            outcome = "hung" if name == "SIGALRM" else f"died of {name}"
            outcomes[outcome] += 1
            findings.append((current, outcome))
            number = current + 1
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"{a.count} files, seed {a.seed}, reader {a.reader}, {time.perf_counter() - began:.0f} s")
    print(", ".join(f"{k} {n}" for k, n in outcomes.most_common()))
    print(f"longest {worst[0]:.3f} s of processor, file {worst[1]}")
    print(f"peak {peak * unit / 2**20:.0f} MiB, {a.memory} GiB of addresses allowed")
    for found, outcome in findings[:20]:
        print(f"file {found}: {outcome}")
        if a.keep:
            a.keep.mkdir(parents=True, exist_ok=True)
            (a.keep / f"{a.seed}-{found}.nir").write_bytes(bytes_of(found, a.seed, files))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
