"""Making raw and CMS signatures; everything goes to the key in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ports import KeyDirectory, Stamper
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.model import DIALECTS, Signer, Suite
from miyun.wire import cms
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.cms import Dialect
from miyun.wire.x509 import Certificate, parse_certificate


def one_of(message: bytes | None, digest: bytes | None, name: str = "message") -> None:
    """Raises InvalidArgument unless exactly one is given."""
    if (message is None) == (digest is None):
        raise InvalidArgument(name, Text(f"{name} 与 digest 二选一", f"give either {name} or digest"))


def user_id_of(text: str) -> bytes:
    """The identity of Z_A in octets; at most 8191 of them (GB/T 32918.2 5.5)."""
    return text.encode()


@dataclass(frozen=True, slots=True)
class Message:
    """A CMS message about to be signed: `attributes` is what the key signs."""

    content: bytes | None
    attributes: bytes
    dialect: Dialect
    certificates: tuple[Certificate, ...]


def dialect_of(suite: Suite, name: str) -> Dialect:
    """The suite's own when no name is given. Raises InvalidArgument for GB/T 35275 with other keys than SM2."""
    chosen = DIALECTS[name] if name else suite.dialect
    if chosen is Dialect.GBT35275 and suite.dialect is not Dialect.GBT35275:
        raise InvalidArgument("dialect", Text("GB/T 35275 仅用于 SM2 密钥", "GB/T 35275 is for SM2 keys; use RFC 5652"))
    return chosen


def prepare(
    certificate: Certificate,
    chain: Sequence[bytes],
    suite: Suite,
    *,
    content: bytes | None,
    digest: bytes | None,
    detached: bool,
    dialect: Dialect,
    at: datetime | None,
) -> Message:
    """`digest` stands for content that the caller keeps. `chain` is included but for its root."""
    hashed = digest if content is None else suite.digest.digest(content)
    assert hashed is not None, "content or digest was checked before"
    attributes = cms.signed_attributes_to_sign(
        hashed,
        dialect=dialect,
        signing_time=at,
        signing_certificate=certificate,
        certificate_digest=suite.digest if suite.digest is DigestAlgorithm.SM3 else DigestAlgorithm.SHA256,
    )
    included = (certificate, *(parse_certificate(item) for item in chain[:-1]))
    return Message(None if detached else content, attributes, dialect, included)


def finish(
    certificate: Certificate, suite: Suite, message: Message, signature: bytes, token: bytes | None = None
) -> bytes:
    """The ContentInfo, DER. `token`: a time-stamp over the signature."""
    return cms.assemble(
        certificate=certificate,
        algorithm=suite.signature,
        signature=signature,
        content=message.content,
        signed_attributes=message.attributes,
        dialect=message.dialect,
        certificates=message.certificates,
        unsigned_attributes=() if token is None else (cms.timestamp_attribute(token),),
    )


class Signing:
    """Signatures by a tenant's signers. The key directory answers for the key's own state, and for whether it serves
    `application`: whoever may use the key of a signer may sign by it."""

    def __init__(self, *, keys: KeyDirectory, stamper: Stamper) -> None:
        self._keys = keys
        self._stamper = stamper

    async def one(
        self, signer: Signer, message: bytes | None, digest: bytes | None, user_id: bytes, application: str | None
    ) -> bytes:
        """Over `message` or `digest`, exactly one of them given."""
        [signature] = await self._sign(signer, [message or digest or b""], message is None, user_id, application)
        return signature

    async def raw(
        self,
        signer: Signer,
        items: Sequence[tuple[bytes | None, bytes | None]],
        user_id: bytes,
        application: str | None,
    ) -> list[bytes]:
        """Items are (message, digest), exactly one of them given."""
        answers: list[bytes] = [b""] * len(items)
        for prehashed in (False, True):
            places = [at for at, (message, _) in enumerate(items) if (message is None) is prehashed]
            if not places:
                continue
            values = [items[at][1 if prehashed else 0] or b"" for at in places]
            made = await self._sign(signer, values, prehashed, user_id, application)
            for at, signature in zip(places, made, strict=True):
                answers[at] = signature
        return answers

    async def _sign(
        self, signer: Signer, values: list[bytes], prehashed: bool, user_id: bytes, application: str | None
    ) -> list[bytes]:
        suite = signer.suite
        return await self._keys.sign(
            signer.ref(application),
            values,
            scheme=suite.scheme,
            prehashed=prehashed,
            user_id=user_id if suite.dialect is Dialect.GBT35275 else None,
        )

    async def over(self, signer: Signer, values: Sequence[bytes], application: str | None) -> list[bytes]:
        """Signatures over whole octets, SM2 through Z_A of the default identity."""
        return await self._keys.sign(signer.ref(application), values, scheme=signer.suite.scheme)

    async def messages(self, signer: Signer, messages: Sequence[Message], application: str | None) -> list[bytes]:
        made = await self.over(signer, [item.attributes for item in messages], application)
        return [
            finish(signer.certificate, signer.suite, item, signature)
            for item, signature in zip(messages, made, strict=True)
        ]

    async def cms(
        self, signer: Signer, request: m.SignCmsRequest, application: str | None, at: datetime
    ) -> tuple[bytes, Dialect]:
        """Raises InvalidArgument when content, digest and detached contradict each other."""
        one_of(request.content, request.digest, "content")
        if request.digest is not None and not request.detached:
            raise InvalidArgument(
                "digest", Text("仅给出杂凑值时只能分离式签名", "a digest alone makes a detached signature only")
            )
        dialect = dialect_of(signer.suite, request.dialect)
        message = prepare(
            signer.certificate,
            signer.chain if request.include_chain else (),
            signer.suite,
            content=request.content,
            digest=request.digest,
            detached=request.detached,
            dialect=dialect,
            at=at,
        )
        [signature] = await self.over(signer, [message.attributes], application)
        token = await self.token(signer.suite, signature) if request.timestamp else None
        return finish(signer.certificate, signer.suite, message, signature, token), dialect

    async def token(self, suite: Suite, signature: bytes) -> bytes:
        """A time-stamp over a signature, by the hash of its suite. Raises ClockUntrusted."""
        name = "SM3" if suite.digest is DigestAlgorithm.SM3 else "SHA-256"
        return await self._stamper.token(suite.digest.digest(signature), hash_algorithm=name)
