"""Challenges that a browser signs. They are kept nowhere until they are used: whoever asks for a million fills no
table. The platform knows them again by a MAC, and each is good once, for one browser and for what it was made for."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from miyun.core.digest import digest, mac
from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.identity import Deriver, Identity
from miyun.core.ids import new_id
from miyun.core.machine import machine_errors
from miyun.wire import base64url

CHALLENGE_LIFETIME: Final = timedelta(seconds=120)
_TIME: Final = "%Y%m%dT%H%M%S%z"
_SKEW: Final = timedelta(seconds=5)  # between the workers of one machine


class ChallengeInvalid(MiyunError):
    status = 403
    text = Text("挑战不存在、已使用或已过期。", "The challenge does not exist, was used, or has expired.")
    remedy = Text("请重新获取挑战后再登录。", "Ask for a new challenge and log in again.")


@dataclass(frozen=True, slots=True)
class Signed:
    """A challenge that came back. `name` has to be remembered as used until `expires`; `message` is what was signed."""

    name: str
    expires: datetime
    message: bytes


class Challenges:
    """`head`: the first line of what is signed (`wire.statement`), which tells what a signature is for."""

    def __init__(self, machine: Deriver, identity: Identity, head: str) -> None:
        self._machine = machine
        self._identity = identity
        self._head = head
        self._key = b""

    async def make(self, bound: Sequence[str], browser: str, now: datetime) -> tuple[str, str]:
        """What is to be sent back, and the text to be signed. `bound`: lines of what it is for, without line breaks;
        `browser`: the cookie that binds it to one."""
        expires = (now + CHALLENGE_LIFETIME).replace(microsecond=0)
        lines = (*bound, new_id("chl"), _holder(browser), expires.strftime(_TIME))
        text = await self._identity.statement(self._head, *lines)
        return f"{base64url.encode(text.encode())}.{base64url.encode(await self._mac(text))}", text

    async def check(self, token: str, bound: Sequence[str], browser: str, now: datetime) -> Signed:
        """Raises ChallengeInvalid."""
        try:
            first, second = token.split(".")
            text, given = base64url.decode(first).decode(), base64url.decode(second)
            *lines, name, holder, until = text.split("\n")
            expires = datetime.strptime(until, _TIME)
        except ValueError:
            raise ChallengeInvalid(field="challenge") from None
        made_for = await self._identity.statement(self._head, *bound)
        if not hmac.compare_digest(await self._mac(text), given) or "\n".join(lines) != made_for:
            raise ChallengeInvalid(field="challenge")
        if not browser or not hmac.compare_digest(holder, _holder(browser)):
            raise ChallengeInvalid(field="challenge")
        # one from the future was made before the clock was set back: it would live longer than it should
        if not now < expires <= now + CHALLENGE_LIFETIME + _SKEW:
            raise ChallengeInvalid(field="challenge")
        return Signed(name, expires, text.encode())

    async def _mac(self, text: str) -> bytes:
        if not self._key:
            with machine_errors():
                self._key = await self._machine.derive("session", self._head.encode())
        return mac(self._key, text.encode())


def _holder(browser: str) -> str:
    return digest(browser.encode()).hex()
