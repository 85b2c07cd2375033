"""Target records against the packages that they describe.

The files hold random circuits of one and of two layers, and what the package made of them in its
own environment, in double precision: norse, sinabs, spikingjelly, rockpool, snnTorch, NEST,
Brian 2. Each says versions and date; ``python benchmarks/dialects --golden tests/dialects`` makes
them anew, and without
``--golden`` compares many more circuits (docs/numerics.md has the table).
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks" / "dialects"))

import circuits as c  # noqa: E402
import ours  # noqa: E402

from neurohw.targets import load_target, target_names  # noqa: E402

FILES = sorted(HERE.glob("*.npz"))
BOUND = {"rockpool": 2**-22}
"""Of V's range; rockpool writes V down in float32."""
OTHERS = 1e-11
"""2**-53 for each rounding, over the hundreds of steps that V remembers."""


def read() -> list[tuple[c.Circuit, c.Result]]:
    found = []
    for path in FILES:
        circuits, _ = c.load(path)
        found += zip(circuits, c.load_results(path), strict=True)
    return found


GOLDEN = read()


def name(pair: tuple[c.Circuit, c.Result]) -> str:
    circuit, _ = pair
    method = circuit.options["method"]
    return f"{circuit.options['target']}, {method}: {circuit.cell}, {len(circuit.layers)}"


@pytest.mark.parametrize("pair", GOLDEN, ids=map(name, GOLDEN))
def test_same_spikes_and_v(pair: tuple[c.Circuit, c.Result]) -> None:
    """Every spike of 1,000 steps (and how many there are in a step), and V after each."""
    circuit, theirs = pair
    target, method = circuit.options["target"], circuit.options["method"]
    verdict = ours.agree(theirs, ours.run(circuit, target, method))
    assert verdict.steps == 1000
    assert verdict.spikes > 5 or "readout" in circuit.cell
    assert verdict.mismatches == 0
    assert verdict.apart < BOUND.get(target, OTHERS)


def test_every_simulator_that_installs_is_there() -> None:
    """A record of a simulator is compared here, or by its own runtime, or says by what."""
    here = {circuit.options["target"] for circuit, _ in GOLDEN}
    elsewhere = {
        "lava": "tests/lava",
        "lava-float": "tests/lava",
        "nengo-loihi": "tests/golden",
        "brian2-loihi": "tests/golden",
        "snntorch-recurrent": "tests/snn",
    }
    for target in target_names():
        record = load_target(target)
        if record.kind == "simulator" and target not in here:
            assert elsewhere[target] in " ".join(record.checked_against)
        if target in here:
            assert "tests/dialects" in " ".join(record.checked_against)


@pytest.mark.parametrize(
    "target,rule,value",
    [
        ("norse", "threshold", {"compare": "ge"}),
        ("snntorch", "reset", {"timing": "same_step"}),
        ("snntorch", "threshold", {"compare": "ge"}),
        ("sinabs", "arrival", {"decays": False}),
        ("sinabs", "threshold", {"compare": "gt"}),
        ("spikingjelly", "threshold", {"compare": "gt"}),
        ("rockpool", "firing", {"most": 1}),
        ("nest", "arrival", {"late": ()}),
        ("nest", "threshold", {"compare": "gt"}),
        ("brian2", "refractory", {"first": "next_step"}),
        ("brian2", "threshold", {"compare": "ge"}),
    ],
)
def test_a_wrong_rule_is_seen(target: str, rule: str, value: dict) -> None:
    """A record with one rule of another has other spikes on a circuit of its own."""
    record = load_target(target)
    if rule == "threshold" and record.firing.most > 1:
        record = dataclasses.replace(record, firing=dataclasses.replace(record.firing, most=1))
    part = dataclasses.replace(getattr(record, rule), **value)
    wrong = dataclasses.replace(record, **{rule: part})
    apart = [
        ours.agree(theirs, ours.run(circuit, wrong, circuit.options["method"]))
        for circuit, theirs in GOLDEN
        if circuit.options["target"] == target
    ]
    assert any(v.mismatches for v in apart), f"{target} with another {rule} looks the same"


def test_files_say_where_they_come_from() -> None:
    for path in FILES:
        _, about = c.load(path)
        assert {"package", "version", "made", "by"} <= about.keys()
        assert path.stat().st_size < 2**20
        assert about["package"] == path.stem
