"""Programs of target ``snntorch`` give, step for step, what snnTorch's own modules give.

Three independent runs of one random two-layer net over 1,000 steps:

- *plain*: a loop over ``nn.Linear`` and ``snntorch.Leaky | Synaptic`` as any user writes it;
- *ordered*: the same neurons, with the sum over inputs taken in the order of a program (ascending
  sources, then the bias) instead of that of a matrix product;
- the lowered program on every engine.

Engines must give *ordered* to the bit, membrane and all; against *plain* a spike may differ only
where rounding decides: the membranes then agree to ``BOUND``. ``NEUROHW_SNN_SETS=100`` runs more
weight sets than continuous integration does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

import neurohw_native  # noqa: E402
import neurohw_torch  # noqa: E402
from neurohw.backend import compile_program, simulate  # noqa: E402
from neurohw.lowering import lower  # noqa: E402
from neurohw.program import Program  # noqa: E402
from neurohw.reference import ReferenceBackend  # noqa: E402
from neurohw_torch import snn as snn_engine  # noqa: E402
from neurohw_torch.convert import network_from_snntorch  # noqa: E402

pytestmark = pytest.mark.torch

SETS = int(os.environ.get("NEUROHW_SNN_SETS", "3"))
STEPS, TRIALS, SIZES = 1000, 2, (20, 30, 10)
BOUND = 2e-5
"""Volts by which membranes near 1 V may differ through the order of sums in float32."""
KINDS, RESETS = ("Leaky", "Synaptic"), ("subtract", "zero", "none")
ENGINES = {
    "reference": ReferenceBackend,
    "native": neurohw_native.backend,
    "torch": lambda: neurohw_torch.backend("cpu"),
    "snntorch": snn_engine.backend,
}


@dataclass(frozen=True)
class Trace:
    """Per layer: spikes (bool) and membrane (float32), each ``[steps, trials, n]``."""

    spikes: list[np.ndarray]
    mem: list[np.ndarray]


def make(kind: str, reset: str, seed: int, *, grid: bool = False) -> torch.nn.Sequential:
    """A random net; every other one has a beta and a threshold per neuron, one in three no bias."""
    rng = np.random.default_rng([seed, KINDS.index(kind), RESETS.index(reset)])
    layers: list[torch.nn.Module] = []
    for a, b in pairwise(SIZES):
        many = (b,) if seed % 2 else ()
        beta = torch.tensor(rng.uniform(0.5, 0.95, many), dtype=torch.float32)
        threshold = torch.tensor(rng.uniform(0.7, 1.3, many), dtype=torch.float32)
        settings = dict(beta=beta, threshold=threshold, reset_mechanism=reset)
        if kind == "Synaptic":
            settings["alpha"] = torch.tensor(rng.uniform(0.3, 0.8), dtype=torch.float32)
        linear = torch.nn.Linear(a, b, bias=seed % 3 > 0)
        strength = 1.2 if kind == "Leaky" else 0.5
        with torch.no_grad():
            for p in linear.parameters():
                size = strength / np.sqrt(a * 0.3) if p.ndim == 2 else 0.1 * strength
                data = rng.normal(0.1 * size, size, tuple(p.shape))
                if grid:  # sums of such numbers are exact in any order
                    data = np.rint(data * 2**10) / 2**10
                p.copy_(torch.tensor(data))
        layers += [linear, getattr(snn, kind)(**settings)]
    return torch.nn.Sequential(*layers)


def drive(seed: int) -> np.ndarray:
    """Input spikes, bool ``[steps, trials, n]``."""
    return np.random.default_rng([99, seed]).random((STEPS, TRIALS, SIZES[0])) < 0.3


def current(linear: torch.nn.Linear, spikes: torch.Tensor, ordered: bool) -> torch.Tensor:
    """The output of a Linear, or the same sum term by term."""
    if not ordered:
        return linear(spikes)
    terms = spikes.numpy()[:, :, None] * linear.weight.detach().numpy().T[None]
    total = np.add.accumulate(terms, axis=1, dtype=np.float32)[:, -1]
    if linear.bias is not None:
        total = total + linear.bias.detach().numpy()
    return torch.from_numpy(total)


@torch.no_grad()
def by_snntorch(net: torch.nn.Sequential, spikes: np.ndarray, *, ordered: bool) -> Trace:
    """snnTorch by itself; state is handed from step to step as its tutorials do."""
    fc1, lif1, fc2, lif2 = net
    state1 = [torch.zeros(TRIALS, SIZES[1])] * (2 if isinstance(lif1, snn.Synaptic) else 1)
    state2 = [torch.zeros(TRIALS, SIZES[2])] * len(state1)
    out = Trace([[], []], [[], []])
    for x in torch.from_numpy(spikes).float():
        spk1, *state1 = lif1(current(fc1, x, ordered), *state1)
        spk2, *state2 = lif2(current(fc2, spk1, ordered), *state2)
        for layer, (spk, state) in enumerate(((spk1, state1), (spk2, state2))):
            out.spikes[layer].append(spk.numpy() > 0)
            out.mem[layer].append(state[-1].numpy())
    return Trace([np.stack(s) for s in out.spikes], [np.stack(m) for m in out.mem])


def lowered(net: torch.nn.Sequential) -> Program:
    """The program of the module's network."""
    network = network_from_snntorch(net)
    for name in ("layer1", "layer2"):
        network.probe(name, "spikes", "v")
    return lower(network, "snntorch", dt=1e-3, trials=TRIALS).program


