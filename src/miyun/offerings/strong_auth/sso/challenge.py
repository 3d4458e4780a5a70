"""Challenges of the sign-in page. They are kept nowhere until they are used: whoever opens the page a million times
fills no table. The platform knows them again by a MAC, and each is good once, for one browser and one client."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from miyun.core.digest import mac
from miyun.core.ids import new_id
from miyun.core.machine import machine_errors
from miyun.hsm.port import Machine
from miyun.offerings.strong_auth.errors import ChallengeInvalid
from miyun.offerings.strong_auth.model import CHALLENGE_LIFETIME
from miyun.offerings.strong_auth.sessions import stored
from miyun.offerings.strong_auth.sso import jws

_HEAD = "MIYUN-LOGIN-2"
_TIME = "%Y%m%dT%H%M%S%z"
_SKEW = timedelta(seconds=5)  # between the workers of one machine


class Challenges:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._key = b""

    async def make(self, tenant: str, application: str, client: str, browser: str, now: datetime) -> tuple[str, str]:
        """What the page sends back, and the text to be signed. `browser`: the cookie that binds it to one."""
        expires = (now + CHALLENGE_LIFETIME).replace(microsecond=0)
        lines = (_HEAD, tenant, application, client, new_id("chl"), stored(browser), expires.strftime(_TIME))
        text = "\n".join(lines)
        return f"{jws.b64(text.encode())}.{jws.b64(await self._mac(text))}", text

    async def check(
        self, token: str, tenant: str, application: str, client: str, browser: str, now: datetime
    ) -> tuple[str, datetime, bytes]:
        """Its name, its expiry, and the octets that must have been signed. Raises ChallengeInvalid."""
        try:
            first, second = token.split(".")
            text, given = jws.unb64(first).decode(), jws.unb64(second)
            head, *bound, name, holder, until = text.split("\n")
            expires = datetime.strptime(until, _TIME)
        except ValueError:
            raise ChallengeInvalid(field="challenge") from None
        if not hmac.compare_digest(await self._mac(text), given) or head != _HEAD:
            raise ChallengeInvalid(field="challenge")
        if bound != [tenant, application, client] or not browser or not hmac.compare_digest(holder, stored(browser)):
            raise ChallengeInvalid(field="challenge")
        # one from the future was made before the clock was set back: it would live longer than it should
        if not now < expires <= now + CHALLENGE_LIFETIME + _SKEW:
            raise ChallengeInvalid(field="challenge")
        return name, expires, text.encode()

    async def _mac(self, text: str) -> bytes:
        if not self._key:
            with machine_errors():
                self._key = await self._machine.derive("session", b"strong_auth challenge")
        return mac(self._key, text.encode())
