from tests.api.conftest import seeded

__all__ = ["seeded"]
