"""A real Apache Kafka of one node for tests, benchmarks and first steps: KRaft, loopback, no TLS.

`python -m tests.kafka_broker` runs one in the foreground until Ctrl-C, on data of its own.
"""

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from msgspec import Struct

from adapters.kafka.connect import opened
from adapters.spawn import spawn
from tests.kafka_jars import POM, NoKafka, fetched_jars, find_java
from tests.ports import free_port

START_SECONDS = 120.0
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # After a kill, the new process must wait until the session of the old one is over.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}
_SECOND: Mapping[str, str] = {"node.id": "2", "process.roles": "broker"}


class Kafka(Struct, frozen=True):
    """A broker that tests share, and so must not stop."""

    bootstrap: str


class Broker:
    """One broker process; it keeps its port, its cluster id and its data from start to start.

    `properties` are added to server.properties. Records lie in `data`, everything else in `folder`.
    One that joins `first` is the second node of its cluster, and needs it to start.
    """

    def __init__(
        self,
        folder: Path,
        properties: Mapping[str, str] | None = None,
        data: Path | None = None,
        first: "Broker | None" = None,
    ) -> None:
        self._java = find_java()
        self._jars = fetched_jars()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.data = data or folder / "data"
        self.log = folder / "server.log"
        self.bootstrap = f"127.0.0.1:{free_port()}"
        controller = f"127.0.0.1:{free_port()}"
        # The first byte keeps the id from starting with a dash.
        made = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode()[:22]
        self.cluster: str = first.cluster if first else made
        self.voters: str = first.voters if first else f"1@{controller}"
        self._properties = {
            **_PROPERTIES,
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": self.voters,
            "log.dirs": str(self.data),
            **({"listeners": f"PLAINTEXT://{self.bootstrap}", **_SECOND} if first else {}),
            **(properties or {}),
        }

    @property
    def pid(self) -> int:
        assert self._process is not None, "The broker was not started."
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Frozen counts as running. A broker that cannot write its log ends by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Broker":
        """Run it and wait until it answers a client."""
        assert not self.is_running, f"The broker runs already, as process {self.pid}."
        if not (self.data / "meta.properties").exists():
            self._format()
        with self.log.open("ab") as output:
            self._process = spawn(
                self._command("kafka.Kafka", str(self._configuration)),
                death_signal=signal.SIGKILL,
                output=output,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """SIGTERM: what it holds in memory goes to disk first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, also when frozen."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it if it runs."""
        if self._process is not None:
            self.kill()

    @property
    def _configuration(self) -> Path:
        return self.folder / "server.properties"

    def _command(self, main: str, *arguments: str) -> list[str]:
        logging = POM.with_name("log4j2.properties")
        return [
            self._java,
            *_JVM,
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]

    def _format(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}" for name, value in self._properties.items()]
        self._configuration.write_text("\n".join(lines) + "\n")
        arguments = ["format", "--cluster-id", self.cluster, "--config", str(self._configuration)]
        subprocess.run(
            self._command("kafka.tools.StorageTool", *arguments),
            check=True,
            timeout=START_SECONDS,
            stdout=subprocess.DEVNULL,
        )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process is not None
            code = self._process.poll()
            assert code is None, f"Kafka ended with {code} as it started: {self._last_words()}"
            assert time.monotonic() < deadline, (
                f"Kafka gave no answer on {self.bootstrap} within {START_SECONDS:g} s: "
                f"{self._last_words()}"
            )

    def _answers(self) -> bool:
        host, _, port = self.bootstrap.partition(":")
        with socket.socket() as probe:
            # kafka-python leaves a socket behind for each connection that is refused.
            if probe.connect_ex((host, int(port))) != 0:
                time.sleep(_POLL_SECONDS)
                return False
        try:
            admin = opened(
                KafkaAdminClient,
                bootstrap_servers=self.bootstrap,
                bootstrap_timeout_ms=5000,
                reconnect_backoff_max_ms=100,
            )
        except KafkaError:
            return False
        try:
            nodes = admin.describe_cluster()["brokers"]
            return any(node["port"] == int(port) and not node["is_fenced"] for node in nodes)
        except KafkaError:
            return False
        finally:
            admin.close()

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None, "The broker does not run."
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise


def _or_skip(make: Callable[[], Broker]) -> Broker:
    """A machine without Java may skip these tests; CI may not."""
    try:
        return make()
    except NoKafka as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Return the broker of the session; every test uses a topic prefix of its own."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield Kafka(given)
        return
    folder = tmp_path_factory.mktemp("kafka")
    # It is never killed, so it may be slow to say that it lives without losing what it leads.
    broker = _or_skip(lambda: Broker(folder, {"broker.session.timeout.ms": "30000"}))
    try:
        yield Kafka(broker.start().bootstrap)
    finally:
        broker.close()
        shutil.rmtree(folder)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Return the factory of started brokers that the test may stop, kill and freeze.

    It takes `properties=` for server.properties, `data=`, a folder for the records, and `first=`,
    the broker whose cluster to join.
    """
    made: list[Broker] = []

    def make(
        properties: Mapping[str, str] | None = None,
        data: Path | None = None,
        first: Broker | None = None,
    ) -> Broker:
        folder = tmp_path / f"kafka-{len(made)}"
        made.append(_or_skip(lambda: Broker(folder, properties, data, first)))
        return made[-1].start()

    try:
        yield make
    finally:
        for broker in made:
            broker.close()
            shutil.rmtree(broker.folder)


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="aviary-kafka-") as name:
        broker = Broker(Path(name)).start()
        try:
            print(f"KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap}", flush=True)  # noqa: T201 - its purpose
            signal.pause()
        except KeyboardInterrupt:
            broker.stop()
        finally:
            broker.close()


if __name__ == "__main__":
    main()
