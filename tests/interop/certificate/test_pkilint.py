"""pkilint, a linter that is not ours, finds nothing wrong with what we issue."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pkilint import loader
from pkilint.pkix import certificate as pkix
from pkilint.pkix import extension as pkix_extension
from pkilint.pkix import name as pkix_name
from pkilint.validation import ValidationFindingSeverity
from tests.rooms import rooms_in
from tests.unit.wire.authority import ECDSA, key, make

from miyun.core.errors import MiyunError
from miyun.gm import intl
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.certificate.templates import TEMPLATES
from miyun.wire import x509

# By the way of RFC 7093 with SM3, which the linter does not know.
_KNOWN = {"pkix.unknown_subject_key_identifier_calculation_method"}


def findings(der: bytes) -> list[str]:
    validator = pkix.create_pkix_certificate_validator_container(
        pkix.create_decoding_validators(pkix_name.ATTRIBUTE_TYPE_MAPPINGS, pkix_extension.EXTENSION_MAPPINGS),
        [
            pkix.create_issuer_validator_container([]),
            pkix.create_validity_validator_container(),
            pkix.create_subject_validator_container([]),
            pkix.create_extensions_validator_container([]),
        ],
    )
    results = validator.validate(loader.load_der_certificate(der, "ours").root)
    found = [item.finding for result in results for item in result.finding_descriptions]
    return [
        f"{item.severity.name} {item.code}"
        for item in found
        if item.severity <= ValidationFindingSeverity.NOTICE and item.code not in _KNOWN
    ]


SUBJECTS: dict[str, dict[str, Any]] = {
    "tls_server": {"subject": {"CN": "www.example.cn"}, "names": ("www.example.cn", "10.0.0.1")},
    "person": {"subject": {"CN": "张三", "E": "zhang@example.cn"}, "names": ("zhang@example.cn",)},
    "organisation": {"subject": {"CN": "某局", "O": "某局"}, "names": ("https://example.cn/",)},
}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("family", ["ecdsa", "rsa"])
def test_pkilint_finds_nothing(template: str, family: str, tmp_path: Any) -> None:
    rooms = rooms_in(tmp_path)
    fields = SUBJECTS.get(template, {"subject": {"CN": "应用一", "O": "某局"}})
    secrets = [intl.ecdsa_p256_generate() if family == "ecdsa" else intl.rsa_generate(2048) for _ in range(2)]
    keys = [intl.public_key(secret) for secret in secrets]
    twin = keys[1] if TEMPLATES[template].pair else None
    order = Order(
        "ten_a", template, subject_of(fields["subject"]), keys[0], fields.get("names", ()), encryption_spki=twin
    )
    try:
        issued = asyncio.run(rooms.certificate.issuance.issue(order, rooms.clock.now()))
    except MiyunError as error:  # pragma: no cover
        pytest.fail(error.message.en)
    for item in issued:
        assert findings(item.der) == []


def test_pkilint_finds_what_is_wrong() -> None:
    odd = make("x", x509.key_usage("keyCertSign"), x509.Extension("2.5.29.19", False, b"\x30\x00"), key=key(ECDSA))
    assert findings(odd.certificate.der)
