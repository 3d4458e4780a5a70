"""The command of a step: curl as it is, its single-purpose credential in a file, so that no secret stands in argv."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from miyun.core.operation import Operation

_CURL: Final = ("curl", "--silent", "--show-error", "--fail-with-body")


def credential_config(username: str, password: str) -> str:
    """A curl configuration file; save it with mode 0600."""
    return f'user = "{username}:{password}"\n'


def request_command(
    url: str, authority: str, credential_file: str, operation: Operation, request: Mapping[str, Any]
) -> str:
    """curl for a JSON operation: path fields are filled in, the rest goes into body or query."""
    rest = dict(request)
    parts = []
    for part in operation.path.split("/"):
        parts.append(quote(str(rest.pop(part[1:-1])), safe="") if part.startswith("{") else part)
    words = [*_CURL, "--cacert", authority, "--config", credential_file]
    address = f"{url}/v1{'/'.join(parts)}"
    if operation.method == "GET":
        query = "&".join(f"{quote(k)}={quote(str(v))}" for k, v in rest.items())
        return shlex.join([*words, f"{address}?{query}" if query else address])
    words += ["--request", operation.method, "--header", "Content-Type: application/json"]
    return shlex.join([*words, "--data", json.dumps(rest, ensure_ascii=False), address])


def timestamp_command(url: str, authority: str, credential_file: str, policy: str) -> str:
    """openssl makes the query and reads the answer; curl carries it (RFC 3161 section 3.4)."""
    digest = "-sm3" if policy == "sm2" else "-sha256"
    words = [*_CURL, "--cacert", authority, "--config", credential_file]
    words += ["--header", "Content-Type: application/timestamp-query", "--data-binary", "@-"]
    curl = shlex.join([*words, "--output", "reply.tsr", f"{url}/tsa/{policy}"])
    return (
        f"echo hello > data.txt && openssl ts -query -data data.txt {digest} -cert -out - | {curl}"
        " && openssl ts -reply -in reply.tsr -text"
    )
