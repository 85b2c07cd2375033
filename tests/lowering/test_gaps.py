"""Poisson trains drawn by their intervals: thresholds in exact numbers, draws against SciPy."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import neurohw as nh
from neurohw.backend import compile_program, load, simulate
from neurohw.errors import LoweringError, NetworkError
from neurohw.lowering.gaps import chance_of_gaps, digit_thresholds
from neurohw.program import Int, Probes, Program, initial_state, print_program
from neurohw.program.philox import site_hash, words

DT = 1e-4
ONE = 2**32
BOUNDS = [1, 2, 3, 977, 2**12, 43691, 429497, 2**22 + 1, 4294967, 8589935, 2**27, 2**30 + 12345,
          2**31, 3 * 2**30, ONE - 1]  # fmt: skip


# the recipe ---------------------------------------------------------------------------------------


def digit_chance(q: Fraction, k: int, m: int) -> Fraction:
    """P(octal digit k of G is m) as the module states it."""
    r = q ** (8**k)
    return r**m * (1 - r) / (1 - r**8)


@pytest.mark.parametrize("q", [Fraction(1, 3), Fraction(9, 10), Fraction(1021, 1024)])
def test_octal_digits_of_a_geometric_number_are_independent(q: Fraction) -> None:
    """P(G = g) is the product of the digits' probabilities, for every g below 8**3, exactly."""
    above = 1 - q ** (8**3)  # P(all digits from 3 on are 0): the product telescopes
    chance = [[digit_chance(q, k, m) for m in range(8)] for k in range(3)]
    assert all(sum(row) == 1 for row in chance)
    for g in range(8**3):
        a, b, c = g & 7, (g >> 3) & 7, g >> 6
        assert chance[0][a] * chance[1][b] * chance[2][c] * above == (1 - q) * q**g
    for bit in range(3):  # the same in base 2, where the chance of a bit is r / (1 + r)
        r = q ** (2**bit)
        assert sum(chance[0][m] for m in range(8) if m >> bit & 1) == r / (1 + r)


@pytest.mark.parametrize("bound", BOUNDS)
def test_thresholds_are_the_rounded_distribution_function(bound: int) -> None:
    """To half a unit: exactly where numbers stay small, in 60 digits elsewhere."""
    mpmath = pytest.importorskip("mpmath")
    tables = digit_thresholds(bound)
    with mpmath.workdps(60):
        q = 1 - mpmath.mpf(bound) / ONE
        for k, levels in enumerate(tables):
            r = q ** (8**k)
            want = [ONE * (1 - r**m) / (1 - r**8) for m in range(1, 8)]
            assert 1 <= len(levels) <= 7
            for level, x in zip(levels, want, strict=False):
                assert abs(level - x) <= 0.5 + 1e-12
            assert all(ONE - x <= 0.5 + 1e-12 for x in want[len(levels) :])
        r = q ** (8 ** len(tables))
        assert ONE * (1 - (1 - r) / (1 - r**8)) <= 0.5 + 1e-12  # what is left out
    for k, levels in enumerate(tables[:4]):
        below = Fraction(0)
        for m, level in enumerate(levels):
            below += digit_chance(1 - Fraction(bound, ONE), k, m)
            assert abs(level - below * ONE) <= Fraction(1, 2)


def realised(bound: int) -> list[np.ndarray]:
    """The distribution of each digit that its thresholds give."""
    rows = []
    for levels in digit_thresholds(bound):
        edges = np.array([0, *levels] + [ONE] * (8 - len(levels)), float)
        rows.append(np.diff(edges) / ONE)
    return rows


@pytest.mark.parametrize("bound", [429497, 4294967, 8589935, 2**27, 2**30, 2**31, ONE - 1])
def test_the_gap_is_geometric_within_the_stated_distance(bound: int) -> None:
    """Total variation at most (thresholds + 1) 2**-33; SciPy's own rounding is added."""
    gap = np.ones(1)
    for row in realised(bound):
        gap = (row[:, None] * gap).ravel()
    p = bound / ONE
    want = stats.geom.pmf(np.arange(len(gap)), p, loc=-1)
    beyond = stats.geom.sf(len(gap) - 1, p, loc=-1)
    distance = (np.abs(gap - want).sum() + beyond) / 2
    count = sum(map(len, digit_thresholds(bound)))
    assert distance <= (count + 1) * 2.0**-33 + 1e-12
    mean = float(gap @ np.arange(len(gap)))
    assert mean == pytest.approx(1 / chance_of_gaps(np.array(bound)) - 1, rel=1e-12, abs=1e-12)


