"""A pair of SM2 certificates by ACME, and what only the real ledger decides: a nonce is good once."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable
from functools import partial

import httpx
import pytest
from tests.interop.ssl_certificate.programs import NameServer
from tests.platform import App, RunningPlatform

from miyun.client import MiyunError
from miyun.core.outbound import AddressPolicy, fetch
from miyun.gm import intl, sm2, sm4
from miyun.offerings.ssl_certificate.errors import OutsideCaRefused
from miyun.offerings.ssl_certificate.outside.client import AccountKey, AcmeClient
from miyun.wire import acme, base64url, cms, jose
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import load_certificates, subject_alt_name

pytestmark = pytest.mark.engine


def account_key() -> AccountKey:
    secret = intl.ecdsa_p256_generate()

    async def sign(message: bytes) -> bytes:
        return jose.raw_signature(intl.ecdsa_p256_sign(secret, message))

    return AccountKey(jose.jwk_of_spki(intl.public_key(secret)), sign)


def client_of(platform: RunningPlatform) -> AcmeClient:
    return AcmeClient(
        "itself",
        f"{platform.url}/acme/directory",
        account_key(),
        fetch=partial(fetch, policy=AddressPolicy.of(["127.0.0.1/32"])),
        tls=ssl.create_default_context(cafile=str(platform.authority)),
    )


async def ready(client: AcmeClient, names: NameServer, name: str, profile: str) -> tuple[str, acme.Order]:
    address, order = await client.new_order([("dns", name)], profile=profile)
    [authorization] = [await client.authorization(item) for item in order.authorizations]
    challenge = next(item for item in authorization.challenges if item.type == "dns-01")
    names.set_txt(f"_acme-challenge.{name}", acme.dns_value(client.key_authorization(challenge.token)))
    await client.answer(challenge)
    for _ in range(100):
        order = await client.order(address)
        if order.status != "pending":
            break
        await asyncio.sleep(0.2)
    assert order.status == "ready"
    return address, order


def csr(secret: bytes, name: str) -> bytes:
    info = CertificationRequestInfo(
        Name.of(("CN", name)), sm2_spki(sm2.public_key(secret)), (subject_alt_name(dns=[name]),)
    )
    return info.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(secret, message))


def test_a_pair_and_its_encryption_key_are_issued(
    acme: RunningPlatform, names: NameServer, new_external_key: Callable[[], tuple[str, str]]
) -> None:
    async def obtain() -> tuple[bytes, bytes, bytes]:
        client = client_of(acme)
        kid, mac_key = new_external_key()
        await client.register([], (kid, base64url.decode(mac_key, "mac_key")))
        address, order = await ready(client, names, name, "sm2-dual")
        await client.finalize(order, csr(secret, name))
        whole = await client.fetch_other(address)
        parts = [whole["certificate"], whole["encryptionCertificate"], whole["envelopedKey"]]
        first, second, third = [await client.download(part) for part in parts]
        return first, second, third

    secret, name = sm2.generate_private_key(), f"www.{secrets.token_hex(4)}.example.cn"
    signing, encryption, enveloped = asyncio.run(obtain())
    [leaf, issuer, *_], [twin, *_] = load_certificates(signing), load_certificates(encryption)
    leaf.verify_signed_by(issuer)
    twin.verify_signed_by(issuer)
    assert leaf.public_key.point == sm2.public_key(secret)
    assert (
        {str(item.value) for item in leaf.subject_alt_names}
        == {name}
        == {str(item.value) for item in twin.subject_alt_names}
    )
    opened = cms.parse_enveloped_key(enveloped)
    key = sm2.decrypt(secret, opened.encrypted_symmetric_key)
    held = sm4.decrypt_ecb(key, opened.encrypted_private_key)[-32:]
    assert sm2.public_key(held) == opened.point == twin.public_key.point


def test_an_sm2_profile_takes_no_other_key(
    acme: RunningPlatform, names: NameServer, new_external_key: Callable[[], tuple[str, str]]
) -> None:
    async def obtain() -> None:
        client = client_of(acme)
        kid, mac_key = new_external_key()
        await client.register([], (kid, base64url.decode(mac_key, "mac_key")))
        _, order = await ready(client, names, name, "tls-server")
        await client.finalize(order, csr(sm2.generate_private_key(), name))

    name = f"www.{secrets.token_hex(4)}.example.cn"
    with pytest.raises(OutsideCaRefused) as refused:
        asyncio.run(obtain())
    assert refused.value.kind == "badPublicKey"


def test_a_message_is_good_once(acme: RunningPlatform, new_external_key: Callable[[], tuple[str, str]]) -> None:
    """Also of a request that is not recorded, and by every worker."""
    client = client_of(acme)
    kid, mac_key = new_external_key()
    account = asyncio.run(client.register([], (kid, base64url.decode(mac_key, "mac_key"))))
    with acme.http() as http:
        nonce = http.head("/acme/new-nonce").headers["replay-nonce"]
        address = f"{account}/orders"
        signed = jose.to_be_signed({"alg": "ES256", "nonce": nonce, "url": address, "kid": account}, b"")
        body = jose.flattened(signed, asyncio.run(client._key.sign(signed)))

        def post() -> httpx.Response:
            return http.post(address, content=body, headers={"content-type": "application/jose+json"})

        assert post().status_code == 200
        for _ in range(4):
            refused = post()
            assert refused.status_code == 400 and refused.json()["type"].endswith(":badNonce")
            assert refused.headers["replay-nonce"] != nonce


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_another_media_type_is_refused(acme: RunningPlatform, content_type: str) -> None:
    with acme.http() as http:
        refused = http.post("/acme/new-order", content=b"{}", headers={"content-type": content_type})
    assert refused.status_code == 415 and refused.json()["type"] == "urn:ietf:params:acme:error:malformed"
    assert refused.headers["replay-nonce"] and refused.headers["content-type"] == "application/problem+json"


def test_an_application_is_no_acme_account(acme: RunningPlatform, app: App) -> None:
    """The operations behind the protocol answer an access key with what RFC 8555 says of a stranger."""
    with acme.client(app) as client, pytest.raises(MiyunError) as refused:
        client.call("ssl_certificate.acme.order.create", body=b"{}")
    assert refused.value.code in ("AcmeAccountMissing", "UnsupportedMediaType")
