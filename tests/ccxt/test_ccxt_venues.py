"""The table of venues, for every connector that ccxt serves."""

import importlib
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.settings import Settings
from adapters.venues.ccxt import making
from adapters.venues.ccxt.private import CcxtVenue
from adapters.venues.ccxt.venues import (
    MANNERS,
    Manner,
    id_pattern,
    is_reversible,
    manner,
    to_ours,
    to_theirs,
)
from adapters.venues.connectors import connectors

SERVED = sorted(name for name, entry in connectors().items() if entry.ccxt is not None)
IDS = st.from_regex(r"av[a-z2-7]{26}", fullmatch=True)
TO = "http://127.0.0.1:9000"
TLS = ssl.create_default_context()
"""Made once: it takes longer than the rest of an exchange."""


def exchange_of(name: str, credential: dict[str, str] | None = None) -> Any:
    """Built as the adapter builds it, but never connected."""
    common = making.Shared(Settings(venue_urls={name: TO}), name)
    common.ssl_context = TLS
    return making.bare(common, credential)


def test_every_venue_has_a_row_and_no_row_is_left_over() -> None:
    assert {connectors()[name].ccxt.id for name in SERVED} == set(MANNERS)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(MANNERS))
@settings(max_examples=20, deadline=None)
@given(ids=st.sets(IDS, min_size=2, max_size=20))
def test_our_ids_become_ids_that_the_venue_takes(name: str, ids: set[str]) -> None:
    row = MANNERS[name]
    theirs = [to_theirs(row, ours) for ours in ids]
    for each in theirs:
        assert id_pattern(row).fullmatch(each), each
        assert len(each) <= row.id_length_max
    assert theirs == [to_theirs(row, ours) for ours in ids]
    if row.id_form != "text":
        assert len(set(theirs)) == len(ids)


@pytest.mark.parametrize("name", sorted(MANNERS))
@settings(max_examples=20, deadline=None)
@given(ours=IDS)
def test_ids_come_back_where_they_can(name: str, ours: str) -> None:
    row = MANNERS[name]
    theirs = to_theirs(row, ours)
    if is_reversible(row, ours):
        assert to_ours(row, theirs) == ours
    else:
        assert row.id_form != "text" or ours.startswith(to_ours(row, theirs))


def test_an_id_is_the_same_in_every_release() -> None:
    ours = "avabcdefghijklmnopqrstuvwxyz"
    assert to_theirs(Manner(), ours) == ours
    assert to_theirs(Manner(id_length_max=18), ours) == "avabcdefghijklmnop"
    assert to_theirs(Manner(id_prefix="t-", id_length_max=30), ours) == f"t-{ours}"
    assert to_theirs(Manner(id_form="hex", id_length_max=34), ours) == (
        "0x6541f3cf7bc9be19a14deabec5703545"
    )
    assert to_theirs(Manner(id_form="number"), ours) == "3312465221"
    assert to_theirs(Manner(id_form="digits", id_length_max=18), ours) == "961431706358003013"


@pytest.mark.parametrize("name", SERVED)
def test_the_row_keeps_within_what_hummingbot_knows_of_the_venue(name: str) -> None:
    entry = connectors()[name]
    known = entry.client_order_id_length_max
    if known is not None and manner(entry).id_form == "text":
        assert len(to_theirs(manner(entry), "av" + "a" * 26)) <= known


@pytest.mark.parametrize("name", SERVED)
def test_every_address_of_a_redirected_venue_is_the_given_one(name: str) -> None:
    def all_in(urls: Any) -> list[str]:
        if isinstance(urls, dict):
            return [url for each in urls.values() for url in all_in(each)]
        if isinstance(urls, list):
            return [url for each in urls for url in all_in(each)]
        return [urls] if isinstance(urls, str) else []

    exchange = exchange_of(name)
    urls = all_in(exchange.urls["api"])
    assert urls
    for url in urls:
        parts = urlsplit(url)
        assert parts.netloc == "127.0.0.1:9000"
        assert parts.scheme in ("http", "ws")


def test_only_scheme_host_and_port_are_replaced() -> None:
    tree = {
        "rest": "https://api.venue.com/v3",
        "ws": {"spot": "wss://stream.venue.com:9443/ws", "none": None},
        "list": ["https://{hostname}/x?y=z"],
    }
    assert making.redirected(tree, "https://here:1") == {
        "rest": "https://here:1/v3",
        "ws": {"spot": "wss://here:1/ws", "none": None},
        "list": ["https://here:1/x?y=z"],
    }


@pytest.mark.parametrize("name", SERVED)
def test_the_fields_of_a_credential_are_what_ccxt_asks_for(name: str) -> None:
    entry = connectors()[name]
    assert entry.ccxt is not None
    fields = {field: f"0x{n:064x}" for n, field in enumerate(entry.config_map, start=1)}
    exchange = exchange_of(name, fields)
    for attribute in entry.ccxt.required_credentials:
        if (name.split("_", maxsplit=1)[0], attribute) != ("ndax", "password"):
            assert getattr(exchange, attribute), attribute
    assert exchange.check_required_credentials()


@pytest.mark.parametrize("name", SERVED)
def test_an_exchange_is_made_exact_limited_and_without_retries(name: str) -> None:
    exchange = exchange_of(name)
    entry = connectors()[name]
    assert exchange.number is str
    assert exchange.enableRateLimit
    assert exchange.options.get("maxRetriesOnFailure", 0) == 0
    assert entry.ccxt is not None
    assert exchange.options["defaultType"] == entry.ccxt.default_type
    assert exchange.isSandboxModeEnabled == entry.ccxt.is_sandbox


@pytest.mark.parametrize("name", SERVED)
def test_what_the_row_says_is_done_by_client_id_ccxt_reads(name: str) -> None:
    """Its method, or one that it calls, speaks of the client order id."""
    entry = connectors()[name]
    assert entry.ccxt is not None
    source = importlib.import_module(f"ccxt.async_support.{entry.ccxt.id}")
    text = "".join(
        importlib.import_module(each.__module__).__loader__.get_source(each.__module__) or ""  # type: ignore[union-attr]
        for each in getattr(source, entry.ccxt.id).__mro__
        if each.__module__.startswith("ccxt.async_support") and "base" not in each.__module__
    )
    methods = {"lookup": r"fetch_\w*order", "cancel": r"cancel_\w*order"}
    for what in manner(entry).by_client_id:
        pattern = rf"async def {methods[what]}\(.*?(?=\n    (?:async )?def |\Z)"
        found = "".join(re.findall(pattern, text, re.DOTALL))
        assert re.search(r"[cC]lient_?O|cl_ord_id", found), what


@pytest.mark.parametrize("name", SERVED)
def test_traits_follow_the_tables(name: str) -> None:
    entry = connectors()[name]
    venue = CcxtVenue(Settings(), name, {})
    traits, row = venue.traits, manner(entry)
    assert traits.is_perpetual == entry.is_perpetual
    assert traits.position_modes == entry.position_modes
    assert traits.has_request_expiry == row.has_request_expiry == row.is_proven
    assert re.fullmatch(traits.client_order_id_pattern, venue.theirs("av" + "a" * 26))