def test_the_rate_is_right_to_5e_8() -> None:
    rng = np.random.default_rng(1)
    bounds = np.unique(np.r_[BOUNDS, ONE, (2 ** rng.uniform(0, 32, 2000)).astype(np.int64)])
    error = chance_of_gaps(bounds) / (bounds / ONE) - 1
    assert np.abs(error).max() < 5e-8
    assert chance_of_gaps(np.array([0, ONE])).tolist() == [0.0, 1.0]


# the process --------------------------------------------------------------------------------------


def run(p: Program, backend: str, steps: int) -> Probes:
    return simulate(compile_program(load(backend), p), p, steps)[1]


def trains(rate, size: int, steps: int, *, trials: int = 1, seed: int = 0, backend: str = "native",
           sampling: str = "interval", dt: float = DT):  # fmt: skip
    """(trial, step, element) of all spikes, sorted by source."""
    net = nh.Network("trains")
    net.driver("x", nh.Poisson(size=size, rate=rate, sampling=sampling))
    net.probe("x", "spikes")
    p = nh.lower(net, "float64", dt=dt, trials=trials, seed=seed).program
    events = run(p, backend, steps).events["x"]
    order = np.lexsort((events.step, events.element, events.trial))
    return tuple(np.asarray(x)[order] for x in (events.trial, events.step, events.element))


def by_source(found, size: int, trials: int = 1) -> list[np.ndarray]:
    trial, step, element = found
    ends = np.cumsum(np.bincount(trial * size + element, minlength=size * trials))
    return np.split(step, ends[:-1])


def fits(sample: np.ndarray, p: float) -> float:
    """P of a larger chi-square if ``sample`` is geometric from 0 on; ten or more in each class."""
    n = len(sample)
    edges = np.unique(stats.geom.ppf(np.linspace(0, 1, 21)[1:-1], p, loc=-1).astype(int))
    chance = np.diff(np.r_[0, stats.geom.cdf(edges, p, loc=-1), 1])
    found = np.bincount(np.searchsorted(edges, sample), minlength=len(chance))
    assert (chance * n >= 10).all()
    return float(stats.chisquare(found, chance * n).pvalue)


@pytest.mark.parametrize("rate", [4000.0, 300.0, 20.0])
def test_intervals_and_first_spikes_are_geometric(rate: float) -> None:
    """As many intervals of each source, so that none is lost for being long; 1 in 10^6 fails."""
    p, size, many = round(rate * DT * ONE) / ONE, 600, 20
    steps = int((many + 40 + 8 * math.sqrt(many)) / p)
    found = by_source(trains(rate, size, steps, seed=int(rate)), size)
    assert min(map(len, found)) > many
    first = np.array([x[0] for x in found])
    gaps = np.array([np.diff(x[: many + 1]) - 1 for x in found])
    assert fits(first, p) > 1e-6 and fits(gaps.ravel(), p) > 1e-6
    ranks = stats.rankdata(gaps).reshape(gaps.shape)
    for a, b in ((ranks[:, 1:], ranks[:, :-1]), (ranks[1:], ranks[:-1]), (first, ranks[:, 0])):
        r = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert abs(r) * math.sqrt(a.size) < 5.5  # 4e-8 for a normal number


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_every_step_is_a_bernoulli_draw_from_step_0_on(backend: str) -> None:
    """Spikes of a step are binomial and uncorrelated with those before, other trials, others."""
    size, trials, steps, rate = 50, 40, 60, 1500.0
    p, n = round(rate * DT * ONE) / ONE, size * trials
    trial, step, element = trains(rate, size, steps, trials=trials, seed=3, backend=backend)
    grid = np.zeros((steps, trials, size))
    grid[step, trial, element] = 1
    count = grid.sum(axis=(1, 2))
    assert abs(count[0] - n * p) < 5.5 * math.sqrt(n * p * (1 - p))
    chi = ((count - n * p) ** 2).sum() / (n * p * (1 - p))
    assert stats.chi2.sf(chi, steps) > 1e-6 and stats.chi2.cdf(chi, steps) > 1e-6
    z = (grid - p) / math.sqrt(p * (1 - p))
    pairs = [(z[k:], z[:-k]) for k in (1, 2, 3, 8)]
    pairs += [(z[:, 1:], z[:, :-1]), (z[..., 1:], z[..., :-1])]
    for a, b in pairs:
        assert abs((a * b).sum()) < 5.5 * math.sqrt(a.size)


def test_the_same_rate_as_a_draw_per_step() -> None:
    size, steps, rate = 2000, 5000, 50.0
    mean = size * steps * round(rate * DT * ONE) / ONE
    for sampling in ("interval", "step"):
        count = len(trains(rate, size, steps, seed=8, sampling=sampling)[0])
        assert abs(count - mean) < 5 * math.sqrt(mean)


