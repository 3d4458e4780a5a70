"""Use cases of PDF files: sign one by a signer, verify every signature in one."""

from __future__ import annotations

import asyncio
from datetime import datetime

from miyun.core.confinement import Confinement, Refused
from miyun.core.errors import InvalidArgument
from miyun.core.operation import Call
from miyun.offerings.signature.archive.examining import Examined, Material
from miyun.offerings.signature.judging import Judge, JudgedSigner, Policy, Proof, policy_of
from miyun.offerings.signature.model import REASONS, Signer
from miyun.offerings.signature.pdf import messages as m
from miyun.offerings.signature.pdf.model import MAX_PDF, Appearance, Found, PdfFormat, Placed
from miyun.offerings.signature.signers import Signers
from miyun.offerings.signature.signing import Signing, finish, prepare
from miyun.offerings.signature.verification import Finding
from miyun.offerings.signature.views import reasons, signer_view, timestamp_view
from miyun.wire.cms import Dialect
from miyun.wire.x509 import parse_certificate

_ADD_MATERIAL = "miyun.offerings.signature.pdf.placing:add_material"
_PLACE = "miyun.offerings.signature.pdf.placing:place"
_SIGNATURES = "miyun.offerings.signature.pdf.reading:signatures"


class PdfService:
    def __init__(
        self, *, signers: Signers, signing: Signing, judge: Judge, material: Material, confinement: Confinement
    ) -> None:
        self._signers = signers
        self._signing = signing
        self._judge = judge
        self._material = material
        self._confinement = confinement

    async def sign(self, call: Call, request: m.SignPdf) -> m.SignedPdf:
        signer = await self._signers.usable(call.require_tenant(), request.signer, call.now)
        call.resource["signer"] = signer.id
        call.private = True  # the caller's document is in it
        form: PdfFormat = request.format or ("pkcs7" if signer.algorithm == "SM2" else "pades")
        if form == "pades" and signer.algorithm == "SM2":
            raise InvalidArgument("format", REASONS["pades_sm2"])
        if request.long_term and not request.timestamp:
            raise InvalidArgument("long_term", REASONS["pdf_time"])
        at = call.now.replace(microsecond=0)
        try:
            signed = await self._sign(signer, form, request, call.application, at)
        except Refused as refused:
            raise InvalidArgument("pdf", Finding(refused.code, refused.detail).text) from None
        return m.SignedPdf(
            pdf=signed[0],
            field=signed[1],
            format=form,
            signing_time=at,
            certificate_serial=f"{signer.serial:032x}",
        )

    async def _sign(
        self, signer: Signer, form: PdfFormat, request: m.SignPdf, application: str | None, at: datetime
    ) -> tuple[bytes, str]:
        _sized(request.pdf)
        certificate, suite = signer.certificate, signer.suite
        appearance = _appearance(request.visible, signer) if request.visible else None

        placed = await self._confinement.read(
            signer.tenant,
            _PLACE,
            request.pdf,
            form,
            at,
            signer.subject.get("CN", str(certificate.subject)),
            request.reason,
            request.location,
            appearance,
            answer=Placed,
        )
        digest = await asyncio.to_thread(lambda: suite.digest.digest(placed.signed))
        message = prepare(
            certificate,
            signer.chain,
            suite,
            content=None,
            digest=digest,
            detached=True,
            dialect=Dialect.RFC5652,
            # PAdES (ETSI EN 319 142-1) keeps the claimed time in the file's dictionary alone.
            at=None if form == "pades" else at,
        )
        [signature] = await self._signing.over(signer, [message.attributes], application)
        token = await self._signing.token(suite, signature) if request.timestamp else None
        signed = finish(certificate, suite, message, signature, token)
        try:
            pdf = placed.filled(signed)
        except ValueError as error:
            raise Refused("pdf_unreadable", str(error)) from None
        if request.long_term and token is not None:
            pdf = await self._with_material(pdf, placed.padded(signed), signer, signature, token, at)
        return pdf, placed.name

    async def _with_material(
        self, pdf: bytes, message: bytes, signer: Signer, signature: bytes, token: bytes, at: datetime
    ) -> bytes:
        """A further revision with what verifies the signature and its time-stamp."""
        policy = Policy(tenant=signer.tenant, now=at)
        proof = await self._judge.proof(token, signature, policy)
        own = tuple(map(parse_certificate, (signer.der, *signer.chain)))
        gathered = await self._material.of([own, proof.path], policy)
        if proof.findings or gathered.missing:
            raise InvalidArgument("long_term", REASONS["pdf_material"])
        return await self._confinement.read(
            signer.tenant,
            _ADD_MATERIAL,
            pdf,
            message,
            gathered.certificates,
            gathered.lists,
            gathered.answers,
            answer=bytes,
        )

    async def verify(self, call: Call, request: m.VerifyPdf) -> m.VerifiedPdf:
        policy = policy_of(call, request)
        try:
            found = await self._signatures(request.pdf, policy)
        except Refused as refused:
            return m.VerifiedPdf(valid=False, reasons=reasons([Finding(refused.code, refused.detail)]), signatures=[])
        if not found:
            return m.VerifiedPdf(valid=False, reasons=reasons([Finding("no_signature")]), signatures=[])
        shown = [await self._verify(item, policy) for item in found]
        return m.VerifiedPdf(valid=all(item.valid for item in shown), reasons=[], signatures=shown)

    async def examine(self, signed: bytes, content: bytes | None, policy: Policy) -> Examined:
        """For evidence."""
        try:
            found = await self._signatures(signed, policy)
        except Refused as refused:
            return Examined((Finding(refused.code, refused.detail),))
        if not found:
            return Examined((Finding("no_signature"),))
        findings: list[Finding] = []
        signers: list[JudgedSigner] = []
        proofs: list[Proof] = []
        for item in found:
            about, judged, proof = await self._judged(item, policy)
            findings += about
            signers += judged
            proofs += [proof] if proof is not None else []
        proofs += [item.proof for item in signers if item.proof is not None and not item.proof.findings]
        return Examined(
            findings=tuple(findings),
            signers=tuple(str(item.info.certificate.subject) for item in signers if item.info.certificate),
            paths=(
                *(item.standing.path for item in signers if item.standing is not None),
                *(proof.path for proof in proofs),
            ),
            proven_at=min((proof.time for proof in proofs if proof.time is not None), default=None),
        )

    async def _signatures(self, pdf: bytes, policy: Policy) -> list[Found]:
        _sized(pdf)
        return await self._confinement.read(policy.tenant or "", _SIGNATURES, pdf, answer=list[Found])

    async def _judged(
        self, found: Found, policy: Policy
    ) -> tuple[tuple[Finding, ...], tuple[JudgedSigner, ...], Proof | None]:
        if not found.kind:
            return (Finding("pdf_kind", subject=found.name),), (), None
        about = _about_the_file(found)
        if found.kind == "DocTimeStamp":
            proof = await self._judge.proof(found.message, found.signed, policy)
            return (*about, *proof.findings), (), proof
        message = await self._judge.message(found.message, found.signed, None, policy)
        findings = (*about, *message.findings, *(f for signer in message.signers for f in signer.findings))
        return findings, message.signers, None

    async def _verify(self, found: Found, policy: Policy) -> m.PdfSignature:
        findings, signers, proof = await self._judged(found, policy)
        return m.PdfSignature(
            field=found.name,
            format=found.kind,
            covers=found.coverage,
            valid=not findings,
            reasons=reasons(findings),
            signer=signer_view(signers[0]) if signers else None,
            timestamp=timestamp_view(proof) if proof is not None else None,
        )


def _about_the_file(found: Found) -> tuple[Finding, ...]:
    if found.coverage == "none":
        return (Finding("pdf_coverage", subject=found.name),)
    if found.modified:
        return (Finding("pdf_modified", found.modified, found.name),)
    return ()


def _sized(pdf: bytes) -> None:
    if len(pdf) > MAX_PDF:
        raise Refused("pdf_unreadable", f"at most {MAX_PDF // 1024 // 1024} MiB")


def _appearance(visible: m.Visible, signer: Signer) -> Appearance:
    """The fonts of every reader have Latin letters only: another name is shown by its certificate's number."""
    if visible.right <= visible.left or visible.top <= visible.bottom:
        raise InvalidArgument("visible", REASONS["pdf_box"])
    name = signer.subject.get("CN", "")
    text = f"Digitally signed by {name}" if name.isascii() and name else f"Signed, certificate {signer.serial:x}"
    return Appearance(visible.page - 1, (visible.left, visible.bottom, visible.right, visible.top), text)
