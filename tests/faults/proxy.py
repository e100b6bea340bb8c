"""A TCP proxy on loopback that loses requests or answers, or holds requests back, by a rule.

The rule sees what a client sends, as it comes from the socket: what matters here is small enough
to arrive in one piece.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Literal

Verdict = Literal["pass", "lose_request", "lose_answer", "hold", "detach"]
Rule = Callable[[bytes], Verdict]
_CHUNK_BYTES = 65536
_ANSWER_SECONDS = 10.0


class Proxy:
    """`lose_*` cut the connection, before forwarding or once the answer has come.

    `hold` forwards only once `released` is set; `detach` does too, but cuts off the client at once.
    """

    def __init__(self, upstream: int, rule: Rule) -> None:
        self.rule = rule
        self.cut = 0
        self.held = 0
        self.released = threading.Event()
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._links: list[_Link] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # Closed: the proxy ends.
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._upstream))
                except OSError:
                    client.close()
                    continue
                self._links.append(_Link(self, client, server))

    def close(self) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for link in self._links:
            link.close()


class _Link:
    """One proxied connection: a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._loses_answer = False
        self._answered = threading.Event()
        self._threads = [
            threading.Thread(target=self._pump, args=(self._forth,)),
            threading.Thread(target=self._pump, args=(self._back,)),
        ]
        for thread in self._threads:
            thread.start()

    def _pump(self, step: Callable[[], bool]) -> None:
        with contextlib.suppress(OSError):
            while step():
                pass
        self._end()

    def _forth(self) -> bool:
        chunk = self._client.recv(_CHUNK_BYTES)
        match self._proxy.rule(chunk) if chunk else "lose_request":
            case "lose_request":
                self._proxy.cut += bool(chunk)
                return False
            case "lose_answer":
                self._loses_answer = True
            case "hold":
                self._proxy.held += 1
                self._proxy.released.wait()
            case "detach":
                self._proxy.held += 1
                self._client.shutdown(socket.SHUT_RDWR)
                self._proxy.released.wait()
                self._server.sendall(chunk)
                self._answered.wait(_ANSWER_SECONDS)
                return False
            case "pass":
                pass
        self._server.sendall(chunk)
        return True

    def _back(self) -> bool:
        chunk = self._server.recv(_CHUNK_BYTES)
        self._answered.set()
        if not chunk or self._loses_answer:
            self._proxy.cut += self._loses_answer
            return False
        self._client.sendall(chunk)
        return True

    def _end(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._end()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._server.close()


@contextlib.contextmanager
def proxy(upstream: int, rule: Rule = lambda _: "pass") -> Iterator[Proxy]:
    made = Proxy(upstream, rule)
    try:
        yield made
    finally:
        made.close()


def every(count: int, needle: bytes, verdict: Verdict) -> Rule:
    """The verdict for each `count`-th request that holds `needle`, over all connections.

    In whatever case: the log writes its own `commit`, and psycopg's is a COMMIT.
    """
    lock = threading.Lock()
    seen = 0

    def judge(chunk: bytes) -> Verdict:
        nonlocal seen
        if needle not in chunk.upper():
            return "pass"
        with lock:
            seen += 1
            return verdict if seen % count == 0 else "pass"

    return judge
