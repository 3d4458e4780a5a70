"""What a tenant may own, made to measure for an operation: the isolation test hands it to another tenant.

`Belongings(platform, tenant, app)` makes for every name in an operation's `tenant_fields` a fresh resource that the
operation would accept from its owner, so that a refusal can only be because the caller is somebody else.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests import outside_ca
from tests.applicants import Holder
from tests.platform import DIGEST, App, RunningPlatform, Tenant, unique

from miyun.client import Client, Conflict
from miyun.core.ids import new_id
from miyun.core.operation import Operation, Role
from miyun.edge.assembly import Platform
from miyun.gm import sm2
from miyun.offerings.ssl_certificate.model import Account, AccountStatus
from miyun.offerings.ssl_certificate.store.accounts import AccountStore
from miyun.offerings.usbkey.certification import proof_message
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate

TENANT_PEOPLE = (Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER)


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


class Belongings:
    def __init__(self, platform: RunningPlatform, tenant: Tenant, app: App, clients: ExitStack) -> None:
        self.platform, self.tenant, self.app = platform, tenant, app
        self._clients = clients
        self._known: dict[Role, Client] = {}
        self._opened = ""
        self.made: set[str] = {tenant.id, tenant.contract, app.id, app.access_key}
        self.made |= {*tenant.instances.values(), *app.bindings.values()}

    def client(self, role: Role) -> Client:
        """As the application or as a person of the tenant."""
        if role not in self._known:
            if role is Role.APPLICATION:
                client = self.platform.client(self.app)
            else:
                client = self.platform.session(self.platform.person(role, self.tenant))
            self._known[role] = self._clients.enter_context(client)
        return self._known[role]

    def callers(self, operation: Operation) -> list[Role]:
        """Who of this tenant may call it."""
        return [role for role in (Role.APPLICATION, *TENANT_PEOPLE) if role in operation.roles]

    def values(self, operation: Operation) -> dict[str, Any]:
        """A whole request that this tenant's own people or application may make."""
        values = {k: v for k, v in operation.example.items() if k not in operation.tenant_fields and k != "body"}
        for field in operation.tenant_fields:
            values[field] = self.make(field, operation.id)
        return values | self._rest(operation, values)

    def make(self, field: str, operation_id: str = "") -> str:
        """A fresh resource for `field`, in the state in which `operation_id` takes it."""
        name = FACTORIES[field](self, operation_id)
        self.made.add(name)
        return name

    def body(self, operation: Operation, values: Mapping[str, Any]) -> bytes | None:
        """The octets of an operation that takes no JSON."""
        if operation.body == "json":
            return None
        if operation.id == "encryption.stream.decrypt":
            made = self.client(Role.APPLICATION).call("encryption.stream.encrypt", key=values["key"], body=b"hello")
            return bytes(made)
        if "body" in operation.example:
            return base64.b64decode(operation.example["body"])
        return b"hello"

    # tenancy

    def person(self, operation_id: str) -> str:
        system, security = self.client(Role.TENANT_SYSTEM), self.client(Role.TENANT_SECURITY)
        made = system.call("account.person.create", login=unique("p"), name="某人")
        person = str(made["person"]["person"])
        if operation_id != "account.person.assign_roles":
            security.call("account.person.assign_roles", person=person, roles=["tenant.developer"])
        if operation_id == "account.person.enable":
            system.call("account.person.disable", person=person)
        elif operation_id == "account.person.confirm_reset":
            system.call("account.person.reset_password", person=person)
        return person

    def key_id(self, operation_id: str) -> str:
        """A developer's sign-in key, registered and waiting."""
        developer = self.client(Role.TENANT_DEVELOPER)
        private, _, pem = self.issued()
        asked = developer.call("account.key.challenge", browser="a browser")
        made = developer.call(
            "account.key.enrol", challenge=asked["challenge"], certificate=pem, browser="a browser",
            signature=text(sm2.sign(private, asked["message"].encode())),
        )  # fmt: skip
        return str(made["key_id"])

    def grant(self, operation_id: str) -> str:
        staff = self.platform.person(Role.SUPPLIER_STAFF)
        ends = datetime.now(UTC) + timedelta(hours=1)
        made = self.client(Role.TENANT_SECURITY).call(
            "tenant.grant.create", staff=staff.login, purpose="检查时间戳服务", ends_at=ends
        )
        return str(made["grant"])

    def application(self, operation_id: str) -> str:
        if operation_id.startswith("certificate.application."):
            return self.filed(operation_id)
        if operation_id.startswith(("strong_auth.", "ssl_certificate.")):
            return self.app.id
        if operation_id == "kms.key.disallow" and self._opened:  # made with the key
            return self._opened
        system = self.client(Role.TENANT_SYSTEM)
        return str(system.call("tenant.application.create", name=unique("应用"))["application"])

    def instance(self, operation_id: str) -> str:
        return self.tenant.instances["timestamp"]

    def binding(self, operation_id: str) -> str:
        made = self.client(Role.TENANT_SYSTEM).call(
            "tenant.binding.create", application=self.application(""), instance=self.tenant.instances["timestamp"]
        )
        return str(made["binding"])

    def access_key(self, operation_id: str) -> str:
        system = self.client(Role.TENANT_SYSTEM)
        return str(system.call("tenant.access_key.create", application=self.application(""))["access_key"])

    def username(self, operation_id: str) -> str:
        made = self.client(Role.TENANT_SYSTEM).call(
            "tenant.credential.create", binding=self.binding(""), operations=["timestamp.rfc3161"]
        )
        return str(made["username"])

    def contract(self, operation_id: str) -> str:
        return self.tenant.contract

    def evidence(self, operation_id: str) -> str:
        signer = self.signer("")
        application = self.client(Role.APPLICATION)
        signed = application.call("signature.cms.sign", signer=signer, content=text(b"hello"))["cms"]
        made = application.call("signature.evidence.keep", name="批复", signed=signed)
        evidence = str(made["evidence"])
        if operation_id in ("signature.evidence.export", "signature.evidence.rehash"):
            reader = self.client(Role.TENANT_AUDIT)
            for _ in range(600):
                if reader.call("signature.evidence.get", evidence=evidence)["evidence"]["state"] == "sealed":
                    break
                time.sleep(0.1)
        return evidence

    def item(self, operation_id: str, kind: str = "training_adjustment") -> str:
        """A duty of the client that stands throughout: it can be recorded again and again."""
        listed = self.client(Role.TENANT_SYSTEM).call("contract.item.list", contract=self.tenant.contract, kind=kind)
        return str(listed["items"][0]["item"])

    def record(self, operation_id: str) -> str:
        paper = {
            "contract": self.tenant.contract,
            "done_on": "2026-03-02",
            "paper": "书面通知（盖章）",
            "delivered_by": "hand",
            "arrived_at": "2026-03-02T10:00:00+08:00",
            "scan": text(b"%PDF-1.7"),
        }
        client = self.client(Role.TENANT_SYSTEM)
        if operation_id != "performance.confirm":
            return str(client.call("performance.record", item=self.item(""), **paper)["record"])
        # an invoice of the supplier's, which the client confirms
        for known in client.call("performance.list", contract=self.tenant.contract)["items"]:
            if known["step"] == "invoice" and known["state"] == "pending":
                client.call(
                    "performance.withdraw", contract=self.tenant.contract, record=known["record"], reason="另开"
                )
        with self.platform.session(self.platform.person(Role.PLATFORM_SYSTEM)) as supplier:
            for item in client.call("contract.item.list", contract=self.tenant.contract, kind="payment")["items"]:
                invoice = {"item": item["item"], "step": "invoice", "amount": "1.00"}
                try:
                    return str(supplier.call("performance.record_any", **paper, **invoice)["record"])
                except Conflict:
                    continue  # this instalment's is confirmed already
        raise AssertionError("every instalment has its invoice")

    def seq(self, operation_id: str) -> str:
        return str(self.client(Role.TENANT_AUDIT).call("audit.records", limit=1)["items"][0]["seq"])

    # keys and certificates

    def key(self, operation_id: str) -> str:
        algorithm, usage = "SM4", "encrypt"
        if operation_id.startswith("kms.mac."):
            algorithm, usage = "HMAC-SM3", "mac"
        elif operation_id.startswith("encryption.sm2."):
            algorithm = "SM2"
        elif operation_id in ("signature.signer.create", "kms.key.public"):
            algorithm, usage = "SM2", "sign"
        security = self.client(Role.TENANT_SECURITY)
        made = security.call(
            "kms.key.create", algorithm=algorithm, usage=usage, label="测试", applications=[self.app.id]
        )
        key = str(made["key"])
        if operation_id == "kms.key.enable":
            security.call("kms.key.disable", key=key)
        elif operation_id == "kms.key.disallow":
            self._opened = self.application("")
            security.call("kms.key.allow", key=key, application=self._opened)
        elif operation_id == "kms.key.cancel_deletion":
            security.call("kms.key.schedule_deletion", key=key, days=30)
        return key

    def alias(self, operation_id: str) -> str:
        alias = unique("a")
        self.client(Role.TENANT_SECURITY).call("kms.alias.create", alias=alias, key=self.key(""))
        return alias

    def signer(self, operation_id: str) -> str:
        security = self.client(Role.TENANT_SECURITY)
        made = security.call(
            "signature.signer.create",
            name=unique("s"),
            subject={"CN": "审批"},
            applications=[self.app.id],
        )
        if operation_id == "signature.signer.enable":
            security.call("signature.signer.disable", signer=made["signer"])
        return str(made["signer"])

    def filed(self, operation_id: str) -> str:
        """An application for a certificate, by the tenant's application; a person decides on it."""
        more: dict[str, Any] = {"days": 10}
        csr = Holder(unique("某人")).csr()
        abroad = operation_id == "certificate.application.deliver"
        if abroad:
            outside, csr, self._delivered = certified_abroad(self)
            more = {"outside": outside}
        made = self.client(Role.APPLICATION).call("certificate.application.apply", template="person", csr=csr, **more)
        if abroad:
            self.client(Role.TENANT_SECURITY).call("certificate.application.approve", application=made["application"])
        if operation_id == "certificate.application.file":
            self.granted(made["application"])
        return str(made["application"])

    def granted(self, filed: str) -> str:
        """The serial number of the certificate that it gets."""
        made = self.client(Role.TENANT_SECURITY).call("certificate.application.approve", application=filed)
        return str(made["certificate"])

    def escrow(self, operation_id: str) -> str:
        self._holder = Holder(unique("某人"))
        made = self.client(Role.APPLICATION).call(
            "certificate.application.apply", template="person", csr=self._holder.csr(), pair="escrow"
        )
        self.granted(str(made["application"]))
        self._receiver = bytes(
            self.client(Role.APPLICATION).call("certificate.application.file", application=made["application"])
        ).decode()
        listed = self.client(Role.TENANT_SECURITY).call("certificate.escrow.list", text=self._holder.name)
        return str(listed["items"][0]["escrow"])

    def recovery(self, operation_id: str) -> str:
        """Asked for by one security administrator; to agree to it takes another."""
        escrow = self.escrow(operation_id)
        one = self.client(Role.TENANT_SECURITY)
        with self.platform.session(self.platform.person(Role.TENANT_SECURITY, self.tenant, who="second")) as other:
            asking, agreeing = (other, one) if operation_id == "certificate.recovery.approve" else (one, other)
            made = asking.call("certificate.recovery.request", escrow=escrow, receiver=self._receiver, reason="损坏")
            recovery = str(made["recovery"])
            if operation_id == "certificate.recovery.collect":
                self.client(Role.TENANT_SYSTEM).call("certificate.recovery.authorise", recovery=recovery)
                agreeing.call("certificate.recovery.approve", recovery=recovery)
        return recovery

    def issued(self) -> tuple[bytes, int, str]:
        """A person's private key, and the serial number and PEM of the certificate for it."""
        private = sm2.generate_private_key()

        async def issue(platform: Platform) -> tuple[int, bytes]:
            made = await platform.issuer.issue(
                self.tenant.id,
                template="person",
                subject={"CN": unique("某人"), "O": "示例局"},
                spki=spki.sm2_spki(sm2.public_key(private)),
                at=platform.clock.now(),
            )
            return made.serial, made.der

        serial, der = self.platform.inside(issue)
        return private, serial, parse_certificate(der).to_pem()

    def serial(self, operation_id: str) -> str:
        if operation_id.startswith("certificate.application."):
            return self.granted(self.filed(""))
        _, serial, _ = self.issued()
        listed = self.client(Role.TENANT_SYSTEM).call("certificate.list", limit=500)["items"]
        found = next(str(item["serial"]) for item in listed if int(item["serial"], 16) == serial)
        if operation_id == "certificate.resume":
            self.client(Role.TENANT_SECURITY).call("certificate.suspend", serial=found)
        return found

    # certificate login

    @cached_property
    def login(self) -> tuple[bytes, str]:
        """A person's private key and certificate, bound to an account of the application."""
        private, _, pem = self.issued()
        self.client(Role.APPLICATION).call("strong_auth.account.bind", account="zhang.san", certificate=pem)
        return private, pem

    def account_id(self, operation_id: str) -> str:
        _, _, pem = self.issued()
        made = self.client(Role.APPLICATION).call("strong_auth.account.bind", account=unique("u"), certificate=pem)
        if operation_id == "strong_auth.account.resume":
            self.client(Role.TENANT_SECURITY).call("strong_auth.account.suspend", account_id=made["id"])
        return str(made["id"])

    def trust_list(self, operation_id: str) -> str:
        made = self.client(Role.TENANT_SECURITY).call("certificate.trust.list.create", name=unique("t"))
        return str(made["trust_list"])

    def trust_ca(self, operation_id: str) -> str:
        pem, self._crl = outside_authority()
        made = self.client(Role.TENANT_SECURITY).call(
            "certificate.trust.authority.add", trust_list=self.trust_list(""), certificate=pem
        )
        return str(made["trust_ca"])

    def challenge(self, operation_id: str) -> str:
        asked = self.client(Role.APPLICATION).call("strong_auth.challenge")
        self._message = base64.b64decode(asked["message"])
        return str(asked["challenge"])

    def session_id(self, operation_id: str) -> str:
        """Of somebody who is logged in to the application."""
        private, pem = self.login
        asked = self.client(Role.APPLICATION).call("strong_auth.challenge")
        signature = text(sm2.sign(private, base64.b64decode(asked["message"])))
        self.client(Role.APPLICATION).call(
            "strong_auth.login", challenge=asked["challenge"], certificate=pem, signature=signature
        )
        return str(self.client(Role.TENANT_SECURITY).call("strong_auth.session.list")["items"][0]["session_id"])

    def sign_on_client(self, operation_id: str) -> str:
        security = self.client(Role.TENANT_SECURITY)
        made = security.call(
            "strong_auth.client.register", application=self.app.id, name="网页", redirects=["https://app.example/cb"]
        )["client"]
        if operation_id == "strong_auth.client.enable":
            security.call("strong_auth.client.disable", client=made["client"])
        return str(made["client"])

    # what else a request needs so that its owner's would be served

    def _rest(self, operation: Operation, values: Mapping[str, Any]) -> dict[str, Any]:
        match operation.id:
            case "account.person.assign_roles":
                return {"roles": ["tenant.developer"]}
            case "tenant.credential.create":
                return {"operations": ["timestamp.rfc3161"]}
            case "onboarding.service.add":
                return {"service": "timestamp"}
            case "usage.hours":
                return {"first_day": "2026-03-01", "last_day": "2026-03-31"}
            case "kms.alias.create":
                return {"alias": unique("a")}
            case "kms.data_key.unwrap":
                made = self.client(Role.APPLICATION).call("kms.data_key.generate", key=values["key"])
                return {"wrapped": made["wrapped"]}
            case "kms.data_key.rewrap":
                made = self.client(Role.APPLICATION).call("kms.data_key.generate", key=values["key"])
                return {"items": [{"wrapped": made["wrapped"]}]}
            case "kms.mac.verify":
                made = self.client(Role.APPLICATION).call("kms.mac.generate", key=values["key"], items=[DIGEST])
                return {"items": [{"data": DIGEST, "mac": made["macs"][0]}]}
            case "encryption.decrypt" | "encryption.batch.decrypt" | "encryption.reencrypt":
                made = self.client(Role.APPLICATION).call("encryption.encrypt", key=values["key"], plaintext=DIGEST)
                item = {"ciphertext": made["ciphertext"]}
                return {"associated_data": ""} | item if operation.id == "encryption.decrypt" else {"items": [item]}
            case "encryption.envelope.decrypt":
                made = self.client(Role.APPLICATION).call(
                    "encryption.envelope.encrypt", key=values["key"], plaintext=DIGEST
                )
                return {"envelope": made["envelope"]}
            case "encryption.sm2.decrypt":
                made = self.client(Role.APPLICATION).call("encryption.sm2.encrypt", key=values["key"], plaintext=DIGEST)
                return {"ciphertext": made["ciphertext"]}
            case "ssl_certificate.order.upload":
                return {"certificates": _order_chain()}
            case "delivery.dossier.file":
                self.client(Role.TENANT_SYSTEM).call("delivery.dossier.build", contract=values["contract"])
                listed = self.client(Role.TENANT_SYSTEM).call("delivery.dossier.list")["items"]
                return {"path": listed[0]["files"][0]["path"]}
            case "certificate.application.batch.apply":
                return {"rows": [{"csr": Holder(unique("某人")).csr()}]}
            case "certificate.application.batch.review":
                return {"approve": 1, "reject": []}
            case "certificate.application.deliver":
                return {"certificate": self._delivered}
            case "certificate.outside.create":
                return {"certificates": foreign_authority()}
            case "certificate.recovery.request":
                return {"receiver": self._receiver}
            case "certificate.application.apply" | "certificate.application.rekey":
                return {"csr": Holder(unique("某人")).csr()}
            case "usbkey.key.certify":
                return certified(values["usbkey"])
            case "signature.signer.create":
                return {"name": unique("s")}
            case "signature.verify" | "signature.batch.verify":
                made = self.client(Role.APPLICATION).call(
                    "signature.sign", signer=values["signer"], message=text(b"hello")
                )
                item = {"signature": made["signature"], "message": text(b"hello")}
                return {"public_key": None} | (item if operation.id == "signature.verify" else {"items": [item]})
            case "certificate.trust.authority.add":
                return {"certificate": foreign_authority()}
            case "certificate.trust.crl.upload":
                return {"crl": text(self._crl)}
            case "strong_auth.account.bind":
                return {"certificate": self.issued()[2], "account": unique("u")}
            case "strong_auth.login":
                private, pem = self.login
                return {"certificate": pem, "signature": text(sm2.sign(private, self._message))}
        return {}


