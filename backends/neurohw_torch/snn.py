"""Backend ``snntorch``: programs of target ``snntorch`` on real snnTorch modules.

Populations that are ``Leaky``, ``RLeaky`` or ``Synaptic`` (:mod:`.cells`) become those classes,
their incoming edges ``nn.Linear``; a step calls the modules' own ``forward`` with the state passed
explicitly. So that snnTorch, and not our reading of it, says what the spikes are. Drivers hold
integers and draws only; the torch engine evaluates them. Everything else is refused by name.

Sums over synapses are those of ``nn.Linear`` (a matrix product, in an order of its own), so v and u
agree with the reference to rounding, not to the bit. Several edges into one population, delays and
recurrent edges with a delay run as well; their spikes are kept here, not in a module.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from neurohw.program import (
    IR_VERSION,
    Events,
    Moments,
    Population,
    Probe,
    Probes,
    Program,
    RunState,
    check_inputs,
    sample_steps,
    verify,
)
from neurohw_torch.cells import is_driver, match, why_not
from neurohw_torch.run import TorchRun
from neurohw_torch.snn_layer import Layer

__all__ = ["SnnBackend", "SnnRun", "backend"]

Array = np.ndarray


class SnnBackend:
    """Runs what ``snntorch.Leaky``, ``RLeaky`` and ``Synaptic`` compute.

    Parameters
    ----------
    device : str
        Where the modules live.
    """

    name = "snntorch"
    ir_version = IR_VERSION

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        problems = [(e.where, "the edge carries values") for e in program.edges if e.value]
        cells = {q.name: match(q) for q in program.populations}
        for q in program.populations:
            if cells[q.name] is None and not is_driver(q):
                problems.append((q.name, why_not(q)))
        for probe in program.probes:
            if cells[probe.population] is not None and probe.value != "spikes":
                if state_of(program.population(probe.population), probe.value) is None:
                    problems.append((probe.key, "only v, u and spikes can be recorded"))
        return problems

    def compile(self, program: Program) -> SnnRun:
        return SnnRun(program, self.device)


def backend(device: str = "cpu") -> SnnBackend:
    """Entry point."""
    return SnnBackend(device)


def state_of(q: Population, value: str) -> str | None:
    """The state whose new value a named value is."""
    index = q.value(value)
    return next((s for s, i in q.writes.items() if i == index), None)


class SnnRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function."""

    def __init__(self, program: Program, device: torch.device) -> None:
        verify(program)
        self.program, self.device = program, device
        self.layers = {
            q.name: Layer(program, q, cell, device)
            for q in program.populations
            if (cell := match(q)) is not None
        }
        self.drivers = tuple(q for q in program.populations if q.name not in self.layers)
        self.driver_run = self._compile_drivers() if self.drivers else None

    def _compile_drivers(self) -> TorchRun:
        """The drivers as a program of their own, with all their spikes recorded."""
        names = {q.name for q in self.drivers}
        probes = [p for p in self.program.probes if p.population in names and p.value != "spikes"]
        probes += [Probe(q.name, "spikes") for q in self.drivers if q.spike is not None]
        part = replace(
            self.program,
            populations=self.drivers,
            edges=(),
            probes=tuple(probes),
            watches=tuple(w for w in self.program.watches if w.population in names),
            latency={},
        )
        return TorchRun(part, torch.device("cpu"), event_driven=True)

    @torch.inference_mode()
    def __call__(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        check_inputs(self.program, inputs, state.trials, t0, steps)
        values, given, out = dict(state.values), {}, Probes(t0, steps, state.trials)
        if self.driver_run is not None:
            values, given, out = self._run_drivers(state, inputs, t0, steps)
        call = _Call(self, state, given)
        for k in range(steps):
            call.step(k)
        call.report(out)
        return call.state(values), out

    def _run_drivers(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[dict[str, Array], dict[str, Array], Probes]:
        """(new states, spikes ``[steps, T, size]``, what is recorded) of the drivers."""
        assert self.driver_run is not None
        mine = {f"{q.name}.{s.name}" for q in self.drivers for s in q.states}
        start = RunState(
            state.trials,
            {k: v for k, v in state.values.items() if k in mine},
            {q.name: np.zeros((len(state.trials), 0, q.size), np.bool_) for q in self.drivers},
        )
        end, probes = self.driver_run(start, inputs, t0, steps)
        spikes = {
            q.name: probes.events[q.name].dense(state.trials, t0, steps, q.size)
            for q in self.drivers
            if q.spike is not None
        }
        kept = {
            p.population: sampled(p, spikes[p.population], state.trials, t0)
            for p in self.program.probes
            if p.value == "spikes" and p.population in spikes
        }
        return {**state.values, **end.values}, spikes, replace(probes, events=kept)


def sampled(probe: Probe, spikes: Array, trials: Array, t0: int) -> Events:
    """Spikes ``[steps, T, size]`` of the steps at which ``probe`` samples."""
    kept = np.zeros(spikes.shape, np.bool_)
    at = sample_steps(probe, t0, len(spikes)) - t0
    kept[at] = spikes[at]
    return Events.from_dense(kept, trials, t0)


# one call ----------------------------------------------------------------------------------------


class _Call:
    """States, past spikes and records of one call; nothing outlives it."""

    def __init__(self, run: SnnRun, state: RunState, given: dict[str, Array]) -> None:
        self.run, self.trials, self.old = run, state.trials, state
        self.given = {k: self._load(v).float() for k, v in given.items()}
        self.past = {
            k: deque(self._load(v).float().unbind(1), maxlen=v.shape[1])
            for k, v in state.history.items()
        }
        self.neurons = {k: x.neuron(state.trials) for k, x in run.layers.items()}
        self.constant = {k: x.constant(state.trials) for k, x in run.layers.items()}
        self.now = {
            k: [self._load(state.values[f"{k}.{name}"]) for name in x.cell.states]
            for k, x in run.layers.items()
        }
        self.rows: dict[str, list[Tensor]] = {
            p.key: [] for p in run.program.probes if p.population in run.layers
        }

    def _load(self, data: Array) -> Tensor:
        return torch.from_numpy(np.array(data)).to(self.run.device)

    def step(self, k: int) -> None:
        """Step ``k`` of the call: every population in order, then the histories."""
        spikes = {name: data[k] for name, data in self.given.items()}
        for name in self.run.program.order:
            layer = self.run.layers.get(name)
            if layer is None:
                continue
            total: Tensor | None = None
            for s in layer.synapses:
                source = self.past[s.source][s.delay - 1] if s.delay else spikes[s.source]
                part = s.linear(source)
                total = part if total is None else total + part
            extra = self.constant[name]
            total = extra if total is None else total if extra is None else total + extra
            spikes[name], *self.now[name] = self.neurons[name](total, *self.now[name])
        for name, fired in spikes.items():
            self.past[name].appendleft(fired)
        for probe in self.run.program.probes:
            if probe.key in self.rows:
                self.rows[probe.key].append(self._value(probe, spikes))

    def _value(self, probe: Probe, spikes: dict[str, Tensor]) -> Tensor:
        if probe.value == "spikes":
            return spikes[probe.population]
        state = state_of(self.run.program.population(probe.population), probe.value)
        return self.now[probe.population][
            self.run.layers[probe.population].cell.states.index(str(state))
        ]

    def report(self, out: Probes) -> None:
        """Add what the layers' probes recorded to ``out``."""
        for probe in self.run.program.probes:
            if probe.key not in self.rows:
                continue
            size = self.run.program.population(probe.population).size
            data = np.zeros((out.steps, len(self.trials), size), np.float32)
            for k, row in enumerate(self.rows[probe.key]):
                data[k] = row.cpu().numpy()
            if probe.value == "spikes":
                out.events[probe.population] = sampled(probe, data > 0, self.trials, out.t0)
                continue
            data = data[sample_steps(probe, out.t0, out.steps) - out.t0]
            if probe.reduce:
                out.moments[probe.key] = Moments.of(data)
            else:
                out.traces[probe.key] = data

    def state(self, values: dict[str, Array]) -> RunState:
        """The state after the last step."""
        values = dict(values)
        for name, layer in self.run.layers.items():
            for key, data in zip(layer.cell.states, self.now[name], strict=True):
                values[f"{name}.{key}"] = data.cpu().numpy().copy()
        history = {
            k: torch.stack(list(v), 1).cpu().numpy() > 0 if v else self.old.history[k].copy()
            for k, v in self.past.items()
        }
        return RunState(self.trials, values, history)
