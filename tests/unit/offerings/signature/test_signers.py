from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.gm import sm2
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.errors import (
    SignerCertificateExpired,
    SignerCertificateRevoked,
    SignerNotEnabled,
    SignerStateConflict,
)
from miyun.offerings.signature.evidence import evidence
from miyun.offerings.signature.model import SignerState
from miyun.offerings.signature.store import SignatureStore
from miyun.wire.x509 import load_certificates

SUBJECT = {"O": "某局", "CN": "审批系统"}


def create(rooms: Rooms, name: str = "approval", tenant: str = "ten_a", **fields: object) -> m.SignerView:
    values = {"name": name, "subject": SUBJECT, **fields}
    request = m.CreateSigner(**values)  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.create_signer(call_of(tenant, rooms.clock), request))


def sign(rooms: Rooms, signer: str, tenant: str = "ten_a") -> m.SignatureView:
    request = m.SignRequest(signer=signer, message=b"data")
    return asyncio.run(rooms.signature.sign(call_of(tenant, rooms.clock), request))


def ref(signer: str) -> m.RefSigner:
    return m.RefSigner(signer=signer)


def test_one_call_makes_key_certificate_and_signer(rooms: Rooms) -> None:
    made = create(rooms)
    [certificate] = load_certificates(made.certificate_pem)
    assert certificate.subject.get("CN") == "审批系统"
    assert certificate.spki_der == rooms.keys.keys["ten_a", made.key][0].public
    assert made.z_a == sm2.za(certificate.public_key.point or b"")
    assert len(load_certificates(made.chain_pem)) == 2
    assert sign(rooms, made.signer).certificate_serial == made.certificate_serial
    assert sign(rooms, "approval").certificate_serial == made.certificate_serial


def test_an_existing_key_may_be_used(rooms: Rooms) -> None:
    info = asyncio.run(rooms.keys.create("ten_a", "EC-P256", "sign", label="x", owner="kms"))
    made = create(rooms, key=info.key)
    assert (made.key, made.algorithm, made.z_a) == (info.key, "EC-P256", None)


def test_another_tenants_key_cannot_be_used(rooms: Rooms) -> None:
    info = asyncio.run(rooms.keys.create("ten_b", "SM2", "sign", label="x", owner="kms"))
    with pytest.raises(NotFound):
        create(rooms, key=info.key)


def test_a_key_that_is_not_enabled_gets_no_certificate(rooms: Rooms) -> None:
    info = asyncio.run(rooms.keys.create("ten_a", "SM2", "sign", label="x", owner="kms"))
    rooms.keys.states["ten_a", info.key] = "pending_deletion"
    with pytest.raises(FailedPrecondition):
        create(rooms, key=info.key)


def test_a_signer_that_cannot_be_certified_leaves_no_key(rooms: Rooms) -> None:
    with pytest.raises(InvalidArgument) as refused:
        create(rooms, subject={"O": "某局"})
    assert refused.value.field == "subject"
    assert rooms.keys.keys == {}
    assert asyncio.run(rooms.signature.list_signers(call_of("ten_a", rooms.clock), m.ListSigners())).items == []


def test_a_name_is_used_once_in_a_tenant(rooms: Rooms) -> None:
    create(rooms)
    with pytest.raises(AlreadyExists):
        create(rooms)
    create(rooms, tenant="ten_b")


def test_of_two_at_once_one_wins_and_the_other_leaves_nothing(rooms: Rooms) -> None:
    async def race() -> list[object]:
        request = m.CreateSigner(name="approval", subject=SUBJECT)
        calls = (rooms.signature.create_signer(call_of("ten_a", rooms.clock), request) for _ in range(2))
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second = asyncio.run(race())
    assert isinstance(first, AlreadyExists) != isinstance(second, AlreadyExists)
    assert len(rooms.keys.keys) == 1


def test_another_tenants_signer_is_not_found(rooms: Rooms) -> None:
    made = create(rooms)
    other = call_of("ten_b", rooms.clock)
    for signer in (made.signer, made.name):
        with pytest.raises(NotFound):
            sign(rooms, signer, "ten_b")
        for operation in (
            rooms.signature.get_signer,
            rooms.signature.enable_signer,
            rooms.signature.disable_signer,
            rooms.signature.retire_signer,
        ):
            with pytest.raises(NotFound):
                asyncio.run(operation(other, ref(signer)))
        with pytest.raises(NotFound):
            asyncio.run(rooms.signature.renew_signer(other, m.RenewSigner(signer=signer)))
        with pytest.raises(NotFound):
            asyncio.run(rooms.signature.verify(other, m.VerifyRequest(signature=b"x", message=b"y", signer=signer)))
    assert asyncio.run(rooms.signature.list_signers(other, m.ListSigners())).items == []