def test_rates_of_their_own_a_silent_source_and_one_that_never_rests() -> None:
    rates = np.array([0.0, 1 / DT, 700.0, 0.4 / DT, 0.0, 3.0])
    steps = 20_000
    found = by_source(trains(rates, 6, steps, seed=2), 6)
    assert not len(found[0]) and not len(found[4])
    assert np.array_equal(found[1], np.arange(steps))
    for k in (2, 3, 5):
        mean = rates[k] * DT * steps
        assert abs(len(found[k]) - mean) < 5 * math.sqrt(mean)
    for rate, count in ((0.0, 0), (1 / DT, 40)):  # one rate for all
        assert len(trains(rate, 2, 20)[0]) == count


@pytest.mark.parametrize("bound", [1, 3, 2000])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_gaps_longer_than_31_bits(bound: int, backend: str) -> None:
    """The first wait, as the state holds it after a step, is exponential to one part in 10^6."""
    size = 4000
    net = nh.Network("rare")
    net.driver("x", nh.Poisson(size=size, rate=bound / ONE / DT, sampling="interval"))
    net.probe("x", "spikes")
    p = nh.lower(net, "float64", dt=DT, seed=4).program
    held = p.population("x").states[0].dtype
    longest = sum(8**k * len(levels) for k, levels in enumerate(digit_thresholds(bound)))
    assert longest <= held.hi and (held == Int(32) or held.hi < 2 * longest)
    assert (held == Int(32)) == (bound == 2000)
    after, probes = load(backend).compile(p)(initial_state(p), None, 0, 3)
    wait = after.values["x.wait"][0].astype(float)
    assert not len(probes.events["x"])
    scaled = (wait + 3) * bound / ONE
    assert scaled.max() < 23 + math.log(8)
    assert stats.kstest(scaled, "expon").pvalue > 1e-6


def test_a_silent_source_stays_silent_where_the_countdown_ends() -> None:
    """The state saturates at its lowest value instead of coming round to 0."""
    net = nh.Network("silent")
    net.driver("x", nh.Poisson(size=3, rate=[0.0, 500.0, 0.0], sampling="interval"))
    net.probe("x", "spikes")
    p = nh.lower(net, "float64", dt=DT).program
    lowest = p.population("x").states[0].dtype.lo
    state = initial_state(p)
    state.values["x.wait"][0, [0, 2]] = lowest + 4, lowest
    for backend in ("reference", "native"):
        after, probes = load(backend).compile(p)(state, None, 7, 50)
        assert after.values["x.wait"][0, [0, 2]].tolist() == [lowest, lowest]
        assert set(probes.events["x"].element.tolist()) <= {1}


# the same on every engine, and however a run is split ---------------------------------------------


def circuit(target: str, trials: int = 2):
    net = nh.Network("circuit")
    net.driver("a", nh.Poisson(size=9, rate=[900.0, 0.0, 1e4] * 3, sampling="interval"))
    net.driver("b", nh.Poisson(size=5, rate="2 kHz", sampling="interval"))
    net.population("n", nh.LIF(size=3, C="200 pF", tau="20 ms", E_L="0 V", V_th="4 mV"))
    rng = np.random.default_rng(0)
    net.connect("a", "n", nh.Delta(weight=rng.uniform(0, 1e-3, (3, 9))), delay="0.2 ms")
    net.connect("b", "n", nh.Delta(weight=rng.uniform(-1e-3, 1e-3, (3, 5))), delay="0.1 ms")
    for name in "abn":
        net.probe(name, "spikes")
    return nh.lower(net, target, dt=DT, trials=trials, seed=11).program


@pytest.mark.parametrize("target", ["float64", "lava"])
@pytest.mark.parametrize("backend", ["native", "torch", "lava"])
def test_the_same_bits_on_every_engine(backend: str, target: str) -> None:
    p = circuit(target)
    a, b = run(p, "reference", 60), run(p, backend, 60)
    assert all(len(a.events[name]) > 3 for name in "abn")
    for name in "abn":
        for field in ("trial", "step", "element"):
            got = getattr(b.events[name], field)
            np.testing.assert_array_equal(getattr(a.events[name], field), got)


def test_snntorch_takes_it_as_a_driver() -> None:
    pytest.importorskip("snntorch")
    p = circuit("snntorch", trials=1)
    assert not load("snntorch").unsupported(p)


