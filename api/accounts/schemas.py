"""The shapes of accounts and credentials on the wire."""

from typing import Any, Literal

from msgspec import Struct

from api.schemas import Name

CredentialStatus = Literal["accepted", "pending"]


class NewAccount(Struct, frozen=True):
    account_name: str


class AccountQuery(Struct, frozen=True):
    account_name: str


class AddedAccount(Struct, frozen=True):
    account_name: str
    message: str = "Account added successfully."


class PutCredential(Struct, frozen=True):
    connector_name: Name
    credentials: dict[str, Any]


class AddedCredential(Struct, frozen=True):
    message: str
    status: CredentialStatus
    """`pending` where the venue has not answered yet; it will be asked again until it does."""
    account_name: str
    connector_name: str
    fingerprint: str | None
    """Null where the connector needs no secret."""


class OfferedCredential(Struct, frozen=True):
    fingerprint: str
    since: str


class RefusedCredential(Struct, frozen=True):
    code: str
    detail: str
    at: str


class CredentialState(Struct, frozen=True):
    account_name: str
    connector_name: str
    status: Literal["active", "pending", "refused"]
    """`active` also while another is being checked, and after another was refused."""
    fingerprint: str | None = None
    since: str | None = None
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    pending: OfferedCredential | None = None
    refused: RefusedCredential | None = None
