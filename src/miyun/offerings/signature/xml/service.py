"""Use cases of XML signatures."""

from __future__ import annotations

from miyun.core.confinement import Confinement, Refused
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.offerings.signature.archive.examining import Examined
from miyun.offerings.signature.judging import Judge, Policy, Standing, policy_of
from miyun.offerings.signature.signers import Signers
from miyun.offerings.signature.signing import Signing
from miyun.offerings.signature.verification import Finding
from miyun.offerings.signature.views import reasons
from miyun.offerings.signature.xml import messages as m
from miyun.offerings.signature.xml.model import METHODS, Prepared, Verified
from miyun.wire.x509 import Certificate, parse_certificate

_MAKING = "miyun.offerings.signature.xml.making"
_CHECK = "miyun.offerings.signature.xml.checking:check"


class XmlService:
    def __init__(self, *, signers: Signers, signing: Signing, judge: Judge, confinement: Confinement) -> None:
        self._signers = signers
        self._signing = signing
        self._judge = judge
        self._confinement = confinement

    async def sign(self, call: Call, request: m.SignXml) -> m.SignedXml:
        if (request.xml is None) == (request.content is None):
            raise InvalidArgument("xml", Text("xml 与 content 二选一", "give either xml or content"))
        if (request.content is None) != (request.uri == "") or request.uri.startswith("#"):
            raise InvalidArgument(
                "uri", Text("与 content 一同给出，且不以 # 开头", "goes with content, and does not begin with #")
            )
        signer = await self._signers.usable(call.require_tenant(), request.signer, call.now)
        call.resource["signer"] = signer.id
        call.private = request.xml is not None  # the caller's document is in it
        algorithm = signer.suite.signature
        wanted = (algorithm.name, [signer.der, *signer.chain[:-1]])
        asked = ("enveloped", request.xml) if request.xml is not None else ("detached", request.content, request.uri)
        try:
            prepared = await self._confinement.read(
                signer.tenant, f"{_MAKING}:{asked[0]}", *asked[1:], *wanted, answer=Prepared
            )
        except Refused as refused:
            raise InvalidArgument("xml", Finding(refused.code, refused.detail).text) from None
        [value] = await self._signing.over(signer, [prepared.to_sign], call.application)
        return m.SignedXml(
            xml=prepared.finished(algorithm, value),
            method=METHODS[algorithm][0],
            certificate_serial=f"{signer.serial:032x}",
        )

    async def verify(self, call: Call, request: m.VerifyXml) -> m.VerifiedXml:
        policy = policy_of(call, request)
        try:
            verified, leaf, standing = await self._judged(request.xml, request.content, policy)
        except Refused as refused:
            return m.VerifiedXml(
                valid=False,
                reasons=reasons([Finding(refused.code, refused.detail)]),
                form="",
                method="",
                subject="",
                serial="",
                chain=[],
                revocation="unchecked",
                judged_at=None,
                signed=None,
            )
        return m.VerifiedXml(
            valid=not standing.findings,
            reasons=reasons(standing.findings),
            form="enveloped" if request.content is None else "detached",
            method=verified.method,
            subject=str(leaf.subject),
            serial=f"{leaf.serial:032x}",
            chain=[str(item.subject) for item in standing.path],
            revocation=standing.status,
            judged_at=policy.at or policy.now,
            signed=verified.signed if request.return_signed else None,
        )

    async def examine(self, signed: bytes, content: bytes | None, policy: Policy) -> Examined:
        """For evidence."""
        try:
            _, leaf, standing = await self._judged(signed, content, policy)
        except Refused as refused:
            return Examined((Finding(refused.code, refused.detail),))
        return Examined(standing.findings, (str(leaf.subject),), (standing.path,))

    async def _judged(
        self, xml: bytes, content: bytes | None, policy: Policy
    ) -> tuple[Verified, Certificate, Standing]:
        """Raises Refused."""
        verified = await self._confinement.read(policy.tenant or "", _CHECK, xml, content, answer=Verified)
        leaf, *others = map(parse_certificate, verified.certificates)
        standing = await self._judge.certificate(leaf, others, policy, policy.at or policy.now)
        return verified, leaf, standing
