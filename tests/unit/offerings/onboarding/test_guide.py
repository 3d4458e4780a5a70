"""The commands of the wizard, word by word; that they work as they stand is `tests/interop/platform/test_curl.py`."""

from __future__ import annotations

import shlex

import pytest

from miyun.edge.assembly import registry
from miyun.offerings.onboarding.guide import credential_config, request_command, timestamp_command

OPERATIONS = registry().operations


def words(operation: str, request: dict[str, object]) -> list[str]:
    return shlex.split(request_command("https://cloud:8600", "ca.pem", "x.curlrc", OPERATIONS[operation], request))


def test_path_fields_go_into_the_path_and_the_rest_into_the_body() -> None:
    said = words("kms.data_key.generate", {"key": "key/1", "size": 16})
    assert said[-1] == "https://cloud:8600/v1/kms/keys/key%2F1/data-keys"
    assert said[said.index("--data") + 1] == '{"size": 16}'


def test_a_read_puts_its_fields_into_the_query() -> None:
    assert words("kms.key.list", {"limit": 5, "text": "a&b"})[-1] == "https://cloud:8600/v1/kms/keys?limit=5&text=a%26b"


@pytest.mark.parametrize("text", ["it's", '"; rm -rf /', "$(reboot)", "密云"])
def test_no_value_escapes_into_the_shell(text: str) -> None:
    said = words("encryption.encrypt", {"key": "k", "plaintext": text})
    assert text in said[said.index("--data") + 1].encode().decode(
        "unicode_escape" if "\\" in text else "utf-8"
    ).replace('\\"', '"')


def test_no_secret_stands_in_a_command() -> None:
    config = credential_config("bc_1", "password")
    assert config == 'user = "bc_1:password"\n'
    for command in (
        request_command("u", "c", "x.curlrc", OPERATIONS["encryption.encrypt"], {}),
        timestamp_command("u", "c", "x.curlrc", "ecdsa"),
    ):
        assert "password" not in command and "--config x.curlrc" in command


@pytest.mark.parametrize(("policy", "digest"), [("sm2", "-sm3"), ("ecdsa", "-sha256"), ("rsa", "-sha256")])
def test_a_timestamp_policy_gets_its_hash(policy: str, digest: str) -> None:
    assert digest in timestamp_command("u", "c", "x", policy).split()
