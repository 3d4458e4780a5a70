"""The ACME server over stand-ins: its routes without HTTP, a ledger that knows used nonces, and clients of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from tests.rooms import Rooms

from miyun.core.errors import MiyunError, ReplayedRequest
from miyun.core.i18n import Text
from miyun.core.operation import Call, Operation, Principal, Role
from miyun.core.outbound import AddressPolicy, Fetched, OutboundFailed
from miyun.core.ports import BindingInfo
from miyun.core.protocol import ProtocolRoute
from miyun.edge.http.router import Router
from miyun.gm import intl
from miyun.offerings.ssl_certificate.acme.order.caa import CaaRecord
from miyun.offerings.ssl_certificate.acme.server import acme_server
from miyun.offerings.ssl_certificate.endpoint.service import Endpoints
from miyun.offerings.ssl_certificate.messages import CreateExternalKey
from miyun.offerings.ssl_certificate.model import Limits
from miyun.offerings.ssl_certificate.operations import OPERATIONS
from miyun.offerings.ssl_certificate.outside.flow import Flow
from miyun.offerings.ssl_certificate.outside.model import OutsideCa
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.offerings.ssl_certificate.protocol import ROUTES
from miyun.offerings.ssl_certificate.service import SslCertificateService
from miyun.offerings.ssl_certificate.store.endpoints import EndpointStore
from miyun.offerings.ssl_certificate.store.outside import OutsideStore
from miyun.wire import base64url
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.x509 import subject_alt_name

BASE = "https://miyun.example"
DIRECTORY = f"{BASE}/acme/directory"
TENANT, OTHER_TENANT = "ten_a", "ten_b"


class Derived:
    """A machine that derives; what from is its own business."""

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes:
        return hashlib.sha256(purpose.encode() + b"\0" + context).digest()[:size]


@dataclass
class Applications:
    """Of every tenant one, named after it and bound to the instance named after it."""

    disabled: set[str] = field(default_factory=set)

    async def get(self, tenant: str, application: str) -> Any:
        @dataclass
        class Found:
            state: str

        return Found("disabled" if application in self.disabled else "active")

    def of_application(self, application: str) -> Sequence[BindingInfo]:
        tenant = application.replace("app", "ten")
        instance = application.replace("app", "ins")
        return [BindingInfo(f"bin_{tenant}", tenant, application, instance, "ssl_certificate")]


@dataclass
class Zone:
    """The pluggable resolver: what the test put there."""

    records: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)

    caa_records: dict[str, list[CaaRecord]] = field(default_factory=dict)

    async def txt(self, name: str) -> list[str]:
        return self.records.get(name, [])

    async def caa(self, name: str) -> list[CaaRecord]:
        return self.caa_records.get(name, [])

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        if host not in self.hosts:
            raise OSError("no such name")
        return self.hosts[host]


@dataclass
class Site:
    """The world outside: nobody answers unless the test says what."""

    answers: dict[str, Fetched] = field(default_factory=dict)

    async def __call__(self, url: str, **asked: Any) -> Fetched:
        if url not in self.answers:
            raise OutboundFailed(url, "connect", Text("无应答", "no answer"))
        return self.answers[url]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert self.status >= 400, self.body
        return str(self.json["type"]).removeprefix("urn:ietf:params:acme:error:")


class Desk:
    def __init__(
        self, rooms: Rooms, limits: Limits | None = None, http_port: int = 80, caa_domains: tuple[str, ...] = ()
    ) -> None:
        self.rooms, self.clock = rooms, rooms.clock
        self.zone, self.applications = Zone(), Applications()
        self.site = Site()
        self.outside = Outside(
            store=OutsideStore(rooms.database),
            keys=rooms.keys,  # type: ignore[arg-type]
            fetch=self.site,
            cas=[OutsideCa("outside", "https://ca.example/dir")],
        )
        self.flow = Flow(outside=self.outside, ledger=rooms.ledger, clock=rooms.clock)  # type: ignore[arg-type]
        self.endpoints = Endpoints(
            store=EndpointStore(rooms.database),
            outside=self.outside,
            issuer=rooms.issuer,
            ledger=rooms.ledger,  # type: ignore[arg-type]
            clock=rooms.clock,
            policy=AddressPolicy.of(["127.0.0.1/32"]),
            resolver=self.zone.addresses,
        )
        self.service = SslCertificateService(
            acme=acme_server(
                database=rooms.database,
                machine=Derived(),
                issuer=rooms.issuer,
                applications=self.applications,
                bindings=self.applications,
                ledger=rooms.ledger,  # type: ignore[arg-type]
                clock=rooms.clock,
                policy=AddressPolicy.of(["127.0.0.1/32"]),
                dns=self.zone,
                base_url=BASE,
                http_port=http_port,
                caa_domains=caa_domains,
                limits=limits,
            ),
            outside=self.outside,
            flow=self.flow,
            endpoints=self.endpoints,
            clock=rooms.clock,
        )
        self._operations: dict[str, Operation] = {operation.id: operation for operation in OPERATIONS}
        self._routers = {
            method: Router({route.path: route for route in ROUTES if route.method == method})
            for method in ("GET", "HEAD", "POST")
        }
        self._used: set[str] = set()

    def with_limits(self, **limits: int) -> Desk:
        """Another server over the same rooms."""
        desk = Desk(self.rooms, Limits(**limits))
        desk.zone = self.zone
        desk.service.acme.validation._dns = self.zone
        return desk

    def ask(self, method: str, address: str, body: bytes = b"") -> Answer:
        """As the edge does it, and the pipeline."""
        return asyncio.run(self._ask(method, address, body))

    async def _ask(self, method: str, address: str, body: bytes) -> Answer:
        path = address.removeprefix(BASE)
        found = self._routers[method].match(path)
        assert found is not None, path
        route, names = found
        operation = self._operations[route.operation_id]
        try:
            reply = route.encode(await self._run(route, operation, path, names, body))
        except MiyunError as error:
            assert route.error is not None
            reply = route.error(error)
        headers = dict(await route.headers(self.service)) if route.headers else {}
        return Answer(reply.status, headers | dict(reply.headers), reply.body)

    async def _run(
        self, route: ProtocolRoute, operation: Operation, path: str, names: dict[str, str], body: bytes
    ) -> Any:
        now = self.clock.now()
        principal, instance = Principal("anonymous", Role.PUBLIC, ""), None
        if route.credential is not None:
            credential = route.credential(path, body)
            judged = await self.service.acme.authentication.authenticate(credential, operation, now)  # type: ignore[arg-type]
            principal, instance = judged.principal, judged.instance
            assert judged.nonce is not None
            if judged.nonce in self._used:
                raise ReplayedRequest
            self._used.add(judged.nonce)
        call = Call(principal, "req_1", now, "zh", tenant=principal.tenant, instance=instance)
        return await operation.handler(self.service, call, route.decode(body, names))

    def nonce(self) -> str:
        return self.ask("HEAD", f"{BASE}/acme/new-nonce").headers["replay-nonce"]

    def external_key(self, tenant: str = TENANT) -> tuple[str, bytes]:
        call = Call(
            Principal("per_1", Role.TENANT_SYSTEM, "某人", tenant=tenant),
            "req_1",
            self.clock.now(),
            "zh",
            tenant=tenant,
            instance=tenant.replace("ten", "ins"),
        )
        request = CreateExternalKey(application=tenant.replace("ten", "app"), name="网站")
        made = asyncio.run(self.service.acme.accounts.create_key(call, request))
        return made.external_key, base64url.decode(made.mac_key, "mac_key")

    def holder(self, tenant: str = TENANT) -> Holder:
        holder = Holder(self)
        assert holder.register(*self.external_key(tenant)).status == 201
        return holder

    def validate(self) -> None:
        asyncio.run(self.service.acme.validation.run_due())


def sign(key: ECKey | RSAKey | OctKey, algorithm: str, header: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """A flattened JWS, whatever its header says."""
    protected = base64url.encode(json.dumps({"alg": algorithm, **header}).encode())
    signed = f"{protected}.{base64url.encode(payload)}".encode()
    signature = JWSRegistry.algorithms[algorithm].sign(signed, key)
    return {"protected": protected, "payload": base64url.encode(payload), "signature": base64url.encode(signature)}


class Holder:
    """An ACME client's side: a key, and an account once it registered."""

    def __init__(self, desk: Desk, key: ECKey | RSAKey | None = None) -> None:
        self.desk = desk
        self.key = key or ECKey.generate_key("P-256")
        self.kid = ""

    @property
    def jwk(self) -> dict[str, Any]:
        return dict(self.key.as_dict(private=False))

    @property
    def algorithm(self) -> str:
        return "ES256" if isinstance(self.key, ECKey) else "RS256"

    def post(self, address: str, payload: object = None, *, algorithm: str = "", **header: Any) -> Answer:
        """`payload` None: POST-as-GET. `header` replaces what an honest client would send; None leaves it out."""
        whole = {"url": address, "nonce": self.desk.nonce()}
        whole |= {"kid": self.kid} if self.kid else {"jwk": self.jwk}
        whole = {name: value for name, value in (whole | header).items() if value is not None}
        data = b"" if payload is None else json.dumps(payload).encode()
        jws = sign(self.key, algorithm or self.algorithm, whole, data)
        return self.desk.ask("POST", address, json.dumps(jws).encode())

    def binding(self, kid: str, mac_key: bytes, **header: Any) -> dict[str, Any]:
        inner = {"kid": kid, "url": f"{BASE}/acme/new-account"} | header
        return sign(OctKey.import_key(mac_key), "HS256", inner, json.dumps(self.jwk).encode())

    def register(self, kid: str, mac_key: bytes, **payload: Any) -> Answer:
        self.kid = ""
        answer = self.post(
            f"{BASE}/acme/new-account", {"externalAccountBinding": self.binding(kid, mac_key), **payload}
        )
        self.kid = answer.headers.get("location", "")
        return answer

    def order(self, *names: str, **more: Any) -> Answer:
        identifiers = [{"type": "dns", "value": name} for name in names]
        return self.post(f"{BASE}/acme/new-order", {"identifiers": identifiers, **more})

    def prove(self, order: Answer) -> None:
        """Every name in the DNS, asked for and judged."""
        for address in order.json["authorizations"]:
            authorization = self.post(address).json
            challenge = next(c for c in authorization["challenges"] if c["type"] == "dns-01")
            value = hashlib.sha256(f"{challenge['token']}.{self.key.thumbprint()}".encode()).digest()
            name = f"_acme-challenge.{authorization['identifier']['value']}"
            self.desk.zone.records.setdefault(name, []).append(base64url.encode(value))
            assert self.post(challenge["url"], {}).json["status"] == "processing"
        self.desk.validate()

    def obtain(self, *names: str, **more: Any) -> Answer:
        """A finished order."""
        order = self.order(*names, **more)
        assert order.status == 201, order.body
        self.prove(order)
        return self.post(order.json["finalize"], {"csr": csr(*names)})


def csr(*names: str, common_name: str = "", secret: bytes = b"", broken: bool = False) -> str:
    """Of a fresh P-256 key, in base64url."""
    secret = secret or intl.ecdsa_p256_generate()
    subject = Name.of(("CN", common_name)) if common_name else Name.of()
    extensions = (subject_alt_name(dns=names),) if names else ()
    info = CertificationRequestInfo(subject, intl.public_key(secret), extensions)
    signer = intl.ecdsa_p256_generate() if broken else secret
    return base64url.encode(
        info.sign(SignatureAlgorithm.ECDSA_SHA256, lambda message: intl.ecdsa_p256_sign(signer, message))
    )
