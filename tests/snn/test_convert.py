"""snnTorch module -> network -> module keeps every parameter to the bit; the rest is refused."""

from __future__ import annotations

import copy
import re
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from torch import nn  # noqa: E402

from neurohw.errors import NetworkError  # noqa: E402
from neurohw.lowering import lower  # noqa: E402
from neurohw.network import (  # noqa: E402
    LIF,
    AdditiveNoise,
    Delta,
    Exponential,
    Network,
    Regular,
    SpikeArray,
)
from neurohw_torch.convert import network_from_snntorch, snntorch_from_network  # noqa: E402
from neurohw_torch.spiking import MIN_DECAY, lowered_decay, membrane, time_constant  # noqa: E402

pytestmark = pytest.mark.torch
RESETS = ("subtract", "zero", "none")


def bits(x: torch.Tensor | None) -> tuple | None:
    if x is None:
        return None
    data = x.detach().numpy()
    return data.dtype, data.shape, data.tobytes()


def parameters(net: nn.Module) -> list[tuple]:
    out = []
    parts = [m for m in net.modules() if isinstance(m, nn.Linear | snn.Leaky | snn.Synaptic)]
    for linear, neuron in zip(parts[::2], parts[1::2], strict=True):
        numbers = [getattr(neuron, k, None) for k in ("alpha", "beta", "threshold")]
        tensors = (linear.weight, linear.bias, *numbers)
        out.append((type(neuron), neuron.reset_mechanism, *map(bits, tensors)))
    return out


def random_net(seed: int) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, 4)
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(sizes)):
        many = (int(b),) if b > 1 and rng.random() < 0.5 else ()
        beta = rng.uniform(0, 1, many).astype(np.float32)
        if many and rng.random() < 0.5:
            beta[:2] = 0, 1
        settings = dict(
            beta=torch.tensor(beta),
            threshold=torch.tensor(rng.uniform(0.1, 3, many).astype(np.float32)),
            reset_mechanism=RESETS[(seed + k) % 3],
        )
        kind = snn.Leaky if rng.random() < 0.5 else snn.Synaptic
        if kind is snn.Synaptic:
            settings["alpha"] = torch.tensor(np.float32(rng.choice([0, 1, rng.random()])))
        layers += [nn.Linear(int(a), int(b), bias=bool(rng.random() < 0.7)), kind(**settings)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dt", [1e-3, 1e-4, 0.37])
def test_round_trip_is_exact(seed: int, dt: float) -> None:
    net = random_net(seed)
    network = network_from_snntorch(net, dt)
    assert parameters(snntorch_from_network(network, dt)) == parameters(net)
    again = network_from_snntorch(snntorch_from_network(network, dt), dt)
    assert again == network


@pytest.mark.parametrize("dt", [1e-3, 1e-4, 0.37])
def test_every_decay_is_reproduced(dt: float) -> None:
    rng = np.random.default_rng(5)
    low, high = np.float32(MIN_DECAY).view(np.int32), np.float32(1).view(np.int32)
    beta = rng.integers(low, high, 200_000, dtype=np.int32).view(np.float32)  # all exponents
    near = 1 - np.arange(64, dtype=np.float32) * np.float32(2.0**-24)
    beta = np.concatenate([beta, near, np.float32([0, MIN_DECAY])])
    assert np.array_equal(lowered_decay(time_constant(beta, dt), dt), beta)
    capacity, leak = membrane(beta, dt)
    lif = LIF(size=len(beta), C=capacity, g_L=leak, V_th=1.0)
    assert np.array_equal(lowered_decay(lif.tau, dt), beta)


def test_numbers_of_the_program() -> None:
    """beta, alpha, threshold, weights and biases stand in the program as they stand in snnTorch."""
    beta, alpha = torch.tensor([0.0, 0.3, 0.9, 1.0]), torch.tensor(0.7)
    net = nn.Sequential(
        nn.Linear(3, 4), snn.Leaky(beta), nn.Linear(4, 4), snn.Synaptic(alpha, beta)
    )
    p = lower(network_from_snntorch(net), "snntorch", dt=1e-3).program
    for name in ("layer1", "layer2"):
        numbers = {x.name: x.data for x in p.population(name).params}
        assert np.array_equal(numbers["decay_v"], beta.numpy())
    assert np.array_equal(
        {x.name: x.data for x in p.population("layer1").params}["bias"], net[0].bias.detach()
    )
    consts = [n.attrs["value"] for n in p.population("layer2").nodes if n.op == "const"]
    assert float(alpha) in consts
    edges = {(e.source, e.target): e.weights.data for e in p.edges}
    assert np.array_equal(edges["input", "layer1"], net[0].weight.detach())
    assert np.array_equal(edges["layer1", "layer2"], net[2].weight.detach())
    assert np.array_equal(edges["always", "layer2"][:, 0], net[2].bias.detach())
    assert all(e.delay == 0 for e in p.edges)


def test_module_runs_and_trains() -> None:
    net = nn.Sequential(nn.Linear(5, 6), snn.Leaky(0.9), nn.Linear(6, 2), snn.Synaptic(0.8, 0.9))
    made = snntorch_from_network(network_from_snntorch(net))
    x = (torch.rand(20, 3, 5) < 0.4).float()
    hidden, out = made(x)
    assert hidden.shape == (20, 3, 6) and out.shape == (20, 3, 2)
    mem, syn, mem2 = torch.zeros(3, 6), torch.zeros(3, 2), torch.zeros(3, 2)
    for t in range(20):
        spk, mem = net[1](net[0](x[t]), mem)
        spk2, syn, mem2 = net[3](net[2](spk), syn, mem2)
        assert torch.equal(spk, hidden[t]) and torch.equal(spk2, out[t])
    out.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())
    assert {n for n, _ in made.named_parameters()} == {
        f"layers.{k}.0.{p}" for k in (0, 1) for p in ("weight", "bias")
    }


