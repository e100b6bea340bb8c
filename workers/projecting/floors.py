"""What a read model had folded from Kafka, partition by partition, when it came back to the log."""

from collections.abc import Mapping

from adapters.postgres.feeds import Key
from commands.catalogue import aggregate_of
from projections.projection import Fact


class Floors:
    """Positions by read model, by its topic's last word, by partition; empty in ordinary times."""

    def __init__(self, positions: Mapping[Key, int]) -> None:
        self._floors: dict[str, dict[str, dict[int, int]]] = {}
        for (name, topic, partition), position in positions.items():
            word = topic.rpartition(".")[2]
            self._floors.setdefault(name, {}).setdefault(word, {})[partition] = position

    def is_passed(self, name: str, fact: Fact) -> bool:
        """Whether this read model has not folded the fact yet."""
        if name not in self._floors:
            return True
        from adapters.kafka.topics import partition_of

        floors = self._floors[name].get(aggregate_of(fact.stream).topic)
        if floors is None:
            return True
        return fact.position > floors[partition_of(fact.stream.encode(), len(floors))]

    def passed_at(self, position: int) -> list[str]:
        """Read models whose floors mean nothing any more once they stand there."""
        return [
            name
            for name, topics in self._floors.items()
            if all(position >= floor for floors in topics.values() for floor in floors.values())
        ]
