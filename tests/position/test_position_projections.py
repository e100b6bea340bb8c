"""Read models of positions against the aggregate's own state, on random histories."""

from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st

from adapters.memory import MemoryStore
from commands.folding import fold
from commands.request import Command
from domain import position
from domain.position import ComparePosition, ObserveNoPosition, ObservePosition, Position
from projections import position_baselines, positions
from tests.folds import fold_in_memory, run
from tests.stores import request_for

ACCOUNT, CONNECTOR = "main", "binance_perpetual"
PAIRS = ["BTC-USDT", "ETH-USDT"]
quantities = st.decimals(min_value=Decimal("0.1"), max_value=3, places=1)
place = [st.just(ACCOUNT), st.just(CONNECTOR), st.sampled_from(PAIRS)]
sides = st.sampled_from(["LONG", "SHORT"])
times = st.integers(0, 50)
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(ObservePosition, *place, sides, quantities, st.none(), quantities, st.none(), times),
    st.builds(ObserveNoPosition, *place, sides, times),
    st.builds(ComparePosition, *place, quantities, quantities, times),
)


@forall(st.lists(commands, max_size=40))
def test_rows_are_what_the_aggregates_say(history: list[Command]) -> None:
    store = MemoryStore()
    streams = {pair: position.stream(ACCOUNT, CONNECTOR, pair) for pair in PAIRS}
    requests = [
        request_for(streams[command.pair], command, f"{number}")  # type: ignore[union-attr]
        for number, command in enumerate(history)
    ]
    run(store, requests)
    log = store.read_log(0, 1_000_000)
    shown = {k: row for k, row in fold_in_memory(log, positions.PROJECTION).items() if row}
    compared = fold_in_memory(log, position_baselines.PROJECTION)
    opened: set[int] = set()
    for pair, stream in streams.items():
        _, state = fold(store, stream)
        assert isinstance(state, Position)
        for side in ("LONG", "SHORT"):
            row = shown.pop(positions.key_of(ACCOUNT, CONNECTOR, pair, side), None)
            assert (Decimal(0) if row is None else row.quantity) == state.sides.get(
                side, position.Held(Decimal(0), None, None)
            ).quantity
            if row is not None:
                assert row.created_position <= row.position
                opened.add(row.created_position)
        baseline = compared.get(f"{ACCOUNT}/{CONNECTOR}/{pair}")
        assert (None if baseline is None else baseline.excess) == state.offset
        if baseline is not None:
            assert baseline.difference == state.difference
            assert (baseline.differs_since_us is None) == (not state.difference)
    assert shown == {}
    assert len(opened) == sum(
        row is not None for row in fold_in_memory(log, positions.PROJECTION).values()
    ), "each has a place of its own in the list"
