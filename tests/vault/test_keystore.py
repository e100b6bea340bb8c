"""Hummingbot's encrypted values, both ways, and a keystore that neither of us wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.vault.keystore import NoKeystore, WrongPassword, decrypt, encrypt

FEW = 3
PUBLISHED = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
"""The test vector of the web3 secret storage definition; its password is `testpassword`."""


def hexed(store: object) -> str:
    return json.dumps(store).encode().hex()


def changed(**crypto: object) -> str:
    return hexed({**PUBLISHED, "crypto": {**PUBLISHED["crypto"], **crypto}})  # type: ignore[dict-item]


@given(st.text(), st.text(min_size=1, max_size=20))
def test_what_was_encrypted_comes_out(text: str, password: str) -> None:
    assert decrypt(password, encrypt(password, text, FEW)) == text


@given(st.text(max_size=10), st.text(max_size=10))
def test_another_password_is_told(password: str, other: str) -> None:
    encrypted = encrypt(password, "secret", FEW)
    if other.rstrip("\0") == password.rstrip("\0"):
        return  # HMAC fills its key up with zeros.
    with pytest.raises(WrongPassword, match="another password"):
        decrypt(other, encrypted)


def test_the_published_keystore_is_read_as_far_as_it_goes() -> None:
    with pytest.raises(WrongPassword):
        decrypt("another", hexed(PUBLISHED))
    with pytest.raises(
        NoKeystore, match="no text"
    ):  # It holds 32 random bytes, and its MAC is right.
        decrypt("testpassword", hexed(PUBLISHED))


def test_the_shape_is_hummingbots() -> None:
    store = json.loads(bytes.fromhex(encrypt("pw", "value", FEW)))
    assert store["version"] == 3
    assert store["alias"] == ""
    crypto = store["crypto"]
    assert (crypto["cipher"], crypto["kdf"]) == ("aes-128-ctr", "pbkdf2")
    assert crypto["kdfparams"].keys() == {"c", "dklen", "prf", "salt"}
    assert (crypto["kdfparams"]["dklen"], crypto["kdfparams"]["prf"]) == (32, "hmac-sha256")
    assert len(crypto["ciphertext"]) == 2 * len("value")


def test_a_million_rounds_are_the_default() -> None:
    store = json.loads(bytes.fromhex(encrypt("pw", "value")))
    assert store["crypto"]["kdfparams"]["c"] == 1_000_000


def test_a_counter_without_its_leading_zeros_is_read() -> None:
    while True:
        store = json.loads(bytes.fromhex(encrypt("pw", "value", FEW)))
        if store["crypto"]["cipherparams"]["iv"].startswith("00"):
            break
    store["crypto"]["cipherparams"]["iv"] = store["crypto"]["cipherparams"]["iv"][2:]
    assert decrypt("pw", hexed(store)) == "value"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no hex",
        "7b7d",
        hexed([]),
        hexed({"crypto": {}, "version": 3}),
        changed(kdf="bcrypt"),
        changed(kdfparams={"c": 0, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}),
        changed(kdfparams={"c": 2, "dklen": 16, "prf": "hmac-sha256", "salt": "00"}),
        changed(kdfparams={"c": 2, "dklen": 32, "prf": "hmac-sha1", "salt": "00"}),
        changed(kdfparams={"c": 2**31 - 1, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}),
        changed(kdfparams={"c": 2**70, "dklen": 32, "prf": "hmac-sha256", "salt": "00"}),
        changed(kdf="scrypt", kdfparams={"n": 2, "r": 8, "p": 2**30, "dklen": 32, "salt": "00"}),
        changed(kdf="scrypt", kdfparams={"n": -2, "r": 8, "p": 1, "dklen": 32, "salt": "00"}),
        changed(cipher="aes-256-cbc", kdfparams={**PUBLISHED["crypto"]["kdfparams"], "c": 1}),  # type: ignore[index]
        changed(cipherparams={"iv": "00" * 17}),
        hexed({**PUBLISHED, "version": 1}),
    ],
)
def test_what_is_no_keystore_is_refused(text: str) -> None:
    with pytest.raises(NoKeystore):
        decrypt("testpassword", text)


def test_scrypt_is_read_too() -> None:
    with pytest.raises(WrongPassword):
        decrypt(
            "pw",
            changed(kdf="scrypt", kdfparams={"dklen": 32, "salt": "00", "n": 2, "r": 8, "p": 1}),
        )
