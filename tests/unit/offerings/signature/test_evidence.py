"""Kept evidence: what is kept, how it is sealed and renewed, and that it proves itself without the platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import InvalidArgument, NotFound
from miyun.offerings.signature import messages as s
from miyun.offerings.signature.archive import messages as m
from miyun.offerings.signature.archive.errors import NotSealed, NotVerified, RehashNotPossible
from miyun.offerings.signature.archive.offline import Checked, read_files, verify
from miyun.wire import ocsp
from miyun.wire.cms import parse_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.ers import check_record, parse_evidence_record
from miyun.wire.x509 import Certificate, parse_certificate

DATA = "关于某事的批复".encode()
YEAR = timedelta(days=365)


class Office:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.archive = rooms.signature.archive
        create = s.CreateSigner(name="approval", subject={"CN": "审批系统"})
        self.do(rooms.signature.create_signer, create)

    def do(self, verb: Callable[..., Any], request: Any, tenant: str = "ten_a") -> Any:
        return asyncio.run(verb(call_of(tenant, self.rooms.clock), request))

    def sign(self, **fields: Any) -> bytes:
        request = s.SignCmsRequest(**{"signer": "approval", "content": DATA} | fields)
        return bytes(self.do(self.rooms.signature.sign_cms, request).cms)

    def keep(self, signed: bytes, **fields: Any) -> str:
        request = m.KeepRequest(**{"name": "批复", "signed": signed} | fields)
        return str(self.do(self.archive.keep, request).evidence)

    def seal(self) -> int:
        return asyncio.run(self.archive.sealing.seal())

    def renew(self) -> int:
        return asyncio.run(self.archive.sealing.renew())

    def detail(self, evidence: str) -> m.EvidenceDetail:
        return self.do(self.archive.get, m.RefEvidence(evidence=evidence))

    def export(self, evidence: str) -> dict[str, bytes]:
        return read_files(self.do(self.archive.export, m.RefEvidence(evidence=evidence)).body)

    def roots(self) -> list[Certificate]:
        return [parse_certificate(item) for item in asyncio.run(self.rooms.issuer.trust_anchors())]

    def check(self, files: dict[str, bytes], at: datetime | None = None) -> list[Checked]:
        return verify(files, self.roots(), at or self.rooms.clock.now())


@pytest.fixture
def office(rooms: Rooms) -> Office:
    return Office(rooms)


@pytest.mark.parametrize("detached", [True, False])
def test_what_is_kept_proves_itself_offline(office: Office, detached: bool) -> None:
    content = {"content": DATA} if detached else {}
    kept = office.keep(office.sign(detached=detached, timestamp=True), **content)
    assert office.detail(kept).evidence.state == "waiting"
    with pytest.raises(NotSealed):
        office.export(kept)
    assert office.seal() == 1
    detail = office.detail(kept)
    assert (detail.evidence.state, len(detail.timestamps), detail.timestamps[0].hash) == ("sealed", 1, "SM3")
    assert detail.evidence.proven_at is not None
    files = office.export(kept)
    assert ("content" in files) is detached
    statements = office.check(files)
    assert [item.good for item in statements] == [True, True]
    assert "审批系统" in statements[1].text.zh
    for name in files:
        assert not all(item.good for item in office.check(files | {name: files[name] + b"x"}))
        assert not all(item.good for item in office.check({k: v for k, v in files.items() if k != name}))
    assert not all(item.good for item in verify(files, [], office.rooms.clock.now()))


def test_the_material_is_all_that_verified_it(office: Office) -> None:
    kept = office.keep(office.sign(timestamp=True))
    office.seal()
    material = parse_signed_data(office.export(kept)["material.p7s"])
    subjects = {str(item.subject) for item in material.certificates}
    assert len(material.certificates) == 4  # signer, time-stamping authority, issuing CA, root
    assert any("审批系统" in subject for subject in subjects)
    answers = [item for item in material.crls if item[0] == 0xA1]
    lists = [item for item in material.crls if item[0] == 0x30]
    assert (len(answers), len(lists)) == (2, 1)
    inner = answers[0][answers[0].index(b"\x30\x82") :]
    assert ocsp.parse_response(inner)[0] is ocsp.Status.SUCCESSFUL


def test_a_batch_has_one_time_stamp_and_everybody_a_short_proof(office: Office) -> None:
    kept = [office.keep(office.sign(content=b"%d" % number)) for number in range(9)]
    before = office.rooms.machine.signed
    assert office.seal() == 9
    assert office.rooms.machine.signed == before + 1
    assert office.seal() == 0
    for evidence in kept:
        files = office.export(evidence)
        assert all(item.good for item in office.check(files))
        assert len(parse_evidence_record(files["evidence.ers"]).chains[0][0].tree) <= 5


def test_time_stamps_are_renewed_before_they_end(office: Office) -> None:
    kept = office.keep(office.sign())
    office.seal()
    first = office.detail(kept)
    assert office.renew() == 0, "not yet"
    assert first.renew_at is not None
    office.rooms.clock.at = first.renew_at + timedelta(days=1)
    asyncio.run(office.rooms.timestamp.bootstrap())
    assert office.renew() == 1
    assert office.renew() == 0
    detail = office.detail(kept)
    assert len(detail.timestamps) == 2
    assert detail.renew_at is not None and detail.renew_at > first.renew_at + 2 * YEAR
    files = office.export(kept)
    later = first.timestamps[0].ends + 180 * timedelta(days=1)
    assert later < detail.timestamps[1].ends
    assert all(item.good for item in office.check(files, later)), "long after the first certificate ended"
    record = parse_evidence_record(files["evidence.ers"])
    alone = type(record)((record.chains[0][:1],))
    assert not all(item.good for item in office.check(files | {"evidence.ers": alone.encode()}, later))
    operations = [entry.operation for entry in office.rooms.ledger.entries]
    assert operations.count("signature.evidence.sealed") == 1
    assert operations.count("signature.evidence.renewed") == 1


def test_a_renewal_that_fails_is_shown_and_tried_again(office: Office) -> None:
    kept = office.keep(office.sign())
    office.seal()
    renew_at = office.detail(kept).renew_at
    assert renew_at is not None
    office.rooms.clock.at = renew_at + timedelta(days=1)
    asyncio.run(office.rooms.timestamp.bootstrap())
    office.rooms.machine.locked = True
    assert office.renew() == 0
    assert office.detail(kept).problem
    office.rooms.machine.locked = False
    office.rooms.clock.advance(hours=2)
    assert office.renew() == 1
    assert office.detail(kept).problem == ""


def test_another_hash_takes_over(office: Office) -> None:
    kept = office.keep(office.sign())
    with pytest.raises(RehashNotPossible):
        office.do(office.archive.rehash, m.Rehash(evidence=kept, hash="SHA-256"))
    office.seal()
    with pytest.raises(RehashNotPossible):
        office.do(office.archive.rehash, m.Rehash(evidence=kept, hash="SM3"))
    office.do(office.archive.rehash, m.Rehash(evidence=kept, hash="SHA-256"))
    office.rooms.clock.advance(hours=1)
    assert office.seal() == 1
    detail = office.detail(kept)
    assert [(stamp.chain, stamp.hash) for stamp in detail.timestamps] == [(0, "SM3"), (1, "SHA-256")]
    files = office.export(kept)
    assert all(item.good for item in office.check(files))
    record = parse_evidence_record(files["evidence.ers"])
    documents = [octets for name, octets in files.items() if name != "evidence.ers"]
    assert len(check_record(record, documents)) == 2


def test_what_does_not_verify_is_not_kept(office: Office) -> None:
    signed = office.sign()
    with pytest.raises(NotVerified, match="digest differs"):
        office.keep(signed.replace(DATA, DATA[::-1]))
    with pytest.raises(NotVerified, match="malformed"):
        office.keep(b"0\x00")
    with pytest.raises(NotVerified, match="no such trust list"):
        office.keep(signed, lists=["nowhere"])
    with pytest.raises(InvalidArgument):
        office.keep(signed, kind="pdf", content=b"x")
    assert office.seal() == 0


def test_another_tenant_sees_nothing(office: Office) -> None:
    kept = office.keep(office.sign())
    office.seal()
    for verb in (office.archive.get, office.archive.export):
        with pytest.raises(NotFound):
            office.do(verb, m.RefEvidence(evidence=kept), tenant="ten_b")
    assert office.do(office.archive.list_kept, m.ListEvidence(), tenant="ten_b").items == []


def test_the_list_pages_and_finds(office: Office) -> None:
    names = ["丙", "甲", "乙"]
    for name in names:
        office.keep(office.sign(), name=name)
    seen: list[str] = []
    cursor = None
    while True:
        page = office.do(office.archive.list_kept, m.ListEvidence(sort="name", limit=2, cursor=cursor))
        seen += [item.name for item in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == sorted(names)
    newest = office.do(office.archive.list_kept, m.ListEvidence())
    assert [item.name for item in newest.items] == names[::-1]
    assert [i.name for i in office.do(office.archive.list_kept, m.ListEvidence(text="甲")).items] == ["甲"]


@pytest.mark.parametrize("wrong", [b"", b"PK\x03\x04", b"x" * 100])
def test_what_is_no_export_is_refused(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        read_files(wrong)
