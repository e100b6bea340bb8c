"""Names of query parameters mean the same however they are percent-encoded."""

import pytest

from domain.account import OpenAccount
from tests.api.live import ORDER, Live

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("name", ["min_position", "%6Din_position", "min%5Fposition"])
def test_a_min_position_that_is_none_is_named_wherever_it_is_read(shared: Live, name: str) -> None:
    shared.project()
    for path in ("/accounts", "/portfolio/performance", "/portfolio/state"):
        answer = shared.client.get(f"{path}?{name}=abc")
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["detail"][0]["loc"] == ["query", "min_position"]


def test_an_encoded_min_position_is_waited_for(shared: Live) -> None:
    position = shared.project()
    answer = shared.client.get(f"/accounts?min%5Fposition={position}")
    assert int(answer.headers["Log-Position"]) >= position


def test_an_encoded_as_of_is_answered_from_the_past(shared: Live) -> None:
    then = shared.project()
    shared.execute("account-later", OpenAccount("later"), "open later")
    shared.project()
    assert "later" in shared.client.get("/accounts").json()
    answer = shared.client.get(f"/accounts?as%5Fof={then}")
    assert answer.headers["Log-Position"] == str(then)
    assert "later" not in answer.json()
    assert shared.client.get(f"/audit/parked?%61s_of={then}").status_code == 422


def test_an_encoded_dry_run_places_nothing(shared: Live) -> None:
    before = shared.head()
    answer = shared.client.post("/trading/orders?dry%5Frun=true", json=dict(ORDER))
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert shared.head() == before
