"""The NIR lint: every statement against what the frameworks did, and nothing left unsaid.

``golden/nir_frameworks.json`` and ``.npz`` hold what ``benchmarks/nir_frameworks.py`` got from the
frameworks in their own environments. Where snnTorch is installed, it is tried here again.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurohw.errors import FormatError
from neurohw.io.nir import Finding, Graph, Node, frameworks, lint, read_nir, write_nir
from neurohw.io.nir.conditions import TORCH_NAMES, facts, holds
from neurohw.testing.nir_files import example_graph, example_node

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

import nir_cases  # noqa: E402
import nir_frameworks  # noqa: E402
import nir_model  # noqa: E402
import nir_peer  # noqa: E402

TRIED = tuple(nir_frameworks.READERS)


@lru_cache(maxsize=1)
def golden() -> dict[str, dict[str, Any]]:
    return nir_frameworks.golden()


@lru_cache(maxsize=8)
def cases(framework: str) -> dict[str, nir_cases.Case]:
    return {case.id: case for case in nir_cases.cases(framework)}


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Framework -> id -> findings, each case written and read as a user's file would be."""
    folder = tmp_path_factory.mktemp("cases")

    @lru_cache(maxsize=8)
    def of(framework: str) -> dict[str, tuple[Finding, ...]]:
        out = {}
        for name, case in cases(framework).items():
            nir_frameworks.write_case(folder / "a.nir", case)
            out[name] = lint(read_nir(folder / "a.nir"), [framework])
        return out

    return of


def own(framework: str) -> list[Any]:
    """Its rows without those of its reader, which has experiments of its own."""
    about = frameworks()[framework]
    before = frameworks()[about.reader].rows if about.reader else ()
    return [row for row in about.rows if row not in before]


def explains(case: nir_cases.Case, output: np.ndarray, deviations: frozenset[str]) -> bool:
    """Whether the model with these deviations gives the output, by any usual scheme."""
    return any(
        nir_model.same(
            output, nir_model.run(case.graph, case.x, case.dt, scheme, chosen), chosen
        )
        for chosen in nir_model.alternatives(deviations)
        for scheme in nir_model.schemes(case.graph)
    )  # fmt: skip


def deviations(findings: tuple[Finding, ...]) -> frozenset[str]:
    return frozenset(f.deviation for f in findings if f.deviation)


# the table against what was tried -----------------------------------------------------------------


@pytest.mark.parametrize("framework", TRIED)
def test_what_was_tried_is_what_the_table_names(framework: str) -> None:
    about, tried = frameworks()[framework], golden()[framework]
    assert list(tried["cases"]) == list(cases(framework))
    name = nir_peer.NEEDS[framework]
    assert {name: about.version, "nir": about.nir}.items() <= tried["versions"].items()
    assert about.nirtorch in ("", tried["versions"].get("nirtorch"))


@pytest.mark.parametrize("framework", TRIED)
def test_each_outcome_is_foretold_to_the_last_spike(framework: str, found: Any) -> None:
    """Rejected where a row says so and nowhere else; elsewhere the output is the model's."""
    wrong = []
    for name, case in cases(framework).items():
        tried, told = golden()[framework]["cases"][name], found(framework)[name]
        rejected = [f for f in told if f.verdict == "rejected"]
        if (tried["outcome"] == "rejected") != bool(rejected):
            wrong.append((name, tried.get("error", "runs"), [f.says for f in rejected]))
        elif tried["output"] is not None and not rejected:
            if not explains(case, tried["output"], deviations(told)):
                wrong.append((name, tried["outcome"], tried.get("deviations"), deviations(told)))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("framework", TRIED)
def test_each_row_has_its_experiment(framework: str, found: Any) -> None:
    """A rejection is the only one foretold of a case that was rejected; a deviation is needed to
    explain some output."""
    idle = []
    for row in own(framework):
        for kind in row.kinds:
            if not any(
                shows(framework, name, kind, row, found(framework)[name])
                for name in cases(framework)
            ):
                idle.append((kind, row.field, row.when, row.says))
    assert not idle, "\n".join(map(str, idle))


