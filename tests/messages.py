"""Messages that tests speak with: one sample of every event, and small worlds of commands.

Ids are few on purpose, so that generated histories collide, repeat and contradict themselves.
"""

from collections.abc import Mapping
from decimal import Decimal

from hypothesis import strategies as st
from msgspec import structs

from commands.codec import tag_of
from domain.account import AccountDeleted, AccountOpened, ConnectorAdded
from domain.actor import KeyCreated, KeyRevoked
from domain.credential import (
    CredentialAccepted,
    CredentialDeleted,
    CredentialOffered,
    CredentialRefused,
)
from domain.events import Event
from domain.funding import FundingPaid
from domain.limits import LimitsSet
from domain.order_messages import (
    AllowResend,
    CancelOrder,
    CancelRequested,
    CloseStarted,
    Command,
    DispatchOrder,
    Extent,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderExpired,
    OrderFilled,
    OrderFound,
    OrderNotAtVenue,
    OrderOutcomeUnknown,
    OrderPlaced,
    OrderRejectedByVenue,
    OrderRevived,
    OrderUndeliverable,
    OrderValued,
    OrderWithdrawn,
    PlaceOrder,
    RecordAccepted,
    RecordClosed,
    RecordFill,
    RecordNotFound,
    RecordRejected,
    RecordUnknown,
    ResendAllowed,
)
from domain.perpetual import (
    LeverageRefused,
    LeverageRequested,
    LeverageSet,
    LeverageUnknown,
    PositionModeRefused,
    PositionModeRequested,
    PositionModeSet,
    PositionModeUnknown,
)
from domain.portfolio import ConnectorHeld, PortfolioObserved, PortfolioVenueSilent, TokenHeld
from domain.position import (
    PositionAgrees,
    PositionBaselineSet,
    PositionClosed,
    PositionDiffers,
    PositionObserved,
)
from domain.reconciliation import Reconciled, ReconciliationRequested
from domain.switch import SwitchEngaged, SwitchLifted

SEND_BY = 1_700_000_005_000_000
EXECUTED = 1_700_000_001_000_000
IS_MAKER = False

ACCOUNT = (AccountOpened("main"), ConnectorAdded("main", "paper"))
"""The events of an account on which orders may be placed."""

PLACE = PlaceOrder(
    "main", "paper", "BTC-USDT", "BUY", "LIMIT", Decimal("1.0"), Decimal(50000), "OPEN", "av1"
)
PLACED = OrderPlaced(
    "main", "paper", "BTC-USDT", "BUY", "LIMIT", Decimal("1.0"), Decimal(50000), "OPEN", "av1"
)
DISPATCHED = OrderDispatched(1, 7, SEND_BY)
ACCEPTED = OrderAccepted("x1")
FOUND = OrderFound("x1")
UNKNOWN = OrderOutcomeUnknown("timeout", 1)
RESEND_ALLOWED = ResendAllowed(1)
NOT_AT_VENUE = OrderNotAtVenue(1)
REJECTED = OrderRejectedByVenue("-2010", "insufficient balance", 1)
CANCEL_REQUESTED = CancelRequested()
WITHDRAWN = OrderWithdrawn()
CANCELLED = OrderCancelled("", "us")
EXPIRED = OrderExpired("GTD")
UNDELIVERABLE = OrderUndeliverable(5)


def close_of(client_order_id: str, extent: Extent = "full", quantity: str = "1.0") -> PlaceOrder:
    """Return the order that closes a LONG position in BTC-USDT at the market."""
    return structs.replace(
        PLACE,
        side="SELL",
        order_type="MARKET",
        quantity=Decimal(quantity),
        price=None,
        position_action="CLOSE",
        client_order_id=client_order_id,
        closing=extent,
    )


def fill_of(trade_id: str, quantity: str, price: str = "50000", fee: str = "0.1") -> RecordFill:
    return RecordFill(
        trade_id, "BUY", Decimal(quantity), Decimal(price), Decimal(fee), "USDT", IS_MAKER, EXECUTED
    )


def filled(trade_id: str, quantity: str, price: str = "50000", fee: str = "0.1") -> OrderFilled:
    return OrderFilled(
        trade_id, "BUY", Decimal(quantity), Decimal(price), Decimal(fee), "USDT", IS_MAKER, EXECUTED
    )


