"""Texts in Chinese and English, side by side, so that neither can be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Locale = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One user-visible sentence in both languages; `{name}` placeholders are filled by `format`."""

    zh: str
    en: str

    def format(self, **values: object) -> Text:
        return Text(self.zh.format(**values), self.en.format(**values))

    def to(self, locale: Locale) -> str:
        return self.zh if locale == "zh" else self.en


def locale_of(accept_language: str | None, default: Locale = "zh") -> Locale:
    """Pick zh or en from an Accept-Language header (first match wins; quality values are ignored)."""
    for part in (accept_language or "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return default
