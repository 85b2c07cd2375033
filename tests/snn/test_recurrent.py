"""RLeaky and RSynaptic: the way back is a connection of one step, held to the modules themselves.

A module adds in the order ``(beta * mem + input) + recurrent``, a program adds all inputs first. So
that nothing but the rules is compared, the module is also run with what it hears of itself added
to its input beforehand (``added_first``): with sums that are exact the two must then agree to the
bit. Called as its documentation does, they must agree to the bit where beta is 0 or 1 (nothing is
rounded), and to rounding elsewhere.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from torch import nn  # noqa: E402

from neurohw.errors import NetworkError  # noqa: E402
from neurohw.network import Conv2D  # noqa: E402
from neurohw_torch.convert import (  # noqa: E402
    network_from_snntorch,
    snntorch_from_network,
    target_of_snntorch,
)
from tests.snn.modules import (  # noqa: E402
    BOUND,
    ENGINES,
    apart,
    by_engine,
    by_snntorch,
    drive,
    fill,
    lively,
)

pytestmark = pytest.mark.torch
KINDS, RESETS = ("RLeaky", "RSynaptic"), ("subtract", "zero", "none")
WAYS = ("linear", "V", "one V")


class Nothing(nn.Module):
    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(spikes)


def added_first(neuron: nn.Module, current: torch.Tensor, state: list) -> list[torch.Tensor]:
    """The module's own step, what it hears of itself being part of its input."""
    back, neuron.recurrent = neuron.recurrent, Nothing()
    try:
        return list(neuron(current + back(state[0]), *state))
    finally:
        neuron.recurrent = back


def make(kind: str, way: str, reset: str, seed: int, *, grid: int = 0, **decay: float
         ) -> nn.Sequential:  # fmt: skip
    """Two layers that hear themselves; in the second, every neuron has its own beta."""
    rng = np.random.default_rng([seed, 7])
    layers: list[nn.Module] = []
    for a, b in ((20, 30), (30, 10)):
        many = (b,) if layers else ()
        settings: dict = dict(
            beta=torch.tensor(rng.uniform(0.5, 0.9, many), dtype=torch.float32),
            threshold=torch.tensor(rng.integers(2, 5, many) / 4, dtype=torch.float32),
            reset_mechanism=reset,
        )
        if kind == "RSynaptic":
            settings["alpha"] = torch.tensor(rng.uniform(0.2, 0.6), dtype=torch.float32)
        for key, value in decay.items():
            settings[key] = torch.full_like(settings[key], value)
        if way == "linear":
            settings["linear_features"] = b
        else:
            settings.update(all_to_all=False, V=torch.zeros(b if way == "V" else ()))
        layers += [nn.Linear(a, b), getattr(snn, kind)(**settings)]
    net = nn.Sequential(*layers)
    fill(net, seed, grid=grid, strength=1.2 if kind == "RLeaky" else 0.6)
    return net


