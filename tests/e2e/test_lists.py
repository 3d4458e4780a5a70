"""The lists of the rooms on data: every order, page after page, holds the same as the file that is taken away."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import httpx
import pytest
from tests.architecture.test_lists import FEW, LISTS, export_of
from tests.e2e.furnishing import Furnished, furnish
from tests.e2e.test_pages import CHINESE, PRESCRIBED, WORDS
from tests.platform import RunningPlatform

from miyun.client import Client, InvalidRequest
from miyun.core.operation import Role
from miyun.edge.console.pages.exports import CERTIFICATES, EXPORTS
from miyun.edge.http.arrival import SESSION_COOKIE

PEOPLE = (Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_SYSTEM)
EMPTY = {  # nothing of it is made without an ACME client: tests/interop/ssl_certificate
    "ssl_certificate.account.orders",
    "ssl_certificate.account.authorizations",
    "certificate.application.batch.list",
}

# columns of what people wrote, and of what has no other name
OWN_WORDS = {
    "名称", "Name", "Names", "持有人", "Holder", "标签", "Label", "标识", "账号", "Account", "算法", "Algorithm",
    "密钥算法", "Key algorithm",
}  # fmt: skip
NAMED = re.compile("(usr|app)_[0-9a-z]{20,}")  # the page has a name for it
IDENTIFIER = re.compile("[a-z]{2,4}_[0-9a-z]{20,}")
API_WORD = re.compile(r"[a-z]+(?:[._][a-z0-9]+)+")


@pytest.fixture(scope="module")
def furnished(platform: RunningPlatform) -> Furnished:
    return furnish(platform)


def pages(client: Client, name: str, sort: str, **values: Any) -> list[Any]:
    """Two at a time. A list of the platform's own comes with the first page, besides."""
    items: list[Any] = []
    cursor = None
    while True:
        page = client.call(name, limit=2, sort=sort, cursor=cursor, **values)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


@pytest.mark.parametrize("name", sorted(set(LISTS) - set(FEW)))
def test_every_order_and_the_file_hold_the_same(platform: RunningPlatform, furnished: Furnished, name: str) -> None:
    operation = LISTS[name]
    export = export_of(operation)
    assert export is not None
    role = next(role for role in PEOPLE if role in operation.roles)
    known = {key.partition(":")[0]: value for key, value in furnished.parameters.items()}
    values = {field: known[field] for field in operation.tenant_fields}
    with platform.session(platform.person(role, furnished.tenant)) as client:
        with pytest.raises(InvalidRequest) as refused:
            client.call(name, sort="nonsense", **values)
        assert refused.value.field == "sort"
        with pytest.raises(InvalidRequest):
            client.call(export.id, sort="nonsense", format="jsonl", **values)
        fields = re.findall(r"\w+", str(refused.value).partition("one of ")[2].partition(";")[0] or "")
        fields = fields or re.findall(r"[a-z_]+", str(refused.value).partition("可用：")[2].partition("，")[0])
        assert fields, str(refused.value)
        first = {json.dumps(item, sort_keys=True) for item in pages(client, name, fields[0], **values)}
        assert first or name in EMPTY, "nothing to look at"
        for field in fields:
            for sort in (field, f"-{field}"):
                items = pages(client, name, sort, **values)
                assert len(items) == len({json.dumps(item, sort_keys=True) for item in items}), f"{sort}: a row twice"
                assert len(items) == len(first), f"{sort}: a row is left out"
                file = bytes(client.call(export.id, sort=sort, format="jsonl", **values))
                assert len(file.splitlines()) == len(items), f"{sort}: the file holds another number"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_files_say_what_the_pages_say(platform: RunningPlatform, furnished: Furnished, language: str) -> None:
    """No word of the API, no identifier where the page has a name, no heading of the other language."""
    seen = set()
    for role in PEOPLE:
        seat = platform.person(role, furnished.tenant)
        cookies = {SESSION_COOKIE: seat.token, "miyun-lang": language}
        with httpx.Client(base_url=platform.url, verify=platform.trust, cookies=cookies) as client:
            for listing in sorted({CERTIFICATES, *EXPORTS} - seen):
                where = "certificates/export" if listing == CERTIFICATES else f"exports/{listing}"
                query = {"trust_list": furnished.parameters["trust_list:str"]} if listing == "trust-authorities" else {}
                answer = client.get(f"/console/{where}", params=query)
                if answer.status_code == 403:
                    continue
                assert answer.status_code == 200, listing
                assert answer.content.startswith(b"\xef\xbb\xbf"), "spreadsheets take it for another encoding"
                head, *rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
                assert all(
                    bool(CHINESE.search(title)) == (language == "zh") for title in head if title not in ("CA", "SM3")
                ), head
                wrong = [
                    (title, cell) for row in rows for title, cell in zip(head, row, strict=True) if raw(cell, title)
                ]
                assert wrong == [], listing
                seen.add(listing)
    assert seen == {CERTIFICATES, *EXPORTS}


def raw(cell: str, title: str) -> bool:
    if NAMED.fullmatch(cell):
        return title not in ("编号", "Identifier")
    if title in OWN_WORDS or cell in PRESCRIBED or IDENTIFIER.fullmatch(cell):
        return False
    return bool(cell in ("True", "False") or API_WORD.fullmatch(cell) or (CHINESE.search(title) and cell in WORDS))
