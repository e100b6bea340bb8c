"""Folders of Hummingbot's credential files, written and read."""

from pathlib import Path

import pytest
import yaml

from adapters.vault import hummingbot, keystore
from adapters.vault.fields import Fields
from adapters.vault.hummingbot import BadFolder
from adapters.vault.keystore import WrongPassword

CANARY = "canary-5a1ad \u00e9"
BINANCE = Fields({"binance_api_key": CANARY, "binance_api_secret": "s'\"\n: x"})
OKX = Fields(
    {
        "okx_api_key": "k",
        "okx_secret_key": "s",
        "okx_passphrase": "no: yes #x",
        "okx_registration_sub_domain": "my",
    }
)
COINBASE = Fields(
    {
        "coinbase_advanced_trade_api_key": "organizations/x/apiKeys/y",
        "coinbase_advanced_trade_api_secret": "-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END",
        "use_auth_for_public_endpoints": False,
    }
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rounds stands in each keystore, so a reader does not care."""
    true = keystore.encrypt
    monkeypatch.setattr(keystore, "encrypt", lambda password, text: true(password, text, 3))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = {"binance": BINANCE, "okx": OKX, "coinbase_advanced_trade": COINBASE}
    hummingbot.write(tmp_path / "creds", "pass word", written)
    found, failed = hummingbot.read(tmp_path / "creds", "pass word")
    assert (found, failed) == (written, {})


def test_files_are_for_us_alone_and_say_what_hummingbot_expects(tmp_path: Path) -> None:
    paths = hummingbot.write(tmp_path / "creds", "pw", {"binance": BINANCE, "okx": OKX})
    assert [path.relative_to(tmp_path / "creds").as_posix() for path in paths] == [
        ".password_verification",
        "connectors/binance.yml",
        "connectors/okx.yml",
    ]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    for folder in ("creds", "creds/connectors"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
    assert keystore.decrypt("pw", paths[0].read_text()) == "HummingBot"
    values = yaml.safe_load(paths[2].read_text())
    assert values["connector"] == "okx"
    assert values["okx_registration_sub_domain"] == "my"
    assert keystore.decrypt("pw", values["okx_passphrase"]) == "no: yes #x"
    assert CANARY not in "".join(path.read_text() for path in paths)


def test_a_wrong_password_is_said_and_nothing_is_written_over(tmp_path: Path) -> None:
    hummingbot.write(tmp_path, "right", {"binance": BINANCE})
    with pytest.raises(BadFolder, match="The password is not the one of"):
        hummingbot.read(tmp_path, "wrong")
    before = (tmp_path / "connectors/binance.yml").read_text()
    with pytest.raises(BadFolder, match="The password is not the one of"):
        hummingbot.write(tmp_path, "wrong", {"binance": OKX})
    assert (tmp_path / "connectors/binance.yml").read_text() == before


def test_without_the_verification_each_value_tells_a_wrong_password(tmp_path: Path) -> None:
    hummingbot.write(tmp_path, "right", {"binance": BINANCE})
    (tmp_path / ".password_verification").unlink()
    found, failed = hummingbot.read(tmp_path, "wrong")
    assert found == {}
    assert "another password" in failed["binance"]
    with pytest.raises(WrongPassword):
        keystore.decrypt("wrong", keystore.encrypt("right", "x"))


BAD = {
    "nowhere.yml": ("connector: nowhere\nkey: x\n", "There is no connector 'nowhere'"),
    "kraken.yml": ("kraken_api_key: plain-canary\n", "no keystore"),
    "binance.yml": ("connector: okx\n", "another connector"),
    "okx.yml": ("{{{", "cannot be read as YAML"),
    "bybit.yml": ("- a\n", "holds no fields"),
    "gate_io.yml": ("gate_io_api_key: 12345\n", "no text, int"),
    "htx.yml": ("a: &a [x]\nb: [*a, *a]\n", "aliases"),
    "kucoin.yml": ("[" * 100_000, "nests deeper"),
    "bitmart.yml": ("x: " + "9" * 5_000 + "\n", "cannot be read as YAML"),
    "hyperliquid.yml": ("#" * 2_000_000, "at most"),
}


def test_what_cannot_be_read_is_said_by_file_and_the_rest_is_read(tmp_path: Path) -> None:
    hummingbot.write(tmp_path, "pw", {"coinbase_advanced_trade": COINBASE})
    for name, (text, _) in BAD.items():
        (tmp_path / "connectors" / name).write_text(text)
    found, failed = hummingbot.read(tmp_path, "pw")
    assert found == {"coinbase_advanced_trade": COINBASE}
    assert failed.keys() == {name.removesuffix(".yml") for name in BAD}
    for name, (_, words) in BAD.items():
        assert words in failed[name.removesuffix(".yml")]
    assert "plain-canary" not in str(failed)


@pytest.mark.parametrize("text", ["zz", "", "7b7d"])
def test_a_broken_verification_is_said(tmp_path: Path, text: str) -> None:
    hummingbot.write(tmp_path, "pw", {"binance": BINANCE})
    (tmp_path / ".password_verification").write_text(text)
    with pytest.raises(BadFolder, match="password_verification"):
        hummingbot.read(tmp_path, "pw")


def test_a_folder_without_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match=r"no connectors/\*\.yml"):
        hummingbot.read(tmp_path, "pw")
