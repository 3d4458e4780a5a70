"""What pages may ask of the agent, with a real token behind our library loaded as if it were a vendor's."""

from __future__ import annotations

import asyncio
import base64
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from tests.token_process import TokenProcess
from tests.unit.wire.authority import SM2, Key, key, make

from miyun.edge.agent.app import Agent
from miyun.edge.agent.consent import REFUSAL_FOR, Consents, checked_origin, now
from miyun.edge.agent.functions import Functions
from miyun.edge.agent.keys import Keys
from miyun.edge.cli.agent import agent as agent_command
from miyun.gm import sm2
from miyun.hsm.skf import Library
from miyun.wire import statement
from miyun.wire.sof import Sor
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate

SITE, OTHER = "https://site.example", "https://other.example"
PIN = "12345678"


def certify(point: bytes) -> bytes:
    """A certificate for the token's key."""
    authority = make("CA", key=key())
    return make("张三", issuer=authority, key=Key(SM2, sm2_spki(point), key().sign, b"")).certificate.der


@dataclass
class World:
    app: Agent
    consents: Consents
    file: Path

    def request(self, method: str, path: str, *, origin: str | None = SITE, **more: Any) -> httpx.Response:
        headers = {**({"origin": origin} if origin else {}), **more.pop("headers", {})}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8610") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(send())

    def call(self, name: str, *parameters: Any, origin: str = SITE) -> dict[str, Any]:
        return self.request("POST", f"/sof/{name}", origin=origin, json=list(parameters)).json()

    def consent(self, *, origin: str = SITE, answer: str = "hour") -> httpx.Response:
        """As the user gives it on the agent's page."""
        address = self.call("SOF_ExportUserCert", "box", origin=origin)["consent"]
        page = self.request("GET", address, origin=None)
        hidden = dict(re.findall(r'name="(request|token)" value="([^"]+)"', page.text))
        return self.request("POST", "/consent", origin="http://127.0.0.1:8610", data={**hidden, "answer": answer})


@pytest.fixture(scope="module")
def token() -> Iterator[TokenProcess]:
    with pytest.MonkeyPatch.context() as patch, TokenProcess() as running:
        patch.setenv("MIYUN_TOKENS", str(running.tokens))
        running.personalise("box", certify)
        yield running


