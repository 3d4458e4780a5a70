"""Use cases of the signature room: signers, raw and CMS signatures, verification with reasons, batches."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.confinement import Confinement
from miyun.core.errors import InvalidArgument, InvalidSignature, MiyunError
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger, Usage
from miyun.core.operation import Call
from miyun.core.ports import CertificateIssuer, KeyDirectory, Stamper
from miyun.core.trust import TrustDirectory
from miyun.gm import sm2
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.archive.examining import Material, of_message
from miyun.offerings.signature.archive.model import Kind
from miyun.offerings.signature.archive.sealing import Sealing
from miyun.offerings.signature.archive.service import ArchiveService
from miyun.offerings.signature.errors import unreadable
from miyun.offerings.signature.judging import Judge, Policy, policy_of
from miyun.offerings.signature.model import DIALECT_NAMES, Signer, SignerState
from miyun.offerings.signature.pdf.service import PdfService
from miyun.offerings.signature.signers import Signers
from miyun.offerings.signature.signing import Message, Signing, one_of, prepare, user_id_of
from miyun.offerings.signature.store import SIGNERS, SignatureStore
from miyun.offerings.signature.verification import Finding, usable_key, verify_many
from miyun.offerings.signature.views import message_view, reasons
from miyun.offerings.signature.xml.service import XmlService
from miyun.wire.errors import DecodeError
from miyun.wire.spki import PublicKey
from miyun.wire.x509 import Certificate, certificates_pem, load_certificates, parse_certificate

METER = "signature.calls"


class SignatureService:
    def __init__(
        self,
        *,
        store: SignatureStore,
        keys: KeyDirectory,
        issuer: CertificateIssuer,
        trust: TrustDirectory,
        stamper: Stamper,
        clock: Clock,
        ledger: Ledger,
        confinement: Confinement,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledger = ledger
        self._judge = Judge(trust)
        self._signers = Signers(store=store, keys=keys, issuer=issuer, ledger=ledger)
        self._signing = Signing(keys=keys, stamper=stamper)
        material = Material(trust)
        self.pdf = PdfService(
            signers=self._signers,
            signing=self._signing,
            judge=self._judge,
            material=material,
            confinement=confinement,
        )
        self.xml = XmlService(signers=self._signers, signing=self._signing, judge=self._judge, confinement=confinement)
        self.archive = ArchiveService(
            store=store.archive,
            examiners={
                Kind.CMS: of_message(self._judge),
                Kind.PDF: self.pdf.examine,
                Kind.XML: self.xml.examine,
            },
            material=material,
            sealing=Sealing(store=store.archive, stamper=stamper, clock=clock, ledger=ledger),
        )

    # signers

    async def create_signer(self, call: Call, request: m.CreateSigner) -> m.SignerView:
        signer = await self._signers.create(call.require_tenant(), request, call.now)
        return _shown(call, signer)

    async def make(self, tenant: str, *, name: str, subject: Mapping[str, str], application: str, at: datetime) -> str:
        """`core.ports.SignerDirectory`."""
        request = m.CreateSigner(name=name, subject=dict(subject), applications=[application])
        signer = await self._signers.create(tenant, request, at)
        return signer.name

    async def list_signers(self, call: Call, request: m.ListSigners) -> m.SignerPage:
        sort = SIGNERS.sort(request.sort)
        place = SIGNERS.place(sort, request.cursor)
        page = SIGNERS.page(sort, self._store.signers(call.require_tenant(), sort, place, request.limit), request.limit)
        return m.SignerPage(items=[_signer_view(row) for row in page.items], next_cursor=page.next_cursor)

    async def get_signer(self, call: Call, request: m.RefSigner) -> m.SignerView:
        return _shown(call, self._signers.find(call.require_tenant(), request.signer))

    async def renew_signer(self, call: Call, request: m.RenewSigner) -> m.SignerView:
        return _shown(call, await self._signers.renew(call.require_tenant(), request, call.now))

    async def enable_signer(self, call: Call, request: m.RefSigner) -> m.SignerView:
        return await self._move(call, request.signer, SignerState.ENABLED)

    async def disable_signer(self, call: Call, request: m.RefSigner) -> m.SignerView:
        return await self._move(call, request.signer, SignerState.DISABLED)

    async def retire_signer(self, call: Call, request: m.RefSigner) -> m.SignerView:
        return await self._move(call, request.signer, SignerState.RETIRED)

    # sign

    async def sign(self, call: Call, request: m.SignRequest) -> m.SignatureView:
        one_of(request.message, request.digest)
        signer = await self._usable(call, request.signer)
        signature = await self._signing.one(
            signer, request.message, request.digest, user_id_of(request.user_id), call.application
        )
        return m.SignatureView(
            signature=signature,
            algorithm=signer.suite.scheme,
            certificate_serial=f"{signer.serial:032x}",
        )

    async def sign_cms(self, call: Call, request: m.SignCmsRequest) -> m.CmsView:
        signer = await self._usable(call, request.signer)
        encoded, dialect = await self._signing.cms(signer, request, call.application, call.now)
        call.private = not request.detached  # the caller's document is in it
        return m.CmsView(
            cms=encoded,
            dialect=DIALECT_NAMES[dialect],
            detached=request.detached,
            signing_time=call.now.replace(microsecond=0),
            certificate_serial=f"{signer.serial:032x}",
        )

    async def sign_batch(self, call: Call, request: m.SignBatchRequest) -> m.SignBatchView:
        """An item that cannot be signed has its own error; the others are signed."""
        signer = await self._usable(call, request.signer)
        errors = [_item_error(item) for item in request.items]
        good = [item for item, error in zip(request.items, errors, strict=True) if error is None]
        if request.format == "raw":
            pairs = [(item.message, item.digest) for item in good]
            made = (
                await self._signing.raw(signer, pairs, user_id_of(request.user_id), call.application) if pairs else []
            )
        else:
            prepared = await asyncio.to_thread(_prepare_all, signer, good, call.now)
            made = await self._signing.messages(signer, prepared, call.application) if prepared else []
        signatures = iter(made)
        call.detail.update(items=len(request.items), failed=len(request.items) - len(good))
        call.units = len(good)
        return m.SignBatchView(
            items=[
                m.SignedItem(reference=item.reference, signature=None if error else next(signatures), error=error)
                for item, error in zip(request.items, errors, strict=True)
            ],
            algorithm=signer.suite.scheme,
            certificate_serial=f"{signer.serial:032x}",
        )

    # verify

    async def verify(self, call: Call, request: m.VerifyRequest) -> m.VerifyView:
        """Raises InvalidSignature, opaque; reasons are given about the certificate of a signature that is right."""
        one_of(request.message, request.digest)
        key, certificates = self._key(call, request.signer, request.certificate, request.public_key)
        item = (request.message, request.digest, request.signature)
        [right] = await asyncio.to_thread(verify_many, key, [item], user_id_of(request.user_id))
        if not right:
            raise InvalidSignature
        findings = await self._about(certificates, policy_of(call, request))
        return m.VerifyView(valid=not findings, reasons=reasons(findings))

    async def verify_cms(self, call: Call, request: m.VerifyCmsRequest) -> m.VerifyCmsView:
        judged = await self._judge.message(request.cms, request.content, request.digest, policy_of(call, request))
        return message_view(judged, return_content=request.return_content)

    async def verify_batch(self, call: Call, request: m.VerifyBatchRequest) -> m.VerifyBatchView:
        """Raw items share one key, whose certificate is judged once; messages carry their own."""
        policy = policy_of(call, request)
        answers: dict[int, list[Finding]] = {}
        raw = [number for number, item in enumerate(request.items) if not item.cms]
        if raw:
            answers |= await self._verify_raw(call, request, raw, policy)
        for number, item in enumerate(request.items):
            if item.cms:
                judged = await self._judge.message(item.cms, item.message, item.digest, policy)
                answers[number] = [*judged.findings, *(f for signer in judged.signers for f in signer.findings)]
        items = [
            m.VerifiedItem(reference=item.reference, valid=not answers[number], reasons=reasons(answers[number]))
            for number, item in enumerate(request.items)
        ]
        valid = sum(item.valid for item in items)
        return m.VerifyBatchView(items=items, valid=valid, invalid=len(items) - valid)

    async def _verify_raw(
        self, call: Call, request: m.VerifyBatchRequest, places: list[int], policy: Policy
    ) -> dict[int, list[Finding]]:
        key, certificates = self._key(call, request.signer, request.certificate, request.public_key)
        about = await self._about(certificates, policy)
        answers: dict[int, list[Finding]] = {}
        whole: list[int] = []
        for number in places:
            item = request.items[number]
            if not item.signature or (item.message is None) == (item.digest is None):
                answers[number] = [Finding("malformed", "give signature, and either message or digest")]
            else:
                whole.append(number)
        items = [request.items[number] for number in whole]
        triples = [(item.message, item.digest, item.signature) for item in items]
        right = await asyncio.to_thread(verify_many, key, triples, user_id_of(request.user_id))
        for number, good in zip(whole, right, strict=True):
            answers[number] = [*([] if good else [Finding("signature")]), *about]
        return answers

    # for evidence

    def signers_of(self, tenant: str) -> list[Signer]:
        return self._store.all_signers(tenant)

    async def usage(self, instance: str, start: datetime, end: datetime) -> list[Usage]:
        """Calls per clock hour, from the ledger."""
        found = await self._ledger.usage(instances=[instance], start=start, end=end)
        return [item for item in found if item.meter == METER]

    async def _move(self, call: Call, ref: str, wanted: SignerState) -> m.SignerView:
        return _shown(call, await self._signers.move(call.require_tenant(), ref, wanted, call.now))

    async def _usable(self, call: Call, ref: str) -> Signer:
        signer = await self._signers.usable(call.require_tenant(), ref, call.now)
        call.resource["signer"] = signer.id
        return signer

    def _key(self, call: Call, signer: str, certificate: str, public_key: bytes) -> tuple[PublicKey, list[Certificate]]:
        """The key to verify with, and the certificates (leaf first) that came with it."""
        if sum(map(bool, (signer, certificate, public_key))) != 1:
            raise InvalidArgument(
                "public_key",
                Text("signer、certificate、public_key 三选一", "give exactly one of signer, certificate, public_key"),
            )
        if public_key:
            return usable_key(public_key), []
        if signer:
            found = self._signers.find(call.require_tenant(), signer)
            certificates = [found.certificate, *(parse_certificate(item) for item in found.chain)]
        else:
            certificates = _certificates(certificate)
        return usable_key(certificates[0].spki_der, "certificate"), certificates

    async def _about(self, certificates: list[Certificate], policy: Policy) -> list[Finding]:
        """What speaks against the certificate of a raw signature; nothing when only a key was given."""
        if not certificates:
            return []
        at = policy.at or policy.now
        return list((await self._judge.certificate(certificates[0], certificates[1:], policy, at)).findings)


def _prepare_all(signer: Signer, items: Sequence[m.SignItem], at: datetime) -> list[Message]:
    return [
        prepare(
            signer.certificate,
            signer.chain,
            signer.suite,
            content=item.message,
            digest=item.digest,
            detached=True,
            dialect=signer.suite.dialect,
            at=at,
        )
        for item in items
    ]


def _item_error(item: m.SignItem) -> m.ItemError | None:
    try:
        one_of(item.message, item.digest)
    except MiyunError as error:
        return m.ItemError(code=error.code, zh=error.message.zh, en=error.message.en)
    return None


def _certificates(text: str) -> list[Certificate]:
    try:
        if "-----BEGIN" in text:
            return load_certificates(text)
        return load_certificates(base64.b64decode("".join(text.split()), validate=True))
    except DecodeError as error:
        raise unreadable("certificate", error) from None
    except (binascii.Error, ValueError):
        reason = Text("既不是 PEM，也不是 DER 的 Base64", "neither PEM nor base64 of DER")
        raise InvalidArgument("certificate", reason) from None


def _shown(call: Call, signer: Signer) -> m.SignerView:
    call.resource.update(signer=signer.id, key=signer.key, certificate=f"{signer.serial:032x}")
    return _signer_view(signer)


def _signer_view(signer: Signer) -> m.SignerView:
    certificate = signer.certificate
    point = certificate.public_key.point
    return m.SignerView(
        signer=signer.id,
        name=signer.name,
        algorithm=signer.algorithm,
        key=signer.key,
        version=signer.version,
        state=signer.state.value,
        subject=str(certificate.subject),
        certificate_serial=f"{signer.serial:032x}",
        certificate_pem=certificate.to_pem(),
        chain_pem=certificates_pem(parse_certificate(item) for item in signer.chain),
        not_after=signer.not_after,
        created_at=signer.created_at,
        z_a=sm2.za(point) if signer.algorithm == "SM2" and point is not None else None,
    )
