"""Messages of GB/T 35275 that pages make and open with a real token."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.token_process import TokenProcess
from tests.unit.edge.agent.test_agent import PIN, SITE, World, certify
from tests.unit.wire.authority import NOW, SM2, Key, key, make

from miyun.edge.agent import messages
from miyun.edge.agent.app import Agent
from miyun.edge.agent.consent import Consents
from miyun.edge.agent.elsewhere import ELSEWHERE
from miyun.edge.agent.functions import Functions
from miyun.edge.agent.keys import Keys
from miyun.gm import rand, sm2, sm4
from miyun.gm.errors import InvalidSignature
from miyun.hsm.skf import Library, connected
from miyun.wire import cms, oid, statement, x509
from miyun.wire.cms import Dialect, EnvelopedKey
from miyun.wire.sof import Sor
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate

TEXT = "公文：同意"


@pytest.fixture(scope="module")
def token() -> Iterator[TokenProcess]:
    """With an encryption key pair and its certificate beside the signing one."""
    with pytest.MonkeyPatch.context() as patch, TokenProcess(serial="MSG-1") as running:
        patch.setenv("MIYUN_TOKENS", str(running.tokens))
        running.personalise("box", certify)
        with connected(Library(), "key") as connection:
            application = connection.open_application("MIYUN")
            application.verify_pin(PIN)
            box = application.open_container("box")
            signing, d, symmetric = box.public_key(), sm2.generate_private_key(), rand.token(16)
            assert signing is not None
            point = sm2.public_key(d)
            private = sm4.encrypt_ecb(symmetric, bytes(32) + d)
            box.import_key_pair(EnvelopedKey(oid.SM4_ECB, sm2.encrypt(signing, symmetric), point, private).encode())
            box.import_certificate(encryption(point).der, signing=False)
        yield running


def encryption(point: bytes, serial: int = 9) -> x509.Certificate:
    usage = x509.key_usage("keyEncipherment", "dataEncipherment")
    return make("张三", usage, key=Key(SM2, sm2_spki(point), key().sign, b""), serial=serial).certificate


@pytest.fixture
def world(token: TokenProcess, tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "agent.json"
    consents = Consents(file)
    consents.allow(SITE)
    keys = Keys(Library())
    world = World(Agent(Functions(keys, consents), consents, is_own=lambda scope: True), consents, file)
    world.consent()
    world.call("SOF_Login", "box", PIN)
    yield world
    keys.close()


def value(world: World, function: str, *parameters: Any) -> Any:
    answer = world.call(function, *parameters)
    assert answer["code"] == 0, answer
    return answer["value"]


def test_a_signed_message_brings_its_text_and_certificate(world: World) -> None:
    message = value(world, "SOF_SignMessage", 0, "box", TEXT)
    info = cms.verify_signed_data(base64.b64decode(message))
    assert info.dialect is Dialect.GBT35275 and info.content == TEXT.encode()
    [signer] = info.signers
    assert signer.signed_attributes and signer.signing_time
    for text in ("", TEXT):
        assert value(world, "SOF_VerifySignedMessage", message, text) is True
    assert value(world, "SOF_VerifySignedMessage", message, "another") is False
    assert value(world, "SOF_GetInfoFromSignedMessage", message, 1) == TEXT
    assert value(world, "SOF_GetInfoFromSignedMessage", message, 2) == value(world, "SOF_ExportUserCert", "box")
    assert base64.b64decode(value(world, "SOF_GetInfoFromSignedMessage", message, 3)) == signer.signature


def test_a_detached_message_is_good_for_its_text(world: World) -> None:
    message = value(world, "SOF_SignMessage", 1, "box", TEXT)
    assert cms.parse_signed_data(base64.b64decode(message)).content is None
    assert value(world, "SOF_VerifySignedMessage", message, TEXT) is True
    assert value(world, "SOF_VerifySignedMessage", message, "") is False
    assert world.call("SOF_GetInfoFromSignedMessage", message, 1)["code"] == Sor.IN_DATA


def test_a_message_confirms_nothing_at_the_platform(world: World) -> None:
    """What the key signs are attributes: the signature in a message is none of its text."""
    text = statement.compose(statement.CONFIRM, "plf_1", "https://elsewhere.test", "per_1")
    message = base64.b64decode(value(world, "SOF_SignMessage", 0, "box", text))
    [signer] = cms.parse_signed_data(message).signers
    point = parse_certificate(base64.b64decode(value(world, "SOF_ExportUserCert", "box"))).public_key.point
    assert point is not None and signer.signed_attributes is not None
    sm2.verify(point, signer.signed_attributes, signer.signature)
    with pytest.raises(InvalidSignature):
        sm2.verify(point, text.encode(), signer.signature)


@pytest.mark.parametrize("size", [0, 1, 16, 100_000])
def test_an_envelope_opens_with_the_encryption_key(world: World, size: int) -> None:
    data, certificate = bytes(range(256)) * 400, value(world, "SOF_ExportExChangeUserCert", "box")
    encoded = base64.b64encode(data[:size]).decode()
    sealed = value(world, "SOF_EncryptData", certificate, encoded)
    assert cms.parse_enveloped_data(base64.b64decode(sealed)).dialect is Dialect.GBT35275
    assert value(world, "SOF_DecryptData", "box", sealed) == encoded


def test_what_is_wrong_with_an_envelope_is_told(world: World) -> None:
    certificate = parse_certificate(base64.b64decode(value(world, "SOF_ExportExChangeUserCert", "box")))
    point = certificate.public_key.point
    assert point is not None
    stranger = encryption(sm2.public_key(sm2.generate_private_key()), serial=10)
    others = messages.envelope(b"x", stranger, stranger.public_key.point or b"")
    assert opened(world, others) == Sor.KEY_NOT_FOUND
    assert opened(world, b"0") == Sor.IN_DATA
    recipient = cms.KeyTransRecipient.sm2(certificate, sm2.encrypt(point, bytes(15)))
    assert opened(world, cms.build_enveloped_data([recipient], bytes(16), bytes(16))) == Sor.DECRYPT_DATA, "a short key"
    recipient = cms.KeyTransRecipient.sm2(certificate, sm2.encrypt(point, bytes(16)))
    padding = sm4.encrypt_cbc(bytes(16), bytes(16), bytes(16), padding=None)
    assert opened(world, cms.build_enveloped_data([recipient], padding, bytes(16))) == Sor.DECRYPT_DATA, "no padding"
    world.call("SOF_Logout", "box")
    assert opened(world, others) == Sor.LOGIN


def opened(world: World, envelope: bytes) -> int:
    return int(world.call("SOF_DecryptData", "box", base64.b64encode(envelope).decode())["code"])


def test_messages_need_consent_and_pin(world: World) -> None:
    world.call("SOF_Logout", "box")
    assert world.call("SOF_SignMessage", 0, "box", TEXT)["code"] == Sor.LOGIN
    world.consents.forbid(SITE)
    world.consents.allow(SITE)
    assert world.call("SOF_SignMessage", 0, "box", TEXT)["code"] == Sor.CONSENT_NEEDED
    assert world.call("SOF_GetDeviceInfo", "box", 0x208)["code"] == Sor.CONSENT_NEEDED


def test_a_device_says_who_it_is(world: World) -> None:
    assert value(world, "SOF_GetDeviceInfo", "box", 0x208) == "MSG-1"
    assert value(world, "SOF_GetDeviceInfo", "box", 0x204) == "Miyun"
    assert world.call("SOF_GetDeviceInfo", "box", 0x20E)["code"] == Sor.PARAMETER_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("function", "parameters", "code"),
    [
        ("SOF_SignMessage", (2, "box", TEXT), Sor.PARAMETER_NOT_SUPPORTED),
        ("SOF_SignMessage", ("0", "box", TEXT), Sor.IN_DATA),
        ("SOF_VerifySignedMessage", ("MA==", ""), Sor.IN_DATA),
        ("SOF_VerifySignedMessage", ("?", ""), Sor.IN_DATA),
        ("SOF_GetInfoFromSignedMessage", ("MA==", 1), Sor.IN_DATA),
        ("SOF_EncryptData", ("MA==", ""), Sor.CERTIFICATE_ENCODING),
        ("SOF_SetEncryptMethod", (0x401,), Sor.PARAMETER_NOT_SUPPORTED),
    ],
)
def test_wrong_parameters_are_refused(world: World, function: str, parameters: tuple[Any, ...], code: Sor) -> None:
    answer = world.call(function, *parameters)
    assert answer["code"] == code and answer["message"]["zh"] and answer["message"]["en"]


@pytest.mark.parametrize("function", sorted(ELSEWHERE))
def test_what_the_agent_does_not_do_it_says_who_does(world: World, function: str) -> None:
    answer = world.call(function, "anything")
    instead = "SOF_SignMessage" if function.endswith("File") else "platform"
    assert answer["code"] == Sor.NOT_SUPPORTED and instead in answer["message"]["en"] and answer["message"]["zh"]


def test_a_signature_by_somebody_else_is_none() -> None:
    person, other = certify(key().spki[-65:]), key(number=7)
    made = messages.sign(b"x", parse_certificate(person), other.sign, NOW, detached=False)
    assert not messages.is_signed(made, None)
