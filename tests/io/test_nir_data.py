"""NIRData in and out: files against nir's own reader and writer, recordings and inputs of runs."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from pathlib import Path
from typing import Any

import h5py
import hypothesis.extra.numpy as hnp
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurohw.backend import compile_program, simulate
from neurohw.errors import FormatError, ProgramError
from neurohw.io.nir import (
    EventData,
    GraphData,
    GridData,
    NodeData,
    data_of_recording,
    inputs_of_data,
    parse_data,
    read_data,
    write_data,
)
from neurohw.lowering import lower
from neurohw.network import LIF, AnalogInput, Network, Poisson, SpikeArray
from neurohw.network.synapses import Exponential
from neurohw.recording import Recording
from neurohw.reference import ReferenceBackend
from neurohw.testing.nir_files import example_data

# files, against nir -------------------------------------------------------------------------------


def same(theirs: Any, ours: Any) -> bool:
    """nir's data hold what ours do, to the last bit and with the same types."""
    if isinstance(ours, GraphData):
        return sorted(theirs.nodes) == sorted(ours.nodes) and all(
            same(theirs.nodes[k], ours.nodes[k]) for k in ours.nodes
        )
    if isinstance(ours, NodeData):
        return sorted(theirs.observables) == sorted(ours.observables) and all(
            same(theirs.observables[k], ours.observables[k]) for k in ours.observables
        )
    grid = isinstance(ours, GridData)
    value = isinstance(ours, EventData) and ours.value is not None
    kind = nir.TimeGriddedData if grid else nir.ValuedEventData if value else nir.EventData
    arrays = ("data",) if grid else ("idx", "time", "value") if value else ("idx", "time")
    numbers = ("dt",) if grid else ("n_neurons", "t_max")
    return (
        type(theirs) is kind
        and all(getattr(theirs, n) == getattr(ours, n) for n in numbers)
        and all(
            getattr(theirs, n).dtype == getattr(ours, n).dtype
            and getattr(theirs, n).shape == getattr(ours, n).shape
            and getattr(theirs, n).tobytes() == getattr(ours, n).tobytes()
            for n in arrays
        )
    )


def as_nir(ours: Any) -> Any:
    """The same data in nir's classes."""
    if isinstance(ours, GraphData):
        return nir.NIRGraphData({k: as_nir(x) for k, x in ours.nodes.items()})
    if isinstance(ours, NodeData):
        return nir.NIRNodeData({k: as_nir(x) for k, x in ours.observables.items()})
    if isinstance(ours, GridData):
        return nir.TimeGriddedData(ours.data, ours.dt)
    about = {"idx": ours.idx, "time": ours.time, "n_neurons": ours.n_neurons, "t_max": ours.t_max}
    return nir.EventData(**about) if ours.value is None else nir.ValuedEventData(
        value=ours.value, **about
    )  # fmt: skip


def flat(data: GraphData) -> GraphData:
    """Without inner graphs, which nir 1.0.8 cannot write."""
    return GraphData({k: x for k, x in data.nodes.items() if isinstance(x, NodeData)})


def test_ours_is_read_by_nir_and_comes_back(tmp_path: Path) -> None:
    path, data = tmp_path / "a.nir", example_data()
    write_data(path, data)
    assert same(nir.read_data(str(path)), data)
    assert read_data(path) == data == parse_data(path.read_bytes())
    again = tmp_path / "b.nir"
    write_data(again, read_data(path))
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("compression", ["gzip", None])
def test_nirs_is_read(tmp_path: Path, compression: Any) -> None:
    path, data = tmp_path / "a.nir", flat(example_data())
    nir.write_data(path, as_nir(data), compression=compression)
    assert read_data(path) == data


def test_nir_cannot_write_an_inner_graph_but_reads_ours(tmp_path: Path) -> None:
    # a closure in nir.write_data names the outer graph; if this fails, the docstring of
    # neurohw.io.nir.write_data and this test are out of date
    inner = GraphData({"g": GraphData({"n": NodeData({"v": GridData(np.ones((1, 2, 3)), 0.1)})})})
    with pytest.raises(RecursionError):
        nir.write_data(tmp_path / "a.nir", as_nir(inner))
    write_data(tmp_path / "b.nir", inner)
    assert same(nir.read_data(str(tmp_path / "b.nir")), inner)


