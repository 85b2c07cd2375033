"""Two targets: the rules that part them, their order, their shares."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import neurohw as nh
from neurohw.explain import differences, explain
from neurohw.explain.search import needed, path_to, shapley
from neurohw.explain.switches import Switch, leaves, switched
from neurohw.explain.variants import Apart
from neurohw.targets import load_target, target_names


def test_equal_targets_say_so(kit):
    e = explain(kit.layers(), "float32", "float32", dt=1e-3, steps=50, inputs=short(kit, 50))
    assert e.distance == 0 and not e.shares
    assert e.sentence == "float32 and float32 give the same spikes in all 50 steps"


def short(kit, n):
    return {k: v[:n] for k, v in kit.inputs.items()}


def test_reset_timing_and_method_part_float32_from_snntorch(kit):
    e = explain(kit.layers(), "float32", "snntorch", dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert {s.switch.path for s in e.way} == {"reset.timing", "method"}
    assert e.left == 0 and e.way[-1].agree == kit.steps
    assert sum(s.share for s in e.way) == pytest.approx(1.0)
    assert "snntorch resets one step late, float32 resets in the step of the spike" in e.sentence
    assert f"the two agree in all {kit.steps} steps" in e.sentence
    json.dumps(e.as_dict(), allow_nan=False)


def test_what_is_said_of_the_steps_is_true(kit):
    """Agreement up to a step is checked by running the changed record with nothing of explain."""
    net = kit.layers()
    e = explain(net, "float32", "snntorch", dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    record = load_target("float32")
    whole = run(kit, net, load_target("snntorch"))
    plain = run(kit, net, record)
    assert first_odd(plain, whole) == e.first.step
    for share in e.way:
        record = switched(record, share.switch.path, share.switch.b)
        assert first_odd(run(kit, net, record), whole) == share.agree


def run(kit, net, target):
    rec = nh.run(net, target=target, dt=1e-3, steps=kit.steps, inputs=kit.inputs,
                 backend="reference")  # fmt: skip
    return kit.spikes_of(rec, net)


def first_odd(a, b):
    odd = np.zeros(len(next(iter(a.values()))), bool)
    for name in a:
        odd |= (a[name] != b[name]).any(axis=1)
    return int(np.argmax(odd)) if odd.any() else len(odd)


def test_rounded_numbers_of_a_chip(kit):
    net = kit.layers(reset="to", rest=0.05)
    e = explain(net, "loihi1", "float64", dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert (e.base, e.goal) == ("float64", "loihi1")  # from floats to integers
    assert e.way and all(s.switch.numbers for s in e.way)
    assert "weights" in {s.switch.path for s in e.way}
    assert "loihi1 rounds weights" in e.sentence
    assert sum(s.share for s in e.way) + e.left / e.distance == pytest.approx(1.0)


def test_numbers_of_a_chip_are_computed_with(kit):
    """A float program with a chip's numbers holds exactly those that the chip's integers mean."""
    from neurohw.lowering import lower

    net = kit.layers(reset="to", rest=0.05)
    chip = lower(net, "loihi1", dt=1e-3)
    plain = lower(net, "float64", dt=1e-3)
    made = lower(net, "float64", dt=1e-3, numbers=chip.numbers)
    assert made.program.hash != plain.program.hash
    for name in ("layer1", "layer2"):
        row = chip.report.row(f"{name}.V_th")
        held = {n.attrs["value"] for n in made.program.population(name).nodes if n.op == "const"}
        assert row.realised in held
        keep = chip.numbers.values["decay_v", name]
        assert float(keep) in held and float(keep) * 4096 == round(float(keep) * 4096)
    asked = {k: w.realised for k, w in chip.report.weights.items()}
    got = {k: w.asked for k, w in made.report.weights.items()}
    for key in asked:
        np.testing.assert_array_equal(got[key], asked[key])
    one = lower(net, "float64", dt=1e-3, numbers=chip.numbers.only(["threshold"]))
    for key, w in one.report.weights.items():
        np.testing.assert_array_equal(w.asked, plain.report.weights[key].asked)


def once(name):
    """A record with at most one spike of a neuron in a step."""
    return dataclasses.replace(switched(load_target(name), "firing.most", 1), name=f"{name}-once")


@pytest.mark.parametrize(("name", "reset"), [("rockpool", "subtract"), ("sinabs", "to")])
def test_several_spikes_in_a_step_part_two_targets(kit, name, reset):
    """A reset to V_reset makes the same steps with spikes of the first layer, other numbers."""
    net = kit.layers(reset=reset, strength=3.0)
    e = explain(net, name, once(name), dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    many = kit.emitted(net, load_target(name), kit.inputs)
    one = kit.emitted(net, once(name), kit.inputs)
    shared = sum(np.minimum(many[k], one[k]).sum() for k in many)
    whole = sum(np.maximum(many[k], one[k]).sum() for k in many)
    assert e.distance == pytest.approx(1 - shared / whole)
    assert [s.switch.path for s in e.way] == ["firing.most"] and e.left == 0
    step = min(int(np.argmax((many[k] != one[k]).any(axis=1))) for k in many)
    name_, neuron = next((k, int(i)) for k in many
                         for i in np.flatnonzero(many[k][step] != one[k][step]))  # fmt: skip
    d, counts = e.first, (many[name_][step, neuron], one[name_][step, neuron])
    assert (d.step, d.population, d.neuron) == (step, name_, neuron)
    assert d.variable == "count" and (d.value_a, d.value_b) == counts and counts[1] == 1
    assert f"with {counts[0]} spikes on {name} and 1 on {name}-once" in e.sentence
    json.dumps(e.as_dict(), allow_nan=False)


def test_a_lower_limit_of_v_has_words_and_is_json(kit):
    floor = switched(load_target("float32"), "firing.floor", 0.0)
    bounded = dataclasses.replace(floor, name="bounded")
    e = explain(kit.layers(), "float32", bounded, dt=1e-3, steps=kit.steps, inputs=kit.inputs)
    assert [s.switch.path for s in e.way] == ["firing.floor"]
    assert "bounded keeps V at 0 thresholds or above, float32 has no lower limit of V" in e.sentence
    json.dumps(e.as_dict(), allow_nan=False)


def test_differences_are_those_of_the_records():
    a, b = load_target("float32"), load_target("snntorch")
    found = {s.path: (s.a, s.b) for s in differences(a, b)}
    assert found["reset.timing"] == ("same_step", "next_step")
    assert found["method"] == ("euler", "exponential")
    assert not differences(a, a)
    for path, value in leaves(b):
        assert dict(leaves(switched(a, path, value)))[path] == value


@pytest.mark.parametrize("name", target_names())
def test_every_rule_of_every_record_has_words(name):
    for path, value in leaves(load_target(name)):
        text = Switch(path, value, value).words("a")
        assert text and "{" not in text and text[0].islower()


# the search, on distances that are made up --------------------------------------------------------


def made_up(table):
    """Distance by the letters thrown; what is missing does not exist."""
    return lambda thrown: table.get("".join(sorted(s.path for s in thrown)))


A, B, C = (Switch(x, 0, 1) for x in "abc")


def test_the_rule_that_delays_the_first_difference_most_comes_first():
    table = {"": Apart(-10, 0.5), "a": Apart(-40, 0.45), "b": Apart(-20, 0.1), "c": Apart(-10, 0.5),
             "ab": Apart(-100, 0.0), "ac": Apart(-40, 0.45), "bc": Apart(-20, 0.1)}  # fmt: skip
    way = path_to(made_up(table), [A, B, C])
    assert [s.path for s, _ in way] == ["a", "b"]


def test_two_rules_that_help_only_together_are_found():
    table = {"": Apart(-10, 0.5), "a": Apart(-10, 0.5), "b": Apart(-5, 0.9), "c": Apart(-10, 0.5),
             "ab": Apart(-100, 0.0), "ac": Apart(-10, 0.5), "bc": Apart(-5, 0.9)}  # fmt: skip
    way = path_to(made_up(table), [A, B, C])
    assert sorted(s.path for s, _ in way) == ["a", "b"]


def test_a_rule_that_others_make_needless_is_dropped():
    table = {"": Apart(-10, 0.5), "a": Apart(-30, 0.4), "b": Apart(-20, 0.4),
             "ab": Apart(-100, 0.0), "c": Apart(-12, 0.5), "ac": Apart(-31, 0.3),
             "bc": Apart(-100, 0.0), "abc": Apart(-100, 0.0)}  # fmt: skip
    d = made_up(table)
    way = [(C, table["c"]), (B, table["bc"]), (A, table["abc"])]
    assert [s.path for s, _ in needed(d, way)] in (["c", "b"], ["b", "a"], ["a", "b"])


def test_shapley_values_of_a_game_worked_out_by_hand():
    # values 1 - distance: a alone 0.2, b alone 0.4, both 0.8; a: (0.2 + 0.4)/2, b: (0.4 + 0.6)/2
    table = {"": Apart(0, 1.0), "a": Apart(0, 0.8), "b": Apart(0, 0.6), "ab": Apart(0, 0.2)}
    found = shapley(made_up(table), [A, B])
    assert found == {"a": pytest.approx(0.3), "b": pytest.approx(0.5)}


def test_shapley_values_of_many_rules_add_up():
    many = [Switch(x, 0, 1) for x in "abcdefgh"]
    worth = dict(zip("abcdefgh", np.linspace(0.01, 0.2, 8), strict=True))

    def distance(thrown):
        return Apart(0, 1 - sum(worth[s.path] for s in thrown))

    found = shapley(distance, many)
    for path, value in worth.items():  # an additive game: any order gives the same
        assert found[path] == pytest.approx(value)


def test_noise_that_neither_can_take_over_is_named_with_the_arithmetic() -> None:
    """loihi1 draws uniform words, float64 normal numbers: no rule to switch, and it is said."""
    import neurohw as nh

    net = nh.Network("noisy")
    lif = nh.LIF(size=4, tau="20 ms", R=1.0, V_th=1.0, I_bias=1.2)
    net.population("cells", lif, noise=[nh.AdditiveNoise(sigma=0.02)])
    net.probe("cells", "spikes")
    found = explain(net, "float64", "loihi1", dt=1e-3, steps=200, backend="reference")
    assert found.left > 0 and "uniform8" in found.problems["noise.additive"]
    assert "noise of another kind" in found.sentence
    quiet = explain(net, "float64", "lava", dt=1e-3, steps=200, backend="reference")
    assert "noise.additive" not in quiet.problems  # normal numbers there too
