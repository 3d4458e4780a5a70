"""The SDK with a person's key: signing in, confirming what is dangerous, and the key agent."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from miyun.client import AgentKey, AsyncClient, Client, KeyUnusable, PermissionDenied, StepUpRequired, _keys
from miyun.wire import statement

URL = "https://miyun.test"
DESTROY = "kms.key.schedule_deletion"


def text(operation: str = DESTROY, address: str = URL) -> str:
    lines = ("per_1", "ten_1", operation, "00" * 32, "sig_1", "20261129T120000+0000")
    return statement.compose(statement.CONFIRM, "plf_1", address, *lines)


def sign_in(address: str = URL) -> str:
    return statement.compose(statement.SIGN_IN, "plf_1", address, "login", "chl_1", "00" * 32, "20261129T120000+0000")


def refused(message: str) -> httpx.Response:
    step_up = {"message": message, "header": "x-miyun-step-up", "form": "base64url(message).base64url(signature)"}
    return httpx.Response(403, json={"code": "StepUpRequired", "detail": "why", "remedy": "sign", "step_up": step_up})


class Platform:
    """Answers in turn; keeps the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self.answers.pop(0)

    def client(self, **options: Any) -> Client:
        return Client(URL, transport=httpx.MockTransport(self), **{"session": "s", **options})