def test_data_fits_its_graph_by_nirs_own_check(tmp_path: Path) -> None:
    ones = np.ones(3)
    graph = nir.NIRGraph.from_list(nir.LIF(ones, ones, 0 * ones, ones, 0 * ones))
    data = GraphData({"lif": NodeData({"spikes": GridData(np.zeros((1, 5, 3), bool), 1e-3)})})
    write_data(tmp_path / "a.nir", data)
    nir.read_data(str(tmp_path / "a.nir")).check_nodes(graph)
    write_data(tmp_path / "b.nir", GraphData({"fil": data.nodes["lif"]}))
    with pytest.raises(KeyError, match="fil not found"):
        nir.read_data(str(tmp_path / "b.nir")).check_nodes(graph)


names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=5)
names = names.filter(lambda s: s not in (".", "..") and s.isprintable())
steps = st.floats(2.0**-40, 2.0**40)
numbers = hnp.arrays(
    st.sampled_from(["?", "f4", "f8", "i1", "i8", "u2"]),
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4),
)
grids = st.builds(GridData, numbers.filter(lambda a: np.isfinite(a).all()), steps)


@st.composite
def events(draw: st.DrawFn) -> EventData:
    samples, count, size = draw(st.tuples(*[st.integers(1, 4)] * 3))
    t_max = draw(steps)
    idx = draw(hnp.arrays("i8", (samples, count), elements=st.integers(-1, size - 1)))
    time = draw(hnp.arrays("f8", (samples, count), elements=st.floats(0, t_max)))
    time = np.where(idx < 0, np.inf, time)
    value = draw(st.none() | hnp.arrays("f8", (samples, count), elements=st.floats(-1e300, 1e300)))
    return EventData(idx, time, size, t_max, value)


node_data = st.builds(NodeData, st.dictionaries(names, grids | events(), max_size=3))
graph_data = st.builds(GraphData, st.dictionaries(names, node_data, max_size=3))
nested_data = st.builds(GraphData, st.dictionaries(names, node_data | graph_data, max_size=3))


@given(nested_data)
@settings(max_examples=25, deadline=None)
def test_any_data_of_ours_comes_back_and_nir_reads_it(data: GraphData) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nir")
        write_data(path, data)
        assert read_data(path) == data
        assert same(nir.read_data(str(path)), data)


@given(graph_data)
@settings(max_examples=25, deadline=None)
def test_any_data_of_nirs_is_read(data: GraphData) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nir")
        nir.write_data(path, as_nir(data), compression=None)  # gzip refuses arrays without elements
        assert read_data(path) == data


def test_odd_but_readable_numbers(tmp_path: Path) -> None:
    # n_neurons as a row of one, big-endian data, t_max as float32
    path = tmp_path / "a.nir"
    write_data(path, flat(example_data()))
    with h5py.File(path, "a") as file:
        group: Any = file["nodes/in/observables/current"]
        group.attrs["n_neurons"] = np.array([3], np.uint8)
        group.attrs["t_max"] = np.float32(0.25)
        old = group["value"][()]
        del group["value"]
        group["value"] = old.astype(">f8")
    found = read_data(path)["in"]
    assert isinstance(found, NodeData)
    current = found["current"]
    assert isinstance(current, EventData) and current.value is not None
    assert (current.n_neurons, current.t_max) == (3, 0.25)
    assert current.value.dtype == np.float64 and np.array_equal(current.value, old)


# what is refused ----------------------------------------------------------------------------------


