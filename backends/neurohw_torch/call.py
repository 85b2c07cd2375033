"""One call of a run: the loop over steps, and all that lives no longer than the call."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Probes, Program, RunState
from neurohw_torch import philox
from neurohw_torch.deliver import Fired
from neurohw_torch.plan import BLOCK, CALL, STEP, Plan
from neurohw_torch.record import Tap, make_taps

if TYPE_CHECKING:
    from neurohw_torch.run import InPort

__all__ = ["Call"]

_BLOCK_CPU, _BLOCK = 1 << 20, 1 << 24  # elements of one value that a block of steps may hold
_LONGEST = 1024  # steps in a block

Slots = dict[int, Tensor]


class Call:
    """Runs steps ``t0 .. t0 + steps - 1`` from ``state``; made anew for each call.

    No tensor is changed once something else may hold it, so values are passed on by reference:
    from step to step, into the history and to the recording.
    """

    def __init__(
        self,
        program: Program,
        plans: Sequence[Plan],
        ports: Mapping[tuple[str, str], InPort],
        device: torch.device,
        state: RunState,
        external: Mapping[str, np.ndarray],
        t0: int,
        steps: int,
    ) -> None:
        self.program, self.plans, self.ports, self.device = program, plans, ports, device
        self.before = state.history
        self.external, self.t0, self.steps, self.trials = external, t0, steps, state.trials
        self.count = len(state.trials)
        self.numbers = self._load(state.trials)
        self.values = {k: self._load(v) for k, v in state.values.items()}
        self.spikes: dict[str, deque[Fired]] = {}
        self.carried: dict[str, deque[Tensor]] = {}
        for k, v in state.history.items():
            past = [self._load(v[:, d]) for d in range(v.shape[1])]
            if k in program.carried:
                self.carried[k] = deque(past, maxlen=len(past))
            else:
                self.spikes[k] = deque(map(Fired, past), maxlen=len(past))
        self.sources = {e.source for e in program.edges if not e.value}
        self.now: dict[str, Fired] = {}
        self.sent: dict[str, Tensor] = {}
        if steps and any(plan.draws for plan in plans):
            philox.check_steps(t0 + steps - 1)
        self.slots = {plan.population.name: self._constants(plan) for plan in plans}
        self.blocks: dict[str, Slots] = {}
        self.taps = make_taps(program, plans, state.trials, t0, steps)

    def _load(self, data: np.ndarray) -> Tensor:
        """A copy on the device, not shared with the caller."""
        return torch.from_numpy(np.array(data, order="C")).to(self.device)

    def _constants(self, plan: Plan) -> Slots:
        """All values of level CALL."""
        slots: Slots = {}
        for slot, number in plan.constants.items():
            slots[slot] = torch.tensor(number, dtype=plan.dtype[slot], device=self.device)
        for slot, data in plan.params.items():
            slots[slot] = self._load(data[self.trials] if data.ndim == 2 else data)
        for x in plan.code[CALL]:
            slots[x.out] = x.fn(*[slots[a] for a in x.args])
        return slots

    def run(self) -> Probes:
        """All steps."""
        room = _BLOCK_CPU if self.device.type == "cpu" else _BLOCK
        widest = max((self.count * q.size for q in self.program.populations), default=1)
        longest = max(8, min(_LONGEST, room // widest) // 8 * 8)
        t, end = self.t0, self.t0 + self.steps
        while t < end:
            n = min(longest - t % 8, end - t)  # blocks end where those of Philox do
            self._block(t, n)
            t += n
        out = Probes(self.t0, self.steps, self.trials)
        for tap in self.taps:
            tap.sink.finish(out)
        return out

    def state(self) -> RunState:
        """The state after the last step."""
        values = {k: np.array(v.cpu().numpy()) for k, v in self.values.items()}
        history = {}
        for k, old in self.before.items():
            past = self.carried[k] if k in self.carried else [f.spikes for f in self.spikes[k]]
            history[k] = np.array(torch.stack(list(past), 1).cpu().numpy()) if past else old.copy()
        return RunState(self.trials, values, history)

    # a block of steps --------------------------------------------------------------------------

    def _block(self, t: int, n: int) -> None:
        for plan in self.plans:
            self.blocks[plan.population.name] = self._block_values(plan, t, n)
        ahead = {
            key: port.gather_ahead(n, self.count, partial(self._sent, n)).unbind(0)
            for key, port in self.ports.items()
            if port.ahead
        }
        carried = [
            (
                self.slots[plan.population.name],
                [(a, self.blocks[plan.population.name][a].unbind(0)) for a in plan.carried],
            )
            for plan in self.plans
        ]
        level = {plan.population.name: plan.level for plan in self.plans}
        live = [tap for tap in self.taps if level[tap.population][tap.slot] == STEP]
        for k in range(n):
            for plan, (slots, rows) in zip(self.plans, carried, strict=True):
                for slot, row in rows:
                    slots[slot] = row[k]
                self._step(plan, slots, {key: rows[k] for key, rows in ahead.items()})
            self._commit()
            for tap in live:
                if tap.samples(t + k):
                    tap.rows.append(self.slots[tap.population][tap.slot])
        for tap in self.taps:
            when = tap.steps(t, n)
            if len(when):
                found = level[tap.population][tap.slot]
                tap.sink.accept(self._samples(tap, found, when - t, n), when)
            tap.rows.clear()

    def _block_values(self, plan: Plan, t: int, n: int) -> Slots:
        """All values of level BLOCK, ``[n, ...]``."""
        q, values = plan.population, dict(self.slots[plan.population.name])
        for slot, key in plan.externals.items():
            values[slot] = self._load(self.external[key][t - self.t0 : t - self.t0 + n])
        for draw in plan.draws:
            make = philox.words if draw.kind == "word" else philox.normals
            values[draw.slot] = make(self.program.seed, draw.site, self.numbers, q.size, t, n)
        for x in plan.code[BLOCK]:
            values[x.out] = x.fn(*[values[a] for a in x.args])
        return values

    def _sent(self, n: int, population: str, key: str) -> Tensor:
        """A value that edges carry in all n steps of the block, ``[n, T, size]``."""
        slot = next(plan.sent[key] for plan in self.plans if plan.population.name == population)
        size = self.program.population(population).size
        return self.blocks[population][slot].expand(n, self.count, size)

    def _samples(self, tap: Tap, level: int, at: np.ndarray, n: int) -> Tensor:
        """``[len(at), T, size]`` of a tap at the steps ``at`` of the block."""
        shape = (self.count, self.program.population(tap.population).size)
        if level == STEP:
            return torch.stack([row.expand(shape) for row in tap.rows])
        value = self.blocks[tap.population][tap.slot]
        if level == BLOCK and len(at) < n:
            value = value[torch.from_numpy(at).to(self.device)]
        return value.expand(len(at), *shape)

    # one step ----------------------------------------------------------------------------------

    def _step(self, plan: Plan, slots: Slots, ahead: Mapping[tuple[str, str], Tensor]) -> None:
        name = plan.population.name
        arrived = {
            port: self.ports[name, port].gather(
                self.count, self.spikes, self.carried, self.now, self.sent, ahead.get((name, port))
            )
            for port in {*plan.inputs.values(), *plan.sums.values()}
        }
        for slot, port in plan.inputs.items():
            slots[slot] = arrived[port][1]
        for slot, port in plan.sums.items():
            slots[slot] = arrived[port][0]
        for slot, key in plan.states.items():
            slots[slot] = self.values[key]
        for x in plan.code[STEP]:
            slots[x.out] = x.fn(*[slots[a] for a in x.args])
        spike, shape = plan.population.spike, (self.count, plan.population.size)
        if spike is not None and name in self.sources:
            self.now[name] = Fired(slots[plan.values[spike]].expand(shape))
        for key, slot in plan.sent.items():
            self.sent[key] = slots[slot].expand(shape)

    def _commit(self) -> None:
        """Let all states take their new values, and all spikes enter the history."""
        for plan in self.plans:
            q, slots = plan.population, self.slots[plan.population.name]
            for state, node in q.writes.items():
                key = f"{q.name}.{state}"
                value, old = slots[plan.values[node]], self.values[key]
                if value.dtype != old.dtype:
                    value = value.to(old.dtype)
                self.values[key] = value.expand(old.shape)
            if self.spikes[q.name].maxlen:
                self.spikes[q.name].appendleft(self.now[q.name])
            for key in plan.sent:
                if self.carried[key].maxlen:
                    self.carried[key].appendleft(self.sent[key])
