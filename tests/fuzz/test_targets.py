"""Every decoder of the package is fuzzed: those found by their names run when the targets decode their messages, or are
listed here with the test that feeds them. A new decoder without either fails.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType

from tests.fuzz import other_targets, wire_targets

import miyun

ROOT = Path(__file__).resolve().parents[2]
_FUNCTION = re.compile(r"(parse|decode|read|load|unpack|convert|from|ber_to|split)(_|$)")
_METHOD = re.compile(r"(parse|decode|read|load|unpack|from)(_|$)")
_CONTRACT = "tests/properties/delivery/test_contract_properties.py"
ELSEWHERE = {
    "miyun.core.backup.archive.read_members": "tests/properties/core/test_backup_archive.py",
    "miyun.core.ledger.journal.read_lines": "tests/faults/ledger/test_damage.py",
    "miyun.core.settings.load": "",  # the operator's own file
    "miyun.delivery.acceptance.manifest.load": "tests/unit/delivery/test_acceptance.py",
    "miyun.delivery.contract": _CONTRACT,
    "miyun.edge.cli": "",  # the user's own files, read by the decoders below
    "miyun.edge.http.body.read": "tests/unit/edge/test_body.py",
    "miyun.edge.supervisor.supervisor.read_state": "tests/faults/platform/test_supervisor.py",
    "miyun.edge.tokens.read_token": "tests/unit/hsm/test_socket.py",
    "miyun.gm.intl.load_private": "",  # cryptography's decoder
    "miyun.gm.providers.libcrypto.load": "",  # a library, not a message
    "miyun.hsm.token.device.read_file": "",  # a request: its octets are those of the target "token request"
    "miyun.hsm.soft.shares.split": "",  # makes shares
    "miyun.offerings.certificate.applications.requests.read_request": "tests/unit/offerings/certificate/applications/"
    "test_requests.py",
    "miyun.offerings.certificate.applications.requests.read_requests": "tests/unit/offerings/certificate/test_batch.py",
    "miyun.offerings.certificate.protocol.decode": "tests/faults/platform/test_wrong_input.py",
    "miyun.offerings.certificate.protocol.decode_got": "tests/interop/certificate/test_openssl_ocsp.py",
    "miyun.offerings.certificate.protocol.decode_posted": "tests/interop/certificate/test_openssl_ocsp.py",
    "miyun.offerings.encryption.streaming.read_header": "tests/properties/encryption/test_segments.py",
    "miyun.offerings.signature.archive.offline.read_files": "tests/unit/offerings/signature/test_evidence.py",
    "miyun.offerings.strong_auth.protocol": "tests/properties/strong_auth/test_requests.py",
    "miyun.offerings.timestamp.protocol.decode": "tests/properties/timestamp/test_requests.py",
    "miyun.offerings.timestamp.reading.read_request": "tests/properties/timestamp/test_requests.py",
}
"""Decoder, or package of decoders: the test that feeds it what is wrong; empty: nothing of others' comes there."""


def decoders() -> Iterator[tuple[str, Callable]]:
    for found in pkgutil.walk_packages(miyun.__path__, "miyun."):
        if found.name.endswith("__main__") or "migrations" in found.name or "_native" in found.name:
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != found.name or name.startswith("_"):
                continue
            function = inspect.unwrap(value) if callable(value) else value  # from under a cache
            if inspect.isfunction(function) and _FUNCTION.match(name):
                yield f"{found.name}.{name}", function
            elif inspect.isclass(value):
                for own, method in vars(value).items():
                    if isinstance(method, classmethod | staticmethod) and _METHOD.match(own):
                        yield f"{found.name}.{name}.{own}", method.__func__


def reached() -> set[CodeType]:
    """What runs while every target decodes its messages, none of them known from before."""
    ran: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            ran.add(frame.f_code)

    for target in (*wire_targets.TARGETS, *other_targets.TARGETS):
        for sample in target.samples:
            forget()
            sys.setprofile(note)
            try:
                target.decode(sample)
            finally:
                sys.setprofile(None)
    return ran


def forget() -> None:
    """Empty the caches of the decoders."""
    for name, module in list(sys.modules.items()):
        if name.startswith("miyun.wire"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def elsewhere(name: str) -> bool:
    return any(name == listed or name.startswith(f"{listed}.") for listed in ELSEWHERE)


def test_every_decoder_is_fuzzed() -> None:
    ran = reached()
    found = dict(decoders())
    assert len(found) > 60
    missing = [n for n, f in found.items() if f.__code__ not in ran and not elsewhere(n)]
    assert not missing, f"add a target to tests/fuzz, or say where it is tested: {missing}"


def test_the_exceptions_are_true() -> None:
    found = [name for name, _ in decoders()]
    for listed, test in ELSEWHERE.items():
        assert any(name == listed or name.startswith(f"{listed}.") for name in found), f"{listed} is gone"
        assert not test or (ROOT / test).is_file(), f"{test} is gone"
