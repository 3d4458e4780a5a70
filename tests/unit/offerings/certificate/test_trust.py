"""Trust lists: whom they let through, what they say of revocation, and exactly why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import call_of
from tests.unit.offerings.certificate.outside import DAY, Outside
from tests.unit.wire.authority import ECDSA, NOW, RSA, SM2, key, make

from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.listing import Download
from miyun.core.outbound import Fetched, OutboundFailed
from miyun.core.trust import Level, TrustReason, TrustVerdict
from miyun.gm import sm2
from miyun.offerings.certificate.trust import messages as m
from miyun.offerings.certificate.trust.refresh import Refresher
from miyun.wire import oid, x509
from miyun.wire.revoked import Reason, RevokedEntry
from miyun.wire.spki import sm2_spki
from miyun.wire.x509.distribution import IssuingDistributionPoint


class Web:
    """What the pinned addresses answer; who else is asked fails the test."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Callable[[bytes], bytes] | Exception] = {}
        self.asked: list[str] = []

    async def __call__(
        self, url: str, *, method: str, body: bytes, headers: dict[str, str], max_bytes: int, timeout: float
    ) -> Fetched:
        self.asked.append(url)
        page = self.pages[url]
        if isinstance(page, Exception):
            raise page
        found = page(body) if callable(page) else page
        return Fetched(200 if found else 404, {}, found)


class Hall:
    def __init__(self, rooms: Rooms) -> None:
        rooms.clock.at = NOW
        self.rooms = rooms
        self.trust = rooms.certificate.trust
        self.outside = Outside()
        self.web = Web()
        self.store, self.held = self.trust._store, self.trust._held
        self.refresher = Refresher(
            store=self.store, held=self.held, clock=rooms.clock, fetch=self.web, nonce=lambda: b"n" * 32
        )
        self.run(self.trust.create_list, m.CreateList(name="outside"))

    def run(self, verb: Callable[..., Coroutine[Any, Any, Any]], request: Any, tenant: str = "ten_a") -> Any:
        return asyncio.run(verb(call_of(tenant, self.rooms.clock), request))

    def add(self, identity: Any, *, anchor: bool, **sources: Any) -> str:
        pem = identity.certificate.to_pem()
        request = m.AddAuthority(trust_list="outside", certificate=pem, anchor=anchor, **sources)
        return str(self.run(self.trust.add_authority, request).trust_ca)

    def judge(self, certificate: bytes | None = None, **options: Any) -> TrustVerdict:
        options = {"lists": ["outside"], "at": self.rooms.clock.now(), "purpose": "signature"} | options
        options.setdefault("level", Level.REVOCATION)
        tenant = options.pop("tenant", "ten_a")
        der = certificate or self.outside.leaf.certificate.der
        return asyncio.run(self.trust.directory.judge(tenant, der, **options))

    def upload(self, authority: str, crl: bytes) -> Any:
        return self.run(self.trust.upload_crl, m.UploadCrl(trust_ca=authority, crl=crl))


@pytest.fixture
def hall(rooms: Rooms) -> Hall:
    return Hall(rooms)


@pytest.fixture
def known(hall: Hall) -> str:
    """The outside root with a list of its own, and its issuing CA, whose identifier this is."""
    root = hall.add(hall.outside.root, anchor=True)
    hall.upload(root, hall.outside.list(by=hall.outside.root))
    return hall.add(hall.outside.issuing, anchor=False)


def codes(reasons: tuple[TrustReason, ...]) -> list[Any]:
    """Codes as a tree: a code, or (code, [children])."""
    return [(reason.code, codes(reason.children)) if reason.children else reason.code for reason in reasons]


# paths


def test_an_outside_certificate_is_trusted_by_the_list_it_is_on(hall: Hall, known: str) -> None:
    verdict = hall.judge(level=Level.CHAIN)
    assert verdict.valid and not verdict.reasons
    assert verdict.revocation == "unchecked"
    assert [x509.parse_certificate(item).subject for item in verdict.chain] == [
        hall.outside.leaf.certificate.subject,
        hall.outside.issuing.certificate.subject,
        hall.outside.root.certificate.subject,
    ]


def test_without_that_list_it_is_not(hall: Hall, known: str) -> None:
    verdict = hall.judge(lists=())
    assert not verdict.valid and verdict.chain == ()
    assert codes(verdict.reasons) == ["untrusted"]


