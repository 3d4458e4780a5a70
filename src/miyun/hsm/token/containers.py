"""Containers, their SM2 key pairs and certificates (GM/T 0016, 7.5 and 7.6). No function hands out a private key."""

from __future__ import annotations

from typing import Final

from miyun.gm import ciphertext, curve, rand, sm2, sm4
from miyun.gm.errors import DecryptionFailed, GmError, InvalidKey, InvalidSignature
from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.session import Answer, OpenApplication, OpenContainer, Session, serves
from miyun.hsm.token.state import Container, KeyPair
from miyun.hsm.token.symmetric import SESSION_ALGORITHMS, SessionKey
from miyun.hsm.token.vault import wipe
from miyun.wire.skf import MAX_CONTAINER_NAME, Algorithm, ContainerType, Right, Sar

MAX_CONTAINERS: Final = 32  # of one application
MAX_CERTIFICATE: Final = 8192
MAX_MESSAGE: Final = 64 * 1024
_DIGEST: Final = 32
_SESSION_KEY: Final = 16
_SIGNING, _ENCRYPTION = b"signing", b"encryption"


@serves(Function.CREATE_CONTAINER)
def create_container(session: Session, handle: int, name: str) -> Answer:
    application = session.application(handle)
    session.key(application, Right.USER)
    if not 1 <= len(name.encode()) <= MAX_CONTAINER_NAME:
        raise Refused(Sar.NAMELENERR)
    if name in application.containers:
        raise Refused(Sar.INVALIDPARAMERR)
    if len(application.containers) >= MAX_CONTAINERS:
        raise Refused(Sar.REACH_MAX_CONTAINER_COUNT)
    application.containers[name] = Container()
    session.vault.save()
    return (session.give(OpenContainer(session.held(handle, OpenApplication), name)),)


@serves(Function.DELETE_CONTAINER)
def delete_container(session: Session, handle: int, name: str) -> Answer:
    application = session.application(handle)
    session.key(application, Right.USER)
    if application.containers.pop(name, None) is None:
        raise Refused(Sar.INVALIDPARAMERR)
    session.vault.save()
    return ()


@serves(Function.OPEN_CONTAINER)
def open_container(session: Session, handle: int, name: str) -> Answer:
    if name not in session.application(handle).containers:
        raise Refused(Sar.INVALIDPARAMERR)
    return (session.give(OpenContainer(session.held(handle, OpenApplication), name)),)


@serves(Function.ENUM_CONTAINER)
def enum_container(session: Session, handle: int) -> Answer:
    return tuple(session.application(handle).containers)


@serves(Function.GET_CONTAINER_TYPE)
def get_container_type(session: Session, handle: int) -> Answer:
    _, container, _ = session.container(handle)
    return (ContainerType.ECC if container.signing or container.encryption else ContainerType.EMPTY,)


@serves(Function.IMPORT_CERTIFICATE)
def import_certificate(session: Session, handle: int, signing: int, certificate: bytes) -> Answer:
    """Of a key pair that is there. What the certificate says is its issuer's business."""
    application, container, _ = session.container(handle)
    session.key(application, Right.USER)
    if not 1 <= len(certificate) <= MAX_CERTIFICATE:
        raise Refused(Sar.INDATALENERR)
    pair = container.signing if signing else container.encryption
    if pair is None:
        raise Refused(Sar.KEYNOTFOUNTERR)
    if pair.point not in certificate:
        raise Refused(Sar.INDATAERR)
    if signing:
        container.signing_certificate = certificate
    else:
        container.encryption_certificate = certificate
    session.vault.save()
    return ()


@serves(Function.EXPORT_CERTIFICATE)
def export_certificate(session: Session, handle: int, signing: int) -> Answer:
    _, container, _ = session.container(handle)
    certificate = container.signing_certificate if signing else container.encryption_certificate
    if not certificate:
        raise Refused(Sar.CERTNOTFOUNTERR)
    return (certificate,)


