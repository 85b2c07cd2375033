"""Recordings: physical units, the ledger's headroom, files that come back as they went."""

from __future__ import annotations

import dataclasses
import math

import h5netcdf
import numpy as np
import pytest
import xarray

from neurohw.backend import compile_program, simulate
from neurohw.errors import FormatError, ProgramError
from neurohw.lowering import lower
from neurohw.network import LIF, Network, Regular
from neurohw.network.synapses import Exponential
from neurohw.program import Builder, Int, LedgerRow, Probe, Probes, Program
from neurohw.recording import Recording, headroom
from neurohw.reference import ReferenceBackend, ReferenceRun

STEPS = 120


def record(target: str, *, steps: int = STEPS, **edit) -> Recording:
    net = Network("small")
    net.driver("in", Regular(rate="100 Hz", size=2))
    net.population("n", LIF(C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-60 mV", size=3,
                            I_bias="0.2 nA"))  # fmt: skip
    net.connect("in", "n", Exponential(weight="0.9 nA", tau="5 ms"), delay="1 ms")
    net.spike_driver("out", "n")
    net.probe("n", "v", "u", "spikes")
    net.probe("in", "spikes")
    net.probe("out", "spikes")
    p = lower(net, target, dt=1e-3, seed=2**64 - 1, trials=3).program
    extra = (Probe("n", "v", 4, 3, "moments", *_scale(p)),)
    p = dataclasses.replace(p, probes=p.probes + extra, **edit)
    probes = simulate(compile_program(ReferenceBackend(), p), p, steps, trials=[0, 2])[1]
    return Recording.of(p, probes, backend="reference")


def _scale(p: Program) -> tuple[float, float, str]:
    v = next(x for x in p.probes if x.value == "v")
    return v.scale, v.shift, v.unit


def same(a: Recording, b: Recording) -> None:
    for f in dataclasses.fields(Recording):
        if f.name not in ("probes", "program"):
            assert getattr(a, f.name) == getattr(b, f.name), f.name
    assert a.program_hash == b.program_hash
    x, y = a.probes, b.probes
    assert (x.t0, x.steps, x.ledger) == (y.t0, y.steps, y.ledger)
    assert x.events.keys() == y.events.keys() and x.traces.keys() == y.traces.keys()
    pairs = [(x.trials, y.trials)]
    pairs += [(getattr(x.events[k], c), getattr(y.events[k], c))
              for k in x.events for c in ("trial", "step", "element")]  # fmt: skip
    pairs += [(x.traces[k], y.traces[k]) for k in x.traces]
    for k, m in x.moments.items():
        assert m.count == y.moments[k].count
        pairs += [(m.mean, y.moments[k].mean), (m.m2, y.moments[k].m2)]
    for u, v in pairs:
        assert u.dtype == v.dtype and u.shape == v.shape and np.array_equal(u, v)


@pytest.fixture(scope="module", params=["float64", "float32", "loihi1"])
def recording(request) -> Recording:
    return record(request.param)


def test_round_trip_is_exact(recording, tmp_path):
    path = tmp_path / "a.nc"
    recording.save(path)
    same(Recording.load(path), recording)
    recording.save(path)  # over an older file
    same(Recording.load(str(path)), recording)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc"]


def test_physical_units(recording):
    v = recording.trace("n", "v")
    assert v.dims == ("time", "trial", "neuron") and v.shape == (STEPS, 2, 3)
    assert v.attrs["units"] == "V" and v.time.attrs["units"] == "s"
    assert v.trial.values.tolist() == [0, 2]
    assert float(v.time[-1]) == pytest.approx((STEPS - 1) * 1e-3)
    assert float(v.min()) > -0.0701 and float(v.max()) <= -0.0599
    raw = recording.raw("n", "v")
    assert np.array_equal(v.values, raw * v.attrs["raw_scale"] + v.attrs["raw_shift"])
    assert recording.duration == pytest.approx(STEPS * 1e-3)
    assert recording.populations == ("n", "in", "out")
    assert recording.variables == (("n", "v"), ("n", "u"))


def test_moments_are_those_of_the_trace(recording):
    m, v = recording.moments("n", "v"), recording.trace("n", "v")
    part = v[3::4]
    assert m.attrs["count"] == 2 and np.array_equal(m.time, part.time)
    np.testing.assert_allclose(m["mean"], part.mean("trial"), rtol=1e-6)
    np.testing.assert_allclose(m["std"], part.std("trial", ddof=1), rtol=1e-6, atol=1e-9)


def test_the_file_is_what_xarray_reads(recording, tmp_path):
    path = tmp_path / "a.nc"
    recording.save(path)
    with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as found:
        xarray.testing.assert_identical(found.load(), recording.to_dataset().load())
        np.testing.assert_allclose(found["n.v"].values, recording.trace("n").values, rtol=1e-6)
        assert found["n.v"].attrs["units"] == "V"