def put(place: str, value: Any) -> Any:
    """A change of a file: of the attribute after ``@``, or of the array."""
    path, _, name = place.partition("@")

    def change(file: h5py.File) -> None:
        if name:
            file[path or "/"].attrs[name] = value
            return
        if path in file:
            del file[path]
        if value is not None:
            file[path] = value

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (put("@__type__", "NIRGraph"), "/: unknown type; got 'NIRGraph'; "
         "allowed: NIRGraphData, NIRNodeData"),
        (lambda f: f.attrs.clear(), "/: not NIRData; got no attribute '__type__'; "
         "allowed: NIRGraphData, NIRNodeData"),
        (put("@__type__", "NIRNodeData"), "/observables: missing; allowed: a group"),
        (put("nodes", None), "/nodes: missing; allowed: a group"),
        (put("nodes/lif", 3), "/nodes/lif: an array where a group should be"),
        (put("nodes/lif/observables/v@__type__", "Spikes"), "/nodes/lif/observables/v: unknown "
         "type; got 'Spikes'; allowed: TimeGriddedData, EventData, ValuedEventData"),
        (put("nodes/lif/observables/v@dt", -1.0),
         "/nodes/lif/observables/v/dt: not a time; got -1.0; allowed: seconds, greater than 0"),
        (put("nodes/lif/observables/v@dt", "1 ms"),
         "/nodes/lif/observables/v/dt: not a time; got '1 ms'; allowed: seconds, greater than 0"),
        (lambda f: f["nodes/lif/observables/v"].attrs.pop("dt"),
         "/nodes/lif/observables/v/dt: missing; allowed: an attribute"),
        (put("nodes/lif/observables/v/data", np.ones((2, 5))),
         "/nodes/lif/observables/v/data: not the array that is needed; got float64 of shape "
         "(2, 5); allowed: numbers or bool of shape (samples, steps, neurons)"),
        (put("nodes/lif/observables/v/data", np.full((1, 1, 1), np.nan)),
         "/nodes/lif/observables/v/data: not finite; allowed: finite numbers"),
        (put("nodes/in/observables/current/time", None),
         "/nodes/in/observables/current/time: missing; allowed: an array"),
        (put("nodes/in/observables/current/time", np.ones((2, 2))),
         "/nodes/in/observables/current/time: wrong shape; got shape (2, 2); allowed: shape "
         "(2, 3), as idx has"),
        (put("nodes/in/observables/current/idx", np.full((2, 3), 3)),
         "/nodes/in/observables/current/idx: out of range at index (0, 0); got 3; "
         "allowed: 0 to 2, or -1"),
        (put("nodes/in/observables/current/time", np.full((2, 3), 0.5)),
         "/nodes/in/observables/current/time: out of range at index (0, 0); got 0.5; "
         "allowed: 0 to 0.02 s"),
        (put("nodes/in/observables/current/value", np.full((2, 3), np.inf)),
         "/nodes/in/observables/current/value: out of range at index (0, 0); got inf; "
         "allowed: finite numbers"),
        (put("nodes/in/observables/current@n_neurons", 0),
         "/nodes/in/observables/current/n_neurons: out of range; got 0; "
         "allowed: an integer, at least 1"),
    ],
)  # fmt: skip
def test_a_wrong_file(tmp_path: Path, change: Any, text: str) -> None:
    path = tmp_path / "a.nir"
    write_data(path, flat(example_data()))
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(FormatError) as caught:
        read_data(path)
    assert str(caught.value) == f"{path}: {text}"


def test_a_graph_of_nodes_is_not_data(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.eye(2))), compression=None)
    with pytest.raises(FormatError, match="not NIRData; got no attribute '__type__'"):
        read_data(path)
    single = tmp_path / "b.nir"
    with h5py.File(single, "w") as file:
        file.attrs["__type__"] = "NIRNodeData"
        file.create_group("observables")
    with pytest.raises(FormatError, match="not the data of a graph; got NIRNodeData"):
        read_data(single)


# recordings out -----------------------------------------------------------------------------------