def shows(framework: str, name: str, kind: str, row: Any, told: tuple[Finding, ...]) -> bool:
    key = (kind, row.field, row.says)
    mine = [f for f in told if (f.kind, f.field, f.says) == key]
    tried, case = golden()[framework]["cases"][name], cases(framework)[name]
    if not mine:
        return False
    if row.verdict == "rejected":
        others = [f for f in told if f.verdict == "rejected" and (f.kind, f.field, f.says) != key]
        return tried["outcome"] == "rejected" and not others
    rejected = any(f.verdict == "rejected" for f in told)
    if rejected or tried["output"] is None:
        return False
    without = deviations(told) - {row.deviation}
    return explains(case, tried["output"], deviations(told)) and not explains(
        case, tried["output"], without
    )


@pytest.mark.parametrize("framework", TRIED)
def test_a_row_that_says_ignored_was_seen_to_be(framework: str, found: Any) -> None:
    """Some change of the field changes what the graph should give, and not what it gave."""
    for row in own(framework):
        assert row.verdict != "rescaled" or row.deviation in nir_model.RESCALING, row
        assert row.verdict != "changed" or row.deviation not in nir_model.RESCALING, row
        assert (row.verdict == "rejected") == (not row.deviation), row
        if row.verdict != "ignored":
            continue
        for kind in row.kinds:
            changes = [
                name for name, case in cases(framework).items()
                if case.base and case.key[:2] == (kind, row.field)
                and golden()[framework]["cases"][name]["outcome"] != "rejected"
                and case.x is cases(framework)[case.base].x
            ]  # fmt: skip
            assert any(unmoved(framework, name) for name in changes), (kind, row)


def unmoved(framework: str, name: str) -> bool:
    case = cases(framework)[name]
    base, tried = cases(framework)[case.base], golden()[framework]["cases"]
    if tried[case.base]["output"] is None:
        return False
    a, b = (
        nir_model.run(x.graph, x.x, x.dt, next(nir_model.schemes(x.graph))) for x in (base, case)
    )
    same = nir_model.same(tried[name]["output"], tried[case.base]["output"])
    return same and not nir_model.same(a, b)


def test_the_comparison_can_fail(found: Any) -> None:
    """Take a row away, or put in one that says too much: an outcome is no longer foretold."""
    for framework, name in (
        ("snntorch", "LIF/v_reset/not 0"),
        ("sinabs", "IF/v_threshold/passed twice in a step"),
        ("norse", "CubaLIF/v_leak/not 0"),
        ("rockpool", "CubaLIF/w_in/other"),
        ("spyx", "LIF/v_threshold/far below 0"),
    ):
        case, tried = cases(framework)[name], golden()[framework]["cases"][name]
        told = deviations(found(framework)[name])
        assert explains(case, tried["output"], told)
        assert not explains(case, tried["output"], frozenset())
        assert not explains(case, tried["output"], told | {"left out"})


@pytest.mark.slow
@pytest.mark.torch
def test_snntorch_does_the_same_here(tmp_path: Path) -> None:
    pytest.importorskip("snntorch")
    pytest.importorskip("nirtorch")
    about = frameworks()["snntorch"]
    have, wanted = nir_peer.versions("snntorch"), golden()["snntorch"]["versions"]
    here = {k: v for k, v in have.items() if k != "torch"}
    if here != {k: v for k, v in wanted.items() if k != "torch"}:
        pytest.skip(f"{here}, and the table is about {about.version}")
    for name, case in cases("snntorch").items():
        tried = golden()["snntorch"]["cases"][name]
        nir_frameworks.write_case(tmp_path / "a.nir", case)
        again = nir_peer.one("snntorch", str(tmp_path / "a.nir"), case.x)
        assert ("error" in again) == ("error" in tried), (name, again.get("text"))
        if "error" not in again:
            assert nir_model.same(np.array(again["output"]), tried["output"]), name


# files that others wrote --------------------------------------------------------------------------

WRITTEN = sorted((Path(__file__).parent / "golden").glob("*_*.nir"))
BY = nir_frameworks.EXPORTERS


def test_there_are_files_of_every_exporter() -> None:
    """What an exporter could write is here, and what it could not has its reason."""
    names = {p.stem for p in WRITTEN}
    for framework in BY:
        told = golden()[framework]["exports"]
        assert sum(not error for error in told.values()) >= 2
        for name, error in told.items():
            assert (f"{framework}_{name}" in names) == (not error), (framework, name, error)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda p: p.stem)
