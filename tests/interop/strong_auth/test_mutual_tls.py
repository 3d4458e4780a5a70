"""Logging in by the certificate of the TLS connection: with curl, and in Chromium."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.interop.strong_auth.relying import WebApplication
from tests.interop.strong_auth.scene import SHOTS, chromium
from tests.outside_ca import OutsideAuthority, new_key
from tests.platform import App, RunningPlatform, Tenant, spec, unique
from tests.sm2_tls import ask, key_file

from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate

pytestmark = pytest.mark.engine


@dataclass
class Holder:
    """A person or program with a key in two files, as curl and browsers want them."""

    certificate: Path
    key: Path
    serial: int

    @property
    def pem(self) -> str:
        return self.certificate.read_text()

    @property
    def subject(self) -> str:
        loaded = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return str(parse_certificate(loaded.public_bytes(Encoding.DER)).subject)

    @property
    def curl(self) -> tuple[str, ...]:
        return ("--cert", str(self.certificate), "--key", str(self.key))


@dataclass
class Site:
    platform: RunningPlatform
    tenant: Tenant
    app: App
    web: WebApplication
    folder: Path

    def holder(self, name: str, template: str = "person", spki: bytes = b"") -> Holder:
        """`spki`: of a key of somebody else's making, whose file is left to them."""
        holder = Holder(self.folder / f"{name}.pem", self.folder / f"{name}.key", 0)
        if not spki:
            private = ec.generate_private_key(ec.SECP256R1())
            spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            holder.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

        async def issue(platform: Any) -> Any:
            at, subject = platform.clock.now(), {"CN": name}
            return await platform.issuer.issue(self.tenant.id, template=template, subject=subject, spki=spki, at=at)

        issued = self.platform.inside(issue)
        holder.serial = issued.serial
        holder.certificate.write_text(parse_certificate(issued.der).to_pem())
        return holder

    def bind(self, account: str, holder: Holder) -> None:
        with self.platform.client(self.app) as client:
            client.call("strong_auth.account.bind", account=account, certificate=holder.pem)

    def person(self, name: str, account: str) -> Holder:
        holder = self.holder(name)
        self.bind(account, holder)
        return holder

    def security(self, operation: str, **values: Any) -> Any:
        with self.platform.session(self.platform.person(Role.TENANT_SECURITY, self.tenant)) as security:
            return security.call(operation, **values)

    def revoke(self, holder: Holder) -> None:
        self.security("certificate.revoke", serial=f"{holder.serial:032x}", reason="key_compromise")

    def curl(self, *arguments: str) -> str:
        command = ("curl", "-sS", "--noproxy", "*", "--cacert", str(self.platform.authority), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, **values: Any) -> dict[str, Any]:
        redirects = [f"{self.web.url}/callback"]
        made = self.security(
            "strong_auth.client.register", application=self.app.id, name="程序", redirects=redirects, **values
        )
        return dict(made)

    def token(self, url: str, *given: str, **form: str) -> tuple[int, dict[str, Any]]:
        """Of the token endpoint at one of the addresses, by curl."""
        fields = [part for name, value in form.items() for part in ("--data-urlencode", f"{name}={value}")]
        answer = self.curl("-i", *given, *fields, f"{url}/oidc/{self.tenant.id}/token")
        head, _, body = answer.partition("\n\n")
        return int(head.split(" ")[1]), json.loads(body)

    def code(self, client_id: str, holder: Holder) -> tuple[str, str]:
        """A code for a client, of somebody who logs in by curl, and its verifier."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "response_type": "code", "client_id": client_id, "redirect_uri": f"{self.web.url}/callback",
            "scope": "openid", "code_challenge": challenge, "code_challenge_method": "S256",
        })  # fmt: skip
        start = f"{self.platform.url}/oidc/{self.tenant.id}/authorize?{query}"
        (self.folder / "cookies").unlink(missing_ok=True)
        [location] = re.findall(r"(?mi)^location: (\S+)", self.sign_in(start, *holder.curl))
        return parse_qs(urlsplit(location).query)["code"][0], verifier

    def second_way(self, start: str) -> tuple[str, str]:
        """Where the other form of the sign-in page leads, and its challenge; the page's cookies are in `jar`."""
        page = self.curl("-c", self.jar, "-b", self.jar, "-L", start)
        action = unescape(re.findall(r'action="(https://[^"]+)"', page)[0])
        assert action.startswith(self.platform.settings.mutual_url)
        return action, re.findall(r'name="challenge" value="([^"]+)"', page)[-1]

    @property
    def jar(self) -> str:
        return str(self.folder / "cookies")

    def sign_in(self, start: str, *given: str) -> str:
        """What the second way of the page answers, status line and headers and all."""
        action, challenge = self.second_way(start)
        return self.curl(
            "-i", "-c", self.jar, "-b", self.jar, *given, "--data-urlencode", f"challenge={challenge}", action
        )


