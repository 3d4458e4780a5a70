"""Orders of the ACME server (RFC 8555 7.4 to 7.6, RFC 9773): what is proven is issued, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from joserfc.jwk import ECKey
from tests.rooms import rooms_in
from tests.unit.offerings.ssl_certificate.desk import BASE, OTHER_TENANT, Answer, Desk, Holder, csr

from miyun.gm import intl
from miyun.offerings.ssl_certificate.errors import AcmeRateLimited
from miyun.offerings.ssl_certificate.model import KEEP_ORDERS
from miyun.wire import base64url
from miyun.wire.acme import CertificateId, dns_value, parse_certificate_id
from miyun.wire.x509 import Certificate, load_certificates

NAME = "www.example.cn"


def certificate_of(holder: Holder, order: Answer) -> Certificate:
    return load_certificates(holder.post(order.json["certificate"]).body.decode())[0]


def revocation(certificate: Certificate, **more: object) -> dict[str, object]:
    return {"certificate": base64url.encode(certificate.der), **more}


def test_what_is_proven_is_issued(desk: Desk, holder: Holder) -> None:
    order = holder.order(NAME, "Mail.Example.CN")
    assert order.status == 201 and order.json["status"] == "pending"
    assert {item["value"] for item in order.json["identifiers"]} == {NAME, "mail.example.cn"}
    holder.prove(order)
    assert holder.post(order.headers["location"]).json["status"] == "ready"
    done = holder.post(order.json["finalize"], {"csr": csr(NAME, "mail.example.cn", common_name=NAME)})
    assert done.json["status"] == "valid"
    chain = load_certificates(holder.post(done.json["certificate"]).body.decode())
    assert [str(item.value) for item in chain[0].subject_alt_names] == [NAME, "mail.example.cn"]
    assert len(chain) == 2 and chain[0].issuer.matches(chain[1].subject)
    operations = list(desk.rooms.ledger.operations())
    assert operations.count("ssl_certificate.acme.validated") == 2


def test_nothing_is_issued_before_every_name_is_proven(desk: Desk, holder: Holder) -> None:
    order = holder.order(NAME, "other.example.cn")
    refused = holder.post(order.json["finalize"], {"csr": csr(NAME, "other.example.cn")})
    assert (refused.status, refused.error) == (403, "orderNotReady")
    holder.prove(Answer(201, {}, json.dumps({"authorizations": order.json["authorizations"][:1]}).encode()))
    assert holder.post(order.json["finalize"], {"csr": csr(NAME, "other.example.cn")}).error == "orderNotReady"
    assert not [e for e in desk.rooms.ledger.entries if e.operation == "certificate.issue" and e.tenant == "ten_a"]


def test_a_wrong_answer_ends_the_order(desk: Desk, holder: Holder) -> None:
    order = holder.order(NAME)
    desk.zone.records[f"_acme-challenge.{NAME}"] = ["wrong"]
    challenge = dns_challenge(holder, order)
    holder.post(challenge["url"], {})
    desk.validate()
    failed = holder.post(challenge["url"]).json
    assert failed["status"] == "invalid" and failed["error"]["type"].endswith(":incorrectResponse")
    assert holder.post(order.json["authorizations"][0]).json["status"] == "invalid"
    ended = holder.post(order.headers["location"]).json
    assert ended["status"] == "invalid" and "error" in ended
    assert holder.post(challenge["url"], {}).error == "malformed"


def dns_challenge(holder: Holder, order: Answer) -> Any:
    authorization = holder.post(order.json["authorizations"][0]).json
    return next(challenge for challenge in authorization["challenges"] if challenge["type"] == "dns-01")


def test_another_accounts_answer_proves_nothing(desk: Desk, holder: Holder) -> None:
    """The key authorization holds the account's key."""
    challenge = dns_challenge(holder, holder.order(NAME))
    value = dns_value(f"{challenge['token']}.{desk.holder().key.thumbprint()}")
    desk.zone.records[f"_acme-challenge.{NAME}"] = [value]
    holder.post(challenge["url"], {})
    desk.validate()
    assert holder.post(challenge["url"]).json["status"] == "invalid"


