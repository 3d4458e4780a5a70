"""Accounts of the ACME server (RFC 8555 6, 7.3): who may open one, with what key, and how it ends."""

from __future__ import annotations

import json

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.unit.offerings.ssl_certificate.desk import BASE, OTHER_TENANT, Desk, Holder, sign

from miyun.offerings.ssl_certificate.store.accounts import KEY

NEW_ACCOUNT = f"{BASE}/acme/new-account"


def test_the_directory_names_what_there_is(desk: Desk) -> None:
    directory = desk.ask("GET", f"{BASE}/acme/directory").json
    assert {"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} <= set(directory)
    assert directory["meta"]["externalAccountRequired"] is True and "sm2-dual" in directory["meta"]["profiles"]


def test_a_nonce_comes_by_head_and_get(desk: Desk) -> None:
    assert desk.ask("HEAD", f"{BASE}/acme/new-nonce").status == 200
    got = desk.ask("GET", f"{BASE}/acme/new-nonce")
    assert got.status == 204 and got.headers["replay-nonce"] and got.headers["cache-control"] == "no-store"


def test_an_account_needs_an_external_key(desk: Desk) -> None:
    refused = Holder(desk).post(NEW_ACCOUNT, {"termsOfServiceAgreed": True})
    assert (refused.status, refused.error) == (403, "externalAccountRequired")
    assert refused.headers["replay-nonce"]


def test_an_account_is_opened_once_for_a_key(desk: Desk) -> None:
    holder = Holder(desk)
    opened = holder.register(*desk.external_key(), contact=["mailto:a@example.cn"])
    assert opened.status == 201 and opened.json["contact"] == ["mailto:a@example.cn"]
    again = holder.register(*desk.external_key())
    assert again.status == 200 and again.headers["location"] == opened.headers["location"]
    holder.kid = ""
    found = holder.post(NEW_ACCOUNT, {"onlyReturnExisting": True})
    assert found.status == 200 and found.headers["location"] == opened.headers["location"]


def test_no_account_is_made_when_only_an_existing_one_was_asked_for(desk: Desk) -> None:
    answer = Holder(desk).post(NEW_ACCOUNT, {"onlyReturnExisting": True})
    assert (answer.status, answer.error) == (400, "accountDoesNotExist")


def test_no_key_can_be_taken_for_an_option_on_a_command_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []

    async def derive(purpose: str, context: bytes, size: int = 32) -> bytes:
        drawn.append(bytes([0xF8 if len(drawn) < 2 else 1]) + bytes(size - 1))  # "-AAA…", twice
        return drawn[-1]

    monkeypatch.setattr(desk.service.acme.accounts._machine, "derive", derive)
    kid, mac_key = desk.external_key()
    assert mac_key == drawn[2] and kid.startswith("eab_")


@pytest.mark.parametrize("wrong", ["mac", "key", "url", "unknown", "revoked", "expired", "application"])
def test_an_external_key_that_is_not_right_opens_nothing(desk: Desk, wrong: str) -> None:
    holder, (kid, mac_key) = Holder(desk), desk.external_key()
    binding = holder.binding(kid, bytes(32) if wrong == "mac" else mac_key)
    if wrong == "key":
        binding = Holder(desk).binding(kid, mac_key)  # another account's key was bound
    elif wrong == "url":
        binding = holder.binding(kid, mac_key, url=f"{BASE}/acme/new-order")
    elif wrong == "unknown":
        binding = holder.binding("eab_unknown", mac_key)
    elif wrong == "revoked":
        desk.service.acme.accounts._store.revoke_key("ten_a", kid, desk.clock.now())
    elif wrong == "expired":
        with desk.rooms.database.write() as connection:
            connection.execute(KEY.update().values(expires_at=desk.clock.now()))
    elif wrong == "application":
        desk.applications.disabled.add("app_a")
    refused = holder.post(NEW_ACCOUNT, {"externalAccountBinding": binding})
    assert (refused.status, refused.error) == (403, "unauthorized")


def test_a_nonce_is_good_once(desk: Desk, holder: Holder) -> None:
    nonce = desk.nonce()
    assert holder.post(holder.kid, nonce=nonce).status == 200
    refused = holder.post(holder.kid, nonce=nonce)
    assert (refused.status, refused.error) == (400, "badNonce") and refused.headers["replay-nonce"] != nonce


@pytest.mark.parametrize("nonce", [None, "", "AAAA", "A" * 43, "not base64!", 7])
def test_a_nonce_that_was_not_given_out_is_refused(holder: Holder, nonce: object) -> None:
    assert holder.post(holder.kid, nonce=nonce).error == "badNonce"


def test_a_nonce_ages(desk: Desk, holder: Holder) -> None:
    nonce = desk.nonce()
    desk.clock.advance(hours=1)
    assert holder.post(holder.kid, nonce=nonce).error == "badNonce"


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ({"url": f"{BASE}/acme/new-account"}, "unauthorized"),
        ({"url": None}, "unauthorized"),
        ({"kid": f"{BASE}/acme/account/acct_unknown"}, "accountDoesNotExist"),
        ({"kid": "acct_unknown"}, "accountDoesNotExist"),
        ({"kid": None}, "malformed"),
        ({"jwk": {}}, "malformed"),  # both
        ({"crit": ["x"], "x": 1}, "malformed"),
        ({"b64": False, "crit": ["b64"]}, "malformed"),
    ],
)
def test_a_header_that_is_not_right_is_refused(holder: Holder, header: dict[str, object], error: str) -> None:
    assert holder.post(f"{BASE}/acme/new-order", {"identifiers": []}, **header).error == error


