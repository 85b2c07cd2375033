"""What the NIR importers of other frameworks do with each field: tried, not read.

    python benchmarks/nir_frameworks.py --python .venv-peers/torch/bin/python
    python benchmarks/nir_frameworks.py --python .venv-peers/spyx/bin/python --only spyx

spyx runs on JAX, in an environment of its own (a venv of Python 3.11, and into it ``pip install
--no-deps -r benchmarks/peers/spyx.txt``), and is left out unless ``--only`` names it.

Every case of :mod:`nir_cases` is written as a file, run by the framework in its own environment
(:mod:`nir_peer`), and its output compared with :mod:`nir_model`. The outcomes are kept in
``tests/io/golden/nir_frameworks.json``, where the tests of ``neurohw nir lint`` find them:

``rejected``  it cannot be read, imported or run;
``kept``      the output is that of the graph, by some usual scheme;
``ignored``   the change does not change the output, and it should;
``changed``   the output is that of the graph with the deviations that are named.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import nir_model as model
import numpy as np
from nir_cases import Case, cases

from neurohw.io.nir import lint, read_nir, write_nir

GOLDEN = Path(__file__).parents[1] / "tests" / "io" / "golden" / "nir_frameworks.json"

READERS = {
    # what pip resolves for each: sinabs and rockpool ask for nir <= 1.0.4, which nirtorch 2.6 and
    # later does not take
    "snntorch": ("nir==1.0.8", "nirtorch==2.6"),
    "norse": ("nir==1.0.8", "nirtorch==2.6"),
    "spikingjelly": ("nir==1.0.8", "nirtorch==2.6"),
    "nirtorch": ("nir==1.0.8", "nirtorch==2.6"),
    "nir": ("nir==1.0.8", "nirtorch==2.6"),
    "nir-1.0.4": ("nir==1.0.4", "nirtorch==2.0.2"),
    "sinabs": ("nir==1.0.4", "nirtorch==2.0.2"),
    "rockpool": ("nir==1.0.4", "nirtorch==2.0.2"),
    "spyx": ("nir==1.0.8",),
}

TOGETHER = [name for name in READERS if name != "spyx"]
"""What one environment can hold."""

EXPORTERS = ("snntorch", "norse", "sinabs", "spikingjelly", "rockpool", "spyx")

_LEFT = ("left out, with what follows", "left out, with what precedes")
_NEURON = ("input unscaled", "spike at the threshold", "many spikes")
CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "snntorch": ("reset to 0", "step of 0.1 ms", "reset by subtraction", "input unscaled",
                 "decay 0.9", "decay clipped", "least gain", "axes as given", "no padding",
                 "input into the recurrent layer", *_NEURON[1:]),
    "norse": ("reset to 0", "step of 1 ms", "r = 1", "v_leak into the synapse", "input unscaled",
              "no padding", "axes as given", *_LEFT, "depth first", *_NEURON[1:]),
    "spikingjelly": ("step of 0.1 ms", "no padding", *_NEURON),
    "sinabs": ("step of 1 s", "reset by subtraction", "floor at -threshold", "no padding",
               *_LEFT, "depth first", "no feedback", *_NEURON),
    "rockpool": ("step of tau / (1 + r)", "reset by subtraction", "synapse unscaled",
                 "synapse decays its input", "v_leak every step", "tau cut to an integer",
                 "v_leak = 0", "input decays with v", "depth first", "no feedback", *_NEURON),
    "spyx": ("step of 1 s", "reset by subtraction", "reset a step late", "spike a step late",
             "decay clipped", "synapse unscaled", "v_leak = 0", "padding as SAME", "no dilation",
             "all axes", "channels last", "passed over", "one path", "taken for a cell",
             "no bias in a cell", *_NEURON),
    "nirtorch": ("another bias", "no padding", "axes as given"),
    "nir": (),
    "nir-1.0.4": (),
}  # fmt: skip


def write_case(path: Path, case: Case) -> None:
    """The case's file, without the fields that it drops, and with the edges that it has."""
    write_nir(path, case.graph)

    def strip(group: Any) -> None:
        for item in group.values():
            if isinstance(item, h5py.Group):
                for field in case.drop:
                    item.pop(field, None) if field in item else None
                strip(item)

    if case.edges:
        with h5py.File(path, "a") as file:
            del file["node/edges"]
            file["node"].create_dataset("edges", data=case.edges, dtype=h5py.string_dtype())
    if case.drop:
        with h5py.File(path, "a") as file:
            strip(file["node"])