def test_extremes_of_integers_survive(tmp_path):
    b = Builder("p", 2)
    wide = b.state("wide", Int(64), np.array([2**63 - 1, -(2**63)]))
    b.write("wide", wide, name="w")
    b.name_value(b.compare("gt", wide, b.const(0, Int(8))), "flag")
    probes = (Probe("p", "w"), Probe("p", "flag"))
    p = Program("big", "any", populations=(b.build(),), dt=0.1, probes=probes)
    r = Recording.of(p, simulate(ReferenceRun(p), p, 3)[1], backend="reference")
    r.save(tmp_path / "a.nc")
    again = Recording.load(tmp_path / "a.nc")
    same(again, r)
    assert again.raw("p", "w")[0, 0].tolist() == [2**63 - 1, -(2**63)]
    assert again.raw("p", "flag").dtype == np.bool_


def test_nothing_recorded_and_no_samples(tmp_path):
    late = record("loihi1", steps=2)  # the moments start at step 3, no spike yet
    assert len(late.spikes("n")) == 0 and late.moments("n").sizes["time"] == 0
    empty = Recording("e", "t", "b", 1e-3, 0, "h", Probes(0, 5, np.arange(2)))
    for r in (late, empty):
        r.save(tmp_path / "a.nc")
        same(Recording.load(tmp_path / "a.nc"), r)


def test_a_retimed_population_is_sampled_later(tmp_path):
    r = record("loihi1")
    assert r.latency == {"out": 1}
    assert np.array_equal(r.spikes("out").step, r.spikes("n").step[r.spikes("n").step < 119] + 1)


def test_what_was_not_recorded_is_named():
    r = record("float64")
    for call in (lambda: r.trace("n", "w"), lambda: r.raw("out"), lambda: r.moments("n", "u")):
        with pytest.raises(ProgramError, match=r"recorded.*n\.v.*add a probe"):
            call()
    with pytest.raises(ProgramError, match=r"no spikes recorded.*n, in, out"):
        r.spikes("nobody")


# ledger ------------------------------------------------------------------------------------------


def test_headroom():
    assert headroom(-128, 127, 0, 0) == math.inf
    assert headroom(-128, 127, -32, 10) == 2
    assert headroom(-128, 127, 0, 127) == 0
    assert headroom(-128, 127, -256, 5) == -1
    assert headroom(0, 10, -1, 0) == -math.inf
    assert headroom(0, 10, 0, 5) == 1


def test_ledger_has_limits_and_headroom():
    r = record("loihi1")
    rows = {x.key: x for x in r.ledger}
    v = rows["n.v"]
    assert (v.lo, v.hi, v.count, v.first) == (-(2**23) + 1, 2**23 - 1, 0, None)
    assert v.headroom_bits == pytest.approx(math.log2(v.hi / v.high))
    probes = dataclasses.replace(r.probes, ledger={"n.v": LedgerRow(3, (4, 0, 1), -5, 2**25)})
    assert dataclasses.replace(r, probes=probes).ledger[0].headroom_bits == pytest.approx(-2)


# files that are no recordings --------------------------------------------------------------------


def test_files_that_are_not_ours(tmp_path):
    text, other, missing = tmp_path / "a.nc", tmp_path / "b.nc", tmp_path / "c.nc"
    text.write_text("hello")
    xarray.Dataset({"x": ("t", [1.0])}).to_netcdf(other, engine="h5netcdf")
    for path, word in ((text, "cannot read"), (other, "not a recording"), (missing, "cannot read")):
        with pytest.raises(FormatError, match=word) as caught:
            Recording.load(path)
        assert path.name in str(caught.value)


def test_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    record("float64").save(path)
    with h5netcdf.File(path, "a") as file:
        file.attrs["neurohw_recording"] = 2
    with pytest.raises(FormatError, match=r"newer version.*upgrade neurohw"):
        Recording.load(path)


@pytest.mark.parametrize("header", ["{", "[]", '{"declared": [{"x": 1}]}', '{"declared": []}'])
def test_a_damaged_header(tmp_path, header):
    path = tmp_path / "a.nc"
    record("float64", steps=5).save(path)
    with h5netcdf.File(path, "a") as file:
        file.attrs["neurohw"] = header
    with pytest.raises(FormatError, match="cannot read"):
        Recording.load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file(tmp_path, share):
    path = tmp_path / "a.nc"
    record("float64", steps=5).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FormatError, match=r"a\.nc"):
        Recording.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path, r = tmp_path / "a.nc", record("float64", steps=5)
    r.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("neurohw.recording.netcdf.os.replace", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        r.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_the_hash_of_a_program_is_made_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It reads every weight, which may take longer than the run."""
    import neurohw as nh
    from neurohw.program import Program

    net = nh.Network("n")
    net.driver("d", nh.Regular(rate="100 Hz"))
    asked: list[str] = []
    made = Program.hash.func  # type: ignore[attr-defined]

    def noted(self: Program) -> str:
        asked.append(self.name)
        return made(self)

    monkeypatch.setattr(Program, "hash", property(noted))
    r = nh.run(net, backend="reference", dt="1 ms", steps=20)
    assert len(r.spikes("d")) == 2 and not asked
    assert len(r.program_hash) == 64 and asked == ["n"]
