"""What msgspec says of a request or of the settings, as the platform's own errors: the field named, the reason in
Chinese and English."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from miyun.core.errors import InvalidArgument, MiyunError, UnknownField
from miyun.core.i18n import Text

_TYPES = {
    "int": ("整数", "an integer"),
    "float": ("数字", "a number"),
    "decimal": ("十进制数", "a decimal number"),
    "str": ("字符串", "a string"),
    "bool": ("布尔值", "true or false"),
    "array": ("数组", "an array"),
    "object": ("对象", "an object"),
    "null": ("空值", "null"),
    "bytes": ("base64 字符串", "a base64 string"),
    "datetime": ("带时区的日期时间", "a date and time with a zone"),
    "date": ("日期", "a date"),
    "uuid": ("UUID", "a UUID"),
}
_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")
_Reason = Callable[[re.Match[str]], Text]


def _types(match: re.Match[str]) -> Text:
    wanted = [part.strip() for part in match["wanted"].split("|")]
    zh = "或".join(_TYPES.get(part, (part, part))[0] for part in wanted)
    en = " or ".join(_TYPES.get(part, (part, part))[1] for part in wanted)
    given = _TYPES.get(match["given"], (match["given"], match["given"]))
    return Text(f"应为{zh}，实为{given[0]}", f"expected {en}, got {given[1]}")


def _bound(match: re.Match[str]) -> Text:
    kind = {"str": ("长度", "length"), "bytes": ("字节数", "size"), "array": ("项数", "number of items")}
    zh, en = kind.get(match["type"], ("长度", "length"))
    return Text(f"{zh}应 {match['bound']}", f"its {en} must be {match['bound']}")


_REASONS: tuple[tuple[re.Pattern[str], _Reason], ...] = (
    (re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`$"), _types),
    (re.compile(r"Expected `(?P<type>\w+)` of (?:length|size) (?P<bound>.+)$"), _bound),
    (
        re.compile(r"Expected `\w+` (?P<bound>(?:<|>|<=|>=|==) ?.+)$"),
        lambda m: Text(f"应 {m['bound']}", f"it must be {m['bound']}"),
    ),
    (
        re.compile(r"Expected `\w+` matching regex (?P<regex>.+)$"),
        lambda m: Text("格式不符", "its form is not allowed"),
    ),
    (re.compile(r"Invalid base64"), lambda m: Text("不是有效的 base64", "it is not valid base64")),
    (
        re.compile(r"Invalid RFC3339"),
        lambda m: Text("不是有效的 RFC 3339 日期时间", "it is not a valid RFC 3339 date and time"),
    ),
    (
        re.compile(r"Expected `datetime` with a timezone component"),
        lambda m: Text("日期时间须带时区", "the date and time needs a zone"),
    ),
    (re.compile(r"Invalid (?P<kind>\w+)"), lambda m: Text("格式无效", "its form is not valid")),
    (re.compile(r"Integer value out of range"), lambda m: Text("整数超出范围", "the integer is out of range")),
    (re.compile(r"Number out of range"), lambda m: Text("数值超出范围", "the number is out of range")),
)


def to_error(
    error: msgspec.DecodeError | msgspec.ValidationError | ValueError, *, prefix: str = "", wanted: Any = None
) -> MiyunError:
    """InvalidArgument or UnknownField for what msgspec (or a Struct's own check) raised. `wanted`: the type that was
    decoded, so that the values which a field may have can be told."""
    message = str(error)
    path = _PATH.search(message)
    field = _field(path["path"] if path else "$", prefix)
    reason = message[: path.start()] if path else message
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        return InvalidArgument(field or "body", Text("不是完整的 JSON", "it is not complete, well-formed JSON"))
    if isinstance(error, UnicodeDecodeError):
        return InvalidArgument(field or "body", Text("不是有效的 UTF-8", "it is not valid UTF-8"))
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        return UnknownField(field=_join(field, found[1]))
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return InvalidArgument(_join(field, found[1]), Text("缺少该字段", "it is required"))
    if reason.startswith("Invalid enum value "):
        allowed = choices(_type_at(wanted, path["path"] if path else "$"))
        zh, en = "、".join(allowed), ", ".join(allowed)
        return InvalidArgument(field or "body", Text(f"应为 {zh} 之一", f"it must be one of {en}"))
    for pattern, build in _REASONS:
        if match := pattern.match(reason):
            return InvalidArgument(field or "body", build(match))
    # a Struct's own `__post_init__` spoke: its sentence is meant for the caller
    return InvalidArgument(field or "body", Text(reason, reason))


def choices(kind: Any) -> tuple[str, ...]:
    """The texts that a field of this type, or each item of a list, may only have; empty when there are others."""
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    arguments = get_args(kind)
    if get_origin(kind) in (list, tuple, frozenset) and arguments:
        return choices(arguments[0])
    if get_origin(kind) is Literal and all(isinstance(argument, str) for argument in arguments):
        return tuple(argument for argument in arguments if argument)
    return ()


def _type_at(kind: Any, path: str) -> Any:
    """The type of what msgspec calls `path`, as `$.items[0].kind`."""
    for name, _ in re.findall(r"\.([^.\[]+)|(\[[^\]]*\])", path):
        kind = _bare(kind)
        if not name:
            kind = get_args(kind)[-1] if get_args(kind) else None
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}.get(name)
    return kind


def _bare(kind: Any) -> Any:
    """Without Annotated, and without None."""
    while True:
        if hasattr(kind, "__metadata__"):
            kind = kind.__origin__
        elif get_origin(kind) in (Union, UnionType):
            others = [argument for argument in get_args(kind) if argument is not type(None)]
            if len(others) != 1:
                return kind
            kind = others[0]
        else:
            return kind


def _field(path: str, prefix: str) -> str:
    return _join(prefix, path.removeprefix("$").removeprefix("."))


def _join(outer: str, inner: str) -> str:
    if not outer or inner.startswith("["):
        return outer + inner
    return f"{outer}.{inner}" if inner else outer
