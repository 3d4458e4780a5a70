"""A person's key: it opens a session, and signs for what is dangerous."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Protocol

import httpx

from miyun.client._errors import KeyUnusable

SIGN_IN, CONFIRM = "MIYUN-CONSOLE-LOGIN-2", "MIYUN-CONFIRM-2"  # first line of a text: what signing it does
AGENT = "http://127.0.0.1:8610"
StepUp = Callable[[bytes], bytes]
"""Given the octets to be signed, answers the signature of the person's key (DER)."""


def to_sign(message: str, url: str, language: str, *, operation: str | None = None) -> bytes:
    """The octets of a text that signs in, or confirms `operation`, at the platform of `url`. Raises KeyUnusable for any
    other: a platform could have got it from another one, where the signature would be good."""
    head, _, address, *rest = (*message.split("\n"), "", "", "", "", "")
    wanted = (SIGN_IN, "login") if operation is None else (CONFIRM, operation)
    if (head, rest[0 if operation is None else 2]) != wanted:
        raise KeyUnusable.other_text(message[:64], operation, language)
    here = httpx.URL(url)
    if address != f"{here.scheme}://{here.netloc.decode('ascii')}":
        raise KeyUnusable.elsewhere(address, url, language)
    return message.encode()


class Key(Protocol):
    """What `Client.sign_in` needs; its `sign` is what `step_up=` takes."""

    def certificate(self) -> bytes:
        """DER."""

    def sign(self, message: bytes) -> bytes:
        """DER, by SM2 with SM3 and the default user ID."""


class AgentKey:
    """A key plugged in here, through the key agent of its holder (`miyun agent`).

    `origin` is the platform's address: the agent's user allows it (`miyun agent allow`) and consents, as for its pages.
    `pin` is called whenever the PIN is needed, for example `getpass.getpass`. `name` chooses among several keys: a
    certificate's name or certID. Raises KeyUnusable.
    """

    def __init__(
        self,
        origin: str,
        pin: Callable[[], str],
        *,
        name: str | None = None,
        address: str = AGENT,
        language: str = "zh",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._origin, self._pin, self._name = origin.rstrip("/"), pin, name
        self._address, self._language, self._transport = address.rstrip("/"), language, transport
        self._chosen: str | None = None

    def certificate(self) -> bytes:
        return base64.b64decode(self._ask("SOF_ExportUserCert", self._identifier()))

    def sign(self, message: bytes) -> bytes:
        identifier = self._identifier()
        if not self._ask("SOF_IsLogin", identifier):
            self._ask("SOF_Login", identifier, self._pin())
        return base64.b64decode(self._ask("SOF_SignData", identifier, message.decode()))

    def _identifier(self) -> str:
        if self._chosen is None:
            listed = [item.split("||", 1) for item in self._ask("SOF_GetUserList").split("&&&") if "||" in item]
            fitting = [identifier for name, identifier in listed if self._name in (None, name, identifier)]
            if len(fitting) != 1:
                raise KeyUnusable.among([identifier for _, identifier in listed], self._language)
            self._chosen = fitting[0]
        return self._chosen

    def _ask(self, function: str, *parameters: str) -> Any:
        try:
            with httpx.Client(transport=self._transport, trust_env=False, timeout=60) as http:
                answer = http.post(
                    f"{self._address}/sof/{function}", json=list(parameters), headers={"origin": self._origin}
                )
            said = answer.json()
            if said["code"] == 0:
                return said["value"]
            text = said["message"][self._language]
        except httpx.TransportError:
            raise KeyUnusable.unreachable(self._address, self._language) from None
        except (ValueError, KeyError, TypeError):
            raise KeyUnusable(f"{self._address}: HTTP {answer.status_code}") from None
        raise KeyUnusable(text, code=said["code"], tries=said.get("retries"), consent=said.get("consent"))