SAMPLES: Mapping[str, Event] = {
    tag_of(event): event
    for event in (
        AccountOpened("main"),
        ConnectorAdded("main", "paper"),
        AccountDeleted("main", 1),
        CredentialOffered("main", "binance", "5ec4e7" * 5, "f1f0" * 4, 1),
        CredentialAccepted("5ec4e7" * 5, True, None),  # noqa: FBT003 - pinned as it is stored
        CredentialRefused("5ec4e7" * 5, "-2015", "Invalid API-key, IP, or permissions."),
        CredentialDeleted("main", "binance", 1),
        FundingPaid(
            "main",
            "binance_perpetual",
            "8af1",
            "BTC-USDT",
            Decimal("-0.01234500"),
            "USDT",
            Decimal("0.0001"),
            Decimal("0.005"),
            "LONG",
            1_700_000_000_000_000,
        ),
        LeverageRequested("main", "binance_perpetual", "BTC-USDT", 20, 2, 1, SEND_BY),
        LeverageSet("BTC-USDT", 20, 2),
        LeverageRefused("BTC-USDT", 2, "-4028", "Leverage 20 is not valid"),
        LeverageUnknown("BTC-USDT", 2, "no answer within 10 s"),
        PositionModeRequested("main", "binance_perpetual", "HEDGE", 3, None, SEND_BY),
        PositionModeSet("HEDGE", 3),
        PositionModeRefused(3, "-4068", "Position side cannot be changed"),
        PositionModeUnknown(3, "no answer within 10 s"),
        PortfolioObserved(
            "main",
            "USDT",
            "fill",
            EXECUTED,
            (
                ConnectorHeld(
                    "binance",
                    EXECUTED,
                    (
                        TokenHeld("BTC", Decimal("0.50"), Decimal("0.25"), Decimal("50000.10")),
                        TokenHeld("XYZ", Decimal("1E-18"), Decimal(0), None),
                    ),
                ),
                ConnectorHeld("paper", 1_700_000_000_000_000, (), True),  # noqa: FBT003
            ),
        ),
        PortfolioVenueSilent("main", "paper", "no answer within 10 s", EXECUTED),
        PositionObserved(
            "main",
            "binance_perpetual",
            "BTC-USDT",
            "LONG",
            Decimal("0.005"),
            Decimal("50000.10"),
            Decimal("-1.25"),
            Decimal(20),
            EXECUTED,
        ),
        PositionClosed("main", "binance_perpetual", "BTC-USDT", "LONG", EXECUTED),
        PositionBaselineSet(
            "main", "binance_perpetual", "BTC-USDT", Decimal("0.005"), Decimal("0.002")
        ),
        PositionDiffers(
            "main", "binance_perpetual", "BTC-USDT", Decimal("-0.001"), Decimal("0.005")
        ),
        PositionAgrees("main", "binance_perpetual", "BTC-USDT", Decimal("0.005")),
        ReconciliationRequested("main", "paper", 1_700_000_000_000_000),
        Reconciled("main", "paper", 3, 2),
        KeyCreated("k1", "dashboard", ("read", "trade"), "ab" * 32, 1_800_000_000_000_000),
        KeyRevoked("k1", "lost"),
        OrderPlaced(
            "main",
            "paper",
            "BTC-USDT",
            "BUY",
            "LIMIT",
            Decimal("0.12"),
            Decimal("50000.00"),
            "OPEN",
            "av1",
            Decimal("0.123"),
            None,
        ),
        DISPATCHED,
        ACCEPTED,
        FOUND,
        OrderRejectedByVenue("-2010", "insufficient balance \u2713", 1),
        filled("t1", "0.000000000000000001", "99999999999999999999.999999999999999999"),
        CANCEL_REQUESTED,
        WITHDRAWN,
        CANCELLED,
        EXPIRED,
        UNKNOWN,
        NOT_AT_VENUE,
        UNDELIVERABLE,
        OrderValued(Decimal("50000.00")),
        CloseStarted("full", Decimal("0.12"), 1_700_000_000_000_000),
        OrderRevived(Decimal("1.0"), Decimal("0.4")),
        RESEND_ALLOWED,
        SwitchEngaged("*", "runaway strategy"),
        SwitchLifted("*", "strategy fixed"),
        LimitsSet("main", Decimal("1000.00"), 20, None),
    )
}
"""One of every event; their bytes are pinned in docs/events/examples."""

amounts = st.decimals(
    min_value=Decimal("0.1"), max_value=3, places=1, allow_nan=False, allow_infinity=False
)
attempts = st.integers(1, 6)
observations: st.SearchStrategy[Command] = st.one_of(
    st.builds(RecordAccepted, st.sampled_from(["x1", "x2"])),
    st.builds(RecordRejected, st.just("-2010"), st.just("no"), attempts),
    st.builds(
        RecordFill,
        trade_id=st.sampled_from(["t1", "t2", "t3", "t4"]),
        side=st.just("BUY"),
        quantity=amounts,
        price=amounts,
        fee=amounts,
        fee_token=st.sampled_from(["USDT", "BNB"]),
        is_maker=st.booleans(),
        executed_at_us=st.just(EXECUTED),
    ),
    st.builds(RecordClosed, st.sampled_from(["cancelled", "expired"]), st.just("")),
    st.builds(RecordUnknown, st.just("timeout"), attempts),
    st.builds(RecordNotFound, attempts),
)
"""What a venue may tell about an order, in any order and as often as it likes."""
intents: st.SearchStrategy[Command] = st.one_of(
    st.just(PLACE),
    st.just(CancelOrder()),
    st.just(AllowResend()),
    st.builds(DispatchOrder, attempts, st.just(7), st.just(SEND_BY)),
)
order_commands = st.one_of(intents, observations)