def test_another_key_cannot_speak_for_an_account(desk: Desk, holder: Holder) -> None:
    stranger = Holder(desk)
    stranger.kid = holder.kid
    assert stranger.post(holder.kid).error == "malformed"


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_a_mac_or_nothing_is_no_signature(desk: Desk, holder: Holder, algorithm: str) -> None:
    """A public key taken for a MAC key would be known to everybody."""
    header = {"url": holder.kid, "nonce": desk.nonce(), "kid": holder.kid}
    jws = sign(OctKey.import_key(json.dumps(holder.jwk)), algorithm, header, b"")
    refused = desk.ask("POST", holder.kid, json.dumps(jws).encode())
    assert refused.error == "badSignatureAlgorithm" and "ES256" in refused.json["algorithms"]


def test_a_weak_key_is_refused(desk: Desk) -> None:
    holder = Holder(desk, RSAKey.generate_key(1024))
    assert holder.register(*desk.external_key()).error == "badPublicKey"


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ],
)
def test_a_key_of_another_kind_is_refused(desk: Desk, jwk: dict[str, str]) -> None:
    assert Holder(desk).post(NEW_ACCOUNT, {}, jwk=jwk).error == "badPublicKey"


@pytest.mark.parametrize("key", ["P-384", "P-521", "RSA"])
def test_other_kinds_of_keys_are_taken(desk: Desk, key: str) -> None:
    holder = Holder(desk, RSAKey.generate_key(2048) if key == "RSA" else ECKey.generate_key(key))  # type: ignore[arg-type]
    kid, mac_key = desk.external_key()
    algorithm = {"P-384": "ES384", "P-521": "ES512", "RSA": "RS256"}[key]
    payload = {"externalAccountBinding": holder.binding(kid, mac_key)}
    assert holder.post(NEW_ACCOUNT, payload, algorithm=algorithm).status == 201


@pytest.mark.parametrize(
    ("contact", "error"),
    [
        ("tel:110", "unsupportedContact"),
        ("mailto:nobody", "invalidContact"),
        ("mailto:a@example.cn,b@example.cn", "invalidContact"),
        ("mailto:a@example.cn?bcc=b@example.cn", "invalidContact"),
    ],
)
def test_a_contact_that_is_none_is_refused(holder: Holder, contact: str, error: str) -> None:
    assert holder.post(holder.kid, {"contact": [contact]}).error == error
    assert holder.post(holder.kid).json["contact"] == []


def test_a_deactivated_account_does_nothing_more(holder: Holder) -> None:
    assert holder.post(holder.kid, {"status": "deactivated"}).json["status"] == "deactivated"
    refused = holder.post(holder.kid)
    assert (refused.status, refused.error) == (401, "unauthorized")  # RFC 8555 7.3.6


def test_what_an_account_asked_for_ends_with_it(desk: Desk, holder: Holder) -> None:
    order = holder.order("www.example.cn")
    authorization = order.json["authorizations"][0]
    challenge = next(item for item in holder.post(authorization).json["challenges"] if item["type"] == "http-01")
    holder.post(challenge["url"], {})
    holder.post(holder.kid, {"status": "deactivated"})
    desk.validate()
    [found] = desk.service.acme.store.challenges_of(authorization.rpartition("/")[2])[:1]
    kept = {item.kind: item for item in desk.service.acme.store.challenges_of(found.authorization)}
    error = kept["http-01"].error
    assert error is not None and "deactivated" in error["detail"], "nobody was asked"


def test_every_answer_says_where_the_directory_is(desk: Desk, holder: Holder) -> None:
    """RFC 8555 7.1; what else it links to stays."""
    order = holder.order("www.example.cn")
    authorization = holder.post(order.json["authorizations"][0])
    challenge = holder.post(authorization.json["challenges"][0]["url"])
    for answer in (order, authorization, challenge, holder.post(f"{BASE}/acme/new-order", [])):
        assert f'<{BASE}/acme/directory>;rel="index"' in answer.headers["link"]
    assert f'<{order.json["authorizations"][0]}>;rel="up"' in challenge.headers["link"]