def foreign_authority() -> str:
    """A root certificate of nobody we know."""
    return outside_authority()[0]


def outside_authority() -> tuple[str, bytes]:
    """As `foreign_authority`, with its revocation list."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, unique("Foreign "))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(now - timedelta(hours=1))
        .next_update(now + timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return pem, crl.public_bytes(serialization.Encoding.DER)


def usbkey(owner: Belongings, operation_id: str) -> str:
    """In the state in which the operation takes it."""
    system, security = owner.client(Role.TENANT_SYSTEM), owner.client(Role.TENANT_SECURITY)
    serial = unique("SN")
    [made] = system.call("usbkey.key.register", items=[{"serial": serial}])["items"]
    made_id = str(made["usbkey"])
    needed = {
        "usbkey.key.certify": 1,
        "usbkey.approval.ask": 1,
        "usbkey.key.fetch": 2,
        "usbkey.key.personalise": 3,
        "usbkey.key.renew": 4,
        "usbkey.key.hand_out": 4,
        "usbkey.key.lose": 4,
        "usbkey.key.take_back": 4,
    }.get(operation_id, 0)
    if needed > 0:
        security.call("usbkey.key.initialise", usbkey=made_id)
    if needed > 1:
        security.call("usbkey.key.certify", usbkey=made_id, **certified(made_id))
    if needed > 2:
        security.call("usbkey.key.fetch", usbkey=made_id)
    if needed > 3:
        system.call("usbkey.key.personalise", usbkey=made_id)
    return made_id


def certified(usbkey_id: str) -> dict[str, Any]:
    """What a USB key's signing key says for itself."""
    private = sm2.generate_private_key()
    point = sm2.public_key(private)
    proof = sm2.sign(private, proof_message(usbkey_id, point))
    return {
        "public_key": text(point),
        "proof": text(proof),
        "subject": {"CN": "张三", "O": "某局"},
        "template": "device",  # nobody reviews it
        "days": 20,  # it may be renewed at once
    }


