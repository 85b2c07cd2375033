"""Spikes from elsewhere: which rule of a record, changed, gives them?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.compare import Entry
from neurohw.errors import ProgramError
from neurohw.network import Network
from neurohw.program import Events

from .explain import TargetLike, target_record
from .search import distance_to, needed, path_to
from .sentences import identified
from .switches import Switch, alternatives
from .variants import Setting, Variants

__all__ = ["Identified", "identify"]

Spikes = Mapping[str, Any]


@dataclass(frozen=True)
class Identified:
    """What has to be changed in a record to give spikes that came from elsewhere.

    Attributes
    ----------
    target : str
    changes : tuple of Switch
        In the order found; empty if the record gives the spikes, or no change brings it closer.
    distance, left : float
        1 - Jaccard index against the record as it is, and with the changes.
    also : tuple of Switch
        Other changes that give equally good spikes in place of one of these: the data do not tell
        them apart.
    """

    target: str
    changes: tuple[Switch, ...]
    distance: float
    left: float
    also: tuple[Switch, ...]
    runs: int

    @property
    def equal(self) -> bool:
        """Whether the changed record gives exactly the spikes."""
        return self.left == 0

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return identified(self)


def identify(
    network: Network,
    target: TargetLike,
    spikes: Spikes,
    *,
    dt: float,
    steps: int,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    backend: str = "",
    changes: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Identified:
    """Find the rules that another simulator, or a chip, obeys, from its spikes alone.

    Every single change of a rule of the record is tried, then changes on top of the best, until
    the spikes are equal or nothing brings them closer.

    Parameters
    ----------
    spikes : mapping
        Population -> bool ``[steps, size]``, one trial, in the steps in which they were emitted; or
        whole numbers, how often each neuron spiked in each step.
    dt : float
        Step in s.
    changes : int
        How many rules may be changed at most.

    Raises
    ------
    ProgramError
        A population is missing, or its array has another shape.
    """
    record = target_record(target)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count)

    counted = not any(np.asarray(x).dtype.kind == "b" for x in spikes.values())
    setting = Setting(dt=dt, steps=steps, seed=seed, inputs=inputs, backend=backend,
                      raw=True, counted=counted)  # fmt: skip
    variants = Variants(network, record, setting, tick=tick)
    start = variants.entry(())
    goal, names = _given(start, spikes, [p.name for p in network.populations], counted)
    distance = distance_to(goal, variants, names)
    whole = distance(())
    assert whole is not None
    if whole.equal:
        return Identified(record.name, (), 0.0, 0.0, (), count)
    alike = _possible(variants, alternatives(record))
    able = [s for s, *_ in alike]
    way = needed(distance, path_to(distance, able, most=changes))
    thrown = tuple(s for s, _ in way)
    left = way[-1][1].distance if way else whole.distance
    best = distance(thrown)
    also = tuple(
        s
        for k, one in enumerate(thrown)
        for first, *others in alike
        if first == one or distance((*thrown[:k], first, *thrown[k + 1 :])) == best
        for s in (first, *others)
        if s not in thrown
    )
    return Identified(record.name, thrown, whole.distance, left, also, count)


def _possible(variants: Variants, switches: list[Switch]) -> list[list[Switch]]:
    """Those that change the program by themselves; those that make the same one together."""
    plain, found = variants.program(()).hash, {}
    for s in switches:
        made = variants.hash((s,), s)
        if made is not None and made != plain:
            found.setdefault(made, []).append(s)
    return list(found.values())


def _given(
    start: Entry, spikes: Spikes, names: list[str], counted: bool
) -> tuple[Entry, list[str]]:
    """The spikes as a run of the same program, and the populations that they are of."""
    events, traces, steps = {}, {}, start.probes.steps
    for name in spikes:
        if name not in names:
            raise ProgramError("no such population", where=f"spikes[{name!r}]", got=name,
                               allowed=", ".join(names))  # fmt: skip
        data = np.asarray(spikes[name])
        size = start.program.population(name).size
        if data.shape != (steps, size):
            raise ProgramError("wrong shape", where=f"spikes[{name!r}]", got=data.shape,
                               allowed=f"[{steps}, {size}]")  # fmt: skip
        if data.size and not (np.all(data >= 0) and np.all(data == np.rint(data))):
            raise ProgramError("not spikes", where=f"spikes[{name!r}]",
                               got=data[(data < 0) | (data != np.rint(data))].flat[0],
                               allowed="bool, or whole numbers of 0 and more")  # fmt: skip
        events[name] = Events.from_dense(data.astype(bool)[:, None], start.probes.trials, 0)
        if counted:
            traces[f"{name}.count"] = data[:, None]
    kept = {k: x for k, x in start.probes.traces.items() if not k.endswith(".count")}
    probes = dataclasses.replace(
        start.probes,
        events={**start.probes.events, **events},
        traces={**kept, **traces},
    )
    return dataclasses.replace(start, target="recorded", probes=probes), list(spikes)
