"""Networks as TOML files: read with the line of every mistake, and write.

::

    [network]       name
    [[driver]]      name, kind = regular | poisson | spike_times | spike_array |
                    pooled_poisson | analog_input, and its fields
    [[population]]  name, model = lif | if | hodgkin_huxley | adex |
                    izhikevich | relay, its fields, noise = [{kind, sigma, convention}],
                    mismatch = [{parameter, cv, distribution}],
                    currents = [{kind = step | ramp | sine | piecewise, and its fields}]
    [[spike_driver]] name, source, delay
    [[synapse]]     source, target, kind = delta | exponential | conductance | graded | event,
                    weight, tau, E_rev, receptor, name, delay, delay_steps, connectivity
    [[probe]]       population, variables, every, when, reduce
    [run]           dt, duration or steps, trials, seed, backends, targets

Fields are the keyword arguments of the classes. A quantity is a string with its unit, or a bare SI
number. A weight or delay may also be a list of rows [target][source], ``{file = "w.npy", unit =
"pA"}`` relative to the TOML file, or ``{rows, columns, values, shape}``; a weight also ``{kernel,
input_shape, stride, padding, dilation, groups}``; the default events of a spike array are ``{steps,
indices}``; the rate of Poisson trains may be a table as in currents, unless ``sampling =
"interval"``.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from neurohw.errors import FormatError
from neurohw.network.common import Ask, Origin, nearest
from neurohw.network.convolution import Conv2D, conv2d
from neurohw.network.drivers import Poisson, Regular, SpikeArray, SpikeTimes
from neurohw.network.graded import AnalogInput, PooledPoisson
from neurohw.network.lines import KeyPath, key_lines
from neurohw.network.network import Network
from neurohw.network.neurons import MODELS
from neurohw.network.noise import AdditiveNoise, Mismatch, MultiplicativeNoise
from neurohw.network.runspec import RunSpec
from neurohw.network.synapses import Conductance, Delta, Event, Exponential, Graded
from neurohw.network.units import Scaled, Shown
from neurohw.network.waveforms import WAVEFORMS
from neurohw.network.writer import dumps

__all__ = ["RunSpec", "dumps", "load", "loads"]

_Table: TypeAlias = dict[str, Any]
_Kinds: TypeAlias = Mapping[str, type]
DRIVERS: _Kinds = {
    "regular": Regular,
    "poisson": Poisson,
    "spike_times": SpikeTimes,
    "spike_array": SpikeArray,
    "pooled_poisson": PooledPoisson,
    "analog_input": AnalogInput,
}
NOISES: _Kinds = {"additive": AdditiveNoise, "multiplicative": MultiplicativeNoise}
SYNAPSES: _Kinds = {
    "delta": Delta,
    "exponential": Exponential,
    "conductance": Conductance,
    "graded": Graded,
    "event": Event,
}
_WIRING = ("delay", "delay_steps", "connectivity", "name")
_TABLES = ("network", "run")
_ARRAYS = ("driver", "population", "spike_driver", "synapse", "probe")


def load(path: str | Path) -> tuple[Network, RunSpec]:
    """Read a network and how to run it from a TOML file.

    Parameters
    ----------
    path : str or Path
        The file; paths in it are relative to its folder.

    Returns
    -------
    (Network, RunSpec)
        Equal to the same network built in Python.

    Raises
    ------
    FormatError
        The file cannot be read, or is not TOML.
    NetworkError, UnitError
        The network is wrong; the error begins with ``path:line``.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise FormatError(f"cannot read the file: {what}", origin=str(path)) from error
    return loads(text, str(path), base=path.parent)


def loads(
    text: str, origin: str = "<toml>", *, base: Path | None = None
) -> tuple[Network, RunSpec]:
    """Read a network and how to run it from TOML text.

    Parameters
    ----------
    text : str
        The TOML text.
    origin : str
        Its name in errors.
    base : Path, optional
        Folder to which files named in the text are relative; without it there may be none.

    Returns
    -------
    (Network, RunSpec)
        Equal to the same network built in Python.

    Raises
    ------
    FormatError
        The text is not TOML.
    NetworkError, UnitError
        The network is wrong; the error begins with ``origin:line``.
    """
    try:
        data = tomllib.loads(text)
        lines = _lines(text)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, ValueError) else "nested too deeply"
        found = re.search(r" \(at line (\d+), column \d+\)", what)
        end = text.rstrip().count("\n") + 1 if "at end of document" in what else 1
        line = int(found[1]) if found else end
        what = what.replace(found[0] if found else "", "").replace(" (at end of document)", "")
        raise FormatError(f"not TOML: {what}", origin=f"{origin}:{line}") from None
    return _Reader(origin, lines, base).read(data)


