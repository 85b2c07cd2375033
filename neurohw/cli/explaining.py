"""``neurohw explain``, and the sentences that end ``neurohw compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurohw.cli.data import Data, read_data
from neurohw.cli.front import fail
from neurohw.cli.look import Ticker, console, plain, progress, table
from neurohw.cli.source import Dt, Duration, File, Seed, Steps, Trials, names, read, schedule

if TYPE_CHECKING:
    from neurohw.explain import Explanation
    from neurohw.network import Network, RunSpec
    from neurohw.targets import Target

__all__ = ["explain", "explain_pairs", "print_explanation"]


def explain(
    file: File,
    targets: Annotated[str, typer.Option(metavar="A,B", help="The two targets.")],
    data: Data = None,
    backend: Annotated[str, typer.Option(help="What executes it.", show_default="by size")] = "",
    dt: Dt = None,
    duration: Duration = None,
    steps: Steps = None,
    trials: Trials = None,
    seed: Seed = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which rules make two targets differ, and how much.

    One target is turned into the other, one rule of its record at a time, and run again: the rule
    whose change moves the first unequal spike furthest is named first. Where one target computes in
    integers, the rounded weights, decays and thresholds are switched as well.
    """
    source = read(file, dt=dt, data=data)
    pair = names(targets)
    if len(pair) != 2:
        fail("two targets", where="--targets", got=targets, allowed="A,B")
    if source.network is None or source.spec is None:
        fail("a program is lowered already: its rules cannot be switched", where=str(file),
             fix="give the network")  # fmt: skip
    assert source.network is not None and source.spec is not None
    inputs, steps = read_data(data, source, duration, steps)
    spec = schedule(source.spec, dt=dt, duration=duration, steps=steps, trials=trials, seed=seed)
    with progress() as tick:
        found = explain_pairs(
            source.network,
            spec,
            list(map(source.rules, pair)),
            tick=tick,
            inputs=inputs,
            backend=backend,
        )[0]
    if as_json:
        import json

        print(json.dumps(found.as_dict(), indent=2))
        return
    print_explanation(found)


def explain_pairs(
    network: Network,
    spec: RunSpec,
    targets: Sequence[Target],
    *,
    tick: Ticker,
    inputs: Mapping[str, Any] | None = None,
    backend: str = "",
) -> list[Explanation]:
    """The first target against each of the others."""
    from neurohw.explain import explain as explained

    first, *others = targets
    found = []
    for other in others:

        def begun(count: int, label: str = f"why {first.name} and {other.name} differ") -> None:
            tick(label, count, 0)

        found.append(
            explained(network, first, other, dt=spec.dt, steps=spec.steps, seed=spec.seed,
                      trials=spec.trials, inputs=inputs, backend=backend, progress=begun)
        )  # fmt: skip
    return found


def print_explanation(e: Explanation, *, rows: bool = True) -> None:
    """The sentence, and a row for every rule that has a part in the difference."""
    out = console()
    out.print(plain(f"{e.base} and {e.goal}", "bold"), ": ", e.sentence, sep="")
    if rows and e.shares:
        out.print()
        cells = [
            (s.switch.title, _short(s.switch.a), _short(s.switch.b), f"{100 * s.share:.0f} %",
             "" if s.agree is None else "all" if s.agree == e.steps else str(s.agree))
            for s in e.shares
        ]  # fmt: skip
        columns = ("rule", f"on {e.base}", f"on {e.goal}", "share", "agree up to step")
        out.print(table(cells, columns, right="share agree_up_to_step"))
        out.print(f"{e.runs} runs")


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
