"""A tenant with something on every page of the console, as people leave it after a year: long names, every state."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from tests.belongings import Belongings
from tests.platform import RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role

LONG = "某某市政务服务数据管理局办公自动化与电子证照协同审批业务系统（二期）"
# What people called things: Chinese on an English page, too.
DATA = (
    LONG, "租户系统管理员", "租户安全管理员", "租户审计管理员", "智能密码钥匙管理 USB keys", "某人", "示例局", "某局",
    "张三", "李四", "审批", "批复", "某机构", "检查时间戳服务", "某厂商", "银河麒麟", "网页", "网站", "损坏", "测试",
    "库缺函数", "某 CA",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Furnished:
    """`parameters`: what fills the placeholders of the console's addresses."""

    tenant: Tenant
    parameters: dict[str, str]


@cache
def furnish(platform: RunningPlatform) -> Furnished:
    tenant = platform.activate(spec(unique("f")))
    app = platform.application(tenant, LONG)
    with ExitStack() as stack:
        own = Belongings(platform, tenant, app, stack)
        security, system = own.client(Role.TENANT_SECURITY), own.client(Role.TENANT_SYSTEM)
        person = system.call("account.person.create", login="lisi", name="李四")["person"]["person"]
        for state in ("account.person.disable", "account.person.confirm_reset", "account.person.enable"):
            own.person(state)
        serial = own.serial("")
        security.call("certificate.suspend", serial=own.serial(""))
        security.call("certificate.revoke", serial=own.serial(""), reason="key_compromise")
        waiting = own.filed("")
        own.filed("certificate.application.deliver")
        security.call("certificate.application.reject", application=own.filed(""), reason="身份证件与申请不符")
        own.recovery("certificate.recovery.approve")
        own.recovery("certificate.recovery.collect")
        own.trust_ca("")
        lists = security.call("certificate.trust.list.list")["items"]
        key = own.key("")
        asked = {"binding": app.bindings["timestamp"], "operations": ["timestamp.rfc3161", "timestamp.status"]}
        for _ in range(2):
            credential = system.call("tenant.credential.create", **asked)["username"]
        system.call("tenant.credential.revoke", username=credential)
        own.account_id("strong_auth.account.resume")
        own.session_id("")
        own.sign_on_client("")
        own.sign_on_client("strong_auth.client.enable")
        own.signer("signature.signer.enable")
        signer = own.signer("")
        own.make("usbkey", "usbkey.key.hand_out")
        handed = own.make("usbkey", "usbkey.key.hand_out")
        system.call("usbkey.key.hand_out", usbkey=handed, holder="张三")
        own.make("usbkey", "usbkey.approval.ask")
        own.make("approval", "usbkey.approval.reject")
        own.make("approval", "usbkey.approval.collect")
        system.call("usbkey.compatibility.report", maker="某厂商", system="银河麒麟 V10", works=False, note="库缺函数")
        own.make("acme_account")
        order = own.make("order", "ssl_certificate.order.deployed")
        own.make("order")
        endpoint = own.make("endpoint")
        own.key_id("")
        evidence = own.evidence("signature.evidence.export")
        staff = platform.person(Role.SUPPLIER_STAFF)
        security.call(
            "tenant.grant.create",
            staff=staff.login,
            purpose="检查时间戳服务",
            ends_at=datetime.now(UTC) + timedelta(hours=8),
        )
        system.call("delivery.dossier.build", contract=tenant.contract)
        with platform.session(platform.person(Role.TENANT_AUDIT, tenant)) as auditor:
            seq = str(auditor.call("audit.records", limit=1)["items"][0]["seq"])
        for _ in range(100):  # the jobs process looks at it within seconds
            if system.call("ssl_certificate.endpoint.get", endpoint=endpoint)["summary"]["outcome"] != "unchecked":
                break
            time.sleep(0.1)
    return Furnished(
        tenant,
        {
            "application:str": app.id,
            "binding:str": app.bindings["timestamp"],
            "key:str": key,
            "person:str": person,
            "serial:str": serial,
            "filing:str": waiting,
            "trust_list:str": next(item["trust_list"] for item in lists if item["authorities"] and not item["own"]),
            "evidence:str": evidence,
            "signer:str": signer,
            "service:str": "usbkey",
            "usbkey:str": handed,
            "order:str": order,
            "endpoint:str": endpoint,
            "seq:str": seq,
        },
    )