def record(dt: float = 1e-3, steps: int = 200) -> Recording:
    net = Network("small")
    net.driver("in", Poisson(rate="100 Hz", size=2))
    cells = LIF(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-60 mV", size=3, I_bias="0.3 nA")
    net.population("n", cells)
    net.connect("in", "n", Exponential(weight="0.9 nA", tau="5 ms"), delay="1 ms")
    net.probe("n", "v", every=2 * dt)
    net.probe("n", "spikes")
    net.probe("in", "spikes")
    p = lower(net, "float64", dt=dt, seed=7, trials=4).program
    compiled = compile_program(ReferenceBackend(), p)
    probes = simulate(compiled, p, steps, trials=[0, 2, 3])[1]
    return Recording.of(p, probes, backend="reference")


def test_a_recording_as_events_as_grid_and_as_nir_turns_one_into_the_other(tmp_path: Path) -> None:
    r = record()
    path = tmp_path / "a.nir"
    for form in ("events", "grid"):
        data = data_of_recording(r, names={"n": "lif", "in": "in"}, form=form)  # type: ignore
        write_data(path, data)
        assert read_data(path) == data
        theirs = nir.read_data(str(path))
        for name, node in (("n", "lif"), ("in", "in")):
            dense = r.spikes(name).dense(r.probes.trials, 0, 200, r.sizes[name]).transpose(1, 0, 2)
            assert dense.any(axis=(1, 2)).all()  # spikes in every trial
            spikes = theirs.nodes[node].observables["spikes"]
            grid = spikes.to_time_gridded(r.dt) if form == "events" else spikes
            assert grid.dt == r.dt and np.array_equal(grid.data, dense)
            count = int(dense.sum((1, 2)).max())
            if form == "grid":
                turned = spikes.to_event(count)
                ours = data_of_recording(r, names=[name])[name]
                assert isinstance(ours, NodeData)
                mine = ours["spikes"]
                assert isinstance(mine, EventData)
                assert mine.idx.shape == turned.idx.shape
                assert np.array_equal(mine.time, turned.time)
                assert mine.t_max == turned.t_max
        v = theirs.nodes["lif"].observables["v"]
        assert v.dt == 2 * r.dt
        assert np.array_equal(v.data, r.trace("n", "v").values.transpose(1, 0, 2))
        assert -0.08 < v.data.min() < v.data.max() < -0.05  # volts


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 1 / 3e3, 7e-5, 0.1])
def test_times_lie_in_their_steps_as_nir_counts_them(dt: float) -> None:
    from neurohw.io.nir.exchange import _time_of

    step = np.arange(200_000)
    time = _time_of(step, dt)
    assert np.array_equal(np.floor(time / dt).astype(int), step)
    assert np.all(np.abs(time - step * dt) <= 2 * np.spacing(step * dt))


def test_what_to_take_of_a_recording() -> None:
    r = record()
    data = data_of_recording(r)
    assert sorted(data.nodes) == ["in", "n"]
    assert sorted(data.nodes["n"].observables) == ["spikes", "v"]  # type: ignore[union-attr]
    data = data_of_recording(r, traces=False)
    assert sorted(data.nodes["n"].observables) == ["spikes"]  # type: ignore[union-attr]
    data = data_of_recording(r, names={"n": "a/b", "in": "a/c"})
    assert sorted(data.nodes["a"].nodes) == ["b", "c"]  # type: ignore[union-attr]
    with pytest.raises(ProgramError, match="nobody"):
        data_of_recording(r, names=["nobody"])
    with pytest.raises(FormatError, match="unknown form; got 'rows'; allowed: events or grid"):
        data_of_recording(r, form="rows")  # type: ignore[arg-type]