def test_a_disabled_signer_does_not_sign_and_comes_back(rooms: Rooms) -> None:
    made = create(rooms)
    sign(rooms, made.signer)  # now it is in the cache
    call = call_of("ten_a", rooms.clock)
    asyncio.run(rooms.signature.disable_signer(call, ref(made.signer)))
    with pytest.raises(SignerNotEnabled):
        sign(rooms, made.name)
    with pytest.raises(SignerStateConflict):
        asyncio.run(rooms.signature.disable_signer(call, ref(made.signer)))
    asyncio.run(rooms.signature.enable_signer(call, ref(made.signer)))
    sign(rooms, made.signer)


def test_retiring_revokes_the_certificate_for_good(rooms: Rooms) -> None:
    made = create(rooms)
    call = call_of("ten_a", rooms.clock)
    assert asyncio.run(rooms.signature.retire_signer(call, ref(made.name))).state == "retired"
    assert asyncio.run(rooms.issuer.is_revoked(int(made.certificate_serial, 16)))
    with pytest.raises(SignerNotEnabled):
        sign(rooms, made.signer)
    for operation in (rooms.signature.enable_signer, rooms.signature.disable_signer, rooms.signature.retire_signer):
        with pytest.raises(SignerStateConflict):
            asyncio.run(operation(call, ref(made.signer)))
    with pytest.raises(SignerStateConflict):
        asyncio.run(rooms.signature.renew_signer(call, m.RenewSigner(signer=made.signer)))


def test_an_expired_certificate_stops_signing_until_it_is_renewed(rooms: Rooms) -> None:
    made = create(rooms, days=30)
    rooms.clock.advance(days=31)
    with pytest.raises(SignerCertificateExpired):
        sign(rooms, made.signer)
    call = call_of("ten_a", rooms.clock)
    renewed = asyncio.run(rooms.signature.renew_signer(call, m.RenewSigner(signer=made.signer)))
    assert renewed.not_after == rooms.clock.now() + timedelta(days=365)
    assert sign(rooms, made.signer).certificate_serial == renewed.certificate_serial


def test_a_rotated_key_signs_by_its_certified_version_until_renewed(rooms: Rooms) -> None:
    made = create(rooms)
    asyncio.run(rooms.keys.rotate("ten_a", made.key, "SM2"))
    call = call_of("ten_a", rooms.clock)

    def verifies(signature: bytes) -> bool:
        request = m.VerifyRequest(signature=signature, message=b"data", signer=made.signer)
        return asyncio.run(rooms.signature.verify(call, request)).valid

    assert verifies(sign(rooms, made.signer).signature)
    renewed = asyncio.run(rooms.signature.renew_signer(call, m.RenewSigner(signer=made.name, revoke_old=True)))
    assert renewed.version == 2
    assert verifies(sign(rooms, made.signer).signature)
    assert asyncio.run(rooms.issuer.is_revoked(int(made.certificate_serial, 16)))


def test_pages_cover_all_signers(rooms: Rooms) -> None:
    names = [f"signer{number}" for number in range(5)]
    for name in names:
        create(rooms, name)
    seen: list[str] = []
    cursor = None
    while True:
        request = m.ListSigners(limit=2, cursor=cursor)
        page = asyncio.run(rooms.signature.list_signers(call_of("ten_a", rooms.clock), request))
        seen += [item.name for item in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == names


def test_the_evidence_names_signers_and_their_certificates(rooms: Rooms) -> None:
    start = rooms.clock.now()
    create(rooms)
    create(rooms, "other", tenant="ten_b")
    end = start + timedelta(hours=1)
    files = asyncio.run(evidence(rooms.signature, tenant="ten_a", instance="ins_1", start=start, end=end))
    found = {item.path: item.content.decode("utf-8-sig") for item in files}
    assert found["signers.csv"].count("\r\n") == 2 and "approval" in found["signers.csv"]
    assert found["certificates.pem"].count("BEGIN CERTIFICATE") == 3


def test_a_disabled_signer_is_not_used_by_who_missed_that_it_was(rooms: Rooms) -> None:
    """While the ledger is out of reach a process hears no invalidation; when it is back, it is told that."""
    made = create(rooms)
    sign(rooms, made.signer)
    store = SignatureStore(rooms.database)
    found = store.find_signer("ten_a", made.signer)
    assert found is not None and store.set_state(found, SignerState.DISABLED)  # by another process
    asyncio.run(rooms.ledger.invalidate("*", "*"))
    with pytest.raises(SignerNotEnabled):
        sign(rooms, made.signer)


def test_a_signer_whose_certificate_was_revoked_stops_at_once(rooms: Rooms) -> None:
    made = create(rooms)
    sign(rooms, made.signer)
    asyncio.run(rooms.issuer.revoke(int(made.certificate_serial, 16), "superseded", rooms.clock.now()))
    for _ in range(2):
        with pytest.raises(SignerCertificateRevoked):
            sign(rooms, made.signer)
    call = call_of("ten_a", rooms.clock)
    asyncio.run(rooms.signature.renew_signer(call, m.RenewSigner(signer=made.name)))
    sign(rooms, made.signer)
