"""The table in the adapter's README says what the tables in the code say."""

from pathlib import Path

from adapters.venues.ccxt.venues import manner
from adapters.venues.connectors import connectors

README = Path(__file__).parents[2] / "adapters/venues/ccxt/README.md"
HEAD = (
    "| connector | ccxt | client order id | lookup, cancel | request expiry | private stream | "
    "trades from | modes | not in ccxt | proven |\n|---|---|---|---|---|---|---|---|---|---|"
)
OPERATIONS = ("fetchMyTrades", "fetchTicker", "fetchOrderBook", "fetchOHLCV")
PERPETUAL = ("fetchFundingRate", "fetchFundingHistory", "setLeverage")


def line(name: str) -> str:
    entry = connectors()[name]
    row, ccxt = manner(entry), entry.ccxt
    assert ccxt is not None
    wanted = OPERATIONS + (PERPETUAL if entry.is_perpetual else ())
    forms = {"text": "", "hex": "hex ", "number": "32-bit number", "digits": "number "}
    length = "" if row.id_form == "number" else f"{row.id_length_max}"
    prefix = f" after `{row.id_prefix}`" if row.id_prefix else ""
    by = ["id" if what in row.by_client_id else "number" for what in ("lookup", "cancel")]
    streams = {"watchOrders", "watchMyTrades"} <= ccxt.has_stream
    cells = (
        f"`{name}`",
        ccxt.id + (", sandbox" if ccxt.is_sandbox else ""),
        forms[row.id_form] + length + prefix,
        ", ".join(by),
        "yes" if row.has_request_expiry else "no",
        "yes" if streams else "no",
        "number" if row.pages_trades_by_id else "time",
        ", ".join(mode.lower() for mode in entry.position_modes) or "-",
        ", ".join(each for each in wanted if each not in ccxt.has) or "-",
        "double" if row.is_proven and not ccxt.is_sandbox else "no",
    )
    return f"| {' | '.join(cells)} |"


def table() -> str:
    served = (name for name, entry in connectors().items() if entry.ccxt is not None)
    return "\n".join([HEAD, *(line(name) for name in served)])


def test_the_readme_tells_each_connector_as_the_code_does() -> None:
    text = README.read_text("utf-8")
    missing = [each for each in table().splitlines() if each not in text]
    assert not missing, "\n".join(["Put into the table:", *missing])
