"""Which master keys a process has, and which of them seals."""

import base64
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.vault.keys import from_bytes, from_password, keyring

SALT = b"0123456789abcdef"
FIRST, SECOND = b"1" * 32, b"2" * 32


def no_salt() -> bytes:
    raise AssertionError("No password was given, so no salt is needed.")


def salt() -> bytes:
    return SALT


def test_without_a_setting_the_key_lies_in_a_file(tmp_path: Path) -> None:
    made = keyring(Settings(data_dir=tmp_path), no_salt)
    again = keyring(Settings(data_dir=tmp_path), no_salt)
    file = base64.b64decode((tmp_path / "master.key").read_text())
    assert made == again
    assert made.newest == from_bytes(file)
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_password_seals_before_the_file_and_the_file_still_opens(tmp_path: Path) -> None:
    before = keyring(Settings(data_dir=tmp_path), no_salt)
    found = keyring(Settings(data_dir=tmp_path, config_password="pass word"), salt)
    assert found.newest == from_password("pass word", SALT)
    assert found.old == (before.newest,)


def test_a_password_alone_makes_no_file(tmp_path: Path) -> None:
    found = keyring(Settings(data_dir=tmp_path, config_password="pass word"), salt)
    assert found.old == ()
    assert not (tmp_path / "master.key").exists()


def test_a_key_of_its_own_seals_before_a_password(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, master_key=FIRST, config_password="pass word")
    found = keyring(settings, salt)
    assert found.newest == from_bytes(FIRST)
    assert found.old == (from_password("pass word", SALT),)


def test_old_ones_open_and_do_not_seal(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, master_key=FIRST, old_master_keys=(SECOND,), old_config_password="was"
    )
    found = keyring(settings, salt)
    assert found.newest == from_bytes(FIRST)
    assert found.old == (from_bytes(SECOND), from_password("was", SALT))


@pytest.mark.parametrize("other", [("Pass word", SALT), ("pass word", SALT[::-1])])
def test_another_password_or_salt_is_another_key(other: tuple[str, bytes]) -> None:
    assert from_password(*other).id != from_password("pass word", SALT).id


def test_the_name_of_a_key_does_not_tell_it() -> None:
    key = from_bytes(FIRST)
    assert len(key.id) == 16
    assert key.id not in key.wrapping.hex()
    assert FIRST not in key.wrapping