# inputs in ----------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.sampled_from([1e-4, 1e-3, 1 / 3e3, 7e-5]), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_spikes_come_back_as_inputs(seed: int, dt: float, samples: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((samples, 40, 3)) < 0.2
    dense[:, 39, 0] = True  # the last step
    grid = nir.TimeGriddedData(dense, dt)
    theirs = nir.NIRGraphData(
        {"x": nir.NIRNodeData({"spikes": grid}),
         "y": nir.NIRNodeData({"spikes": grid.to_event(int(dense.sum((1, 2)).max()))})}
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        nir.write_data(Path(folder, "a.nir"), theirs)
        data = read_data(Path(folder, "a.nir"))
    wanted = dense.transpose(1, 0, 2)[:, 0] if samples == 1 else dense.transpose(1, 0, 2)
    found = inputs_of_data(data, dt=dt)
    assert sorted(found) == ["x", "y"]
    for given_ in found.values():
        assert given_.dtype == np.bool_ and np.array_equal(given_, wanted)
    short = inputs_of_data(data, dt=dt, steps=7, names={"y": "driver"})
    assert list(short) == ["driver"] and np.array_equal(short["driver"], wanted[:7])
    long = inputs_of_data(data, dt=dt, steps=50)
    for given_ in long.values():
        assert np.array_equal(given_[:40], wanted) and not given_[40:].any() and len(given_) == 50


def test_inputs_of_a_run_are_what_the_data_say(tmp_path: Path) -> None:
    import neurohw as nh

    dt = 1e-3
    idx, time = np.array([[0, 1, -1]]), np.array([[0.002, 0.0051, np.inf]])
    value = np.array([[1e-9, -2e-9, 0.0]])
    data = GraphData(
        {
            "s": NodeData({"spikes": EventData(idx, time, 2, 0.01)}),
            "outer": GraphData({"a": NodeData({"current": EventData(idx, time, 2, 0.01, value)})}),
        }
    )
    write_data(tmp_path / "a.nir", data)
    data = read_data(tmp_path / "a.nir")
    given_ = inputs_of_data(data, dt="1 ms")
    given_ |= inputs_of_data(data, dt="1 ms", names={"outer/a": "a"}, observable="current")
    assert given_["a"].dtype == np.float64
    assert given_["a"][2].tolist() == [1e-9, 0.0] and given_["a"][5].tolist() == [0.0, -2e-9]
    net = Network("n")
    net.driver("s", SpikeArray(size=2))
    net.driver("a", AnalogInput(size=2))
    net.population("cells", LIF(size=2, C="1 nF", tau="10 ms", E_L="0 mV", V_th="1 V"))
    net.connect("s", "cells", Exponential(weight="1 nA", tau="5 ms"), delay="1 ms")
    net.probe("s", "spikes")
    r = nh.run(net, backend="reference", dt=dt, steps=10, inputs={"s": given_["s"],
               "a": given_["a"]})  # fmt: skip
    spikes = r.spikes("s")
    assert list(zip(spikes.step.tolist(), spikes.element.tolist(), strict=True)) == [(2, 0), (5, 1)]
    again = data_of_recording(r, names=["s"])
    assert np.array_equal(inputs_of_data(again, dt=dt)["s"], given_["s"])


def test_what_is_no_input() -> None:
    def refused(data: Any, **more: Any) -> str:
        with pytest.raises(FormatError) as caught:
            inputs_of_data(data, **{"dt": 1e-3, **more})
        return str(caught.value)

    grid = GraphData({"x": NodeData({"spikes": GridData(np.full((1, 3, 1), 2.0), 1e-3)})})
    assert refused(grid) == "x.spikes: not spikes; allowed: 0 or 1 in each step"
    assert refused(grid, dt=2e-3) == (
        "x.spikes: another step than the run; got 1 ms; allowed: 2 ms"
    )
    assert refused(grid, dt=0).startswith("dt: not a step")
    assert refused(grid, names={"y": "y"}) == "y.spikes: no such data; allowed: x"
    assert refused(grid, names={"x": "y"}, observable="v") == "x.v: no such data; allowed: spikes"

    def event(*times: float, t_max: float = 0.01) -> GraphData:
        idx, time = np.zeros((1, len(times)), int), np.array([times])
        return GraphData({"x": NodeData({"spikes": EventData(idx, time, 1, t_max)})})

    assert refused(event(0.0011, 0.0019)) == (
        "x.spikes: two events of a neuron in one step; got dt 1 ms; take a smaller dt"
    )
    assert refused(event(0.01)) == (
        "x.spikes: an event at the end; got 10 ms; allowed: before 10 ms; give steps"
    )
    assert inputs_of_data(event(0.01), dt=1e-3, steps=11)["x"][10].tolist() == [True]
    assert refused(event(0.0, t_max=1e9), dt=1e-6).startswith("x.spikes: too much; got ")


def test_data_are_frozen_and_compared_to_the_last_bit() -> None:
    a = GridData(np.zeros((1, 2, 3)), 1e-3)
    with pytest.raises(ValueError, match="read-only"):
        a.data[0, 0, 0] = 1.0
    assert a == GridData(np.zeros((1, 2, 3)), 1e-3)
    others = (np.zeros((1, 3, 2)), np.zeros((1, 2, 3), np.float32), -np.zeros((1, 2, 3)))
    for left, right in itertools.product([a], [GridData(x, 1e-3) for x in others]):
        assert left != right
    assert a != GridData(np.zeros((1, 2, 3)), 1.1e-3)
    e = EventData(np.array([[0]]), np.array([[0.5]]), 1, 1.0)
    assert e != dataclasses.replace(e, value=np.array([[0.5]]), where="")