def usbkey_approval(owner: Belongings, operation_id: str) -> str:
    """Approved, to be collected by who asked; otherwise asked by somebody else than decides first."""
    system, security = owner.client(Role.TENANT_SYSTEM), owner.client(Role.TENANT_SECURITY)
    if operation_id != "usbkey.approval.collect":
        asked = security.call("usbkey.approval.ask", usbkey=usbkey(owner, ""), kind="scrap", reason="测试")
        return str(asked["approval"])
    key = usbkey(owner, "usbkey.key.certify")
    approval = str(system.call("usbkey.approval.ask", usbkey=key, kind="unlock", reason="测试")["approval"])
    security.call("usbkey.approval.approve", approval=approval)
    return approval


def external_key(owner: Belongings, operation_id: str) -> str:
    made = owner.client(Role.TENANT_SYSTEM).call(
        "ssl_certificate.external_key.create", application=owner.app.id, name="网站"
    )
    return str(made["external_key"])


def acme_account(owner: Belongings, operation_id: str) -> str:
    account = Account(
        id=new_id("acct"),
        tenant=owner.tenant.id,
        application=owner.app.id,
        binding=owner.app.bindings["ssl_certificate"],
        instance=owner.tenant.instances["ssl_certificate"],
        external_key=external_key(owner, operation_id),
        thumbprint=secrets.token_hex(16),
        jwk=b"{}",
        contact=(),
        status=AccountStatus.VALID,
        created_at=datetime.now(UTC),
    )

    async def work(platform: Platform) -> None:
        assert AccountStore(platform.database).add_account(account)

    owner.platform.inside(work)
    return account.id


