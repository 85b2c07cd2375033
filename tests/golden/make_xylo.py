"""Make the Xylo golden file from the vendor's simulator (one-off, not run in CI).

xylosim 0.1.3, module ``v2``, which its vendor calls bitwise exact to the chip; its own C++ code,
through its own binding. It builds on current Python::

    python3.11 -m venv env-xylo
    env-xylo/bin/pip install xylosim==0.1.3 numpy==2.4.6
    env-xylo/bin/python make_xylo.py

writes ``xylo.npz`` beside this script. Cases are drawn from ``RandomState`` (a frozen stream), so a
re-run gives the same content.

Convention of the golden file
-----------------------------
Step ``k`` is row ``k`` (from 0) of every array; ``layer`` is "hidden" or "readout".

* ``inputs[k, j]``: how many spikes input ``j`` brings in step ``k``; used in step ``k``.
* A spike of a hidden neuron in step ``k`` is used in step ``k + 1``.
* ``<layer>_u[k, s, i]``: current of synapse ``s`` of neuron ``i``, after its decay: what v adds.
* ``<layer>_v[k, i]``: v after step ``k``, thresholds subtracted.
* ``<layer>_count[k, i]``: number of spikes.

Parameters of a case, in the JSON text of ``meta[i]``: ``layers`` maps a layer to ``dash_mem`` [n],
``dash_syn`` [n][synapses], ``threshold`` [n], ``bias`` [n] or None. ``connections``: ``source``
("input" or "hidden"), ``target`` (layer), ``synapse``, ``shift`` and ``weight`` [n_src][n] of -128
to 127 (0: no synapse).
"""

import json
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, STEPS = 20240701, 1000
KINDS = (
    ("plain", 4),  # one synapse, no bias, few overflows
    ("bias", 2),
    ("two", 3),  # two synapses per hidden neuron, with bias
    ("one_sign", 3),  # large shifts, all weights of a neuron of one sign: everything saturates
    ("order", 3),  # large shifts, weights of both signs: the order of weights matters
    ("edge", 1),  # not random: dashes 0 and 15, thresholds 1 and 32767, i_syn and v at both ends
)


def weights(rng, shape, one_sign=False):
    w = rng.randint(rng.choice([-128, -60]), 128, size=shape)
    if one_sign:
        w = np.abs(np.clip(w, -127, 127)) * rng.choice([-1, 1, 1], size=shape[1])
    w[rng.rand(*shape) < rng.choice([0.1, 0.4])] = 0
    return w.astype(int).tolist()


