"""Requests and answers of the SSL certificate room; those of the ACME protocol are octets of `wire.acme`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.ssl_certificate.model import Account, AcmeOrder, Authorization, ExternalKey

Limit = Annotated[int, Meta(ge=1, le=500)]
Label = Annotated[str, Meta(min_length=1, max_length=128)]


class Nothing(Struct):
    pass


class AcmeRequest(Struct):
    """`body`: the payload that the account's key has signed; for a new account the whole JWS."""

    body: bytes = b""


class AcmeAccountRequest(Struct):
    account: str
    body: bytes = b""


class AcmeOrdersRequest(Struct):
    account: str
    after: str = ""
    body: bytes = b""


class AcmeOrderRequest(Struct):
    order: str
    body: bytes = b""


class AcmeAuthorizationRequest(Struct):
    authorization: str
    body: bytes = b""


class AcmeChallengeRequest(Struct):
    challenge: str
    body: bytes = b""


class AcmeCertificateRequest(Struct):
    """`part`: certificate | encryption | enveloped-key."""

    order: str
    part: str = "certificate"
    body: bytes = b""


class AcmeRenewalRequest(Struct):
    certificate: str


class Page(Struct):
    limit: Limit = 50
    cursor: Cursor | None = None


class Sorted(Page):
    """`sort`: id (newest first as default), or another field of the list; with - before it, descending."""

    sort: SortText = ""


class Export(Struct):
    format: Format = "csv"
    sort: SortText = ""


class CreateExternalKey(Struct):
    application: str
    name: Label
    expires_at: datetime | None = None


class ExternalKeyRef(Struct):
    external_key: str


class ExternalKeyView(Struct):
    external_key: str
    name: str
    application: str
    instance: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @staticmethod
    def of(key: ExternalKey) -> ExternalKeyView:
        return ExternalKeyView(
            external_key=key.id,
            name=key.name,
            application=key.application,
            instance=key.instance,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class ExternalKeyMade(Struct):
    """For `certbot --eab-kid … --eab-hmac-key …`; the MAC key is shown this once."""

    external_key: str
    mac_key: str
    directory: str
    expires_at: datetime | None


class ExternalKeyList(Struct):
    items: list[ExternalKeyView]
    next_cursor: str | None = None


class AccountRef(Struct):
    acme_account: str


class AccountView(Struct):
    account: str
    application: str
    external_key: str
    contact: list[str]
    status: str
    created_at: datetime

    @staticmethod
    def of(account: Account) -> AccountView:
        return AccountView(
            account=account.id,
            application=account.application,
            external_key=account.external_key,
            contact=list(account.contact),
            status=account.status,
            created_at=account.created_at,
        )


class AccountList(Struct):
    items: list[AccountView]
    next_cursor: str | None = None


class AcmeOrderView(Struct):
    order: str
    account: str
    names: list[str]
    profile: str
    status: str
    serial: str | None
    error: str | None
    created_at: datetime
    expires_at: datetime

    @staticmethod
    def of(order: AcmeOrder) -> AcmeOrderView:
        return AcmeOrderView(
            order=order.id,
            account=order.account,
            names=[name for _, name in order.names],
            profile=order.profile,
            status=order.status,
            serial=f"{int(order.certificate):X}" if order.certificate else None,
            error=str(order.error.get("detail", "")) if order.error else None,
            created_at=order.created_at,
            expires_at=order.expires_at,
        )


class AcmeOrderList(Struct):
    items: list[AcmeOrderView]
    next_cursor: str | None = None


class AuthorizationView(Struct):
    """`status` as it is now: what has run out is expired."""

    authorization: str
    account: str
    order: str
    name: str
    wildcard: bool
    status: str
    expires_at: datetime

    @staticmethod
    def of(item: Authorization, now: datetime) -> AuthorizationView:
        return AuthorizationView(
            authorization=item.id,
            account=item.account,
            order=item.order_id,
            name=item.name,
            wildcard=item.wildcard,
            status=item.shown(now),
            expires_at=item.expires_at,
        )


class AuthorizationList(Struct):
    items: list[AuthorizationView]
    next_cursor: str | None = None
