"""Recordings as neo objects: all of it is there, and comes back from neo's own files."""

from __future__ import annotations

import dataclasses
import pickle
import sys

import numpy as np
import pytest

from neurohw.analysis import cv, intervals, rates
from neurohw.backend import compile_program, simulate
from neurohw.errors import BackendError, ProgramError
from neurohw.lowering import lower
from neurohw.network import LIF, Network, Poisson
from neurohw.network.synapses import Exponential
from neurohw.program import Probe, Probes
from neurohw.recording import Recording
from neurohw.reference import ReferenceBackend

pytestmark = pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")  # elephant's


def record(target: str, *, seed: int = 7, steps: int = 200) -> Recording:
    net = Network("small")
    net.driver("in", Poisson(rate="100 Hz", size=2))
    net.population("n", LIF(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-60 mV", size=3,
                            t_ref="2 ms", I_bias="0.3 nA"))  # fmt: skip
    net.connect("in", "n", Exponential(weight="0.9 nA", tau="5 ms"), delay="1 ms")
    net.spike_driver("out", "n")
    net.probe("n", "v", "u", "refractory", "spikes", every="2 ms")
    net.probe("in", "spikes")
    net.probe("out", "spikes")
    p = lower(net, target, dt=1e-3, seed=seed, trials=4).program
    probes = simulate(compile_program(ReferenceBackend(), p), p, steps, trials=[0, 2, 3])[1]
    return Recording.of(p, probes, backend="reference")


@pytest.fixture(params=["float64", "loihi1"])
def recording(request) -> Recording:
    return record(request.param)


def check(block, r: Recording) -> None:
    """Everything that `r` holds is in `block`, and nothing else."""
    assert block.name == "small" and block.annotations["program_hash"] == r.program_hash
    assert [s.annotations["trial"] for s in block.segments] == [0, 2, 3]
    spikes = 0
    for segment in block.segments:
        trial = segment.annotations["trial"]
        assert len(segment.spiketrains) == sum(r.sizes[p] for p in r.populations) == 8
        for train in segment.spiketrains:
            a = train.annotations
            e = r.spikes(a["population"])
            mine = e.step[(e.trial == trial) & (e.element == a["neuron"])]
            assert np.array_equal(train.rescale("s").magnitude, mine * r.dt)
            assert (float(train.t_start.rescale("s")), float(train.t_stop.rescale("s"))) == (0, 0.2)
            assert (a["backend"], a["target"], a["trial"]) == ("reference", r.target, trial)
            assert int(a["seed"]) == r.seed
            assert a["latency"] == r.latency.get(a["population"], 0) * r.dt
            spikes += len(train)
        assert {s.name for s in segment.analogsignals} == {"n.v", "n.u", "n.refractory"}
        for signal in segment.analogsignals:
            p = next(p for p in r.declared if p.key == signal.name)
            trace = r.trace(p.population, p.value).sel(trial=trial)
            assert np.array_equal(signal.magnitude, trace.values)
            assert p.unit == {"v": "V", "u": "A"}.get(p.value, p.unit)
            assert signal.units.dimensionality.string == (p.unit or "dimensionless")
            times = signal.times.rescale("s").magnitude
            np.testing.assert_allclose(times, trace.time, rtol=1e-14)
            assert signal.annotations["variable"] == p.value
    assert spikes == sum(len(r.spikes(p)) for p in r.populations) > 0


def test_all_of_it_is_there(recording):
    pytest.importorskip("neo", reason="needs the extra neo")
    check(recording.to_neo(), recording)


def test_nix_gives_it_back(recording, tmp_path):
    neo_io = pytest.importorskip("neo.io", reason="needs the extra neo")
    pytest.importorskip("nixio", reason="needs nixio")
    path = str(tmp_path / "a.nix")
    with neo_io.NixIO(path, "ow") as file:
        file.write_block(recording.to_neo())
    with neo_io.NixIO(path, "ro") as file:
        check(file.read_block(), recording)


def test_pickle_gives_it_back(recording, tmp_path):
    neo_io = pytest.importorskip("neo.io", reason="needs the extra neo")
    path = tmp_path / "a.pkl"
    neo_io.PickleIO(str(path)).write_block(recording.to_neo())
    check(neo_io.PickleIO(str(path)).read_block(), recording)
    assert len(pickle.dumps(recording.to_neo())) < 1_000_000


