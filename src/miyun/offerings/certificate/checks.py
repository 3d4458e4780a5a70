"""What is asked of a subject, its names and its keys before anything is made of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.offerings.certificate.errors import unencodable
from miyun.offerings.certificate.templates import TEMPLATES, Template
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name
from miyun.wire.x509.general_name import is_dns

_ATTRIBUTE_ORDER = ("C", "ST", "L", "O", "OU", "T", "CN", "SERIALNUMBER", "UID", "E")


def template_of(slug: str) -> Template:
    try:
        return TEMPLATES[slug]
    except KeyError:
        known = ", ".join(TEMPLATES)
        raise InvalidArgument(
            "template", Text(f"没有这个模板；可用：{known}", f"no such template; one of {known}")
        ) from None


def subject_of(attributes: Mapping[str, str]) -> Name:
    """A Name in the usual order (C, ST, L, O, OU, CN, serialNumber …); the country is CN when not given."""
    given = {key.upper(): value.strip() for key, value in attributes.items()}
    given.setdefault("C", "CN")
    order = [key for key in _ATTRIBUTE_ORDER if key in given] + [key for key in given if key not in _ATTRIBUTE_ORDER]
    try:
        return Name.of(*((key, given[key]) for key in order))
    except EncodeError as error:
        raise unencodable("subject", error) from None


def check_subject(subject: Name, template: Template) -> None:
    for attribute in template.required:
        if not (subject.get(attribute) or "").strip():
            raise InvalidArgument("subject", Text(f"缺少 {attribute}", f"{attribute} is missing"))
    for attribute, value in template.fixed:
        if subject.get(attribute) != value:
            raise InvalidArgument("subject", Text(f"{attribute} 应为“{value}”", f"{attribute} has to be '{value}'"))
    # A NUL, a line break or a mark that turns the direction of writing makes a name read as another.
    if not all(value.replace("\u3000", " ").isprintable() for rdn in subject.rdns for _, value in rdn):
        raise InvalidArgument("subject", Text("含有不可见的控制字符", "it holds control characters that do not show"))


def sort_names(names: Sequence[str], template: Template) -> dict[str, list[str]]:
    """Alternative names by kind, told from their form. Raises InvalidArgument for a kind the template has not."""
    found: dict[str, list[str]] = {}
    for name in names:
        kind = _kind(name)
        if kind not in template.names:
            raise InvalidArgument(
                "names", Text(f"该模板不允许的名称：{name}", f"this template does not allow the name {name}")
            )
        if kind == "dns":
            check_dns(name)
            _check_domain(name, template)
        found.setdefault(kind, []).append(name)
    if template.names_required and not found:
        raise InvalidArgument("names", Text("该模板需要域名或 IP 地址", "this template needs a DNS name or IP address"))
    return found


def _kind(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if "://" in name:
            return "uri"
        return "email" if "@" in name else "dns"
    return "ip"


def check_dns(name: str, field: str = "names") -> None:
    if not is_dns(name):
        raise InvalidArgument(field, Text(f"不是域名：{name[:64]}", f"not a DNS name: {name[:64]}"))


def _check_domain(name: str, template: Template) -> None:
    lower = name.lower()
    if template.domains and not any(lower == domain or lower.endswith(f".{domain}") for domain in template.domains):
        under = ", ".join(template.domains)
        raise InvalidArgument("names", Text(f"域名须在 {under} 之下", f"DNS names lie under {under}"))
