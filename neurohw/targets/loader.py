"""Read a target record from its TOML file, checking every field."""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from neurohw.errors import TargetError

from .record import Target

__all__ = ["load_target", "target_names"]


def _read(cls: type, table: Mapping[str, Any], where: str, origin: str) -> Any:
    """Build dataclass ``cls`` from a TOML table, checking every field."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            raise TargetError(
                "unknown field",
                origin=origin,
                where=where,
                got=key,
                allowed=", ".join(hints),
                fix=f"did you mean {near[0]}?" if near else "",
            )
    values: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name not in table:
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise TargetError("missing field", origin=origin, where=f"{where}.{f.name}")
            continue
        values[f.name] = _value(hints[f.name], table[f.name], f"{where}.{f.name}", origin)
    return cls(**values)


def _value(hint: Any, value: Any, where: str, origin: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TargetError("table expected", origin=origin, where=where, got=value)
        return _read(hint, value, where, origin)  # type: ignore[arg-type]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise TargetError(
                "unknown rule",
                origin=origin,
                where=where,
                got=value,
                allowed=", ".join(map(str, get_args(hint))),
            )
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise TargetError("list of strings expected", origin=origin, where=where, got=value)
        return tuple(value)
    plain = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if float in plain and type(value) is int:
        value = float(value)
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
        raise TargetError(
            "wrong type",
            origin=origin,
            where=where,
            got=value,
            allowed=" or ".join(p.__name__ for p in plain),
        )
    return value


def target_names() -> list[str]:
    """Names of the built-in records."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in files("neurohw.targets").iterdir()
        if p.name.endswith(".toml")
    )


@lru_cache(maxsize=64)
def load_target(name: str | os.PathLike[str]) -> Target:
    """A built-in record by name, or one's own by the path of its ``.toml`` file.

    Raises
    ------
    TargetError
        For an unknown name, or a record that breaks a rule, naming the field.
    """
    table, origin = _table(str(name), ())
    return _read(Target, table, "target", origin)


def _table(name: str, heirs: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """(the record's tables, laid over those of its base; the file they are from)."""
    if name.endswith(".toml"):
        path, origin = Path(name), name
    else:
        if name not in target_names():
            near = difflib.get_close_matches(name, target_names(), n=1)
            raise TargetError(
                "unknown target",
                origin=heirs[-1] if heirs else "",
                where="target.base" if heirs else "",
                got=name,
                allowed=", ".join(target_names()),
                fix=f"did you mean {near[0]}?" if near else "",
            )
        path = Path(str(files("neurohw.targets") / f"{name}.toml"))
        origin = path.name
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError("cannot read the record", origin=origin, got=str(error)) from error
    base = table.pop("base", None)
    if base is None:
        return table, origin
    if not isinstance(base, str) or origin in heirs:
        raise TargetError(
            "a record's base is another record",
            origin=origin,
            where="target.base",
            got=base,
            allowed="the name of a target, or the path of a record, without a circle",
        )
    if base.endswith(".toml"):
        base = str(path.parent / base)
    below, _ = _table(base, (*heirs, origin))
    for key, value in table.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = {**old, **value}
        below[key] = value
    for key in ("name", "title", "fidelity"):
        if key not in table:
            raise TargetError("missing field", origin=origin, where=f"target.{key}")
    return below, origin