class Custom(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.block = nn.Linear(2, 3), nn.Sequential(snn.Leaky(0.5), nn.Linear(3, 1))
        self.out = snn.Leaky(0.25)


def test_any_container_in_order_of_registration() -> None:
    network = network_from_snntorch(Custom())
    assert [p.size for p in network.populations] == [3, 1]


def changed(key: str, value: object) -> snn.Leaky:
    neuron = snn.Leaky(0.5)
    setattr(neuron, key, value)
    return neuron


@pytest.mark.filterwarnings("ignore:Inhibition")
@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (lambda: snn.Leaky(0.5, inhibition=True), "layer1 (1).inhibition"),
        (lambda: snn.Leaky(0.5, state_quant=lambda x: x), "layer1 (1).state_quant"),
        (lambda: snn.Leaky(0.5, graded_spikes_factor=2.0), "layer1 (1).graded_spikes_factor"),
        (lambda: snn.Leaky(0.5, reset_delay=False), "layer1 (1).reset_delay"),
        (lambda: snn.Synaptic(0.5, 0.5, reset_delay=False), "layer1 (1).reset_delay"),
        (lambda: changed("reset_mechanism", "zero"), "layer1 (1).reset_mechanism"),
        (lambda: snn.RLeaky(0.5, linear_features=4, reset_delay=False), "layer1 (1).reset_delay"),
        (lambda: snn.RLeaky(0.5, linear_features=5), "layer1 (1) (recurrent): wrong number of"),
        (lambda: snn.RLeaky(0.5, V=torch.rand(3), all_to_all=False), "layer1 (1).V: wrong shape"),
        (lambda: snn.Lapicque(beta=0.5), "got 'Lapicque'"),
        (lambda: snn.Alpha(alpha=0.9, beta=0.8), "got 'Alpha'"),
        (lambda: nn.BatchNorm1d(4), "1: a network cannot express this module; got 'BatchNorm1d'"),
        (lambda: nn.MaxPool2d(2), "got 'MaxPool2d'"),
        (lambda: nn.Linear(4, 4), "a Linear without neurons; allowed: Leaky, Synaptic"),
        (lambda: snn.Leaky(1.5), "layer1 (1).beta: decay out of range; got 1.5"),
        (lambda: snn.Leaky(-0.5), "layer1 (1).beta"),
        (lambda: snn.Leaky(1e-9), "layer1 (1).beta"),
        (lambda: snn.Leaky(torch.rand(4, dtype=torch.float64)), "layer1 (1).beta: not float32"),
        (lambda: snn.Leaky(torch.rand(3)), "layer1 (1).beta: wrong shape"),
        (lambda: snn.Leaky(0.5, threshold=-1.0), "layer1 (1).V_th"),
        (lambda: snn.Synaptic(torch.rand(4), 0.5), "layer1 (1).alpha: one alpha per layer"),
    ],
)
def test_refused_by_name(neuron, message: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)) as caught:
        network_from_snntorch(nn.Sequential(nn.Linear(3, 4), neuron()))
    assert "\n" not in str(caught.value)


