"""Draws: the known answers through this engine, and the layout of blocks against the core's."""

from __future__ import annotations

import numpy as np
import pytest

from neurohw.errors import ProgramError
from neurohw.program import Builder, Int, Probe, Program, initial_state, philox

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

# Random123 1.14, tests/kat_vectors: philox4x32 10 <counter> <key> <answer>
KNOWN = """
00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


def engine():
    from neurohw_torch import philox as module

    return module


def test_random123_vectors() -> None:
    for line in KNOWN.split("\n")[1:-1]:
        *counter, k0, k1 = (int(x, 16) for x in line.split()[:6])
        words = engine().philox4x32(*(torch.tensor(c) for c in counter), k0, k1)
        assert [int(w) for w in words] == [int(x, 16) for x in line.split()[6:]]


def test_words_of_random_counters() -> None:
    rng = np.random.default_rng(3)
    c = rng.integers(0, 2**32, (4, 5000))
    k = rng.integers(0, 2**32, 2)
    want = philox.philox4x32(*c, *k)
    got = engine().philox4x32(*torch.from_numpy(c), int(k[0]), int(k[1]))
    for a, b in zip(want, got, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize("kind", ["words", "normals"])
@pytest.mark.parametrize("t0,steps", [(0, 9), (3, 1), (7, 2), (6, 40), (2**34 - 5, 5)])
def test_blocks_begin_and_end_anywhere(kind: str, t0: int, steps: int) -> None:
    trials, seed, site = np.array([0, 2, 9, 2**32 - 1]), 2**64 - 3, philox.site_hash("A.x")
    got = getattr(engine(), kind)(seed, site, torch.from_numpy(trials), 7, t0, steps)
    want = np.stack(
        [getattr(philox, kind)(seed, site, trials, np.arange(7), t) for t in range(t0, t0 + steps)]
    )
    np.testing.assert_array_equal(got.numpy(), want)


def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = torch.arange(50)
    for kind in ("words", "normals"):
        want = getattr(engine(), kind)(1, 2, trials, 11, 5, 30)
        for lanes in (1, 40, 600):
            monkeypatch.setattr(engine(), "_TILE_CPU", lanes)
            assert torch.equal(want, getattr(engine(), kind)(1, 2, trials, 11, 5, 30))


def test_programs_draw_what_the_reference_draws(check) -> None:
    b = Builder("A", 6)
    word, normal = b.word("w"), b.normal("n")
    noise = b.shr(normal, 3, Int(17), rounding="half_even")
    v = b.state("v", Int(24), 0)
    b.write("v", b.add(v, noise, Int(24), overflow="wrap"), name="v")
    b.name_value(word, "w")
    b.name_value(normal, "n")
    b.spike(b.compare("lt", word, b.const(2**30, Int(32))))
    p = Program(
        "draws",
        seed=2**63 + 11,
        trials=40,
        populations=(b.build(),),
        probes=tuple(Probe("A", k) for k in ("w", "n", "v", "spikes")),
    )
    for t0 in (0, 1, 5, 8, 1003):
        check(p, 21, t0=t0, splits=(1, 2, 9), modes=(True,))
    check(p, 21, t0=3, trials=[0, 7, 8, 39], modes=(True,))
    with pytest.raises(ProgramError, match=r"draw\.step"):
        check(p, 2, t0=2**34 - 1)
    from neurohw_torch import backend

    with pytest.raises(ProgramError, match=r"draw\.step"):
        backend("cpu").compile(p)(initial_state(p), None, 2**34 - 1, 2)
