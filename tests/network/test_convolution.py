"""Convolutional connectivity in a network: what it means, its errors, TOML, lowering, running."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import NetworkError, UnitError
from neurohw.network.convolution import Conv2D, conv2d
from neurohw.program import Conv, Sparse

RNG = np.random.default_rng
HOW = [
    {},
    {"stride": 2, "padding": (1, 2), "groups": 2},
    {"dilation": (2, 1), "padding": 2, "stride": (1, 2), "groups": 4},
]


def kernel(groups: int = 1) -> np.ndarray:
    return RNG(0).uniform(1, 5, (8, 4 // groups, 3, 2)) * 1e-3


@pytest.mark.parametrize("how", HOW, ids=str)
def test_synapses_are_those_of_the_program(how) -> None:
    """Two writings of one geometry, the network's and the program's."""
    w = conv2d(kernel(how.get("groups", 1)), input_shape=(4, 5, 7), **how)
    from neurohw.program import F64, freeze

    other = Conv(F64, freeze(w.data, F64), w.input_shape, w.stride, w.padding, w.dilation, w.groups)
    targets, sources, places = w.entries()
    s = other.to_sparse()
    assert w.shape == other.shape and w.output_shape == other.output_shape
    assert np.array_equal(targets, s.indices)
    assert np.array_equal(sources, np.repeat(np.arange(w.shape[1]), np.diff(s.indptr)))
    assert np.array_equal(w.data.ravel()[places], s.data)


@pytest.mark.parametrize(
    "given,message",
    [
        ({"kernel": np.ones((3, 3))}, "conv2d.kernel: wrong shape"),
        ({"kernel": np.ones((3, 2, 1, 1))}, "conv2d.kernel: channels do not fit"),
        ({"kernel": np.ones((3, 1, 1, 1)), "groups": 2}, "conv2d.kernel: channels do not fit"),
        ({"kernel": np.ones((3, 1, 9, 1))}, "conv2d.kernel: larger than the image"),
        ({"input_shape": (8, 8)}, "conv2d.input_shape: wrong length"),
        ({"stride": 0}, "conv2d.stride: out of range"),
        ({"padding": -1}, "conv2d.padding: out of range"),
        ({"dilation": (1, 2, 3)}, "conv2d.dilation: wrong length"),
        ({"groups": 1.5}, "conv2d.groups: must be an integer"),
    ],
)
def test_mistakes_are_named(given, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        conv2d(**{"kernel": np.ones((2, 1, 3, 3)), "input_shape": (1, 8, 8)} | given)


def net(weight, synapse=lambda w: nh.Delta(weight=w), targets: int = 8 * 3 * 6, **how):
    net = nh.Network("image")
    net.driver("eye", nh.Poisson(size=4 * 5 * 7, rate="100 Hz"))
    cells = nh.LIF(size=targets, tau="20 ms", C="200 pF", E_L="-70 mV", V_th="-60 mV", **how)
    net.population("cells", cells)
    net.connect("eye", "cells", synapse(weight), delay="1 ms")
    net.probe("cells", "v")
    return net


def test_units_and_sizes_are_checked() -> None:
    amperes = conv2d(np.ones((8, 4, 3, 2)) * nh.network.units.nA, input_shape=(4, 5, 7))
    assert amperes.data.max() == 1e-9 and amperes.unit == "A"
    with pytest.raises(UnitError, match="wrong unit"):
        nh.Delta(weight=amperes)
    with pytest.raises(NetworkError, match=r"got shape \(144, 140\)"):
        net(conv2d(kernel(), input_shape=(4, 5, 7)), targets=100)
    with pytest.raises(NetworkError, match="a convolution has one delay"):
        n = net(conv2d(kernel(), input_shape=(4, 5, 7)))
        n.connect("eye", "cells", n.connections[0].synapse, delay=np.ones((144, 140)), name="x")
    with pytest.raises(NetworkError, match="a conductance is not negative"):
        nh.Conductance(weight=conv2d(-kernel(), input_shape=(4, 5, 7)), tau="5 ms", E_rev="0 mV")


def test_toml(tmp_path) -> None:
    volts = RNG(0).uniform(1, 5, (8, 2, 3, 2))
    w = conv2d(volts * nh.network.units.mV, input_shape=(4, 5, 7), stride=(1, 2), padding=1,
               groups=2)  # fmt: skip
    n = net(w, targets=w.shape[0])
    again, _ = nh.loads(nh.dumps(n))
    assert again == n and isinstance(again.connections[0].weight, Conv2D)
    np.save(tmp_path / "k.npy", volts)
    body = nh.dumps(n).split("weight = ")
    table = "{kernel = {file = 'k.npy', unit = 'mV'}, input_shape = [4, 5, 7], stride = [1, 2], "
    text = body[0] + "weight = " + table + "padding = 1, groups = 2}" + body[1].partition("}")[2]
    (tmp_path / "n.toml").write_text(text)
    assert nh.load(tmp_path / "n.toml")[0] == n
    (tmp_path / "n.toml").write_text(text.replace("padding", "pading"))
    with pytest.raises(NetworkError, match=r"n\.toml:\d+: .*unknown key.*padding"):
        nh.load(tmp_path / "n.toml")


SYNAPSES = {
    "delta": lambda w: nh.Delta(weight=w),
    "exponential": lambda w: nh.Exponential(
        weight=dataclasses.replace(w, data=w.data * 1e-8) if isinstance(w, Conv2D) else w * 1e-8,
        tau="5 ms",
    ),
    "conductance": lambda w: nh.Conductance(
        weight=dataclasses.replace(w, data=w.data * 1e-6) if isinstance(w, Conv2D) else w * 1e-6,
        tau="5 ms", E_rev="0 mV",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind,target",
    [("delta", "float64"), ("delta", "loihi1"), ("exponential", "float32"),
     ("exponential", "lava"), ("conductance", "float64"), ("conductance", "loihi2")],
)  # fmt: skip
def test_a_convolution_runs_as_its_synapses_one_by_one(kind: str, target: str) -> None:
    """The program keeps the kernel, and every bit of the run is that of the sparse network."""
    w = conv2d(kernel(), input_shape=(4, 5, 7))
    targets, sources, places = w.entries()
    full = np.zeros(w.shape)
    full[targets, sources] = w.data.ravel()[places]
    csr = {"rows": targets, "columns": sources, "values": full[targets, sources], "shape": w.shape}
    if kind == "delta":
        other = net(csr)
    else:
        other = net(full, SYNAPSES[kind])
    one = nh.lower(net(w, SYNAPSES[kind]), target, dt=1e-3).program
    assert isinstance(one.edges[0].weights, Conv)
    a, b = (
        nh.run(n, target=target, backend="reference", dt="1 ms", steps=60, seed=3)
        for n in (net(w, SYNAPSES[kind]), other)
    )
    assert len(a.spikes("cells")) > 20
    assert np.array_equal(a.trace("cells", "v").values, b.trace("cells", "v").values)
    assert np.array_equal(a.spikes("cells").step, b.spikes("cells").step)


def test_weights_that_differ_from_cell_to_cell_are_written_out() -> None:
    """A current is scaled by each neuron's capacitance: then there is no kernel any more."""
    w = conv2d(kernel() * 1e-8, input_shape=(4, 5, 7))
    n = nh.Network("image")
    n.driver("eye", nh.Poisson(size=140, rate="100 Hz"))
    C = np.linspace(100e-12, 300e-12, 144)
    n.population("cells", nh.LIF(size=144, tau="20 ms", C=C, E_L="-70 mV", V_th="-60 mV"))
    n.connect("eye", "cells", nh.Exponential(weight=w, tau="5 ms"))
    assert isinstance(nh.lower(n, "float64", dt=1e-3).program.edges[0].weights, Sparse)


