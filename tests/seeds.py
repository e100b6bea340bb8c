"""How generated examples are chosen: at random on a desk, the same ones on every run in CI.

A failing example is printed with the blob that reproduces it, and is then committed as a test.
"""

import os

from hypothesis import HealthCheck, settings

_CHECKS = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("desk", deadline=None, print_blob=True, suppress_health_check=_CHECKS)
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