@pytest.mark.parametrize(
    ("reset", "way"), [*((r, "linear") for r in RESETS), ("zero", "V"), ("subtract", "one V")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_sums_that_are_exact_leave_no_excuse(kind: str, reset: str, way: str) -> None:
    net, spikes = make(kind, way, reset, 1, grid=8), drive(1, (20,))
    ordered = by_snntorch(net, spikes, added_first)
    assert lively(ordered)
    for name in ENGINES if (reset, way) == ("zero", "linear") else ["reference"]:
        assert apart(by_engine(name, net, spikes), ordered) == (0, 0.0, 0.0), name


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_rounded_it_is_the_module(kind: str, reset: str, beta: float) -> None:
    decay = {"beta": beta} if kind == "RLeaky" else {"beta": beta, "alpha": 1 - beta}
    if kind == "RSynaptic" and beta == 0:
        decay["alpha"] = 0.0
    net = make(kind, "linear" if beta else "V", reset, 2, grid=8, **decay)
    spikes = drive(2, (20,))
    plain = by_snntorch(net, spikes)
    assert lively(plain)
    assert apart(by_engine("reference", net, spikes), plain) == (0, 0.0, 0.0)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", KINDS)
def test_random_weights_to_rounding(kind: str, reset: str) -> None:
    seed = RESETS.index(reset)
    net, spikes = make(kind, WAYS[seed % 3], reset, seed), drive(seed, (20,))
    plain = by_snntorch(net, spikes)
    assert lively(plain)
    _, here, before = apart(by_engine("reference", net, spikes), plain)
    assert max(here, before) <= BOUND


def test_an_image_that_hears_itself() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        snn.RLeaky(0.75, conv2d_channels=3, kernel_size=3, reset_mechanism="zero"),
        nn.Flatten(),
        nn.Linear(48, 5),
        snn.Leaky(0.9),
    )
    fill(net, 0, grid=6)
    spikes = drive(0, (1, 6, 6))
    ordered = by_snntorch(net, spikes, lambda n, x, s: added_first(n, x, s)
                          if isinstance(n, snn.RLeaky) else list(n(x, *s[1:])))  # fmt: skip
    assert lively(ordered)
    assert apart(by_engine("reference", net, spikes), ordered) == (0, 0.0, 0.0)
    own = network_from_snntorch(net, input_shape=(1, 6, 6))["layer1_to_layer1"]
    assert isinstance(own.weight, Conv2D) and own.delay_steps == 1
    made = snntorch_from_network(network_from_snntorch(net, input_shape=(1, 6, 6)))
    assert network_from_snntorch(made)["layer1_to_layer1"] == own
    with torch.no_grad():
        got = made(torch.from_numpy(spikes[:200]).float().flatten(2))
    for a, b in zip(got, ordered.spikes, strict=True):
        assert np.array_equal(a.numpy() > 0, b[:200])


def test_reset_to_zero_has_a_target_of_its_own() -> None:
    """RLeaky discards the input of the step of a reset; Leaky does not, and snntorch is Leaky."""
    spikes = drive(1, (20,))
    net = make("RLeaky", "linear", "zero", 1, grid=8)
    ordered = by_snntorch(net, spikes, added_first)
    assert target_of_snntorch(net) == "snntorch-recurrent"
    assert apart(by_engine("reference", net, spikes, "snntorch"), ordered)[0] > 100
    spikes = spikes[:200]
    for kind, reset in (("RLeaky", "subtract"), ("RLeaky", "none"), ("RSynaptic", "zero")):
        net = make(kind, "linear", reset, 1, grid=8)
        assert target_of_snntorch(net) == "snntorch"
        ordered = by_snntorch(net, spikes, added_first)
        other = by_engine("reference", net, spikes, "snntorch-recurrent")
        assert apart(other, ordered) == (0, 0.0, 0.0)


def test_both_kinds_of_reset_to_zero_are_refused() -> None:
    net = nn.Sequential(
        nn.Linear(4, 4), snn.Leaky(0.5, reset_mechanism="zero"),
        nn.Linear(4, 4), snn.RLeaky(0.5, linear_features=4, reset_mechanism="zero"),
    )  # fmt: skip
    with pytest.raises(NetworkError, match="1, 3: Leaky resets to zero before its input"):
        network_from_snntorch(net)
    net[1] = snn.Leaky(0.5)
    network = network_from_snntorch(net)
    assert snntorch_from_network(network).layers[1][1].reset_mechanism == "zero"
    with_both = network_from_snntorch(nn.Sequential(nn.Linear(4, 4),
        snn.RLeaky(0.5, linear_features=4, reset_mechanism="zero"), nn.Linear(4, 4),
        snn.Leaky(0.5)))  # fmt: skip
    model = with_both["layer2"].model
    object.__setattr__(model, "reset", "to")
    with pytest.raises(NetworkError, match="RLeaky resets to zero after"):
        snntorch_from_network(with_both)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", KINDS)
def test_back_again(kind: str, reset: str, way: str) -> None:
    """Every number comes back to the bit; the two biases, whose sum counts, as one."""
    net = make(kind, way, reset, 3, grid=8)
    network = network_from_snntorch(net)
    state = torch.random.get_rng_state()
    made = snntorch_from_network(network)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert network_from_snntorch(made) == network
    for k, (linear, neuron) in enumerate(made.layers):
        given, before = net[2 * k], net[2 * k + 1]
        bias = given.bias + before.recurrent.bias if way == "linear" else given.bias
        assert torch.equal(linear.weight, given.weight) and torch.equal(linear.bias, bias)
        assert type(neuron) is type(before) and neuron.reset_mechanism == reset
        for key in ("alpha", "beta", "threshold"):
            if hasattr(before, key):
                assert torch.equal(getattr(neuron, key), getattr(before, key))
        if way == "linear":
            assert torch.equal(neuron.recurrent.weight, before.recurrent.weight)
        else:
            assert torch.equal(neuron.recurrent.V, before.V) and neuron.V is neuron.recurrent.V
    spikes = drive(3, (20,), 100)
    plain = by_snntorch(nn.Sequential(*[m for pair in made.layers for m in pair]), spikes)
    for a, b in zip(made(torch.from_numpy(spikes).float()), plain.spikes, strict=True):
        assert np.array_equal(a.detach().numpy() > 0, b)


def test_it_trains() -> None:
    net = make("RLeaky", "linear", "subtract", 0)
    made = snntorch_from_network(network_from_snntorch(net))
    made(torch.from_numpy(drive(0, (20,), 40)).float())[-1].sum().backward()
    names = {name for name, _ in made.named_parameters()}
    assert {"layers.0.1.recurrent.weight", "layers.1.1.recurrent.weight"} <= names
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_other_ways_back_are_refused() -> None:
    def network(back: nn.Module) -> None:
        neuron = snn.RLeaky(0.5, linear_features=4)
        neuron.recurrent = back
        network_from_snntorch(nn.Sequential(nn.Linear(3, 4), neuron))

    for back, message in (
        (nn.GRUCell(4, 4), "recurrent: a network cannot express this module; got 'GRUCell'"),
        (nn.Linear(4, 3), "layer1 (1).recurrent: wrong number of outputs"),
        (nn.Sequential(nn.Linear(4, 4), nn.ReLU()), "got 'ReLU'"),
    ):
        with pytest.raises(NetworkError, match=re.escape(message)):
            network(back)
