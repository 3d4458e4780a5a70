"""A person with a key at the command line and in the SDK: a real token, the key agent, and the terminal."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.agent import CONTAINER, PIN, agent_of
from tests.platform import RunningPlatform, Seat, Tenant, free_port, spec, unique
from tests.token_process import TokenProcess

from miyun.client import AgentKey, Client, KeyUnusable
from miyun.core.operation import Role
from miyun.edge.cli.library_key import LibraryKey
from miyun.edge.cli.say import Exit
from miyun.hsm.skf import OWN_LIBRARY
from miyun.wire.spki import sm2_spki

pytestmark = pytest.mark.engine


@dataclass
class Holder:
    """The tenant's security administrator, whose key is registered and approved."""

    platform: RunningPlatform
    tenant: Tenant
    token: TokenProcess
    seat: Seat
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MIYUN_")},
            "MIYUN_TOKENS": str(self.token.tokens),
            "MIYUN_URL": self.platform.url,
            "MIYUN_AUTHORITY": str(self.platform.authority),
            "MIYUN_PROFILE": str(self.folder / "profile.toml"),
            "MIYUN_LANG": "en",
        }

    def miyun(self, *arguments: str, typed: str | None = None, **environ: str) -> tuple[int, str]:
        """Exit code and what was shown. `typed` is entered on a terminal when the command asks for something hidden."""
        command = [sys.executable, "-m", "miyun.edge.cli", *arguments]
        if typed is None:
            done = subprocess.run(
                command, env=self.environ | environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                start_new_session=True, timeout=60,
            )  # fmt: skip
            return done.returncode, done.stdout + done.stderr
        return on_a_terminal(command, self.environ | environ, typed)

    def new_key(self) -> str:
        with self.platform.session(self.seat) as client:
            return str(client.call("kms.key.create", algorithm="SM4", usage="encrypt", label=unique("k"))["key"])


def on_a_terminal(command: list[str], environ: dict[str, str], typed: str) -> tuple[int, str]:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environ)
    shown = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # its other end was closed
            break
        shown += more
        if typed and re.search(rb"(PIN of the key|Password): $", shown):
            os.write(terminal, typed.encode() + b"\n")
            typed = ""
        if not more:
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory, platform: RunningPlatform) -> Iterator[Holder]:
    tenant = platform.activate(spec(unique("h")))
    seat = platform.person(Role.TENANT_SECURITY, tenant)

    def certify(point: bytes) -> bytes:
        async def issue(running: Any) -> bytes:
            made = await running.issuer.issue(
                tenant.id, template="person", subject={"CN": "王五"}, spki=sm2_spki(point), at=running.clock.now()
            )
            return bytes(made.der)

        return platform.inside(issue)

    with TokenProcess(serial="CMD-1") as token, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIYUN_TOKENS", str(token.tokens))
        token.personalise(CONTAINER, certify, pin=PIN)
        key = LibraryKey(OWN_LIBRARY, lambda: PIN)
        with platform.session(seat) as client:
            asked = client.call("account.key.challenge", browser="b")
            made = client.call(
                "account.key.enrol",
                challenge=asked["challenge"],
                browser="b",
                certificate=base64.b64encode(key.certificate()).decode(),
                signature=key.sign(asked["message"].encode()),
            )
        with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
            client.call("account.key.approve", key_id=made["key_id"])
        yield Holder(platform, tenant, token, seat, tmp_path_factory.mktemp("holder"))


def test_a_holder_signs_in_confirms_and_signs_out_on_a_terminal(holder: Holder) -> None:
    by_library = ("--skf-library", str(OWN_LIBRARY))
    key = holder.new_key()
    code, shown = holder.miyun("login", *by_library, typed=PIN)
    assert code == 0 and holder.seat.login in shown and PIN not in shown
    kept = holder.folder / "sessions" / "default.json"
    assert kept.stat().st_mode & 0o777 == 0o600

    destroy = ("api", "kms", "key", "schedule_deletion", "--key", key)
    code, shown = holder.miyun(*destroy)
    assert code == Exit.DENIED and "--skf-library" in shown and "miyun agent allow" in shown
    code, shown = holder.miyun(*destroy, *by_library, typed="87654321")
    assert code == Exit.DENIED and "tries left" in shown
    code, shown = holder.miyun(*destroy, *by_library, typed=PIN)
    assert code == 0, shown
    assert json.loads(shown[shown.index("{") :])["state"] == "pending_deletion"

    assert holder.miyun("logout")[0] == 0
    assert not kept.exists()
    assert holder.miyun("api", "kms", "key", "list")[0] == Exit.DENIED


def test_a_password_opens_a_session_too_and_it_goes_to_no_other_address(holder: Holder) -> None:
    code, shown = holder.miyun("login", holder.seat.login, typed=holder.seat.password)
    assert code == 0 and holder.seat.password not in shown
    assert holder.miyun("api", "account", "me")[0] == 0
    kept = json.loads((holder.folder / "sessions" / "default.json").read_bytes())
    assert kept["url"] == holder.platform.url
    elsewhere = holder.platform.url.replace("127.0.0.1", "localhost")
    assert holder.miyun("api", "account", "me", MIYUN_URL=elsewhere)[0] == Exit.DENIED
    assert holder.miyun("logout")[0] == 0


def test_the_sdk_signs_through_the_agent_once_its_user_has_said_yes(
    holder: Holder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIYUN_TOKENS", str(holder.token.tokens))
    url, port = holder.platform.url, free_port()
    with agent_of(holder.token, tmp_path, port=port, origin=url) as agent:
        key = AgentKey(url, lambda: PIN, address=agent.url, language="en")
        with Client(url, verify=holder.platform.trust, step_up=key.sign) as client:
            with pytest.raises(KeyUnusable) as asked:
                client.sign_in(key)
            assert asked.value.consent and asked.value.consent.startswith(agent.url)
            say_yes(asked.value.consent)
            assert client.sign_in(key)["person"]["login"] == holder.seat.login
            made = client.call("kms.key.schedule_deletion", key=holder.new_key())
            assert made["state"] == "pending_deletion"
        code, shown = holder.miyun("login", typed=PIN, MIYUN_AGENT=agent.url)
        assert code == 0, shown
        assert holder.miyun("logout")[0] == 0


def say_yes(consent: str) -> None:
    """As the agent's own page does."""
    with httpx.Client(trust_env=False) as http:
        page = http.get(consent).text
        hidden = dict(re.findall(r'name="(request|token)" value="([^"]*)"', page))
        origin = consent.partition("/consent")[0]
        answered = http.post(f"{origin}/consent", data=hidden | {"answer": "hour"}, headers={"origin": origin})
    assert answered.status_code == 200 and hidden.keys() == {"request", "token"}
