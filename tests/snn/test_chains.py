"""Several linear modules between neurons, images among them: the spikes of the modules."""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from torch import nn  # noqa: E402

from neurohw.errors import NetworkError  # noqa: E402
from neurohw.network import CSR, Conv2D  # noqa: E402
from neurohw_torch.convert import network_from_snntorch, snntorch_from_network  # noqa: E402
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
IMAGE = (2, 10, 8)


def images(seed: int, reset: str = "subtract", **settings: object) -> nn.Sequential:
    """Convolutions of every kind, pooling and a dense layer; a beta and a threshold per channel."""
    rng = np.random.default_rng(seed)

    def per_channel(low: float, high: float) -> torch.Tensor:
        return torch.tensor(rng.uniform(low, high, (4, 1, 1)), dtype=torch.float32)

    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        snn.Leaky(per_channel(0.5, 0.95), threshold=per_channel(0.7, 1.3), reset_mechanism=reset),
        nn.AvgPool2d(2),
        nn.Dropout2d(0.5),
        nn.Conv2d(4, 6, (3, 2), stride=(1, 2), groups=2, bias=False),
        snn.Synaptic(0.6, 0.8, threshold=0.5, reset_mechanism=reset),
        nn.Flatten(),
        nn.Linear(36, 16),
        nn.Identity(),
        nn.Linear(16, 7),
        snn.Leaky(torch.tensor(rng.uniform(0.5, 0.95, 7), dtype=torch.float32)),
    )
    fill(net, seed, **settings)
    return net


def others(seed: int, **settings: object) -> nn.Sequential:
    """Dilation, padding of both names, windows that leave a rest, parts of a Flatten."""
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, dilation=2, padding="same"),
        nn.AvgPool2d((4, 2), stride=2, padding=(1, 0)),
        snn.Leaky(0.9, threshold=0.4),
        nn.Flatten(2),
        nn.Flatten(1, -1),
        nn.Linear(60, 24, bias=False),
        snn.Synaptic(0.5, 0.5, threshold=0.8),
        nn.Unflatten(1, (6, 2, 2)),
        nn.Conv2d(6, 4, 2, padding="valid"),
        nn.Flatten(),
        snn.Leaky(0.7),
    )
    fill(net, seed, **settings)
    return net


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_sums_that_are_exact_leave_no_excuse(reset: str) -> None:
    """With weights on a grid nothing may differ in 1,000 steps, on any engine."""
    net, spikes = images(3, reset, grid=6), drive(3, IMAGE)
    plain = by_snntorch(net, spikes)
    assert lively(plain)
    for name in ENGINES if reset == "subtract" else ["native"]:
        assert apart(by_engine(name, net, spikes), plain) == (0, 0.0, 0.0), name


