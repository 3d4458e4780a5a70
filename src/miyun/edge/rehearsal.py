"""`make up`: start the platform, import the contract as a rehearsal, perform it, and build its dossier.

Everything an application does goes over HTTPS with the published client; only the import and the onboarding are the
platform's own doing (role SYSTEM, actor "rehearsal" in the ledger). Run again it keeps what is there.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import httpx

from miyun.client import Client
from miyun.core.access import Internal
from miyun.core.clock import SHANGHAI
from miyun.core.contracts.model import Activated, Contract
from miyun.core.ids import new_id
from miyun.core.pipeline import Arrival
from miyun.core.settings import Settings, load, prepare
from miyun.delivery import importing
from miyun.delivery.acceptance.verify import verify_dossier
from miyun.delivery.contract.checker import check
from miyun.delivery.contract.render import to_json
from miyun.edge.assembly import Platform, assemble
from miyun.edge.first_logins import keep_first_logins
from miyun.edge.tokens import local_token
from miyun.gm import sm2, sm3
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate

ACTOR = "rehearsal"
APPLICATION = "公共资源交易平台（演练）"
CANDIDATES = ("../shared/contracts/contract-2.txt", "examples/contracts/contract.txt")


def main() -> None:
    settings = load()
    prepare(settings)
    _say("启动平台 starting the platform")
    subprocess.run([sys.executable, "-m", "miyun.edge.cli", "serve", "--detach"], check=True)
    authority = settings.folder("data") / "listener-ca.pem"
    _wait_ready(settings, authority)
    report = asyncio.run(_perform(settings, authority))
    _say("")
    _say(f"控制台 console      {settings.url}/console")
    _say(f"接口 API reference  {settings.url}/reference")
    _say(f"首次登录 first logins  {settings.folder('secrets')} (0600)")
    _say(f"验收资料 dossier    {report['dossier']}")
    _say(f"校验 verify         .venv/bin/miyun acceptance verify {report['dossier']}")
    _say(f"演练 rehearsal, term shifted to today; verified {report['files']} files, {report['records']} records")


def _say(line: str) -> None:
    click.echo(line)


def _wait_ready(settings: Settings, authority: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    last = "no answer"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{settings.url}/healthz", verify=_context(authority), timeout=5, trust_env=False)
            if answer.status_code == 200:
                return
            last = answer.text[:200]
        except (httpx.HTTPError, OSError) as error:
            last = str(error)
        time.sleep(0.3)
    raise SystemExit(f"the platform did not become ready: {last}; see {settings.folder('log')}")


def _context(authority: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(authority))


async def _perform(settings: Settings, authority: Path) -> dict[str, Any]:
    platform = await assemble(settings, process="cli", token=local_token(settings.folder("run")))
    try:
        source = next((Path(p) for p in CANDIDATES if Path(p).exists()), None)
        if source is None:
            raise SystemExit("no contract text found")
        activated = await _import(platform, settings, source)
        contract = platform.contracts.contract(activated.contract, activated.tenant)
        assert contract is not None
        await _use(platform, settings, authority, activated)
        await platform.anchor()
        _say("生成验收资料 building the dossier")
        await platform.delivery.build_for(contract)
        folder = platform.delivery.folder(contract.id)
        report = await asyncio.to_thread(verify_dossier, folder)
        if not report.ok or not report.manifest.ready:
            raise SystemExit(
                "the dossier does not verify:\n" + json.dumps(report.to_dict(), ensure_ascii=False, indent=1)
            )
        return {"dossier": folder, "files": report.files, "records": report.records}
    finally:
        await platform.close()


async def _import(platform: Platform, settings: Settings, source: Path) -> Activated:
    _say(f"读取合同 reading {source}")
    result = await asyncio.to_thread(check, source)
    text = result.document.text
    known = _rehearsal_of(platform, text)
    if known is not None:
        _say("合同已导入 the contract was imported before; its data stay")
        instances = {i.offering: i.id for i in platform.contracts.list_instances(contract=known.id)}
        return Activated(known.tenant, known.id, instances, created=False)
    today = platform.clock.now().astimezone(SHANGHAI).date()
    prepared = importing.prepare(
        result.contract,
        to_json(result),
        text,
        offerings=platform.registry.offerings,
        today=today,
        rehearsal=True,
    )
    errors = [f for f in result.findings if f.severity == "error"]
    _say(f"核验发现 findings: {len(result.findings)} ({len(errors)} errors), accepted for the rehearsal")
    activated = await platform.cloud.contracts.activate(prepared.spec)
    keep_first_logins(settings, activated.first_logins)
    return activated


def _rehearsal_of(platform: Platform, text: str) -> Contract | None:
    """The term is shifted to the day of the first run, so a later run is recognised by the text."""
    for contract in platform.contracts.list_contracts(None):
        if contract.rehearsal and json.loads(contract.document).get("source") == text:
            return contract
    return None


async def _run(
    platform: Platform, operation_id: str, tenant: str, /, instance: str | None = None, **values: Any
) -> Any:
    operation = platform.registry.operation(operation_id)
    arrival = Arrival(
        credential=Internal(ACTOR, tenant=tenant, instance=instance),
        request_id=new_id("req"),
        decode=lambda: operation.request(**values),
    )
    return (await platform.pipeline.execute(operation, arrival)).value


async def _use(platform: Platform, settings: Settings, authority: Path, activated: Activated) -> None:
    """Onboard an application and let it use every service that was bought. A run that was broken off is finished: what
    the ledger does not know as used is bound anew and used; what was used is left."""
    application, access, steps = await _onboard(platform, activated)
    if not steps:
        _say("服务已使用过 the services were used before; nothing is used twice")
        return
    with Client(settings.url, access.access_key, access.secret_key, verify=str(authority)) as client:
        if any(step.service == "strong_auth" for step in steps):
            await _log_in(platform, client, activated.tenant)
        await asyncio.to_thread(_call_services, client, steps)
    await _run(platform, "onboarding.check", activated.tenant, application=application)


async def _onboard(platform: Platform, activated: Activated) -> tuple[str, Any, list[Any]]:
    """(the application, what holds its access key, the steps that it has still to take)."""
    tenant, counted = activated.tenant, activated.instances.get("onboarding")
    known = [a for a in platform.applications.list_applications(tenant, limit=500) if a.name == APPLICATION]
    if not known:
        _say("应用接入 onboarding an application")
        started = await _run(platform, "onboarding.start", tenant, counted, name=APPLICATION)
        return started.application, started, list(started.steps)
    application = known[0].id
    checked = await _run(platform, "onboarding.check", tenant, application=application)
    passed = {item.service for item in checked.items if item.result == "passed"}
    offerings = platform.registry.offerings
    open_ones = [slug for slug in activated.instances if offerings[slug].sample is not None and slug not in passed]
    if not open_ones:
        return application, None, []
    _say("接续应用接入 going on with the onboarding that was broken off")
    for item in checked.items:
        if item.service in open_ones:  # its credential was shown to the run that is gone
            await _run(platform, "tenant.binding.delete", tenant, binding=item.binding)
    for key in (await _run(platform, "tenant.access_key.list", tenant, application=application)).items:
        if key.revoked_at is None:
            await _run(platform, "tenant.access_key.revoke", tenant, access_key=key.access_key)
    access = await _run(platform, "tenant.access_key.create", tenant, application=application)
    steps: list[Any] = []
    for service in open_ones:
        added = await _run(
            platform, "onboarding.service.add", tenant, counted, application=application, service=service
        )
        steps += added.steps
    return application, access, steps


async def _log_in(platform: Platform, client: Client, tenant: str) -> None:
    """A person with an SM2 certificate: the key is made and stays with the person, here this process."""
    _say("强身份认证 certificate login")
    private = sm2.generate_private_key()
    public = sm2.public_key(private)
    issued = await platform.issuer.issue(
        tenant,
        template="person",
        subject={"CN": "演练用户", "O": "演练单位"},
        spki=spki.sm2_spki(public),
        at=platform.clock.now(),
    )
    pem = parse_certificate(issued.der).to_pem()
    account = f"rehearsal.{secrets.token_hex(4)}"  # a run that was broken off may have left one
    await asyncio.to_thread(client.call, "strong_auth.account.bind", account=account, certificate=pem)
    challenge = await asyncio.to_thread(client.call, "strong_auth.challenge")
    message = _bytes(challenge["message"])
    session = await asyncio.to_thread(
        client.call,
        "strong_auth.login",
        challenge=challenge["challenge"],
        certificate=pem,
        signature=_text(sm2.sign(private, message)),
    )
    await asyncio.to_thread(client.call, "strong_auth.session.check", session=session["session"])


def _call_services(client: Client, steps: Any) -> None:
    """The sample of each bound service, as the wizard shows it, with AK/SK."""
    for step in steps:
        if step.service == "timestamp":
            _say("时间戳 timestamp.issue")
            client.call("timestamp.issue", digest=_text(sm3.digest("演练".encode())), hash_algorithm="SM3")
        elif step.service != "strong_auth":
            _say(f"{step.service} {step.operation}")
            client.call(step.operation, **dict(step.request))


def _text(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


def _bytes(value: str) -> bytes:
    import base64

    return base64.b64decode(value)


if __name__ == "__main__":
    main()
