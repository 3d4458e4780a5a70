"""What the port promises, asked of a real VSM process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.vsm import Vsm

from miyun.gm import intl, sm2, sm3, sm4
from miyun.hsm import errors
from miyun.hsm.port import (
    ESCROWED,
    CipherItem,
    CipherMode,
    EnvelopeForm,
    KeyAlgorithm,
    KeyBinding,
    MachineState,
    SignScheme,
    WrappedKey,
)
from miyun.hsm.soft import SoftMachine, frames
from miyun.hsm.soft.frames import Opcode
from miyun.hsm.soft.wrapping import handle_of
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.spki import parse_spki, sm2_spki

BINDING = KeyBinding("ten_a", "key_1", 1, "enabled")

Scene = Callable[[SoftMachine], Awaitable[Any]]


@pytest.fixture
def ask(vsm: Vsm) -> Callable[[Scene], Any]:
    """Runs a scene with a client of the shared machine."""

    def run(scene: Scene) -> Any:
        async def main() -> Any:
            machine = vsm.machine()
            try:
                return await scene(machine)
            finally:
                await machine.aclose()

        return asyncio.run(main())

    return run


def point(key: WrappedKey) -> bytes:
    assert key.public is not None
    value = parse_spki(key.public).point
    assert value is not None
    return value


def test_status_tells_provider_root_and_self_test(ask: Any) -> None:
    status = ask(lambda machine: machine.status())
    assert status.state is MachineState.OPERATIONAL
    assert status.root == "keyfile (development)"
    assert status.self_test.startswith("passed")
    assert status.provider


def test_sm2_signatures_verify_for_messages_identities_and_digests(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM2, BINDING)
        public = point(key)
        messages = [b"", b"one", bytes(70_000)]
        for message, signature in zip(messages, await machine.sign(key, SignScheme.SM2_SM3, messages), strict=True):
            sm2.verify(public, message, signature)
        (signature,) = await machine.sign(key, SignScheme.SM2_SM3, [b"m"], user_id=b"ALICE123@YAHOO.COM")
        sm2.verify(public, b"m", signature, b"ALICE123@YAHOO.COM")
        e = sm2.message_digest(public, b"m")
        (signature,) = await machine.sign(key, SignScheme.SM2_SM3, [e], prehashed=True)
        sm2.verify(public, b"m", signature)

    ask(scene)


def test_ecdsa_and_rsa_signatures_verify(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        ec = await machine.generate(KeyAlgorithm.EC_P256, BINDING)
        rsa = await machine.generate(KeyAlgorithm.RSA_2048, BINDING)
        assert ec.public is not None and rsa.public is not None
        (signature,) = await machine.sign(ec, SignScheme.ECDSA_SHA256, [b"m"])
        intl.ecdsa_p256_verify(ec.public, b"m", signature)
        (signature,) = await machine.sign(rsa, SignScheme.RSA_SHA256, [b"m"])
        intl.rsa_verify(rsa.public, b"m", signature)
        (signature,) = await machine.sign(rsa, SignScheme.RSA_PSS_SHA256, [b"m"])
        intl.rsa_verify(rsa.public, b"m", signature, padding="pss")

    ask(scene)


@pytest.mark.parametrize(
    ("algorithm", "mode", "overhead"),
    [
        (KeyAlgorithm.SM4, CipherMode.SM4_GCM, 16),
        (KeyAlgorithm.SM4, CipherMode.SM4_CTR, 0),
        (KeyAlgorithm.AES_256, CipherMode.AES_256_GCM, 16),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_001])
def test_ciphers_give_back_what_went_in(
    ask: Any, algorithm: KeyAlgorithm, mode: CipherMode, overhead: int, size: int
) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(algorithm, BINDING)
        data = os.urandom(size)
        (encrypted,) = await machine.encrypt(key, mode, [CipherItem(data)])
        assert len(encrypted.data) == size + overhead
        assert await machine.decrypt(key, mode, [CipherItem(encrypted.data, encrypted.iv)]) == [data]

    ask(scene)


def test_cbc_pads_and_wrong_padding_fails_its_item_only(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM4, BINDING)
        good = (await machine.encrypt(key, CipherMode.SM4_CBC, [CipherItem(b"0123456789abcdef")]))[0]
        assert len(good.data) == 32
        items = [CipherItem(good.data, good.iv), CipherItem(good.data[:-1], good.iv), CipherItem(good.data, bytes(16))]
        first, cut, other = await machine.decrypt(key, CipherMode.SM4_CBC, items)
        assert first == b"0123456789abcdef"
        assert cut is None
        assert other != first

    ask(scene)


def test_a_tampered_item_fails_alone(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM4, BINDING)
        one, two = await machine.encrypt(
            key, CipherMode.SM4_GCM, [CipherItem(b"one", aad=b"a"), CipherItem(b"two", aad=b"a")]
        )
        items = [
            CipherItem(one.data, one.iv, b"b"),
            CipherItem(two.data, two.iv, b"a"),
            CipherItem(b"short", one.iv, b"a"),
        ]
        assert await machine.decrypt(key, CipherMode.SM4_GCM, items) == [None, b"two", None]

    ask(scene)


def test_sm2_decrypts_every_encoding(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM2, BINDING)
        for encoding in ("asn1", "c1c3c2", "c1c2c3"):
            ciphertext = sm2.encrypt(point(key), b"secret", encoding)  # type: ignore[arg-type]
            answer = await machine.public_decrypt(key, [ciphertext, ciphertext[:-1]], encoding=encoding)
            assert answer == [b"secret", None]

    ask(scene)


def test_data_keys_can_be_unwrapped_and_plaintext_is_only_given_when_asked(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM4, BINDING)
        plain, wrapped = await machine.wrap_new(key, 16, aad=b"ctx", with_plaintext=True)
        opened = await machine.decrypt(key, CipherMode.SM4_GCM, [CipherItem(wrapped[12:], wrapped[:12], b"ctx")])
        assert opened == [plain]
        assert (await machine.wrap_new(key, 32, aad=b"", with_plaintext=False))[0] is None

    ask(scene)


def test_rewrap_keeps_the_plaintext_and_changes_key_and_associated_data(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        old = await machine.generate(KeyAlgorithm.AES_256, BINDING)
        new = await machine.generate(KeyAlgorithm.SM4, BINDING)
        (item,) = await machine.encrypt(old, CipherMode.AES_256_GCM, [CipherItem(b"data", aad=b"old")])
        good, bad = await machine.rewrap(
            old,
            new,
            CipherMode.AES_256_GCM,
            [CipherItem(item.data, item.iv, b"old"), CipherItem(item.data, item.iv, b"wrong")],
            [b"new", b"new"],
        )
        assert bad is None and good is not None
        assert await machine.decrypt(new, CipherMode.SM4_GCM, [CipherItem(good.data, good.iv, b"new")]) == [b"data"]

    ask(scene)


def test_a_wrapped_key_is_good_only_under_its_own_binding(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.HMAC_SM3, BINDING)
        for swapped in (
            KeyBinding("ten_b", "key_1", 1, "enabled"),
            KeyBinding("ten_a", "key_2", 1, "enabled"),
            KeyBinding("ten_a", "key_1", 2, "enabled"),
            KeyBinding("ten_a", "key_1", 1, "other"),
        ):
            with pytest.raises(errors.WrongBinding):
                await machine.mac(WrappedKey(key.algorithm, swapped, key.blob), [b"m"])
        with pytest.raises(errors.WrongBinding):
            await machine.encrypt(
                WrappedKey(KeyAlgorithm.SM4, BINDING, key.blob), CipherMode.SM4_GCM, [CipherItem(b"m")]
            )
        with pytest.raises(errors.UnknownKey):
            await machine.mac(WrappedKey(key.algorithm, BINDING, b"\x02" + key.blob[1:]), [b"m"])

    ask(scene)


def test_a_key_bound_to_a_disabled_state_is_not_used_until_bound_anew(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.HMAC_SM3, BINDING)
        (before,) = await machine.mac(key, [b"m"])
        disabled = await machine.rebind(key, KeyBinding("ten_a", "key_1", 1, "disabled"))
        with pytest.raises(errors.InvalidRequest):
            await machine.mac(disabled, [b"m"])
        enabled = await machine.rebind(disabled, BINDING)
        assert await machine.mac(enabled, [b"m"]) == [before]

    ask(scene)


def test_keys_are_imported_under_the_transport_key(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        transport = parse_spki(await machine.transport_key()).point
        assert transport is not None
        secret = os.urandom(32)
        key = await machine.import_key(KeyAlgorithm.HMAC_SM3, BINDING, sm2.encrypt(transport, secret))
        assert await machine.mac(key, [b"m"]) == [sm3.hmac(secret, b"m")]
        d = sm2.generate_private_key()
        key = await machine.import_key(KeyAlgorithm.SM2, BINDING, sm2.encrypt(transport, d))
        assert point(key) == sm2.public_key(d)
        pkcs8 = intl.ecdsa_p256_generate()
        key = await machine.import_key(KeyAlgorithm.EC_P256, BINDING, sm2.encrypt(transport, pkcs8))
        assert key.public == intl.public_key(pkcs8)
        for algorithm, material in (
            (KeyAlgorithm.SM4, bytes(15)),
            (KeyAlgorithm.SM2, bytes(32)),
            (KeyAlgorithm.RSA_2048, pkcs8),
        ):
            with pytest.raises(errors.InvalidRequest):
                await machine.import_key(algorithm, BINDING, sm2.encrypt(transport, material))
        with pytest.raises(errors.InvalidRequest):
            await machine.import_key(KeyAlgorithm.SM4, BINDING, bytes(16))

    ask(scene)


def test_an_escrowed_key_leaves_only_as_an_envelope_to_its_holder(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        holder = sm2.generate_private_key()
        binding = KeyBinding("ten_a", "escrow_1", 1, ESCROWED)
        key = await machine.generate(KeyAlgorithm.SM2, binding)
        sent = parse_enveloped_key(await machine.envelope(key, sm2_spki(sm2.public_key(holder))))
        assert sent.point == point(key)
        opened = sm4.decrypt_ecb(sm2.decrypt(holder, sent.encrypted_symmetric_key), sent.encrypted_private_key)
        assert sm2.public_key(opened) == point(key)
        answer = await machine.envelope(key, sm2_spki(sm2.public_key(holder)), EnvelopeForm.CFCA)
        assert sm2.decrypt(holder, b"\x04" + answer, "c1c3c2") == point(key)[1:] + opened
        for use in (
            machine.sign(key, SignScheme.SM2_SM3, [b"m"]),
            machine.public_decrypt(key, [sm2.encrypt(point(key), b"m")]),
            machine.rebind(key, KeyBinding("ten_a", "escrow_1", 1, "enabled")),
            machine.envelope(key, sm2_spki(point(key))),
            machine.envelope(key, b"\x30\x00"),
            machine.envelope(key, intl.public_key(intl.ecdsa_p256_generate())),
        ):
            with pytest.raises(errors.InvalidRequest):
                await use
        gone = await machine.rebind(key, KeyBinding("ten_a", "escrow_1", 1, "destroyed"))
        with pytest.raises(errors.InvalidRequest):
            await machine.envelope(gone, sm2_spki(sm2.public_key(holder)))

    ask(scene)


def test_a_key_that_was_made_to_be_used_is_never_enveloped(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM2, BINDING)
        holder = sm2_spki(sm2.public_key(sm2.generate_private_key()))
        with pytest.raises(errors.InvalidRequest):
            await machine.envelope(key, holder)
        escrowed = KeyBinding("ten_a", "key_1", 1, ESCROWED)
        with pytest.raises(errors.InvalidRequest):
            await machine.rebind(key, escrowed)
        with pytest.raises(errors.WrongBinding):
            await machine.envelope(WrappedKey(key.algorithm, escrowed, key.blob, key.public), holder)

    ask(scene)


def test_derivation_is_stable_separated_by_purpose_and_allow_listed(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        session = await machine.derive("session", b"x")
        assert session == await machine.derive("session", b"x")
        assert len({session, await machine.derive("session", b"y"), await machine.derive("page-token", b"x")}) == 3
        with pytest.raises(errors.InvalidRequest):
            await machine.derive("storage key 1", b"")
        secret = await machine.derive("access-key", b"AK1")
        assert len(bytes.fromhex(secret.decode("ascii"))) == 32
        assert await machine.derive("access-key-day", b"AK1:20260302") == sm3.hmac(secret, b"20260302")
        with pytest.raises(errors.InvalidRequest):
            await machine.derive("access-key-day", b"AK1:2026")

    ask(scene)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda m, k: m.sign(k, SignScheme.SM2_SM3, [b"m"]),
        lambda m, k: m.encrypt(k, CipherMode.AES_256_GCM, [CipherItem(b"m")]),
        lambda m, k: m.encrypt(k, CipherMode.SM4_GCM, [CipherItem(b"m", iv=bytes(16))]),
        lambda m, k: m.encrypt(k, CipherMode.SM4_CBC, [CipherItem(b"m", aad=b"a")]),
        lambda m, k: m.decrypt(k, CipherMode.SM4_GCM, [CipherItem(b"m")]),
        lambda m, k: m.encrypt(k, "SM4-XTS", [CipherItem(b"m")]),
        lambda m, k: m.public_decrypt(k, [b"m"]),
        lambda m, k: m.mac(k, [b"m"]),
        lambda m, k: m.mac(k, [b""] * 5000),
        lambda m, k: m.wrap_new(k, 1 << 20, aad=b"", with_plaintext=True),
        lambda m, k: m.random(0),
        lambda m, k: m.provision(2, 3),
        lambda m, k: m.submit_share("MIYUN-SHARE-1"),
    ],
)
def test_a_wrong_request_is_refused_and_names_the_field(ask: Any, request_of: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM4, BINDING)
        with pytest.raises(errors.InvalidRequest) as refusal:
            await request_of(machine, key)
        assert refusal.value.field and refusal.value.reason
        assert len(await machine.random(16)) == 16

    ask(scene)


def test_concurrent_requests_share_batches_and_each_gets_its_own_answer(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        keys = [await machine.generate(KeyAlgorithm.SM2, BINDING) for _ in range(3)]
        messages = [f"message {n}".encode() for n in range(150)]
        answers = await asyncio.gather(
            *(machine.sign(keys[n % 3], SignScheme.SM2_SM3, [m]) for n, m in enumerate(messages))
        )
        for n, (message, (signature,)) in enumerate(zip(messages, answers, strict=True)):
            sm2.verify(point(keys[n % 3]), message, signature)
        lane = (await machine.counters())["lanes"]["sign.SM2-SM3"]
        assert lane["largest_batch"] > 8
        assert lane["waiting"] == 0

    ask(scene)


def test_what_is_asked_of_one_key_at_one_time_goes_as_one_request_and_nobody_fails_for_another(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        async def requests() -> int:
            return int((await machine.counters())["lanes"]["sign.SM2-SM3"]["requests"])

        key = await machine.generate(KeyAlgorithm.SM2, BINDING)
        await machine.sign(key, SignScheme.SM2_SM3, [b"the key is open now"])
        before = await requests()
        messages = [[b"m%d" % n] * (n % 3 + 1) for n in range(30)]
        wrong = asyncio.ensure_future(machine.sign(key, SignScheme.SM2_SM3, [b"no digest"], prehashed=True))
        identity = asyncio.ensure_future(machine.sign(key, SignScheme.SM2_SM3, [b"i"], user_id=b"ALICE123@YAHOO.COM"))
        gone = asyncio.ensure_future(machine.sign(key, SignScheme.SM2_SM3, [b"gone"]))
        calls = [asyncio.ensure_future(machine.sign(key, SignScheme.SM2_SM3, items)) for items in messages]
        await asyncio.sleep(0)
        gone.cancel()
        for items, signatures in zip(messages, await asyncio.gather(*calls), strict=True):
            assert len(signatures) == len(items)
            for item, signature in zip(items, signatures, strict=True):
                sm2.verify(point(key), item, signature)
        sm2.verify(point(key), b"i", (await identity)[0], b"ALICE123@YAHOO.COM")
        with pytest.raises(errors.InvalidRequest):
            await wrong
        assert await requests() == before + 2, "60 signatures and one more, at most 64 together, and one identity"

    ask(scene)


def test_what_the_machine_refuses_is_refused_to_all_who_asked_for_it(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.EC_P256, BINDING)
        calls = [machine.sign(key, SignScheme.SM2_SM3, [b"m"]) for _ in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, errors.InvalidRequest) and answer.field == "scheme" for answer in answers)

    ask(scene)


def test_an_answer_that_cannot_be_read_leaves_nobody_waiting(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM2, BINDING)

        def unreadable(answer: bytes) -> Any:
            raise msgspec.DecodeError("not ours")

        monkeypatch.setitem(frames.REPLY_DECODERS, Opcode.SIGN, unreadable)
        calls = [machine.sign(key, SignScheme.SM2_SM3, [b"m"]) for _ in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        assert all(isinstance(answer, msgspec.DecodeError) for answer in answers)

    ask(scene)


def test_nothing_readable_of_a_key_is_in_its_wrapping_or_its_repr(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        transport = parse_spki(await machine.transport_key()).point
        assert transport is not None
        secret = os.urandom(16)
        key = await machine.import_key(KeyAlgorithm.SM4, BINDING, sm2.encrypt(transport, secret))
        assert secret not in key.blob
        assert "blob" not in repr(key)
        again = await machine.rebind(key, BINDING)
        assert again.blob != key.blob and handle_of(again) != handle_of(key)

    ask(scene)


def test_a_key_stays_with_its_tenant_and_destroyed_stays_destroyed(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.SM4, BINDING)
        with pytest.raises(errors.InvalidRequest):
            await machine.rebind(key, KeyBinding("ten_b", "key_1", 1, "enabled"))
        gone = await machine.rebind(key, KeyBinding("ten_a", "key_1", 1, "destroyed"))
        with pytest.raises(errors.InvalidRequest):
            await machine.rebind(gone, BINDING)

    ask(scene)


def test_a_key_bound_anew_is_no_longer_in_the_clear(ask: Any) -> None:
    async def scene(machine: SoftMachine) -> None:
        key = await machine.generate(KeyAlgorithm.HMAC_SM3, BINDING)
        await machine.mac(key, [b"m"])
        before = (await machine.counters())["open_keys"]
        await machine.rebind(key, KeyBinding("ten_a", "key_1", 1, "disabled"))
        assert (await machine.counters())["open_keys"] == before - 1

    ask(scene)
