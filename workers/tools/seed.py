"""The first events of a new log: `master_account`, with the built-in paper venue.

Command ids are fixed, so that every start may ask for them again.
"""

from commands.committer import Committer
from commands.request import Command, Request, command_id_of
from domain import account
from domain.account import AddConnector, OpenAccount

MASTER_ACCOUNT = "master_account"
PAPER = "paper"
ACTOR = "system:first-start"


def seed(committer: Committer) -> None:
    """Open the master account; raises what the committer raises."""
    commands: tuple[Command, ...] = (
        OpenAccount(MASTER_ACCOUNT),
        AddConnector(MASTER_ACCOUNT, PAPER),
    )
    for command in commands:
        name = str(command.__struct_config__.tag)
        command_id = command_id_of(ACTOR, name)
        committer.execute(
            Request(
                command_id=command_id,
                actor=ACTOR,
                stream=account.stream(MASTER_ACCOUNT),
                command=command,
                request_hash=name.encode(),
                correlation_id=command_id,
            )
        )