def test_a_seed_of_64_bits_fits_a_nix_file(tmp_path):
    neo_io = pytest.importorskip("neo.io", reason="needs the extra neo")
    pytest.importorskip("nixio", reason="needs nixio")
    r = record("float64", seed=2**64 - 1)
    with neo_io.NixIO(str(tmp_path / "a.nix"), "ow") as file:
        file.write_block(r.to_neo())
    with neo_io.NixIO(str(tmp_path / "a.nix"), "ro") as file:
        check(file.read_block(), r)


def test_elephant_reads_it(recording):
    statistics = pytest.importorskip("elephant.statistics", reason="needs the extra neo (elephant)")
    block = recording.to_neo()
    for place, segment in enumerate(block.segments):
        mine = [x for x in segment.spiketrains if x.annotations["population"] == "n"]
        for i, train in enumerate(mine):
            isi = statistics.isi(train).rescale("s").magnitude
            found = intervals(recording, "n")
            ours = found.value[(found.trial == place) & (found.neuron == i)]
            np.testing.assert_allclose(isi, ours, rtol=0, atol=1e-15)  # of times up to 0.2 s
            assert len(isi) > 2
            want = cv(recording, "n", ddof=0).per_train[place, i]
            assert statistics.cv(isi) == pytest.approx(want, abs=1e-13)
        hz = [float(statistics.mean_firing_rate(x).rescale("Hz")) for x in mine]
        assert rates(recording, "n").per_trial[place] == pytest.approx(np.mean(hz), rel=1e-14)


def test_some_trials(recording):
    pytest.importorskip("neo", reason="needs the extra neo")
    block = recording.to_neo(trials=[3])
    assert [s.annotations["trial"] for s in block.segments] == [3]
    with pytest.raises(ProgramError, match=r"no such trial.*got 1.*0, 2, 3"):
        recording.to_neo(trials=[1])


def test_nothing_was_recorded():
    pytest.importorskip("neo", reason="needs the extra neo")
    empty = Recording("e", "t", "b", 1e-3, 0, "h", Probes(0, 5, np.arange(2)))
    assert [len(s.spiketrains) for s in empty.to_neo().segments] == [0, 0]
    late = record("float64", steps=1)
    for segment in late.to_neo().segments:
        assert [len(x) for x in segment.spiketrains if x.annotations["population"] == "n"] == [
            0
        ] * 3
        assert not [x for x in segment.analogsignals if not len(x)]


def test_flags_have_no_unit():
    pytest.importorskip("neo", reason="needs the extra neo")
    flags = np.arange(24).reshape(4, 2, 3) % 5 == 0
    probes = Probes(3, 8, np.array([1, 6]), traces={"p.flag": flags})
    declared = (Probe("p", "flag", every=2),)
    r = Recording("e", "t", "b", 1e-3, 0, "h", probes, declared, {"p": 3})
    block = r.to_neo()
    for k, segment in enumerate(block.segments):
        (signal,) = segment.analogsignals
        assert signal.units.dimensionality.string == "dimensionless"
        assert np.array_equal(signal.magnitude, flags[:, k])
        # steps 3..10, every second from 0: 4, 6, 8, 10
        np.testing.assert_allclose(signal.times.rescale("s").magnitude, [4e-3, 6e-3, 8e-3, 10e-3])


def test_a_later_part_of_a_run(recording):
    pytest.importorskip("neo", reason="needs the extra neo")
    o = recording.probes
    events = {k: type(e)(e.trial, e.step + 50, e.element) for k, e in o.events.items()}
    later = dataclasses.replace(recording, probes=dataclasses.replace(o, t0=50, events=events))
    for train in later.to_neo().segments[0].spiketrains:
        assert float(train.t_start) == pytest.approx(0.05)
        assert float(train.t_stop) == pytest.approx(0.25)
    assert float(later.to_neo().segments[0].analogsignals[0].t_start) == pytest.approx(0.05)


def test_without_neo_it_says_how_to_get_it(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "neo", None)
    with pytest.raises(BackendError, match=r"neo is not installed.*pip install 'neurohw\[neo\]'"):
        recording.to_neo()
