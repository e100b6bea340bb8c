"""Where the tests keep what takes long to fetch or to make."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Of this user; it may have to be made."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aviary"
