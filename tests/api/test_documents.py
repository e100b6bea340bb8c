"""The OpenAPI document is true, and the pages that show it load nothing from elsewhere."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api import reading, status
from tests.api.live import PASSWORD, USER, Live
from tests.faults.processes import until
from workers.projecting.following import follow
from workers.running.pulse import Pulse
from workers.running.threads import Stop

pytestmark = pytest.mark.postgres
EXAMPLES = 15
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
NEEDS_THE_LAKE = ("/analytics/", "/portfolio/performance")
"""There is none here, which is a documented 503."""


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_the_document_says(
    shared: Live, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "READY_SECONDS", 30.0)  # A slow look or read is a documented 503.
    monkeypatch.setattr(reading, "POOL_WAIT_SECONDS", 30.0)
    if not shared.sql("select 1 from workers where name = 'projector'"):
        shared.beat("dispatcher", "projector", "scheduler", seconds=3600)
    document = schemathesis.openapi.from_url(f"{shared.url}/openapi.json")
    with projecting(shared):
        until(lambda: shared.client.get("/ready").status_code == 200, "it is ready")
        for found in document.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]  # an Err fails here
            has_input = any(operation.iter_parameters()) or operation.body
            if has_input or mode is GenerationMode.POSITIVE:
                check_answers(operation, mode)


@contextmanager
def projecting(live: Live) -> Iterator[None]:
    """Keep the read models up to date: many requests wait for them."""
    with closing(Stop()) as stop, ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow, live.database.app_dsn, Pulse("projector"), stop)
        try:
            yield
        finally:
            stop.set()
        following.result()


def check_answers(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode
) -> None:
    is_served = not operation.path.startswith(NEEDS_THE_LAKE)
    checks = CHECKS if is_served else [c for c in CHECKS if c is not not_a_server_error]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers_are_documented(case: schemathesis.Case[Any]) -> None:
        # Not checked: that what fits the schema is accepted (a market may not exist), and that
        # what does not fit is refused (a `Prefer` that means nothing is passed over).
        # `min_position` is left out: waiting for a position that never comes ends in a 503.
        # So is `refresh`: nobody is there to look, which is a 503 after 3 s.
        (case.query or {}).pop("min_position", None)
        for given_to in (case.query, case.body):
            if isinstance(given_to, dict):
                given_to.pop("refresh", None)
        if operation.path == "/audit/stream":  # would last; the schema is a text without end
            case.query = (case.query or {}) | {"before": "1"}
        case.call_and_validate(auth=(USER, PASSWORD), checks=checks)

    answers_are_documented()


def test_what_the_servers_parser_refuses_is_described(shared: Live) -> None:
    document = schemathesis.openapi.from_url(f"{shared.url}/openapi.json")
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an Err fails here
        path = {parameter.name: "a" for parameter in operation.path_parameters}
        headers = {parameter.name for parameter in operation.headers} - {"Authorization"}
        bad: list[dict[str, Any]] = [{"headers": {name: "a\x01"}} for name in headers]
        if operation.query:
            bad.append({"query": {"a": "a" * (1 << 16)}})
        for wrong in bad:
            case = operation.Case(path_parameters=path, **wrong)
            response = case.call(auth=(USER, PASSWORD))
            assert response.status_code == 400, (operation.label, wrong.keys())
            case.validate_response(response, checks=CHECKS)
            asked += 1
    assert asked > 50


def test_every_json_route_is_described(shared: Live) -> None:
    paths = httpx.get(f"{shared.url}/openapi.json").json()["paths"]
    assert set(paths["/trading/orders"]) == {"get", "post"}
    order = paths["/trading/orders"]["post"]
    assert order["requestBody"]["required"] is True
    assert {"201", "200", "400", "401", "403", "404", "409", "413", "422", "429", "503"} <= set(
        order["responses"]
    )
    assert len(paths) >= 19


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_pages_load_only_from_here(shared: Live, path: str) -> None:
    page = httpx.get(shared.url + path)
    assert page.status_code == 200
    assert "http" not in page.text
    for link in re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text):
        found = httpx.get(shared.url + link)
        assert found.status_code == 200, link
        assert len(found.content) > 50


def test_only_our_own_files_are_assets(shared: Live) -> None:
    for name in ("nothing.js", "..%2Fapp.py", "app.py", "%00"):
        assert httpx.get(f"{shared.url}/docs/assets/{name}").status_code == 404