def test_files_that_frameworks_wrote_are_read_whole(path: Path, tmp_path: Path) -> None:
    """Every array and every edge is there; what was repaired is said; and it can be written."""
    import h5py

    def whole(graph: Graph, raw: Any) -> None:
        edges = {tuple(e.decode() for e in pair) for pair in raw["edges"][()]}
        assert set(graph.edges) == edges or any("no node" in n for n in graph.notes)
        for name, node in graph.nodes.items():
            inside = raw["nodes"][name]
            if isinstance(node, Graph):
                whole(node, inside)
                continue
            assert inside["type"][()].decode() == node.kind
            for key, item in inside.items():
                if key in ("type", "metadata"):
                    continue
                theirs, ours = np.asarray(item[()]), np.asarray(node[key])
                if theirs.dtype.kind in "iuf":
                    wanted = np.broadcast_to(theirs.reshape(-1), ours.reshape(-1).shape) \
                        if theirs.size == 1 else theirs.reshape(-1)  # fmt: skip
                    assert np.array_equal(wanted, ours.reshape(-1)), (name, key)

    graph = read_nir(path)
    with h5py.File(path) as file:
        whole(graph, file["node"])
    write_nir(tmp_path / "a.nir", graph)
    assert read_nir(tmp_path / "a.nir") == graph


# conditions and findings --------------------------------------------------------------------------

LIF = {"tau": [0.01, 0.02], "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": [0.0, -0.1]}


def always(name: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("", True), ("v_reset != 0", True), ("v_reset == 0", True), ("not v_reset != 0", False),
        ("v_leak != 0", False), ("varies(tau)", True), ("varies(r)", False), ("r * 1e-2 == tau", 1),
        ("r * 3e-2 == tau", False), ("varies(tau / tau)", False), ("tau > 0.015 and r == 1", True),
        ("tau > 1 or r > 1", False), ("given(v_reset)", True), ("-v_reset >= 0.1", True),
        ("axes(tau) == 1", True), ("tau - tau != 0", False), ("tau + 1 > 1.01 and (r < 2)", True),
    ],
)  # fmt: skip
def test_conditions(expression: str, wanted: bool) -> None:
    assert holds(expression, Node("LIF", LIF).fields, always) is bool(wanted)


@pytest.mark.parametrize(
    "expression",
    ["nothing", "tau.size", "__import__('os')", "tau[0]", "tau if r else r", "varies(tau, r)",
     "open('x')", "lambda: 1", "tau ** 2", "1 < tau < 2", "given('tau')", "tau ==", "[tau]"],
)  # fmt: skip
def test_what_is_no_condition(expression: str) -> None:
    with pytest.raises(FormatError, match="not a condition"):
        holds(expression, Node("LIF", LIF).fields, always)


@pytest.mark.parametrize("framework", list(frameworks()))
def test_every_condition_can_be_asked_of_every_kind_it_is_about(framework: str) -> None:
    findings = lint(example_graph(), [framework])
    assert findings  # a graph of all kinds suits nobody
    for row in frameworks()[framework].rows:
        for kind in row.kinds:
            names: dict[str, Any] = dict(facts(example_graph(), inner=False))
            if kind != "NIRGraph":
                names = {**example_node(kind).fields, "neighbours": 1, "feeds": 1}
            holds(row.when, names, always)


def test_facts_of_a_graph() -> None:
    one = Node("Linear", {"weight": np.eye(2)})
    ends = {"input": Node("Input", {"shape": 2}), "output": Node("Output", {"shape": 2})}
    plain = Graph({**ends, "a": one}, (("input", "a"), ("a", "output")))
    quiet = dict.fromkeys(facts(plain, inner=False), 0)
    wanted = {**quiet, "inputs": 1, "outputs": 1, "fan_in": 1, "fan_in_output": 1}
    assert facts(plain, inner=False) == wanted
    assert facts(plain, inner=True) == {**wanted, "inner": 1}
    nodes = {**ends, "a": one, "b.c": one, "lambda": one, "0": one, "g": plain}
    edges = (
        ("input", "a"),
        ("a", "b.c"),
        ("b.c", "a"),
        ("b.c", "lambda"),
        ("lambda", "lambda"),
        ("a", "0"),
        ("b.c", "0"),
        ("input", "0"),
        ("0", "output"),
        ("input", "output"),
    )
    told = facts(Graph(nodes, edges), inner=False)
    assert told == {**quiet, "inputs": 1, "outputs": 1, "graphs": 1, "cycles": 1, "loops": 1,
                    "fan_in": 3, "fan_in_output": 2, "through": 1, "dots": 1, "keywords": 1,
                    "odd_names": 1, "off_path": 7, "endless": 1}  # fmt: skip
    cell = {**ends, "lif": Node("LIF", LIF), "w": one}
    cycle = (("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output"))
    told = facts(Graph(cell, cycle), inner=False)
    assert (told["neuron_cycles"], told["cells"], told["cycles"], told["fan_in"]) == (1, 1, 1, 2)
    assert (told["quartet"], told["strays"], told["off_path"], told["cuba_cells"]) == (1, 0, 0, 0)
    ring = {str(k): one for k in range(5)}
    edges = tuple((str(k), str((k + 1) % 5)) for k in range(5))
    assert facts(Graph(ring, edges), inner=False)["cycles"] == 1


