"""What holds for every sequence of commands, however absurd."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact

from hypothesis import given
from hypothesis import strategies as st

from domain.order import TERMINAL, Order, decide, evolve, next_status
from domain.order_guards import Guards
from domain.order_messages import Command, OrderFilled, RecordFill
from domain.order_messages import Event as OrderEvent
from domain.refusal import Refused
from tests.given import fold
from tests.messages import ACCOUNT, PLACE, PLACED, fill_of, observations, order_commands

GUARDS = Guards(account=fold("account", ACCOUNT))
EXACT = Context(prec=400, traps=[Inexact])
histories = st.lists(order_commands, max_size=30)


def run(commands: Iterable[Command]) -> tuple[Order, list[OrderEvent]]:
    """Decide one after the other; only Refused may be raised."""
    order = Order()
    events: list[OrderEvent] = []
    for command in commands:
        try:
            decided = decide(command, order, GUARDS)
        except Refused:
            continue
        for event in decided:
            order = evolve(order, event)
        events += decided
    return order, events


def total(fills: Iterable[OrderFilled | RecordFill]) -> Decimal:
    result = Decimal(0)
    for quantity in {fill.trade_id: fill.quantity for fill in fills}.values():
        result = EXACT.add(result, quantity)
    return result


@given(histories)
def test_commands_are_accepted_or_refused_and_nothing_else(commands: list[Command]) -> None:
    run(commands)


@given(histories)
def test_an_order_is_placed_once_and_first(commands: list[Command]) -> None:
    _, events = run(commands)
    assert [event for event in events if event == PLACED] == events[:1]


@given(histories)
def test_an_order_fills_by_the_sum_of_its_trades(commands: list[Command]) -> None:
    order, events = run([PLACE, *commands])
    fills = [event for event in events if isinstance(event, OrderFilled)]
    assert len({fill.trade_id for fill in fills}) == len(fills)
    assert order.filled == total(fills)
    assert order.trades == {fill.trade_id for fill in fills}


@given(histories, order_commands)
def test_a_closed_order_stays_closed_but_for_fills(commands: list[Command], last: Command) -> None:
    order, _ = run([PLACE, *commands])
    if order.status not in TERMINAL:
        return
    after, events = run([PLACE, *commands, last])
    if order.status == after.status or any(isinstance(event, OrderFilled) for event in events):
        return
    raise AssertionError(f"{order.status} became {after.status} by {last!r}")


@given(histories)
def test_decided_events_never_move_a_closed_order_unless_they_fill_it(
    commands: list[Command],
) -> None:
    order = Order()
    for event in run([PLACE, *commands])[1]:
        status = next_status(order, event)
        if order.status in TERMINAL and not isinstance(event, OrderFilled):
            assert status == order.status
        order = evolve(order, event)


@given(histories, observations)
def test_what_was_seen_twice_is_recorded_once(commands: list[Command], seen: Command) -> None:
    order, _ = run([PLACE, *commands, seen])
    assert decide(seen, order, GUARDS) == ()


@given(histories)
def test_the_status_is_filled_once_everything_is_filled(commands: list[Command]) -> None:
    order, _ = run([PLACE, *commands])
    assert (order.status == "filled") == (order.filled >= order.quantity)


digits = st.integers(1, 10**38 - 1)
fills = st.lists(st.tuples(digits, st.integers(0, 18), st.integers(1, 5)), min_size=1, max_size=8)


@given(fills, st.randoms(use_true_random=False))
def test_money_is_exact_in_whatever_order_and_how_often_fills_come(
    parts: list[tuple[int, int, int]], random: object
) -> None:
    distinct = [
        fill_of(f"t{number}", str(Decimal(units).scaleb(-scale, EXACT)))
        for number, (units, scale, _) in enumerate(parts)
    ]
    resent = [
        fill for fill, (_, _, times) in zip(distinct, parts, strict=True) for _ in range(times)
    ]
    random.shuffle(resent)  # type: ignore[attr-defined]  # a seeded random.Random
    order, events = run([PLACE, *resent])
    assert order.filled == total(distinct)
    assert len(events) == 1 + len(distinct)


def test_thirty_eight_digits_add_up_to_the_last_one() -> None:
    huge, tiny = "99999999999999999999.999999999999999999", "0.000000000000000001"
    order, _ = run([PLACE, fill_of("t1", huge), fill_of("t2", tiny)])
    assert str(order.filled) == "100000000000000000000.000000000000000000"