def _lines(text: str) -> dict[KeyPath, int]:
    """Lines of valid TOML; where the scanner loses its way, a worse message beats no network."""
    try:
        return key_lines(text.replace("\r\n", "\n"))
    except ValueError:
        return {}


class _Reader:
    """Walks the tables of one text and builds the parts, each with its lines."""

    def __init__(self, origin: str, lines: dict[KeyPath, int], base: Path | None) -> None:
        self.file, self.lines, self.base = origin, lines, base

    def read(self, data: _Table) -> tuple[Network, RunSpec]:
        self._known(self._origin((), "", data), data, (*_TABLES, *_ARRAYS), "table")
        for key, value in data.items():
            listed = key in _ARRAYS
            good = isinstance(value, list if listed else dict)
            if not good or (listed and not all(isinstance(item, dict) for item in value)):
                header = f"[[{key}]]" if listed else f"[{key}]"
                ask = Ask("", self._origin((), "", data))
                ask.error(key, "not a table of this kind", fix=f"write {header}")
        table = data.get("network", {})
        place = self._origin(("network",), "network", table)
        self._known(place, table, ("name",))
        network = Network(**table, origin=place)
        for key in _ARRAYS:
            for index, table in enumerate(data.get(key, [])):
                path = (key, index)
                name = table.get("name")
                owner = name if isinstance(name, str) and name else f"{key}[{index}]"
                getattr(self, f"_{key}")(network, path, table, self._origin(path, owner, table))
        network.check()
        run = data.get("run", {})
        place = self._origin(("run",), "run", run)
        return network, self._make(RunSpec, run, place)

    def _origin(self, path: KeyPath, owner: str, table: Iterable[str]) -> Origin:
        keys = {key: self._place((*path, key)) for key in table if (*path, key) in self.lines}
        return Origin(self._place(path), keys, owner)

    def _place(self, path: KeyPath) -> str:
        return f"{self.file}:{self.lines.get(path, 1)}"

    def _known(
        self, place: Origin, table: _Table, allowed: Iterable[str], what: str = "key"
    ) -> None:  # fmt: skip
        allowed = list(allowed)
        for key in table:
            if key not in allowed:
                hint = nearest(key, allowed)
                words = "" if hint else " | ".join(allowed)
                Ask(place.owner, place).error(key, f"unknown {what}", allowed=words, fix=hint)

    def _need(self, place: Origin, table: _Table, keys: Iterable[str]) -> None:
        for key in keys:
            if key not in table:
                Ask(place.owner, place).error(key, "missing key")

    def _make(
        self, kind: Callable[..., Any], table: _Table, place: Origin, extra: Iterable[str] = ()
    ) -> Any:
        """Build one object; keys of the table are arguments of its class, or `extra`."""
        signature = inspect.signature(kind).parameters
        fields = {key: p.default is p.empty for key, p in signature.items() if key != "origin"}
        self._known(place, table, (*fields, *extra))
        self._need(place, table, [key for key, needed in fields.items() if needed])
        return kind(**{k: v for k, v in table.items() if k in fields}, origin=place)

    def _kind(self, place: Origin, table: _Table, key: str, kinds: _Kinds) -> type:
        self._need(place, table, (key,))
        return kinds[Ask(place.owner, place).choice(key, table[key], kinds)]

    def _one_of(self, kinds: _Kinds, table: _Table, place: Origin) -> Any:
        """Build the object whose class the table names by its `kind`."""
        return self._make(self._kind(place, table, "kind", kinds), table, place, ("kind",))

    def _driver(self, network: Network, path: KeyPath, table: _Table, place: Origin) -> None:
        self._need(place, table, ("name",))
        kind = self._kind(place, table, "kind", DRIVERS)
        table = dict(table)
        events = table.get("events")
        if kind is SpikeArray and isinstance(events, dict):
            names = ("steps", "indices")
            inner = self._origin((*path, "events"), f"{place.owner}.events", events)
            self._known(inner, events, names)
            self._need(inner, events, names)
            table["events"] = (events["steps"], events["indices"])
        if kind in (Poisson, PooledPoisson) and isinstance(rate := table.get("rate"), dict):
            inner = self._origin((*path, "rate"), f"{place.owner}.rate", rate)
            table["rate"] = self._one_of(WAVEFORMS, rate, inner)
        model = self._make(kind, table, place, ("name", "kind"))
        network.driver(table["name"], model, origin=place)

    def _population(self, network: Network, path: KeyPath, table: _Table, place: Origin) -> None:
        self._need(place, table, ("name",))
        kind = self._kind(place, table, "model", MODELS)
        parts: dict[str, list[Any]] = {"noise": [], "mismatch": [], "currents": []}
        model = self._make(kind, table, place, ("name", "model", *parts))
        for key, found in parts.items():
            items = table.get(key, [])
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                Ask(place.owner, place).error(key, "must be a list of tables", fix="[{...}]")
            for index, item in enumerate(items):
                inner = self._origin((*path, key, index), f"{place.owner}.{key}[{index}]", item)
                if key == "mismatch":
                    found.append(self._make(Mismatch, item, inner))
                else:
                    kinds = NOISES if key == "noise" else WAVEFORMS
                    found.append(self._one_of(kinds, item, inner))
        network.population(table["name"], model, **parts, origin=place)

    def _spike_driver(self, network: Network, _: KeyPath, table: _Table, place: Origin) -> None:
        self._known(place, table, ("name", "source", "delay"))
        self._need(place, table, ("name", "source"))
        network.spike_driver(**table, origin=place)

    def _synapse(self, network: Network, path: KeyPath, table: _Table, place: Origin) -> None:
        kind = self._kind(place, table, "kind", SYNAPSES)
        table = {**table}
        for key in ("weight", "delay", "delay_steps"):
            if isinstance(table.get(key), dict) and "file" in table[key]:
                table[key] = self._file((*path, key), f"{place.owner}.{key}", table[key])
        if isinstance(weight := table.get("weight"), dict) and "kernel" in weight:
            table["weight"] = self._conv((*path, "weight"), f"{place.owner}.weight", weight)
        ends = ("source", "target")
        self._need(place, table, ends)
        synapse = self._make(kind, table, place, (*ends, "kind", *_WIRING))
        wiring = {key: table[key] for key in _WIRING if key in table}
        network.connect(table["source"], table["target"], synapse, **wiring, origin=place)

    def _conv(self, path: KeyPath, owner: str, table: _Table) -> Conv2D:
        place = self._origin(path, owner, table)
        if isinstance(table["kernel"], dict):
            kernel = self._file((*path, "kernel"), f"{owner}.kernel", table["kernel"])
            table = {**table, "kernel": kernel}
        return self._make(conv2d, table, place)

    def _file(self, path: KeyPath, owner: str, table: _Table) -> Any:
        place = self._origin(path, owner, table)
        self._known(place, table, ("file", "unit"))
        ask, name = Ask(owner, place), table["file"]
        if not isinstance(name, str) or not name.endswith(".npy"):
            ask.error("file", "not a NumPy file", got=name, allowed="the path of a .npy file")
        if self.base is None:
            ask.error("file", "a text without a folder cannot name files", got=name, fix="use load")
        try:
            array = np.load(self.base / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            what = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
            ask.error("file", what, got=name, allowed="a .npy file of numbers", kind=FormatError)
        if array.dtype.kind not in "iuf":
            ask.error("file", "not numbers", got=Shown(str(array.dtype)), kind=FormatError)
        array = np.array(array)
        return Scaled(array, table["unit"]) if "unit" in table else array

    def _probe(self, network: Network, _: KeyPath, table: _Table, place: Origin) -> None:
        names = ("population", "variables", "every", "when", "reduce")
        self._known(place, table, names)
        self._need(place, table, names[:2])
        table = dict(table)
        variables = table.pop("variables")
        variables = [variables] if isinstance(variables, str) else variables
        if not isinstance(variables, list):
            Ask(place.owner, place).error("variables", "must be a list of names")
        network.probe(table.pop("population"), *variables, **table, origin=place)