def test_refused_chains() -> None:
    for net, message in (
        (nn.Sequential(), "no layers"),
        (nn.Sequential(nn.Linear(3, 4)), "without neurons"),
        (nn.Sequential(snn.Leaky(0.5)), "allowed: Linear"),
        (nn.Sequential(nn.Linear(3, 4).double(), snn.Leaky(0.5)), "not float32"),
        (nn.Sequential(nn.Linear(3, 4), snn.Leaky(0.5), nn.Linear(5, 1), snn.Leaky(0.5)),
         "layer2 (2): wrong number of inputs; got 5; allowed: 4"),
    ):  # fmt: skip
        with pytest.raises(NetworkError, match=re.escape(message)):
            network_from_snntorch(net)
    broken = nn.Sequential(nn.Linear(2, 2), snn.Leaky(0.5))
    with torch.no_grad():
        broken[0].weight[1, 0] = torch.nan
    with pytest.raises(NetworkError, match=re.escape("layer1 (0).weight: not finite")):
        network_from_snntorch(broken)


def physical(**changes: object) -> Network:
    net = Network("cortex")
    net.driver("in", SpikeArray(size=2))
    settings = dict(size=3, C="500 pF", tau="20 ms", V_th="-50 mV", E_L="-70 mV", I_bias="1 pA")
    net.population("a", LIF(**{**settings, **changes}))
    net.connect("in", "a", Delta(weight="5 mV"))
    return net


def test_physical_network_becomes_a_module() -> None:
    (linear, neuron) = snntorch_from_network(physical(), 1e-3).layers[0]
    assert type(neuron) is snn.Leaky and neuron.reset_mechanism == "zero"
    p = lower(physical(), "snntorch", dt=1e-3).program
    consts = [n.attrs["value"] for n in p.population("a").nodes if n.op == "const"]
    for number in (neuron.beta, neuron.threshold, linear.bias[0]):
        assert float(number.detach()) in consts
    assert torch.all(linear.weight == np.float32(0.005))


def test_what_a_module_cannot_hold() -> None:
    def add(change) -> Network:
        net = physical()
        change(net)
        return net

    noisy = Network("noisy")
    noisy.driver("in", SpikeArray(size=3))
    noisy.population("a", physical()["a"].model, noise=[AdditiveNoise(sigma="1 pA*ms**0.5")])
    noisy.connect("in", "a", Delta(weight=1e-3))
    for net, message in (
        (physical(t_ref="2 ms"), "a.t_ref"),
        (physical(V_init="-60 mV"), "a.V_init"),
        (physical(V_reset="-80 mV"), "a.E_L"),
        (noisy, "a.noise"),
        (add(lambda n: n.connect("a", "a", Delta(weight=0.0), delay="2 ms")), "a."),
        (add(lambda n: n.spike_driver("r", "in")), "not a chain"),
    ):
        with pytest.raises(NetworkError, match=re.escape(message)):
            snntorch_from_network(net)
    delayed = Network("delayed")
    delayed.driver("in", Regular(size=3, rate="10 Hz"))
    delayed.population("a", copy.copy(physical()["a"].model))
    delayed.connect("in", "a", Exponential(weight="1 pA", tau="5 ms"), delay="1 ms")
    with pytest.raises(NetworkError, match=re.escape("a.delay")):
        snntorch_from_network(delayed)
