import base64
from pathlib import Path

import pytest

from adapters.settings import FILE_NAMES, NAMES, SECRETS, Settings, load
from adapters.values import BadSetting

VALUES = {
    "PASSWORD": "hush hush",
    "DATABASE_URL": "postgresql://app:hush@db/aviary",
    "AVIARY_MIGRATE_DATABASE_URL": "postgresql://owner:hush@db/aviary",
    "AVIARY_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
    "AVIARY_OLD_MASTER_KEYS": ",".join(base64.b64encode(key * 32).decode() for key in (b"o", b"p")),
    "CONFIG_PASSWORD": "hush hush",
    "AVIARY_OLD_CONFIG_PASSWORD": " hush",
    "AVIARY_LAKE_DSN": "postgresql://lake:hush@host/lake",
    "AVIARY_LAKE_READER_DSN": "postgresql://reader:hush@host/lake",
    "AVIARY_LAKE_STORE_SECRET": "hush",
    "AVIARY_PAPER_TOKEN": "hush",
    "AVIARY_KAFKA_PASSWORD": " hush ",
}


def given(**environ: str) -> Settings:
    return load(environ, env_file=None)


def test_every_secret_can_be_a_file() -> None:
    assert set(SECRETS) == set(VALUES)
    assert set(FILE_NAMES) == {f"{name}_FILE" for name in VALUES}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_gives_the_value_without_its_last_newline(
    tmp_path: Path, name: str, end: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(VALUES[name] + end, newline="")
    read = given(**{f"{name}_FILE": str(file)})
    assert getattr(read, NAMES[name]) == getattr(given(**{name: VALUES[name]}), NAMES[name])
    assert getattr(read, NAMES[name]) != getattr(Settings(), NAMES[name])


def test_only_one_newline_is_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n\n")
    assert given(PASSWORD_FILE=str(file)).password == "hush\n"


@pytest.mark.parametrize("name", VALUES)
def test_a_secret_given_twice_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(VALUES[name])
    with pytest.raises(BadSetting, match=f"^{name}_FILE: {name} is given as well") as caught:
        given(**{name: VALUES[name], f"{name}_FILE": str(file)})
    assert "hush" not in str(caught.value)


def test_the_environment_wins_over_the_file_in_either_form(tmp_path: Path) -> None:
    secret, dotenv = tmp_path / "secret", tmp_path / ".env"
    secret.write_text("from a file\n")
    dotenv.write_text("PASSWORD=from .env\n")
    assert load({"PASSWORD_FILE": str(secret)}, dotenv).password == "from a file"
    dotenv.write_text(f"PASSWORD_FILE={secret}\n")
    assert load({}, dotenv).password == "from a file"
    assert load({"PASSWORD": "from the environment"}, dotenv).password == "from the environment"


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(BadSetting, match=r"PASSWORD_FILE: .*secret cannot be read: No such file"):
        given(PASSWORD_FILE=str(file))
    file.write_text("\n")
    with pytest.raises(BadSetting, match=r"PASSWORD_FILE: .*secret is empty"):
        given(PASSWORD_FILE=str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match=r"PASSWORD_FILE: .*secret is not text in UTF-8"):
        given(PASSWORD_FILE=str(file))
    with pytest.raises(BadSetting, match=r"PASSWORD_FILE: .*cannot be read: Is a directory"):
        given(PASSWORD_FILE=str(tmp_path))


def test_a_wrong_value_in_a_file_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush")
    with pytest.raises(BadSetting, match="DATABASE_URL") as caught:
        given(DATABASE_URL_FILE=str(file))
    assert "hush" not in str(caught.value)


def test_only_secrets_come_from_files() -> None:
    with pytest.raises(BadSetting, match="there is no such setting"):
        given(AVIARY_PORT_FILE="/etc/port")
