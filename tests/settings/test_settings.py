import base64
import os
import re
import stat
from pathlib import Path

import pytest

from adapters.master_key import master_key
from adapters.settings import FILE_NAMES, NAMES, Settings, load
from adapters.values import BadSetting

EXAMPLE = Path(__file__).parents[2] / ".env.example"
KEY = base64.b64encode(b"k" * 32).decode()


def given(**environ: str) -> Settings:
    return load(environ, env_file=None)


def test_nothing_set_gives_the_defaults() -> None:
    assert given() == Settings()


def test_the_example_documents_every_setting_and_its_default() -> None:
    lines = EXAMPLE.read_text().splitlines()
    documented = {line.split("=")[0] for line in lines if re.match(r"[A-Z_]+=", line)}
    assert documented == {*NAMES, *FILE_NAMES}
    assert load({}, env_file=EXAMPLE) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# comment\n\nexport AVIARY_PORT=9000  # trailing\nUSERNAME='a #b'\n"
        'PASSWORD="with \' quote"\nCOMPOSE_PROJECT_NAME=other\n'
    )
    settings = load({"AVIARY_PORT": "9001"}, env_file=file)
    assert (settings.port, settings.username, settings.password) == (9001, "a #b", "with ' quote")


def test_a_broken_line_is_named_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("AVIARY_PORT=1\nPASSWORD='hush\n")
    with pytest.raises(BadSetting, match="line 2") as caught:
        load({}, env_file=file)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AVIARY_PORT", "eighty", "a whole number from 0 to 65535"),
        ("AVIARY_PORT", "65536", "a whole number from 0 to 65535"),
        ("AVIARY_PAPER_SPEED", "nan", "a number from 0.001 to 1,000,000"),
        ("AVIARY_PAPER_TEST_MODE", "maybe", "true or false"),
        ("AVIARY_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("AVIARY_PAPER_URL", "localhost:1", "an address such as"),
        ("CORS_ALLOW_ORIGINS", "example.com", "origins such as"),
        ("CORS_ALLOW_ORIGIN_REGEX", "(", "a regular expression"),
        ("USERNAME", "a:b", "without a colon"),
        ("AVIARY_TRUSTED_PROXIES", "10.0.0.1/8", "addresses or networks"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(BadSetting) as caught:
        given(**{name: value})
    assert caught.value.name == name
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)


@pytest.mark.parametrize("name", ["AVIARY_MASTER_KEY", "AVIARY_OLD_MASTER_KEYS", "DATABASE_URL"])
def test_a_wrong_secret_is_not_shown(name: str) -> None:
    with pytest.raises(BadSetting) as caught:
        given(**{name: "hush"})
    assert name in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("password", ["qj%xv", "qj/xv", "qj@xv", "1/qj@xv", "qj[xv/@", "%qjxv"])
def test_a_password_that_tears_its_address_apart_is_not_shown(password: str) -> None:
    with pytest.raises(
        BadSetting, match=r"DATABASE_URL: the value \(not shown\).* %25 for %"
    ) as caught:
        given(DATABASE_URL=f"postgresql://aviary_app:{password}@db:5432/aviary")
    assert caught.value.__cause__ is None
    assert not any(part in str(caught.value) for part in ("qj", "xv", "aviary_app"))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:h%25u%2Fs%40h%3A@db:5432/aviary?sslmode=require",
        "postgres://u:h:u?s#h@db/aviary",
        "postgresql://u@[::1]:5432/aviary",
        "postgresql://u@one:1,two/aviary",
        "postgresql:///aviary?host=/run/postgresql",
        "postgresql://u:p@%2Frun%2Fpostgresql/aviary",
    ],
)
def test_every_address_that_the_driver_reads_is_taken(address: str) -> None:
    assert given(DATABASE_URL=f" {address} ").database_url == address


