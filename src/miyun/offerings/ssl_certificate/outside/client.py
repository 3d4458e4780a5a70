"""A client of others' ACME servers (RFC 8555), under the address policy, with keys that stay where they are.

certbot's `acme` library speaks through sockets of its own and wants the private key; here every request goes by
`core.outbound`, and the key management room signs.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.outbound import Fetched
from miyun.offerings.ssl_certificate.errors import OutsideCaRefused
from miyun.wire import acme, base64url, jose
from miyun.wire.errors import DecodeError

T = TypeVar("T")
Fetch = Callable[..., Awaitable[Fetched]]
Signer = Callable[[bytes], Awaitable[bytes]]

_LARGEST: Final = 1024 * 1024
_SECONDS: Final = 20.0
_ATTEMPTS: Final = 8  # of a request whose nonce was refused; some servers refuse good ones on purpose


@dataclass(frozen=True, slots=True)
class AccountKey:
    """`sign` answers r‖s by P-256 and SHA-256."""

    jwk: jose.PublicJwk
    sign: Signer = field(repr=False)


class AcmeClient:
    """Of one account at one CA; `address` is empty until it is registered."""

    def __init__(
        self,
        ca: str,
        directory_url: str,
        key: AccountKey,
        *,
        fetch: Fetch,
        tls: ssl.SSLContext | None = None,
        address: str = "",
    ) -> None:
        self._ca = ca
        self._directory_url = directory_url
        self._key = key
        self._fetch = fetch
        self._tls = tls
        self.address = address
        self._directory: acme.Directory | None = None
        self._nonce = ""

    async def directory(self) -> acme.Directory:
        if self._directory is None:
            answer = await self._ask("GET", self._directory_url)
            self._directory = self._read(answer, acme.Directory)
        return self._directory

    async def register(self, contact: list[str], external: tuple[str, bytes] | None) -> str:
        """Opens the account, or finds it. Answers its address, which names it from now on."""
        directory = await self.directory()
        payload: dict[str, Any] = {"termsOfServiceAgreed": True, "contact": contact}
        if external is not None:
            payload["externalAccountBinding"] = self._binding(*external, directory.new_account)
        answer = await self._post(directory.new_account, payload, by_key=True)
        self.address = answer.headers.get("location", "")
        if not self.address:
            raise self._refused(Text("没有给出账号地址", "it names no account"))
        return self.address

    async def new_order(self, names: list[tuple[str, str]], *, profile: str = "") -> tuple[str, acme.Order]:
        directory = await self.directory()
        payload: dict[str, Any] = {"identifiers": [{"type": kind, "value": name} for kind, name in names]}
        if profile:
            payload["profile"] = profile
        answer = await self._post(directory.new_order, payload)
        return answer.headers.get("location", ""), self._read(answer, acme.Order)

    async def order(self, address: str) -> acme.Order:
        return self._read(await self._post(address, None), acme.Order)

    async def authorization(self, address: str) -> acme.Authorization:
        return self._read(await self._post(address, None), acme.Authorization)

    async def answer(self, challenge: acme.Challenge) -> None:
        await self._post(challenge.url, {})

    async def finalize(self, order: acme.Order, csr: bytes) -> acme.Order:
        return self._read(await self._post(order.finalize, {"csr": base64url.encode(csr)}), acme.Order)

    async def download(self, address: str) -> bytes:
        return (await self._post(address, None, accept=acme.CHAIN_TYPE)).body

    async def fetch_other(self, address: str) -> dict[str, Any]:
        """What an extension adds to an object."""
        return self._read(await self._post(address, None), dict[str, Any])

    def key_authorization(self, token: str) -> str:
        if not acme.TOKEN.fullmatch(token):
            raise self._refused(Text("质询的 token 不合规", "the token of its challenge is not one of RFC 8555"))
        return acme.key_authorization(token, self._key.jwk.thumbprint)

    # inside

    def _binding(self, kid: str, mac_key: bytes, url: str) -> dict[str, str]:
        header = {"alg": "HS256", "kid": kid, "url": url}
        signed = jose.sign(header, self._key.jwk.json, lambda message: jose.hs256(mac_key, message))
        return msgspec.json.decode(signed, type=dict[str, str])

    async def _post(self, url: str, payload: object, *, by_key: bool = False, accept: str = "") -> Fetched:
        data = b"" if payload is None else msgspec.json.encode(payload)
        for _ in range(_ATTEMPTS):
            nonce, self._nonce = self._nonce or await self._fresh(), ""
            who = {"jwk": self._key.jwk.members} if by_key else {"kid": self.address}
            signed = jose.to_be_signed({"alg": self._key.jwk.algorithm, "nonce": nonce, "url": url, **who}, data)
            body = jose.flattened(signed, await self._key.sign(signed))
            headers = {"content-type": acme.JOSE_TYPE, **({"accept": accept} if accept else {})}
            answer = await self._ask("POST", url, body=body, headers=headers)
            if answer.status < 400:
                return answer
            problem = self._problem(answer)
            if problem.kind != "badNonce":
                raise problem
        raise problem

    async def _fresh(self) -> str:
        await self._ask("HEAD", (await self.directory()).new_nonce)
        nonce, self._nonce = self._nonce, ""
        if not nonce:
            raise self._refused(Text("没有给出随机数", "it gives no nonce"))
        return nonce

    async def _ask(self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] = {}) -> Fetched:
        """Redirects are not followed: the JWS is for this address."""
        answer = await self._fetch(
            url,
            method=method,
            body=body,
            headers=headers,
            max_bytes=_LARGEST,
            timeout=_SECONDS,
            tls=self._tls,
            redirects=0,
        )
        self._nonce = answer.headers.get("replay-nonce", self._nonce)
        if method == "GET" and answer.status != 200:
            raise self._refused(Text(f"{url} 回答 {answer.status}", f"{url} answers {answer.status}"))
        return answer

    def _read(self, answer: Fetched, kind: type[T]) -> T:
        try:
            return acme.read_payload(answer.body, kind)
        except DecodeError as error:
            raise self._refused(Text(f"应答无法读取：{error}", f"its answer cannot be read: {error}")) from None

    def _problem(self, answer: Fetched) -> OutsideCaRefused:
        kind, detail = "", f"status {answer.status}"
        try:
            document = msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            document = {}
        if document:
            kind = str(document.get("type", "")).removeprefix(acme.ERROR_PREFIX)[:64]
            detail = f"{kind}: {document.get('detail', '')}"[:500]
        wait = answer.headers.get("retry-after", "")
        return OutsideCaRefused(
            self._ca,
            Text(detail, detail),
            kind=kind,
            retry_after=int(wait) if wait.isdigit() and len(wait) < 7 else None,
        )

    def _refused(self, reason: Text) -> MiyunError:
        return OutsideCaRefused(self._ca, reason)
