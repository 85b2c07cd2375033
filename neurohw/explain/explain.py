"""Two targets, one network: the rules that part them, in order, and the share of each."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from neurohw.compare import Divergence, Entry
from neurohw.compare import compare as compare_entries
from neurohw.errors import LoweringError
from neurohw.network import Network, RunSpec
from neurohw.targets import Target, load_target

from .apart import first_unequal_count
from .search import distance_to, needed, path_to, shapley
from .sentences import explained
from .switches import NUMBERS, Switch, differences
from .variants import Apart, Setting, Variants

__all__ = ["Explanation", "Share", "explain", "target_record"]

TargetLike = Target | str | os.PathLike[str]


@dataclass(frozen=True)
class Share:
    """What one rule, or one kind of number, has to do with the difference.

    Attributes
    ----------
    switch : Switch
        What ``base`` (its ``a``) and ``goal`` (its ``b``) do.
    share : float
        Of the whole difference (1 - Jaccard index), its Shapley value over it.
    agree : int or None
        On the way: the first step that differs once this and all before it are switched; None if
        it is not on the way. The number of steps, if none differs.
    """

    switch: Switch
    share: float
    agree: int | None


@dataclass(frozen=True)
class Explanation:
    """Why two targets differ.

    Attributes
    ----------
    base, goal : str
        Names of the targets; ``base`` was turned into ``goal``, switch by switch.
    distance : float
        1 - Jaccard index of all spikes of the two; 0: they are the same.
    first : Divergence or None
        Their first difference; its ``variable`` is ``"count"`` where both spike, one more often.
    shares : tuple of Share
        The way first, in its order; then others that take a part, the largest first.
    left : float
        Distance that is left at the end of the way: the arithmetic itself, where one target
        computes in integers and the other does not.
    problems : mapping
        Rules that could not be switched by themselves, and why.
    runs : int
        Programs that were run.
    """

    base: str
    goal: str
    network: str
    steps: int
    dt: float
    distance: float
    first: Divergence | None
    shares: tuple[Share, ...]
    left: float
    problems: Mapping[str, str]
    runs: int

    @property
    def way(self) -> tuple[Share, ...]:
        """The switches that were thrown, one after the other."""
        return tuple(s for s in self.shares if s.agree is not None)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return explained(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        out = {k: getattr(self, k) for k in ("base", "goal", "network", "steps", "dt", "distance",
                                             "left", "runs")}  # fmt: skip
        shares = [
            {"rule": s.switch.path, "title": s.switch.title, "base": _plain(s.switch.a),
             "goal": _plain(s.switch.b), "share": s.share, "agree": s.agree}
            for s in self.shares
        ]  # fmt: skip
        first = None if self.first is None else asdict(self.first)
        return out | {"first": first, "shares": shares, "problems": dict(self.problems),
                      "sentence": self.sentence}  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    return list(value) if isinstance(value, tuple) else value


def target_record(target: TargetLike) -> Target:
    """The record of a target given in any form."""
    return target if isinstance(target, Target) else load_target(target)


def explain(
    network: Network,
    a: TargetLike,
    b: TargetLike,
    *,
    dt: Any = 1e-4,
    duration: Any = None,
    steps: int | None = None,
    trials: int = 1,
    seed: int = 0,
    inputs: Mapping[str, Any] | None = None,
    backend: str = "",
    progress: Callable[[int], None] | None = None,
) -> Explanation:
    """Find the rules that make two targets differ on a network.

    The network is run on both. Then one target is turned into the other, one rule of its record at
    a time, and run again; where one of the two computes in integers, the other is also given the
    integers' weights, decays, thresholds and constant currents.

    Parameters
    ----------
    a, b : Target or str
        Records, names or paths.
    backend : str, optional
        What executes all runs; default: the reference for little, native for more.
    progress : callable, optional
        Called with the number of runs begun so far.

    Other parameters are those of :func:`neurohw.run`.

    Raises
    ------
    LoweringError
        If one of the targets cannot express the network.
    """
    spec = RunSpec(dt=dt, duration=duration, steps=steps, trials=trials, seed=seed)
    setting = Setting(dt=spec.dt, steps=spec.steps, trials=spec.trials, seed=spec.seed,
                      inputs=inputs, backend=backend)  # fmt: skip
    base, goal = target_record(a), target_record(b)
    if base.fixed and not goal.fixed:
        base, goal = goal, base
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count)

    names = [p.name for p in network.populations]
    target = Variants(network, goal, setting, tick=tick)
    end, numbers = target.entry(()), target.numbers_of()
    variants = Variants(network, base, setting, tick=tick)
    variants.problems.update(_other_noise(network, base, goal))
    switches = differences(base, goal)
    if goal.fixed and not base.fixed:
        variants.numbers = numbers
        switches += [Switch(key, base.name, goal.name) for key in NUMBERS]
    start = variants.entry(())
    distance = distance_to(end, variants, names)
    whole = distance(())
    if whole is None:
        raise LoweringError("cannot be run", where=base.name)
    if whole.equal:
        return _explanation(variants, start, end, whole, (), 0.0, count)
    able = variants.effective(switches)
    way = needed(distance, path_to(distance, able))
    on_way = {s.path for s, _ in way}
    last = way[-1][1] if way else whole
    parts = shapley(distance, [s for s, _ in way], spec.seed)
    alone = {s.path: distance((s,)) for s in able if s.path not in on_way}
    shares = [Share(s, parts[s.path] / whole.distance, -x.sooner) for s, x in way]
    others = [
        Share(s, gain / whole.distance, None)
        for s in able
        if (x := alone.get(s.path)) is not None and (gain := whole.distance - x.distance) > 0
    ]
    others.sort(key=lambda s: -s.share)
    return _explanation(variants, start, end, whole, (*shares, *others), last.distance, count)


def _explanation(
    variants: Variants, a: Entry, b: Entry, whole: Apart, shares: tuple[Share, ...], left: float,
    runs: int,
) -> Explanation:  # fmt: skip
    first = None
    if not whole.equal and a.target != b.target:
        first = compare_entries([a, b]).pairs[0].divergence
        known = {p.name for p in variants.network.populations}
        count = first_unequal_count(a, b, [n for n in a.program.order if n in known])
        if count is not None and count.spike_a and count.spike_b:
            first = count
    return Explanation(
        a.target,
        b.target,
        variants.network.name,
        variants.setting.steps,
        variants.setting.dt,
        whole.distance,
        first,
        shares,
        left,
        dict(variants.problems),
        runs,
    )


def _other_noise(network: Network, base: Target, goal: Target) -> dict[str, str]:
    """The kind of noise, where there is some: a chip's words cannot be drawn among floats."""
    kinds = (base.noise.additive, goal.noise.additive)
    if base.fixed == goal.fixed or kinds[0] == kinds[1]:
        return {}
    if not any(p.noise for p in network.populations):
        return {}
    return {
        "noise.additive": f"{base.name} draws it by the rule {kinds[0]}, {goal.name} by "
        f"{kinds[1]}; one cannot be given to the other"
    }
