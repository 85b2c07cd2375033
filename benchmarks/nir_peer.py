"""Runs NIR files in one framework, through its own importer. Executed by ``nir_frameworks``.

``nir_peer.py FRAMEWORK JOBS OUT``: JOBS is a JSON list of ``{"id", "file", "input"}`` (an .npy of
shape (steps, ...)); OUT becomes a JSON object, id -> ``{"output": [...]}`` or
``{"error": type, "text": first line, "stage": "read" | "import" | "run"}``. Needs no neurohw: the
environments of the frameworks do not have it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FRAMEWORKS", "one", "versions"]

LIMIT = 2.0  # seconds of processor time for a case; the longest that ends takes a few tenths

NEEDS = {
    "snntorch": "snntorch",
    "norse": "norse",
    "sinabs": "sinabs",
    "spikingjelly": "spikingjelly",
    "rockpool": "rockpool",
    "spyx": "spyx",
    "nirtorch": "nirtorch",
    "nir": "nir",
    "nir-1.0.4": "nir",
}

NO_TORCH = {"nir": (), "nir-1.0.4": (), "spyx": ("jax", "jaxlib", "flax")}
"""What runs without torch, and what it needs in its place."""


def _snntorch(graph: Any) -> Callable[[Any], list[Any]]:
    from snntorch.import_nir import import_from_nir

    return _stepped(import_from_nir(graph))


def _norse(graph: Any) -> Callable[[Any], list[Any]]:
    from norse.torch.utils.import_nir import from_nir

    return _stepped(from_nir(graph))


def _spikingjelly(graph: Any) -> Callable[[Any], list[Any]]:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return _stepped(import_from_nir(graph, step_mode="s"))


def _nirtorch(graph: Any) -> Callable[[Any], list[Any]]:
    import nirtorch

    return _stepped(nirtorch.nir_to_torch(graph, {}))


def _sinabs(graph: Any) -> Callable[[Any], list[Any]]:
    """Its layers take (batch * time, ...) and keep the time themselves."""
    from sinabs.nir import from_nir

    net = from_nir(graph, batch_size=1)
    return lambda x: list(_first(net(x)))


def _rockpool(graph: Any) -> Callable[[Any], list[Any]]:
    """Its modules take (batch, time, ...)."""
    from rockpool.nn.modules.torch.nir import from_nir

    net = from_nir(graph)
    return lambda x: list(_first(net(x[None]))[0])


def _spyx(graph: Any) -> Callable[[Any], list[Any]]:
    """Its importer runs what it imports, on (time, batch, ...); of three axes, channels last."""
    from spyx.nir import from_nir

    def run(x: Any) -> list[Any]:
        x = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
        out = np.asarray(from_nir(graph, x[:, None])[1])[:, 0]
        return list(out.transpose(0, 3, 1, 2) if out.ndim == 4 else out)

    return run


FRAMEWORKS: dict[str, Callable[[Any], Callable[[Any], list[Any]]]] = {
    "snntorch": _snntorch,
    "norse": _norse,
    "spikingjelly": _spikingjelly,
    "nirtorch": _nirtorch,
    "sinabs": _sinabs,
    "rockpool": _rockpool,
    "spyx": _spyx,
}


def _first(out: Any) -> Any:
    """The spikes, where a neuron at the end gives its state too."""
    return out[0] if isinstance(out, tuple) else out


def _stepped(net: Any) -> Callable[[Any], list[Any]]:
    """A module that takes (batch, ...) and its state, once for each step."""

    def run(x: Any) -> list[Any]:
        state, out = None, []
        for now in x:
            given, state = net(now[None], state)
            out.append(_first(given)[0])
        return out

    return run


class Hangs(Exception):
    """Came to no end."""


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise :class:`Hangs` after so much time of the processor."""

    def over(*_: Any) -> None:
        raise Hangs(f"no end after {seconds:g} s of processor time")

    old = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def one(framework: str, path: str, x: np.ndarray) -> dict[str, Any]:
    """Read a file, import it and run it on an input of shape (steps, ...)."""
    import nir

    if framework not in NO_TORCH:
        import torch
    stage = "read"
    noise = io.StringIO()
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise), _limit(LIMIT):
            graph = nir.read(path)
            if NEEDS[framework] == "nir":
                return {"output": None}
            stage = "import"
            net = FRAMEWORKS[framework](graph)
            stage = "run"
            if framework in NO_TORCH:
                out = net(x.astype(np.float32))
            else:
                with torch.no_grad():
                    out = [o.detach().numpy() for o in net(torch.as_tensor(x).float())]
        return {"output": [o.astype(float).tolist() for o in out]}
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        return {"error": type(error).__name__, "text": text[:200], "stage": stage}


def versions(framework: str) -> dict[str, str]:
    """Of the framework and of what reads the files for it."""
    beside = NO_TORCH.get(framework) or ("nirtorch", "torch")
    names = dict.fromkeys((NEEDS[framework], "nir", *beside))
    return {name: importlib.metadata.version(name) for name in names}


def main() -> None:
    """Run all jobs."""
    warnings.simplefilter("ignore")
    logging.disable()
    framework, jobs, out = sys.argv[1:]
    if framework not in NO_TORCH:
        import torch

        torch.set_num_threads(1)
    if NEEDS[framework] != "nir":
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            FRAMEWORKS[framework](None)  # imports the library, outside the limit of a case
    found = {}
    for job in json.loads(Path(jobs).read_text()):
        began = time.process_time()
        found[job["id"]] = one(framework, job["file"], np.load(job["input"]))
        if (took := time.process_time() - began) > 0.5:
            print(f"{framework} {job['id']}: {took:.1f} s", file=sys.stderr, flush=True)
    Path(out).write_text(json.dumps({"versions": versions(framework), "outcomes": found}))


if __name__ == "__main__":
    main()