def test_another_tenants_list_does_not_exist(hall: Hall, known: str) -> None:
    assert codes(hall.judge(tenant="ten_b").reasons) == ["no_such_list"]
    assert codes(hall.judge(tenant=None).reasons) == ["no_such_list"]


def test_an_intermediate_of_the_clients_must_itself_chain(hall: Hall) -> None:
    hall.add(hall.outside.root, anchor=True)
    issuing = hall.outside.issuing.certificate.der
    assert not hall.judge(level=Level.CHAIN).valid
    assert hall.judge(level=Level.CHAIN, extra=[issuing]).valid
    forged = make("外部签发", x509.basic_constraints(True), key=key(SM2, 21)).certificate.der
    assert not hall.judge(level=Level.CHAIN, extra=[forged]).valid
    assert hall.judge(level=Level.CHAIN, extra=[b"rubbish", issuing]).valid


def test_a_root_that_only_the_client_brings_is_not_trusted(hall: Hall) -> None:
    extra = [hall.outside.issuing.certificate.der, hall.outside.root.certificate.der]
    assert codes(hall.judge(extra=extra).reasons) == ["untrusted"]


def test_the_other_ways_that_were_tried_are_told(hall: Hall, known: str) -> None:
    old = make(
        "外部签发",
        x509.basic_constraints(True),
        x509.key_usage("keyCertSign", "cRLSign"),
        issuer=hall.outside.root,
        key=key(SM2, 21),
        serial=9,
        not_after=NOW - DAY,
    )
    hall.run(hall.trust.remove_authority, m.RefAuthority(trust_ca=known))
    impostor = make("外部签发", x509.basic_constraints(True), issuer=hall.outside.root, key=key(SM2, 24), serial=10)
    verdict = hall.judge(extra=[old.certificate.der, impostor.certificate.der])
    [reason] = verdict.reasons
    assert (reason.code, reason.subject) == ("expired", str(old.certificate.subject))
    assert "chain_signature" in codes(reason.children)
    assert reason.text.zh == "证书已过期"
    assert reason.text.en.startswith("the certificate has expired: expired on 2026-11-20")


def test_the_level_of_time_looks_at_nothing_else(hall: Hall) -> None:
    assert hall.judge(level=Level.TIME).valid
    late = hall.judge(level=Level.TIME, at=NOW + 400 * DAY)
    assert codes(late.reasons) == ["expired"]
    assert codes(hall.judge(level=Level.TIME, at=NOW - 400 * DAY).reasons) == ["not_yet_valid"]


def test_what_is_no_certificate_is_answered_too(hall: Hall) -> None:
    assert codes(hall.judge(b"0\x00").reasons) == ["unreadable"]


def test_the_purpose_is_asked_about(hall: Hall, known: str) -> None:
    assert codes(hall.judge(purpose="encryption", level=Level.CHAIN).reasons) == ["key_usage"]


# our own


def own(hall: Hall) -> tuple[int, bytes]:
    spki = sm2_spki(sm2.public_key(sm2.generate_private_key()))
    issued = asyncio.run(hall.rooms.issuer.issue("ten_a", template="person", subject={"CN": "某人"}, spki=spki, at=NOW))
    return issued.serial, issued.der


def test_our_own_authorities_are_the_default_list_and_the_register_tells(hall: Hall) -> None:
    serial, der = own(hall)
    assert hall.judge(der, lists=()).revocation == "good"
    assert hall.judge(der, lists=("platform",), level=Level.OCSP).valid
    asyncio.run(hall.rooms.issuer.revoke(serial, "superseded", NOW))
    verdict = hall.judge(der, lists=())
    assert (verdict.valid, verdict.revocation) == (False, "revoked")
    assert codes(verdict.reasons) == [("revoked", ["register"])]
    assert hall.judge(der, lists=(), at=NOW - timedelta(seconds=1)).valid, "it was good before"


def test_our_own_list_is_out_when_another_is_named(hall: Hall, known: str) -> None:
    _, der = own(hall)
    assert not hall.judge(der, lists=("outside",)).valid
    assert hall.judge(der, lists=("outside", "platform")).valid


# revocation lists


