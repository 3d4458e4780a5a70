"""A refused form comes back as it was filled in."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from miyun.edge.console.refill import Wrong, refilled

PAGE = """<!doctype html><html><head><meta charset="utf-8"></head><body><main><h1>模板</h1>
<form method="get" action="/here"><input type="search" name="name" value="sought"></form>
<form method="post" action="/here"><input type="hidden" name="csrf" value="token">
<input type="hidden" name="id" value="1">
<label for="name">名称</label><input type="text" id="name" name="name" value=""></form>
<form method="post" action="/here"><input type="hidden" name="csrf" value="token">
<input type="hidden" name="id" value="2">
<label for="other">名称</label><input type="text" id="other" name="name">
<select name="kind"><option value="a" selected>A</option><option>b</option></select>
<textarea name="text">old</textarea><input type="checkbox" name="on" value="yes" checked>
<input type="password" name="secret"><input type="file" name="scan"><input type="file" name="more">
<details><summary>more</summary><label for="days">Days
</label><input type="number" id="days" name="days"></details></form></main></body></html>"""


def fields(page: bytes, form: int) -> dict[str, Any]:
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    sent = document.findall(".//form")[form]
    return {one.get("name"): one for one in sent.iter("input", "select", "textarea")}


def come_back(form: dict[str, str], *, field: str = "", files: dict[str, str] | None = None) -> bytes:
    wrong = Wrong(field, "字段无效", "请修正", "太长" if field else "")
    return refilled(PAGE.encode(), "/here", {"csrf": "another", **form}, wrong, files or {})


def test_of_two_forms_the_one_that_was_sent_is_filled() -> None:
    page = come_back({"id": "2", "name": "网关", "kind": "b", "text": "a < b", "secret": "PIN", "days": "7"})
    assert fields(page, 0)["name"].get("value") == "sought"
    assert fields(page, 1)["name"].get("value") == ""
    sent = fields(page, 2)
    assert sent["name"].get("value") == "网关" and sent["text"].text == "a < b" and sent["days"].get("value") == "7"
    assert [option.get("selected") for option in sent["kind"]] == [None, "selected"]
    assert sent["on"].get("checked") is None
    assert sent["csrf"].get("value") == "token", "what guards the form is the page's own"
    assert sent["secret"].get("value") is None, "secrets are not written into pages"


def test_the_file_that_was_chosen_is_named_where_it_has_to_be_chosen_again() -> None:
    page = come_back({"id": "2"}, files={"scan": "again: <批复>.pdf", "elsewhere": "not here"})
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    [again] = document.find_class("again")
    assert again.text == "again: <批复>.pdf"
    assert again.getprevious().get("name") == "scan"


def test_the_field_that_is_wrong_is_named_by_its_label_and_marked() -> None:
    page = come_back({"id": "2", "days": "x"}, field="days")
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    [notice] = document.find_class("notice")
    assert notice.text_content() == "Days: 太长请修正" and notice.get("role") == "alert"
    wrong = fields(page, 2)["days"]
    assert wrong.get("aria-invalid") == "true"
    assert document.get_element_by_id(wrong.get("aria-describedby")).text == "太长"
    assert document.find(".//details").get("open") is not None, "a field in a closed part is shown"


def test_what_no_field_is_to_blame_for_is_said_at_the_head() -> None:
    page = come_back({"id": "1", "name": "x"}, field="elsewhere")
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    [notice] = document.find_class("notice")
    assert "字段无效" in notice.text_content()
    assert fields(page, 1)["name"].get("value") == "x"


@pytest.mark.parametrize("form", [{"id": "3"}, {}])
def test_a_form_that_is_not_on_the_page_spoils_nothing(form: dict[str, str]) -> None:
    page = come_back({**form, "name": "x"})
    assert [fields(page, number)["name"].get("value") for number in (0, 1, 2)] == ["sought", "", None]


@given(st.text(st.characters()))
def test_whatever_was_typed_stays_text(typed: str) -> None:
    page = come_back({"id": "2", "name": typed, "text": typed})
    sent = fields(page, 2)
    kept = "".join(one for one in typed if unicodedata.category(one) not in ("Cc", "Cs") and one not in "\ufffe\uffff")
    assert "".join(sent["name"].get("value").split()) == "".join(kept.split())
    assert "".join((sent["text"].text or "").split()) == "".join(kept.split())
    document = html.document_fromstring(page, parser=html.HTMLParser(encoding="utf-8"))
    assert not document.xpath("//script"), "nothing that was typed becomes a part of the page"
