"""certbot as Debian packages it obtains, renews and revokes; openssl verifies what nginx serves."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop.ssl_certificate.programs import Certbot, NameServer, environ, listens, program, running
from tests.platform import RunningPlatform, Tenant, free_port

from miyun.core.operation import Role
from miyun.edge.assembly import Platform
from miyun.wire.x509 import load_certificates

pytestmark = pytest.mark.engine
NewKey = Callable[[], tuple[str, str]]


def name(prefix: str = "www") -> str:
    return f"{prefix}.{secrets.token_hex(4)}.example.cn"


def roots(platform: RunningPlatform, folder: Path) -> Path:
    with platform.http() as http:
        items = http.get("/v1/certificates/authorities").json()["items"]
    file = folder / "roots.pem"
    file.write_text("".join(item["pem"] for item in items if item["ca"].endswith("-root") and "sm2" not in item["ca"]))
    return file


def revoked(platform: RunningPlatform, serial: int) -> bool:
    async def ask(inside: Platform) -> bool:
        return await inside.issuer.is_revoked(serial)

    return platform.inside(ask)


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
def test_certbot_obtains_renews_and_revokes_and_nginx_serves(
    key: str, acme: RunningPlatform, certbot: Certbot, new_external_key: NewKey, tmp_path: Path
) -> None:
    host, other = name(), name("mail")
    certbot.obtain(host, other, eab=new_external_key(), more=("--key-type", key))
    first = load_certificates((certbot.live(host) / "cert.pem").read_text())[0]
    assert {item.value for item in first.subject_alt_names} == {host, other}

    port, authorities = free_port(), roots(acme, tmp_path)
    (tmp_path / "nginx.conf").write_text(
        f"""pid {tmp_path}/nginx.pid; error_log stderr; daemon off; events {{}}
        http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};
          fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
          server {{ listen 127.0.0.1:{port} ssl; server_name {host};
            ssl_certificate {certbot.live(host)}/fullchain.pem;
            ssl_certificate_key {certbot.live(host)}/privkey.pem; }} }}"""
    )
    asked = ("s_client", "-connect", f"127.0.0.1:{port}", "-servername", host, "-CAfile", str(authorities))
    nginx = [program("nginx"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with running(nginx, tmp_path, lambda: listens(port)):
        done = subprocess.run(
            [program("openssl"), *asked, "-verify_hostname", host, "-verify_return_error", "-brief"],
            input="",
            capture_output=True,
            text=True,
            env=environ(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 0 and "Verification: OK" in done.stderr, done.stderr

    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew", "--http-01-port", str(certbot.http_port))
    second = load_certificates((certbot.live(host) / "cert.pem").read_text())[0]
    assert second.serial != first.serial

    certbot.run("revoke", "--cert-name", host, "--reason", "superseded", "--no-delete-after-revoke")
    assert revoked(acme, second.serial) and not revoked(acme, first.serial)


def test_certbot_proves_a_wildcard_in_the_dns(names: NameServer, certbot: Certbot, new_external_key: NewKey) -> None:
    domain = name("zone")
    url = f"http://127.0.0.1:{names.management}/set-txt"
    hook = certbot.folder / "hook.sh"
    data = '{\\"host\\":\\"_acme-challenge.$CERTBOT_DOMAIN.\\",\\"value\\":\\"$CERTBOT_VALIDATION\\"}'
    hook.write_text(f'#!/bin/sh\nexec curl --noproxy "*" -sf -d "{data}" {url}\n')
    hook.chmod(0o755)
    certbot.run(
        "certonly",
        "--manual",
        *("--preferred-challenges", "dns", "--manual-auth-hook", str(hook)),
        *("--agree-tos", "--register-unsafely-without-email"),
        *(part for pair in zip(("--eab-kid", "--eab-hmac-key"), new_external_key(), strict=True) for part in pair),
        *("-d", f"*.{domain}"),
    )
    certificate = load_certificates((certbot.live(domain) / "cert.pem").read_text())[0]
    assert [item.value for item in certificate.subject_alt_names] == [f"*.{domain}"]


def test_certbot_is_told_that_an_external_account_key_is_needed(certbot: Certbot) -> None:
    said = certbot.run("register", "--agree-tos", "--register-unsafely-without-email", ok=False)
    assert "external account" in said.lower()


def test_certbot_with_a_wrong_key_opens_no_account(certbot: Certbot, new_external_key: NewKey) -> None:
    kid, _ = new_external_key()
    said = certbot.obtain(name(), eab=(kid, "A" * 43), ok=False)
    assert "unauthorized" in said or "not known" in said


def test_certbot_is_told_why_a_name_is_not_proven(certbot: Certbot, new_external_key: NewKey) -> None:
    host = name()
    hook = certbot.folder / "hook.sh"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    said = certbot.run(
        "certonly",
        "--manual",
        *("--preferred-challenges", "dns", "--manual-auth-hook", str(hook)),
        *("--agree-tos", "--register-unsafely-without-email"),
        *(part for pair in zip(("--eab-kid", "--eab-hmac-key"), new_external_key(), strict=True) for part in pair),
        *("-d", host),
        ok=False,
    )
    assert f"_acme-challenge.{host}" in said


def test_the_ledger_tells_of_every_step(
    acme: RunningPlatform, tenant: Tenant, certbot: Certbot, new_external_key: NewKey
) -> None:
    host = name()
    certbot.obtain(host, eab=new_external_key())
    with acme.session(acme.person(Role.TENANT_AUDIT, tenant)) as client:
        records = client.call("audit.records", limit=100)["items"]
    operations = [record["operation"] for record in records]
    for step in ("account.create", "order.create", "challenge", "validated", "order.finalize"):
        assert f"ssl_certificate.acme.{step}" in operations, step
    finalized = next(r for r in records if r["operation"] == "ssl_certificate.acme.order.finalize")
    assert finalized["meter"] == "ssl_certificate.certificates" and finalized["units"] == 1