def judge(
    case: Case, found: Mapping[str, Any], base: Mapping[str, Any], framework: str,
    foretold: frozenset[str],
) -> dict[str, Any]:  # fmt: skip
    """The outcome of a case, see above.

    Parameters
    ----------
    case : Case
    found : mapping
        What the framework gave.
    base : mapping
        What it gave for the unchanged graph, and ``"judged"``, how that was judged; may be empty.
    framework : str
    foretold : frozenset of str
        Deviations that the lint foretells; tried first.
    """
    if "error" in found and "text" not in found:
        return {k: found[k] for k in ("outcome", "stage", "error")}
    if "error" in found:
        stage, text = found["stage"], f"{found['error']}: {found['text']}"
        return {"outcome": "rejected", "stage": stage, "error": text}
    if found["output"] is None:
        return {"outcome": "kept"}
    given = np.asarray(found["output"], float)
    for chosen in _tried(framework, foretold):
        if scheme := explained(case, given, chosen):
            break
    else:
        return {"outcome": "changed", "deviations": None}
    for name in sorted(chosen):  # what makes no difference here is left out
        if less := explained(case, given, chosen - {name}):
            chosen, scheme = chosen - {name}, less
    if not chosen:
        return {"outcome": "kept", "scheme": list(scheme)}
    told = {"deviations": sorted(chosen), "scheme": list(scheme)}
    return {"outcome": _word(case, given, base, chosen), **told}


def explained(case: Case, given: np.ndarray, deviations: frozenset[str]) -> model.Scheme | None:
    """The scheme by which the model with these deviations gives the output."""
    for scheme in model.schemes(case.graph):
        output = model.run(case.graph, case.x, case.dt, scheme, deviations)
        if model.same(given, output, deviations):
            return scheme
    return None


def _word(
    case: Case, given: np.ndarray, base: Mapping[str, Any], deviations: frozenset[str]
) -> str:
    """Changed, ignored, or kept where it deviates no more than the unchanged graph does."""
    before = base.get("judged", {})
    if not case.base or before.get("outcome") == "rejected" or not before:
        return "changed"
    if deviations <= frozenset(before.get("deviations") or ()):
        return "kept"
    if base.get("same input") and model.same(given, base["output"]):
        return "ignored"
    return "changed"


def _tried(framework: str, foretold: frozenset[str]) -> Iterator[frozenset[str]]:
    """What the lint says, and then, for a version that it does not know, all sets up to three."""
    yield frozenset()
    yield from model.alternatives(foretold)
    for count in (1, 2, 3):
        yield from map(frozenset, itertools.combinations(CANDIDATES[framework], count))


def judged(framework: str, every: list[Case], outcomes: Mapping[str, Any]) -> dict[str, Any]:
    """Id -> outcome, of all cases."""
    out: dict[str, Any] = {}
    by_id = {case.id: case for case in every}
    foretold = _foretold(framework, every)
    for case in every:
        base: dict[str, Any] = {}
        if case.base:
            before = by_id[case.base]
            base = {**outcomes[case.base], "judged": out[case.base]}
            base["same input"] = before.x is case.x and before.dt == case.dt
        out[case.id] = judge(case, outcomes[case.id], base, framework, foretold[case.id])
    return out


def _foretold(framework: str, every: list[Case]) -> dict[str, frozenset[str]]:
    """Id -> deviations that the lint finds in the file."""
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nir")
        for case in every:
            write_case(path, case)
            found = lint(read_nir(path), [framework])
            out[case.id] = frozenset(f.deviation for f in found if f.deviation)
    return out


def run_framework(framework: str, python: str, readers: Path, folder: Path) -> dict[str, Any]:
    """Write the cases and run them in the framework's environment: versions, id -> what it gave."""
    jobs = []
    for number, case in enumerate(cases(framework)):
        file, given = folder / f"{number}.nir", folder / f"{number}.npy"
        write_case(file, case)
        np.save(given, case.x)
        jobs.append({"id": case.id, "file": str(file), "input": str(given)})
    (folder / "jobs.json").write_text(json.dumps(jobs))
    files = [str(folder / "jobs.json"), str(folder / "out.json")]
    _peer("nir_peer.py", [framework, *files], framework, python, readers)
    return json.loads((folder / "out.json").read_text())