def draw_inputs(rng, n_in):
    inputs = np.where(rng.rand(STEPS, n_in) < rng.choice([0.05, 0.2]), 1, 0)
    inputs = inputs * rng.choice([1, 1, 1, 2, 15], size=inputs.shape)
    a = rng.randint(0, STEPS // 2)
    inputs[a : a + 150] = 0  # a silent stretch: everything decays to the end
    return inputs


def draw_case(kind, seed):
    rng = np.random.RandomState(seed)
    n_in, n, n_out = (int(rng.randint(2, top)) for top in (6, 7, 4))
    synapses = 2 if kind == "two" else 1
    loud = kind in ("one_sign", "order")

    def layer(size, synapses):
        if kind == "plain":
            threshold = rng.randint(50, 1000, size=size)
        else:
            threshold = np.floor(2.0 ** rng.uniform(4, 14.9 if loud else 11, size=size)).astype(int)
        biased = kind in ("bias", "two")
        return dict(
            dash_mem=rng.randint(0 if loud else 1, 8, size=size).tolist(),
            dash_syn=rng.randint(1, 7 if loud else 5, size=(size, synapses)).tolist(),
            threshold=threshold.tolist(),
            bias=rng.randint(-300, 600, size=size).tolist() if biased else None,
        )

    shift = int(rng.randint(5, 8)) if loud else int(rng.randint(0, 2))
    same = kind == "one_sign"
    connections = [
        dict(source=a, target=b, synapse=s, shift=shift, weight=weights(rng, shape, same))
        for a, b, shape, k in (
            ("input", "hidden", (n_in, n), synapses),
            ("hidden", "hidden", (n, n), 1),
            ("hidden", "readout", (n, n_out), 1),
        )
        for s in range(k)
    ]
    if not loud:  # no runaway excitation
        for c in connections:
            if c["source"] == "hidden":
                c["weight"] = (np.array(c["weight"]) // 5 - 1).tolist()
    if same:  # of one sign over all connections of a neuron
        sign = {b: np.sign(np.sum(c["weight"], 0)) for c in connections if (b := c["target"])}
        for c in connections:
            w = np.abs(c["weight"]) * np.where(sign[c["target"]] < 0, -1, 1)
            c["weight"] = w.astype(int).tolist()
    layers = dict(hidden=layer(n, synapses), readout=layer(n_out, 1))
    meta = dict(kind=kind, seed=seed, n_in=n_in, layers=layers, connections=connections)
    return meta, draw_inputs(rng, n_in)


def edge_case():
    """Eight hidden neurons: both signs, dashes 0 and 15, thresholds 1 and 32767; two readouts."""
    dash_mem = [0, 0, 15, 15, 0, 1, 15, 0]
    dash_syn = [[1], [15], [15], [1], [15], [15], [0], [15]]
    threshold = [1, 32767, 32767, 1, 1, 32767, 100, 32767]
    bias = [0, 0, 0, 0, -5, 0, 0, 0]  # v of the fifth reaches -32768, which has no negative
    weight = [[127, 127, 127, 127, -128, -128, 127, -128], [0, 127, 1, -1, -1, -128, 1, 127]]
    connections = [
        dict(source="input", target="hidden", synapse=0, shift=7, weight=weight),
        dict(source="hidden", target="readout", synapse=0, shift=0,
             weight=[[1, -1]] * 7 + [[127, -128]]),
    ]  # fmt: skip
    layers = dict(
        hidden=dict(dash_mem=dash_mem, dash_syn=dash_syn, threshold=threshold, bias=bias),
        readout=dict(dash_mem=[2, 2], dash_syn=[[3], [3]], threshold=[5, 5], bias=[0, 0]),
    )
    inputs = np.zeros((STEPS, 2), dtype=int)
    inputs[5:60, 0] = 1
    inputs[200:230, 1] = 3
    inputs[300:304, 0] = 15
    inputs[310:314, 1] = 15
    inputs[500::7, 0] = 2
    inputs[702::7, 1] = 1
    meta = dict(kind="edge", seed=None, n_in=2, layers=layers, connections=connections)
    return meta, inputs


def run(meta, inputs):
    from xylosim.v2 import XyloLayer, XyloSynapse

    hidden, readout = meta["layers"]["hidden"], meta["layers"]["readout"]
    sizes = dict(input=meta["n_in"], hidden=len(hidden["dash_mem"]))
    tables = {}
    shifts = {}
    for a, b in (("input", "hidden"), ("hidden", "hidden"), ("hidden", "readout")):
        tables[a, b], shifts[a, b] = [[] for _ in range(sizes[a])], 0
    for c in meta["connections"]:
        key = c["source"], c["target"]
        shifts[key] = c["shift"]
        for j, row in enumerate(c["weight"]):
            tables[key][j] += [XyloSynapse(i, c["synapse"], w) for i, w in enumerate(row) if w]
    zeros = [[0] * len(x["dash_mem"]) for x in (hidden, readout)]
    biased = hidden["bias"] is not None
    layer = XyloLayer(
        synapses_in=tables["input", "hidden"],
        synapses_rec=tables["hidden", "hidden"],
        synapses_out=tables["hidden", "readout"],
        aliases=[[] for _ in hidden["dash_mem"]],
        threshold=hidden["threshold"], threshold_out=readout["threshold"], has_bias=biased,
        bias=hidden["bias"] if biased else zeros[0],
        bias_out=readout["bias"] if biased else zeros[1],
        weight_shift_inp=shifts["input", "hidden"],
        weight_shift_rec=shifts["hidden", "hidden"],
        weight_shift_out=shifts["hidden", "readout"],
        dash_mem=hidden["dash_mem"], dash_mem_out=readout["dash_mem"],
        dash_syns=hidden["dash_syn"], dash_syns_out=readout["dash_syn"], name="golden",
    )  # fmt: skip
    out = layer.evolve(inputs.tolist())
    both = [layer.rec_i_syn] + ([layer.rec_i_syn2] if len(hidden["dash_syn"][0]) > 1 else [])
    case = dict(
        hidden_u=np.transpose(np.array(both), (2, 0, 1)),
        hidden_v=np.array(layer.rec_v_mem).T,
        hidden_count=np.array(layer.rec_recurrent_spikes),
        readout_u=np.array(layer.rec_i_syn_out).T[:, None],
        readout_v=np.array(layer.rec_v_mem_out).T,
        readout_count=np.array(out),
    )
    assert np.array_equal(case["readout_count"], layer.rec_out_spikes)
    return dict(meta=meta, inputs=inputs, **case)


def main():
    from importlib.metadata import version

    assert version("xylosim") == "0.1.3"
    cases = []
    for kind, count in KINDS:
        for _ in range(count):
            drawn = edge_case() if kind == "edge" else draw_case(kind, SEED + len(cases))
            cases.append(run(*drawn))
            ends = [np.abs(cases[-1][k]).max() for k in ("hidden_u", "hidden_v")]
            print(len(cases) - 1, kind, "spikes", int(cases[-1]["hidden_count"].sum()),
                  int(cases[-1]["readout_count"].sum()), "largest u, v", ends)  # fmt: skip
    arrays = {"meta": np.array([json.dumps(c["meta"], sort_keys=True) for c in cases])}
    for i, case in enumerate(cases):
        for key, x in case.items():
            if key != "meta":
                kind = np.uint8 if key == "inputs" or key.endswith("count") else np.int16
                assert np.array_equal(x, x.astype(kind))
                arrays[f"case{i:03d}/{key}"] = x.astype(kind)
    path = os.path.join(HERE, "xylo.npz")
    np.savez_compressed(path, **arrays)
    print("xylo.npz", len(cases), "cases,", os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