def test_a_record_that_is_not_there_yet_is_asked_for_again(desk: Desk, holder: Holder) -> None:
    order = holder.order(NAME)
    challenge = next(
        c for c in holder.post(order.json["authorizations"][0]).json["challenges"] if c["type"] == "dns-01"
    )
    holder.post(challenge["url"], {})
    for _ in range(2):
        desk.validate()
        assert holder.post(challenge["url"]).json["status"] == "processing"
        desk.clock.advance(seconds=5)
    desk.validate()
    assert holder.post(challenge["url"]).json["error"]["type"].endswith(":dns")


def test_names_that_do_not_answer_keep_no_other_tenant_waiting(
    desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        order = holder.order(*(f"a{number}{other}.example.cn" for other in range(20)))
        for address in order.json["authorizations"]:
            challenge = next(c for c in holder.post(address).json["challenges"] if c["type"] == "dns-01")
            holder.post(challenge["url"], {})
    neighbour = desk.holder(OTHER_TENANT)
    wanted = neighbour.order(NAME)
    challenge = dns_challenge(neighbour, wanted)
    neighbour.post(challenge["url"], {})
    asked: list[str] = []

    async def scene() -> None:
        met, over = asyncio.Event(), asyncio.Event()

        async def txt(name: str) -> list[str]:
            asked.append(name)
            if name == f"_acme-challenge.{NAME}":
                met.set()
            else:
                await over.wait()
            return []

        monkeypatch.setattr(desk.zone, "txt", txt)
        running = asyncio.create_task(desk.service.acme.validation.run_due())
        await met.wait()
        assert len(asked) <= 9, "eight of the one tenant at most, while none of them answers"
        over.set()
        await running

    asyncio.run(scene())
    assert len(asked) == 61


def test_a_wildcard_is_proven_in_the_dns_only(holder: Holder) -> None:
    order = holder.order("*.example.cn")
    authorization = holder.post(order.json["authorizations"][0]).json
    assert authorization["wildcard"] is True and authorization["identifier"]["value"] == "example.cn"
    assert [challenge["type"] for challenge in authorization["challenges"]] == ["dns-01"]
    done = holder.obtain("*.example.org", "example.org")
    assert done.json["status"] == "valid"


@pytest.mark.parametrize(
    ("identifier", "error"),
    [
        ({"type": "dns", "value": "localhost"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "a..example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "a_b.example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "*.*.example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "10.0.0.1"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "密.example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "www.example.cn."}, "rejectedIdentifier"),
        ({"type": "dns", "value": "gov.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "*.co.uk"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "ab--cd.example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "xn--a.example.cn"}, "rejectedIdentifier"),
        ({"type": "dns", "value": "xn--.example.cn"}, "rejectedIdentifier"),
        ({"type": "ip", "value": "999.0.0.1"}, "rejectedIdentifier"),
        ({"type": "ip", "value": "fe80::1%eth0"}, "rejectedIdentifier"),
        ({"type": "ip", "value": "::ffff:10.0.0.1"}, "rejectedIdentifier"),
        ({"type": "email", "value": "a@example.cn"}, "unsupportedIdentifier"),
    ],
)
def test_a_name_that_is_none_is_refused(holder: Holder, identifier: dict[str, str], error: str) -> None:
    good = {"type": "dns", "value": NAME}
    refused = holder.post(f"{BASE}/acme/new-order", {"identifiers": [good, identifier]})
    assert refused.error == error and [item["identifier"] for item in refused.json["subproblems"]] == [identifier]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"identifiers": []}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": f"a{n}.cn"} for n in range(101)]}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "profile": "gold"}, "invalidProfile"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "notAfter": "2030-01-01T00:00:00Z"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "notAfter": "2026-03-02T08:30:00Z"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "notBefore": "2026-03-05T00:00:00Z"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "notAfter": "2026-04-01"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "notAfter": "9999-12-31T23:59:59-23:00"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "replaces": "x"}, "malformed"),
        ({"identifiers": [{"type": "dns", "value": NAME}], "replaces": "AAAA.AQ"}, "unauthorized"),
        ({}, "malformed"),
        ([], "malformed"),
    ],
)
def test_an_order_that_is_none_is_refused(holder: Holder, payload: object, error: str) -> None:
    assert holder.post(f"{BASE}/acme/new-order", payload).error == error


