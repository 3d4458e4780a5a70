"""What validation asks the DNS: of the zone's own name servers and the machine's resolver, or of configured ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from miyun.core.outbound import AddressPolicy, resolve
from miyun.core.settings import host_and_port
from miyun.offerings.ssl_certificate.acme.order.caa import CaaRecord
from miyun.offerings.ssl_certificate.acme.order.validation import DnsFailed

if TYPE_CHECKING:  # imported where it asks: most workers never do
    import dns.asyncresolver

_SECONDS = 5.0
_ALIASES = 8


class DnsRecords:
    """`servers`: host[:port] of resolvers; none: the zone's name servers, found by the machine's own resolver, so that
    a record just made is seen without waiting for caches. Those are under the address policy."""

    def __init__(self, servers: Sequence[str], policy: AddressPolicy) -> None:
        self._servers = [host_and_port(server, 53) for server in servers]
        self._policy = policy

    async def txt(self, name: str) -> list[str]:
        """Raises DnsFailed."""
        return [b"".join(record.strings).decode("ascii", "replace") for record in await self._follow(name, "TXT")]

    async def caa(self, name: str) -> list[CaaRecord]:
        """Raises DnsFailed."""
        return [
            CaaRecord(record.flags, record.tag.decode("ascii", "replace"), record.value.decode("ascii", "replace"))
            for record in await self._follow(name, "CAA")
        ]

    async def _follow(self, name: str, kind: str) -> list[Any]:
        """Along aliases, which may lead into another zone. Raises DnsFailed."""
        for _ in range(_ALIASES):
            found = await self._ask(name, kind)
            if not isinstance(found, str):
                return found
            name = found
        raise DnsFailed("too many aliases")

    async def _ask(self, name: str, kind: str) -> list[Any] | str:
        """The records, or the name that this one is an alias of."""
        import dns.asyncresolver
        import dns.exception

        try:
            resolver = self._configured() if self._servers else await self._of_zone(name)
            answer = await resolver.resolve(name, kind, lifetime=_SECONDS, raise_on_no_answer=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise DnsFailed(str(error)[:200] or type(error).__name__) from None
        if answer.rrset is None:
            canonical = answer.canonical_name.to_text()
            return [] if canonical.rstrip(".").lower() == name.rstrip(".").lower() else canonical
        return list(answer)

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """A `core.outbound.Resolver`: by the configured servers, or as the machine resolves. Raises OSError."""
        if not self._servers:
            return await resolve(host, port)
        import dns.exception

        try:
            found = await self._configured().resolve_name(host, lifetime=_SECONDS)
        except (dns.exception.DNSException, OSError) as error:
            raise OSError(str(error)) from None
        return list(found.addresses())

    def _configured(self) -> dns.asyncresolver.Resolver:
        import dns.asyncresolver

        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
        return resolver

    async def _of_zone(self, name: str) -> dns.asyncresolver.Resolver:
        import dns.asyncresolver

        machine = dns.asyncresolver.Resolver()
        zone = await dns.asyncresolver.zone_for_name(name, resolver=machine)
        allowed: list[str] = []
        for server in await machine.resolve(zone, "NS", lifetime=_SECONDS):
            for kind in ("A", "AAAA"):
                try:
                    found = await machine.resolve(server.target, kind, lifetime=_SECONDS)
                except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                    continue
                addresses = [ipaddress.ip_address(record.address) for record in found]
                allowed += [str(address) for address in addresses if self._policy.permits(address)]
        if not allowed:
            raise DnsFailed(f"no name server of {zone} may be asked")
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = list(allowed[:6])
        return resolver
