"""Requests and answers about orders at outside CAs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from miyun.core.operation import Struct
from miyun.offerings.ssl_certificate.messages import Export, Label, Sorted
from miyun.offerings.ssl_certificate.outside.model import OutsideAccount, OutsideCa, OutsideOrder

Pem = Annotated[str, Meta(min_length=64, max_length=64 * 1024)]


class CaView(Struct):
    """An outside CA with an ACME directory, which the platform's operator configured."""

    ca: str
    url: str
    account: str | None

    @staticmethod
    def of(ca: OutsideCa, account: OutsideAccount | None) -> CaView:
        return CaView(ca=ca.name, url=ca.url, account=account.address if account else None)


class CaList(Struct):
    items: list[CaView]


class OpenAccount(Struct):
    """`kid` and `mac_key` (base64url) of an external account key come from the CA; they are used once and not kept."""

    ca: str
    contact: Annotated[tuple[str, ...], Meta(max_length=5)] = ()
    kid: str | None = None
    mac_key: str | None = None


class CreateOrder(Struct):
    """`csr`: PKCS#10 in PEM, made where the key is; the names are those of its alternative names.

    With `ca` one of the configured ones, way `acme`; else any CA's name, and the request goes out by hand."""

    csr: Pem
    ca: Label
    way: Literal["acme", "paper"] = "acme"
    level: Literal["dv", "ov", "ev"] = "dv"
    solver: Literal["http-01", "dns-01"] = "http-01"
    replaces: str | None = None


class OrderRef(Struct):
    order: str


class ResponseRef(Struct):
    token: Annotated[str, Meta(max_length=128)]


class SubmitOrder(Struct):
    order: str
    reference: Annotated[str, Meta(min_length=1, max_length=200)]


class UploadOrder(Struct):
    """PEM, the certificate first and then its chain. For a pair of SM2 certificates the encryption certificate's chain
    besides, and the encryption key as the CA gave it (GB/T 35276 SM2EnvelopedKey)."""

    order: str
    certificates: Pem
    encryption_certificates: Pem | None = None
    enveloped_key: Annotated[bytes, Meta(max_length=4096)] | None = None


class DeployedOrder(Struct):
    order: str
    place: Label


class ListOrders(Sorted):
    state: str | None = None


class ExportOrders(Export):
    state: str | None = None


class OrderView(Struct):
    order: str
    ca: str
    way: str
    level: str
    names: list[str]
    algorithm: str
    state: str
    reference: str
    error: str
    serial: str
    not_after: datetime | None
    deployed_to: str
    replaces: str | None
    rehearsal: bool
    created_at: datetime

    @staticmethod
    def of(order: OutsideOrder) -> OrderView:
        return OrderView(
            order=order.id,
            ca=order.ca,
            way=order.way,
            level=order.level,
            names=list(order.names),
            algorithm=order.algorithm,
            state=order.state,
            reference=order.reference,
            error=order.error,
            serial=order.serial,
            not_after=order.not_after,
            deployed_to=order.deployed_to,
            replaces=order.replaces,
            rehearsal=order.rehearsal,
            created_at=order.created_at,
        )


class OrderDetail(Struct):
    """`csr` and the chains in PEM."""

    summary: OrderView
    csr: str
    certificates: str
    encryption_certificates: str
    enveloped_key: bytes | None


class OrderList(Struct):
    items: list[OrderView]
    next_cursor: str | None = None
