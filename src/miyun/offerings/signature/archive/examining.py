"""What is to be kept has to verify first, and goes with all that verified it: certificates, lists, answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from miyun.core.trust import TrustDirectory
from miyun.offerings.signature.archive.model import Kind
from miyun.offerings.signature.judging import Judge, JudgedMessage, Policy
from miyun.offerings.signature.verification import Finding
from miyun.wire.cms import assemble_material
from miyun.wire.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Examined:
    """A signed object. `paths`: of every signer and time-stamp, leaf first."""

    findings: tuple[Finding, ...]
    signers: tuple[str, ...] = ()
    paths: tuple[tuple[Certificate, ...], ...] = field(default=(), repr=False)
    proven_at: datetime | None = None


Examiner = Callable[[bytes, bytes | None, Policy], Awaitable[Examined]]


def of_message(judge: Judge) -> Examiner:
    async def examine(signed: bytes, content: bytes | None, policy: Policy) -> Examined:
        return summary(await judge.message(signed, content, None, policy))

    return examine


def summary(judged: JudgedMessage) -> Examined:
    proofs = [item.proof for item in judged.signers if item.proof is not None and not item.proof.findings]
    return Examined(
        findings=(*judged.findings, *(finding for item in judged.signers for finding in item.findings)),
        signers=tuple(str(item.info.certificate.subject) for item in judged.signers if item.info.certificate),
        paths=(
            *(item.standing.path for item in judged.signers if item.standing is not None),
            *(proof.path for proof in proofs),
        ),
        proven_at=min((proof.time for proof in proofs if proof.time is not None), default=None),
    )


@dataclass(frozen=True, slots=True)
class Gathered:
    """What verifies paths without asking anybody: DER, each once. `missing`: subjects of which nobody tells."""

    certificates: tuple[bytes, ...] = field(repr=False)
    lists: tuple[bytes, ...] = field(repr=False)
    answers: tuple[bytes, ...] = field(repr=False)
    missing: tuple[str, ...]

    def message(self) -> bytes:
        """As one degenerate CMS message."""
        return assemble_material(self.certificates, self.lists, self.answers)


class Material:
    """Certificates and revocation information of paths."""

    def __init__(self, trust: TrustDirectory) -> None:
        self._trust = trust

    async def of(self, paths: Sequence[tuple[Certificate, ...]], policy: Policy) -> Gathered:
        certificates: dict[bytes, None] = {}
        lists: dict[bytes, None] = {}
        answers: dict[bytes, None] = {}
        missing: dict[str, None] = {}
        for path in paths:
            certificates |= dict.fromkeys(item.der for item in path)
            found = await self._trust.material(policy.tenant, [item.der for item in path], lists=policy.lists)
            lists |= dict.fromkeys(found.lists)
            answers |= dict.fromkeys(found.answers)
            missing |= dict.fromkeys(found.missing)
        return Gathered(tuple(certificates), tuple(lists), tuple(answers), tuple(missing))


Examiners = Mapping[Kind, Examiner]