@pytest.fixture
def site(platform: RunningPlatform, tmp_path: Path) -> Iterator[Site]:
    tenant = platform.activate(spec(unique("m")))
    app = platform.application(tenant, "办件系统")
    with WebApplication() as web:
        made = Site(platform, tenant, app, web, tmp_path)
        client = made.security(
            "strong_auth.client.register", application=app.id, name="办件系统网页",
            redirects=[f"{web.url}/callback"], logout_redirects=[f"{web.url}/bye"],
        )  # fmt: skip
        web.connect(client["client"]["issuer"], client["client"]["client"], client["secret"], Path(platform.authority))
        yield made


def test_curl_logs_in_by_its_certificate(site: Site) -> None:
    zhang = site.person("张三", "zhang.san")
    answer = site.sign_in(site.web.handler.begin("miyun"), *zhang.curl)
    assert answer.startswith("HTTP/1.1 303")
    [location] = re.findall(r"(?mi)^location: (\S+)", answer)
    assert location.startswith(f"{site.web.url}/callback?code=")
    assert "__Host-miyun-sso=" in answer
    page = site.curl(location)
    assert "welcome zhang.san" in page
    [row] = [item for item in site.security("strong_auth.report")["items"] if item["account"] == "zhang.san"]
    assert row["method"] == "mutual_tls" and row["outcome"] == "ok" and row["peer"] == "127.0.0.1"


def test_who_may_not_come_in_is_told_why(site: Site) -> None:
    """In words, where a handshake would have failed with an alert."""
    start = site.web.handler.begin("miyun")
    assert "没有收到客户端证书" in site.sign_in(start, "-H", "accept-language: zh")
    stranger = site.holder("李四")
    answer = site.sign_in(start, "-H", "accept-language: en", *stranger.curl)
    assert answer.startswith("HTTP/1.1 403") and "not bound to an account" in answer
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-out", "own.pem",
         "-subj", "/CN=self", "-days", "2"], cwd=site.folder, check=True, capture_output=True,
    )  # fmt: skip
    own = ("--cert", str(site.folder / "own.pem"), "--key", str(site.folder / "own.key"))
    assert "no trusted issuer was found" in site.sign_in(start, "-H", "accept-language: en", *own)


def test_a_revoked_certificate_is_refused_at_once_and_its_session_ends(site: Site) -> None:
    zhang = site.person("张三", "zhang.san")
    [location] = re.findall(r"(?mi)^location: (\S+)", site.sign_in(site.web.handler.begin("miyun"), *zhang.curl))
    assert "welcome" in site.curl(location)
    site.revoke(zhang)
    answer = site.sign_in(site.web.handler.begin("miyun") + "&prompt=login", "-H", "accept-language: en", *zhang.curl)
    assert answer.startswith("HTTP/1.1 403") and "the certificate is revoked" in answer
    bearer = f"authorization: Bearer {site.web.sessions[0]['token']}"
    answer = site.curl("-i", "-H", bearer, f"{site.platform.url}/oidc/{site.tenant.id}/userinfo")
    assert answer.startswith("HTTP/1.1 401") and "invalid_token" in answer


