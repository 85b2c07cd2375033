"""Who is measured in which case, with which options, and how a row of the table is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import workloads as w

__all__ = ["CONTENDERS", "OURS", "QUICK", "Contender", "cases", "entered"]

OURS = "neurohw"
FLOATS = ("W1", "W2-pooled", "W2-explicit", "W3", "W6")
LAYERS = ("W1", "W4", "W4-binary")


@dataclass(frozen=True)
class Contender:
    """One way to run one peer.

    Attributes
    ----------
    name : str
        Unique.
    peer : str
        Variants of one peer share it; the table reports the fastest of them.
    env, script : str
        See ``environments``; a file beside this one.
    cases : tuple of str
    options : dict
        Further fields of the build request.
    """

    name: str
    peer: str
    env: str
    script: str
    cases: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


def _threads(peer: str, env: str, script: str, cases: tuple[str, ...]) -> list[Contender]:
    return [
        Contender(f"{peer}, {k} thread{'s' * (k > 1)}", peer, env, script, cases, {"threads": k})
        for k in (1, 2)
    ]


CONTENDERS = (
    Contender(OURS, OURS, "own", "peer_neurohw.py",
              (*FLOATS, "W4", "W4-binary", "W5"), {"threads": 2}),
    Contender(f"{OURS}, 1 thread", f"{OURS}, 1 thread", "own", "peer_neurohw.py",
              (*FLOATS, "W4", "W4-binary", "W5"), {"threads": 1}),
    Contender(f"{OURS}, a draw per train and step", f"{OURS}, a draw per train and step", "own",
              "peer_neurohw.py", ("W2-explicit",), {"threads": 2, "sampling": "step"}),
    *_threads("Brian2 C++", "brian2", "peer_brian2.py", FLOATS),
    Contender("Brian2 Cython", "Brian2 Cython", "brian2", "peer_brian2.py",
              ("W1", "W2-pooled", "W3", "W6"), {"mode": "cython"}),
    *_threads("NEST", "nest", "peer_nest.py", FLOATS),
    *(Contender(name, name, "torch", "peer_torch.py", LAYERS, {"library": name})
      for name in ("snnTorch", "Norse", "SpikingJelly", "sinabs")),
    Contender("matrix product alone", "matrix product alone", "torch", "peer_torch.py",
              ("W4", "W4-binary"), {"library": "product"}),
    *(Contender(f"Lava, {k} core{'s' * (k > 1)}", "Lava", "own", "peer_lava.py", ("W5",),
                {"cores": k}) for k in (1, 2)),
    Contender("Brian2Loihi", "Brian2Loihi", "brian2loihi", "peer_brian2loihi.py", ("W5",)),
    Contender("nengo-loihi", "nengo-loihi", "nengoloihi", "peer_nengoloihi.py", ("W5",)),
)  # fmt: skip

QUICK: dict[tuple[str, int], tuple[str, ...]] = {
    ("W1", 100): ("Brian2 C++, 1 thread",),
    ("W1", 10_000): ("sinabs", "Brian2 C++, 2 threads"),
    ("W2-pooled", 1_000): ("Brian2 C++, 1 thread",),
    ("W3", 4_000): ("Brian2 C++, 1 thread", "NEST, 2 threads"),
    ("W4", 512): ("matrix product alone", "snnTorch", "sinabs"),
    ("W4-binary", 512): ("matrix product alone", "snnTorch", "sinabs"),
    ("W5", 1_000): ("nengo-loihi", "Lava, 1 core"),
    ("W6", 1_000): ("Brian2 C++, 2 threads",),
}
"""Case and size -> who takes part in a quick run, beside neurohw: the peer that came nearest to it
in a full run, in its fastest variant, and what else is cheap to build."""


def cases(*, quick: bool = False) -> dict[str, tuple[int, ...]]:
    """Case -> its sizes."""
    if not quick:
        return dict(w.SIZES)
    return {case: tuple(n for c, n in QUICK if c == case) for case, _ in QUICK}


def entered(case: str, size: int, *, quick: bool = False) -> list[Contender]:
    """The contenders of a case, ours first."""
    able = [c for c in CONTENDERS if case in c.cases]
    if quick and (case, size) in QUICK:
        return [c for c in able if c.name in (OURS, *QUICK[case, size])]
    return able
