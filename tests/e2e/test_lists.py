"""The lists of the rooms on data: every order, page after page, holds the same as the file that is taken away."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.architecture.test_lists import FEW, LISTS, export_of
from tests.e2e.furnishing import Furnished, furnish
from tests.platform import RunningPlatform

from miyun.client import Client, InvalidRequest
from miyun.core.operation import Role

PEOPLE = (Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_SYSTEM)
EMPTY = {  # nothing of it is made without an ACME client: tests/interop/ssl_certificate
    "ssl_certificate.account.orders",
    "ssl_certificate.account.authorizations",
    "certificate.application.batch.list",
}


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
