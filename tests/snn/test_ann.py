"""Networks of ReLUs as integrate-and-fire neurons, on scikit-learn's digits."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")
pytest.importorskip("sklearn")

from torch import nn  # noqa: E402

import neurohw as nh  # noqa: E402
from neurohw.errors import NetworkError  # noqa: E402
from neurohw_torch.ann import network_from_ann, spike_code  # noqa: E402

pytestmark = pytest.mark.torch
PATH = Path(__file__).parents[2] / "examples" / "ann_to_snn.py"
DT, IMAGES = 1e-3, 60


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("ann_to_snn_example", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(example):
    x, labels = example.digits()
    half = (len(x) + 1) // 2
    nets = {kind: example.train(kind, x[:half], labels[:half]) for kind in ("mlp", "conv")}
    return nets, x[:half], x[half : half + IMAGES], labels[half : half + IMAGES]


@torch.no_grad()
def activations(net: nn.Sequential, x: np.ndarray) -> list[np.ndarray]:
    """Inputs of the ReLUs and the output, each [samples, n]."""
    found, y = [], torch.from_numpy(x)
    for part in net:
        if isinstance(part, nn.ReLU):
            found.append(y.flatten(1).numpy())
        y = part(y)
    return [*found, y.numpy()]


def counts(rec: nh.Recording, layer: str, size: int, images: int, steps: int) -> np.ndarray:
    """Spikes [images, size] in the first steps."""
    e, out = rec.spikes(layer), np.zeros((images, size))
    early = e.step < steps
    np.add.at(out, (e.trial[early], e.element[early]), 1)
    return out


def shown(network: nh.Network, x: np.ndarray, steps: int, target: str = "float32") -> nh.Recording:
    for p in network.populations[:-1]:
        network.probe(p.name, "v")
    flat = x.reshape(len(x), -1)
    return nh.run(network, target=target, backend="native", dt=DT, steps=steps, trials=len(x),
                  inputs={"input": np.broadcast_to(flat, (steps, *flat.shape))})  # fmt: skip


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_rates_are_relus(trained, kind: str) -> None:
    """The first layer, whose input is constant, within one spike; the rest keeps its charge."""
    nets, x, held, _ = trained
    net = nets[kind]
    network = network_from_ann(net, x, dt=DT, steps=200)
    rec = shown(network, held, 200)
    wanted = activations(net, held)
    first = network["layer1"]
    for steps in (50, 100, 200):
        rate = counts(rec, "layer1", first.size, len(held), steps) / steps
        relu = np.clip(wanted[0] / first.model.V_th, 0, 1)
        off = np.abs(rate - relu)
        assert off.max() <= 1.001 / steps and rate.max() > 0.5
    # What flowed in is still there or has been taken off by spikes, in every layer and image.
    given = held.reshape(len(held), -1).astype(np.float64) * 200
    for p, c in zip(network.populations, network.connections, strict=True):
        weight = c.weight
        if hasattr(weight, "entries"):
            targets, sources, places = weight.entries()
            full = np.zeros(weight.shape)
            np.add.at(full, (targets, sources), weight.data.ravel()[places])
            weight = full
        flowed = given @ np.asarray(weight @ np.eye(c.shape[1])).T + 200 * p.model.I_bias
        given = counts(rec, p.name, p.size, len(held), 200)
        left = rec.trace(p.name, "v").values[-1]
        if p.name != "readout":
            # snapshots are taken after the reset
            flowed = flowed - given * p.model.V_th
        np.testing.assert_allclose(left, flowed, rtol=0, atol=2e-3 * np.abs(flowed).max())


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_the_same_digit_the_longer_it_is_shown(example, trained, kind: str) -> None:
    nets, x, held, labels = trained
    output = activations(nets[kind], held)[-1]
    assert np.mean(output.argmax(1) == labels) > 0.85
    for target, settings in example.WAYS.items():
        network = network_from_ann(nets[kind], x, dt=DT, steps=200, **settings)
        v = example.outputs(network, target, held, 200)
        same = [np.mean(v[n - 1].argmax(1) == output.argmax(1)) for n in (50, 100, 200)]
        error = [np.abs(v[n - 1] / n - output).mean() / np.abs(output).mean() for n in (50, 200)]
        assert min(same) >= 0.9 and same[-1] >= 0.95
        assert error[1] < error[0] and error[1] < (0.3 if target == "loihi1" else 0.03)


@pytest.mark.parametrize("engine", ["reference", "torch"])
def test_loihi1_is_the_same_on_every_engine(example, trained, engine: str) -> None:
    nets, x, held, _ = trained
    network = network_from_ann(nets["conv"], x, dt=DT, steps=40, **example.WAYS["loihi1"])
    one, other = (example.outputs(network, "loihi1", held[:4], 40, e) for e in ("native", engine))
    assert np.array_equal(one, other) and len(np.unique(one)) > 100


def test_reset_to_zero_loses_and_a_lower_rate_loses_less(example, trained) -> None:
    nets, x, held, _ = trained
    output = activations(nets["mlp"], held)[-1]
    error = []
    for settings in (dict(), dict(reset="to"), dict(reset="to", rate=0.1)):
        network = network_from_ann(nets["mlp"], x, dt=DT, steps=400, **settings)
        v = example.outputs(network, "float32", held, 400)
        error.append(np.abs(v[-1] / 400 - output).mean())
    assert error[0] < error[2] < 0.5 * error[1]


@pytest.mark.parametrize("percentile", [100.0, 90.0])
def test_scales_are_percentiles(trained, percentile: float) -> None:
    nets, x, _, _ = trained
    network = network_from_ann(nets["mlp"], x, dt=DT, percentile=percentile)
    made = activations(nets["mlp"], x)
    worth = 1.0
    for p, c, z in zip(network.populations, network.connections, made, strict=True):
        linear = nets["mlp"][{"layer1": 1, "layer2": 3, "readout": 5}[p.name]]
        np.testing.assert_allclose(c.weight, linear.weight.detach().numpy() * worth, rtol=1e-6)
        np.testing.assert_array_equal(p.model.I_bias, linear.bias.detach().numpy())
        if p.name == "readout":
            assert p.model.V_th == pytest.approx(2000 * np.abs(z).max())
            break
        worth = np.percentile(z[z > 0].astype(float), percentile)
        assert p.model.V_th == pytest.approx(worth)
    half = network_from_ann(nets["mlp"], x, dt=DT, percentile=percentile, rate=0.5)
    assert half["layer2"].model.V_th == pytest.approx(2 * network["layer2"].model.V_th)


def test_spike_code_is_within_one_spike() -> None:
    x = np.random.default_rng(0).random((5, 2, 7))
    x[0, 0, :2] = 0, 1
    spikes = spike_code(x, 300)
    total = np.cumsum(spikes, axis=0)
    share = np.arange(1, 301)[:, None, None] * x.reshape(1, 5, 14).astype(np.float32)
    assert spikes.dtype == bool and spikes.shape == (300, 5, 14)
    assert np.abs(total - share).max() < 1 + 1e-9
    assert total[-1, 0, 0] == 0 and total[-1, 0, 1] == 300


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)), "1: a network cannot "
         "express this module; got 'Sigmoid'"),
        (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU()), "got 'BatchNorm1d'"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), "got 'Softmax'"),
        (nn.Sequential(nn.Linear(4, 3), nn.ReLU()), "no linear layer at the end"),
        (nn.Sequential(nn.ReLU(), nn.Linear(4, 3)), "0: a ReLU without a linear map"),
        (nn.Sequential(nn.Linear(5, 3)), "readout (0): wrong number of inputs; got 5"),
        (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(2, 3)),
         "readout (2): wrong number of inputs; got 2; allowed: 3"),
        (nn.Sequential(nn.Linear(4, 3, dtype=torch.float64)), "readout (0).weight: not float32"),
        (nn.Sequential(Unknown()), "0: what this module computes is not known; got 'Unknown'"),
        (nn.Sequential(), "no linear layer at the end"),
    ],
)  # fmt: skip
def test_refused_by_name(net: nn.Module, message: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)):
        network_from_ann(net, np.zeros((2, 4)), dt=DT)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(dt=0.0), "ann.dt"),
        (dict(percentile=0.0), "ann.percentile"),
        (dict(steps=0), "ann.steps"),
        (dict(inputs="rates"), "ann.inputs"),
        (dict(reset="none"), "ann.reset"),
        (dict(rate=1.5), "ann.rate"),
        (dict(data=np.zeros(4)), "ann.data: not samples"),
        (dict(data=np.full((2, 4), np.nan)), "ann.data: not finite"),
        (dict(data=np.full((2, 4), 1.5), inputs="spikes"), "ann.data: an intensity is"),
    ],
)
def test_refused_settings(settings: dict, message: str) -> None:
    data = settings.pop("data", np.zeros((2, 4)))
    with pytest.raises(NetworkError, match=re.escape(message)):
        network_from_ann(nn.Sequential(nn.Linear(4, 3)), data, **{"dt": DT, **settings})
