"""People and programs that apply for certificates, with their keys and requests."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from tests.rooms import Rooms

from miyun.core.operation import Call, Principal, Role
from miyun.gm import sm2, sm4
from miyun.offerings.certificate.applications import operations
from miyun.wire import pem
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Extension


@dataclass
class Holder:
    """Who has an SM2 signing key, and perhaps CFCA's temporary one."""

    name: str = "张三"
    organisation: str = "某局"
    secret: bytes = field(default_factory=sm2.generate_private_key, repr=False)
    temporary: bytes | None = field(default=None, repr=False)

    @property
    def spki(self) -> bytes:
        return sm2_spki(sm2.public_key(self.secret))

    def csr(self, *, extensions: tuple[Extension, ...] = ()) -> str:
        info = CertificationRequestInfo(
            Name.of(("C", "CN"), ("O", self.organisation), ("CN", self.name)),
            self.spki,
            extensions,
            challenge_password="111111" if self.temporary else None,
            temporary_point=sm2.public_key(self.temporary) if self.temporary else None,
        )
        signed = info.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(self.secret, message))
        return pem.encode(pem.CERTIFICATE_REQUEST, signed)

    def open(self, enveloped: bytes) -> bytes:
        """The private key in an SM2EnvelopedKey that was sent to this holder."""
        sent = parse_enveloped_key(enveloped)
        secret = sm4.decrypt_ecb(sm2.decrypt(self.secret, sent.encrypted_symmetric_key), sent.encrypted_private_key)
        assert sm2.public_key(secret) == sent.point
        return secret


@dataclass
class Office:
    """Runs the room's operations on applications as somebody of a tenant."""

    rooms: Rooms

    def call(
        self, who: str, role: Role = Role.TENANT_SECURITY, *, tenant: str = "ten_a", application: str | None = None
    ) -> Call:
        principal = Principal(who, role, who, tenant=tenant, application=application)
        return Call(principal, "req_1", self.rooms.clock.now(), "zh", tenant=tenant, instance="ins_1")

    async def ask(self, operation: str, call: Call, **request: Any) -> Any:
        found = next(item for item in operations.OPERATIONS if item.id == f"certificate.application.{operation}")
        return await found.handler(self.rooms.certificate, call, found.request(**request))

    async def apply(self, csr: str, *, who: str = "dev", template: str = "person", **more: Any) -> Any:
        call = more.pop("call", None) or self.call(who, Role.TENANT_DEVELOPER)
        return await self.ask("apply", call, template=template, csr=csr, **more)

    async def approve(self, application: str, *, who: str = "sec", **more: Any) -> Any:
        return await self.ask("approve", self.call(who), application=application, **more)

    async def file(self, application: str, form: str) -> bytes:
        return bytes((await self.ask("file", self.call("dev"), application=application, format=form)).body)


def der_text(encoded: bytes) -> str:
    return base64.b64encode(encoded).decode()
