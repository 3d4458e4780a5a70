"""Nobody can repeat a nonce through an interface: SM2's k is nowhere an argument, and GCM's nonces are drawn inside."""

from __future__ import annotations

import asyncio
import inspect
import re
from types import ModuleType

import msgspec
import pytest
from tests.assurance.native import ROOT
from tests.vsm import Vsm

from miyun.edge import assembly
from miyun.gm import sm2, sm2_exchange
from miyun.hsm.errors import InvalidRequest
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, KeyBinding, Machine

SOURCES = ROOT / "src" / "miyun"
OTHERS = {
    "timestamp.issue": {"nonce"},  # RFC 3161's: the caller's own, echoed in the token
    "encryption.reencrypt": {"iv"},  # of the old ciphertext, to decrypt it
}
ITEMS = 200
ROUNDS = 50


def callables(module: ModuleType) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and value.__module__ == module.__name__
    }


def test_no_function_of_sm2_takes_a_nonce() -> None:
    functions = callables(sm2)
    assert "sign" in functions and "encrypt" in functions
    taken = {
        name: set(signature.parameters) & {"k", "nonce", "rand", "random"} for name, signature in functions.items()
    }
    assert not any(taken.values()), taken


def test_an_exchange_draws_its_own_ephemeral_key() -> None:
    for name, signature in callables(sm2_exchange).items():
        assert name.endswith("_kat") or not set(signature.parameters) & {"r", "k", "ephemeral_private"}, name


def test_forms_with_given_nonces_serve_known_answers_only() -> None:
    """They are named _kat, and only the self-test, the vectors and the providers themselves speak of them."""
    users = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py*")
        if path.suffix in (".py", ".pyi") and re.search(r"_kat\b", path.read_text("utf-8"))
    }
    folders = ("gm/providers/", "gm/selftest/")
    files = {"gm/_native.pyi", "gm/vectors.py", "gm/sm2_exchange.py", "gm/sm9.py", "gm/sm9_exchange.py"}
    assert {name for name in users if not name.startswith(folders)} <= files


def fields(kind: object, seen: set[object]) -> dict[str, object]:
    """Names of all fields of a request, also inside its items."""
    found: dict[str, object] = {}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            found[field.name] = kind
            found |= fields(field.type, seen)
    for argument in getattr(kind, "__args__", ()):
        found |= fields(argument, seen)
    return found


def test_no_operation_that_signs_or_encrypts_takes_a_nonce() -> None:
    checked = 0
    for operation in assembly.registry().operations.values():
        verb = operation.id.rpartition(".")[2]
        if re.search(r"sign|encrypt|wrap|data_key|issue|mac", verb) and not re.search(r"unwrap|verify", verb):
            names = set(fields(operation.request, set()))
            assert names & {"k", "iv", "nonce", "counter"} <= OTHERS.get(operation.id, set()), operation.id
            checked += 1
    assert checked >= 10


def test_the_port_to_the_machine_takes_no_nonce_for_signing() -> None:
    assert not set(inspect.signature(Machine.sign).parameters) & {"k", "nonce", "iv"}


@pytest.mark.parametrize("mode", [CipherMode.SM4_GCM, CipherMode.AES_256_GCM, CipherMode.SM4_CTR, CipherMode.SM4_CBC])
def test_the_machine_refuses_a_given_iv_and_repeats_none_of_its_own(mode: CipherMode) -> None:
    async def scene(vsm: Vsm) -> None:
        machine = vsm.machine()
        algorithm = KeyAlgorithm.AES_256 if mode is CipherMode.AES_256_GCM else KeyAlgorithm.SM4
        key = await machine.generate(algorithm, KeyBinding("t", "k", 1, "enabled"))
        size = 12 if "GCM" in mode else 16
        with pytest.raises(InvalidRequest):
            await machine.encrypt(key, mode, [CipherItem(b"one"), CipherItem(b"two", bytes(size))])
        # the same plaintext, in batches that share the machine's lanes
        batches = [machine.encrypt(key, mode, [CipherItem(b"same")] * ITEMS) for _ in range(ROUNDS)]
        ivs = [item.iv for batch in await asyncio.gather(*batches) for item in batch]
        assert all(len(iv) == size for iv in ivs)
        assert len(set(ivs)) == ITEMS * ROUNDS
        await machine.aclose()

    with Vsm() as vsm:
        asyncio.run(scene(vsm))