class TestCsr:
    @pytest.fixture
    def ready(self, holder: Holder) -> Answer:
        order = holder.order(NAME)
        holder.prove(order)
        return order

    @pytest.mark.parametrize(
        "request_of",
        [
            lambda: csr("other.example.cn"),
            lambda: csr(NAME, "other.example.cn"),
            lambda: csr(NAME, common_name="other.example.cn"),
            lambda: csr(),
            lambda: csr(NAME, broken=True),
            lambda: "AAAA",
            lambda: "not base64url!",
        ],
    )
    def test_one_that_does_not_fit_issues_nothing(self, holder: Holder, ready: Answer, request_of: Any) -> None:
        assert holder.post(ready.json["finalize"], {"csr": request_of()}).error == "badCSR"
        assert holder.post(ready.headers["location"]).json["status"] == "ready"
        assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).json["status"] == "valid"

    def test_the_accounts_own_key_is_not_certified(self, desk: Desk, ready: Answer) -> None:
        secret = intl.ecdsa_p256_generate()
        key = ECKey.import_key(_pem(secret))
        holder = Holder(desk, key)
        holder.register(*desk.external_key())
        order = holder.order(NAME)
        holder.prove(order)
        assert holder.post(order.json["finalize"], {"csr": csr(NAME, secret=secret)}).error == "badPublicKey"

    def test_a_certificate_is_issued_once(self, holder: Holder, ready: Answer) -> None:
        assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).json["status"] == "valid"
        assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).error == "orderNotReady"


