"""Make the Speck golden file from sinabs (one-off, not run in CI).

sinabs 3.1.3 quantises pairs of a convolution and a layer IAF as it does for the chip
(``backend.dynapcnn.discretize.discretize_conv_spike``), and runs what comes out of it::

    python3.11 -m venv env-speck
    env-speck/bin/pip install sinabs==3.1.3 torch==2.13.0 numpy==2.4.6 nirtorch==2.0.2
    env-speck/bin/python make_speck.py

writes ``speck.npz`` beside this script. Cases are drawn from ``RandomState`` (a frozen stream), so
a re-run gives the same content.

Convention of the golden file
-----------------------------
Two layers, ``a`` and ``b``; everything of a step k happens in that step, the input of ``b`` being
the number of spikes of ``a``. ``inputs[k, c, y, x]`` are the spikes of step k (0 or 1).

* ``<layer>_weight`` and ``<layer>_bias``: the floats that sinabs was given (binary64).
* ``<layer>_mantissa`` and ``<layer>_offset``: the integers that it made of them.
* ``<layer>_v[k, c, y, x]``: the membrane after the reset.
* ``<layer>_count[k, c, y, x]``: the number of spikes.

``meta[i]`` (JSON) has ``reset`` ("subtract" or "to"), and by layer ``stride``, ``padding``, the
``threshold`` that sinabs was given, and the integers ``level`` and ``low`` that it made of it and
of the lower limit, which is -threshold.
"""

import copy
import importlib.util
import json
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, STEPS, CASES = 20240801, 60, 10


def draw_layer(rng, channels):
    out, side = int(rng.randint(1, 4)), int(rng.randint(1, 4))
    weight = rng.normal(0.2, 0.3, size=(out, channels, side, side))
    weight *= rng.choice([0.2, 1.0, 1.0])
    weight[rng.rand(*weight.shape) < 0.2] = 0
    if rng.rand() < 0.2:
        weight = -np.abs(weight)  # the largest is negative: 128 steps, not 127
        weight[..., 0, 0] *= -0.9
    bias = rng.normal(0, 0.05, size=out) if rng.rand() < 0.5 else np.zeros(out)
    stride, padding = int(rng.randint(1, 3)), int(rng.randint(0, side))
    return weight, bias, dict(stride=stride, padding=padding, threshold=float(rng.uniform(0.2, 1)))


def quantiser():
    """The module of sinabs that quantises; its package asks for samna, which it does not use."""
    import sinabs

    path = os.path.join(os.path.dirname(sinabs.__file__), "backend", "dynapcnn", "discretize.py")
    spec = importlib.util.spec_from_file_location("discretize", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(rng, reset):
    import torch
    from sinabs.activation import MembraneReset, MembraneSubtract
    from sinabs.layers import IAF

    discretize_conv_spike = quantiser().discretize_conv_spike
    shape = (int(rng.randint(1, 3)), int(rng.randint(4, 7)), int(rng.randint(4, 7)))
    inputs = (rng.rand(STEPS, *shape) < rng.choice([0.1, 0.4])).astype(np.uint8)
    x = torch.tensor(inputs, dtype=torch.float32)
    meta, arrays = dict(reset=reset, layers={}), dict(inputs=inputs)
    for name in "ab":
        weight, bias, about = draw_layer(rng, x.shape[1])
        conv = torch.nn.Conv2d(
            weight.shape[1],
            weight.shape[0],
            weight.shape[2:],
            stride=about["stride"],
            padding=about["padding"],
        ).double()
        conv.weight.data, conv.bias.data = torch.tensor(weight), torch.tensor(bias)
        threshold = torch.tensor(about["threshold"], dtype=torch.float64)
        cell = IAF(spike_threshold=threshold, min_v_mem=-threshold,
                   reset_fn=MembraneReset() if reset == "to" else MembraneSubtract())  # fmt: skip
        conv, cell = discretize_conv_spike(copy.deepcopy(conv), cell)
        about["level"], about["low"] = int(cell.spike_threshold), int(cell.min_v_mem)
        mantissa, offset = conv.weight.data.numpy(), conv.bias.data.numpy()
        meta["layers"][name] = about
        cell.record_states = True
        with torch.no_grad():
            x = cell(conv.float()(x)[None])[0]
        v = cell.recordings["v_mem"][0].numpy()
        arrays.update(
            {
                f"{name}_weight": weight,
                f"{name}_bias": bias,
                f"{name}_mantissa": mantissa.astype(np.int64),
                f"{name}_offset": offset.astype(np.int64),
                f"{name}_v": v.astype(np.int32),
                f"{name}_count": x.numpy().astype(np.int32),
            }
        )
        assert np.array_equal(arrays[f"{name}_v"], v)
    return meta, arrays


def main():
    from importlib.metadata import version

    assert version("sinabs") == "3.1.3"
    out, metas = {}, []
    for i in range(CASES):
        meta, arrays = run(np.random.RandomState(SEED + i), "to" if i % 3 == 2 else "subtract")
        metas.append(json.dumps(meta, sort_keys=True))
        out.update({f"case{i:03d}/{k}": x for k, x in arrays.items()})
        print(i, meta["reset"], [(n, about["level"], about["low"], int(arrays[f"{n}_count"].sum()),
                                  int(arrays[f"{n}_count"].max()), int(arrays[f"{n}_v"].min()))
                                 for n, about in meta["layers"].items()])  # fmt: skip
    path = os.path.join(HERE, "speck.npz")
    np.savez_compressed(path, meta=np.array(metas), **out)
    print("speck.npz", CASES, "cases,", os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
