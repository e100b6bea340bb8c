"""What the exchange says no with: a number, a text and an HTTP status, as in its error tables."""

from decimal import Decimal, InvalidOperation

from tests.doubles.binance.symbols import Market, Symbol, decimals


class ApiError(Exception):
    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


def missing(name: str) -> ApiError:
    return ApiError(
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def bad_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def filter_failed(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def insufficient_balance() -> ApiError:
    return ApiError(-2010, "Account has insufficient balance for requested action.")


def would_match() -> ApiError:
    return ApiError(-2010, "Order would immediately match and take.")


def duplicate_order(market: Market) -> ApiError:
    if market == "futures":
        return ApiError(-4116, "ClientOrderId is duplicated.")
    return ApiError(-2010, "Duplicate order sent.")


def unknown_order() -> ApiError:
    """Of a cancel; a query says `no_such_order`."""
    return ApiError(-2011, "Unknown order sent.")


def no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def no_permission() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def parse_amount(parameters: dict[str, str], name: str) -> Decimal:
    text = parameters.get(name, "")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise missing(name) from None
    if not number.is_finite():
        raise illegal(name)
    return number


def check_spot_filters(
    symbol: Symbol, quantity: Decimal, price: Decimal | None, notional: Decimal
) -> None:
    """`price` is None for MARKET orders, whose `notional` is what the book would cost."""
    for name, number in (("quantity", quantity), ("price", price)):
        if number is not None and decimals(number) > 8:
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
    if price is not None:
        if price <= 0:
            raise ApiError(-1013, "Invalid price.")
        if price % symbol.tick or not symbol.tick <= price <= symbol.price_max:
            raise filter_failed("PRICE_FILTER")
    if quantity <= 0:
        raise ApiError(-1013, "Invalid quantity.")
    if quantity % symbol.lot or not symbol.quantity_min <= quantity <= symbol.quantity_max:
        raise filter_failed("LOT_SIZE")
    if price is None and quantity > symbol.market_quantity_max:
        raise filter_failed("MARKET_LOT_SIZE")
    if notional < symbol.notional_min:
        raise filter_failed("NOTIONAL")


def check_futures_filters(
    symbol: Symbol,
    quantity: Decimal,
    price: Decimal | None,
    notional: Decimal,
    *,
    is_closing: bool,
) -> None:
    if quantity <= 0:
        raise ApiError(-4003, "Quantity less than or equal to zero.")
    if quantity % symbol.lot:
        raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
    if quantity < symbol.quantity_min:
        raise ApiError(-4004, "Quantity less than min quantity.")
    largest = symbol.market_quantity_max if price is None else symbol.quantity_max
    if quantity > largest:
        raise ApiError(-4005, "Quantity greater than max quantity.")
    if price is not None:
        if price <= 0:
            raise ApiError(-4001, "Price less than 0.")
        if decimals(price) > symbol.price_decimals:
            raise ApiError(-1111, "Precision is over the maximum defined for this asset.")
        if price % symbol.tick:
            raise ApiError(-4014, "Price not increased by tick size.")
        if price > symbol.price_max:
            raise ApiError(-4016, f"Limit price can't be higher than {symbol.price_max}.")
    if not is_closing and notional < symbol.notional_min:
        raise ApiError(
            -4164,
            f"Order's notional must be no smaller than {symbol.notional_min} "
            "(unless you choose reduce only).",
        )


def would_be_taker() -> ApiError:
    return ApiError(
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    )


def insufficient_margin() -> ApiError:
    return ApiError(-2019, "Margin is insufficient.")


def reduce_only_rejected() -> ApiError:
    return ApiError(-2022, "ReduceOnly Order is rejected.")


def reduce_only_not_required() -> ApiError:
    return ApiError(-1106, "Parameter 'reduceonly' sent when not required.")


def wrong_position_side() -> ApiError:
    return ApiError(-4061, "Order's position side does not match user's setting.")


def illegal(name: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'.")
