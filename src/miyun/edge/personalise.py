"""Setting a USB key up on the operator's machine: the platform's operations on one side, a library of GM/T 0016 on the
other. The administrator's PIN passes through and is kept nowhere."""

from __future__ import annotations

import base64
import platform
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from miyun.hsm.skf import Library, Token, TokenError, connected
from miyun.offerings.usbkey.certification import proof_message
from miyun.offerings.usbkey.model import APPLICATION
from miyun.wire.skf import Sar
from miyun.wire.skf_unlock import Command, CommandCode

TRIES: Final = 5
Ask = Callable[..., Any]
"""Calls an operation by its id with the fields of its request as JSON has them."""


class WrongKey(Exception):
    """Another key is plugged in than the platform expects."""

    def __init__(self, wanted: str, found: str) -> None:
        super().__init__(f"{found}, not {wanted}")
        self.wanted = wanted
        self.found = found


class NotAuthentic(Exception):
    """Neither the given device authentication key nor the platform's opens the key."""


class NotIssued(Exception):
    """The certificates are not there yet, or were refused: `filed` says how the application stands."""

    def __init__(self, filed: Mapping[str, Any]) -> None:
        super().__init__(f"{filed['application']} is {filed['state']}")
        self.filed = filed


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the platform's keys, as which of the library's names; `authentication_key` is what it came with."""

    usbkey: str
    token: str
    authentication_key: bytes = field(repr=False)
    user_pin: str = field(repr=False)
    subject: Mapping[str, str]
    template: str = "person"
    days: int | None = None


def personalise(library: Library, ask: Ask, wanted: Wanted) -> dict[str, Any]:
    """Initialises, makes the signing key, applies for its certificates. Can be repeated after whatever went wrong.

    Answers how the application stands: `write` follows when it is issued. Raises TokenError, WrongKey, NotAuthentic and
    what `ask` raises."""
    with connected(library, wanted.token) as token:
        info = token.info()
        _check_serial(ask, wanted.usbkey, info.serial)
        secrets = ask("usbkey.key.initialise", usbkey=wanted.usbkey)
        _take_over(token, wanted.authentication_key, base64.b64decode(secrets["authentication_key"]))
        if APPLICATION in token.applications():
            token.delete_application(APPLICATION)
        made = token.create_application(
            APPLICATION, admin_pin=secrets["admin_pin"], user_pin=wanted.user_pin, tries=TRIES
        )
        with closing(made) as application:
            application.verify_pin(wanted.user_pin)
            with closing(application.create_container(wanted.usbkey)) as container:
                point = container.generate()
                filed: dict[str, Any] = ask(
                    "usbkey.key.certify",
                    usbkey=wanted.usbkey,
                    public_key=_base64(point),
                    proof=_base64(container.sign(proof_message(wanted.usbkey, point))),
                    subject=dict(wanted.subject),
                    template=wanted.template,
                    **({} if wanted.days is None else {"days": wanted.days}),
                )
    return filed


def write(library: Library, ask: Ask, usbkey: str, token_name: str, user_pin: str) -> dict[str, Any]:
    """Writes the certificates that were issued for the key, new ones or renewed ones. Can be repeated.

    Answers the key as the platform sees it then. Raises NotIssued, TokenError, WrongKey and what `ask` raises."""
    with connected(library, token_name) as token:
        info = token.info()
        _check_serial(ask, usbkey, info.serial)
        with closing(token.open_application(APPLICATION)) as application:
            application.verify_pin(user_pin)
            issued = ask("usbkey.key.fetch", usbkey=usbkey)
            if not issued["signing_certificate"]:
                raise NotIssued(issued["filed"])
            with closing(application.open_container(usbkey)) as container:
                container.import_certificate(base64.b64decode(issued["signing_certificate"]))
                container.import_key_pair(base64.b64decode(issued["enveloped_key"]))
                container.import_certificate(base64.b64decode(issued["encryption_certificate"]), signing=False)
    ask(
        "usbkey.compatibility.report",
        maker=info.manufacturer or "?",
        system=f"{platform.system()} {platform.machine()}"[:64],
        library=library.path.name[:64],
        works=True,
    )
    answer: dict[str, Any] = ask("usbkey.key.personalise", usbkey=usbkey)
    return answer


def challenge(library: Library, token_name: str) -> bytes:
    """What the administrator answers; the token waits for it as long as it is plugged in."""
    with connected(library, token_name) as token:
        return token.transmit(Command(CommandCode.CHALLENGE, APPLICATION).encode())


def unlock(library: Library, token_name: str, response: bytes, new_pin: str) -> None:
    with connected(library, token_name) as token:
        token.transmit(Command(CommandCode.UNLOCK, APPLICATION, response, new_pin.encode()).encode())


def unblock(library: Library, token_name: str, admin_pin: str, new_pin: str) -> None:
    """Any maker's key, with its administrator's PIN."""
    with connected(library, token_name) as token, closing(token.open_application(APPLICATION)) as application:
        application.unblock_pin(admin_pin, new_pin)


def _check_serial(ask: Ask, usbkey: str, serial: str) -> None:
    wanted = ask("usbkey.key.get", usbkey=usbkey)["key"]["serial"]
    if wanted != serial:
        raise WrongKey(wanted, serial)


def _take_over(token: Token, given: bytes, own: bytes) -> None:
    """From whatever key it came with, or got from us before, to the platform's."""
    for key in (given, own):
        try:
            token.authenticate(key)
        except TokenError as error:
            if error.code == Sar.DEVICE_REMOVED:
                raise
            continue
        token.change_authentication_key(own)
        return
    raise NotAuthentic


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