def test_a_form_of_another_site_logs_nobody_in(site: Site) -> None:
    """What an attacker's page can have a browser send: everything but a challenge for that browser's cookie."""
    zhang = site.person("张三", "zhang.san")
    start = site.web.handler.begin("miyun")
    own = str(site.folder / "attacker")
    page = site.curl("-c", own, start)
    challenge = re.findall(r'name="challenge" value="([^"]+)"', page)[-1]
    action = unescape(re.findall(r'action="(https://[^"]+)"', page)[0])
    victim = str(site.folder / "victim")
    site.curl("-c", victim, start)
    answer = site.curl("-i", "-b", victim, *zhang.curl, "--data-urlencode", f"challenge={challenge}", action)
    assert answer.startswith("HTTP/1.1 403") and "location:" not in answer.lower()


def test_the_address_serves_nothing_else(site: Site) -> None:
    mutual, zhang = site.platform.settings.mutual_url, site.holder("张三")
    for path in ("/", "/console", "/console/login", "/v1/account/me", "/healthz", "/metrics", "/acme/directory", "/x"):
        answer = site.curl("-i", *zhang.curl, f"{mutual}{path}")
        assert answer.startswith("HTTP/1.1 421") and "Misdirected" in answer, path
    assert "text/css" in site.curl("-i", f"{mutual}/console/static/console.css")
    start = f"/oidc/{site.tenant.id}/authorize?x=1"
    assert f"location: {site.platform.url}{start}" in site.curl("-i", mutual + start)


def test_nothing_that_a_request_says_stands_for_a_certificate(site: Site) -> None:
    zhang = site.person("张三", "zhang.san")
    pem = zhang.pem.replace("\n", "")
    said = ("client-cert", "x-client-cert", "ssl-client-cert", "x-ssl-client-cert", "x-forwarded-client-cert")
    headers = [part for name in said for part in ("-H", f"{name}: {pem}")]
    answer = site.sign_in(site.web.handler.begin("miyun"), "-H", "accept-language: en", *headers)
    assert answer.startswith("HTTP/1.1 403") and "No client certificate was given" in answer


def test_a_person_logs_in_by_the_certificate_in_their_browser(site: Site) -> None:
    from playwright.sync_api import sync_playwright

    zhang, complaints = site.person("张三", "zhang.san"), list[str]()
    button = re.compile("使用本浏览器中的证书|Use a certificate of this browser")
    given = {"origin": site.platform.settings.mutual_url, "certPath": str(zhang.certificate), "keyPath": str(zhang.key)}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        for locale in ("zh-CN", "en-US"):
            context = browser.new_context(ignore_https_errors=True, locale=locale, client_certificates=[given])  # type: ignore[list-item]
            page = context.new_page()
            complaints.clear()
            page.on("console", lambda said: complaints.append(said.text))
            page.goto(site.web.url)
            if SHOTS:
                page.screenshot(path=f"{SHOTS}/sign_on_mutual_{locale}.png")
            page.get_by_role("button", name=button).click()
            page.wait_for_url(f"{site.web.url}/callback*")
            assert page.inner_text("h1") == "welcome zhang.san"
            assert not [text for text in complaints if "Content Security Policy" in text]
            page.goto(site.web.url)
            assert page.inner_text("h1") == "welcome zhang.san", "single sign-on, at the other address"
            page.goto(f"{site.web.url}/logout")
            page.wait_for_url(f"{site.web.url}/bye*")
            page.goto(site.web.url)
            assert page.get_by_role("button", name=button).is_visible()
            context.close()
        context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
        page = context.new_page()
        page.goto(site.web.url)
        page.get_by_role("button", name="使用本浏览器中的证书").click()
        page.get_by_text("没有收到客户端证书").wait_for()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/sign_on_mutual_none_zh.png")
        page.get_by_role("link", name="English").click()
        page.get_by_role("button", name="Use a certificate of this browser").click()
        page.get_by_text("No client certificate was given").wait_for()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/sign_on_mutual_none_en.png")
        page.get_by_role("link", name="Back to the sign-in page").click()
        page.get_by_role("heading", name="Sign in with your key").wait_for()
        browser.close()