@serves(Function.EXPORT_PUBLIC_KEY)
def export_public_key(session: Session, handle: int, signing: int) -> Answer:
    _, container, _ = session.container(handle)
    pair = container.signing if signing else container.encryption
    if pair is None:
        raise Refused(Sar.KEYNOTFOUNTERR)
    return (pair.point,)


# --- key pairs -------------------------------------------------------------------------------------------------------


@serves(Function.GEN_ECC_KEY_PAIR)
def gen_ecc_key_pair(session: Session, handle: int, algorithm: int) -> Answer:
    """A new signing key; the certificate of the one it replaces goes with it."""
    application, container, place = session.container(handle)
    key = session.key(application, Right.USER)
    if algorithm != Algorithm.SM2_SIGN:
        raise Refused(Sar.NOTSUPPORTYETERR)
    ((d, point),) = sm2.generate_many(1)
    sm2.verify(point, b"pairwise", sm2.sign(d, b"pairwise", public=point))
    container.signing = session.vault.key_pair(key, place + _SIGNING, d)
    container.signing_certificate = b""
    session.vault.save()
    return (point[1:],)


@serves(Function.IMPORT_ECC_KEY_PAIR)
def import_ecc_key_pair(
    session: Session, handle: int, algorithm: int, enciphered: bytes, point: bytes, envelope: bytes
) -> Answer:
    """The encryption key pair, under a symmetric key that is enciphered to the signing key."""
    application, container, place = session.container(handle)
    key = session.key(application, Right.USER)
    if algorithm != Algorithm.SM4_ECB:
        raise Refused(Sar.NOTSUPPORTYETERR)
    signing = _private(session, key, place + _SIGNING, container.signing)
    try:
        symmetric = sm2.decrypt(signing, b"\4" + envelope, "c1c3c2")
    except (DecryptionFailed, GmError):
        raise Refused(Sar.INDATAERR) from None
    finally:
        wipe(signing)
    if len(symmetric) != _SESSION_KEY or len(enciphered) != 64:
        raise Refused(Sar.INDATAERR)
    d = _matching(symmetric, enciphered, point)
    container.encryption = session.vault.key_pair(key, place + _ENCRYPTION, d)
    container.encryption_certificate = b""
    session.vault.save()
    return ()


def _matching(symmetric: bytes, enciphered: bytes, point: bytes) -> bytes:
    """The point's private key: issuers put its 32 enciphered octets right or left in the 64, or encipher all 64."""
    for d in (
        sm4.decrypt_ecb(symmetric, enciphered[32:]),
        sm4.decrypt_ecb(symmetric, enciphered[:32]),
        sm4.decrypt_ecb(symmetric, enciphered)[32:],
    ):
        try:
            if sm2.public_key(d)[1:] == point:
                return d
        except InvalidKey:
            continue
    raise Refused(Sar.INDATAERR)


def _private(session: Session, key: bytearray, place: bytes, pair: KeyPair | None) -> bytearray:
    if pair is None:
        raise Refused(Sar.KEYNOTFOUNTERR)
    return session.vault.private(key, place, pair)


def encryption_key(session: Session, opened: OpenContainer) -> bytearray:
    """The private key of a container's encryption pair, to be wiped. Raises Refused."""
    application, container, place = session.contained(opened)
    key = session.key(application, Right.USER)
    return _private(session, key, place + _ENCRYPTION, container.encryption)


# --- signatures and encryption ---------------------------------------------------------------------------------------


@serves(Function.ECC_SIGN_DATA)
def ecc_sign_data(session: Session, handle: int, digest: bytes) -> Answer:
    application, container, place = session.container(handle)
    key = session.key(application, Right.USER)
    _check_digest(digest)
    d = _private(session, key, place + _SIGNING, container.signing)
    try:
        return (_fixed(sm2.sign_digest(d, digest)),)
    finally:
        wipe(d)


