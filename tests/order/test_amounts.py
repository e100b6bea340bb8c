from decimal import Context, Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.amounts import BadAmount, amount, plus, times

NINES = "9" * 18
EXACT = Context(prec=400, traps=[Inexact])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("0.25", "0.25"),
        ("1.50", "1.50"),
        ("007", "7"),
        ("1E-7", "1E-7"),
        ("1e-18", "1E-18"),
        ("1.5e3", "1.5E+3"),
        ("1e+17", "1E+17"),
        ("0.1e1", "1"),
        ("0.000000000000000001", "1E-18"),
        (f"{NINES}.{NINES}", f"{NINES}.{NINES}"),
        (repr(0.1), "0.1"),
        (repr(1e-7), "1E-7"),
        (repr(1e16), "1E+16"),
        (repr(0.1 + 0.2), "0.30000000000000004"),
        (f"{NINES}.{NINES}0", f"{NINES}.{NINES}"),
        ("1.0000000000000000000", "1"),
    ],
)
def test_plain_and_scientific_notation_are_exact(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "not a plain positive"),
        ("nan", "not a plain positive"),
        ("sNaN", "not a plain positive"),
        ("Infinity", "not a plain positive"),
        ("inf", "not a plain positive"),
        ("1e999999", "not a plain positive"),
        ("1e99", "too large"),
        ("1e18", "too large"),
        ("1000000000000000000", "too large"),
        ("-1", "not a plain positive"),
        ("+1", "not a plain positive"),
        ("-0", "not a plain positive"),
        ("1_000", "not a plain positive"),
        ("1,000", "not a plain positive"),
        ("", "not a plain positive"),
        (" 1", "not a plain positive"),
        ("1 ", "not a plain positive"),
        ("1\n", "not a plain positive"),
        ("1.", "not a plain positive"),
        (".5", "not a plain positive"),
        ("0x10", "not a plain positive"),
        ("1e", "not a plain positive"),
        ("1e5.0", "not a plain positive"),
        ("\uff11", "not a plain positive"),
        ("\u0661", "not a plain positive"),
        ("1\u0000", "not a plain positive"),
        ("1" * 40, "too large"),
        ("1" * 41, "not a plain positive"),
        ("1" * 100_000, "not a plain positive"),
        ("0." + "1" * 40, "too fine"),
        ("0." + "1" * 41, "not a plain positive"),
        ("1." + "0" * 38, "more than 38 digits"),
        ("0", "greater than 0"),
        ("0.0", "greater than 0"),
        ("0e5", "greater than 0"),
        ("1e-19", "too fine"),
        ("1e-99", "too fine"),
        ("1.0000000000000000001", "too fine"),
        (f"{NINES}.{NINES}1", "too fine"),
    ],
)
def test_what_is_no_amount_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(BadAmount, match=reason) as caught:
        amount(text)
    assert len(str(caught.value)) < 160


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,41}(\.[0-9]{1,41})?([eE][+-]?[0-9]{1,3})?"))
def test_any_text_is_an_exact_bounded_amount_or_refused(text: str) -> None:
    try:
        value = amount(text)
    except BadAmount:
        return
    assert value == Decimal(text)
    assert 0 < value < 10**18
    assert not EXACT.remainder(value, Decimal("1E-18"))


@given(st.floats(min_value=1e-15, max_value=1e15))
def test_what_python_prints_for_a_float_is_taken_by_its_digits(number: float) -> None:
    try:
        assert amount(repr(number)) == Decimal(repr(number))
    except BadAmount as error:
        assert "too fine" in str(error)  # noqa: PT017 - the one reason there may be


def test_sums_and_products_keep_every_digit() -> None:
    big = Decimal(f"{NINES}.{NINES}")
    assert plus(big, Decimal("1E-18")) == Decimal(10) ** 18
    assert times(big, big).as_tuple().digits == tuple(map(int, str((10**36 - 1) ** 2)))
