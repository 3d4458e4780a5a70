"""The life of a key as its security administrator sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.standin import AnyApplications

from miyun.core.errors import AlreadyExists, DecryptionFailed, InvalidArgument, NotFound
from miyun.core.operation import Role
from miyun.gm import rand, sm2
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.errors import (
    InvalidKeyBackup,
    KeyNotEnabled,
    KeyStateConflict,
    KeyUsageMismatch,
    KeyVersionRetired,
)
from miyun.offerings.kms.model import USAGES
from miyun.offerings.kms.service import KmsService
from miyun.wire.spki import parse_spki

SM4 = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="人事")


@pytest.mark.parametrize(
    ("algorithm", "usage"), [(a.value, u.value) for a, usages in USAGES.items() for u in sorted(usages)]
)
def test_every_algorithm_and_usage_makes_an_enabled_key(room: Any, algorithm: Any, usage: Any) -> None:
    async def scene(kms: KmsService) -> None:
        made = await kms.create(room.call(), m.CreateKeyRequest(algorithm=algorithm, usage=usage, label="x"))
        assert (made.state, made.version, made.algorithm, made.usage) == ("enabled", 1, algorithm, usage)
        if usage == "sign" or algorithm == "SM2":
            public = await kms.public_key(room.call(), m.PublicKeyRequest(key=made.key))
            parse_spki(public.public_key)
        else:
            with pytest.raises(InvalidArgument):
                await kms.public_key(room.call(), m.PublicKeyRequest(key=made.key))

    room.play(scene)


def test_an_algorithm_refuses_a_usage_that_is_not_its_own(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        for algorithm, usage in (("SM4", "sign"), ("EC-P256", "encrypt"), ("HMAC-SM3", "encrypt"), ("SM2", "mac")):
            with pytest.raises(InvalidArgument) as refusal:
                await kms.create(room.call(), m.CreateKeyRequest(algorithm=algorithm, usage=usage, label="x"))  # type: ignore[arg-type]
            assert refusal.value.field == "usage"
        assert (await kms.list_keys(room.call(), m.ListKeysRequest())).items == []

    room.play(scene)


def test_a_disabled_key_does_nothing_until_enabled(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        made = await kms.data_key(call, m.DataKeyRequest(key=key))
        assert (await kms.disable(call, m.KeyRequest(key=key))).state == "disabled"
        for request in (
            kms.data_key(call, m.DataKeyRequest(key=key)),
            kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped)),
            kms.rewrap(call, m.RewrapRequest(key=key, items=[m.RewrapItem(wrapped=made.wrapped)])),
            kms.rotate(call, m.KeyRequest(key=key)),
        ):
            with pytest.raises(KeyNotEnabled):
                await request
        with pytest.raises(KeyStateConflict):
            await kms.disable(call, m.KeyRequest(key=key))
        await kms.enable(call, m.KeyRequest(key=key))
        assert (await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped))).plaintext == made.plaintext

    room.play(scene)


def test_a_state_changed_in_the_database_by_hand_does_not_bring_a_key_back(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await kms.disable(call, m.KeyRequest(key=key))
        with room.database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE kms_key SET state = 'enabled'")
        await room.ledger.invalidate("kms.key", key)
        with pytest.raises(Exception, match="Internal"):
            await kms.data_key(call, m.DataKeyRequest(key=key))

    room.play(scene)


def test_another_process_sees_a_change_at_once(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        other = KmsService(
            store=room.store, machine=kms._machine, clock=room.clock, ledger=room.ledger, applications=AnyApplications()
        )
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await other.data_key(call, m.DataKeyRequest(key=key))
        await kms.disable(call, m.KeyRequest(key=key))
        with pytest.raises(KeyNotEnabled):
            await other.data_key(call, m.DataKeyRequest(key=key))

    room.play(scene)


def test_rotation_keeps_old_versions_for_decryption_until_the_lowest_version_passes_them(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        first = await kms.data_key(call, m.DataKeyRequest(key=key))
        assert (await kms.rotate(call, m.KeyRequest(key=key))).version == 2
        second = await kms.data_key(call, m.DataKeyRequest(key=key))
        assert (first.version, second.version) == (1, 2)
        for made in (first, second):
            opened = await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped))
            assert opened.plaintext == made.plaintext
        with pytest.raises(InvalidArgument):
            await kms.update(call, m.UpdateKeyRequest(key=key, min_decryption_version=3))
        await kms.update(call, m.UpdateKeyRequest(key=key, min_decryption_version=2))
        with pytest.raises(KeyVersionRetired):
            await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=first.wrapped))
        versions = (await kms.versions(call, m.KeyRequest(key=key))).items
        assert [(v.version, v.current, v.decrypts) for v in versions] == [(2, True, True), (1, False, False)]

    room.play(scene)


def test_rewrap_changes_version_key_and_associated_data_item_by_item(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        other = (await kms.create(call, m.CreateKeyRequest(algorithm="AES-256", usage="wrap", label="y"))).key
        wrap = (await kms.create(call, m.CreateKeyRequest(algorithm="AES-256", usage="wrap", label="z"))).key
        old = await kms.data_key(call, m.DataKeyRequest(key=key, associated_data=b"a"))
        await kms.rotate(call, m.KeyRequest(key=key))
        answer = await kms.rewrap(
            call,
            m.RewrapRequest(
                key=key,
                items=[
                    m.RewrapItem(wrapped=old.wrapped, associated_data=b"a", reference="keeps"),
                    m.RewrapItem(wrapped=old.wrapped, associated_data=b"a", new_associated_data=b"b"),
                    m.RewrapItem(wrapped=old.wrapped, associated_data=b"wrong", reference="bad"),
                    m.RewrapItem(wrapped=b"garbage"),
                ],
            ),
        )
        assert answer.version == 2
        assert [item.error for item in answer.items] == [None, None, "DecryptionFailed", "InvalidArgument"]
        assert [item.reference for item in answer.items] == ["keeps", "", "bad", ""]
        for item, aad in zip(answer.items, (b"a", b"b"), strict=False):
            assert item.wrapped is not None and old.plaintext is not None and old.plaintext not in item.wrapped
            opened = await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=item.wrapped, associated_data=aad))
            assert (opened.plaintext, opened.version) == (old.plaintext, 2)
        # Between two keys for wrapping too; but data may not slip under a key that only wraps.
        moving = await kms.data_key(call, m.DataKeyRequest(key=other, size=32))
        moved = await kms.rewrap(
            call, m.RewrapRequest(key=other, new_key=wrap, items=[m.RewrapItem(wrapped=moving.wrapped)])
        )
        assert moved.items[0].wrapped is not None
        opened = await kms.unwrap(call, m.UnwrapRequest(key=wrap, wrapped=moved.items[0].wrapped))
        assert opened.plaintext == moving.plaintext
        with pytest.raises(InvalidArgument):
            await kms.rewrap(call, m.RewrapRequest(key=key, new_key=wrap, items=[m.RewrapItem(wrapped=old.wrapped)]))

    room.play(scene)


def test_data_keys_without_plaintext_and_with_wrong_associated_data(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        made = await kms.data_key(call, m.DataKeyRequest(key=key, size=32, associated_data=b"row 7", plaintext=False))
        assert made.plaintext is None
        opened = await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped, associated_data=b"row 7"))
        assert len(opened.plaintext) == 32
        assert opened.plaintext.hex() not in repr(opened)
        with pytest.raises(DecryptionFailed):
            await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped, associated_data=b"row 8"))
        with pytest.raises(InvalidArgument):
            await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=b"short"))
        mac = (await kms.create(call, m.CreateKeyRequest(algorithm="HMAC-SM3", usage="mac", label="x"))).key
        with pytest.raises(KeyUsageMismatch):
            await kms.data_key(call, m.DataKeyRequest(key=mac))

    room.play(scene)


def test_macs_verify_under_the_version_that_made_them(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, m.CreateKeyRequest(algorithm="HMAC-SM3", usage="mac", label="x"))).key
        made = await kms.mac(call, m.MacRequest(key=key, items=[b"one", b"two"]))
        await kms.rotate(call, m.KeyRequest(key=key))
        checks = [
            m.MacCheckItem(data=b"one", mac=made.macs[0]),
            m.MacCheckItem(data=b"one", mac=made.macs[1]),
            m.MacCheckItem(data=b"two", mac=made.macs[1][:-1]),
        ]
        old = await kms.verify_mac(call, m.VerifyMacRequest(key=key, items=checks, version=1))
        assert old.valid == [True, False, False]
        new = await kms.verify_mac(call, m.VerifyMacRequest(key=key, items=checks))
        assert new.valid == [False, False, False]

    room.play(scene)


def test_aliases_name_keys_move_and_go(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        one = await kms.create(call, m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="1", alias="hr"))
        assert one.aliases == ["hr"]
        two = await kms.create(call, SM4)
        assert (await kms.get(call, m.KeyRequest(key="alias:hr"))).key == one.key
        with pytest.raises(AlreadyExists):
            await kms.create_alias(call, m.AliasRequest(alias="hr", key=two.key))
        with pytest.raises(AlreadyExists):
            await kms.create(call, m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="3", alias="hr"))
        assert len((await kms.list_keys(call, m.ListKeysRequest())).items) == 2
        await kms.move_alias(call, m.AliasRequest(alias="hr", key=two.key))
        assert (await kms.get(call, m.KeyRequest(key="alias:hr"))).key == two.key
        # The same name in another tenant is another name.
        await kms.create(
            room.call("ten_b"), m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="b", alias="hr")
        )
        assert [a.alias for a in (await kms.list_aliases(call, m.ListAliasesRequest())).items] == ["hr"]
        await kms.delete_alias(call, m.DeleteAliasRequest(alias="hr"))
        with pytest.raises(NotFound):
            await kms.get(call, m.KeyRequest(key="alias:hr"))

    room.play(scene)


def test_keys_are_listed_newest_first_page_by_page_and_by_tag(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        made = []
        for number in range(5):
            tags = {"系统": "hr" if number % 2 else "oa"}
            request = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label=f"key {number}", tags=tags)
            made.append((await kms.create(call, request)).key)
        first = await kms.list_keys(call, m.ListKeysRequest(limit=3))
        rest = await kms.list_keys(call, m.ListKeysRequest(limit=3, cursor=first.next_cursor))
        assert {item.key for item in first.items + rest.items} == set(made) and rest.next_cursor is None
        tagged = await kms.list_keys(call, m.ListKeysRequest(tag="系统=hr"))
        assert {item.label for item in tagged.items} == {"key 1", "key 3"}
        assert [i.label for i in (await kms.list_keys(call, m.ListKeysRequest(text="KEY 4"))).items] == ["key 4"]
        await kms.update(call, m.UpdateKeyRequest(key=made[0], tags={}, label="renamed"))
        renamed = await kms.get(call, m.KeyRequest(key=made[0]))
        assert (renamed.label, renamed.tags) == ("renamed", {})

    room.play(scene)


def test_a_key_is_imported_under_the_transport_key(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        from miyun.core.operation import Empty

        call = room.call()
        point = parse_spki((await kms.transport_key(call, Empty())).public_key).point
        assert point is not None
        d = sm2.generate_private_key()
        request = m.ImportKeyRequest(algorithm="SM2", usage="sign", label="自带", enveloped=sm2.encrypt(point, d))
        made = await kms.import_key(call, request)
        assert made.origin == "imported"
        public = (await kms.public_key(call, m.PublicKeyRequest(key=made.key))).public_key
        assert parse_spki(public).point == sm2.public_key(d)
        for wrong in (b"", rand.token(200), sm2.encrypt(point, b"too short")):
            with pytest.raises(InvalidArgument) as refusal:
                await kms.import_key(
                    call, m.ImportKeyRequest(algorithm="SM4", usage="encrypt", label="x", enveloped=wrong)
                )
            assert refusal.value.field == "enveloped"

    room.play(scene)


def test_a_backup_restores_under_every_policy(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await kms.rotate(call, m.KeyRequest(key=key))
        made = await kms.data_key(call, m.DataKeyRequest(key=key))
        backup = (await kms.backup(call, m.KeyRequest(key=key))).backup

        async def restore(**options: Any) -> m.RestoreKeyView:
            return await kms.restore(call, m.RestoreKeyRequest(backup=backup, **options))

        assert (await restore(dry_run=True)).action == "refuse"
        with pytest.raises(AlreadyExists):
            await restore()
        assert (await restore(conflict="skip")).action == "skip"
        assert (await restore(conflict="new_key", dry_run=True)).action == "new_key"
        assert len((await kms.list_keys(call, m.ListKeysRequest())).items) == 1
        copy = (await restore(conflict="new_key")).key
        assert (await kms.get(call, m.KeyRequest(key=copy))).state == "disabled"
        await kms.enable(call, m.KeyRequest(key=copy))
        opened = await kms.unwrap(call, m.UnwrapRequest(key=copy, wrapped=made.wrapped))
        assert opened.plaintext == made.plaintext
        # Lost altogether: it comes back under its own name.
        with room.database.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM kms_version")
            connection.exec_driver_sql("DELETE FROM kms_key")
        await room.ledger.invalidate("*", "*")
        assert (await restore()).key == key
        await kms.enable(call, m.KeyRequest(key=key))
        assert (await kms.unwrap(call, m.UnwrapRequest(key=key, wrapped=made.wrapped))).plaintext == made.plaintext

    room.play(scene)


def test_a_changed_backup_or_one_of_another_tenant_is_refused(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, m.CreateKeyRequest(algorithm="SM4", usage="wrap", label="x"))).key
        backup = (await kms.backup(call, m.KeyRequest(key=key))).backup
        changed = backup.replace(b'"usage":"wrap"', b'"usage":"encrypt"')
        assert changed != backup
        for wrong in (changed, backup[:-1], b"", backup[32:]):
            with pytest.raises(InvalidKeyBackup):
                await kms.restore(call, m.RestoreKeyRequest(backup=wrong, dry_run=True))
        with pytest.raises(InvalidKeyBackup):
            await kms.restore(room.call("ten_b"), m.RestoreKeyRequest(backup=backup, dry_run=True))

    room.play(scene)


def test_every_operation_on_another_tenants_key_finds_nothing(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        mine, theirs = room.call(), room.call("ten_b")
        key = (await kms.create(theirs, m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="b"))).key
        own = (await kms.create(mine, SM4)).key
        made = await kms.data_key(theirs, m.DataKeyRequest(key=key))
        one = m.KeyRequest(key=key)
        for request in (
            kms.get(mine, one),
            kms.enable(mine, one),
            kms.disable(mine, one),
            kms.rotate(mine, one),
            kms.schedule_deletion(mine, m.ScheduleDeletionRequest(key=key)),
            kms.cancel_deletion(mine, one),
            kms.versions(mine, one),
            kms.public_key(mine, m.PublicKeyRequest(key=key)),
            kms.backup(mine, one),
            kms.update(mine, m.UpdateKeyRequest(key=key, label="mine now")),
            kms.create_alias(mine, m.AliasRequest(alias="x", key=key)),
            kms.data_key(mine, m.DataKeyRequest(key=key)),
            kms.unwrap(mine, m.UnwrapRequest(key=key, wrapped=made.wrapped)),
            kms.rewrap(mine, m.RewrapRequest(key=key, items=[m.RewrapItem(wrapped=made.wrapped)])),
            kms.rewrap(theirs, m.RewrapRequest(key=key, new_key=own, items=[m.RewrapItem(wrapped=made.wrapped)])),
            kms.mac(mine, m.MacRequest(key=key, items=[b"x"])),
        ):
            with pytest.raises(NotFound):
                await request
        assert [item.key for item in (await kms.list_keys(mine, m.ListKeysRequest())).items] == [own]
        with pytest.raises(DecryptionFailed):
            await kms.unwrap(mine, m.UnwrapRequest(key=own, wrapped=made.wrapped))

    room.play(scene)


def test_a_key_serves_its_owner_and_whom_it_was_opened_to(room: Any) -> None:
    def by(application: str) -> Any:
        call = room.call(role=Role.APPLICATION)
        return replace(call, principal=replace(call.principal, application=application))

    async def scene(kms: KmsService) -> None:
        owned = await kms.directory.create("ten_a", "SM4", "encrypt", label="甲的", owner="app_a")
        made = await kms.create(room.call(), m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="公共"))
        for key, allowed in ((owned.key, "app_a"), (made.key, "")):
            for application in ("app_a", "app_b"):
                request = m.DataKeyRequest(key=key)
                if application == allowed:
                    await kms.data_key(by(application), request)
                else:
                    with pytest.raises(NotFound):
                        await kms.data_key(by(application), request)
        with pytest.raises(NotFound):
            await kms.get(by("app_b"), m.KeyRequest(key=owned.key))
        grant = m.KeyApplicationRequest(key=made.key, application="app_b")
        assert (await kms.allow(room.call(), grant)).applications == ["app_b"]
        await kms.data_key(by("app_b"), m.DataKeyRequest(key=made.key))
        other = KmsService(  # another worker's cache learns of it at once
            store=room.store,
            machine=kms._machine,
            clock=room.clock,
            ledger=room.ledger,
            applications=AnyApplications(),
        )
        await other.data_key(by("app_b"), m.DataKeyRequest(key=made.key))
        await kms.disallow(room.call(), grant)
        for service in (kms, other):
            with pytest.raises(NotFound):
                await service.data_key(by("app_b"), m.DataKeyRequest(key=made.key))
        with pytest.raises(NotFound):
            await kms.disallow(room.call(), grant)

    room.play(scene)


def test_a_key_is_opened_only_to_applications_of_the_tenant(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        foreign = "app_foreign"
        with pytest.raises(NotFound):
            await kms.create(
                room.call(),
                m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="x", applications=[foreign]),
            )
        made = await kms.create(room.call(), SM4)
        with pytest.raises(NotFound):
            await kms.allow(room.call(), m.KeyApplicationRequest(key=made.key, application=foreign))

    room.play(scene)


def test_retired_versions_do_not_decrypt_again_in_silence(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        key = (await kms.create(room.call(), SM4)).key
        wrapped = (await kms.data_key(room.call(), m.DataKeyRequest(key=key))).wrapped
        await kms.rotate(room.call(), m.KeyRequest(key=key))
        await kms.update(room.call(), m.UpdateKeyRequest(key=key, min_decryption_version=2))
        with pytest.raises(KeyVersionRetired):
            await kms.unwrap(room.call(), m.UnwrapRequest(key=key, wrapped=wrapped))
        with pytest.raises(InvalidArgument) as refused:
            await kms.update(room.call(), m.UpdateKeyRequest(key=key, min_decryption_version=1))
        assert refused.value.field == "min_decryption_version"
        call = room.call()
        await kms.update(call, m.UpdateKeyRequest(key=key, min_decryption_version=1, reopen_versions=True))
        assert call.detail["min_decryption_version"] == [2, 1]  # the ledger says who opened what again
        await kms.unwrap(room.call(), m.UnwrapRequest(key=key, wrapped=wrapped))

    room.play(scene)