def test_a_list_that_was_uploaded_tells(hall: Hall, known: str) -> None:
    assert codes(hall.judge().reasons) == [("status_unknown", ["no_source"])]
    hall.upload(known, hall.outside.list())
    verdict = hall.judge()
    assert (verdict.valid, verdict.revocation, verdict.reasons) == (True, "good", ())
    hall.upload(known, hall.outside.list([RevokedEntry(77, NOW - DAY, Reason.KEY_COMPROMISE)], number=2))
    verdict = hall.judge()
    assert (verdict.valid, verdict.revocation) == (False, "revoked")
    assert codes(verdict.reasons) == [("revoked", ["list"])]
    assert "number 2" in verdict.reasons[0].children[0].text.en
    assert hall.judge(at=NOW - 2 * DAY).valid, "before it was revoked"


def test_a_revoked_ca_takes_what_it_signed_along(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list())
    root = next(a for a in hall.store.authorities_of("ten_a", ["outside"])["outside"] if a.anchor)
    hall.upload(root.id, hall.outside.list([RevokedEntry(2, NOW - DAY)], number=2, by=hall.outside.root))
    [reason] = hall.judge().reasons
    assert (reason.code, reason.subject) == ("revoked", str(hall.outside.issuing.certificate.subject))


def test_stale_lists_are_borne_with_as_long_as_the_caller_says(hall: Hall, known: str) -> None:
    root = next(a for a in hall.store.authorities_of("ten_a", ["outside"])["outside"] if a.anchor)
    hall.upload(root.id, hall.outside.list(number=2, by=hall.outside.root, lifetime=100 * DAY))
    hall.upload(known, hall.outside.list(at=NOW - 2 * DAY))
    strict = hall.judge()
    assert (strict.valid, strict.revocation, codes(strict.reasons)) == (False, "stale", [("status_stale", ["list"])])
    lenient = hall.judge(stale=timedelta(hours=25))
    assert (lenient.valid, lenient.revocation, lenient.reasons) == (True, "stale", ())
    assert not hall.judge(stale=timedelta(hours=23)).valid
    assert hall.judge(at=NOW - 30 * timedelta(hours=1)).revocation == "good", "it was fresh then"


def test_what_is_revoked_on_a_stale_list_is_revoked(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list([RevokedEntry(77, NOW - 3 * DAY)], at=NOW - 2 * DAY))
    assert hall.judge(stale=timedelta(days=30)).revocation == "revoked"


def test_a_list_made_after_the_certificate_expired_tells_nothing(hall: Hall, known: str) -> None:
    gone = hall.outside.certify("旧", serial=78, not_after=NOW - 10 * DAY).certificate.der
    hall.upload(known, hall.outside.list())
    verdict = hall.judge(gone, at=NOW - 11 * DAY)
    assert codes(verdict.reasons) == [("status_unknown", ["not_covered"])]


def test_a_delta_list_goes_with_its_base(hall: Hall, known: str) -> None:
    held = RevokedEntry(90, NOW - DAY, Reason.CERTIFICATE_HOLD)
    hall.upload(known, hall.outside.list([held], number=10))
    released = RevokedEntry(90, NOW - DAY, Reason.REMOVE_FROM_CRL)
    fresh = RevokedEntry(77, NOW - timedelta(minutes=30))
    other = hall.outside.certify("王五", serial=90).certificate.der
    assert hall.judge(other).revocation == "revoked"
    made = hall.upload(known, hall.outside.list([released, fresh], number=12, base=9))
    assert made.kind == "delta"
    assert hall.judge(other).revocation == "good", "taken off again"
    assert hall.judge().revocation == "revoked", "only the delta names it"


def test_a_delta_list_of_another_base_is_not_used(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list(number=10))
    hall.upload(known, hall.outside.list([RevokedEntry(77, NOW - DAY)], number=20, base=11))
    assert hall.judge().revocation == "good"


def test_a_partitioned_list_speaks_of_its_part_only(hall: Hall, known: str) -> None:
    mine = hall.outside.certify("甲", x509.crl_distribution_points(["http://ca.example/3.crl"]), serial=80)
    hall.upload(known, hall.outside.list(point=IssuingDistributionPoint(("http://ca.example/3.crl",))))
    assert hall.judge(mine.certificate.der).valid
    assert codes(hall.judge().reasons) == [("status_unknown", ["not_covered"])]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda o: o.list(signed_by=key(SM2, 29)), "not signed by this authority"),
        (lambda o: o.list(by=o.root), "issued under another name"),
        (lambda o: o.list(at=NOW + DAY), "made in the future"),
        (lambda o: o.list(number=4), "older than the list that is held"),
        (lambda o: o.list(number=6, point=IssuingDistributionPoint(attribute_only=True)), "attribute certificates"),
    ],
)
def test_a_list_that_is_not_the_authoritys_newest_is_not_taken(
    hall: Hall, known: str, wrong: Callable[[Outside], bytes], why: str
) -> None:
    hall.upload(known, hall.outside.list([RevokedEntry(77, NOW - DAY)], number=5))
    with pytest.raises(InvalidArgument, match=why):
        hall.upload(known, wrong(hall.outside))
    assert hall.judge().revocation == "revoked", "what was held stands"