_order_key = cache(outside_ca.new_key)


@cache
def _order_chain() -> str:
    """What an outside CA issued for every order made here."""
    return outside_ca.OutsideAuthority().issue(_order_key(), "www.example.cn")


def outside_order(owner: Belongings, operation_id: str) -> str:
    client = owner.client(Role.TENANT_SYSTEM)
    request = outside_ca.csr(_order_key(), "www.example.cn")
    made = client.call("ssl_certificate.order.create", csr=request, ca="某 CA", way="paper", level="ov")
    if operation_id == "ssl_certificate.order.deployed":
        client.call("ssl_certificate.order.upload", order=made["order"], certificates=_order_chain())
    return str(made["order"])


def endpoint(owner: Belongings, operation_id: str) -> str:
    host = f"{unique('h')}.example.cn"
    return str(owner.client(Role.TENANT_SYSTEM).call("ssl_certificate.endpoint.add", host=host)["endpoint"])


def certified_abroad(owner: Belongings) -> tuple[str, str, str]:
    """A CA outside that the tenant has registered, a request, and the certificate that the CA makes of it."""
    now, keys = datetime.now(UTC), [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, unique(who))]) for who in ("Foreign ", "某人")]
    made = [
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(names[0])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=name is names[0], path_length=None), critical=True)
        .sign(keys[0], hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
        for name, key in zip(names, keys, strict=True)
    ]
    csr = x509.CertificateSigningRequestBuilder().subject_name(names[1]).sign(keys[1], hashes.SHA256())
    known = owner.client(Role.TENANT_SECURITY).call("certificate.outside.create", name="某机构", certificates=made[0])
    return str(known["outside"]), csr.public_bytes(serialization.Encoding.PEM).decode(), made[1]