def test_pooling_counts_spikes() -> None:
    """Kernels of ones, a group for each channel: a window sums up what lies under it."""
    ones = conv2d(np.full((2, 1, 2, 2), 1e-3), input_shape=(2, 4, 4), stride=2, groups=2)
    n = nh.Network("pool")
    steps, image = np.zeros(10, int), np.array([0, 1, 5, 10, 16, 17, 20, 21, 30, 31])
    n.driver("in", nh.SpikeArray(size=32, events=(steps, image)))
    n.population("out", nh.IF(size=8, C="1 nF", V_th="1 V"))
    n.connect("in", "out", nh.Delta(weight=ones))
    n.probe("out", "v")
    v = nh.run(n, backend="reference", steps=1, dt="1 ms").trace("out", "v").values
    assert np.allclose(v.ravel(), [3e-3, 0, 0, 1e-3, 4e-3, 0, 0, 2e-3], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "engine,target", [("torch", "float64"), ("lava", "loihi1"), ("snntorch", "snntorch")]
)
def test_other_engines_run_it(engine: str, target: str) -> None:
    """As it is, or written out as sparse or dense weights."""
    pytest.importorskip({"torch": "torch", "lava": "lava", "snntorch": "snntorch"}[engine])
    w = conv2d(kernel(), input_shape=(4, 5, 7))
    how = {"target": target, "dt": "1 ms", "steps": 40, "seed": 2}
    a = nh.run(net(w), backend="reference", **how)
    b = nh.run(net(w), backend=engine, **how)
    assert len(a.spikes("cells")) > 20
    if engine == "snntorch":  # nn.Linear adds up in an order of its own
        assert np.allclose(a.raw("cells"), b.raw("cells"), rtol=0, atol=1e-6)
    else:
        assert np.array_equal(a.raw("cells"), b.raw("cells"))


def test_degrees_of_network_and_program_agree() -> None:
    from neurohw.analysis import connectivity

    n = net(conv2d(kernel(), input_shape=(4, 5, 7)))
    a = connectivity(n)
    b = connectivity(nh.lower(n, "float64", dt=1e-3).program)
    assert np.array_equal(a.in_degree, b.in_degree) and a.in_degree.max() == 24
    assert np.array_equal(a.out_degree, b.out_degree)


@pytest.mark.parametrize("engine", ["lava", "snntorch"])
def test_engines_without_graded_spikes_say_so(engine: str) -> None:
    pytest.importorskip(engine)
    n = nh.Network("pool")
    n.driver("x", nh.PooledPoisson(size=2, trains=9, rate="50 Hz"))
    n.population("n", nh.LIF(size=2, C="200 pF", tau="20 ms", E_L="0 V", V_th="15 mV"))
    n.connect("x", "n", nh.Delta(weight="1 mV"), connectivity="one_to_one")
    with pytest.raises(nh.Unsupported, match=r"x->n\.\w+: the edge carries values"):
        nh.run(n, target="snntorch", backend=engine, dt="1 ms", steps=2)
