"""Who is measured in which case, with which options, and how a row of the table is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONTENDERS", "OURS", "Contender", "entered"]

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
    largest : dict
        Case -> size above which this contender is left out, because another variant is faster.
    quick : bool
        Whether it takes part in a quick run.
    """

    name: str
    peer: str
    env: str
    script: str
    cases: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)
    quick: bool = True


def _threads(
    peer: str, env: str, script: str, cases: tuple[str, ...], quick: tuple[int, ...] = (1, 2)
) -> list[Contender]:
    return [
        Contender(
            f"{peer}, {k} thread{'s' * (k > 1)}",
            peer,
            env,
            script,
            cases,
            {"threads": k},
            quick=k in quick,
        )
        for k in (1, 2)
    ]


CONTENDERS = (
    Contender(OURS, OURS, "own", "peer_neurohw.py",
              (*FLOATS, "W4", "W4-binary", "W5"), {"threads": 2}),
    Contender(f"{OURS}, 1 thread", f"{OURS}, 1 thread", "own", "peer_neurohw.py",
              (*FLOATS, "W4", "W4-binary", "W5"), {"threads": 1},
              quick=False),
    Contender(f"{OURS}, a draw per train and step", f"{OURS}, a draw per train and step", "own",
              "peer_neurohw.py", ("W2-explicit",), {"threads": 2, "sampling": "step"},
              quick=False),
    *_threads("Brian2 C++", "brian2", "peer_brian2.py", FLOATS),
    Contender("Brian2 Cython", "Brian2 Cython", "brian2", "peer_brian2.py",
              ("W1", "W2-pooled", "W3", "W6"), {"mode": "cython"}, {"W1": 10_000}, quick=False),
    *_threads("NEST", "nest", "peer_nest.py", FLOATS, quick=(2,)),
    *(Contender(name, name, "torch", "peer_torch.py", LAYERS, {"library": name},
                 quick=name in ("snnTorch", "SpikingJelly"))
      for name in ("snnTorch", "Norse", "SpikingJelly", "sinabs")),
    Contender("matrix product alone", "matrix product alone", "torch", "peer_torch.py",
              ("W4", "W4-binary"), {"library": "product"}),
    *(Contender(f"Lava, {k} core{'s' * (k > 1)}", "Lava", "own", "peer_lava.py", ("W5",),
                {"cores": k}, quick=k == 1) for k in (1, 2)),
    Contender("Brian2Loihi", "Brian2Loihi", "brian2loihi", "peer_brian2loihi.py", ("W5",)),
    Contender("nengo-loihi", "nengo-loihi", "nengoloihi", "peer_nengoloihi.py", ("W5",)),
)  # fmt: skip


def entered(case: str, size: int, *, quick: bool = False) -> list[Contender]:
    """The contenders of a case, ours first."""
    return [c for c in CONTENDERS if case in c.cases and size <= c.largest.get(case, size)
            and (c.quick or not quick)]  # fmt: skip
