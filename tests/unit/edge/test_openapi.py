"""The API's description: whole, valid in structure, and true to the declarations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from miyun.core.errors import registry
from miyun.edge.http.openapi import document

from .world import OPERATIONS, make_world


def described() -> dict[str, Any]:
    return document(make_world().pipeline.registry, "https://miyun.test")


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    whole = described()
    for reference in references(whole):
        node: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_operation_is_described_once_with_its_parameters() -> None:
    whole = described()
    found = {op["operationId"]: (path, method, op) for path, by in whole["paths"].items() for method, op in by.items()}
    assert set(found) == {operation.id for operation in OPERATIONS}
    for path, _, operation in found.values():
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert operation["responses"]["200"]
        assert operation["summary"] and operation["x-summary-en"]


def test_a_body_does_not_repeat_what_is_in_the_path() -> None:
    body = described()["paths"]["/v1/room/notes/{note}"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["schema"]["properties"]) == {"text", "tags", "count", "data"}
    assert body["schema"]["required"] == ["text"]
    assert body["example"] == {"text": "hello", "tags": ["a"]}


def test_public_operations_need_no_credential_and_others_do() -> None:
    paths = described()["paths"]
    assert paths["/v1/room/public/{note}"]["get"]["security"] == []
    assert {"signature": []} in paths["/v1/room/notes"]["get"]["security"]


def test_every_error_code_is_documented_in_both_languages() -> None:
    errors = described()["x-miyun-errors"]
    assert set(errors) == set(registry())
    assert all(error[language]["detail"] for error in errors.values() for language in ("zh", "en"))


def test_the_reference_page_asks_no_other_host() -> None:
    world = make_world()

    async def scenario() -> None:
        async with world.client() as client:
            for path in ("/reference", "/reference/reference.css", "/reference/reference.js", "/openapi.json"):
                answer = await client.get(path)
                assert answer.status_code == 200
            page = (await client.get("/reference")).text
            assert "<script src=" in page and "onclick" not in page

    asyncio.run(scenario())
    for file in resources.files("miyun.edge.http").joinpath("static").iterdir():
        assert not re.search(r"https?://|//[a-z]+\.", file.read_text("utf-8")), file.name
