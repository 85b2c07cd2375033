"""What rounding takes away, counted in the program itself and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import neurohw as nh
from neurohw.lowering import lower
from neurohw.program import (
    Builder,
    Int,
    Program,
    Watch,
    bits_shifted_out,
    is_loss,
    parse,
    with_losses,
)
from neurohw.recording import Recording
from neurohw.run import run_program, with_spikes

ROUNDING = ("floor", "toward_zero", "half_even", "half_away")


def shifted(x: int, by: int, rounding: str) -> int:
    """One number, by the rule's words."""
    floor, rest = divmod(x, 1 << by)
    half = 1 << (by - 1)
    up = {
        "floor": False,
        "toward_zero": x < 0 and rest > 0,
        "half_even": rest > half or (rest == half and floor % 2 == 1),
        "half_away": rest > half or (rest == half and x > 0),
    }[rounding]
    return floor + up


@pytest.mark.parametrize("rounding", ROUNDING)
@pytest.mark.parametrize("by", [1, 3, 12])
def test_every_entry_is_counted(rounding: str, by: int) -> None:
    """Numbers from -200 to 200 around ties and multiples, one per element."""
    given = np.arange(-200, 201) * (1 << by) // 8
    b = Builder("A", len(given))
    b.write("y", b.shr(b.state("x", Int(32), given), by, Int(32), rounding=rounding))
    b.state("y", Int(32), 0)
    rec = ran(with_losses(Program("shift", populations=(b.build(),))), 1)
    want = [shifted(int(x), by, rounding) for x in given]
    error = [int(x) - (y << by) for x, y in zip(given, want, strict=True)]
    lost, gone = rec.ledger
    assert (lost.key, gone.key) == (f"A.x: {by} bits shifted out", "A.x: became 0")
    assert (lost.kind, gone.kind) == ("lost", "zero")
    assert lost.count == sum(e != 0 for e in error) > 0
    assert (lost.low, lost.high) == (min(error), max(error))
    assert lost.excess == max(map(abs, error)) / 2**by
    assert lost.first == (0, 0, next(i for i, e in enumerate(error) if e))
    zero = [i for i, (x, y) in enumerate(zip(given, want, strict=True)) if x and not y]
    assert gone.count == len(zero) and gone.first == ((0, 0, zero[0]) if zero else None)


def ran(program: Program, steps: int, backend: str = "reference", **more) -> Recording:
    return run_program(with_spikes(program), backend, steps, **more)


def chip(target: str = "loihi1") -> Program:
    net = nh.Network("losses")
    net.driver("in", nh.SpikeArray(size=3))
    net.population("n", nh.LIF(size=2, C="1 mF", tau="20 ms", E_L=0.0, V_th=1.0, V_reset=0.0))
    weight = np.array([[0.3, -0.2, 0.05], [0.2, 0.1, -0.4]])
    net.connect("in", "n", nh.Exponential(weight=weight, tau="4 ms"), delay="1 ms")
    net.probe("n", "u", "v")
    return lower(net, target, dt=1e-3).program


INPUT = np.random.default_rng(3).random((300, 3)) < 0.4
INPUT[150:] = False  # u goes back to 0


@pytest.mark.parametrize("target", ["loihi1", "lava"])
def test_decays_of_a_chip(target: str) -> None:
    """The decay of u, from the recorded u of the step before: bits lost, and u that became 0."""
    program = chip(target)
    rec = ran(with_losses(program), 300, inputs={"in": INPUT})
    rows = {e.key: e for e in rec.ledger}
    u = rec.raw("n", "u")[:-1, 0].astype(np.int64)  # of the step before, from step 1 on
    keep = 4096 - round(4096 / 4)
    product = u * keep
    kept = np.sign(product) * (np.abs(product) >> 12)
    lost, gone = rows["n.u: 12 bits shifted out"], rows["n.u: became 0"]
    assert lost.count == np.count_nonzero(product - (kept << 12)) > 100
    assert lost.excess == np.abs(product - (kept << 12)).max() / 4096 < 1
    assert gone.count == np.count_nonzero((u != 0) & (kept == 0)) > 0
    step, element = np.argwhere((u != 0) & (kept == 0))[0]
    late = next(p.offset for p in program.probes if p.value == "u")
    assert gone.first == (late + step + 1, 0, element)


