"""Answers of verification, as callers see them."""

from __future__ import annotations

from collections.abc import Iterable

from miyun.core.trust import ReasonView
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.judging import JudgedMessage, JudgedSigner, Proof
from miyun.offerings.signature.model import DIALECT_NAMES
from miyun.offerings.signature.verification import Finding


def reasons(findings: Iterable[Finding]) -> list[ReasonView]:
    return [
        ReasonView(
            code=item.code,
            subject=item.subject,
            zh=item.text.zh,
            en=item.text.en,
            children=reasons(item.children),
        )
        for item in findings
    ]


def message_view(judged: JudgedMessage, *, return_content: bool) -> m.VerifyCmsView:
    return m.VerifyCmsView(
        valid=judged.valid,
        reasons=reasons(judged.findings),
        signers=[signer_view(item) for item in judged.signers],
        dialect=DIALECT_NAMES[judged.dialect] if judged.dialect is not None else "",
        detached=judged.content is None,
        content=judged.content if return_content else None,
    )


def signer_view(judged: JudgedSigner) -> m.CmsSigner:
    info, certificate, standing = judged.info, judged.info.certificate, judged.standing
    return m.CmsSigner(
        valid=not judged.findings,
        reasons=reasons(judged.findings),
        algorithm=info.algorithm.name.replace("_", "-"),
        subject=str(certificate.subject) if certificate else str(info.issuer or ""),
        serial=f"{info.serial:032x}" if info.serial is not None else "",
        signing_time=info.signing_time,
        certificate_pem=certificate.to_pem() if certificate else "",
        chain=[str(item.subject) for item in standing.path] if standing else [],
        revocation=standing.status if standing else "unchecked",
        judged_at=judged.judged_at,
        timestamp=timestamp_view(judged.proof) if judged.proof else None,
    )


def timestamp_view(proof: Proof) -> m.TimestampView:
    return m.TimestampView(
        valid=not proof.findings, reasons=reasons(proof.findings), time=proof.time, authority=proof.authority
    )
