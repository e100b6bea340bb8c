"""An account that may trade on a perpetual connector, as a worker would have let it."""

from domain import credential
from domain.credential import OfferCredential, RecordCredentialAccepted
from tests.api.live import Live

ACCOUNT, CONNECTOR, PAIR = "master_account", "binance_perpetual", "BTC-USDT"


def accept(live: Live) -> Live:
    stream = credential.stream(ACCOUNT, CONNECTOR)
    live.execute(stream, OfferCredential(ACCOUNT, CONNECTOR, "s1", "f"), "offer")
    accepted = RecordCredentialAccepted(ACCOUNT, CONNECTOR, "s1", can_trade=True, can_withdraw=None)
    live.execute(stream, accepted, "accept")
    live.project()
    return live
