"""What is sealed opens for whoever has the key, as it was and where it was, and for nobody else."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.vault import keys
from adapters.vault.fields import Fields
from adapters.vault.keys import Keyring
from adapters.vault.sealing import Sealed, SecretDamaged, WrongMasterKey, rewrap, seal, unseal

OLD, NEW = keys.from_bytes(b"o" * 32), keys.from_bytes(b"n" * 32)
CANARY = "canary-4f1d\u00e9"
FIELDS = Fields({"binance_api_key": CANARY, "binance_api_secret": "s" * 64, "use_vault": True})
ROW = seal(OLD, "id-1", "main", "binance", FIELDS)
values = st.dictionaries(
    st.text(max_size=20), st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1), max_size=5
)


@given(values)
def test_what_was_sealed_comes_out(given_values: dict[str, object]) -> None:
    row = seal(NEW, "id-1", "main", "binance", Fields(given_values))
    assert unseal(Keyring(NEW), row) == Fields(given_values)
    assert unseal(Keyring(OLD, (NEW,)), row) == Fields(given_values)


def test_nothing_of_it_is_to_be_seen() -> None:
    again = seal(OLD, "id-1", "main", "binance", FIELDS)
    for field in ("wrapped_key", "nonce", "ciphertext"):
        assert getattr(ROW, field) != getattr(again, field)  # Keys and nonces are never used again.
        assert CANARY.encode() not in getattr(ROW, field)
    shown = f"{FIELDS!r} {FIELDS} {OLD!r} {Keyring(OLD)!r} {[FIELDS]} {ROW!r}"
    assert CANARY not in shown
    assert "binance_api_key" in repr(FIELDS)
    assert OLD.wrapping.hex() not in shown
    assert repr(OLD.wrapping) not in shown


def test_fields_are_neither_pickled_nor_hashed() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(FIELDS)
    with pytest.raises(TypeError, match="unhashable"):
        hash(FIELDS)


MOVED: dict[str, Callable[[Sealed], Sealed]] = {
    "to another account": lambda row: structs.replace(row, account="other"),
    "to another connector": lambda row: structs.replace(row, connector="kraken"),
    "to another id": lambda row: structs.replace(row, secret_id="id-2"),
    "between the names": lambda row: structs.replace(row, account="mainb", connector="inance"),
    "a bit of the text": lambda row: structs.replace(row, ciphertext=_flipped(row.ciphertext)),
    "a bit of the key": lambda row: structs.replace(row, wrapped_key=_flipped(row.wrapped_key)),
    "a bit of the nonce": lambda row: structs.replace(row, nonce=_flipped(row.nonce)),
    "the text of another": lambda row: structs.replace(
        row, ciphertext=seal(OLD, "id-1", "main", "binance", FIELDS).ciphertext
    ),
    "the end cut off": lambda row: structs.replace(row, ciphertext=row.ciphertext[:-1]),
}


def _flipped(text: bytes) -> bytes:
    return bytes([text[0] ^ 1]) + text[1:]


@pytest.mark.parametrize("how", MOVED)
def test_a_row_that_was_changed_opens_no_more(how: str) -> None:
    with pytest.raises(SecretDamaged, match="is not what was sealed") as caught:
        unseal(Keyring(OLD), MOVED[how](ROW))
    assert CANARY not in str(caught.value)


def test_a_key_under_anothers_name_opens_nothing() -> None:
    with pytest.raises(SecretDamaged):
        unseal(Keyring(NEW), structs.replace(ROW, master_key_id=NEW.id))


def test_a_wrong_master_key_is_named_with_what_to_do() -> None:
    with pytest.raises(WrongMasterKey, match=rf"under the master key {OLD.id}.*has {NEW.id}"):
        unseal(Keyring(NEW), ROW)
    with pytest.raises(WrongMasterKey, match="AVIARY_OLD_MASTER_KEYS"):
        rewrap(Keyring(NEW), ROW)


def test_wrapped_anew_it_opens_under_the_new_key_alone() -> None:
    moved = rewrap(Keyring(NEW, (OLD,)), ROW)
    assert (moved.master_key_id, moved.ciphertext) == (NEW.id, ROW.ciphertext)
    assert unseal(Keyring(NEW), moved) == FIELDS
    with pytest.raises(WrongMasterKey):
        unseal(Keyring(OLD), moved)
