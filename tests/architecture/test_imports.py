"""What a process does not load before it needs it: each module costs time at every start and memory
in every process.
"""

import subprocess
import sys

import pytest

HEAVY = {"apscheduler", "attr", "ccxt", "duckdb", "kafka", "pyarrow", "pydantic", "rich"}
API = """
from adapters.settings import Settings
from api.serve import build
from api.app import create_app
from workers.running.database import database
deps = build(Settings(password="x", database_url="postgresql://127.0.0.1:1/none"))
create_app(deps)
deps.committer.close()
deps.store.close()
"""
WORKER = "import workers.running.processes"


@pytest.mark.parametrize(
    ("program", "heavy"),
    [(API, HEAVY), (WORKER, (HEAVY - {"apscheduler"}) | {"litestar"})],
    ids=["api", "worker"],
)
def test_what_is_seldom_needed_is_not_loaded_at_the_start(program: str, heavy: set[str]) -> None:
    script = (
        f"import aviary, sys\n{program}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert not heavy & set(done.stdout.split())
