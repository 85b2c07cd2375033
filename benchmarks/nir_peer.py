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
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FRAMEWORKS", "one", "versions"]

NEEDS = {
    "snntorch": "snntorch",
    "norse": "norse",
    "sinabs": "sinabs",
    "spikingjelly": "spikingjelly",
    "rockpool": "rockpool",
    "nirtorch": "nirtorch",
    "nir": "nir",
}


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


FRAMEWORKS: dict[str, Callable[[Any], Callable[[Any], list[Any]]]] = {
    "snntorch": _snntorch,
    "norse": _norse,
    "spikingjelly": _spikingjelly,
    "nirtorch": _nirtorch,
    "sinabs": _sinabs,
    "rockpool": _rockpool,
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


def one(framework: str, path: str, x: np.ndarray) -> dict[str, Any]:
    """Read a file, import it and run it on an input of shape (steps, ...)."""
    import nir

    stage = "read"
    noise = io.StringIO()
    try:
        with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
            graph = nir.read(path)
            if framework == "nir":
                return {"output": None}
            import torch

            stage = "import"
            net = FRAMEWORKS[framework](graph)
            stage = "run"
            with torch.no_grad():
                out = net(torch.as_tensor(x, dtype=torch.float32))
        shown = [o.detach().numpy().astype(float).tolist() for o in out]
        return {"output": shown}
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        return {"error": type(error).__name__, "text": text[:200], "stage": stage}


def versions(framework: str) -> dict[str, str]:
    """Of the framework and of what reads the files for it."""
    names = dict.fromkeys((NEEDS[framework], "nir", "nirtorch", "torch"))
    return {name: importlib.metadata.version(name) for name in names}


def main() -> None:
    """Run all jobs."""
    warnings.simplefilter("ignore")
    logging.disable()
    framework, jobs, out = sys.argv[1:]
    found = {}
    for job in json.loads(Path(jobs).read_text()):
        found[job["id"]] = one(framework, job["file"], np.load(job["input"]))
    Path(out).write_text(json.dumps({"versions": versions(framework), "outcomes": found}))


if __name__ == "__main__":
    main()