def test_what_is_no_list_is_named(hall: Hall, known: str) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        hall.upload(known, b"0\x03\x02\x01\x00")


def test_a_list_of_many_pages_is_searched(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list([RevokedEntry(1000 + 3 * n, NOW - DAY) for n in range(2000)]))
    for serial, revoked in ((1000, True), (1000 + 3 * 1999, True), (1000 + 3 * 700 + 1, False), (999, False)):
        leaf = hall.outside.certify("丙", serial=serial).certificate.der
        assert (hall.judge(leaf).revocation == "revoked") is revoked
    hall.upload(known, hall.outside.list(number=2))
    assert hall.judge(hall.outside.certify("丙", serial=1000).certificate.der).valid
    asyncio.run(hall.refresher.sweep())
    assert hall.held.sweep(written_before=NOW, asked_before=NOW) == 0, "the former list's pages are gone"


# fetching


def test_a_pinned_list_is_fetched_when_due(hall: Hall) -> None:
    hall.add(hall.outside.root, anchor=True, crl_url="http://ca.example/root.crl")
    authority = hall.add(hall.outside.issuing, anchor=False, crl_url="http://ca.example/1.crl")
    assert codes(hall.judge().reasons) == [("status_unknown", ["not_fetched"])] * 2
    hall.web.pages = {
        "http://ca.example/root.crl": hall.outside.list(by=hall.outside.root),
        "http://ca.example/1.crl": hall.outside.list(),
    }
    asyncio.run(hall.refresher.lists())
    assert hall.judge().valid
    asyncio.run(hall.refresher.lists())
    assert len(hall.web.asked) == 2, "not again so soon"
    hall.rooms.clock.advance(hours=2)
    hall.web.pages["http://ca.example/1.crl"] = hall.outside.list([RevokedEntry(77, NOW)], number=2, at=NOW)
    asyncio.run(hall.refresher.lists())
    assert hall.judge().revocation == "revoked"
    [shown] = [
        item
        for item in hall.run(hall.trust.list_authorities, m.ListAuthorities(trust_list="outside")).items
        if item.trust_ca == authority
    ]
    assert (shown.lists[0].number, shown.lists[0].source, shown.problem) == ("2", "http://ca.example/1.crl", "")


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b"", "HTTP status 404"),
        (b"<html>", "expected tag"),
        (OutboundFailed("ca.example", "dns", Text("解析失败", "its name cannot be resolved")), "cannot be resolved"),
    ],
)
def test_why_a_list_was_not_obtained_is_shown(hall: Hall, page: Any, problem: str) -> None:
    hall.add(hall.outside.issuing, anchor=False, crl_url="http://ca.example/1.crl")
    hall.web.pages = {"http://ca.example/1.crl": page}
    asyncio.run(hall.refresher.lists())
    [shown] = hall.run(hall.trust.list_authorities, m.ListAuthorities(trust_list="outside")).items
    assert problem in shown.problem
    asyncio.run(hall.refresher.lists())
    assert len(hall.web.asked) == 1
    hall.rooms.clock.advance(minutes=6)
    asyncio.run(hall.refresher.lists())
    assert len(hall.web.asked) == 2, "tried again after a while"


def test_no_address_of_a_certificate_is_ever_asked(hall: Hall, known: str) -> None:
    """Nothing is pinned: whatever the certificate names, nobody is asked."""
    traps = (
        x509.crl_distribution_points(["http://evil.example/x.crl"]),
        x509.authority_info_access(ocsp=["http://evil.example/o"], ca_issuers=["http://evil.example/ca"]),
    )
    leaf = hall.outside.certify("陷阱", *traps, serial=81).certificate.der
    for level in Level:
        hall.judge(leaf, level=level)
    asyncio.run(hall.refresher.lists())
    asyncio.run(hall.refresher.answers())
    assert hall.web.asked == []


