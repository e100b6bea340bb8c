from domain.account import (
    AccountOpened,
    AddConnector,
    ConnectorAdded,
    OpenAccount,
    Reconciled,
    ReconciliationRequested,
    RecordReconciliation,
    RequestReconciliation,
)
from tests.given import given
from tests.messages import ACCOUNT

REQUESTED = ReconciliationRequested("paper", 60)
DONE = Reconciled("paper", 3, 2)


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


def test_a_reconciliation_is_requested() -> None:
    given(*ACCOUNT).when(RequestReconciliation("paper", 60)).then(REQUESTED)


def test_no_reconciliation_with_an_unknown_connector() -> None:
    given(*ACCOUNT).when(RequestReconciliation("binance", 60)).refused("unknown_connector")
    given().when(RequestReconciliation("paper", 60)).refused("unknown_connector")


def test_a_wanted_reconciliation_is_not_wanted_twice() -> None:
    given(*ACCOUNT, REQUESTED).when(RequestReconciliation("paper", 120)).then_nothing()


def test_after_a_reconciliation_the_next_one_may_be_requested() -> None:
    given(*ACCOUNT, REQUESTED, DONE).when(RequestReconciliation("paper", 120)).then(
        ReconciliationRequested("paper", 120)
    )


def test_a_wanted_reconciliation_is_recorded() -> None:
    given(*ACCOUNT, REQUESTED).when(RecordReconciliation("paper", 3, 2, asked_at=3)).then(DONE)


def test_a_reconciliation_that_nobody_wants_is_not_recorded() -> None:
    given(*ACCOUNT).when(RecordReconciliation("paper", 3, 2, asked_at=3)).then_nothing()


def test_a_reconciliation_counts_once() -> None:
    given(*ACCOUNT, REQUESTED, DONE).when(RecordReconciliation("paper", 3, 2, 3)).then_nothing()


def test_a_reconciliation_of_one_connector_leaves_the_other_wanted() -> None:
    both = (*ACCOUNT, ConnectorAdded("main", "binance"))
    other = ReconciliationRequested("binance", 60)
    history = (*both, REQUESTED, other, DONE)
    given(*history).when(RequestReconciliation("binance", 120)).then_nothing()
