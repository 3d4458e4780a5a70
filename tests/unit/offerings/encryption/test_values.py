"""Single values, batches, re-encryption and SM2."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.core.errors import DecryptionFailed, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.ledger.port import Entry, Record
from miyun.core.ports import KeyRef
from miyun.gm import sm2
from miyun.offerings.encryption import messages as m
from miyun.offerings.encryption.errors import CompatibilityNotAcknowledged
from miyun.offerings.encryption.evidence import evidence
from miyun.offerings.kms import messages as kms_messages
from miyun.wire.spki import parse_spki


@pytest.mark.parametrize(("algorithm", "mode"), [("SM4", "SM4-GCM"), ("AES-256", "AES-256-GCM")])
def test_a_value_comes_back_under_its_own_associated_data_only(room: Any, algorithm: str, mode: str) -> None:
    async def scene(s: Any) -> None:
        key = await s.key(algorithm)
        made = await s.service.encrypt(
            room.call(), m.EncryptRequest(key=key, plaintext="密云".encode(), associated_data=b"row 7")
        )
        assert (made.mode, made.version, made.iv, made.compatibility) == (mode, 1, None, False)
        opened = await s.service.decrypt(
            room.call(), m.DecryptRequest(key=key, ciphertext=made.ciphertext, associated_data=b"row 7")
        )
        assert opened.plaintext.decode() == "密云"
        assert "密云" not in repr(opened)
        for changed in (
            {"associated_data": b"row 8"},
            {"associated_data": b"row 7", "ciphertext": made.ciphertext[:-1] + bytes((made.ciphertext[-1] ^ 1,))},
        ):
            with pytest.raises(DecryptionFailed):
                await s.service.decrypt(
                    room.call(), m.DecryptRequest(**{"key": key, "ciphertext": made.ciphertext, **changed})
                )
        with pytest.raises(InvalidArgument):
            await s.service.decrypt(room.call(), m.DecryptRequest(key=key, ciphertext=b"something else"))

    room.play(scene)


def test_two_encryptions_of_the_same_value_differ(room: Any) -> None:
    async def scene(s: Any) -> None:
        key = await s.key()
        request = m.EncryptRequest(key=key, plaintext=b"same")
        assert len({(await s.service.encrypt(room.call(), request)).ciphertext for _ in range(20)}) == 20

    room.play(scene)


def test_raw_ciphertexts_are_what_other_systems_read(room: Any) -> None:
    async def scene(s: Any) -> None:
        point = parse_spki(await s.machine.transport_key()).point
        secret = bytes(range(16))
        from tests.standin import call_of

        imported = await s.kms.import_key(
            call_of("ten_a", room.clock),
            kms_messages.ImportKeyRequest(
                algorithm="SM4",
                usage="encrypt",
                label="shared",
                enveloped=sm2.encrypt(point, secret),
                applications=["app_1"],
            ),
        )
        call = room.call()
        cbc = await s.service.encrypt(
            call,
            m.EncryptRequest(key=imported.key, plaintext=b"0123456789", mode="SM4-CBC", compatibility=True),
        )
        assert cbc.compatibility and cbc.iv is not None
        decryptor = Cipher(algorithms.SM4(secret), modes.CBC(cbc.iv)).decryptor()
        assert decryptor.update(cbc.ciphertext) + decryptor.finalize() == b"0123456789" + b"\x06" * 6
        ctr = await s.service.encrypt(
            call, m.EncryptRequest(key=imported.key, plaintext=b"0123456789", mode="SM4-CTR", compatibility=True)
        )
        assert ctr.iv is not None
        decryptor = Cipher(algorithms.SM4(secret), modes.CTR(ctr.iv)).decryptor()
        assert decryptor.update(ctr.ciphertext) == b"0123456789"
        gcm = await s.service.encrypt(call, m.EncryptRequest(key=imported.key, plaintext=b"x", raw=True))
        assert gcm.iv is not None
        decryptor = Cipher(algorithms.SM4(secret), modes.GCM(gcm.iv, gcm.ciphertext[-16:])).decryptor()
        assert decryptor.update(gcm.ciphertext[:-16]) + decryptor.finalize() == b"x"
        for made, mode in ((cbc, "SM4-CBC"), (ctr, "SM4-CTR"), (gcm, "SM4-GCM")):
            opened = await s.service.decrypt(
                call,
                m.DecryptRequest(
                    key=imported.key, ciphertext=made.ciphertext, iv=made.iv, mode=mode, compatibility=True, version=1
                ),
            )
            assert opened.plaintext in (b"0123456789", b"x")

    room.play(scene)


def test_unauthenticated_modes_must_be_asked_for_loudly(room: Any) -> None:
    async def scene(s: Any) -> None:
        key = await s.key()
        for mode in ("SM4-CBC", "SM4-CTR"):
            with pytest.raises(CompatibilityNotAcknowledged):
                await s.service.encrypt(room.call(), m.EncryptRequest(key=key, plaintext=b"x", mode=mode))
            with pytest.raises(InvalidArgument) as refusal:
                await s.service.encrypt(
                    room.call(),
                    m.EncryptRequest(key=key, plaintext=b"x", mode=mode, compatibility=True, associated_data=b"a"),
                )
            assert refusal.value.field == "associated_data"
            with pytest.raises(InvalidArgument) as refusal:
                await s.service.decrypt(
                    room.call(), m.DecryptRequest(key=key, ciphertext=bytes(16), mode=mode, compatibility=True)
                )
            assert refusal.value.field == "iv"

    room.play(scene)


def test_a_wrong_key_is_named(room: Any) -> None:
    async def scene(s: Any) -> None:
        mac, wrap, sign = await s.key("HMAC-SM3", "mac"), await s.key("SM4", "wrap"), await s.key("SM2", "sign")
        with pytest.raises(InvalidArgument):
            await s.service.encrypt(room.call(), m.EncryptRequest(key=mac, plaintext=b"x"))
        with pytest.raises(FailedPrecondition):
            await s.service.encrypt(room.call(), m.EncryptRequest(key=wrap, plaintext=b"x"))
        with pytest.raises(InvalidArgument):
            await s.service.encrypt(
                room.call(), m.EncryptRequest(key=await s.key("AES-256"), plaintext=b"x", mode="SM4-GCM")
            )
        with pytest.raises(InvalidArgument):
            await s.service.sm2_encrypt(room.call(), m.Sm2EncryptRequest(key=sign, plaintext=b"x"))
        theirs = await s.key(tenant="ten_b")
        for request in (
            s.service.encrypt(room.call(), m.EncryptRequest(key=theirs, plaintext=b"x")),
            s.service.stream_encrypt(room.call(body=b"x"), m.StreamEncryptRequest(key=theirs)),
            s.service.stream_decrypt(room.call(body=b"x"), m.StreamDecryptRequest(key=theirs)),
            s.service.envelope_decrypt(room.call(), m.EnvelopeDecryptRequest(key=theirs, envelope=b"")),
        ):
            with pytest.raises(NotFound):
                await request

    room.play(scene)


def test_a_batch_reports_each_item_and_reads_every_version(room: Any) -> None:
    async def scene(s: Any) -> None:
        key = await s.key()
        call = room.call()
        items = [m.EncryptItem(plaintext=f"{n}".encode(), associated_data=b"a", reference=f"r{n}") for n in range(5)]
        old = await s.service.encrypt_batch(call, m.EncryptBatchRequest(key=key, items=items))
        await s.kms.lifecycle.rotate("ten_a", key)
        new = await s.service.encrypt_batch(call, m.EncryptBatchRequest(key=key, items=items))
        assert (old.version, new.version) == (1, 2)
        asked = [
            *(m.DecryptItem(ciphertext=r.ciphertext, associated_data=b"a", reference=r.reference) for r in old.items),
            *(m.DecryptItem(ciphertext=r.ciphertext, associated_data=b"a", reference=r.reference) for r in new.items),
            m.DecryptItem(ciphertext=old.items[0].ciphertext, associated_data=b"b", reference="aad"),
            m.DecryptItem(ciphertext=b"junk", reference="junk"),
            m.DecryptItem(ciphertext=b"MY\x01\x00\x00\x00\x09" + bytes(40), reference="version"),
        ]
        answer = await s.service.decrypt_batch(call, m.DecryptBatchRequest(key=key, items=asked))
        assert [i.plaintext for i in answer.items[:10]] == [f"{n}".encode() for n in range(5)] * 2
        assert {i.reference: i.error for i in answer.items[10:]} == {
            "aad": "DecryptionFailed",
            "junk": "InvalidArgument",
            "version": "NotFound",
        }
        assert all(i.plaintext is None for i in answer.items[10:])
        await s.kms.directory.destroy(KeyRef("ten_a", key))
        with pytest.raises(FailedPrecondition):
            await s.service.decrypt_batch(call, m.DecryptBatchRequest(key=key, items=asked[5:]))

    room.play(scene)


def test_reencryption_moves_to_the_newest_version_or_another_key_with_other_associated_data(room: Any) -> None:
    async def scene(s: Any) -> None:
        call = room.call()
        key, other = await s.key("AES-256"), await s.key("SM4")
        made = await s.service.encrypt(call, m.EncryptRequest(key=key, plaintext=b"data", associated_data=b"a"))
        await s.kms.lifecycle.rotate("ten_a", key)
        same = await s.service.reencrypt(
            call,
            m.ReencryptRequest(key=key, items=[m.ReencryptItem(ciphertext=made.ciphertext, associated_data=b"a")]),
        )
        assert (same.version, same.items[0].error) == (2, None)
        moved = await s.service.reencrypt(
            call,
            m.ReencryptRequest(
                key=key,
                new_key=other,
                items=[
                    m.ReencryptItem(ciphertext=made.ciphertext, associated_data=b"a", new_associated_data=b"b"),
                    m.ReencryptItem(ciphertext=made.ciphertext, associated_data=b"x", reference="bad"),
                ],
            ),
        )
        assert (moved.key, moved.mode) == (other, "SM4-GCM")
        assert [(i.error, i.reference) for i in moved.items] == [(None, ""), ("DecryptionFailed", "bad")]
        for where, item, aad in ((key, same.items[0], b"a"), (other, moved.items[0], b"b")):
            opened = await s.service.decrypt(
                call, m.DecryptRequest(key=where, ciphertext=item.ciphertext, associated_data=aad)
            )
            assert opened.plaintext == b"data"
        # From an old system's CBC to GCM.
        cbc = await s.service.encrypt(
            call, m.EncryptRequest(key=other, plaintext=b"legacy", mode="SM4-CBC", compatibility=True)
        )
        item = m.ReencryptItem(ciphertext=cbc.ciphertext, iv=cbc.iv, new_associated_data=b"now bound")
        better = await s.service.reencrypt(call, m.ReencryptRequest(key=other, mode="SM4-CBC", items=[item]))
        opened = await s.service.decrypt(
            call,
            m.DecryptRequest(key=other, ciphertext=better.items[0].ciphertext, associated_data=b"now bound"),
        )
        assert opened.plaintext == b"legacy"
        with pytest.raises(InvalidArgument):
            sm2_key = await s.key("SM2")
            await s.service.reencrypt(call, m.ReencryptRequest(key=other, new_key=sm2_key, items=[item]))

    room.play(scene)


def test_sm2_finds_the_encoding_of_a_ciphertext(room: Any) -> None:
    async def scene(s: Any) -> None:
        key = await s.key("SM2")
        call = room.call()
        for encoding in ("asn1", "c1c3c2", "c1c2c3"):
            made = await s.service.sm2_encrypt(
                call, m.Sm2EncryptRequest(key=key, plaintext="口令".encode(), encoding=encoding)
            )
            forms = [made.ciphertext] if encoding == "asn1" else [made.ciphertext, made.ciphertext[1:]]
            for form in forms:
                for ask in ("auto", encoding):
                    opened = await s.service.sm2_decrypt(
                        call, m.Sm2DecryptRequest(key=key, ciphertext=form, encoding=ask)
                    )
                    assert (opened.plaintext.decode(), opened.encoding) == ("口令", encoding)
            with pytest.raises(DecryptionFailed):
                await s.service.sm2_decrypt(call, m.Sm2DecryptRequest(key=key, ciphertext=made.ciphertext[:-1]))
        await s.kms.lifecycle.rotate("ten_a", key)
        opened = await s.service.sm2_decrypt(call, m.Sm2DecryptRequest(key=key, ciphertext=made.ciphertext, version=1))
        assert opened.version == 1
        with pytest.raises(DecryptionFailed):
            await s.service.sm2_decrypt(call, m.Sm2DecryptRequest(key=key, ciphertext=made.ciphertext))

    room.play(scene)


def test_the_dossier_gets_usage_and_the_keys_in_use(room: Any) -> None:
    async def scene(s: Any) -> None:
        start, key = room.clock.now(), await s.key()
        entry = Entry(
            "encryption.encrypt",
            "ok",
            start,
            tenant="ten_a",
            instance="ins_1",
            meter="encryption.calls",
            units=3,
            resource={"key": key},
            detail={"mode": "SM4-GCM"},
        )
        await room.ledger.append(entry)

        async def records(**asked: Any) -> list[Record]:
            return [Record(n, e, b"") for n, e in enumerate(room.ledger.entries) if e.instance == asked["instance"]]

        room.ledger.records = records
        files = await evidence(s.service, tenant="ten_a", instance="ins_1", start=start, end=start + timedelta(days=1))
        content = {file.path: json.loads(file.content) for file in files}
        assert content["usage.json"][0]["units"] == 3
        assert content["keys.json"] == [
            {
                "key": key,
                "algorithm": "SM4",
                "usage": "encrypt",
                "state": "enabled",
                "version": 1,
                "modes": ["SM4-GCM"],
            }
        ]

    room.play(scene)


def test_nothing_is_encrypted_to_an_sm2_key_that_is_out_of_use(room: Any) -> None:
    """With the public key alone it could be done; who would open it again is another matter."""

    async def scene(s: Any) -> None:
        key = await s.key("SM2")
        ref = kms_messages.KeyRequest(key=key)
        await s.kms.disable(room.call(), ref)
        with pytest.raises(FailedPrecondition):
            await s.service.sm2_encrypt(room.call(), m.Sm2EncryptRequest(key=key, plaintext=b"x"))
        await s.kms.directory.destroy(KeyRef("ten_a", key))
        with pytest.raises(FailedPrecondition):
            await s.service.sm2_encrypt(room.call(), m.Sm2EncryptRequest(key=key, plaintext=b"x"))

    room.play(scene)
