"""Texts of venues and libraries are kept without what was sent to them."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vault.fields import HIDDEN, Fields, without

SECRET = 'k3y/+=&"\\\n\u00e9 end'
SPELLINGS = [
    SECRET,
    json.dumps(SECRET)[1:-1],
    repr(SECRET)[1:-1],
    quote(SECRET, safe=""),
    quote(SECRET),
    quote_plus(SECRET),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode(),
    SECRET.encode().hex(),
]


@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_field_is_hidden_however_it_is_spelt(spelt: str) -> None:
    assert without(f"binance GET /x?k={spelt}&y=1 401", {"key": SECRET}) == (
        f"binance GET /x?k={HIDDEN}&y=1 401"
    )


def test_a_field_within_another_leaves_no_rest() -> None:
    assert without("sent abcdefgh", {"a": "abcd", "b": "abcdefgh"}) == f"sent {HIDDEN}"


def test_short_values_blot_out_no_words() -> None:
    assert without("account 1 of www", {"index": "1", "domain": "www"}) == "account 1 of www"


@given(st.text(), st.text(min_size=4))
def test_no_field_is_left_in_any_text(text: str, secret: str) -> None:
    found = without(text + secret + text, {"key": secret})
    assert secret not in found.replace(HIDDEN, "\0") or set(secret) <= {"*"}


def test_venues_take_texts() -> None:
    fields = Fields({"key": "k", "use_vault": True, "index": 3, "nodes": ["a"]})
    assert fields.texts() == {"key": "k", "use_vault": "true", "index": "3", "nodes": '["a"]'}
