"""Units: exact, dimension-checked, one-line errors."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurohw.errors import UnitError
from neurohw.network.exact import KNOWN, looked_up
from neurohw.network.units import Scaled, format_si, ms, mV, nS, pA, pF, to_si

UNITS = ("s", "V", "A", "F", "S", "ohm", "Hz", "A*s**0.5", "S*s**0.5")
PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6}


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("30 ms", "s", 0.03),
        ("0.1 ms", "s", 0.0001),
        ("16.7nS", "S", 16.7e-9),
        ("-70 mV", "V", -0.07),
        ("1 min", "s", 60.0),
        ("2 1/ms", "Hz", 2000.0),
        ("3 mA*s", "A*s", 0.003),
        ("1 V/s", "V*Hz", 1.0),
        ("60 Mohm", "ohm", 6e7),
        ("60 MΩ", "ohm", 6e7),
        ("3 µA", "A", 3e-6),
        ("1 nF", "F", 1e-9),
        ("4 us**0.5", "s**0.5", 0.004),
        ("2 pA*ms^(1/2)", "A*s**0.5", 6.324555320336759e-14),
        ("5 %", "", 0.05),
        ("1e-3 V", "V", 0.001),
        (30 * ms, "s", 0.03),
        (0.1 * ms, "s", 0.0001),
        (0.3 * pF, "F", 3e-13),
        (0.7 * nS, "S", 7e-10),
        (pint.UnitRegistry().Quantity(0.1, "mV"), "V", 0.0001),
        (5, "s", 5.0),
        (np.float32(0.5), "V", 0.5),
        (1 / (20 * ms), "Hz", 50.0),
    ],
)
def test_exact(value: object, unit: str, expected: float) -> None:
    result = to_si(value, unit)
    assert isinstance(result, float)
    assert result == expected


def test_square_roots_are_rounded_once() -> None:
    exact = float(Decimal("0.2e-12") * Decimal("0.001").sqrt())
    assert to_si("0.2 pA*ms**0.5", "A*s**0.5") == exact
    assert to_si(0.2 * pA * ms**0.5, "A*s**0.5") == exact


def test_arrays_are_read_only_and_converted_as_scalars_are() -> None:
    values = [0.1, 0.3, 30.0, 0.1]
    expected = [to_si(f"{x} ms", "s") for x in values]
    for written in (np.array(values) * ms, [x * ms for x in values], [f"{x} ms" for x in values]):
        result = to_si(written, "s")
        assert isinstance(result, np.ndarray)
        assert result.tolist() == expected
        assert not result.flags.writeable
    bare = np.arange(3)
    result = to_si(bare, "s")
    bare[0] = 9
    assert isinstance(result, np.ndarray)
    assert result.tolist() == [0.0, 1.0, 2.0]
    assert np.array_equal(to_si(Scaled(np.eye(2), "mV"), "V"), np.eye(2) * 0.001)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=6),
    st.sampled_from(sorted(PREFIXES)),
    st.sampled_from(["s", "V", "A", "F", "S", "ohm", "Hz"]),
)
def test_a_string_means_its_decimal(number: Decimal, prefix: str, unit: str) -> None:
    assert to_si(f"{number} {prefix}{unit}", unit) == float(number.scaleb(PREFIXES[prefix]))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
def test_format_reads_back_exactly(value: float, unit: str) -> None:
    assert to_si(format_si(value, unit), unit) == value


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.03, "s", "30 ms"), (16.7e-9, "S", "16.7 nS"), (0.0, "V", "0 V"), (-0.07, "V", "-70 mV"),
        (6e7, "ohm", "60 Mohm"), (2000.0, "s", "2000 s"), (4e-12, "A*s**0.5", "4 pA*s**0.5"),
        (0.25, "", "0.25"), (float("inf"), "s", "inf s"),
        (np.array([0.01, 0.02]), "s", "10 ms .. 20 ms (2 values)"),
    ],
)  # fmt: skip
def test_format(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


GOOD = "allowed: a quantity in s, such as '30 ms', or a bare SI number"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("30 mV", f"n.toml:3: N3.tau: wrong unit; got '30 mV'; {GOOD}"),
        ("30", f"n.toml:3: N3.tau: unit is missing; got '30'; {GOOD}"),
        ("3 mz", f"n.toml:3: N3.tau: unknown unit 'mz'; got '3 mz'; {GOOD}"),
        ("fast", f"n.toml:3: N3.tau: not a quantity; got 'fast'; {GOOD}"),
        ("3 ms**9**9**9**9", f"n.toml:3: N3.tau: malformed unit; got 'ms**9**9**9**9'; {GOOD}"),
        ("3 ms**99",
         f"n.toml:3: N3.tau: malformed unit: exponent out of range; got 'ms**99'; {GOOD}"),
        (True, f"n.toml:3: N3.tau: not a quantity; got True; {GOOD}"),
        (None, f"n.toml:3: N3.tau: not a quantity; got None; {GOOD}"),
        (3 * mV, f"n.toml:3: N3.tau: wrong unit; got 3 millivolt; {GOOD}"),
        ([[1.0], [1.0, 2.0]],
         f"n.toml:3: N3.tau: rows of unequal length; got [[1.0], [1.0, 2.0]]; {GOOD}"),
        (float("nan"), "n.toml:3: N3.tau: not finite; got nan; allowed: a finite quantity in s"),
        ("1e999 s", "n.toml:3: N3.tau: not finite; got '1e999 s'; allowed: a finite quantity in s"),
        ([1.0, float("inf")],
         "n.toml:3: N3.tau: not finite at index 1; got inf; allowed: finite quantities in s"),
        ([[1.0, float("nan")]],
         "n.toml:3: N3.tau: not finite at index (0, 1); got nan; allowed: finite quantities in s"),
    ],
)  # fmt: skip
def test_refusals(value: object, text: str) -> None:
    with pytest.raises(UnitError) as caught:
        to_si(value, "s", where="N3.tau", origin="n.toml:3")
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "value",
    [
        "1 ms ** 0.5 **", "1 *ms", "1 ms//s", "1 /ms", "1" * 300, "1e99999999999999999999 s",
        b"1 s", object(), {"a": 1}, 1j, np.array([True]), np.array(["1 mV"]), ["1 ms", None],
        np.ones((2, 2)) * mV, 10**400, ms,
    ],
)  # fmt: skip
def test_nothing_but_a_unit_error_escapes(value: object) -> None:
    with pytest.raises(UnitError) as caught:
        to_si(value, "s", where="x")
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_escapes(text: str) -> None:
    try:
        to_si(text, "s")
    except UnitError as error:
        assert "\n" not in str(error)


def test_unknown_unit_cannot_be_imported() -> None:
    with pytest.raises(ImportError):
        exec("from neurohw.network.units import milliduck")
    with pytest.raises(ImportError):
        exec("from neurohw.network.units import define")


def test_the_table_of_common_units_is_pint_s() -> None:
    assert len(KNOWN) == 77
    for name, (factor, dims) in KNOWN.items():
        other, theirs = looked_up(name)
        assert factor == other and dict(dims) == dict(theirs), name


def test_common_units_do_not_wake_pint() -> None:
    code = (
        "import sys; from neurohw.network import LIF; "
        "LIF(C='500 pF', tau='30 ms', E_L='-70 mV', V_th='-50 mV', t_ref='4 ms'); "
        "print('pint' in sys.modules); LIF(C='5 duckF', tau='30 ms', V_th='1 mV')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n" and "unknown unit 'duckF'" in done.stderr


def test_imports_are_light() -> None:
    code = (
        "import sys, neurohw.network; "
        "print(sorted({'pint', 'scipy', 'torch', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