def test_a_program_gets_its_tokens_by_its_certificate_and_uses_them_over_it_only(site: Site) -> None:
    """With curl: tls_client_auth and certificate-bound tokens of RFC 8705."""
    zhang, robot, other = (
        site.person("张三", "zhang.san"),
        site.holder("robot", "device"),
        site.holder("other", "device"),
    )
    made = site.client(
        auth="tls_client_auth", tls_client_auth_field="subject_dn", tls_client_auth_value=robot.subject,
        tls_client_certificate_bound_access_tokens=True,
    )  # fmt: skip
    client, mutual, plain = made["client"]["client"], site.platform.settings.mutual_url, site.platform.url
    assert made["secret"] is None
    given, verifier = site.code(client, zhang)
    form = {
        "grant_type": "authorization_code", "code": given, "redirect_uri": f"{site.web.url}/callback",
        "client_id": client, "code_verifier": verifier,
    }  # fmt: skip
    for url, certificate in ((plain, robot.curl), (mutual, ()), (mutual, other.curl)):
        status, answer = site.token(url, *certificate, **form)
        assert (status, answer["error"]) == (401, "invalid_client")
    status, tokens = site.token(mutual, *robot.curl, **form)
    assert status == 200 and tokens["id_token"]
    bearer = ("-H", f"authorization: Bearer {tokens['access_token']}")
    there = f"/oidc/{site.tenant.id}/userinfo"
    assert '"sub": "zhang.san"' in site.curl(*bearer, *robot.curl, mutual + there)
    for url, certificate in ((plain, robot.curl), (mutual, ()), (mutual, other.curl)):
        answer = site.curl("-i", *bearer, *certificate, url + there)
        assert answer.startswith("HTTP/1.1 401") and "invalid_token" in answer
    renewal = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client}
    status, renewed = site.token(mutual, *robot.curl, **renewal)
    assert status == 200
    site.revoke(robot)
    status, answer = site.token(mutual, *robot.curl, **{**renewal, "refresh_token": renewed["refresh_token"]})
    assert (status, answer["error"]) == (401, "invalid_client") and "revoked" in answer["error_description"]
    bearer = ("-H", f"authorization: Bearer {renewed['access_token']}")
    assert "invalid_token" in site.curl(*bearer, *robot.curl, mutual + there)


def test_a_program_is_known_by_a_certificate_that_it_made_itself(site: Site) -> None:
    """With openssl's certificate and curl: self_signed_tls_client_auth of RFC 8705."""
    zhang = site.person("张三", "zhang.san")
    own, other = (Holder(site.folder / f"{name}.pem", site.folder / f"{name}.key", 0) for name in ("own", "imitated"))
    for holder in (own, other):
        command = (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        )
        files = ("-subj", "/CN=robot", "-keyout", str(holder.key), "-out", str(holder.certificate))
        subprocess.run([*command, *files], check=True, capture_output=True, timeout=60)
    made = site.client(auth="self_signed_tls_client_auth", tls_client_certificates=[own.pem])
    client, mutual = made["client"]["client"], site.platform.settings.mutual_url
    given, verifier = site.code(client, zhang)
    form = {
        "grant_type": "authorization_code", "code": given, "redirect_uri": f"{site.web.url}/callback",
        "client_id": client, "code_verifier": verifier,
    }  # fmt: skip
    for url, certificate in ((site.platform.url, own.curl), (mutual, ()), (mutual, other.curl), (mutual, zhang.curl)):
        status, answer = site.token(url, *certificate, **form)
        assert (status, answer["error"]) == (401, "invalid_client")
    status, tokens = site.token(mutual, *own.curl, **form)
    assert status == 200 and tokens["id_token"]


def test_a_client_library_of_others_authenticates_by_its_certificate(site: Site) -> None:
    """With idpyoidc, which is told the endpoints of `mtls_endpoint_aliases` and needs nothing else."""
    zhang, robot = site.person("张三", "zhang.san"), site.holder("robot", "device")
    made = site.client(
        auth="tls_client_auth", tls_client_auth_field="subject_dn", tls_client_auth_value=robot.subject,
        tls_client_certificate_bound_access_tokens=True,
    )["client"]  # fmt: skip
    files = (str(robot.certificate), str(robot.key))
    site.web.connect(made["issuer"], made["client"], None, site.platform.authority, certificate=files)
    start = site.web.handler.begin("miyun")
    context = site.web.handler.issuer2rp[site.web.issuer].get_context()
    context.provider_info.update(context.provider_info["mtls_endpoint_aliases"])
    for service in ("accesstoken", "userinfo", "refresh_token"):
        found = site.web.handler.issuer2rp[site.web.issuer].get_service(service)
        found.endpoint = context.provider_info[f"{'userinfo' if service == 'userinfo' else 'token'}_endpoint"]
    [location] = re.findall(r"(?mi)^location: (\S+)", site.sign_in(start, *zhang.curl))
    assert "welcome zhang.san" in site.curl(location)
    refreshed = site.web.handler.refresh_access_token(site.web.sessions[0]["state"])
    assert refreshed["access_token"] != site.web.sessions[0]["token"]


