"""OpenAPI 3.1 from the declarations: every operation, its fields and limits, its example, and every error code."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

import miyun
from miyun.core.errors import MiyunError, registry
from miyun.core.operation import Operation, Role
from miyun.core.registry import Registry
from miyun.edge.http.binding import Binding
from miyun.edge.http.problem import MEDIA_TYPE
from miyun.edge.http.routes import OCTETS

_REF = "#/components/schemas/{name}"
_STATUSES = {
    "400": "请求有误 / bad request",
    "401": "未通过身份验证 / not authenticated",
    "403": "无权访问或无合同权益 / not permitted or not entitled",
    "404": "找不到（也用于他方资源） / not found, or somebody else's",
    "409": "状态冲突 / conflict",
    "413": "请求过大 / too large",
    "429": "超出配额，见 Retry-After / quota exceeded, see Retry-After",
    "500": "内部错误 / internal error",
    "503": "服务暂不可用，见 Retry-After / temporarily unavailable, see Retry-After",
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "code", "detail", "remedy", "request_id", "zh", "en"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:miyun:error:NotFound"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "remedy": {"type": "string"},
        "field": {"type": "string"},
        "retry_after": {"type": "integer"},
        "request_id": {"type": "string"},
        "zh": {"$ref": _REF.format(name="ProblemText")},
        "en": {"$ref": _REF.format(name="ProblemText")},
    },
}
_PROBLEM_TEXT = {
    "type": "object",
    "properties": {"detail": {"type": "string"}, "remedy": {"type": "string"}},
    "required": ["detail", "remedy"],
}
_SECURITY = {
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": (
            "AK/SK。`MIYUN1-HMAC-SM3 Credential=<access key>, Signature=<hex>`；另需 x-miyun-date、x-miyun-nonce、"
            "x-miyun-content-sm3。day key = HMAC-SM3(secret key, YYYYMMDD)；signature = HMAC-SM3(day key, "
            "MIYUN1-HMAC-SM3 ⏎ date ⏎ nonce ⏎ METHOD ⏎ path ⏎ canonical query ⏎ content-type ⏎ idempotency-key ⏎ "
            "content-sm3)."
        ),
    },
    "basic": {"type": "http", "scheme": "basic", "description": "单一用途凭证 / single-purpose credential"},
    "session": {"type": "http", "scheme": "bearer", "description": "人员会话 / a person's session"},
}
_PEOPLE = frozenset(Role) - {Role.APPLICATION, Role.SYSTEM, Role.PUBLIC}


def document(operations: Registry, url: str) -> dict[str, Any]:
    """The whole description; `url` is this installation's address."""
    everything = tuple(operations.operations.values())
    schemas = _Schemas(everything)
    paths: dict[str, dict[str, Any]] = {}
    for operation in everything:
        paths.setdefault("/v1" + operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "密云 Miyun API",
            "version": miyun.__version__,
            "summary": "商用密码云服务接口 / commercial cryptography as a service",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "tags": _tags(operations),
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Problem": _PROBLEM, "ProblemText": _PROBLEM_TEXT},
            "responses": {f"Problem{status}": _problem_response(status) for status in _STATUSES},
            "securitySchemes": _SECURITY,
        },
        "x-miyun-errors": _errors(registry().values()),
    }