@pytest.fixture
def world(token: TokenProcess, tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "agent.json"
    consents = Consents(file)
    consents.allow(SITE)
    keys = Keys(Library())
    yield World(Agent(Functions(keys, consents), consents, is_own=lambda scope: True), consents, file)
    keys.close()


def test_a_page_signs_with_the_key_after_consent_and_pin(world: World) -> None:
    assert world.call("SOF_GetUserList") == {"code": 0, "value": "张三||box&&&"}
    assert world.consent().status_code == 200
    certificate = base64.b64decode(world.call("SOF_ExportUserCert", "box")["value"])
    assert world.call("SOF_SignData", "box", "x")["code"] == Sor.LOGIN
    assert world.call("SOF_Login", "box", PIN) == {"code": 0, "value": True}
    signature = world.call("SOF_SignData", "box", "挑战")["value"]
    point = parse_certificate(certificate).public_key.point
    assert point is not None
    sm2.verify(point, "挑战".encode(), base64.b64decode(signature))
    encoded = base64.b64encode(certificate).decode()
    assert world.call("SOF_VerifySignedData", encoded, "挑战", signature)["value"] is True
    assert world.call("SOF_VerifySignedData", encoded, "other", signature)["value"] is False
    assert world.call("SOF_GetCertInfo", encoded, 0x31)["value"] == "张三"
    world.call("SOF_Logout", "box")
    assert world.call("SOF_SignData", "box", "x")["code"] == Sor.LOGIN


def test_a_wrong_pin_tells_the_tries_left(world: World) -> None:
    world.consent()
    refused = world.call("SOF_Login", "box", "00000000")
    assert (refused["code"], refused["retries"]) == (0x0A000024, 4)
    assert "4" in refused["message"]["zh"] and "4 tries" in refused["message"]["en"]
    assert world.call("SOF_GetPinRetryCount", "box")["value"] == 4
    world.call("SOF_Login", "box", PIN)
    assert world.call("SOF_GetPinRetryCount", "box")["value"] == 5


def test_a_login_is_one_sites_own(world: World) -> None:
    world.consents.allow(OTHER)
    world.consent()
    world.consent(origin=OTHER)
    world.call("SOF_Login", "box", PIN)
    assert world.call("SOF_SignData", "box", "x", origin=OTHER)["code"] == Sor.LOGIN


@pytest.mark.parametrize("head", [statement.SIGN_IN, statement.SIGN_ON, statement.CONFIRM])
def test_a_platforms_text_is_signed_for_its_own_pages_only(world: World, head: str) -> None:
    """Another site could have got it from the platform, and enter there with the signature."""
    world.consents.allow(OTHER)
    for origin in (SITE, OTHER):
        world.consent(origin=origin)
        assert world.call("SOF_Login", "box", PIN, origin=origin)["code"] == 0
    text = statement.compose(head, "plf_1", SITE, "login", "chl_1")
    assert world.call("SOF_SignData", "box", text)["code"] == 0
    refused = world.call("SOF_SignData", "box", text, origin=OTHER)
    assert refused["code"] == Sor.SIGN_DATA and SITE in refused["message"]["en"] and OTHER in refused["message"]["zh"]
    for broken in (head, f"{head}\nplf_1", text.replace(SITE, f"{SITE}\r")):
        assert world.call("SOF_SignData", "box", broken)["code"] == Sor.SIGN_DATA


def test_without_consent_nothing_of_the_certificate_is_told(world: World) -> None:
    for name, more in (("SOF_ExportUserCert", ()), ("SOF_Login", (PIN,)), ("SOF_GetPinRetryCount", ())):
        assert world.call(name, "box", *more)["code"] == Sor.CONSENT_NEEDED


def test_a_refused_consent_is_none(world: World) -> None:
    world.consent(answer="no")
    told = world.call("SOF_ExportUserCert", "box")
    assert told["code"] == Sor.CONSENT_REFUSED and "may not use" in told["message"]["en"], "a page that waits is told"
    assert world.call("SOF_ExportUserCert", "box")["code"] == Sor.CONSENT_NEEDED, "and whoever asks anew is asked"


def test_a_refusal_is_no_answer_to_a_later_question(world: World) -> None:
    at = now()
    asked = world.consents.ask(SITE, "c1", "张三", at)
    world.consents.answer(asked.request, asked.token, "no", at)
    assert not world.consents.take_refusal(SITE, "c1", at + REFUSAL_FOR)


def test_consent_ends(world: World) -> None:
    world.consent()
    (given,) = world.consents._read().consents
    assert not world.consents.given(SITE, given.certificate, given.until)


def test_the_page_of_consent_cannot_be_framed_or_answered_for_the_user(world: World) -> None:
    address = world.call("SOF_ExportUserCert", "box")["consent"]
    page = world.request("GET", address, origin=None)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in page.headers
    hidden = dict(re.findall(r'name="(request|token)" value="([^"]+)"', page.text))
    foreign = world.request("POST", "/consent", data={**hidden, "answer": "month"})
    guessed = world.request(
        "POST", "/consent", origin="http://127.0.0.1:8610", data={**hidden, "token": "x", "answer": "month"}
    )
    assert foreign.status_code == 403
    assert "没有待确认的请求" in guessed.text
    assert world.call("SOF_ExportUserCert", "box")["code"] == Sor.CONSENT_NEEDED


def test_the_page_is_in_english_where_that_is_asked_for(world: World) -> None:
    address = world.call("SOF_ExportUserCert", "box")["consent"]
    page = world.request("GET", address, origin=None, headers={"accept-language": "en"})
    assert "May this site use your certificate?" in page.text


@pytest.mark.parametrize("origin", [None, OTHER, "null", "https://site.example.evil.example"])
def test_other_sites_are_refused(world: World, origin: str | None) -> None:
    answer = world.request("POST", "/sof/SOF_GetUserList", origin=origin, json=[])
    assert answer.status_code == 403
    assert answer.json()["code"] == Sor.ORIGIN_NOT_ALLOWED
    assert "access-control-allow-origin" not in answer.headers


def test_a_name_that_points_at_this_machine_is_refused(world: World) -> None:
    answer = world.request("POST", "/sof/SOF_GetUserList", json=[], headers={"host": "rebound.example:8610"})
    assert answer.status_code == 421


def test_a_question_of_many_fields_is_an_unknown_one(world: World) -> None:
    page = world.request("GET", "/consent?" + "a&" * 20, origin=None)
    assert page.status_code == 200 and "request" not in dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))