# OCSP


def ask(hall: Hall, **options: Any) -> TrustVerdict:
    """A verdict at the level of OCSP with the jobs process at work."""

    async def both() -> TrustVerdict:
        done = asyncio.Event()

        async def jobs() -> None:
            while not done.is_set():
                await hall.refresher.answers()
                await asyncio.sleep(0.02)

        task = asyncio.create_task(jobs())
        try:
            return await hall.trust.directory.judge(
                "ten_a",
                options.pop("certificate", hall.outside.leaf.certificate.der),
                lists=["outside"],
                at=hall.rooms.clock.now(),
                purpose="signature",
                level=Level.OCSP,
                **options,
            )
        finally:
            done.set()
            await task

    return asyncio.run(both())


RESPONDER = "http://ocsp.example/"


@pytest.fixture
def online(hall: Hall) -> Hall:
    root = hall.add(hall.outside.root, anchor=True)
    hall.upload(root, hall.outside.list(by=hall.outside.root))
    hall.add(hall.outside.issuing, anchor=False, ocsp_url=RESPONDER, ocsp_nonce=True)
    hall.web.pages = {RESPONDER: hall.outside.answer}
    return hall


def test_the_responder_is_asked_once_while_its_answer_holds(online: Hall) -> None:
    verdict = ask(online)
    assert (verdict.valid, verdict.revocation) == (True, "good")
    assert ask(online).valid
    assert online.web.asked == [RESPONDER]
    online.rooms.clock.advance(hours=25)
    root = next(a for a in online.store.authorities_of("ten_a", ["outside"])["outside"] if a.anchor)
    online.upload(root.id, online.outside.list(number=2, by=online.outside.root, lifetime=100 * DAY))
    later = online.rooms.clock.now()
    online.web.pages[RESPONDER] = lambda body: online.outside.answer(
        body, at=later, revoked_at=NOW + timedelta(hours=1), next_update=later + DAY
    )
    verdict = ask(online)
    assert codes(verdict.reasons) == [("revoked", ["ocsp"])]


def test_a_delegated_responder_answers(online: Hall) -> None:
    good = online.outside.delegate(x509.ext_key_usage(oid.KP_OCSP_SIGNING), x509.ocsp_nocheck())
    online.web.pages[RESPONDER] = lambda body: online.outside.answer(body, delegate=good)
    assert ask(online).valid


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda o, body: o.answer(body, delegate=o.delegate()), "not authorised"),
        (lambda o, body: o.answer(body, nonce=False), "another nonce"),
        (lambda o, body: o.answer(body, at=NOW - 3 * DAY, next_update=NOW - 2 * DAY), "out of date"),
        (lambda o, body: o.answer(body, at=NOW - 3 * DAY, next_update=None), "old"),
        (lambda o, body: o.answer(body).replace(b"\x80\x00\x18", b"\x82\x00\x18"), "signature"),
        (lambda o, body: b"", "HTTP status 404"),
        (lambda o, body: bytes.fromhex("30030a0103"), "try_later"),
    ],
)
def test_an_answer_that_is_none_leaves_the_status_unknown(
    online: Hall, answer: Callable[[Outside, bytes], bytes], why: str
) -> None:
    online.web.pages[RESPONDER] = lambda body: answer(online.outside, body)
    verdict = ask(online)
    assert (verdict.valid, verdict.revocation) == (False, "unknown")
    assert codes(verdict.reasons) == [("status_unknown", ["ocsp_unavailable"])]
    assert why in verdict.reasons[0].children[0].detail
    assert ask(online).revocation == "unknown"
    assert len(online.web.asked) == 1, "a responder that failed is not asked again at once"


def test_a_certificate_that_the_responder_does_not_know(online: Hall) -> None:
    online.web.pages[RESPONDER] = lambda body: online.outside.answer(body, known=False)
    assert codes(ask(online).reasons) == [("status_unknown", ["ocsp"])]


def test_without_a_responder_the_level_of_ocsp_is_not_reached(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list())
    assert codes(ask(hall).reasons) == [("status_unknown", ["no_responder"])]