def test_windows_of_every_kind() -> None:
    net, spikes = others(4, grid=6), drive(4, IMAGE, steps=300)
    plain = by_snntorch(net, spikes)
    assert lively(plain)
    assert apart(by_engine("reference", net, spikes), plain) == (0, 0.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_to_rounding(seed: int) -> None:
    for net, steps in ((images(seed), 1000), (others(seed), 100)):
        spikes = drive(seed, IMAGE, steps)
        plain = by_snntorch(net, spikes)
        assert lively(plain)
        _, here, before = apart(by_engine("native", net, spikes), plain)
        assert max(here, before) <= BOUND


def test_comparison_can_fail() -> None:
    net, spikes = images(0), drive(0, IMAGE)
    plain = by_snntorch(net, spikes)
    with torch.no_grad():
        net[4].weight[:] += 2**-6
    count, here, _ = apart(by_engine("native", net, spikes), plain)
    assert count > 100 and here > BOUND


def test_one_convolution_keeps_its_kernel() -> None:
    network = network_from_snntorch(images(0), input_shape=IMAGE)
    first, second, third = network.connections[:3]
    assert isinstance(first.weight, Conv2D) and first.shape == (4 * 10 * 8, 2 * 10 * 8)
    assert isinstance(second.weight, CSR) and second.shape == (36, 320)
    assert isinstance(third.weight, np.ndarray) and third.shape == (7, 36)
    assert [p.size for p in network.populations] == [320, 36, 7]


def test_back_again() -> None:
    """Convolutions come back as such, composed maps as one Linear; the spikes stay the same."""
    net = images(3, grid=6)
    network = network_from_snntorch(net, input_shape=IMAGE)
    made = snntorch_from_network(network)
    shapes = [[type(m) for m in pair[0].modules()][-3:] for pair in made.layers]
    assert shapes == [[nn.Unflatten, nn.Conv2d, nn.Flatten], [nn.Linear], [nn.Linear]]
    conv = made.layers[0][0][1]
    assert torch.equal(conv.weight, net[0].weight) and torch.equal(conv.bias, net[0].bias)
    assert network_from_snntorch(made).connections[0] == network.connections[0]
    spikes = drive(3, IMAGE, steps=300)
    plain = by_snntorch(net, spikes)
    got = made(torch.from_numpy(spikes).float().flatten(2))
    for a, b in zip(got, plain.spikes, strict=True):
        assert np.array_equal(a.detach().numpy() > 0, b)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([nn.Conv2d(2, 4, 3)], "layer1: the shape of the input does not follow"),
        ([nn.Flatten(), nn.Linear(160, 4)], "layer1: the shape of the input does not follow"),
    ],
)
def test_a_shape_that_is_missing(parts: list[nn.Module], message: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)):
        network_from_snntorch(nn.Sequential(*parts, snn.Leaky(0.5)))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([nn.Conv2d(3, 4, 3)], "layer1 (0): wrong number of inputs; got (3, 10, 8)"),
        ([nn.Conv2d(2, 4, 11)], "layer1 (0): this shape does not fit; got (2, 10, 8)"),
        ([nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular")], "layer1 (0).padding_mode"),
        ([nn.Conv2d(2, 4, 3).double()], "layer1 (0).weight: not float32"),
        ([nn.Linear(8, 4)], "layer1 (0): wrong number of inputs; got 8; allowed: (2, 10, 8)"),
        ([nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(2, 1, 1)], "layer1 (0).ceil_mode"),
        ([nn.AvgPool2d(2, divisor_override=3), nn.Conv2d(2, 1, 1)], "layer1 (0).divisor_override"),
        ([nn.AvgPool2d(2, padding=1, count_include_pad=False), nn.Conv2d(2, 1, 1)],
         "layer1 (0).count_include_pad"),
        ([nn.Flatten(0)], "layer1 (0): the batch would be flattened"),
        ([nn.Unflatten(1, (2, 10, 8))], "layer1 (0): this does not fit"),
        ([nn.Conv2d(2, 1, 1), nn.Flatten(), nn.Unflatten(1, (2, 40))], "Unflatten only behind"),
        ([nn.MaxPool2d(2)], "0: a network cannot express this module; got 'MaxPool2d'"),
        ([nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)], "got 'BatchNorm2d'"),
        ([nn.Conv2d(2, 4, 3), nn.ReLU()], "got 'ReLU'"),
        ([nn.Dropout()], "neurons without a linear map before them"),
    ],
)  # fmt: skip
def test_refused_by_name(parts: list[nn.Module], message: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)) as caught:
        network_from_snntorch(nn.Sequential(*parts, snn.Leaky(0.5)), input_shape=IMAGE)
    assert "\n" not in str(caught.value)


def test_a_number_per_neuron_is_spread_as_torch_does() -> None:
    for shape in ((3, 1, 1), (3, 8, 6), (6,), (1, 3, 8, 6)):
        beta = torch.rand(shape)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), snn.Leaky(beta))
        made = network_from_snntorch(net, input_shape=IMAGE).populations[0].model
        wanted = torch.broadcast_to(beta, (1, 3, 8, 6)).ravel().numpy()
        np.testing.assert_allclose(np.exp(-1e-3 / made.tau), wanted, rtol=1e-6)
    with pytest.raises(NetworkError, match="wrong shape"):
        net = nn.Sequential(nn.Conv2d(2, 3, 3), snn.Leaky(torch.rand(3)))
        network_from_snntorch(net, input_shape=IMAGE)