def test_a_form_cannot_call(world: World) -> None:
    answer = world.request("POST", "/sof/SOF_GetUserList", content=b"[]", headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def test_browsers_may_ask_beforehand(world: World) -> None:
    asking = {"access-control-request-method": "POST", "access-control-request-private-network": "true"}
    answer = world.request("OPTIONS", "/sof/SOF_Login", headers=asking)
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert world.request("OPTIONS", "/sof/SOF_Login", origin=OTHER, headers=asking).status_code == 403


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("SOF_Nothing", [], Sor.NOT_SUPPORTED),
        ("SOF_Login", ["box"], Sor.IN_DATA),
        ("SOF_Login", ["box", 1], Sor.IN_DATA),
        ("SOF_ExportUserCert", ["no such"], Sor.CERTIFICATE_NOT_FOUND),
        ("SOF_GetCertInfo", ["AAAA", 1], Sor.CERTIFICATE_ENCODING),
        ("SOF_GenRandom", [0], Sor.IN_DATA_LENGTH),
        ("SOF_SetSignMethod", [65537], Sor.PARAMETER_NOT_SUPPORTED),
    ],
)
def test_wrong_calls_get_the_standards_code(world: World, name: str, parameters: list[Any], code: Sor) -> None:
    answer = world.call(name, *parameters)
    assert answer["code"] == code
    assert answer["message"]["zh"] and answer["message"]["en"]


def test_what_is_no_json_array_is_refused(world: World) -> None:
    answer = world.request("POST", "/sof/SOF_Login", content=b"{}", headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_the_pin_is_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    world.consent()
    world.call("SOF_Login", "box", PIN)
    world.call("SOF_Login", "box", "87654321")
    assert "SOF_Login" in caplog.text
    assert PIN not in caplog.text and "87654321" not in caplog.text
    world.call("SOF_Login", "box", PIN)


def test_consents_are_the_users_own_file(world: World) -> None:
    world.consent()
    assert stat.S_IMODE(world.file.stat().st_mode) == 0o600
    assert world.consents.forbid(SITE)
    assert not world.consents.origins() and not world.consents._read().consents
    assert world.call("SOF_GetUserList")["code"] == Sor.ORIGIN_NOT_ALLOWED


def test_a_site_that_was_forbidden_while_its_question_was_open_gets_nothing(world: World) -> None:
    address = world.call("SOF_ExportUserCert", "box")["consent"]
    hidden = dict(
        re.findall(r'name="(request|token)" value="([^"]+)"', world.request("GET", address, origin=None).text)
    )
    Consents(world.file).forbid(SITE)  # as `miyun agent forbid` does, in another process
    world.request("POST", "/consent", origin="http://127.0.0.1:8610", data={**hidden, "answer": "month"})
    world.consents.allow(SITE)
    assert world.call("SOF_ExportUserCert", "box")["code"] == Sor.CONSENT_NEEDED


def test_changes_of_several_processes_do_not_undo_each_other(world: World) -> None:
    origins = [f"https://site-{number}.example" for number in range(40)]

    def allow(some: list[str]) -> None:
        own = Consents(world.file)
        for origin in some:
            own.allow(origin)

    threads = [threading.Thread(target=allow, args=(origins[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(world.consents.origins()) == {SITE, *origins}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://A.example", "https://a.example"),
        ("https://a.example:443/", "https://a.example"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://[2001:db8::1]:8600", "https://[2001:db8::1]:8600"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given: str, kept: str) -> None:
    assert checked_origin(given) == kept


@pytest.mark.parametrize(
    "wrong", ["http://a.example", "a.example", "https://a.example/path", "https://u@a.example", "*"]
)
def test_what_is_no_safe_origin_is_not_allowed(wrong: str) -> None:
    with pytest.raises(ValueError):
        checked_origin(wrong)


def test_the_clock_is_aware() -> None:
    assert now().tzinfo is not None


def test_the_file_may_be_named_before_the_subcommand_too(tmp_path: Path) -> None:
    file = str(tmp_path / "agent.json")
    for arguments in (("--file", file, "allow", "https://a.cn"), ("allow", "https://b.cn", "--file", file)):
        assert CliRunner().invoke(agent_command, [*arguments]).exit_code == 0
    assert CliRunner().invoke(agent_command, ["--file", file, "list"]).output.split() == [
        "https://a.cn",
        "https://b.cn",
    ]