def _pem(secret: bytes) -> str:
    key = load_der_private_key(secret, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_accounts_do_not_reach_one_anothers_orders(desk: Desk, holder: Holder) -> None:
    order = holder.obtain(NAME)
    authorization = holder.post(order.json["authorizations"][0]).json
    addresses = [order.headers["location"], order.json["authorizations"][0], order.json["certificate"]]
    addresses += [challenge["url"] for challenge in authorization["challenges"]]
    certificate = certificate_of(holder, order)
    for stranger in (desk.holder(), desk.holder(OTHER_TENANT)):
        for address in addresses:
            assert stranger.post(address).status == 404
        assert stranger.post(order.json["finalize"], {"csr": csr(NAME)}).status == 404
        assert stranger.post(f"{BASE}/acme/revoke-cert", revocation(certificate)).error == "unauthorized"
        identifier = str(CertificateId.of(certificate))
        assert stranger.order(NAME, replaces=identifier).error == "unauthorized"


def test_names_that_are_too_long_for_a_common_name_are_certified_without(holder: Holder) -> None:
    name = f"{'a' * 60}.example.cn"
    certificate = certificate_of(holder, holder.obtain(name))
    assert certificate.subject.get("CN") is None
    assert [item.value for item in certificate.subject_alt_names] == [name]


def test_a_certificate_has_the_dates_that_were_asked_for(desk: Desk, holder: Holder) -> None:
    begin, end = desk.clock.now() + timedelta(days=1), desk.clock.now() + timedelta(days=10)
    more = {"notBefore": begin.isoformat(), "notAfter": end.isoformat().replace("+00:00", "Z")}
    done = holder.obtain(NAME, **more)
    assert done.json["notBefore"] == "2026-03-03T08:30:00Z" and done.json["notAfter"] == "2026-03-12T08:30:00Z"
    certificate = certificate_of(holder, done)
    assert (certificate.not_before, certificate.not_after) == (begin, end)
    late = holder.order(NAME, notBefore=desk.clock.now().isoformat(), notAfter=end.isoformat())
    holder.prove(late)
    desk.clock.advance(days=2)
    certificate = certificate_of(holder, holder.post(late.json["finalize"], {"csr": csr(NAME)}))
    assert desk.clock.now() - certificate.not_before < timedelta(minutes=6), "not dated back"
    assert certificate.not_after == end


def test_giving_up_an_authorization_ends_the_order(holder: Holder) -> None:
    order = holder.order(NAME)
    given = holder.post(order.json["authorizations"][0], {"status": "deactivated"})
    assert given.json["status"] == "deactivated"
    assert holder.post(order.headers["location"]).json["status"] == "invalid"


def test_an_order_expires(desk: Desk, holder: Holder) -> None:
    order = holder.order(NAME)
    holder.prove(order)
    desk.clock.advance(days=7)
    assert holder.post(order.headers["location"]).json["status"] == "invalid"
    assert holder.post(order.json["authorizations"][0]).json["status"] == "expired"
    assert holder.post(order.json["finalize"], {"csr": csr(NAME)}).error == "orderNotReady"


class TestRevocation:
    ADDRESS = f"{BASE}/acme/revoke-cert"

    def test_by_the_account(self, desk: Desk, holder: Holder) -> None:
        certificate = certificate_of(holder, holder.obtain(NAME))
        assert holder.post(self.ADDRESS, revocation(certificate, reason=2)).error == "badRevocationReason"
        assert not asyncio.run(desk.rooms.issuer.is_revoked(certificate.serial))
        assert holder.post(self.ADDRESS, revocation(certificate, reason=4)).status == 200
        assert asyncio.run(desk.rooms.issuer.is_revoked(certificate.serial))
        assert holder.post(self.ADDRESS, revocation(certificate)).error == "alreadyRevoked"

    def test_by_the_certificates_own_key(self, desk: Desk, holder: Holder) -> None:
        secret = intl.ecdsa_p256_generate()
        order = holder.order(NAME)
        holder.prove(order)
        done = holder.post(order.json["finalize"], {"csr": csr(NAME, secret=secret)})
        certificate = certificate_of(holder, done)
        stranger = Holder(desk)
        assert stranger.post(self.ADDRESS, revocation(certificate)).error == "unauthorized"
        bearer = Holder(desk, ECKey.import_key(_pem(secret)))
        assert bearer.post(self.ADDRESS, revocation(certificate, reason=1)).status == 200

    def test_by_the_certificates_own_key_after_its_account_ended(self, desk: Desk, holder: Holder) -> None:
        secret = intl.ecdsa_p256_generate()
        order = holder.order(NAME)
        holder.prove(order)
        done = holder.post(order.json["finalize"], {"csr": csr(NAME, secret=secret)})
        certificate = certificate_of(holder, done)
        holder.post(holder.kid, {"status": "deactivated"})
        bearer = Holder(desk, ECKey.import_key(_pem(secret)))
        assert bearer.post(self.ADDRESS, revocation(certificate, reason=1)).status == 200

    def test_by_another_account_that_has_proven_all_of_its_names(self, desk: Desk, holder: Holder) -> None:
        """RFC 8555 7.6. It knows nothing of the key."""
        names = ("*.example.org", "example.org")
        certificate = certificate_of(holder, holder.obtain(*names))
        other = desk.holder(OTHER_TENANT)
        other.prove(other.order("example.org"))
        assert other.post(self.ADDRESS, revocation(certificate)).error == "unauthorized", "one name is missing"
        other.prove(other.order("*.example.org"))
        desk.clock.advance(days=7)
        assert other.post(self.ADDRESS, revocation(certificate)).error == "unauthorized", "that was long ago"
        other.prove(other.order(*names))
        assert other.post(self.ADDRESS, revocation(certificate, reason=1)).status == 200
        found = desk.rooms.certificate.registered(certificate.serial)
        assert found is not None and found.reason == "cessation_of_operation"

    def test_what_was_revoked_elsewhere_is_revoked_already(self, desk: Desk, holder: Holder) -> None:
        certificate = certificate_of(holder, holder.obtain(NAME))
        asyncio.run(desk.rooms.issuer.revoke(certificate.serial, "superseded", desk.clock.now()))
        assert holder.post(self.ADDRESS, revocation(certificate)).error == "alreadyRevoked"

    def test_of_what_is_none_of_ours(self, desk: Desk, holder: Holder) -> None:
        [anchor, *_] = asyncio.run(desk.rooms.issuer.intermediates())
        assert holder.post(self.ADDRESS, {"certificate": base64url.encode(anchor)}).error == "unauthorized"
        assert holder.post(self.ADDRESS, {"certificate": "AAAA"}).error == "malformed"


class TestRenewal:
    def window(self, desk: Desk, certificate: Certificate) -> Any:
        found = desk.ask("GET", f"{BASE}/acme/renewal-info/{CertificateId.of(certificate)}")
        assert found.status == 200 and int(found.headers["retry-after"]) > 0
        return found.json["suggestedWindow"]

    def test_the_window_is_in_the_last_third(self, desk: Desk, holder: Holder) -> None:
        certificate = certificate_of(holder, holder.obtain(NAME))
        window = self.window(desk, certificate)
        life = certificate.not_after - certificate.not_before
        assert window["start"] == (certificate.not_after - life / 3).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert window["start"] < window["end"] < certificate.not_after.isoformat()

    def test_what_is_revoked_is_renewed_at_once(self, desk: Desk, holder: Holder) -> None:
        certificate = certificate_of(holder, holder.obtain(NAME))
        holder.post(f"{BASE}/acme/revoke-cert", revocation(certificate))
        assert self.window(desk, certificate)["end"] < desk.clock.now().isoformat()

    def test_an_order_says_what_it_replaces_once(self, desk: Desk, holder: Holder) -> None:
        certificate = certificate_of(holder, holder.obtain(NAME))
        identifier = str(CertificateId.of(certificate))
        assert holder.order("other.example.cn", replaces=identifier).error == "malformed"
        assert holder.obtain(NAME, replaces=identifier).json["replaces"] == identifier
        refused = holder.order(NAME, replaces=identifier)
        assert (refused.status, refused.error) == (409, "alreadyReplaced")

    @pytest.mark.parametrize("identifier", ["AAAA.AQ", "AAAA", "....", "AAAA.AAE", "AAAA.gQ"])
    def test_of_what_is_none_of_ours(self, desk: Desk, identifier: str) -> None:
        assert desk.ask("GET", f"{BASE}/acme/renewal-info/{identifier}").status in (400, 404)

    def test_the_example_of_the_rfc_is_read(self) -> None:
        read = parse_certificate_id("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")  # RFC 9773 4.1
        assert (read.authority.hex(), read.serial) == ("69885b6b87464041e1b37b847ba0ae2cde01c8d4", 0x87654321)
        assert str(read) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


class TestLimits:
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        return Desk(rooms_in(tmp_path))

    def test_new_orders(self, desk: Desk) -> None:
        holder = desk.holder()
        holder.desk = desk = desk.with_limits(orders=2)
        assert holder.order("a.example.cn").status == 201
        desk.clock.advance(hours=1)
        assert holder.order("b.example.cn").status == 201
        refused = holder.order("c.example.cn")
        assert (refused.status, refused.error) == (429, "rateLimited")
        desk.clock.advance(hours=2)
        assert holder.order("c.example.cn").status == 201

    def test_the_time_to_come_back_is_told(self, desk: Desk) -> None:
        holder = desk.holder()
        holder.desk = desk = desk.with_limits(orders=1)
        holder.order("a.example.cn")
        desk.clock.advance(hours=1)
        with pytest.raises(AcmeRateLimited) as caught:
            desk.service.acme.orders._limits.check_order(holder.kid.rpartition("/")[2], desk.clock.now())
        assert caught.value.retry_after == 2 * 3600

    def test_open_orders(self, desk: Desk) -> None:
        holder = desk.holder()
        holder.desk = desk.with_limits(pending=1)
        order = holder.order(NAME)
        assert holder.order("b.example.cn").error == "rateLimited"
        holder.prove(order)
        holder.post(order.json["finalize"], {"csr": csr(NAME)})
        assert holder.order("b.example.cn").status == 201

    def test_failed_validations(self, desk: Desk) -> None:
        holder = desk.holder()
        holder.desk = desk = desk.with_limits(failures=1)
        desk.zone.records[f"_acme-challenge.{NAME}"] = ["wrong"]
        order = holder.order(NAME)
        holder.post(dns_challenge(holder, order)["url"], {})
        desk.validate()
        assert holder.order(NAME).error == "rateLimited" and holder.order("b.example.cn").status == 201
        desk.clock.advance(hours=1, seconds=1)
        assert holder.order(NAME).status == 201

    def test_certificates_of_the_same_names_and_of_a_domain(self, desk: Desk) -> None:
        holder = desk.holder()
        holder.desk = desk.with_limits(duplicates=1, domain=2)
        first = certificate_of(holder, holder.obtain(NAME))
        assert holder.order(NAME).error == "rateLimited"
        renewed = holder.obtain(NAME, replaces=str(CertificateId.of(first)))  # renewing does not count
        assert renewed.json["status"] == "valid"
        assert holder.obtain("mail.example.cn").json["status"] == "valid"
        assert holder.order("third.example.cn").error == "rateLimited"
        assert holder.order("third.example2.cn").status == 201
        other = desk.holder(OTHER_TENANT)
        other.desk = holder.desk
        assert other.order("third.example.cn").status == 201

    def test_what_was_ordered_before_others_were_finished(self, desk: Desk) -> None:
        holder = Holder(desk.with_limits(duplicates=1))
        holder.register(*desk.external_key())
        orders = [holder.order(NAME) for _ in range(2)]
        for order in orders:
            holder.prove(order)
        finished = [holder.post(order.json["finalize"], {"csr": csr(NAME)}) for order in orders]
        assert finished[0].json["status"] == "valid" and finished[1].error == "rateLimited"
        assert holder.post(orders[1].headers["location"]).json["status"] == "ready", "for when its time has come"

    def test_a_replacement_counts_for_what_it_does_not_replace(self, desk: Desk) -> None:
        """One certificate is replaced once, whatever was ordered in its place, and by its own names."""
        holder = Holder(desk.with_limits(domain=1))
        holder.register(*desk.external_key())
        identifier = str(CertificateId.of(certificate_of(holder, holder.obtain(NAME))))
        orders = [holder.order(NAME, replaces=identifier) for _ in range(2)]
        for order in orders:
            holder.prove(order)
        finished = [holder.post(order.json["finalize"], {"csr": csr(NAME)}) for order in orders]
        assert finished[0].json["status"] == "valid" and finished[1].error == "rateLimited"
        names = (NAME, "www.example.org")
        desk.clock.advance(days=8)
        identifier = str(CertificateId.of(certificate_of(holder, holder.obtain(NAME))))
        assert holder.obtain(*names, replaces=identifier).json["status"] == "valid"
        assert holder.order("ftp.example.org").error == "rateLimited"

    def test_accounts_of_a_key(self, desk: Desk) -> None:
        key = desk.external_key()
        desk = desk.with_limits(accounts=1)
        assert Holder(desk).register(*key).status == 201
        assert Holder(desk).register(*key).error == "rateLimited"


def test_old_orders_are_forgotten_and_certificates_stay(desk: Desk, holder: Holder) -> None:
    order = holder.obtain(NAME)
    certificate = certificate_of(holder, order)
    desk.clock.advance(days=7, seconds=1)
    desk.clock.at += KEEP_ORDERS
    young = holder.order("young.example.cn")
    asyncio.run(desk.service.acme.validation.sweep())
    assert holder.post(order.headers["location"]).status == 404
    assert holder.post(young.headers["location"]).status == 200
    assert desk.ask("GET", f"{BASE}/acme/renewal-info/{CertificateId.of(certificate)}").status == 200
    assert holder.post(f"{BASE}/acme/revoke-cert", revocation(certificate)).status == 200


class TestHttp:
    """http-01 against a server on loopback, which this desk's policy allows."""

    @pytest.fixture
    def site(self) -> Iterator[ThreadingHTTPServer]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = self.server.answers.get(self.path, (404, {}, b""))  # type: ignore[attr-defined]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.answers = {}  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
        server.server_close()

    @pytest.fixture
    def desk(self, tmp_path: Path, site: ThreadingHTTPServer) -> Desk:
        desk = Desk(rooms_in(tmp_path), http_port=site.server_address[1])
        desk.zone.hosts[NAME] = ["127.0.0.1"]
        return desk

    def attempt(self, desk: Desk, holder: Holder, site: Any, answer: Any) -> Any:
        order = holder.order(NAME)
        authorization = holder.post(order.json["authorizations"][0]).json
        challenge = next(c for c in authorization["challenges"] if c["type"] == "http-01")
        path = f"/.well-known/acme-challenge/{challenge['token']}"
        site.answers[path] = answer(f"{challenge['token']}.{holder.key.thumbprint()}".encode())
        holder.post(challenge["url"], {})
        for _ in range(3):
            desk.validate()
            desk.clock.advance(seconds=5)
        return holder.post(challenge["url"]).json

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n  "])
    def test_the_right_answer_proves(self, desk: Desk, holder: Holder, site: Any, end: bytes) -> None:
        assert self.attempt(desk, holder, site, lambda right: (200, {}, right + end))["status"] == "valid"

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (lambda right: (200, {}, b"wrong"), "incorrectResponse"),
            (lambda right: (200, {}, right + b"x"), "incorrectResponse"),
            (lambda right: (200, {}, right + b" " * 10_000), "connection"),
            (lambda right: (404, {}, right), "unauthorized"),
            (lambda right: (302, {"Location": "http://169.254.169.254/latest"}, b""), "rejectedIdentifier"),
            (lambda right: (302, {"Location": "http://127.0.0.1:1/"}, b""), "rejectedIdentifier"),
            (lambda right: (302, {"Location": "gopher://127.0.0.1/"}, b""), "connection"),
        ],
    )
    def test_another_answer_does_not(self, desk: Desk, holder: Holder, site: Any, answer: Any, error: str) -> None:
        failed = self.attempt(desk, holder, site, answer)
        assert failed["status"] == "invalid" and failed["error"]["type"].endswith(f":{error}")

    @pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "169.254.169.254", "0.0.0.0"])
    def test_an_address_inside_is_not_asked(self, desk: Desk, holder: Holder, site: Any, address: str) -> None:
        desk.zone.hosts[NAME] = [address]
        failed = self.attempt(desk, holder, site, lambda right: (200, {}, right))
        assert failed["error"]["type"].endswith(":rejectedIdentifier")

    def test_an_address_is_certified_too(self, desk: Desk, holder: Holder, site: Any) -> None:
        """RFC 8738."""
        identifiers = [{"type": "ip", "value": "127.0.0.1"}]
        order = holder.post(f"{BASE}/acme/new-order", {"identifiers": identifiers})
        authorization = holder.post(order.json["authorizations"][0]).json
        [challenge] = authorization["challenges"]
        assert challenge["type"] == "http-01"
        right = f"{challenge['token']}.{holder.key.thumbprint()}".encode()
        site.answers[f"/.well-known/acme-challenge/{challenge['token']}"] = (200, {}, right)
        holder.post(challenge["url"], {})
        desk.validate()
        assert holder.post(order.headers["location"]).json["status"] == "ready"
