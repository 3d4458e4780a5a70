"""kill -9 of the workers between code and token: a code gives its tokens once, whole, or not at all."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from tests.platform import App, RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.offerings.strong_auth.sessions import stored
from miyun.offerings.strong_auth.sso.store import GRANT, TOKEN
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate

CALLBACK = "https://app.example.gov.cn/callback"
CODES, THREADS = 16, 4


class Client:
    """A person with a key, and the application's client that they log in to."""

    def __init__(self, platform: RunningPlatform, tenant: Tenant, app: App) -> None:
        self.platform, self.tenant = platform, tenant
        self.private = sm2.generate_private_key()

        async def issue(inside: Any) -> Any:
            return await inside.issuer.issue(
                tenant.id, template="person", subject={"CN": "zhang"}, at=inside.clock.now(),
                spki=sm2_spki(sm2.public_key(self.private)),
            )  # fmt: skip

        self.pem = parse_certificate(platform.inside(issue).der).to_pem()
        with platform.client(app) as client:
            client.call("strong_auth.account.bind", account="zhang", certificate=self.pem)
        with platform.session(platform.person(Role.TENANT_SECURITY, tenant)) as security:
            made = security.call(
                "strong_auth.client.register", application=app.id, name="网页", redirects=[CALLBACK], auth="none"
            )
        self.id = made["client"]["client"]
        self.verifier = secrets.token_urlsafe(48)

    def code(self) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": self.id, "redirect_uri": CALLBACK, "scope": "openid",
            "code_challenge": challenge, "code_challenge_method": "S256",
        })  # fmt: skip
        asked = {"protocol": "oidc", "tenant": self.tenant.id, "query": query, "browser": "a browser"}
        with self.platform.http() as http:
            page = http.post("/v1/strong_auth/sign_on/begin", json=asked).json()
            signature = base64.b64encode(sm2.sign(self.private, page["message"].encode())).decode()
            signed = {"challenge": page["challenge"], "certificate": self.pem, "signature": signature}
            done = http.post("/v1/strong_auth/sign_on/complete", json=asked | signed).json()
        return parse_qs(urlsplit(done["redirect"]).query)["code"][0]

    def redeem(self, code: str) -> dict[str, Any] | None:
        """None: no answer."""
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": self.id,
            "code_verifier": self.verifier,
        }  # fmt: skip
        try:
            with self.platform.http(timeout=60) as http:
                answer = http.post(f"/oidc/{self.tenant.id}/token", data=form)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code in (200, 400) else None


def test_workers_that_die_issue_nothing_by_halves(own_platform: RunningPlatform) -> None:
    platform = own_platform
    tenant = platform.activate(spec(unique("k")))
    client = Client(platform, tenant, platform.application(tenant))
    codes = [client.code() for _ in range(CODES)]
    answers: dict[str, dict[str, Any] | None] = {}
    waiting, begun = list(codes), threading.Semaphore(0)

    def work() -> None:
        while waiting:
            mine = waiting.pop()
            begun.release()
            answers[mine] = client.redeem(mine)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for name in ("web-0", "web-1"):
        for _ in range(THREADS):
            begun.acquire(timeout=60)
        platform.wait_replaced(name, platform.kill(name))
    for thread in threads:
        thread.join()
    assert any(answer and "id_token" in answer for answer in answers.values())
    again = {item: client.redeem(item) for item in codes}

    async def kept(inside: Any) -> dict[str, tuple[bool, bool, int]]:
        with inside.database.read() as connection:
            tokens = [row.grant for row in connection.execute(TOKEN.select())]
            return {
                row.code: (row.redeemed_at is not None, row.revoked_at is not None, tokens.count(row.id))
                for row in connection.execute(GRANT.select())
            }

    found = platform.inside(kept)
    for item in codes:
        redeemed, revoked, tokens = found[stored(item)]
        assert redeemed and tokens == 2, "both tokens or none, and with them the code is used up"
        first, second = answers[item], again[item]
        if first is not None and "id_token" in first:
            assert second is not None and second["error"] == "invalid_grant" and revoked
        else:
            assert second is not None
            assert ("id_token" in second) != revoked, "given to the one who asked again, or to nobody"
    assert platform.verify_journal().ok
