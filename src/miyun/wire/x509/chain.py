"""Certification path validation (RFC 5280 section 6, without policy mapping), for SM2 and international chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from miyun.gm.errors import InvalidSignature
from miyun.wire import oid, spki
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import name_constraint
from miyun.wire.x509.certificate import Certificate

MAX_LENGTH: Final = 8
_MAX_SIGNATURE_CHECKS: Final = 64
_TOLD: Final = 16

_UNDERSTOOD: Final = frozenset(
    {
        oid.SUBJECT_KEY_IDENTIFIER,
        oid.AUTHORITY_KEY_IDENTIFIER,
        oid.KEY_USAGE,
        oid.BASIC_CONSTRAINTS,
        oid.EXT_KEY_USAGE,
        oid.SUBJECT_ALT_NAME,
        oid.ISSUER_ALT_NAME,
        oid.NAME_CONSTRAINTS,
        oid.CERTIFICATE_POLICIES,
        oid.CRL_DISTRIBUTION_POINTS,
        oid.AUTHORITY_INFO_ACCESS,
    }
)


class ChainReason(StrEnum):
    """Why a certificate is not accepted."""

    UNTRUSTED = "untrusted"
    SIGNATURE = "signature"
    NO_ZA = "no_za"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NOT_A_CA = "not_a_ca"
    PATH_LENGTH = "path_length"
    KEY_USAGE = "key_usage"
    PURPOSE = "purpose"
    NAME_CONSTRAINTS = "name_constraints"
    UNKNOWN_CRITICAL = "unknown_critical"
    DUPLICATE_EXTENSION = "duplicate_extension"
    UNSUPPORTED_KEY = "unsupported_key"
    KEY_IDENTIFIER = "key_identifier"


class ChainError(Exception):
    """No acceptable path. `reason`, the `subject` of the certificate at fault, and a plain English `text`; `others`:
    why the other ways that were tried do not hold."""

    def __init__(self, reason: ChainReason, subject: str, text: str) -> None:
        super().__init__(f"{subject}: {text}")
        self.reason = reason
        self.subject = subject
        self.text = text
        self.others: tuple[ChainError, ...] = ()


class Purpose(StrEnum):
    """What the leaf is to be used for; decides its key usage and extended key usage."""

    SERVER_AUTH = "server_auth"
    CLIENT_AUTH = "client_auth"
    CODE_SIGNING = "code_signing"
    EMAIL_PROTECTION = "email_protection"
    TIME_STAMPING = "time_stamping"
    OCSP_SIGNING = "ocsp_signing"
    SIGNATURE = "signature"
    ENCRYPTION = "encryption"


_SIGNS: Final = frozenset({"digitalSignature", "nonRepudiation"})
_ENCRYPTS: Final = frozenset({"keyEncipherment", "dataEncipherment", "keyAgreement"})
_RULES: Final[dict[Purpose, tuple[str | None, frozenset[str]]]] = {
    Purpose.SERVER_AUTH: (oid.KP_SERVER_AUTH, _SIGNS | _ENCRYPTS),
    Purpose.CLIENT_AUTH: (oid.KP_CLIENT_AUTH, _SIGNS | _ENCRYPTS),
    Purpose.CODE_SIGNING: (oid.KP_CODE_SIGNING, frozenset({"digitalSignature"})),
    Purpose.EMAIL_PROTECTION: (oid.KP_EMAIL_PROTECTION, _SIGNS | _ENCRYPTS),
    Purpose.TIME_STAMPING: (oid.KP_TIME_STAMPING, _SIGNS),
    Purpose.OCSP_SIGNING: (oid.KP_OCSP_SIGNING, _SIGNS),
    Purpose.SIGNATURE: (None, _SIGNS),
    Purpose.ENCRYPTION: (None, _ENCRYPTS),
}
# RFC 3161 2.3 and RFC 6960 4.2.2.2: these powers must be granted in so many words.
_EXPLICIT: Final = frozenset({Purpose.TIME_STAMPING, Purpose.OCSP_SIGNING})


@dataclass(frozen=True, slots=True)
class Chain:
    """A valid path, leaf first, trust anchor last (both the same when the leaf itself is trusted)."""

    certificates: tuple[Certificate, ...]

    @property
    def leaf(self) -> Certificate:
        return self.certificates[0]

    @property
    def anchor(self) -> Certificate:
        return self.certificates[-1]


def verify_chain(
    leaf: Certificate,
    intermediates: Iterable[Certificate],
    anchors: Iterable[Certificate],
    at: datetime,
    *,
    purpose: Purpose | None = None,
    revoked: Callable[[Certificate], bool] | None = None,
) -> Chain:
    """The first acceptable path from `leaf` to one of `anchors` at the aware time `at`.

    `revoked` is asked about every certificate below the anchor. Raises ChainError of the path that came furthest.
    """
    return _Search(tuple(intermediates), tuple(anchors), at, purpose, revoked).run(leaf)


class _Search:
    def __init__(
        self,
        intermediates: Sequence[Certificate],
        anchors: Sequence[Certificate],
        at: datetime,
        purpose: Purpose | None,
        revoked: Callable[[Certificate], bool] | None,
    ) -> None:
        self._intermediates = intermediates
        self._anchors = anchors
        self._anchor_ders = {item.der for item in anchors}
        self._at = at
        self._purpose = purpose
        self._revoked = revoked
        self._checks = 0
        self._noted: list[tuple[int, ChainError]] = []

    def run(self, leaf: Certificate) -> Chain:
        found = self._extend((leaf,))
        if found is not None:
            return Chain(found)
        best = max(self._noted, key=lambda noted: noted[0])[1]
        others = {(item.reason, item.subject): item for _, item in self._noted}
        others.pop((best.reason, best.subject))
        # That a way ended without an issuer goes without saying.
        best.others = tuple(item for item in others.values() if item.reason is not ChainReason.UNTRUSTED)[:_TOLD]
        raise best

    def _note(self, depth: int, error: ChainError) -> None:
        self._noted.append((depth, error))

    def _extend(self, path: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        top = path[-1]
        if top.der in self._anchor_ders:
            try:
                self._validate(path)
            except ChainError as error:
                self._note(2 * MAX_LENGTH + len(path), error)
                return None
            return path
        for issuer, trusted in self._candidates(path):
            self._checks += 1
            if self._checks > _MAX_SIGNATURE_CHECKS:
                break
            if (refusal := _signature_error(top, issuer) or _identifier_error(top, issuer)) is not None:
                self._note(MAX_LENGTH + len(path), refusal)
                continue
            if (trusted or len(path) < MAX_LENGTH) and (found := self._extend((*path, issuer))) is not None:
                return found
        self._note(
            len(path) - 1,
            ChainError(ChainReason.UNTRUSTED, str(top.subject), f"no trusted issuer found: {top.issuer}"),
        )
        return None

    def _candidates(self, path: tuple[Certificate, ...]) -> list[tuple[Certificate, bool]]:
        """Possible issuers, trusted ones first, then those whose key identifier fits."""
        top = path[-1]
        pool = [(item, True) for item in self._anchors] + [(item, False) for item in self._intermediates]
        fitting = [(item, trusted) for item, trusted in pool if item.subject.matches(top.issuer) and item not in path]
        wanted = top.authority_key_identifier
        return sorted(
            fitting,
            key=lambda pair: (not pair[1], wanted is not None and pair[0].subject_key_identifier != wanted),
        )

    def _validate(self, path: tuple[Certificate, ...]) -> None:
        for certificate in path:
            self._check_alone(certificate)
        self._check_purpose(path)
        below_limit: int | None = None  # how many CA certificates may still follow, downwards
        for index in range(len(path) - 1, 0, -1):
            authority = path[index]
            self._check_authority(authority)
            if below_limit is not None and not authority.self_issued and index != len(path) - 1:
                if below_limit <= 0:
                    raise _error(
                        ChainReason.PATH_LENGTH, authority, "more CA certificates below than its issuer allows"
                    )
                below_limit -= 1
            own = authority.basic_constraints.path_length if authority.basic_constraints else None
            if own is not None:
                below_limit = own if below_limit is None else min(below_limit, own)
            if authority.name_constraints is not None:
                for position, certificate in enumerate(path[:index]):
                    if certificate.self_issued and position > 0:
                        continue
                    if (text := name_constraint.violation(certificate, authority.name_constraints)) is not None:
                        raise _error(ChainReason.NAME_CONSTRAINTS, certificate, text)
        if self._revoked is not None:
            for certificate in reversed(path[:-1]):
                if self._revoked(certificate):
                    raise _error(ChainReason.REVOKED, certificate, "revoked by its issuer")

    def _check_alone(self, certificate: Certificate) -> None:
        seen: set[str] = set()
        for item in certificate.extensions:
            if item.oid in seen:
                raise _error(ChainReason.DUPLICATE_EXTENSION, certificate, f"extension {item.oid} appears twice")
            seen.add(item.oid)
            if item.critical and item.oid not in _UNDERSTOOD:
                raise _error(ChainReason.UNKNOWN_CRITICAL, certificate, f"unknown critical extension {item.oid}")
        if self._at < certificate.not_before:
            raise _error(
                ChainReason.NOT_YET_VALID, certificate, f"valid only from {certificate.not_before.isoformat()}"
            )
        if self._at > certificate.not_after:
            raise _error(ChainReason.EXPIRED, certificate, f"expired on {certificate.not_after.isoformat()}")

    def _check_authority(self, certificate: Certificate) -> None:
        if not certificate.is_ca:
            raise _error(ChainReason.NOT_A_CA, certificate, "issued a certificate without being a CA")
        if certificate.key_usage is not None and "keyCertSign" not in certificate.key_usage:
            raise _error(ChainReason.KEY_USAGE, certificate, "its key may not sign certificates")

    def _check_purpose(self, path: tuple[Certificate, ...]) -> None:
        if self._purpose is None:
            return
        leaf = path[0]
        extended, usages = _RULES[self._purpose]
        if leaf.key_usage is not None and not leaf.key_usage & usages:
            raise _error(ChainReason.KEY_USAGE, leaf, f"key usage does not allow {self._purpose.value}")
        if extended is None:
            return
        if leaf.ext_key_usage is None and self._purpose in _EXPLICIT:
            raise _error(ChainReason.PURPOSE, leaf, f"extended key usage lacks {self._purpose.value}")
        for certificate in (leaf, *path[1:-1]):
            allowed = certificate.ext_key_usage
            if allowed is None or extended in allowed:
                continue
            if oid.ANY_EXT_KEY_USAGE in allowed and not (certificate is leaf and self._purpose in _EXPLICIT):
                continue
            raise _error(ChainReason.PURPOSE, certificate, f"extended key usage lacks {self._purpose.value}")
        if self._purpose is Purpose.TIME_STAMPING:
            found = leaf.extension(oid.EXT_KEY_USAGE)
            if found is None or not found.critical or leaf.ext_key_usage != (oid.KP_TIME_STAMPING,):
                raise _error(ChainReason.PURPOSE, leaf, "time stamping must be its only, critical, extended key usage")


def _error(reason: ChainReason, certificate: Certificate, text: str) -> ChainError:
    return ChainError(reason, str(certificate.subject), text)


def _identifier_error(certificate: Certificate, issuer: Certificate) -> ChainError | None:
    """A certificate that names another key of its issuer than the one that signed it was not made by a sound CA."""
    named, own = certificate.authority_key_identifier, issuer.subject_key_identifier
    if named is None or own is None or named == own:
        return None
    return _error(
        ChainReason.KEY_IDENTIFIER, certificate, "names another key of its issuer than the one that signed it"
    )


def _signature_error(certificate: Certificate, issuer: Certificate) -> ChainError | None:
    try:
        certificate.verify_signed_by(issuer)
    except DecodeError as error:
        return _error(ChainReason.UNSUPPORTED_KEY, issuer, error.message)
    except InvalidSignature:
        if spki.verifies_without_za(issuer.spki_der, certificate.tbs_der, certificate.signature):
            return _error(ChainReason.NO_ZA, certificate, "SM2 signature made without Z_A (GB/T 32918.2 5.5)")
        return _error(ChainReason.SIGNATURE, certificate, "signature of its issuer does not verify")
    return None