class _Schemas:
    """JSON Schemas of all requests and responses, made at once so that equal names do not clash."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types: list[Any] = []
        for operation in operations:
            types += [operation.request] if operation.request not in types else []
            if operation.reply == "json" and operation.response not in types:
                types.append(operation.response)
        references, self.components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_other)
        self._references = dict(zip(types, references, strict=True))

    def reference(self, kind: Any) -> dict[str, Any]:
        return self._references[kind]

    def resolved(self, kind: Any) -> dict[str, Any]:
        reference = self._references[kind].get("$ref", "")
        return self.components[reference.rpartition("/")[2]]


def _other(kind: type) -> dict[str, Any]:
    return {"description": kind.__name__}


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    binding = Binding(operation)
    whole = schemas.resolved(operation.request)
    properties, required = whole.get("properties", {}), set(whole.get("required", ()))
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.offering],
        "summary": operation.summary.zh,
        "x-summary-en": operation.summary.en,
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": properties[name],
                **_example(operation.example, name),
            }
            for name in binding.path_fields
        ],
        "security": _security(operation),
        "responses": {
            "200": _answer(operation, schemas),
            **{status: {"$ref": f"#/components/responses/Problem{status}"} for status in _STATUSES},
        },
        "x-miyun-roles": sorted(operation.roles),
    }
    if operation.description is not None:
        described["description"] = operation.description.zh
        described["x-description-en"] = operation.description.en
    if operation.meter is not None:
        described["x-miyun-meter"] = operation.meter.name
    for field in binding.query_fields:
        name = field.encode_name
        described["parameters"].append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "schema": properties[name],
                **_example(operation.example, name),
            }
        )
    if operation.idempotent and operation.method != "GET":
        described["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    if operation.scope == "tenant":
        described["parameters"].append(
            {"name": "X-Miyun-Instance", "in": "header", "required": False, "schema": {"type": "string"}}
        )
    if operation.octets:
        described["parameters"] += [
            {
                "name": field.encode_name,
                "in": "query",
                "required": False,
                "description": f"请求体为 {OCTETS} 时 / with a body of {OCTETS}",
                "schema": properties[field.encode_name],
            }
            for field in Binding(operation, octets=True).query_fields
        ]
    body = _request_body(operation, binding, schemas)
    if body is not None:
        described["requestBody"] = body
    return described


def _request_body(operation: Operation, binding: Binding, schemas: _Schemas) -> dict[str, Any] | None:
    if operation.body != "json":
        types = operation.content_types if operation.content_types != ("application/json",) else ("*/*",)
        return {
            "required": True,
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types},
        }
    if operation.method not in ("POST", "PUT"):
        return None
    whole = schemas.resolved(operation.request)
    schema: dict[str, Any] = schemas.reference(operation.request)
    if binding.path_fields:
        schema = {
            "type": "object",
            "properties": {k: v for k, v in whole.get("properties", {}).items() if k not in binding.path_fields},
            "required": [name for name in whole.get("required", ()) if name not in binding.path_fields],
            "additionalProperties": False,
        }
    example = {name: value for name, value in operation.example.items() if name not in binding.path_fields}
    required = bool(whole.get("required")) and bool(binding.body_fields)
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": _plain(example)}}
    if operation.octets:
        content[OCTETS] = {"schema": {"type": "string", "format": "binary", "description": operation.octets}}
    return {"required": required, "content": content}


def _answer(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    if operation.reply == "json":
        content = {"application/json": {"schema": schemas.reference(operation.response)}}
        if operation.octets_reply:
            content[OCTETS] = {"schema": {"type": "string", "format": "binary", "description": operation.octets_reply}}
    else:
        content = {OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    headers = {"X-Request-Id": {"schema": {"type": "string"}}, "X-Miyun-Receipt": {"schema": {"type": "string"}}}
    return {"description": "成功 / done", "headers": headers, "content": content}


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if Role.PUBLIC in operation.roles:
        return []
    ways: list[dict[str, list[str]]] = []
    if Role.APPLICATION in operation.roles:
        ways += [{"signature": []}, {"basic": []}]
    if operation.roles & _PEOPLE:
        ways.append({"session": []})
    return ways


def _tags(operations: Registry) -> list[dict[str, Any]]:
    used = dict.fromkeys(operation.offering for operation in operations.operations.values())
    tags: list[dict[str, Any]] = []
    for slug in used:
        offering = operations.offerings.get(slug)
        tag: dict[str, Any] = {"name": slug}
        if offering is not None:
            tag |= {"description": offering.name.zh, "x-description-en": offering.name.en}
        tags.append(tag)
    return tags


def _problem_response(status: str) -> dict[str, Any]:
    return {
        "description": _STATUSES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _errors(kinds: Iterable[type[MiyunError]]) -> dict[str, Any]:
    return {
        kind.__name__: {
            "status": kind.status,
            "zh": {"detail": kind.text.zh, "remedy": kind.remedy.zh},
            "en": {"detail": kind.text.en, "remedy": kind.remedy.en},
        }
        for kind in sorted(kinds, key=lambda kind: (kind.status, kind.__name__))
    }


def _example(example: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"example": _plain(example[name])} if name in example else {}


def _plain(value: Any) -> typing.Any:
    return msgspec.to_builtins(value)