def test_nothing_else_changes_and_nothing_is_paid_unasked() -> None:
    program = chip()
    whole = with_losses(program)
    assert program.hash == chip().hash != whole.hash
    assert parse(whole.text) == whole
    a, b = (ran(p, 300, inputs={"in": INPUT}) for p in (program, whole))
    assert len(a.spikes("n")) > 10
    for column in ("step", "trial", "element"):
        np.testing.assert_array_equal(
            getattr(a.spikes("n"), column), getattr(b.spikes("n"), column)
        )
    np.testing.assert_array_equal(a.raw("n", "u"), b.raw("n", "u"))
    assert not any(is_loss(e.key) for e in a.ledger)
    assert [e for e in b.ledger if not is_loss(e.key)] == list(a.ledger)
    plain = lower_float()
    assert with_losses(plain) == plain  # floats have no shifts


def lower_float() -> Program:
    net = nh.Network("float")
    net.population("n", nh.LIF(size=2, C="1 mF", tau="20 ms", E_L=0.0, V_th=1.0, I_bias="60 mA"))
    return lower(net, "float64", dt=1e-3).program


@pytest.mark.parametrize("backend", ["native"])
def test_engines_count_the_same(backend: str) -> None:
    whole = with_losses(chip())
    want, got = (ran(whole, 300, b, inputs={"in": INPUT}) for b in ("reference", backend))
    assert got.ledger == want.ledger


def test_names_of_rows() -> None:
    assert bits_shifted_out("n.u: 12 bits shifted out") == 12
    assert bits_shifted_out("n.u: became 0") is None and is_loss("n.u: became 0")
    assert not is_loss("n.u") and not is_loss("n.sum of weights")
    noisy = nh.Network("noisy")
    lif = nh.LIF(size=2, C="1 mF", tau="20 ms", E_L=0.0, V_th=1.0, I_bias="60 mA")
    noisy.population("n", lif, noise=[nh.AdditiveNoise(sigma="1 mA*s**0.5")])
    keys = [w.key for w in with_losses(lower(noisy, "lava", dt=1e-3).program).watches]
    assert "n.v: 12 bits shifted out" in keys
    assert any(k.startswith("n.additive: ") and bits_shifted_out(k) for k in keys)
    chip = [w.key for w in with_losses(lower(noisy, "loihi1", dt=1e-3).program).watches]
    assert not any("24 bits" in k for k in chip)  # eight bits of a random word


def test_the_worst_excess_of_a_register() -> None:
    b = Builder("A", 2)
    x = b.state("x", Int(24), np.array([3, -9]))
    b.write("x", x, name="x")
    watched = dataclasses.replace(
        Program("w", populations=(b.build(),)), watches=(Watch("A", "x", -5, 2),)
    )
    (row,) = ran(watched, 2).ledger
    assert (row.kind, row.count, row.excess, row.first) == ("range", 4, 4, (0, 0, 0))


def test_run_takes_it_as_an_option() -> None:
    net = nh.Network("option")
    net.population("n", nh.LIF(size=1, C="1 mF", tau="20 ms", E_L=0.0, V_th=1.0, I_bias="60 mA"))
    settings = dict(target="loihi1", dt=1e-3, steps=50, backend="reference")
    assert {e.kind for e in nh.run(net, **settings).ledger} == {"range"}
    assert {e.kind for e in nh.run(net, losses=True, **settings).ledger} == {
        "range",
        "lost",
        "zero",
    }
