"""How an endpoint looks to a client: one handshake that judges, and another that only looks when that one refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from miyun.core.outbound import AddressPolicy, AddressRefused, OutboundFailed, Resolver, connect
from miyun.offerings.ssl_certificate.endpoint.model import ALARMS, Outcome, Seen, alarm_of
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import parse_certificate

SECONDS: Final = 10.0
# X509_V_ERR of OpenSSL
_EXPIRED: Final = 10
_NAME: Final = frozenset({62, 64})


async def look(
    host: str,
    port: int,
    policy: AddressPolicy,
    *,
    anchors: Sequence[str],
    now: datetime,
    resolver: Resolver,
) -> Seen:
    """`anchors`: PEM, believed besides the machine's own authorities."""
    judging = ssl.create_default_context()
    for anchor in anchors:
        judging.load_verify_locations(cadata=anchor)
    outcome, reason = Outcome.OK, ""
    try:
        try:
            return await _shake(host, port, policy, judging, outcome, reason, now, resolver)
        except ssl.SSLCertVerificationError as error:
            reason = error.verify_message
            if error.verify_code in _NAME:
                outcome = Outcome.WRONG_NAME
            else:
                outcome = Outcome.EXPIRED if error.verify_code == _EXPIRED else Outcome.UNTRUSTED
        return await _shake(host, port, policy, _looking(), outcome, reason, now, resolver)
    except AddressRefused as error:
        return Seen(Outcome.REFUSED, error.message.en)
    except OutboundFailed as error:
        return Seen(Outcome.UNREACHABLE, error.message.en)
    except TimeoutError:
        return Seen(Outcome.UNREACHABLE, f"no answer within {SECONDS:g} s")
    except ssl.SSLError as error:
        return Seen(Outcome.NO_TLS, error.reason or str(error))
    except OSError as error:
        return Seen(Outcome.UNREACHABLE, error.strerror or type(error).__name__)


async def _shake(
    host: str,
    port: int,
    policy: AddressPolicy,
    context: ssl.SSLContext,
    outcome: Outcome,
    reason: str,
    now: datetime,
    resolver: Resolver,
) -> Seen:
    async with asyncio.timeout(SECONDS):
        _, writer = await connect(host, port, policy, tls=context, resolver=resolver)
    try:
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        encoded = session.getpeercert(binary_form=True)
        version, cipher = session.version() or "", (session.cipher() or ("",))[0]
    finally:
        writer.transport.abort()  # nothing was asked: there is no answer to wait for
    try:
        certificate = parse_certificate(encoded or b"")
    except DecodeError as error:
        return Seen(Outcome.UNTRUSTED, f"its certificate cannot be read: {error}", version=version, cipher=cipher)
    if outcome is Outcome.OK and (nearest := alarm_of(certificate.not_after, now)) is not None:
        outcome = Outcome.EXPIRED if certificate.not_after <= now else Outcome.EXPIRING
        reason = f"it ends within {nearest} days" if nearest in ALARMS else ""
    return Seen(
        outcome=outcome,
        reason=reason,
        not_after=certificate.not_after,
        subject=str(certificate.subject)[:1024],
        issuer=str(certificate.issuer)[:1024],
        names=tuple(str(item.value) for item in certificate.subject_alt_names if item.kind in ("dns", "ip"))[:100],
        serial=f"{certificate.serial:X}",
        fingerprint=certificate.fingerprint.hex(),
        version=version,
        cipher=cipher,
    )


def _looking() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
