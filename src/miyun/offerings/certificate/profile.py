"""What a template makes of a certificate: the certificate to be signed, held against its profile before it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.checks import sort_names
from miyun.offerings.certificate.errors import LintRefused, unencodable
from miyun.offerings.certificate.model import Authority, Family, Reservation, Usage
from miyun.offerings.certificate.templates import Template
from miyun.wire import oid
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.spki import PublicKey
from miyun.wire.x509 import (
    Certificate,
    TbsCertificate,
    assemble,
    authority_info_access,
    authority_key_identifier,
    basic_constraints,
    crl_distribution_points,
    ext_key_usage,
    key_usage,
    ocsp_nocheck,
    parse_certificate,
    read_certificate,
    subject_alt_name,
    subject_key_identifier,
)
from miyun.wire.x509.lint import Finding, Profile, lint

_UNSIGNED: Final = bytes(64)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all certificates of an authority, a template and a usage have in common."""

    issuer: Certificate
    extensions: bytes
    profile: Profile


class Profiles:
    def __init__(self, authorities: Authorities) -> None:
        self._authorities = authorities
        self._kind = lru_cache(maxsize=1024)(self._make_kind)

    def draft(self, row: Reservation, template: Template, subject: Name, key: PublicKey, authority: Authority) -> bytes:
        """TBSCertificate DER. Raises LintRefused naming what it breaks, InvalidArgument for what has no encoding."""
        kind = self._kind(authority.id, authority.family, authority.der, template, row.usage, row.shard)
        names = sort_names(row.names, template)
        try:
            alternatives = [subject_alt_name(**names)] if names else []  # type: ignore[arg-type]
        except EncodeError as error:
            raise unencodable("names", error) from None
        algorithm = authority.hierarchy.signature
        tbs = TbsCertificate(
            serial=row.serial,
            issuer=kind.issuer.subject,
            subject=subject,
            not_before=row.not_before,
            not_after=row.not_after,
            spki=key.der,
            signature_algorithm=algorithm,
            extensions=(subject_key_identifier(key.key_identifier), *alternatives),
        ).encode(encoded=kind.extensions)
        try:
            findings = lint(read_certificate(assemble(tbs, algorithm, _UNSIGNED)), kind.issuer, kind.profile)
        except DecodeError as error:
            findings = [Finding("encoding", str(error))]
        if findings:
            raise LintRefused(findings)
        return tbs

    def _make_kind(
        self, name: str, family: Family, authority: bytes, template: Template, usage: Usage, shard: int
    ) -> _Kind:
        issuer = parse_certificate(authority)
        responds = oid.KP_OCSP_SIGNING in template.purposes
        access = authority_info_access(
            ocsp=[] if responds else [self._authorities.ocsp_url(name)],
            ca_issuers=[self._authorities.certificate_url(name)],
        )
        found = [
            basic_constraints(False),
            authority_key_identifier(issuer.subject_key_identifier or b""),
            key_usage(*template.key_usage(usage, family)),
            crl_distribution_points([self._authorities.crl_url(name, shard)]),
            *([ocsp_nocheck()] if responds else []),
            access,
        ]
        if template.purposes:
            found.append(ext_key_usage(*template.purposes, critical=template.purposes_critical))
        return _Kind(issuer, b"".join(item.encode() for item in found), profile_of(template, usage, family))


def profile_of(template: Template, usage: Usage, family: Family) -> Profile:
    """What its certificates are held against."""
    return Profile(
        key_usage=frozenset(template.key_usage(usage, family)),
        purposes=template.purposes,
        purposes_critical=template.purposes_critical,
        names=template.names,
        names_required=template.names_required,
        required=template.required,
        max_days=template.max_days,
        tls=template.tls,
    )