def test_what_is_only_looked_at_takes_no_payload(desk: Desk, holder: Holder) -> None:
    """RFC 8555 6.3."""
    order = holder.obtain("www.example.cn")
    for address in (order.headers["location"], order.json["certificate"], f"{holder.kid}/orders"):
        assert holder.post(address, {}).error == "malformed"
        assert holder.post(address).status == 200


def test_an_account_ends_with_the_key_that_opened_it(desk: Desk) -> None:
    holder, (kid, mac_key) = Holder(desk), desk.external_key()
    holder.register(kid, mac_key)
    assert desk.service.acme.accounts._store.revoke_key("ten_b", kid, desk.clock.now()) is None
    assert holder.post(holder.kid).status == 200
    assert desk.service.acme.accounts._store.revoke_key("ten_a", kid, desk.clock.now()) is not None
    assert holder.post(holder.kid).error == "unauthorized"


def test_an_account_stops_with_its_application(desk: Desk, holder: Holder) -> None:
    desk.applications.disabled.add("app_a")
    assert holder.post(holder.kid).error == "unauthorized"
    desk.applications.disabled.clear()
    assert holder.post(holder.kid).status == 200


class TestKeyChange:
    ADDRESS = f"{BASE}/acme/key-change"

    def inner(self, holder: Holder, new: ECKey, **changed: object) -> dict[str, object]:
        payload = {"account": holder.kid, "oldKey": holder.jwk} | changed
        header = {"url": self.ADDRESS, "jwk": dict(new.as_dict(private=False))}
        return sign(new, "ES256", header, json.dumps(payload).encode())

    def test_the_new_key_takes_over(self, holder: Holder) -> None:
        new = ECKey.generate_key("P-256")
        assert holder.post(self.ADDRESS, self.inner(holder, new)).status == 200
        assert holder.post(holder.kid).error == "malformed"  # the old key
        holder.key = new
        assert holder.post(holder.kid).status == 200

    def test_a_key_of_another_account_is_not_taken(self, desk: Desk, holder: Holder) -> None:
        other = desk.holder()
        assert isinstance(other.key, ECKey)
        answer = holder.post(self.ADDRESS, self.inner(holder, other.key))
        assert answer.status == 409 and answer.headers["location"] == other.kid
        assert holder.post(holder.kid).status == 200 and other.post(other.kid).status == 200

    @pytest.mark.parametrize("changed", [{"account": f"{BASE}/acme/account/acct_x"}, {"oldKey": {"kty": "EC"}}])
    def test_an_inner_message_about_something_else_changes_nothing(
        self, holder: Holder, changed: dict[str, object]
    ) -> None:
        new = ECKey.generate_key("P-256")
        assert holder.post(self.ADDRESS, self.inner(holder, new, **changed)).status == 400
        assert holder.post(holder.kid).status == 200

    def test_the_inner_message_has_no_nonce(self, desk: Desk, holder: Holder) -> None:
        new = ECKey.generate_key("P-256")
        header = {"url": self.ADDRESS, "jwk": dict(new.as_dict(private=False)), "nonce": desk.nonce()}
        inner = sign(new, "ES256", header, json.dumps({"account": holder.kid, "oldKey": holder.jwk}).encode())
        assert holder.post(self.ADDRESS, inner).error == "malformed"

    def test_of_two_at_once_one_takes_over(self, desk: Desk, holder: Holder) -> None:
        """The second was signed by a key that is no longer the account's."""
        accounts = desk.service.acme.accounts._store
        account = accounts.account(holder.kid.rpartition("/")[2])
        assert account is not None
        assert accounts.change_key(account, "first", b"{}")
        assert not accounts.change_key(account, "second", b"{}")

    def test_the_new_key_must_have_signed(self, holder: Holder) -> None:
        inner = self.inner(holder, ECKey.generate_key("P-256"))
        inner["signature"] = self.inner(holder, ECKey.generate_key("P-256"))["signature"]
        assert holder.post(self.ADDRESS, inner).error == "malformed"


def test_accounts_do_not_see_one_another(desk: Desk, holder: Holder) -> None:
    for other in (desk.holder(), desk.holder(OTHER_TENANT)):
        assert other.post(holder.kid).error == "unauthorized"
        assert other.post(f"{holder.kid}/orders").error == "unauthorized"


def test_orders_come_in_pages(desk: Desk, holder: Holder) -> None:
    made = [holder.order(f"a{number}.example.cn").headers["location"] for number in range(99)]
    first = holder.post(f"{holder.kid}/orders")
    assert first.json["orders"] == made and "next" not in first.headers["link"]
    made += [holder.order("b.example.cn").headers["location"]]
    desk.clock.advance(hours=3)
    desk = desk.with_limits(pending=1000)
    holder.desk = desk
    made += [holder.order("c.example.cn").headers["location"]]
    page = holder.post(f"{holder.kid}/orders")
    following = page.headers["link"].rpartition("<")[2].removesuffix('>;rel="next"')
    assert page.json["orders"] + holder.post(following).json["orders"] == made
