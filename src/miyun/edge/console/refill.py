"""A form that was refused comes back as its sender filled it in, with what is wrong said at the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lxml import html

_NO_TEXT: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)  # nothing that a document can hold
_TYPED: Final = frozenset({"text", "search", "number", "date", "datetime-local", "email", "url"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """`message` and `advice` for the head of the page; `reason` is said at the field named `field`, if there is one."""

    field: str
    message: str
    advice: str
    reason: str


def refilled(page: bytes, action: str, form: Mapping[str, str], wrong: Wrong, files: Mapping[str, str]) -> bytes:
    """The page whose form for `action` was sent as `form`. `files`: field → what to say of the file that was chosen."""
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    sent = _form_of(document, action, form)
    label = ""
    if sent is not None:
        for element in sent.iter("input", "select", "textarea"):
            _fill(element, form)
            if element.get("type") == "file" and element.get("name") in files:
                element.addnext(_element("p", "again", text=files[element.get("name")]))
        label = _point_at(document, sent, wrong)
    notice = _element("div", "notice risk", role="alert")
    strong = _element("strong", text=f"{label}: {wrong.reason}" if label and wrong.reason else wrong.message)
    notice.append(strong)
    notice.append(_element("br"))
    strong.getnext().tail = _text(wrong.advice)
    heading = document.find(".//main//h1")
    if heading is not None:
        heading.addnext(notice)
    return bytes(html.tostring(document, encoding="utf-8", doctype="<!doctype html>"))


def _form_of(document: Any, action: str, form: Mapping[str, str]) -> Any | None:
    """Of several with this action the one whose hidden values came, and that has the most of the rest."""
    best, most = None, -1
    for candidate in document.iter("form"):
        if candidate.get("method", "").lower() != "post" or candidate.get("action") != action:
            continue
        fields = {one.get("name"): one for one in candidate.iter("input", "select", "textarea") if one.get("name")}
        hidden = [one for one in fields.values() if one.get("type") == "hidden" and one.get("name") != "csrf"]
        if any(form.get(one.get("name")) != one.get("value", "") for one in hidden):
            continue
        common = len(fields.keys() & form.keys())
        if common > most:
            best, most = candidate, common
    return best


def _fill(element: Any, form: Mapping[str, str]) -> None:
    name = element.get("name", "")
    if element.tag == "textarea":
        if name in form:
            element.text = _text(form[name])
    elif element.tag == "select":
        if name in form:
            for option in element.iter("option"):
                chosen = option.get("value", (option.text or "").strip()) == form[name]
                _flag(option, "selected", chosen)
    elif element.get("type", "text") == "checkbox":
        _flag(element, "checked", name in form)
    elif element.get("type", "text") in _TYPED and name in form:
        element.set("value", _text(form[name]))


def _flag(element: Any, name: str, on: bool) -> None:
    if on:
        element.set(name, "")
    else:
        element.attrib.pop(name, None)


def _point_at(document: Any, sent: Any, wrong: Wrong) -> str:
    """The field's label, once the field is marked; empty when the form has no such field."""
    field = re.split(r"[.\[]", wrong.field)[0]  # of a part of it, the whole is shown
    for element in sent.iter("input", "select", "textarea"):
        if element.get("name") != field or element.get("type") == "hidden":
            continue
        identifier = element.get("id") or f"wrong-{field}"
        said = _element("p", "wrong", id=f"{identifier}-wrong", text=wrong.reason or wrong.message)
        element.set("aria-invalid", "true")
        element.set("aria-describedby", f"{identifier}-wrong")
        element.set("autofocus", "")
        element.addnext(said)
        for outer in element.iterancestors("details"):
            outer.set("open", "")
        labels = [one for one in document.iter("label") if one.get("for") == identifier]
        return " ".join(labels[0].text_content().split()) if labels else ""
    return ""


def _element(tag: str, kind: str = "", *, text: str = "", **attributes: str) -> Any:
    made = html.Element(tag, **attributes)
    if kind:
        made.set("class", kind)
    made.text = _text(text) or None
    return made


def _text(value: str) -> str:
    return _NO_TEXT.sub("", value.replace("\r\n", "\n"))
