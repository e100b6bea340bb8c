"""The log's stream, read by the EventSource of a real Chromium.

An EventSource cannot send a key, so the page comes from a door that adds one on the way, as a
reverse proxy in front of a dashboard does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.api.conftest import live, seeded
from tests.api.live import Live
from tests.pages.test_pages_in_a_browser import _rendered

__all__ = ["live", "seeded"]
pytestmark = pytest.mark.postgres
PAGE = """<!doctype html><title>log</title><pre id="seen"></pre><script>
const seen = document.getElementById("seen");
const say = text => seen.textContent += text + "\\n";
const source = new EventSource("/audit/stream?after=0&before=6");
for (const type of %s)
  source.addEventListener(type, event =>
    say(type + " " + event.lastEventId + " " + JSON.parse(event.data).position));
source.onerror = () => say(source.readyState == EventSource.CLOSED ? "closed" : "again");
</script>"""


@contextmanager
def door(live: Live, page: str) -> Iterator[tuple[str, list[str | None]]]:
    """Serves the page, and the stream with our login; notes what clients have seen last."""
    last_seen: list[str | None] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith("/audit/"):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())
                return
            seen = self.headers["Last-Event-ID"]
            last_seen.append(seen)
            headers = {} if seen is None else {"Last-Event-ID": seen}
            with live.client.stream("GET", self.path, headers=headers) as answer:
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.end_headers()
                cut = 0
                for line in answer.iter_lines():
                    self.wfile.write(line.encode() + b"\n")
                    cut += line.startswith("id: ")
                    if len(last_seen) == 1 and cut == 3 and not line:
                        return  # The first connection ends in the middle.

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", last_seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_event_source_sees_everything_once_and_stops_at_the_end(
    live: Live, tmp_path: Path
) -> None:
    while live.head() < 6:
        live.placed()
    listed = live.client.get("/audit/events", params={"before": 6}).json()["data"]
    types = ["position", "end", *{event["tag"] for event in listed}]
    with door(live, PAGE % types) as (url, last_seen):
        shown = _rendered(url, tmp_path)
    lines = shown.partition('<pre id="seen">')[2].partition("</pre>")[0].split("\n")[:-1]
    numbers = [line.rsplit(" ", 2)[1:] for line in lines if " " in line]
    assert all(last == position for last, position in numbers)
    seen = [int(line.split()[1]) for line in lines if line.split()[0].endswith(".v1")]
    assert seen == [1, 2, 3, 4, 5]
    assert last_seen == [None, "2", "5"]
    assert lines[-2:] == ["again", "closed"]
