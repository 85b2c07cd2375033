"""The text form: round trip, damaged files, versions, saving. And what makes programs equal."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from neurohw.errors import FormatError, ProgramError
from neurohw.program import (
    F32,
    F64,
    IR_VERSION,
    Builder,
    Dense,
    Edge,
    Int,
    Probe,
    Program,
    freeze,
    load_program,
    parse,
    print_program,
    save_program,
)
from neurohw.testing import chip_programs, directed_cases, programs

LIBERAL = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
HEAD = f"neurohw-program {IR_VERSION}\n"


def small() -> Program:
    b = Builder("A", 2)
    v = b.state("v", Int(8), [3, 4])
    b.write("v", b.add(v, b.const(1, Int(2)), Int(8), overflow="wrap"), name="v")
    b.spike(b.compare("gt", v, b.param("vth", Int(8), 100)))
    b.port("syn", Int(16))
    w = Dense(Int(8), freeze(np.arange(4).reshape(2, 2), Int(8)))
    return Program("small", populations=(b.build(),), edges=(Edge("A", "A", "syn", w, 1),),
                   probes=(Probe("A", "v", scale=0.5, unit="mV"),))  # fmt: skip


# round trip --------------------------------------------------------------------------------------


@LIBERAL
@given(st.one_of(programs(), programs(floats=True), chip_programs()))
def test_text_is_read_back_as_the_same_program(case) -> None:
    copy = parse(case.program.text)
    assert copy == case.program
    assert copy.text == case.program.text
    assert copy.hash == case.program.hash
    assert hash(copy) == hash(case.program)


@pytest.mark.parametrize("case", directed_cases(), ids=lambda c: c.label)
def test_directed_programs_round_trip(case) -> None:
    assert parse(case.program.text).text == case.program.text


@pytest.mark.parametrize("value", [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2.0**-1074])
def test_floats_survive_to_the_last_bit(value: float) -> None:
    b = Builder("A", 40)
    b.param("p", F64, np.full(40, value))
    b.param("q", F64, value)
    b.name_value(b.const(value, F64), "c")
    copy = parse(Program("p", populations=(b.build(),)).text).populations[0]
    found = [copy.params[0].data[7], copy.params[1].data, copy.nodes[-1].attrs["value"]]
    assert np.array(found).tobytes() == np.full(3, value).tobytes()


def test_large_arrays_are_packed_and_can_be_elided() -> None:
    b = Builder("A", 5000)
    b.param("p", F32, np.linspace(0, 1, 5000))
    p = Program("p", populations=(b.build(),))
    assert len(p.text) < 30_000
    assert "0.0..1.0" in print_program(p, elide=True)
    with pytest.raises(FormatError):
        parse(print_program(p, elide=True))


def test_large_arrays_are_packed_and_hashed_by_blocks() -> None:
    """More than one block of 2**20 numbers; the digest is of the bytes as docs/program.md says."""
    data = np.random.default_rng(1).integers(0, 9, (3, 700_000)).astype(np.int32)
    b = Builder("A", 700_000)
    b.param("x", Int(9), data)
    p = Program("p", trials=3, populations=(b.build(),))
    digest = hashlib.sha256(data.astype("<i4").tobytes()).hexdigest()
    text = p.text
    start = text.index(" z") + 1
    packed = base64.b64encode(zlib.compress(data.astype("<i4").tobytes(), 6)).decode()
    assert text[start:].split()[0] == "z" + packed
    told = f"{text[:start]}sha256 {digest}{text[start + 1 + len(packed) :]}"
    assert p.hash == hashlib.sha256(told.encode()).hexdigest()
    assert parse(text) == p


def test_equality_and_hash_follow_the_text() -> None:
    p = small()
    assert p == small()
    assert p.hash == small().hash
    assert p != dataclasses.replace(p, seed=1)
    assert p != p.text
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.seed = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        p.populations[0].states[0].init[0] = 1


# damaged texts -----------------------------------------------------------------------------------


def reads_or_refuses(text: str) -> None:
    try:
        p = parse(text)
    except FormatError as error:
        assert str(error)
    else:
        assert parse(p.text) == p  # what is accepted is printable, and stays what it is


TEXTS = [small().text, *(c.program.text for c in directed_cases()[:10])]


@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_mutated_text_is_read_or_refused(data) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = min(len(text), start + data.draw(st.integers(0, 6)))
        new = data.draw(
            st.sampled_from(
                ["", " ", "\n", "-1", "1e999", "null", "true", "[]", "{}", '"x"', "NaN", "%0", "[",
                 "²", "\u2028", "999999999999999999999", "u3", "f64", "bool", ".", "1.5"]
            )
            | st.text(max_size=4)
        )  # fmt: skip
        text = text[:start] + new + text[stop:]
    reads_or_refuses(text)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, raw: bytes, headed: bool) -> None:
    path = tmp_path_factory.mktemp("any") / "p"
    path.write_bytes((HEAD.encode() if headed else b"") + raw)
    try:
        load_program(path)
    except FormatError as error:
        assert str(path) in str(error)


@given(st.permutations(small().text.splitlines()), st.integers(0, 12))
def test_shuffled_and_cut_lines_are_read_or_refused(lines: list[str], keep: int) -> None:
    reads_or_refuses(HEAD + "\n".join(lines[:keep]))


WRONG = {
    "seed of another type": ('"seed":0', '"seed":"0"'),
    "seed that is a float": ('"seed":0', '"seed":0.5'),
    "trials that are true": ('"trials":1', '"trials":true'),
    "name that is a number": ('"name":"small"', '"name":7'),
    "latency that is a number": ('"latency":{}', '"latency":3'),
    "unknown header field": ('"seed":0', '"sead":0'),
    "dt not finite": ('"dt":0.001', '"dt":1e999'),
    "period that is a float": ('"every":1', '"every":1.5'),
    "scale not finite": ('"scale":0.5', '"scale":NaN'),
    "unit that is a list": ('"unit":"mV"', '"unit":[]'),
    "fewer values than declared": ("i8[2] [3,4]", "i8[2] []"),
    "more values than declared": ("i8[2] [3,4]", "i8[2] [3,4,5]"),
    "value outside its type": ("i8[2] [3,4]", "i8[2] [3,400]"),
    "float in an integer array": ("i8[2] [3,4]", "i8[2] [3,4.5]"),
    "array too large": ("i8[2] [3,4]", "i8[99999999999] zAAAA"),
    "bytes that do not decompress": ("i8[2] [3,4]", "i8[2] zAAAA"),
    "unknown type": ("state v = i8", "state v = q8"),
    "unknown operation": ("= add ", "= plus "),
    "node out of order": ("%1 = ", "%7 = "),
    "unknown keyword": ("probe ", "prob "),
    "edge without weights": (" dense ", " thick "),
    "shift by true": ("add i8 %0 %1", 'shl i8 %0 {"by":true}'),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_text_is_refused(what: str) -> None:
    old, new = WRONG[what]
    assert old in small().text
    with pytest.raises(FormatError):
        parse(small().text.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "hello",
        "neurohw-program",
        "neurohw-program ²",
        "neurohw-program -1",
        "neurohw-program " + "9" * 5000,
    ],
)
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="not a program file"):
        parse(text)


def test_a_newer_version_is_refused_with_advice() -> None:
    text = small().text.replace(HEAD, f"neurohw-program {IR_VERSION + 1}\n")
    with pytest.raises(FormatError, match=r"x\.nhw:1: .*newer version.*got '3'.*upgrade neurohw"):
        parse(text, origin="x.nhw")


def test_a_file_of_version_1_is_read() -> None:
    p = small()
    assert parse(p.text.replace(HEAD, "neurohw-program 1\n")) == p


def test_the_message_names_file_and_line() -> None:
    lines = small().text.splitlines()
    lines[3] = "  garbage here"
    with pytest.raises(FormatError, match=r"x\.nhw:4: .*got 'garbage here'"):
        parse("\n".join(lines), origin="x.nhw")


def test_a_bomb_is_not_unpacked() -> None:
    import base64
    import zlib

    packed = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    with pytest.raises(FormatError, match="its shape needs 8"):
        parse(small().text.replace("i8[2] [3,4]", f"i8[2] z{packed}"))


# files -------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    save_program(small(), tmp_path / "p.nhw")
    assert load_program(tmp_path / "p.nhw") == small()
    assert os.listdir(tmp_path) == ["p.nhw"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "p.nhw"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_program(small(), path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["p.nhw"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", "binary", "."):
        with pytest.raises(FormatError, match="cannot read the program file"):
            load_program(tmp_path / name)


# freeze ------------------------------------------------------------------------------------------


@example(127)
@example(-129)
@given(st.integers(-300, 300))
def test_freeze_refuses_lost_values(value: int) -> None:
    if -128 <= value <= 127:
        assert freeze(value, Int(8)).item() == value
    else:
        with pytest.raises(ProgramError, match="does not fit i8"):
            freeze(value, Int(8))


def test_freeze_copies_and_locks() -> None:
    mine = np.array([1, 2], np.int32)
    out = freeze(mine, Int(8))
    mine[0] = 9
    assert out.tolist() == [1, 2]
    assert not out.flags.writeable
    with pytest.raises(ProgramError, match="integer data expected"):
        freeze([1.0], Int(8))
    with pytest.raises(ProgramError, match="not finite"):
        freeze([np.nan], F64)
