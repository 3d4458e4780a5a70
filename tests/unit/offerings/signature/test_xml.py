"""XML signatures: one form, whose content is never in question, and everything else refused by name."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from lxml import etree
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import InvalidArgument
from miyun.offerings.signature import messages as s
from miyun.offerings.signature.archive import messages as a
from miyun.offerings.signature.xml import messages as m
from miyun.offerings.signature.xml.documents import tag

ALGORITHMS = ["SM2", "EC-P256", "RSA-3072"]
DOCUMENT = """<?xml version="1.0"?>
<!-- 批复 --><doc xmlns="urn:a" xmlns:b="urn:b" b:id="1">
  <标题>关于某事的批复</标题><b:amount>100</b:amount>
</doc>""".encode()


class Desk:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    def do(self, verb: Any, request: Any) -> Any:
        return asyncio.run(verb(call_of("ten_a", self.rooms.clock), request))

    def signer(self, algorithm: Any = "SM2") -> str:
        create = s.CreateSigner(name="approval", subject={"CN": "审批系统"}, algorithm=algorithm)
        return str(self.do(self.rooms.signature.create_signer, create).certificate_serial)

    def sign(self, **fields: Any) -> bytes:
        request = m.SignXml(
            **{"signer": "approval"} | ({"xml": DOCUMENT} | fields if "content" not in fields else fields)
        )
        return bytes(self.do(self.rooms.signature.xml.sign, request).xml)

    def verify(self, xml: bytes, **fields: Any) -> m.VerifiedXml:
        return self.do(self.rooms.signature.xml.verify, m.VerifyXml(xml=xml, **fields))


@pytest.fixture
def desk(rooms: Rooms) -> Desk:
    return Desk(rooms)


def codes(view: m.VerifiedXml) -> list[str]:
    found = [reason.code for reason in view.reasons]
    assert view.valid is (not found)
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signed_document_verifies(desk: Desk, algorithm: str) -> None:
    serial = desk.signer(algorithm)
    signed = desk.sign()
    view = desk.verify(signed, return_signed=True)
    assert codes(view) == []
    assert (view.serial, view.form, len(view.chain)) == (serial, "enveloped", 3)
    assert view.signed is not None
    assert etree.tostring(etree.fromstring(DOCUMENT), method="c14n", exclusive=True, with_comments=False) == view.signed
    for wrong in (signed.replace(b">100<", b">900<"), signed.replace(b'b:id="1"', b'b:id="2"')):
        assert codes(desk.verify(wrong)) == ["digest"]
    value = signed.index(b"<ds:SignatureValue>") + 30
    other = b"A" if signed[value : value + 1] != b"A" else b"B"
    assert codes(desk.verify(signed[:value] + other + signed[value + 1 :])) == ["signature"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_apart_from_its_content(desk: Desk, algorithm: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign(content=b"\x00\x01 any octets", uri="file.bin")
    view = desk.verify(signed, content=b"\x00\x01 any octets", return_signed=True)
    assert codes(view) == []
    assert (view.form, view.signed) == ("detached", b"\x00\x01 any octets")
    assert codes(desk.verify(signed, content=b"other")) == ["digest"]
    assert codes(desk.verify(signed)) == ["no_content"]


def test_a_revoked_certificate_is_told(desk: Desk) -> None:
    serial = desk.signer()
    signed = desk.sign()
    asyncio.run(desk.rooms.issuer.revoke(int(serial, 16), "superseded", desk.rooms.clock.now()))
    view = desk.verify(signed)
    assert codes(view) == ["revoked"]
    assert view.reasons[0].children[0].code == "register"


# wrapping


def written(root: Any) -> bytes:
    return bytes(etree.tostring(root, encoding="UTF-8"))


def moved(signed: bytes, how: Any) -> bytes:
    root = etree.fromstring(signed)
    signature = root.find(tag("Signature"))
    assert signature is not None
    return written(how(root, signature))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_wrapped_signatures_have_no_place(desk: Desk, algorithm: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign()

    def in_another_document(root: Any, signature: Any) -> Any:
        other = etree.Element("evil")
        other.append(root)
        return other

    def deeper(root: Any, signature: Any) -> Any:
        etree.SubElement(root, "wrapper").append(signature)
        return root

    def with_the_original_inside(root: Any, signature: Any) -> Any:
        other = etree.Element("doc")
        other.append(signature)
        etree.SubElement(signature, tag("Object")).append(root)
        return other

    def by_identifier(root: Any, signature: Any) -> Any:
        signature.find(f".//{tag('Reference')}").set("URI", "#x")
        return root

    def twice(root: Any, signature: Any) -> Any:
        root.append(etree.fromstring(etree.tostring(signature)))
        return root

    for how, expected in (
        (in_another_document, ["xml_form"]),
        (deeper, ["xml_form"]),
        (with_the_original_inside, ["digest"]),
        (by_identifier, ["xml_form"]),
        (twice, ["xml_form"]),
    ):
        assert codes(desk.verify(moved(signed, how))) == expected, how.__name__


def changed(signed: bytes, element: str, **attributes: str) -> bytes:
    root = etree.fromstring(signed)
    found = root.find(f".//{tag(element)}")
    assert found is not None
    for name, value in attributes.items():
        found.set(name, value)
    return written(root)


@pytest.mark.parametrize(
    ("element", "algorithm"),
    [
        ("Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        ("Transform", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        ("CanonicalizationMethod", "urn:own"),
        ("CanonicalizationMethod", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        ("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1"),
        ("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        ("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
    ],
)
def test_other_algorithms_are_not_taken(desk: Desk, element: str, algorithm: str) -> None:
    desk.signer("RSA-3072")
    assert codes(desk.verify(changed(desk.sign(), element, Algorithm=algorithm))) == ["xml_form"]


def test_the_certificate_must_be_the_signers(desk: Desk) -> None:
    desk.signer()
    root = etree.fromstring(desk.sign())
    certificates = root.findall(f".//{tag('X509Certificate')}")
    assert len(certificates) == 2
    certificates[0].text = certificates[1].text
    assert codes(desk.verify(written(root))) == ["signature"]
    certificates[0].text = base64.b64encode(b"0\x00").decode()
    assert codes(desk.verify(written(root))) == ["no_certificate"]
    for item in certificates:
        item.getparent().remove(item)
    assert codes(desk.verify(written(root))) == ["no_certificate"]


# documents of others


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (b"", "xml_unreadable"),
        (b"<a", "xml_unreadable"),
        (b"<a/>", "no_signature"),
        (b'<!DOCTYPE a SYSTEM "http://evil.example/a.dtd"><a/>', "xml_dtd"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml_dtd"),
        ('<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"), "xml_dtd"),
        (b"<a>" * 100_000, "xml_unreadable"),
    ],
)
def test_what_is_not_read(desk: Desk, xml: bytes, expected: str) -> None:
    assert codes(desk.verify(xml)) == [expected]
    desk.signer()
    if expected != "no_signature":
        with pytest.raises(InvalidArgument):
            desk.sign(xml=xml)


def test_a_signed_document_is_not_signed_again(desk: Desk) -> None:
    desk.signer()
    with pytest.raises(InvalidArgument, match="has a signature"):
        desk.sign(xml=desk.sign())


@pytest.mark.parametrize("fields", [{"content": b"x"}, {"content": b"x", "uri": "#x"}, {"xml": b"<a/>", "uri": "x"}])
def test_contradictory_wishes_are_refused(desk: Desk, fields: dict[str, Any]) -> None:
    desk.signer()
    with pytest.raises(InvalidArgument):
        desk.sign(**fields)


def test_a_signed_document_is_kept_as_evidence(desk: Desk) -> None:
    desk.signer()
    archive = desk.rooms.signature.archive
    kept = desk.do(archive.keep, a.KeepRequest(name="批复", kind="xml", signed=desk.sign()))
    assert "审批系统" in kept.signers