def test_an_authority_counts_for_the_tenants_that_trust_it(site: Site) -> None:
    """One has a foreign authority in its list, its neighbour one of the same name with another key, and in the end
    both. Whatever one of them trusts lets nobody in at the other, and keeps nobody out."""
    tenant = site.platform.activate(spec(unique("n")))
    neighbour = replace(site, tenant=tenant, app=site.platform.application(tenant, "邻居"))
    outside, key = OutsideAuthority(), new_key()
    person = Holder(site.folder / "outside.pem", site.folder / "outside.key", 0)
    person.certificate.write_text(outside.issue(key, "li.si"))
    person.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for one, trusted in ((site, outside), (neighbour, OutsideAuthority())):
        one.security("certificate.trust.list.create", name="outside")
        one.security("certificate.trust.authority.add", trust_list="outside", certificate=trusted.certificate)
        rule = {"lists": ["outside"], "level": "chain", "account_field": "CN"}
        one.security("strong_auth.policy.set", application=one.app.id, **rule)
    mine, theirs = (one.client(auth="none")["client"]["client"] for one in (site, neighbour))
    given, verifier = site.code(mine, person)
    form = {
        "grant_type": "authorization_code", "code": given, "redirect_uri": f"{site.web.url}/callback",
        "client_id": mine, "code_verifier": verifier,
    }  # fmt: skip
    status, tokens = site.token(site.platform.url, **form)
    assert status == 200
    with pytest.raises(ValueError, match="not enough values"):
        neighbour.code(theirs, person)
    [attempt] = neighbour.security("strong_auth.report")["items"]
    assert attempt["outcome"] == "CertificateRefused" and attempt["method"] == "mutual_tls"
    neighbour.security("certificate.trust.authority.add", trust_list="outside", certificate=outside.certificate)
    assert neighbour.code(theirs, person)
    bearer = ("-H", f"authorization: Bearer {tokens['access_token']}")
    assert '"sub": "li.si"' in site.curl(*bearer, f"{site.platform.url}/oidc/{site.tenant.id}/userinfo")
    assert "invalid_token" in site.curl(*bearer, f"{site.platform.url}/oidc/{tenant.id}/userinfo")


def test_an_sm2_certificate_logs_in_over_tls(site: Site) -> None:
    """With OpenSSL 4 at the other end, which signs the handshake as RFC 8998 has it."""
    private = sm2.generate_private_key()
    zhang = site.holder("张三", spki=sm2_spki(sm2.public_key(private)))
    key_file(zhang.key, private)
    site.bind("zhang.san", zhang)
    action, challenge = site.second_way(site.web.handler.begin("miyun"))
    parts = urlsplit(action)
    lines = [line.split("\t") for line in Path(site.jar).read_text().splitlines() if line.count("\t") == 6]
    body = urlencode({"challenge": challenge})
    request = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nhost: {parts.netloc}\r\nconnection: close\r\n"
        f"cookie: {'; '.join(f'{line[5]}={line[6]}' for line in lines)}\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n{body}"
    )
    assert parts.port is not None
    version, answer = ask(parts.port, zhang.certificate, zhang.key, request.encode())
    assert version == "TLSv1.3" and answer.startswith(b"HTTP/1.1 303")
    [location] = re.findall(r"(?mi)^location: (\S+)", answer.decode())
    assert "welcome zhang.san" in site.curl(location)


def test_the_address_outlives_its_listener(site: Site) -> None:
    zhang = site.person("张三", "zhang.san")
    old = site.platform.kill("listener")
    site.platform.wait_replaced("listener", old)
    answer = site.sign_in(site.web.handler.begin("miyun"), *zhang.curl)
    assert answer.startswith("HTTP/1.1 303")