@serves(Function.ECC_VERIFY)
def ecc_verify(session: Session, point: bytes, digest: bytes, signature: bytes) -> Answer:
    _check_digest(digest)
    if len(signature) != 64:
        raise Refused(Sar.INDATALENERR)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        sm2.verify_digest(_public(point), digest, curve.encode_signature(r, s))
    except InvalidSignature:
        raise Refused(Sar.FAIL) from None
    except GmError:
        raise Refused(Sar.INDATAERR) from None
    return ()


@serves(Function.ECC_DECRYPT)
def ecc_decrypt(session: Session, handle: int, enciphered: bytes) -> Answer:
    application, container, place = session.container(handle)
    key = session.key(application, Right.USER)
    d = _private(session, key, place + _ENCRYPTION, container.encryption)
    try:
        return (_deciphered(d, enciphered),)
    finally:
        wipe(d)


@serves(Function.EXT_ECC_ENCRYPT)
def ext_ecc_encrypt(session: Session, point: bytes, plaintext: bytes) -> Answer:
    if not 1 <= len(plaintext) <= MAX_MESSAGE:
        raise Refused(Sar.INDATALENERR)
    return (sm2.encrypt(_public(point), plaintext, "c1c3c2")[1:],)


@serves(Function.EXT_ECC_DECRYPT)
def ext_ecc_decrypt(session: Session, d: bytes, enciphered: bytes) -> Answer:
    return (_deciphered(bytearray(d), enciphered),)


@serves(Function.EXT_ECC_SIGN)
def ext_ecc_sign(session: Session, d: bytes, digest: bytes) -> Answer:
    _check_digest(digest)
    try:
        return (_fixed(sm2.sign_digest(d, digest)),)
    except InvalidKey:
        raise Refused(Sar.INDATAERR) from None


def _deciphered(d: bytearray, enciphered: bytes) -> bytes:
    try:
        ciphertext.convert_ciphertext(b"\4" + enciphered, "c1c3c2", "asn1")
        return sm2.decrypt(d, b"\4" + enciphered, "c1c3c2")
    except (DecryptionFailed, GmError):
        raise Refused(Sar.INDATAERR) from None


def _fixed(signature: bytes) -> bytes:
    r, s = sm2.decode_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _check_digest(digest: bytes) -> None:
    if len(digest) != _DIGEST:
        raise Refused(Sar.INDATALENERR)


def _public(point: bytes) -> bytes:
    public = b"\4" + point
    try:
        sm2.check_public_key(public)
    except InvalidKey:
        raise Refused(Sar.INDATAERR) from None
    return public


# --- session keys that come and go under SM2 -------------------------------------------------------------------------


@serves(Function.ECC_EXPORT_SESSION_KEY)
def ecc_export_session_key(session: Session, handle: int, algorithm: int, point: bytes) -> Answer:
    session.container(handle)
    check_session_algorithm(algorithm)
    key = bytearray(rand.token(_SESSION_KEY))
    enciphered = sm2.encrypt(_public(point), key, "c1c3c2")[1:]
    return (enciphered, session.give(SessionKey(algorithm, key)))


@serves(Function.IMPORT_SESSION_KEY)
def import_session_key(session: Session, handle: int, algorithm: int, enciphered: bytes) -> Answer:
    application, container, place = session.container(handle)
    key = session.key(application, Right.USER)
    check_session_algorithm(algorithm)
    d = _private(session, key, place + _ENCRYPTION, container.encryption)
    try:
        imported = _deciphered(d, enciphered)
    finally:
        wipe(d)
    if len(imported) != _SESSION_KEY:
        raise Refused(Sar.INDATAERR)
    return (session.give(SessionKey(algorithm, bytearray(imported))),)


@serves(Function.SET_SYMM_KEY)
def set_symm_key(session: Session, key: bytes, algorithm: int) -> Answer:
    check_session_algorithm(algorithm)
    if len(key) != _SESSION_KEY:
        raise Refused(Sar.INDATALENERR)
    return (session.give(SessionKey(algorithm, bytearray(key))),)


def check_session_algorithm(algorithm: int) -> None:
    if algorithm not in SESSION_ALGORITHMS:
        raise Refused(Sar.NOTSUPPORTYETERR)
