"""Every room has the same doors; the catalogue tells the truth about which are open."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import miyun.offerings
from miyun.core.catalogue import Offering
from miyun.core.i18n import Text
from miyun.core.operation import Duty, Operation, Role

ROOMS = sorted(p.parent.name for p in Path(miyun.offerings.__path__[0]).glob("*/offering.py"))
THE_22 = {
    *("kms", "encryption", "signature", "vsm", "crypto_api", "timestamp", "certificate", "usbkey", "ssl_certificate"),
    *("strong_auth", "remote_access", "onboarding", "dbaudit", "antivirus", "webguard", "apt", "cdn", "container"),
    *("devops", "middleware", "microservice", "api_management"),
}


def declaration(slug: str) -> Offering:
    return importlib.import_module(f"miyun.offerings.{slug}.offering").OFFERING


OPEN = [slug for slug in ROOMS if declaration(slug).state == "available"]
OPERATIONS = [operation for slug in OPEN for operation in declaration(slug).operations]


def test_the_catalogue_has_the_22_offerings() -> None:
    assert set(ROOMS) == THE_22


@pytest.mark.parametrize("slug", ROOMS)
def test_a_room_declares_itself(slug: str) -> None:
    offering = declaration(slug)
    assert offering.slug == slug
    assert offering.standards, "which standard does it follow?"
    readme = Path(miyun.offerings.__path__[0]) / slug / "README.md"
    text = readme.read_text("utf-8")
    assert offering.name.zh in text
    if offering.state == "planned":
        assert "planned" in text
        assert not offering.operations and not offering.plans, "what is not built is not sold"


@pytest.mark.parametrize("slug", OPEN)
def test_an_open_room_is_complete(slug: str) -> None:
    folder = Path(miyun.offerings.__path__[0]) / slug
    for name in ("model", "store", "operations"):
        assert (folder / f"{name}.py").exists() or (folder / name).is_dir(), f"{slug} lacks {name}"
    assert (folder / "service.py").exists() or (folder / "service").is_dir(), f"{slug} lacks service"
    offering = declaration(slug)
    assert offering.plans and offering.meters and offering.operations
    assert offering.evidence is not None, "what does it give to the acceptance dossier?"
    meters = {meter.name for meter in offering.meters}
    used = {operation.meter.name for operation in offering.operations if operation.meter}
    assert used <= meters


def texts_of(operation: Operation) -> list[Text]:
    return [operation.summary, *([operation.description] if operation.description else [])]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_an_operation_is_declared_fully(operation: Operation) -> None:
    for text in texts_of(operation):
        assert text.zh.strip() and text.en.strip() and text.zh != text.en
    assert operation.roles, "who may call it?"
    assert isinstance(operation.duty, Duty)
    assert operation.scope != "public" or Role.PUBLIC in operation.roles
    fields = set(getattr(operation.request, "__struct_fields__", ()))
    assert set(operation.tenant_fields) <= fields
    if operation.body == "json":
        assert set(operation.example) <= fields
    placeholders = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
    assert placeholders <= fields


def test_use_by_applications_is_metered() -> None:
    """What an application uses of a sold service is counted, but for reads and protocol plumbing."""
    unmetered = {
        operation.id
        for operation in OPERATIONS
        if operation.duty is Duty.USE and operation.meter is None and operation.scope == "tenant"
    }
    allowed = {"strong_auth.challenge", "strong_auth.session.check", "strong_auth.session.end"}
    plumbing = ("onboarding.", "ssl_certificate.acme.")
    assert unmetered <= allowed | {i for i in unmetered if i.startswith(plumbing)}


def test_the_first_call_of_an_onboarded_application_is_one_it_may_make() -> None:
    for offering in map(declaration, OPEN):
        if offering.sample is not None and "operation" in offering.sample:
            operation = next(item for item in offering.operations if item.id == offering.sample["operation"])
            assert Role.APPLICATION in operation.roles and operation.scope == "tenant", operation.id


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_who_makes_certificates_or_gives_out_keys_signs_for_it(operation: Operation) -> None:
    """A stolen session of somebody with a key is not enough to approve, to certify or to collect a secret."""
    verb = operation.id.rpartition(".")[2]
    certifies = operation.id.startswith("certificate.") and verb == "issue"
    if certifies or verb in ("approve", "authorise", "collect"):
        assert operation.step_up, "whoever has a key signs for this very request"
