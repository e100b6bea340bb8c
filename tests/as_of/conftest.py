from tests.api.conftest import live, seeded, shared

__all__ = ["live", "seeded", "shared"]
