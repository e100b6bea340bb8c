"""A copy of the checked-in schemas that a test may change."""

import shutil
from pathlib import Path

import pytest

from tests.vocabularies import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY / "docs/events", tmp_path / "events"))
