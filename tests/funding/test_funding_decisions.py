from decimal import Decimal

from msgspec import structs

from domain.funding import FundingPaid, RecordFunding, stream
from tests.given import given

DAY = 86_400_000_000
RECORD = RecordFunding(
    "main",
    "binance_perpetual",
    "8af1",
    "BTC-USDT",
    Decimal("-0.01"),
    "USDT",
    Decimal("0.0001"),
    Decimal("0.5"),
    "LONG",
    20_000 * DAY + 28_800_000_000,
)
PAID = FundingPaid(*structs.astuple(RECORD))


def test_a_payment_is_recorded() -> None:
    given().when(RECORD).then(PAID)


def test_a_payment_counts_once() -> None:
    given(PAID).when(RECORD).then_nothing()
    given(PAID).when(structs.replace(RECORD, rate=None)).then_nothing()


def test_payments_of_one_moment_are_several() -> None:
    other = structs.replace(RECORD, payment_id="8af2", pair="ETH-USDT")
    given(PAID).when(other).then(FundingPaid(*structs.astuple(other)))


def test_a_payment_belongs_to_its_own_day_and_account() -> None:
    at = RECORD.paid_at_us
    assert stream("main", "binance_perpetual", at) == "funding-main/binance_perpetual/20000"
    assert stream("main", "binance_perpetual", at + DAY) == "funding-main/binance_perpetual/20001"
    assert stream("other", "binance_perpetual", at) == "funding-other/binance_perpetual/20000"
