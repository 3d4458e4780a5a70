"""From path, query string and body to an operation's request, each field from exactly one place.

Path parameters come first; GET and DELETE, and operations whose body is not JSON, take the rest from the query string;
the others take it from the JSON body. An operation that declares `octets` also takes that field as the whole body, and
all others from the query string. What is sent in the wrong place or not known is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, get_args, get_origin

import msgspec

from miyun.core.decoding import to_error
from miyun.core.errors import InvalidArgument, UnknownField
from miyun.core.i18n import Text
from miyun.core.operation import Operation

_PARAMETER = re.compile(r"\{(\w+)\}")
BODY_FIELD = "body"  # where a raw operation's request takes the octets


class Binding:
    """The decoder of one operation, prepared once: `request = binding.decode(path, query, body)`.

    `octets`: for requests of the content type application/octet-stream."""

    def __init__(self, operation: Operation, *, octets: bool = False) -> None:
        self.operation = operation
        fields = msgspec.structs.fields(operation.request)
        self.path_fields = tuple(_PARAMETER.findall(operation.path))
        known = {field.name for field in fields}
        if missing := set(self.path_fields) - known:
            raise ValueError(f"{operation.id}: path names {sorted(missing)}, which its request does not have")
        in_body = operation.body == "json" and operation.method in ("POST", "PUT") and not octets
        self.raw_field = BODY_FIELD if operation.body == "raw" and BODY_FIELD in known else None
        self._raw_type = None
        if octets:
            if operation.octets not in known - set(self.path_fields):
                raise ValueError(f"{operation.id}: its body is {operation.octets}, which its request does not have")
            self.raw_field = operation.octets
            self._raw_type = _part(operation, "Octets", [f for f in fields if f.name == operation.octets])
        placed = {*self.path_fields, *([self.raw_field] if self.raw_field else [])}
        rest = [field for field in fields if field.name not in placed]
        self.body_fields = tuple(rest) if in_body else ()
        self.query_fields = () if in_body else tuple(rest)
        self._takes_body = in_body
        self._path_type = _part(operation, "Path", [f for f in fields if f.name in self.path_fields])
        self._query_type = _part(operation, "Query", list(self.query_fields))
        self._repeated = {field.encode_name for field in self.query_fields if _is_list(field.type)}
        whole = in_body and not self.path_fields
        self._body = msgspec.json.Decoder(operation.request if whole else _part(operation, "Body", list(rest)))
        self._whole = whole
        self._moments = tuple((f.name, f.encode_name) for f in fields if datetime in (f.type, *get_args(f.type)))

    def decode(self, path: Mapping[str, str], query: Sequence[tuple[str, str]], body: bytes) -> Any:
        """Raises InvalidArgument or UnknownField naming the field."""
        request = self._decode(path, query, body)
        for name, sent in self._moments:
            _check_moment(sent, getattr(request, name))
        return request

    def _decode(self, path: Mapping[str, str], query: Sequence[tuple[str, str]], body: bytes) -> Any:
        try:
            if self._takes_body:
                if query:
                    raise UnknownField(field=query[0][0])
                content = self._body.decode(body or b"{}")
                if self._whole:
                    return content
                return self._build(path, content)
            if body and self.raw_field is None:
                raise InvalidArgument("body", Text("该操作不接受请求体", "this operation takes no body"))
            values = msgspec.convert(self._gather(query), self._query_type, strict=False)
            return self._build(path, values, body)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise to_error(error, wanted=self.operation.request) from error

    def _build(self, path: Mapping[str, str], part: Any, raw: bytes = b"") -> Any:
        values = _set_fields(msgspec.convert(dict(path), self._path_type, strict=False))
        values |= _set_fields(part)
        if self._raw_type is not None:
            msgspec.convert({self.raw_field: raw}, self._raw_type)  # its bounds
        if self.raw_field is not None:
            values[self.raw_field] = raw
        try:
            return self.operation.request(**values)
        except (ValueError, TypeError) as error:
            raise to_error(ValueError(str(error))) from error

    def _gather(self, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in query:
            if name in self._repeated:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise InvalidArgument(name, Text("只能出现一次", "it may be given once"))
            else:
                values[name] = value
        return values


def _part(operation: Operation, suffix: str, fields: Sequence[msgspec.structs.FieldInfo]) -> type[Any]:
    """A Struct of some fields of the request, with their constraints and unset defaults."""
    definitions: list[tuple[str, Any, Any]] = []
    for field in fields:
        optional = not field.required
        kind = field.type | msgspec.UnsetType if optional else field.type
        definitions.append((field.name, kind, msgspec.UNSET if optional else msgspec.NODEFAULT))
    return msgspec.defstruct(
        f"{operation.request.__name__}{suffix}",
        definitions,
        forbid_unknown_fields=True,
        kw_only=True,
        rename={field.name: field.encode_name for field in fields},
    )


def _set_fields(part: Any) -> dict[str, Any]:
    return {name: value for name in part.__struct_fields__ if (value := getattr(part, name)) is not msgspec.UNSET}


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in (list, tuple, set, frozenset):
        return True
    return any(_is_list(part) for part in get_args(kind)) if origin is not dict else False


def _check_moment(field: str, value: datetime | None) -> None:
    """A time without its zone is not guessed; in the first and last days of the calendar it cannot be converted."""
    if value is None:
        return
    if value.tzinfo is None:
        raise InvalidArgument(field, Text("日期时间须带时区", "the date and time needs a zone"))
    if not 1 < value.year < 9999:
        raise InvalidArgument(field, Text("年份超出范围", "the year is out of range"))
