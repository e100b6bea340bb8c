"""The documentation pages in a real Chromium that can reach nothing but this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.api.conftest import seeded, shared
from tests.api.live import Live

__all__ = ["seeded", "shared"]
CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
    *("--virtual-time-budget=20000", "--dump-dom"),
)


def _rendered(url: str, profile: Path) -> str:
    if CHROMIUM is None:
        pytest.skip("chromium is missing; run: apt-get install -y chromium")
    shown = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return shown.stdout


def test_swagger_ui_shows_the_operations_without_any_other_host(
    shared: Live, tmp_path: Path
) -> None:
    page = _rendered(f"{shared.url}/docs", tmp_path)
    assert 'data-path="/trading/orders/search"' in page
    assert "https://" not in page.split("<body", 1)[0]


def test_redoc_shows_the_operations_without_any_other_host(shared: Live, tmp_path: Path) -> None:
    page = _rendered(f"{shared.url}/redoc", tmp_path)
    assert "/trading/orders" in page
    assert "Something went wrong" not in page
