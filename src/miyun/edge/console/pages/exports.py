"""Lists as files: what the page shows under the same search and filters, however long."""

from __future__ import annotations

from typing import Any, Final

from litestar.response import Stream

from miyun.core.errors import NotFound
from miyun.edge.console.page import HEADERS, Page
from miyun.edge.console.pages.listing import asked

EXPORTS: Final = {
    "people": "account.person.export",
    "applications": "tenant.application.export",
    "bindings": "tenant.binding.export",
    "access-keys": "tenant.access_key.export",
    "credentials": "tenant.credential.export",
    "grants": "tenant.grant.export",
    "endpoints": "ssl_certificate.endpoint.export",
    "expiring": "certificate.expiring.export",
    "filings": "certificate.application.export",
    "filing-batches": "certificate.application.batch.export",
    "recoveries": "certificate.recovery.export",
    "evidence": "signature.evidence.list_export",
    "logins": "strong_auth.report.export",
    "accounts": "strong_auth.account.export",
    "usbkeys": "usbkey.key.export",
    "usbkey-approvals": "usbkey.approval.export",
    "compatibility": "usbkey.compatibility.export",
    "sessions": "strong_auth.session.export",
    "clients": "strong_auth.client.export",
    "signers": "signature.signer.export",
    "trust-lists": "certificate.trust.list.export",
    "trust-authorities": "certificate.trust.authority.export",
    "escrow": "certificate.escrow.export",
    "orders": "ssl_certificate.order.export",
    "external-keys": "ssl_certificate.external_key.export",
    "acme-accounts": "ssl_certificate.account.export",
    "acme-orders": "ssl_certificate.account.orders_export",
    "acme-authorizations": "ssl_certificate.account.authorizations_export",
}


async def export(page: Page, listing: str) -> Any:
    if listing not in EXPORTS:
        raise NotFound("page", listing)
    operation = EXPORTS[listing]
    made = await page.run(operation, **asked(page, operation, format="csv"))
    return Stream(made.chunks, media_type=made.content_type, headers=HEADERS | dict(made.headers))
