"""A trained network of ReLUs as spiking neurons: ``python examples/ann_to_snn.py``.

Two small networks learn the 8 x 8 digits of scikit-learn (a second of training each, from a fixed
seed) and become networks of integrate-and-fire neurons. The longer an image is shown, the more
often they say the same digit as the network that was trained: in float32 with analog input and
reset by subtraction, in the integers of Loihi 2, which takes spikes, and in those of Loihi 1, which
resets to zero besides.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import neurohw as nh
from neurohw_torch.ann import network_from_ann, spike_code

DT = 1e-3
SHOWN = (50, 100, 200)
WAYS = {
    "float32": {},
    "loihi2": {"inputs": "spikes"},
    "loihi1": {"inputs": "spikes", "reset": "to", "rate": 0.25},
}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images [1797, 1, 8, 8] in 0..1, and what they show."""
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    return np.asarray(x / 16, np.float32).reshape(-1, 1, 8, 8), np.asarray(labels)


def untrained(kind: str) -> nn.Sequential:
    """The architecture, ``mlp`` or ``conv``."""
    if kind == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(),
            nn.Linear(24, 10),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(48, 10),
    )  # fmt: skip


def train(kind: str, x: np.ndarray, labels: np.ndarray, steps: int = 150) -> nn.Sequential:
    """Trained on these images with Adam, all of them in every step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = untrained(kind)
    images, wanted = torch.from_numpy(x), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), wanted).backward()
        optimiser.step()
    return net


def outputs(
    network: nh.Network, target: str, x: np.ndarray, steps: int, backend: str = "native"
) -> np.ndarray:
    """V of the readout [steps, images, 10]."""
    late = nh.lower(network, target, dt=DT).program.latency.get("readout", 0)
    flat = x.reshape(len(x), -1)
    shown = steps + late
    given = (
        np.broadcast_to(flat, (shown, *flat.shape))
        if isinstance(network.drivers[0].model, nh.AnalogInput)
        else spike_code(x, shown)
    )
    rec = nh.run(network, target=target, backend=backend, dt=DT, steps=shown, trials=len(x),
                 inputs={"input": given}, record=["readout"])  # fmt: skip
    return rec.trace("readout", "v").values  # its rows begin when it first hears


def main(images: int = 200, backend: str = "native") -> dict[str, dict[str, list[float]]]:
    """Shares of held-back images with the same digit as the trained network, and its own."""
    x, labels = digits()
    half = (len(x) + 1) // 2
    test, found = slice(half, half + images), {}
    for kind in ("mlp", "conv"):
        net = train(kind, x[:half], labels[:half])
        with torch.no_grad():
            said = net(torch.from_numpy(x[test])).argmax(1).numpy()
        found[kind] = {"right": [float(np.mean(said == labels[test]))]}
        for target, settings in WAYS.items():
            network = network_from_ann(net, x[:half], dt=DT, steps=SHOWN[-1], **settings)
            v = outputs(network, target, x[test], SHOWN[-1], backend)
            same = [float(np.mean(v[n - 1].argmax(1) == said)) for n in SHOWN]
            found[kind][target] = same
    return found


if __name__ == "__main__":
    for kind, rows in main().items():
        print(f"{kind}: {rows.pop('right')[0]:.1%} of the images right; the same digit")
        for target, shares in rows.items():
            print(f"  {target:8s}", *(f"{s:.1%} ({n})" for n, s in zip(SHOWN, shares, strict=True)))