def test_a_responder_stands_in_where_no_list_is_held(online: Hall) -> None:
    async def both() -> TrustVerdict:
        judged = asyncio.create_task(
            online.trust.directory.judge(
                "ten_a",
                online.outside.leaf.certificate.der,
                lists=["outside"],
                at=NOW,
                purpose="",
                level=Level.REVOCATION,
            )
        )
        while not judged.done():
            await online.refresher.answers()
            await asyncio.sleep(0.02)
        return await judged

    assert asyncio.run(both()).valid


@pytest.mark.parametrize("algorithm", [ECDSA, RSA], ids=lambda a: a.name)
def test_international_authorities_do_as_well(hall: Hall, algorithm: Any) -> None:
    hall.outside = Outside(algorithm)
    root = hall.add(hall.outside.root, anchor=True)
    hall.upload(root, hall.outside.list(by=hall.outside.root))
    hall.add(hall.outside.issuing, anchor=False, ocsp_url=RESPONDER)
    hall.web.pages = {RESPONDER: hall.outside.answer}
    assert ask(hall).valid


# keeping lists


def test_only_a_cas_certificate_can_be_trusted(hall: Hall) -> None:
    with pytest.raises(InvalidArgument, match="not a CA"):
        hall.add(hall.outside.leaf, anchor=True)
    forged = make("假根", x509.basic_constraints(True), key=key(SM2, 30), sign=key(SM2, 31).sign)
    with pytest.raises(InvalidArgument, match="own signature"):
        hall.add(forged, anchor=True)


@pytest.mark.parametrize("url", ["ldap://a/b", "file:///etc/passwd", "http://u:p@a/", "https://", "http://0177.1/x"])
def test_an_address_that_cannot_be_asked_is_refused(hall: Hall, url: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        hall.add(hall.outside.root, anchor=True, ocsp_url=url)
    assert refused.value.field == "ocsp_url"


def test_names_are_taken_once_and_ours_never(hall: Hall) -> None:
    with pytest.raises(AlreadyExists):
        hall.run(hall.trust.create_list, m.CreateList(name="outside"))
    hall.run(hall.trust.create_list, m.CreateList(name="outside"), tenant="ten_b")
    hall.add(hall.outside.root, anchor=True)
    with pytest.raises(AlreadyExists):
        hall.add(hall.outside.root, anchor=False)


def test_lists_are_limited(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyun.offerings.certificate.trust.service.MAX_LISTS", 1)
    with pytest.raises(FailedPrecondition):
        hall.run(hall.trust.create_list, m.CreateList(name="more"))


def test_a_list_that_is_removed_trusts_nobody(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list())
    with pytest.raises(NotFound):
        hall.run(hall.trust.remove_list, m.RefList(trust_list="outside"), tenant="ten_b")
    hall.run(hall.trust.remove_list, m.RefList(trust_list="outside"))
    assert codes(hall.judge().reasons) == ["no_such_list"]
    with pytest.raises(NotFound):
        hall.upload(known, hall.outside.list())


def test_authorities_are_paged_sorted_and_exported(hall: Hall) -> None:
    for number, name in enumerate(("丙", "甲", "乙")):
        hall.add(make(name, x509.basic_constraints(True), key=key(SM2, 40 + number)), anchor=True)
    for sort in ("subject", "-subject", "not_after", ""):
        seen: list[str] = []
        cursor = None
        while True:
            request = m.ListAuthorities(trust_list="outside", sort=sort, limit=2, cursor=cursor)
            page = hall.run(hall.trust.list_authorities, request)
            seen += [item.subject for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 3
        if "subject" in sort:
            assert seen == sorted(seen, reverse=sort.startswith("-"))

    async def exported() -> bytes:
        request = m.ExportAuthorities(trust_list="outside", text="甲", format="jsonl")
        made: Download = await hall.trust.export_authorities(call_of("ten_a", hall.rooms.clock), request)
        return b"".join([chunk async for chunk in made.chunks])

    assert asyncio.run(exported()).decode().count("甲") == 1


def test_the_operation_answers_a_tree(hall: Hall, known: str) -> None:
    hall.upload(known, hall.outside.list([RevokedEntry(77, NOW - DAY)]))
    request = m.JudgeRequest(certificate=hall.outside.leaf.certificate.to_pem(), lists=["outside"], purpose="signature")
    view = hall.run(hall.trust.judge, request)
    assert (view.valid, view.revocation) == (False, "revoked")
    assert view.reasons[0].zh == "证书已吊销"
    assert view.reasons[0].children[0].zh == "依据吊销列表"
    assert len(view.chain) == 3