def by_engine(name: str, program: Program, spikes: np.ndarray) -> Trace:
    run = compile_program(ENGINES[name](), program)
    _, out = simulate(run, program, STEPS, inputs={"input.spikes": spikes}, chunk=400)
    layers = ("layer1", "layer2")
    trials = np.arange(TRIALS)
    return Trace(
        [out.events[k].dense(trials, 0, STEPS, n) for k, n in zip(layers, SIZES[1:], strict=True)],
        [out.traces[f"{k}.v"] for k in layers],
    )


def divergence(a: Trace, b: Trace) -> tuple[int, list[tuple[int, float]], float]:
    """(spikes that differ, (step, membrane difference) of each trial's first, largest before)."""
    differ = [x != y for x, y in zip(a.spikes, b.spikes, strict=True)]
    apart = [np.abs(x - y) for x, y in zip(a.mem, b.mem, strict=True)]
    mismatches = sum(int(d.sum()) for d in differ)
    first: list[tuple[int, float]] = []
    largest = 0.0
    for trial in range(TRIALS):
        steps = [np.flatnonzero(d[:, trial].any(1)) for d in differ]
        end = min((int(s[0]) for s in steps if len(s)), default=STEPS)
        largest = max([largest, *(float(m[:end, trial].max(initial=0)) for m in apart)])
        if end < STEPS:  # the earliest layer that differs in that step is the cause
            layer = next(k for k, s in enumerate(steps) if len(s) and s[0] == end)
            here = differ[layer][end, trial]
            first.append((end, float(apart[layer][end, trial][here].max())))
    return mismatches, first, largest


@pytest.mark.parametrize("seed", range(SETS))
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", KINDS)
def test_same_spikes(kind: str, reset: str, seed: int) -> None:
    net, spikes = make(kind, reset, seed), drive(seed)
    plain = by_snntorch(net, spikes, ordered=False)
    ordered = by_snntorch(net, spikes, ordered=True)
    assert all(0.001 < s.mean() < 0.999 for s in ordered.spikes), "a layer is silent or saturated"
    program = lowered(net)
    for name in ("reference", "native", "torch"):
        got = by_engine(name, program, spikes)
        for k in range(2):
            assert int((got.spikes[k] != ordered.spikes[k]).sum()) == 0, (name, k)
            np.testing.assert_array_equal(
                got.mem[k], ordered.mem[k], err_msg=f"{name} layer{k + 1}"
            )
        mismatches, first, largest = divergence(got, plain)
        assert largest <= BOUND
        assert all(apart <= BOUND for _, apart in first), (mismatches, first)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", KINDS)
def test_snntorch_engine_is_snntorch(kind: str, reset: str) -> None:
    net, spikes = make(kind, reset, 1), drive(1)
    plain = by_snntorch(net, spikes, ordered=False)
    got = by_engine("snntorch", lowered(net), spikes)
    mismatches, first, largest = divergence(got, plain)
    if kind == "Leaky":  # one Linear with its bias: the very same calls
        assert (mismatches, largest) == (0, 0.0)
    assert largest <= BOUND and all(apart <= BOUND for _, apart in first)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_on_a_grid_leave_no_excuse(kind: str, reset: str) -> None:
    """Where sums are exact in any order, nothing may differ anywhere, on any engine."""
    net, spikes = make(kind, reset, 4, grid=True), drive(4)
    plain = by_snntorch(net, spikes, ordered=False)
    for name in ENGINES:
        got = by_engine(name, lowered(net), spikes)
        assert divergence(got, plain) == (0, [], 0.0), name


def test_comparison_can_fail() -> None:
    """A reset in the step of the spike is not what snnTorch computes."""
    net, spikes = make("Leaky", "subtract", 0), drive(0)
    plain = by_snntorch(net, spikes, ordered=False)
    network = network_from_snntorch(net)
    for name in ("layer1", "layer2"):
        network.probe(name, "spikes", "v")
    other = lower(network, "float32", dt=1e-3, method="exponential", trials=TRIALS).program
    mismatches, first, _ = divergence(by_engine("reference", other, spikes), plain)
    assert mismatches > 100 and max(apart for _, apart in first) > BOUND


@pytest.mark.parametrize("kind", KINDS)
def test_wide_layers(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 784 inputs a matrix product does add in another order; the spikes stay the same."""
    monkeypatch.setitem(globals(), "SIZES", (784, 64, 10))
    net, spikes = make(kind, "subtract", 1), drive(1)
    plain = by_snntorch(net, spikes, ordered=False)
    scale = max(1.0, *(float(np.abs(m).max()) for m in plain.mem))
    mismatches, first, largest = divergence(by_engine("native", lowered(net), spikes), plain)
    assert largest <= BOUND * scale and all(apart <= BOUND * scale for _, apart in first)
    assert mismatches == 0 or first
