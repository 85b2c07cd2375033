"""A dense layer of leaky neurons on analog input: ``python examples/dense_layer.py``.

In each step v' = 0.9 v + W x, a spike where v' > 1, and back to zero: the layer of the Open
Neuromorphic benchmark (``Linear(n, n)``, then LIF), written as a network. The numbers x come from
outside, 16 samples at once as trials; the same network runs in binary64, in binary32, and in the
dialect of snnTorch, which shows v before the reset and spikes alike.
"""

from __future__ import annotations

import math

import numpy as np

import neurohw as nh

DT = 1e-3


def network(weights: np.ndarray, beta: float = 0.9) -> nh.Network:
    """The layer; a weight is the jump of v, in volts, for an input of 1."""
    net = nh.Network("dense_layer")
    net.driver("input", nh.AnalogInput(size=weights.shape[1]))
    tau = -DT / math.log(beta)  # v decays by beta in a step
    cells = nh.LIF(size=len(weights), C="1 nF", tau=tau, E_L=0.0, V_th=1.0, V_reset=0.0)
    net.population("layer", cells)
    net.connect("input", "layer", nh.Delta(weight=weights))
    return net


def main(n: int = 64, steps: int = 100, samples: int = 16, backend: str = "native") -> dict:
    """Spikes per target, for random weights and inputs."""
    rng = np.random.default_rng(0)
    net = network(rng.uniform(-1, 1, (n, n)) / math.sqrt(n))
    x = rng.uniform(0, 1, (steps, samples, n)).astype(np.float32)
    found = {}
    for target in ("float64", "float32", "snntorch"):
        rec = nh.run(net, target=target, backend=backend, dt=DT, steps=steps, trials=samples,
                     method="exponential", inputs={"input": x}, record=["layer"])  # fmt: skip
        found[target] = len(rec.spikes("layer"))
    return found


if __name__ == "__main__":
    for name, spikes in main().items():
        print(f"{name:10s} {spikes} spikes")
