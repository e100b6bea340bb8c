import pytest

from domain.actor import CreateKey, KeyCreated, KeyRevoked, RevokeKey
from tests.given import fold, given

CREATE = CreateKey("k1", "dashboard", ("read", "trade"), "ab" * 32, 9)
CREATED = KeyCreated("k1", "dashboard", ("read", "trade"), "ab" * 32, 9)


def test_a_key_is_created() -> None:
    given().when(CREATE).then(CREATED)


def test_a_key_without_an_end_is_created() -> None:
    given().when(CreateKey("k1", "d", ("admin",), "cd" * 32)).then(
        KeyCreated("k1", "d", ("admin",), "cd" * 32, None)
    )


def test_a_key_id_is_given_once() -> None:
    given(CREATED).when(CREATE).refused("key_exists")


def test_a_revoked_key_id_is_not_given_again() -> None:
    given(CREATED, KeyRevoked("k1")).when(CREATE).refused("key_exists")


@pytest.mark.parametrize("scopes", [(), ("root",), ("read", "root"), ("READ",), ("",)])
def test_a_key_needs_known_scopes(scopes: tuple[str, ...]) -> None:
    given().when(CreateKey("k1", "d", scopes, "ab" * 32)).refused("unknown_scope")


def test_a_key_is_revoked() -> None:
    given(CREATED).when(RevokeKey("k1", "lost")).then(KeyRevoked("k1", "lost"))


def test_an_unknown_key_cannot_be_revoked() -> None:
    given().when(RevokeKey("k1")).refused("unknown_key")


def test_a_key_is_revoked_once() -> None:
    given(CREATED, KeyRevoked("k1", "lost")).when(RevokeKey("k1", "stolen")).then_nothing()


def test_a_revoked_key_remembers_its_scopes() -> None:
    state = fold("actor", (CREATED, KeyRevoked("k1")))
    assert state.is_revoked
    assert state.scopes == ("read", "trade")
