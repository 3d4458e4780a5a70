"""From an order to a certificate: checked against its template, its serial number taken durably, signed, registered."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.clock import Clock
from miyun.core.errors import InvalidArgument, Unavailable
from miyun.core.i18n import Text
from miyun.gm import sm2, sm3
from miyun.gm.errors import InvalidKey
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.errors import KeyRefused, unencodable, unreadable
from miyun.offerings.certificate.model import (
    BACKDATE,
    FAMILY_OF_KEY,
    Authority,
    Completion,
    KeysInUse,
    Reservation,
    Usage,
    key_digest,
)
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.templates import TEMPLATES, Template
from miyun.wire import oid
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.spki import KeyAlgorithm as PublicKeyAlgorithm
from miyun.wire.spki import PublicKey, parse_spki
from miyun.wire.x509 import (
    Extension,
    TbsCertificate,
    authority_info_access,
    authority_key_identifier,
    basic_constraints,
    crl_distribution_points,
    ext_key_usage,
    key_usage,
    ocsp_nocheck,
    parse_certificate,
    subject_alt_name,
    subject_key_identifier,
)

_ATTRIBUTE_ORDER = ("C", "ST", "L", "O", "OU", "T", "CN", "SERIALNUMBER", "UID", "E")
_ATTEMPTS = 3
_KEY_FIELDS = ("public_key", "encryption_public_key")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Order:
    """What to certify. `subject` and `spki` are checked by `Issuance.issue`; possession of the key is not."""

    tenant: str | None
    template: str
    subject: Name
    spki: bytes
    names: tuple[str, ...] = ()
    days: int | None = None
    encryption_spki: bytes | None = None
    application: str | None = None  # for a certificate, which this answers


@dataclass(frozen=True, slots=True)
class Issued:
    serial: int
    der: bytes
    authority: str


class Issuance:
    def __init__(self, *, store: CertificateStore, authorities: Authorities, clock: Clock) -> None:
        self._store = store
        self._authorities = authorities
        self._clock = clock

    async def issue(self, order: Order, at: datetime) -> list[Issued]:
        """The signing certificate and, when an encryption key came along, its twin of the same validity.

        Raises InvalidArgument naming the field of the order that the template does not allow.
        """
        template = self.check(order)
        keys = [(Usage.SIGN, usable_key("public_key", order.spki))]
        if order.encryption_spki is not None:
            keys.append((Usage.ENCRYPT, self._encryption_key(template, order, keys[0][1])))
        days = self._days(template, order.days)
        authority = self._authorities.issuing(FAMILY_OF_KEY[keys[0][1].algorithm])
        issuer = parse_certificate(authority.der)
        not_before, not_after = at - BACKDATE, min(at + timedelta(days=days), issuer.not_after)
        profile = _Profile(self._authorities, authority, template)
        names = _alternatives_of(order.names, template)
        taken = await self._reserve(order, template, authority, keys, not_before, not_after, at)
        drafts = [
            TbsCertificate(
                serial=item.serial,
                issuer=issuer.subject,
                subject=order.subject,
                not_before=not_before,
                not_after=not_after,
                spki=key.der,
                signature_algorithm=authority.hierarchy.signature,
                extensions=(*profile.extensions(usage, key, item.shard), *names),
            ).encode()
            for item, (usage, key) in zip(taken, keys, strict=True)
        ]
        signed = await self._authorities.sign_many(authority, drafts)
        issued = [Issued(item.serial, der, authority.id) for item, der in zip(taken, signed, strict=True)]
        completions = [Completion(item.serial, item.der, sm3.digest(item.der)) for item in issued]
        await asyncio.to_thread(self._store.complete, completions, self._clock.now())
        return issued

    def check(self, order: Order) -> Template:
        """All that can be told before anything is made. Raises InvalidArgument."""
        template = template_of(order.template)
        check_subject(order.subject, template)
        if any(parse_certificate(item.der).subject.matches(order.subject) for item in self._authorities.all()):
            raise InvalidArgument(
                "subject", Text("与认证机构的名称相同", "is the name of one of the certification authorities")
            )
        usable_key("public_key", order.spki)
        self._days(template, order.days)
        sort_names(order.names, template)
        return template

    async def _reserve(
        self,
        order: Order,
        template: Template,
        authority: Authority,
        keys: list[tuple[Usage, PublicKey]],
        not_before: datetime,
        not_after: datetime,
        at: datetime,
    ) -> list[Reservation]:
        # A second certificate of a pair names the first; a clash of 126 random bits is next to impossible, but cheap
        # to handle, and a broken random source must not make two certificates of one number.
        for _ in range(_ATTEMPTS):
            serials = await self._authorities.new_serials(len(keys))
            rows = [
                Reservation(
                    serial=serial,
                    tenant=order.tenant,
                    authority=authority.id,
                    shard=1 + serial % authority.shards if authority.shards else 0,
                    template=order.template,
                    usage=usage,
                    subject=str(order.subject),
                    names=order.names,
                    key=key_digest(key.der),
                    published=template.published,
                    not_before=not_before,
                    not_after=not_after,
                    allocated_at=at,
                    application=order.application,
                    pair=serials[1 - index] if len(serials) == 2 else None,
                )
                for index, (serial, (usage, key)) in enumerate(zip(serials, keys, strict=True))
            ]
            try:
                if await asyncio.to_thread(self._store.reserve, rows):
                    return rows
            except KeysInUse as refused:
                place = [row.key for row in rows].index(next(iter(refused.uses)))
                raise KeyRefused(_KEY_FIELDS[place], refused.uses[rows[place].key]) from None
        raise Unavailable("serial")

    def _days(self, template: Template, days: int | None) -> int:
        if days is None:
            return template.days
        if not 1 <= days <= template.max_days:
            raise InvalidArgument(
                "days", Text(f"应为 1 至 {template.max_days} 天", f"must be from 1 to {template.max_days}")
            )
        return days

    def _encryption_key(self, template: Template, order: Order, signing: PublicKey) -> PublicKey:
        if not template.pair:
            raise InvalidArgument(
                "encryption_public_key", Text("该模板没有加密证书", "this template has no encryption certificate")
            )
        key = usable_key("encryption_public_key", order.encryption_spki or b"")
        if key.algorithm is not signing.algorithm:
            raise InvalidArgument(
                "encryption_public_key",
                Text("须与签名公钥同一算法", "must be of the same algorithm as the signing key"),
            )
        if key.der == signing.der:
            raise InvalidArgument(
                "encryption_public_key",
                Text("双证书须使用两对不同的密钥", "the two certificates of a pair need two different keys"),
            )
        return key


@dataclass(frozen=True, slots=True)
class _Profile:
    """What every certificate of an authority and a template has."""

    authorities: Authorities
    authority: Authority
    template: Template

    def extensions(self, usage: Usage, key: PublicKey, shard: int) -> list[Extension]:
        above = parse_certificate(self.authority.der).subject_key_identifier
        name, template = self.authority.id, self.template
        found = [
            basic_constraints(False),
            subject_key_identifier(key.key_identifier),
            authority_key_identifier(above or b""),
            key_usage(*template.key_usage(usage)),
            crl_distribution_points([self.authorities.crl_url(name, shard)]),
        ]
        responds = oid.KP_OCSP_SIGNING in template.purposes
        if responds:
            found.append(ocsp_nocheck())
        ocsp = [] if responds else [self.authorities.ocsp_url(name)]
        found.append(authority_info_access(ocsp=ocsp, ca_issuers=[self.authorities.certificate_url(name)]))
        if template.purposes:
            found.append(ext_key_usage(*template.purposes, critical=template.purposes_critical))
        return found


def _alternatives_of(names: Sequence[str], template: Template) -> list[Extension]:
    found = sort_names(names, template)
    try:
        return [subject_alt_name(**found)] if found else []  # type: ignore[arg-type]
    except EncodeError as error:
        raise unencodable("names", error) from None


def template_of(slug: str) -> Template:
    try:
        return TEMPLATES[slug]
    except KeyError:
        known = ", ".join(TEMPLATES)
        raise InvalidArgument(
            "template", Text(f"没有这个模板；可用：{known}", f"no such template; one of {known}")
        ) from None


def usable_key(field: str, spki: bytes) -> PublicKey:
    """Raises InvalidArgument for a key that cannot be read, is off its curve, or RSA below 2048 bits."""
    try:
        key = parse_spki(spki)
        if key.algorithm is PublicKeyAlgorithm.SM2 and key.point is not None:
            sm2.check_public_key(key.point)
    except DecodeError as error:
        raise unreadable(field, error) from None
    except InvalidKey:
        raise InvalidArgument(field, Text("公钥不在曲线上", "the public key is not a point of its curve")) from None
    if key.algorithm is PublicKeyAlgorithm.RSA and _rsa_bits(key.der) < 2048:
        raise InvalidArgument(field, Text("RSA 密钥至少 2048 位", "an RSA key needs at least 2048 bits"))
    return key


def _rsa_bits(encoded: bytes) -> int:
    """Of the modulus; 0 when the key is none to use (an exponent of absurd size)."""
    try:
        public = load_der_public_key(encoded)
    except ValueError:
        return 0
    return public.key_size if isinstance(public, RSAPublicKey) else 0


def subject_of(attributes: Mapping[str, str]) -> Name:
    """A Name in the usual order (C, ST, L, O, OU, CN, serialNumber …); the country is CN when not given."""
    given = {key.upper(): value.strip() for key, value in attributes.items()}
    given.setdefault("C", "CN")
    order = [key for key in _ATTRIBUTE_ORDER if key in given] + [key for key in given if key not in _ATTRIBUTE_ORDER]
    try:
        return Name.of(*((key, given[key]) for key in order))
    except EncodeError as error:
        raise unencodable("subject", error) from None


def check_subject(subject: Name, template: Template) -> None:
    for attribute in template.required:
        if not (subject.get(attribute) or "").strip():
            raise InvalidArgument("subject", Text(f"缺少 {attribute}", f"{attribute} is missing"))
    # A NUL, a line break or a mark that turns the direction of writing makes a name read as another.
    if not all(value.replace("\u3000", " ").isprintable() for rdn in subject.rdns for _, value in rdn):
        raise InvalidArgument("subject", Text("含有不可见的控制字符", "it holds control characters that do not show"))


def sort_names(names: Sequence[str], template: Template) -> dict[str, list[str]]:
    """Alternative names by kind, told from their form. Raises InvalidArgument for a kind the template has not."""
    found: dict[str, list[str]] = {}
    for name in names:
        kind = _kind(name)
        if kind not in template.names:
            raise InvalidArgument(
                "names", Text(f"该模板不允许的名称：{name}", f"this template does not allow the name {name}")
            )
        if kind == "dns":
            _check_dns(name)
        found.setdefault(kind, []).append(name)
    if template.names_required and not found:
        raise InvalidArgument("names", Text("该模板需要域名或 IP 地址", "this template needs a DNS name or IP address"))
    return found


def _kind(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if "://" in name:
            return "uri"
        return "email" if "@" in name else "dns"
    return "ip"


def _check_dns(name: str) -> None:
    """Letters, digits and hyphens (RFC 1123 2.1), with a wildcard for the whole first label at most."""
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidArgument("names", Text(f"不是域名：{name[:64]}", f"not a DNS name: {name[:64]}"))