class InHand:
    """A key that notes what it signed."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def certificate(self) -> bytes:
        return b"a certificate"

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return b"a signature"


def test_the_sdk_and_the_platform_agree_on_what_a_signature_is_for() -> None:
    assert (_keys.SIGN_IN, _keys.CONFIRM) == (statement.SIGN_IN, statement.CONFIRM)


def test_the_same_request_is_sent_again_with_the_signature() -> None:
    key, platform = InHand(), Platform(refused(text()), httpx.Response(200, json={"key": "key_1"}))
    with platform.client(step_up=key.sign) as client:
        assert client.kms.key.schedule_deletion(key="key_1") == {"key": "key_1"}
    first, second = platform.requests
    assert key.signed == [text().encode()]
    assert (second.url, second.content) == (first.url, first.content)
    assert second.headers.get("idempotency-key") == first.headers.get("idempotency-key")
    message, signature = second.headers["x-miyun-step-up"].split(".")
    assert base64.urlsafe_b64decode(message + "=" * (-len(message) % 4)) == text().encode()
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == b"a signature"


def test_a_signature_that_is_refused_is_not_made_again() -> None:
    key, platform = InHand(), Platform(refused(text()), refused(text()))
    with platform.client(step_up=key.sign) as client, pytest.raises(StepUpRequired):
        client.call(DESTROY, key="key_1")
    assert len(key.signed) == 1 and not platform.answers


def test_without_a_key_the_refusal_says_what_to_sign() -> None:
    with Platform(refused(text())).client() as client, pytest.raises(PermissionDenied) as refusal:
        client.call(DESTROY, key="key_1")
    assert isinstance(refusal.value, StepUpRequired) and refusal.value.message == text()


@pytest.mark.parametrize(
    "message",
    [
        text("kms.key.backup"),
        text(address="https://another.test"),
        text(address=f"{URL}:8600"),
        sign_in(),
        "pay 1000",
        "",
        statement.CONFIRM,
    ],
    ids=repr,
)
def test_a_text_that_confirms_something_else_is_not_signed(message: str) -> None:
    key = InHand()
    with Platform(refused(message)).client(step_up=key.sign) as client, pytest.raises(KeyUnusable):
        client.call(DESTROY, key="key_1")
    assert not key.signed


def test_the_asynchronous_client_does_the_same() -> None:
    key, platform = InHand(), Platform(refused(text()), httpx.Response(200, json={"key": "key_1"}))

    async def run() -> Any:
        async with AsyncClient(URL, session="s", step_up=key.sign, transport=httpx.MockTransport(platform)) as client:
            return await client.call(DESTROY, key="key_1")

    assert asyncio.run(run()) == {"key": "key_1"} and len(key.signed) == 1


def test_signing_in_opens_the_session_that_is_used_from_then_on() -> None:
    asked = {"challenge": "c", "message": sign_in()}
    key = InHand()
    platform = Platform(
        httpx.Response(200, json=asked), httpx.Response(200, json={"token": "fresh"}), httpx.Response(200, json={})
    )
    with platform.client(session=None) as client:
        client.sign_in(key)
        client.call("account.logout")
    challenge, login, after = platform.requests
    sent = json.loads(login.content)
    assert sent["browser"] == json.loads(challenge.content)["browser"] and sent["challenge"] == "c"
    assert base64.b64decode(sent["certificate"]) == b"a certificate" and key.signed == [asked["message"].encode()]
    assert after.headers["authorization"] == "Bearer fresh"


@pytest.mark.parametrize(
    "message", [text(), sign_in().replace("login", "register"), sign_in("https://another.test"), statement.SIGN_IN]
)
def test_nothing_but_a_sign_in_here_is_signed_at_a_sign_in(message: str) -> None:
    """One that another platform made would be good there: this one may have asked it for it."""
    key = InHand()
    platform = Platform(httpx.Response(200, json={"challenge": "c", "message": message}))
    with platform.client(session=None) as client, pytest.raises(KeyUnusable):
        client.sign_in(key)
    assert not key.signed


def test_an_application_does_not_sign_in_as_a_person() -> None:
    with Client(URL, "ak", "sk", transport=httpx.MockTransport(Platform())) as client, pytest.raises(TypeError):
        client.sign_in(InHand())


class Agent:
    """Stands in for the key agent: one or more certificates, a PIN, and what the real one refuses."""

    def __init__(self, *names: str, **refusal: Any) -> None:
        self.names, self.refusal = names, refusal
        self.calls: list[tuple[str, list[Any], str]] = []
        self.logged_in = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        function, parameters = request.url.path.rpartition("/")[2], json.loads(request.read())
        self.calls.append((function, parameters, request.headers["origin"]))
        if function == "SOF_Login":
            if self.refusal:
                return httpx.Response(200, json={"message": {"zh": "不行", "en": "no"}, **self.refusal})
            self.logged_in = True
        values = {
            "SOF_GetUserList": "".join(f"{name}||id-{name}&&&" for name in self.names),
            "SOF_IsLogin": self.logged_in,
            "SOF_Login": True,
            "SOF_ExportUserCert": base64.b64encode(b"DER").decode(),
            "SOF_SignData": base64.b64encode(b"signed").decode(),
        }
        return httpx.Response(200, json={"code": 0, "value": values[function]})

    def key(self, *, name: str | None = None, pin: str = "12345678") -> AgentKey:
        return AgentKey(f"{URL}/", lambda: pin, name=name, language="en", transport=httpx.MockTransport(self))


def test_the_agent_is_asked_as_the_platforms_pages_ask_it_and_the_pin_once() -> None:
    agent = Agent("Zhang San")
    key = agent.key()
    assert key.certificate() == b"DER"
    assert key.sign("签".encode()) == key.sign(b"once more") == b"signed"
    assert {origin for _, _, origin in agent.calls} == {URL}
    assert [call[1] for call in agent.calls if call[0] == "SOF_Login"] == [["id-Zhang San", "12345678"]]
    assert [call[1][1] for call in agent.calls if call[0] == "SOF_SignData"] == ["签", "once more"]


def test_one_of_several_keys_has_to_be_named() -> None:
    agent = Agent("Zhang San", "Li Si")
    with pytest.raises(KeyUnusable, match="id-Zhang San, id-Li Si"):
        agent.key().certificate()
    assert agent.key(name="Li Si").certificate() == agent.key(name="id-Li Si").certificate() == b"DER"
    with pytest.raises(KeyUnusable, match="No key"):
        Agent().key().certificate()


def test_what_the_agent_refuses_keeps_tries_and_consent() -> None:
    with pytest.raises(KeyUnusable) as wrong:
        Agent("a", code=0x0A000024, retries=3).key(pin="000000").sign(b"x")
    assert (wrong.value.tries, wrong.value.consent) == (3, None) and "000000" not in str(wrong.value)
    with pytest.raises(KeyUnusable, match="consent") as asked:
        Agent("a", code=1, consent="http://127.0.0.1:8610/consent?request=1").key().sign(b"x")
    assert asked.value.consent


def test_an_agent_that_does_not_run_or_is_none_is_said() -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for answer, told in ((nobody, "miyun agent"), (lambda _: httpx.Response(404, text="?"), "404")):
        with pytest.raises(KeyUnusable, match=told):
            AgentKey(URL, str, language="en", transport=httpx.MockTransport(answer)).certificate()
