"""The lanes together hold every test."""

from pathlib import Path

from tests.lanes import folders

TESTS = Path(__file__).parents[1]


def test_every_test_module_is_in_one_lane() -> None:
    in_lanes = [
        module
        for lane in folders()
        for folder in lane
        for module in (TESTS / folder).rglob("test_*.py")
    ]
    assert sorted(in_lanes) == sorted(TESTS.rglob("test_*.py"))
