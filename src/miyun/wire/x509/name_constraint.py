"""Whether a certificate's names lie inside the name constraints above it (RFC 5280 4.2.1.10)."""

from __future__ import annotations

import ipaddress

from miyun.wire import oid
from miyun.wire.name import Name
from miyun.wire.x509 import general_name
from miyun.wire.x509.certificate import Certificate
from miyun.wire.x509.extension import NameConstraints
from miyun.wire.x509.general_name import GeneralName


def violation(certificate: Certificate, constraints: NameConstraints) -> str | None:
    """The first name that is not allowed, as text; None when all are."""
    for item in _names(certificate):
        if item.kind == general_name.OTHER:
            # Kinds whose rules are not known here cannot be shown to lie inside: refused as soon as one is limited.
            if any(base.kind == item.kind for base in (*constraints.permitted, *constraints.excluded)):
                return "a name of a constrained but unsupported kind"
            continue
        excluded = [base for base in constraints.excluded if base.kind == item.kind]
        permitted = [base for base in constraints.permitted if base.kind == item.kind]
        if any(_within(item, base) for base in excluded):
            return f"{_text(item)} is excluded"
        if permitted and not any(_within(item, base) for base in permitted):
            return f"{_text(item)} is not permitted"
    return None


def _text(item: GeneralName) -> str:
    return item.value.hex() if isinstance(item.value, bytes) else str(item.value)


def _names(certificate: Certificate) -> list[GeneralName]:
    names = list(certificate.subject_alt_names)
    if certificate.subject.rdns:
        names.append(GeneralName(general_name.DIRECTORY, certificate.subject))
    if not any(item.kind == general_name.EMAIL for item in names):
        names += [
            GeneralName(general_name.EMAIL, value)
            for rdn in certificate.subject.rdns
            for kind, value in rdn
            if kind == oid.EMAIL_ADDRESS
        ]
    return names


def _within(item: GeneralName, base: GeneralName) -> bool:
    value, limit = item.value, base.value
    if isinstance(value, Name) and isinstance(limit, Name):
        return value.starts_with(limit)
    if not isinstance(value, str) or not isinstance(limit, str):
        return False
    value, limit = value.lower(), limit.lower()
    if item.kind == general_name.DNS:
        return _within_domain(value, limit)
    if item.kind == general_name.EMAIL:
        return _within_mail(value, limit)
    if item.kind == general_name.IP:
        address, network = ipaddress.ip_address(value), ipaddress.ip_network(limit)
        return address.version == network.version and address in network
    host = value.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    return host.endswith(limit) if limit.startswith(".") else host == limit


def _within_domain(value: str, limit: str) -> bool:
    limit = limit.removeprefix(".")
    return not limit or value == limit or value.endswith("." + limit)


def _within_mail(value: str, limit: str) -> bool:
    if "@" in limit:
        return value == limit
    host = value.rpartition("@")[2]
    return host.endswith(limit) if limit.startswith(".") else host == limit
