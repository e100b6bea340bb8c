import pytest

from domain.account import (
    AccountDeleted,
    AccountOpened,
    AddConnector,
    ConnectorAdded,
    DeleteAccount,
    OpenAccount,
)
from domain.tally import AccountTally
from tests.given import given
from tests.messages import ACCOUNT


def test_an_account_is_opened() -> None:
    given().when(OpenAccount("main")).then(AccountOpened("main"))


def test_an_account_is_opened_once() -> None:
    given(AccountOpened("main")).when(OpenAccount("main")).refused("account_exists")
    given(*ACCOUNT).when(OpenAccount("main")).refused("account_exists")


@pytest.mark.parametrize("name", ["gateway", "orders", "positions", "trades", "*"])
def test_words_of_routes_name_no_account(name: str) -> None:
    given().when(OpenAccount(name)).refused("reserved_name")


def test_an_account_is_deleted() -> None:
    given(*ACCOUNT).when(DeleteAccount("main")).then(AccountDeleted("main", 1))


def test_what_is_not_there_is_not_deleted() -> None:
    given().when(DeleteAccount("main")).refused("unknown_account")
    gone = (*ACCOUNT, AccountDeleted("main", 1))
    given(*gone).when(DeleteAccount("main")).refused("unknown_account")


def test_an_account_with_live_orders_is_not_deleted() -> None:
    deleting = given(*ACCOUNT).counted(AccountTally(open_orders=2)).when(DeleteAccount("main"))
    deleting.refused("account_busy")
    over = given(*ACCOUNT).counted(AccountTally(open_orders=0, placed_in_minute=9))
    over.when(DeleteAccount("main")).then(AccountDeleted("main", 1))


def test_the_master_account_stays() -> None:
    given(AccountOpened("master_account")).when(DeleteAccount("master_account")).refused(
        "account_protected"
    )


def test_a_deleted_accounts_name_may_be_opened_again() -> None:
    gone = (*ACCOUNT, AccountDeleted("main", 1))
    given(*gone).when(OpenAccount("main")).then(AccountOpened("main"))
    again = (*gone, AccountOpened("main"))
    given(*again).when(DeleteAccount("main")).then(AccountDeleted("main", 2))


def test_a_deleted_account_takes_no_connector_and_a_new_one_has_none_of_the_old() -> None:
    gone = (*ACCOUNT, AccountDeleted("main", 1))
    given(*gone).when(AddConnector("main", "paper")).refused("unknown_account")
    given(*gone, AccountOpened("main")).when(AddConnector("main", "paper")).then(
        ConnectorAdded("main", "paper")
    )


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
