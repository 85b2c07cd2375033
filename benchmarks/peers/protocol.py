"""How a worker and the harness talk: one JSON object per line, over the worker's stdin and stdout.

The worker says ``ready`` (or ``missing``, and why) as soon as its simulator is imported. Then each
request has one answer::

    {"do": "build", "case": "W1", "size": 100, "steps": 10000} -> {"is": "built", "setup_s": ..}
    {"do": "run", "seed": 3}                -> {"is": "ran", "seconds": .., "spikes": ..}
    {"do": "dump", "path": "spikes.npz"}    -> {"is": "dumped"}
    {"do": "stop"}                          -> {"is": "stopped"}

``cannot`` (with a reason) answers a case that the simulator has no means for, ``error`` anything
else. What the simulator itself prints to stdout goes to stderr. Runs on Python 3.8 and later.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Cannot(Exception):
    """The simulator has no means for this case; the text says what is missing."""


def _quiet_stdout():
    """The real stdout, for us alone; file descriptor 1 and ``sys.stdout`` now lead to stderr."""
    wire = os.fdopen(os.dup(1), "w")
    sys.stdout.flush()
    os.dup2(2, 1)
    return wire


def serve(load, builders):
    """Answer requests until ``stop`` or the end of stdin.

    Parameters
    ----------
    load : callable
        Imports the simulator; returns a mapping of versions. An ImportError means ``missing``.
    builders : mapping
        Case -> function of a request (a dict) that returns an object with ``run(seed)``, which
        returns a dict with ``seconds`` and ``spikes``, and, optionally, with ``about`` (a dict for
        the table) and ``dump(path)``. The last thing that a builder does is to compile, and it
        says how long that took in ``compile_s``.
    """
    wire = _quiet_stdout()

    def say(**what):
        wire.write(json.dumps(what) + "\n")
        wire.flush()

    start = time.perf_counter()
    try:
        versions = load()
    except Exception as error:
        say(**{"is": "missing", "why": f"{type(error).__name__}: {error}"})
        return
    say(**{"is": "ready", "import_s": time.perf_counter() - start, "versions": versions})
    built = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "stop":
                close = getattr(built, "close", None)
                if close is not None:
                    close()
                say(**{"is": "stopped"})
                return
            if asked["do"] == "build":
                if asked["case"] not in builders:
                    raise Cannot("no such model here")
                begin, built = time.perf_counter(), None
                built = builders[asked["case"]](asked)
                whole = time.perf_counter() - begin
                compile_s = getattr(built, "compile_s", 0.0)
                say(**{"is": "built", "setup_s": whole - compile_s, "compile_s": compile_s,
                       "about": getattr(built, "about", {})})  # fmt: skip
            elif asked["do"] == "run":
                say(**dict(built.run(asked.get("seed", 0)), **{"is": "ran"}))
            elif asked["do"] == "dump":
                built.dump(asked["path"])
                say(**{"is": "dumped"})
            else:
                raise ValueError("unknown request {!r}".format(asked["do"]))
        except Cannot as error:
            say(**{"is": "cannot", "why": str(error)})
        except Exception as error:
            traceback.print_exc()
            say(**{"is": "error", "why": f"{type(error).__name__}: {error}"})


def timed(function, *args, **options):
    """(seconds, result)."""
    start = time.perf_counter()
    result = function(*args, **options)
    return time.perf_counter() - start, result
