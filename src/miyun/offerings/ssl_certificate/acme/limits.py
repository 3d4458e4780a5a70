"""Rate limits (RFC 8555 6.6), counted in the database, where all workers see the same."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime

from miyun.core.digest import digest
from miyun.core.i18n import Text
from miyun.offerings.ssl_certificate.acme.domains import registered_domain
from miyun.offerings.ssl_certificate.errors import AcmeRateLimited
from miyun.offerings.ssl_certificate.model import WINDOWS, Counted, Limits
from miyun.offerings.ssl_certificate.store.orders import OrderStore


class RateLimits:
    def __init__(self, store: OrderStore, limits: Limits) -> None:
        self._store = store
        self.limits = limits

    def check_account(self, external_key: str, now: datetime) -> None:
        self._check(Counted.ACCOUNT, external_key, self.limits.accounts, now, Text("新账号", "new accounts"))

    def check_order(self, account: str, now: datetime) -> None:
        self._check(Counted.ORDER, account, self.limits.orders, now, Text("新订单", "new orders"))
        if self._store.open_orders(account, now, self.limits.pending) >= self.limits.pending:
            reason = Text("未完成的订单过多", "too many open orders; finish or let them expire")
            raise AcmeRateLimited("rateLimited", reason, retry_after=3600)

    def check_failures(self, account: str, names: Sequence[str], now: datetime) -> None:
        for name in names:
            subject = failure_subject(account, name)
            text = Text(f"“{name}”验证失败", f"failed validations of {name}")
            self._check(Counted.FAILURE, subject, self.limits.failures, now, text)

    def check_names(self, tenant: str, names: Sequence[str], renewed: Collection[str], now: datetime) -> None:
        """Of an order, when it is placed and when it is finished: what was placed before others were finished counts
        as well."""
        for kind, subject in events_of(tenant, names, renewed):
            if kind is Counted.DUPLICATE:
                what = Text("同一组名称的证书", "certificates of the same names")
                self._check(kind, subject, self.limits.duplicates, now, what)
            else:
                domain = subject.partition(":")[2]
                text = Text(f"“{domain}”的证书", f"certificates of {domain}")
                self._check(kind, subject, self.limits.domain, now, text)

    def _check(self, kind: Counted, subject: str, limit: int, now: datetime, what: Text) -> None:
        """Raises AcmeRateLimited with the time at which one more is allowed."""
        window = WINDOWS[kind]
        times = self._store.events(kind, subject, now - window, limit)
        if len(times) < limit:
            return
        wait = max(1, math.ceil((times[-1] + window - now).total_seconds()))
        hours = window.total_seconds() / 3600
        reason = Text(f"{what.zh}过多：{hours:g} 小时内至多 {limit} 个", f"too many {what.en}: {limit} in {hours:g} h")
        raise AcmeRateLimited("rateLimited", reason, retry_after=wait)


def events_of(tenant: str, names: Sequence[str], renewed: Collection[str]) -> list[tuple[Counted, str]]:
    """What a certificate counts for. `renewed`: the names of the one that it replaces, which do not count again."""
    fresh = [name for name in names if name not in renewed]
    domains = sorted(set(map(registered_domain, fresh)))
    found = [] if renewed else [(Counted.DUPLICATE, duplicate_subject(tenant, names))]
    return found + [(Counted.DOMAIN, domain_subject(tenant, item)) for item in domains]


def failure_subject(account: str, name: str) -> str:
    return f"{account}:{name.removeprefix('*.')}"


def domain_subject(tenant: str, domain: str) -> str:
    return f"{tenant}:{domain}"


def duplicate_subject(tenant: str, names: Sequence[str]) -> str:
    return f"{tenant}:{digest(' '.join(sorted(names)).encode()).hex()}"
