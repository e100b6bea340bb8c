from domain.account import (
    AccountOpened,
    AddConnector,
    ConnectorAdded,
    OpenAccount,
)
from tests.given import given
from tests.messages import ACCOUNT


def test_an_account_is_opened() -> None:
    given().when(OpenAccount("main")).then(AccountOpened("main"))


def test_an_open_account_stays_open() -> None:
    given(AccountOpened("main")).when(OpenAccount("main")).then_nothing()


def test_an_account_with_connectors_stays_open() -> None:
    given(*ACCOUNT).when(OpenAccount("main")).then_nothing()


def test_a_connector_is_added() -> None:
    given(AccountOpened("main")).when(AddConnector("main", "paper")).then(
        ConnectorAdded("main", "paper")
    )


def test_a_second_connector_is_added() -> None:
    given(*ACCOUNT).when(AddConnector("main", "binance")).then(ConnectorAdded("main", "binance"))


def test_no_connector_without_an_account() -> None:
    given().when(AddConnector("main", "paper")).refused("unknown_account")


def test_a_connector_is_added_once() -> None:
    given(*ACCOUNT).when(AddConnector("main", "paper")).then_nothing()


def test_a_connector_that_was_added_meanwhile_is_not_added_again() -> None:
    moved = (*ACCOUNT, ConnectorAdded("main", "binance"))
    given(*moved).when(AddConnector("main", "binance")).then_nothing()