@pytest.mark.parametrize("name", ["AVIARY_KAFKA_USERNAME", "AVIARY_KAFKA_PASSWORD"])
@pytest.mark.parametrize("security", ["sasl_plaintext", "sasl_ssl"])
def test_sasl_needs_a_whole_login(name: str, security: str) -> None:
    login = {"AVIARY_KAFKA_USERNAME": "aviary", "AVIARY_KAFKA_PASSWORD": "hush"}
    assert given(AVIARY_KAFKA_SECURITY=security, **login).kafka_password == "hush"
    with pytest.raises(BadSetting, match=f"^{name}: .*={security} needs"):
        given(AVIARY_KAFKA_SECURITY=security, **login | {name: ""})


def test_an_unknown_name_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(BadSetting, match=r"Did you mean AVIARY_PORT\?$"):
        given(AVIARY_PROT="1")
    assert given(AVIARY_CRASH="after-receipt", HOME="/root") == Settings()


def test_an_empty_value_means_the_default() -> None:
    assert given(AVIARY_PORT="", DATABASE_URL="") == Settings()


@pytest.mark.parametrize("password", [{}, {"PASSWORD": ""}, {"PASSWORD": "admin"}])
def test_a_guessable_password_stays_on_loopback(password: dict[str, str]) -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert given(AVIARY_HOST=host, **password).host == host
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):  # noqa: S104 - must be refused
        with pytest.raises(BadSetting, match="PASSWORD"):
            given(AVIARY_HOST=host, **password)
    assert given(AVIARY_HOST="::", PASSWORD="long enough").password == "long enough"


def test_values_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadSetting, match="AVIARY_BATCH_MAX"):
        given(AVIARY_BATCH_MAX="300", AVIARY_IN_FLIGHT_MAX="200")
    with pytest.raises(BadSetting, match="AVIARY_RATE_BURST"):
        given(AVIARY_RATE_PER_SECOND="20000")
    assert given(AVIARY_RATE_PER_SECOND="0", AVIARY_RATE_BURST="1").rate_per_second == 0


def test_migrations_use_the_application_login_unless_told() -> None:
    app, owner = "postgresql://app@db/aviary", "postgresql://owner@db/aviary"
    assert given(DATABASE_URL=app).migrate_database_url == app
    both = given(DATABASE_URL=app, AVIARY_MIGRATE_DATABASE_URL=owner)
    assert (both.database_url, both.migrate_database_url) == (app, owner)


def test_settings_print_without_their_secrets() -> None:
    settings = given(
        PASSWORD="hush",
        DATABASE_URL="postgresql://u:hush@h/d",
        AVIARY_MASTER_KEY=KEY,
        AVIARY_OLD_MASTER_KEYS=KEY,
        CONFIG_PASSWORD="hush",
        AVIARY_OLD_CONFIG_PASSWORD="hush",
    )
    assert "hush" not in repr(settings)
    assert "kkkk" not in repr(settings)
    assert "port=8000" in repr(settings)


def test_a_given_master_key_needs_no_file(tmp_path: Path) -> None:
    assert master_key(Settings(data_dir=tmp_path, master_key=b"k" * 32)) == b"k" * 32
    assert not list(tmp_path.iterdir())


def test_a_master_key_is_made_once_private_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    key = master_key(settings)
    path = tmp_path / "new/master.key"
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"Back up {path}" in capsys.readouterr().err
    assert master_key(settings) == key
    assert capsys.readouterr().err == ""
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]
    assert given(AVIARY_MASTER_KEY=path.read_text()).master_key == key


def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(KEY)
    path.chmod(0o640)
    with pytest.raises(BadSetting, match=r"others may read .*mode 0640.*chmod 600"):
        master_key(Settings(data_dir=tmp_path))


def test_a_damaged_master_key_is_refused_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(os.urandom(16))
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(BadSetting, match="does not hold 32 bytes"):
        master_key(Settings(data_dir=tmp_path))
    assert path.read_bytes() == before