def test_facts_of_cells_and_paths() -> None:
    biased = Node("Affine", {"weight": np.eye(2), "bias": [0.0, 0.1]})
    ends = {"input": Node("Input", {"shape": 2}), "output": Node("Output", {"shape": 2})}
    chain = Graph({**ends, "n": Node("LIF", LIF), "w": biased},
                  (("input", "n"), ("n", "w"), ("w", "output")))  # fmt: skip
    told = facts(chain, inner=True)
    names = ("quartet", "strays", "cells", "cell_biases", "off_path", "endless")
    assert [told[name] for name in names] == [1, 3, 0, 1, 0, 0]
    told = facts(Graph({**chain.nodes, "w2": biased}, chain.edges), inner=True)
    assert (told["quartet"], told["cell_biases"]) == (0, 0)
    other = Graph({"in": ends["input"], "output": ends["output"], "w": biased},
                  (("in", "w"), ("w", "output")))  # fmt: skip
    told = facts(other, inner=False)
    assert (told["off_path"], told["endless"]) == (2, 0)
    li = Node("LI", {"tau": [1.0, 1.0], "r": 1.0, "v_leak": 0.0})
    step = Node("Threshold", {"threshold": [1.0, 1.0]})
    nodes = {**ends, "li": li, "t": step, "t2": step, "li2": li}
    edges = (("input", "li"), ("li", "t"), ("t", "t2"), ("t2", "li2"), ("li2", "output"))
    told = facts(Graph(nodes, edges), inner=False)
    assert (told["lone_li"], told["bare_thresholds"]) == (1, 1)


@pytest.mark.torch
def test_names_of_torch_are_those_of_torch_here() -> None:
    torch = pytest.importorskip("torch")
    public = {name for name in dir(torch.nn.Module()) if not name.startswith("_")}
    assert {"to", "forward", "train", "type"} <= TORCH_NAMES
    assert len(TORCH_NAMES & public) > 40  # torch adds some from version to version


def test_findings_name_path_field_value_and_order() -> None:
    inner = Graph({"lif": Node("LIF", LIF), "i": Node("Input", {"shape": 2}),
                   "o": Node("Output", {"shape": 2})}, (("i", "lif"), ("lif", "o")))  # fmt: skip
    graph = Graph({"inner": inner, "lif": Node("LIF", LIF)}, (("inner", "lif"),))
    found = [f for f in lint(graph, ["snntorch"]) if f.field == "v_reset"]
    assert [(f.path, f.verdict, f.value) for f in found] == [
        ("inner/lif", "ignored", "-0.1 to 0"), ("lif", "ignored", "-0.1 to 0"),
    ]  # fmt: skip
    assert [f.framework for f in lint(graph, ["norse", "snntorch", "norse"])] == sorted(
        f.framework for f in lint(graph, ["norse", "snntorch"])
    )
    assert "deviation" not in found[0].as_dict()
    with pytest.raises(FormatError, match=r"unknown framework; got 'snntorc'; .*'snntorch'"):
        lint(graph, ["snntorc"])


def test_a_gain_of_0_is_no_accident() -> None:
    fields = {"tau_syn": [1e-3, 2e-3], "tau_mem": 1e-3, "r": 0.0, "v_leak": 0.0, "w_in": 0.0}
    graph = Graph({"x": Node("CubaLIF", fields | {"v_threshold": [0.0, 1.0]})})
    with np.errstate(all="raise"):
        assert lint(graph)


def test_a_rejected_type_is_all_that_is_told_of_a_node() -> None:
    graph = Graph({"x": Node("CubaLI", {"tau_syn": 1.0, "tau_mem": 1.0, "r": 1.0, "v_leak": 1.0})})
    told = [f for f in lint(graph, ["snntorch"]) if f.path]
    assert [(f.kind, f.verdict, f.field) for f in told] == [("CubaLI", "rejected", "")]
