"""Spikes: how wide their columns are, and that no reader counts on more."""

from __future__ import annotations

from itertools import pairwise

import h5netcdf
import numpy as np
import pytest

from neurohw.analysis.trains import trains_of
from neurohw.compare.measure import train_keys
from neurohw.program import Events, LedgerRow, Moments, Probe, Probes, concat
from neurohw.recording import Recording

EDGE = 2**31


@pytest.mark.parametrize("given", [np.int64, np.int32, np.uint16, np.uint64])
def test_columns_are_int32_where_numbers_fit(given) -> None:
    e = Events(*(np.array(x, given) for x in ([0, 1], [5, 2], [7, 0])))
    for column, want in zip((e.trial, e.step, e.element), ([0, 1], [5, 2], [7, 0]), strict=True):
        assert column.dtype == np.int32 and column.tolist() == want
    none = np.array([], given)
    assert Events(none, none, none).step.dtype == np.int32


@pytest.mark.parametrize("largest,dtype", [(EDGE - 1, np.int32), (EDGE, np.int64)])
def test_a_step_that_needs_more_widens_its_column_alone(largest: int, dtype) -> None:
    e = Events(np.array([0, 0]), np.array([3, largest]), np.array([1, 1]))
    assert e.step.dtype == dtype and e.step.tolist() == [3, largest]
    assert e.trial.dtype == e.element.dtype == np.int32


def test_dense_and_back_far_from_step_0() -> None:
    trials, rng = np.array([2, 5, 9]), np.random.default_rng(0)
    for t0 in (0, EDGE - 10, EDGE, 2**34 - 20):
        for density in (0.3, 0.0):
            dense = rng.random((20, 3, 4)) < density
            e = Events.from_dense(dense, trials, t0)
            np.testing.assert_array_equal(e.dense(trials, t0, 20, 4), dense)
            t = trains_of(e, dt=1e-4, steps=20, size=4, trials=trials, first=t0)
            assert len(t) == dense.sum() and t.step.dtype == np.int64


def part(t0: int, steps: int, trials: np.ndarray, dense: np.ndarray) -> Probes:
    x = dense[t0 : t0 + steps]
    low, high = (int(f(axis=None)) for f in (x.min, x.max))
    return Probes(
        EDGE - 15 + t0,
        steps,
        trials,
        {"P": Events.from_dense(x, trials, EDGE - 15 + t0)},
        {"P.v": x.astype(np.int32)},
        {"P.v:moments": Moments.of(x)},
        {"P.v": LedgerRow(int(x.sum()), None, low, high)},
    )


@pytest.mark.parametrize("trials", [[3], [0, 1, 7]], ids=str)
def test_any_number_of_spans_joins(trials: list[int]) -> None:
    ids = np.array(trials)
    dense = np.random.default_rng(1).random((30, len(ids), 6)) < 0.2
    whole = part(0, 30, ids, dense)
    cuts = [0, 4, 5, 17, 30]
    parts = [part(a, b - a, ids, dense) for a, b in pairwise(cuts)]
    for got in (concat(*parts), concat(concat(*parts[:2]), concat(*parts[2:])), concat(whole)):
        assert (got.t0, got.steps) == (whole.t0, 30)
        for name in ("trial", "step", "element"):
            a, b = (getattr(x.events["P"], name) for x in (got, whole))
            np.testing.assert_array_equal(a, b, strict=True)
        np.testing.assert_array_equal(got.traces["P.v"], whole.traces["P.v"])
        np.testing.assert_array_equal(got.moments["P.v:moments"].mean, dense.mean(axis=1))
        assert got.ledger["P.v"].count == dense.sum()


def test_keys_of_trains_do_not_wrap() -> None:
    """70,000 trials of 70,000 neurons: their number alone is beyond 32 bits."""
    n = 70_000
    e = Events(np.array([0, n - 1]), np.array([4, 6]), np.array([1, n - 1]))
    span = 1000
    assert train_keys(e, n, 2, span).tolist() == [span + 2, ((n - 1) * n + n - 1) * span + 4]
    far = Events(np.array([0]), np.array([EDGE - 1]), np.array([0]))
    assert train_keys(far, n, -5, span).tolist() == [EDGE + 4]


def test_trains_do_not_wrap() -> None:
    """Trains are put in order by a key whose parts are larger than 32 bits together."""
    n = 70_000
    e = Events(np.array([1, n - 1, n - 1]), np.array([4, 6, 7]), np.array([1, n - 1, 5]))
    t = trains_of(e, dt=1e-4, steps=10, size=n, trials=n)
    assert t.trial.tolist() == [1, n - 1, n - 1] and t.neuron.tolist() == [1, 5, n - 1]
    assert t.train.tolist() == [n + 1, (n - 1) * n + 5, (n - 1) * n + n - 1]


def test_files_hold_narrow_columns_and_wide_ones_are_still_read(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [np.array(x) for x in ([0, 1], [3, 2], [4, 0])]

    def written(wide: bool) -> str:
        with monkeypatch.context() as m:
            if wide:  # as all were once
                m.setattr(Events, "__post_init__", lambda self: None)
            probes = Probes(0, 5, np.arange(2), {"P": Events(*columns)})
            r = Recording("n", "t", "b", 1e-3, 0, "h", probes, (Probe("P", "spikes"),), {"P": 5})
            r.save(tmp_path / f"{wide}.nc")
        with h5netcdf.File(tmp_path / f"{wide}.nc") as file:
            (dtype,) = {file[f"P:spikes_{c}"].dtype for c in ("trial", "step", "element")}
        return dtype.name

    assert [written(wide) for wide in (False, True)] == ["int32", "int64"]
    new, old = (Recording.load(tmp_path / f"{wide}.nc").spikes("P") for wide in (False, True))
    for name, want in zip(("trial", "step", "element"), columns, strict=True):
        np.testing.assert_array_equal(getattr(new, name), want.astype(np.int32), strict=True)
        np.testing.assert_array_equal(getattr(old, name), want.astype(np.int32), strict=True)
