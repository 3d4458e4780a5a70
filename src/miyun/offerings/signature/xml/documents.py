"""Reading XML of others: no DTD, no entities, no network, no depth or size beyond libxml2's own bounds."""

from __future__ import annotations

from typing import TypeAlias

from lxml import etree

from miyun.core.confinement import Refused
from miyun.offerings.signature.xml.model import DS, MAX_XML

Element: TypeAlias = etree._Element


def parse_document(xml: bytes) -> Element:
    """The root element. Raises Refused."""
    if len(xml) > MAX_XML:
        raise Refused("xml_unreadable", f"at most {MAX_XML // 1024 // 1024} MiB")
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise Refused("xml_dtd")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused("xml_unreadable", str(error)[:200]) from None
    if root.getroottree().docinfo.doctype:  # in another encoding than the search above knows
        raise Refused("xml_dtd")
    return root


def canonical(element: Element) -> bytes:
    """Exclusive canonical form, without comments."""
    return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False))


def tag(name: str) -> str:
    return f"{{{DS}}}{name}"


def signatures_in(root: Element) -> list[Element]:
    """Every Signature anywhere, the root itself included."""
    return list(root.iter(tag("Signature")))


def to_bytes(root: Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