def batch(owner: Belongings, operation_id: str) -> str:
    """Of applications, by the tenant's application; a person decides on it."""
    rows = [{"csr": Holder(unique("某人")).csr()}]
    made = owner.client(Role.APPLICATION).call("certificate.application.batch.apply", template="person", rows=rows)
    return str(made["batch"]["batch"])


FACTORIES: Mapping[str, Callable[[Belongings, str], str]] = {
    "batch": batch,
    "usbkey": usbkey,
    "approval": usbkey_approval,
    "person": Belongings.person,
    "key_id": Belongings.key_id,
    "grant": Belongings.grant,
    "application": Belongings.application,
    "instance": Belongings.instance,
    "binding": Belongings.binding,
    "access_key": Belongings.access_key,
    "username": Belongings.username,
    "contract": Belongings.contract,
    "evidence": Belongings.evidence,
    "item": Belongings.item,
    "record": Belongings.record,
    "seq": Belongings.seq,
    "key": Belongings.key,
    "new_key": Belongings.key,
    "alias": Belongings.alias,
    "signer": Belongings.signer,
    "serial": Belongings.serial,
    "escrow": Belongings.escrow,
    "outside": lambda owner, operation_id: certified_abroad(owner)[0],
    "recovery": Belongings.recovery,
    "account_id": Belongings.account_id,
    "challenge": Belongings.challenge,
    "client": Belongings.sign_on_client,
    "session_id": Belongings.session_id,
    "trust_list": Belongings.trust_list,
    "trust_ca": Belongings.trust_ca,
    "external_key": external_key,
    "order": outside_order,
    "endpoint": endpoint,
    "acme_account": acme_account,
}
