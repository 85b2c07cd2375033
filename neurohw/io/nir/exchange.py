"""From a recording to NIRData, and from NIRData to the inputs of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.data import NO_EVENT, EventData, GraphData, GridData, NodeData, Observable
from neurohw.io.nir.schema import MAX_COUNT
from neurohw.network.units import Shown, format_si, to_si
from neurohw.recording import Recording

__all__ = ["data_of_recording", "inputs_of_data"]

_NEAR = 1e-6  # of a step: a time this close to the beginning of a step is meant to be it


# out ---------------------------------------------------------------------------------------------


def data_of_recording(
    recording: Recording,
    *,
    names: Mapping[str, str] | Iterable[str] | None = None,
    form: Literal["events", "grid"] = "events",
    traces: bool = True,
) -> GraphData:
    """Spikes and traces of a recording as NIRData; one sample per trial.

    Parameters
    ----------
    recording : Recording
        Steps count from its first one.
    names : mapping or names, optional
        Population -> name of the node it is in the graph (``outer/inner`` inside an inner graph),
        or the populations to take. Default: all that were recorded, by their own names.
    form : {"events", "grid"}
        How spikes are given: as (neuron, time), or as a bool per step.
    traces : bool
        Whether to add the traces of these populations, in SI units, as observables of the name of
        the variable. Sample k is that of step ``offset + k every`` of the probe; NIRData has no
        place for the offset.

    Returns
    -------
    GraphData
        The observable of spikes is called ``"spikes"``. A spike of step k has the time ``k dt``,
        or the next larger float where ``floor(time / dt)`` would be ``k - 1``: so nir's own
        conversion to a grid puts every spike where it belongs.

    Raises
    ------
    ProgramError
        If nothing of that name was recorded.
    """
    if names is None:
        known = [*recording.populations, *(p for p, _ in recording.variables)]
        names = dict.fromkeys(known, "") if traces else dict.fromkeys(recording.populations, "")
    if not isinstance(names, Mapping):
        names = dict.fromkeys(names, "")
    tree: dict[str, Any] = {}
    for population, path in names.items():
        observables: dict[str, Observable] = {}
        variables = [v for p, v in recording.variables if p == population and traces]
        if population in recording.populations or not variables:
            observables["spikes"] = _spikes(recording, population, form)
        for variable in variables:
            trace = recording.trace(population, variable)
            every = next(
                p.every
                for p in recording.declared
                if (p.population, p.value, p.reduce) == (population, variable, "")
            )
            data = trace.values.transpose(1, 0, 2)
            observables[variable] = GridData(data, every * recording.dt)
        *outer, last = (path or population).split("/")
        place = tree
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = NodeData(observables)
    return _grown(tree)


def _grown(tree: Mapping[str, Any]) -> GraphData:
    return GraphData({k: _grown(v) if isinstance(v, dict) else v for k, v in tree.items()})


def _spikes(recording: Recording, population: str, form: str) -> Observable:
    events, probes = recording.spikes(population), recording.probes
    size, dt = recording.sizes[population], recording.dt
    if form == "grid":
        dense = events.dense(probes.trials, probes.t0, probes.steps, size)
        return GridData(dense.transpose(1, 0, 2), dt)
    if form != "events":
        raise FormatError("unknown form", where="form", got=form, allowed="events or grid")
    row = np.searchsorted(probes.trials, events.trial)
    starts = np.searchsorted(row, np.arange(len(probes.trials) + 1))
    column = np.arange(len(events)) - starts[row]
    shape = (len(probes.trials), int(np.diff(starts).max(initial=0)))
    idx, time = np.full(shape, NO_EVENT, np.int64), np.full(shape, np.inf)
    idx[row, column] = events.element
    time[row, column] = _time_of(events.step - probes.t0, dt)
    return EventData(idx, time, size, float(_time_of(np.array(probes.steps), dt)))


def _time_of(steps: np.ndarray, dt: float) -> np.ndarray:
    """``steps dt``, raised by as little as makes ``floor(time / dt)`` the step again."""
    time = steps * dt
    while (low := np.floor(time / dt) < steps).any():
        time = np.where(low, np.nextafter(time, np.inf), time)
    return time


# in ----------------------------------------------------------------------------------------------


def inputs_of_data(
    data: GraphData,
    *,
    dt: Any,
    steps: int | None = None,
    names: Mapping[str, str] | None = None,
    observable: str = "spikes",
) -> dict[str, np.ndarray]:
    """NIRData as the inputs of :func:`neurohw.run`.

    Parameters
    ----------
    data : GraphData
        Samples become trials.
    dt : Quantity
        Step of the run, a number in s or ``"0.1 ms"``. Data on a grid must have the same.
    steps : int, optional
        Steps of the run: what is later is left out, what is missing is silent. Default: as many as
        the data have.
    names : mapping, optional
        Path of a node in the data -> driver. Default: every outer node that has the observable,
        by its own name.
    observable : str
        Which one to take.

    Returns
    -------
    dict
        Driver -> ``[steps, size]``, or ``[steps, samples, size]`` where there are several samples.
        Events, data of bool, and ``"spikes"`` are bool, for a ``SpikeArray``; other data and
        events with values are float64, for an ``AnalogInput``.

    Raises
    ------
    FormatError
        If a node or observable is missing, steps differ, spikes are not 0 or 1, an event comes
        after the end, or two events of a neuron fall into one step.
    """
    step = to_si(dt, "s", where="dt")
    if isinstance(step, np.ndarray) or not step > 0:
        raise FormatError("not a step", where="dt", got=dt, allowed="a time greater than 0")
    if names is None:
        found = (k for k, x in data.nodes.items() if isinstance(x, NodeData))
        names = {k: k for k in found if observable in data.nodes[k].observables}  # type: ignore[union-attr]
    out: dict[str, np.ndarray] = {}
    for path, driver in names.items():
        where = f"{path}.{observable}"
        try:
            node = data[path]
        except KeyError:
            node = None
        if not isinstance(node, NodeData) or observable not in node.observables:
            known = (
                ", ".join(node.observables) if isinstance(node, NodeData) else ", ".join(data.nodes)
            )
            raise FormatError("no such data", where=where, allowed=known or "nothing")
        x = node[observable]
        grid = (
            _from_grid(x, step, where)
            if isinstance(x, GridData)
            else _from_events(x, step, steps, where)
        )
        if observable == "spikes" and grid.dtype != np.bool_:
            if not np.isin(grid, (0, 1)).all():
                raise FormatError("not spikes", where=where, allowed="0 or 1 in each step")
            grid = grid.astype(np.bool_)
        if grid.dtype != np.bool_:
            grid = grid.astype(np.float64)
        if steps is not None:
            kept = grid[:, :steps]
            grid = np.zeros((grid.shape[0], steps, grid.shape[2]), grid.dtype)
            grid[:, : kept.shape[1]] = kept
        turned = np.ascontiguousarray(grid.transpose(1, 0, 2))
        out[driver] = turned[:, 0] if turned.shape[1] == 1 else turned
    return out


def _from_grid(x: GridData, dt: float, where: str) -> np.ndarray:
    if abs(x.dt - dt) > 1e-9 * dt:
        got, allowed = Shown(format_si(x.dt, "s")), format_si(dt, "s")
        raise FormatError("another step than the run", where=where, got=got, allowed=allowed)
    return x.data


def _from_events(x: EventData, dt: float, steps: int | None, where: str) -> np.ndarray:
    there = x.idx != NO_EVENT
    sample, neuron, time = np.nonzero(there)[0], x.idx[there], x.time[there]
    step = _step_of(time, dt)
    end = _step_of(np.array(x.t_max), dt)
    total = int(end) + (x.t_max / dt > end + _NEAR)
    shape = (x.idx.shape[0], total if steps is None else steps, x.n_neurons)
    if math.prod(shape) > MAX_COUNT:
        got, allowed = Shown(f"{shape[1]} steps of {shape[2]}"), f"{MAX_COUNT} values in all"
        raise FormatError("too much", where=where, got=got, allowed=allowed, fix="a larger dt")
    keep = step < shape[1]
    if steps is None and not keep.all():
        got = Shown(format_si(float(time[~keep][0]), "s"))
        allowed = f"before {format_si(x.t_max, 's')}"
        raise FormatError(
            "an event at the end", where=where, got=got, allowed=allowed, fix="give steps"
        )
    cells = np.ravel_multi_index((sample[keep], step[keep], neuron[keep]), shape)
    if np.unique(cells).size < cells.size:
        got = Shown(f"dt {format_si(dt, 's')}")
        what = "two events of a neuron in one step"
        raise FormatError(what, where=where, got=got, fix="take a smaller dt")
    grid = np.zeros(shape, np.bool_ if x.value is None else np.float64)
    grid.reshape(-1)[cells] = True if x.value is None else x.value[there][keep]
    return grid


def _step_of(time: np.ndarray, dt: float) -> np.ndarray:
    """The step that a time lies in; one that is next to the beginning of a step is meant to be."""
    at = time / dt
    near = np.rint(at)
    return np.where(np.abs(at - near) <= _NEAR, near, np.floor(at)).astype(np.int64)