def test_stock_lava_processes_hear_it() -> None:
    pytest.importorskip("lava")
    from neurohw_lava.plan import Plan, make_plan

    plan = make_plan(circuit("lava", trials=1))
    assert isinstance(plan, Plan) and plan.before == {"a", "b"}


@pytest.mark.parametrize("backend", ["native", "reference", "torch"])
def test_a_run_may_be_split(backend: str) -> None:
    p = circuit("float64")
    part_of = load(backend).compile(p)
    start = initial_state(p)
    whole, probes = part_of(start, None, 0, 41)
    now, steps = start, []
    for t0, n in ((0, 1), (1, 9), (10, 3), (13, 28)):
        now, part = part_of(now, None, t0, n)
        steps.append(np.asarray(part.events["a"].step))
    for key in whole.values:
        np.testing.assert_array_equal(whole.values[key], now.values[key], strict=True)
    np.testing.assert_array_equal(np.sort(np.concatenate(steps)), np.sort(probes.events["a"].step))


# what users write ---------------------------------------------------------------------------------


def test_a_draw_per_step_is_what_it_was() -> None:
    """One word, one comparison; the words of its own site."""
    net = nh.Network("n")
    net.driver("x", nh.Poisson(size=7, rate="800 Hz"))
    net.probe("x", "spikes")
    p = nh.lower(net, "float64", dt=DT, seed=5).program
    assert [n.op for n in p.population("x").nodes] == ["word", "const", "lt"]
    events = run(p, "reference", 200).events["x"]
    want = [(t, i) for t in range(200) for i in np.flatnonzero(
        words(5, site_hash("x.poisson"), np.arange(1), np.arange(7), t)[0]
        < round(800 * DT * ONE))]  # fmt: skip
    assert list(zip(events.step.tolist(), events.element.tolist(), strict=True)) == want


def test_the_same_nodes_on_every_target() -> None:
    texts = set()
    for target in ("float64", "float32", "lava", "loihi1", "loihi2", "snntorch"):
        text = print_program(circuit(target))
        texts.add(text[text.index("population a") : text.index("population b")])
    assert len(texts) == 1


def test_the_report_has_the_rate_that_the_gaps_give() -> None:
    net = nh.Network("n")
    net.driver("x", nh.Poisson(rate="10 Hz", sampling="interval"))
    row = nh.lower(net, "float64", dt=DT).report.rows[0]
    assert row.where == "x.rate" and row.asked == 10.0
    assert row.realised == float(chance_of_gaps(np.array(4294967))) / DT
    assert row.realised != 4294967 / ONE / DT


def test_toml_and_back() -> None:
    net = nh.Network("t")
    net.driver("a", nh.Poisson(size=3, rate=[1.0, 2.0, 0.0], sampling="interval"))
    net.driver("b", nh.Poisson(size=2, rate="5 Hz"))
    text = nh.dumps(net)
    assert text.count("sampling") == 1 and 'sampling = "interval"' in text
    assert nh.loads(text)[0] == net
    assert nh.Poisson(rate=1.0, sampling="interval") != nh.Poisson(rate=1.0)
    same = nh.loads('[[driver]]\nname = "b"\nkind = "poisson"\nrate = "5 Hz"\nsampling = "step"\n')
    assert same[0]["b"].model.sampling == "step"


def test_refusals() -> None:
    for rate in (nh.Step(amplitude="9 Hz"), nh.Piecewise(times=[0.0, 1.0], values=["1 Hz", "2 Hz"]),
                 nh.Sine(mean="9 Hz", amplitude="1 Hz", frequency="1 Hz"),
                 nh.Ramp(initial="1 Hz", final="2 Hz", start=0.0, stop=1.0)):  # fmt: skip
        kind = type(rate).__name__
        with pytest.raises(
            NetworkError,
            match=rf"Poisson.sampling: an interval is drawn for a rate that does not change; got "
            rf"interval, with a {kind} as rate; allowed: interval with one rate or one per source, "
            rf'step with any; use sampling = "step"',
        ):
            nh.Poisson(rate=rate, sampling="interval")
        nh.Poisson(rate=rate)
    with pytest.raises(NetworkError, match=r"sampling: unknown value.*allowed: step \| interval"):
        nh.Poisson(rate=1.0, sampling="intervals")
    with pytest.raises(NetworkError, match=r"<toml>:\d+.*sampling: an interval is drawn"):
        nh.loads('[[driver]]\nname = "b"\nkind = "poisson"\nsampling = "interval"\n'
                 'rate = {kind = "step", amplitude = "5 Hz"}\n')  # fmt: skip
    with pytest.raises(LoweringError, match="more than one spike per step"):
        trains("20 kHz", 1, 1)