def _peer(script: str, arguments: list[str], framework: str, python: str, readers: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(_reader(readers, framework, python))}
    command = [python, str(Path(__file__).with_name(script)), *arguments]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _reader(folder: Path, framework: str, python: str) -> Path:
    """A folder with the nir and the nirtorch of a framework; installed where it is missing."""
    wanted = READERS[framework]
    place = folder / "+".join(wanted)
    if not place.exists():
        command = [python, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place)]
        subprocess.run([*command, *wanted], check=True)
    return place


def keep(
    path: Path, framework: str, found: Mapping[str, Any], told: Mapping[str, Any],
    exports: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Put what a framework gave and how it was judged beside what the others gave.

    Outputs are one float32 array for each framework in the .npz beside the .json, which has their
    shapes in order.
    """
    record = json.loads(path.read_text()) if path.exists() else {}
    arrays: dict[str, np.ndarray] = {}
    with contextlib.suppress(FileNotFoundError), np.load(path.with_suffix(".npz")) as old:
        arrays |= old
    flat, rows = [np.zeros(0)], {}
    for name, x in found["outcomes"].items():
        rows[name] = dict(told[name])
        if x.get("output") is not None:
            array = np.asarray(x["output"])
            rows[name]["shape"] = list(array.shape)
            flat.append(array.reshape(-1))
    record.setdefault("origin", "python benchmarks/nir_frameworks.py")
    entry = {"versions": found["versions"], "cases": rows}
    if exports is not None:
        entry["exports"] = dict(exports)
    record.setdefault("frameworks", {})[framework] = entry
    record["frameworks"] = dict(sorted(record["frameworks"].items()))
    arrays[framework] = np.concatenate(flat).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(record))
    np.savez_compressed(path.with_suffix(".npz"), allow_pickle=False, **arrays)


def _lines(record: Mapping[str, Any]) -> str:
    """JSON with a line for each case."""
    text = json.dumps(record, indent=1)
    return re.sub(r"\n {5,}|\n {4}(?=[}\]])", " ", text) + "\n"


def golden(path: Path = GOLDEN) -> dict[str, dict[str, Any]]:
    """Framework -> versions, and cases with their outputs, as :func:`keep` wrote them."""
    record = json.loads(path.read_text())["frameworks"]
    with np.load(path.with_suffix(".npz")) as arrays:
        for framework, found in record.items():
            at, flat = 0, arrays[framework]
            for x in found["cases"].values():
                x["output"] = None
                if "shape" in x:
                    size = math.prod(x["shape"])
                    x["output"] = flat[at : at + size].reshape(x["shape"])
                    at += size
    return record


def main() -> int:
    """Run, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="where the frameworks are")
    parser.add_argument("--readers", type=Path, default=Path("out/nir_readers"))
    parser.add_argument("--only", type=lambda x: x.split(","), default=TOGETHER)
    parser.add_argument("--out", type=Path, default=GOLDEN)
    parser.add_argument("--again", action="store_true", help="judge what is kept; run nothing")
    options = parser.parse_args()
    options.readers.mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for framework in options.only:
        if options.again:
            old = golden(options.out)[framework]
            found = {"versions": old["versions"], "outcomes": old["cases"]}
            told = judged(framework, list(cases(framework)), found["outcomes"])
            keep(options.out, framework, found, told, old.get("exports"))
            print(framework, dict(Counter(x["outcome"] for x in told.values())), flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = run_framework(framework, options.python, options.readers, Path(folder))
        told = judged(framework, list(cases(framework)), found["outcomes"])
        exports = None
        if framework in EXPORTERS:
            arguments = [framework, str(options.out.parent)]
            out = _peer("nir_exports.py", arguments, framework, options.python, options.readers)
            exports = json.loads(out)
        keep(options.out, framework, found, told, exports)
        counts = Counter(x["outcome"] for x in told.values())
        print(framework, found["versions"], dict(counts), exports or "", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
