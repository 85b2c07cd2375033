"""The text of a program, one line per thing: ``parse(print_program(p)) == p``.

The same text is the saved file. Values are JSON, types are as in ``types``, arrays are a type, a
shape and either the values (up to 32 of them) or base64 of their zlib-compressed bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurohw.errors import FormatError, ProgramError
from neurohw.program.program import (
    IR_VERSION,
    Conv,
    Dense,
    Edge,
    External,
    Node,
    OneToOne,
    Param,
    Population,
    Port,
    Probe,
    Program,
    Sparse,
    State,
    Watch,
    Weights,
    freeze,
)
from neurohw.program.types import DType, Int, parse_dtype

__all__ = ["load_program", "parse", "print_program", "save_program"]

_HEAD = "neurohw-program"
_INLINE = 32
_BLOCK = 1 << 20  # numbers packed together
_MAX_BYTES = 1 << 33
_I64 = Int(64)
_CONV = ("dilation", "groups", "input_shape", "padding", "stride")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


# printing ----------------------------------------------------------------------------------------


def _array(data: np.ndarray, dtype: DType, elide: bool | str) -> str:
    head = f"{dtype}[{','.join(map(str, data.shape))}]"
    if data.size <= _INLINE:
        return f"{head} {_json(data.tolist())}"
    if elide == "digest":
        digest = hashlib.sha256()
        for part in _bytes(data, dtype):
            digest.update(part)
        return f"{head} sha256 {digest.hexdigest()}"
    if elide:
        return f"{head} ..{data.min()}..{data.max()}"
    packer = zlib.compressobj(6)
    packed = b"".join([*map(packer.compress, _bytes(data, dtype)), packer.flush()])
    return f"{head} z{base64.b64encode(packed).decode()}"


def _bytes(data: np.ndarray, dtype: DType) -> Iterator[bytes]:
    """Little-endian, in storage of the type, a block at a time."""
    storage = dtype.storage.newbyteorder("<")
    rows = max(1, _BLOCK // max(1, data[:1].size))
    for first in range(0, len(data), rows):
        yield data[first : first + rows].astype(storage).tobytes()


def _weights(w: Weights, elide: bool | str) -> str:
    if isinstance(w, Conv):
        return f"conv {_json({k: getattr(w, k) for k in _CONV})} {_array(w.data, w.dtype, elide)}"
    if isinstance(w, Dense):
        return f"dense {_array(w.data, w.dtype, elide)}"
    if isinstance(w, OneToOne):
        return f"one_to_one {_array(w.data, w.dtype, elide)}"
    arrays = (
        (w.indptr, _I64),
        (w.indices, Int(32 if w.targets < 2**31 else 64)),
        (w.data, w.dtype),
    )
    return f"sparse {w.targets} | " + " | ".join(_array(a, t, elide) for a, t in arrays)


def print_program(p: Program, *, elide: bool | str = False) -> str:
    """Print ``p``; with ``elide`` large arrays show only their range (then it does not parse).

    With ``elide="digest"`` they show the SHA-256 of their bytes; see ``Program.hash``.
    """
    head = {
        "dt": p.dt,
        "latency": dict(p.latency),
        "name": p.name,
        "seed": p.seed,
        "target": p.target,
        "trials": p.trials,
    }
    lines = [f"{_HEAD} {IR_VERSION}", f"program {_json(head)}"]
    for q in p.populations:
        lines.append(f"population {q.name} {q.size}")
        lines += [f"  param {x.name} = {_array(x.data, x.dtype, elide)}" for x in q.params]
        lines += [f"  state {x.name} = {_array(x.init, x.dtype, elide)}" for x in q.states]
        lines += [f"  port {x.name} {x.dtype} {x.overflow}" for x in q.ports]
        for x in q.externals:
            events = "" if x.events is None else f" = {_array(x.events, _I64, elide)}"
            lines.append(f"  external {x.name} {x.dtype}{events}")
        for i, n in enumerate(q.nodes):
            args = "".join(f" %{a}" for a in n.args)
            attrs = f" {_json(dict(n.attrs))}" if n.attrs else ""
            name = f" ; {n.name}" if n.name else ""
            lines.append(f"  %{i} = {n.op} {n.dtype}{args}{attrs}{name}")
        lines += [f"  write {name} %{i}" for name, i in sorted(q.writes.items())]
        if q.spike is not None:
            lines.append(f"  spike %{q.spike}")
    for e in p.edges:
        route = f"{e.source} -> {e.target}.{e.port} delay {e.delay}"
        value = f" value {e.value}" if e.value else ""
        lines.append(f"edge {route}{value} {_weights(e.weights, elide)}")
    for probe in p.probes:
        lines.append("probe " + _json({k: getattr(probe, k) for k in Probe.__slots__}))
    for w in p.watches:
        lines.append("watch " + _json({k: getattr(w, k) for k in Watch.__slots__}))
    return "\n".join(lines) + "\n"


# parsing -----------------------------------------------------------------------------------------

_NAME = r"[A-Za-z_][\w.]*"
_NODE = re.compile(rf"%(\d+) = (\w+) (\w+)((?: %\d+)*)(?: (\{{.*\}}))?(?: ; ({_NAME}))?", re.ASCII)
_EDGE = re.compile(
    rf"({_NAME}) -> ({_NAME})\.(\w+) delay (\d+)(?: value ({_NAME}))?"
    r" (dense|sparse|one_to_one|conv) (.*)"
)
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\] (?:(z)([A-Za-z0-9+/=]+)|(.+))")


def _parse_array(text: str) -> tuple[np.ndarray, DType]:
    m = _ARRAY.fullmatch(text)
    if m is None:
        raise ValueError("array expected")
    dtype = parse_dtype(m[1])
    shape = tuple(int(s) for s in m[2].split(",") if s)
    size = int(np.prod(shape, dtype=object)) if shape else 1
    if size * dtype.storage.itemsize > _MAX_BYTES:
        raise ValueError("array too large")
    if m[3]:
        want = size * dtype.storage.itemsize
        raw = zlib.decompressobj().decompress(base64.b64decode(m[4], validate=True), want + 1)
        if len(raw) != want:
            raise ValueError(f"array holds {len(raw)} bytes, its shape needs {want}")
        data = np.frombuffer(raw, dtype.storage.newbyteorder("<")).reshape(shape)
    else:
        data = np.array(json.loads(m[5]))
        if size == 0 and data.size == 0:
            data = np.zeros(shape, dtype.storage)
        if data.shape != shape:
            raise ValueError(f"array has shape {data.shape}, declared {shape}")
    return freeze(data, dtype), dtype


def _parse_weights(kind: str, text: str) -> Weights:
    if kind == "conv":
        fields, _, data = text.partition("} ")
        values, dtype = _parse_array(data)
        given: dict[str, Any] = json.loads(fields + "}")
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return Conv(dtype, values, **given)
    if kind == "sparse":
        targets, indptr, indices, data = text.split(" | ")
        values, dtype = _parse_array(data)
        ptr, idx = _parse_array(indptr)[0], _parse_array(indices)[0]
        index = np.int32 if int(targets) < 2**31 else np.int64
        if idx.size and not (idx.min() >= 0 and idx.max() < int(targets)):
            raise ValueError("a target outside the population")
        idx = idx.astype(index, copy=False)
        return Sparse(dtype, ptr.astype(np.int64), idx, values, int(targets))
    values, dtype = _parse_array(text)
    return Dense(dtype, values) if kind == "dense" else OneToOne(dtype, values)


def parse(text: str, *, origin: str = "program") -> Program:
    """Read a program from its text and verify it.

    Raises
    ------
    FormatError
        Naming the line, what was found and what was expected.
    """
    from neurohw.program.verify import verify

    lines = text.splitlines()
    words = lines[0].split() if lines else []
    if len(words) != 2 or words[0] != _HEAD or not re.fullmatch("[0-9]{1,9}", words[1]):
        raise FormatError(
            "not a program file",
            origin=f"{origin}:1",
            got=lines[0] if lines else "",
            allowed=f"{_HEAD} {IR_VERSION}",
        )
    if int(words[1]) > IR_VERSION:
        raise FormatError(
            "program file is of a newer version",
            origin=f"{origin}:1",
            got=words[1],
            allowed=f"up to {IR_VERSION}",
            fix="upgrade neurohw",
        )
    head: dict[str, Any] = {}
    pops: list[dict[str, Any]] = []
    edges: list[Edge] = []
    probes: list[Probe] = []
    watches: list[Watch] = []
    number = 1
    try:
        for number, line in enumerate(lines[1:], 2):  # noqa: B007 - errors name the line
            word, _, rest = line.strip().partition(" ")
            if line.startswith("  "):
                _parse_member(pops[-1], word, rest, line.strip())
            elif word == "program":
                head = json.loads(rest)
            elif word == "population":
                name, size = rest.split()
                pops.append(
                    {
                        "name": name,
                        "size": int(size),
                        "params": [],
                        "states": [],
                        "ports": [],
                        "externals": [],
                        "nodes": [],
                        "writes": {},
                        "spike": None,
                    }
                )
            elif word == "edge":
                m = _EDGE.fullmatch(rest)
                if m is None:
                    raise ValueError("edge expected")
                weights = _parse_weights(m[6], m[7])
                edges.append(Edge(m[1], m[2], m[3], weights, int(m[4]), m[5] or ""))
            elif word == "probe":
                probes.append(Probe(**json.loads(rest)))
            elif word == "watch":
                watches.append(Watch(**json.loads(rest)))
            else:
                raise ValueError("unknown keyword")
        for q in pops:
            for key in ("params", "states", "ports", "externals", "nodes"):
                q[key] = tuple(q[key])
        program = Program(
            populations=tuple(Population(**q) for q in pops),
            edges=tuple(edges),
            probes=tuple(probes),
            watches=tuple(watches),
            **head,
        )
        verify(program)
    except ProgramError as error:
        raise FormatError(str(error), origin=origin) from error
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        zlib.error,
        RecursionError,
        OverflowError,
        AttributeError,
        MemoryError,
    ) as error:
        raise FormatError(
            f"cannot read this line ({error})",
            origin=f"{origin}:{number}",
            got=lines[number - 1].strip() if number <= len(lines) else "",
            allowed="see docs/program.md, text form",
        ) from error
    return program


def _parse_member(q: dict[str, Any], word: str, rest: str, line: str) -> None:
    if word.startswith("%"):
        m = _NODE.fullmatch(line)
        if m is None or int(m[1]) != len(q["nodes"]):
            raise ValueError(f"node %{len(q['nodes'])} expected")
        args = tuple(int(a[1:]) for a in m[4].split())
        attrs = json.loads(m[5]) if m[5] else {}
        q["nodes"].append(Node(m[2], parse_dtype(m[3]), args, attrs, m[6] or ""))
    elif word in ("param", "state"):
        name, _, value = rest.partition(" = ")
        data, dtype = _parse_array(value)
        (q["params"] if word == "param" else q["states"]).append(
            (Param if word == "param" else State)(name, dtype, data)
        )
    elif word == "port":
        name, dtype_text, overflow = rest.split()
        q["ports"].append(Port(name, parse_dtype(dtype_text), overflow))
    elif word == "external":
        left, _, value = rest.partition(" = ")
        name, dtype_text = left.split()
        events = _parse_array(value)[0].astype(np.int64) if value else None
        q["externals"].append(External(name, parse_dtype(dtype_text), events))
    elif word == "write":
        name, index = rest.split(" %")
        q["writes"][name] = int(index)
    elif word == "spike":
        q["spike"] = int(rest[1:])
    else:
        raise ValueError("unknown keyword")


# files -------------------------------------------------------------------------------------------


def save_program(program: Program, path: str | os.PathLike[str]) -> None:
    """Write the text to ``path``; a reader never sees half a file."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(program.text)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_program(path: str | os.PathLike[str]) -> Program:
    """Read and verify a program file.

    Raises
    ------
    FormatError
        If the file is missing, is not text, is newer than this version, or is malformed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(
            "cannot read the program file",
            origin=str(path),
            got=str(error),
            allowed="a UTF-8 file written by neurohw",
        ) from error
    return parse(text, origin=str(path))
