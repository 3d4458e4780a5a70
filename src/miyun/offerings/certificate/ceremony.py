"""What only root keys can do, while their machine runs."""

from __future__ import annotations

from miyun.core.errors import NotFound
from miyun.hsm.port import Machine
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.model import Authority, AuthorityReason, AuthorityRole, RevocationList
from miyun.offerings.certificate.responder import OcspResponder
from miyun.offerings.certificate.revocation import Revocation


class Ceremonies:
    """Every one finishes what one before it left undone."""

    def __init__(self, *, authorities: Authorities, revocation: Revocation, responder: OcspResponder) -> None:
        self._authorities = authorities
        self._revocation = revocation
        self._responder = responder

    async def hold(self, roots: Machine) -> list[RevocationList]:
        """Certify issuing authorities that are missing; renew what is due of the roots' lists and answers."""
        await self._authorities.create(roots)
        made: list[RevocationList] = []
        for root in await self._revocation.roots_due():
            # The list comes last: what tells that nothing is due any more.
            await self._responder.sign_for_root(root, roots)
            made.append(await self._revocation.publish(root, roots))
            await self._authorities.announce(root.id)
        return made

    async def revoke(self, ca: str, reason: AuthorityReason, roots: Machine) -> list[RevocationList]:
        """An issuing authority, for good; a successor issues in its place. Raises NotFound, AuthorityEndedAlready."""
        await self._authorities.end(self._issuing(ca), reason)
        return await self.hold(roots)

    async def succeed(self, ca: str, roots: Machine) -> list[RevocationList]:
        """A successor issues in its place; what it issued stays good. Raises NotFound, AuthoritySucceeded."""
        await self._authorities.succeed(self._issuing(ca), roots)
        return await self.hold(roots)

    def _issuing(self, ca: str) -> Authority:
        found = self._authorities.find(ca)
        if found is None or found.role is not AuthorityRole.ISSUING:
            raise NotFound("ca", ca, field="ca")
        return found
