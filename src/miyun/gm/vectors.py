"""Run JSON files of published test vectors on every provider.

Format: {"algorithm", "note", "count", "vectors": [{"id", "source", "verified", …}]}; byte strings are hex, scalars
and coordinates are hex numbers, "result" is "valid", "invalid" or absent (valid). Kinds of an algorithm that is not
built are skipped and counted, never guessed.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miyun.gm import kdf, sm2, sm2_exchange, sm3, sm4, sm4_mac, sm4_modes, sm9, sm9_exchange, zuc
from miyun.gm.ciphertext import convert_ciphertext
from miyun.gm.errors import GmError
from miyun.gm.providers import Provider, provider, using
from miyun.gm.providers import providers as usable
from miyun.gm.sm9_encoding import encode_signature as sm9_signature

Vector = dict[str, Any]
Check = Callable[[Vector], None]
"""Returns when the vector holds; raises a GmError, or any ValueError, when it does not."""
Checks = tuple[tuple[frozenset[str], Check], ...]
"""Which check runs a vector: the first whose fields the vector has."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one provider did with one file."""

    file: str
    provider: str
    passed: int
    failed: int
    skipped: int
    why_skipped: str
    failures: tuple[str, ...] = ()
    """identifiers of the failed vectors, or why the file cannot be read"""

    def to_dict(self) -> dict[str, object]:
        names = ("file", "provider", "passed", "failed", "skipped", "why_skipped", "failures")
        return {name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in names}


@dataclass(frozen=True, slots=True)
class Report:
    """What all providers did with all files of a folder."""

    files: tuple[FileReport, ...]

    @property
    def failed(self) -> int:
        return sum(entry.failed for entry in self.files)

    def to_dict(self) -> dict[str, object]:
        return {"files": [entry.to_dict() for entry in self.files], "failed": self.failed}


class _Skip(Exception):
    """This vector's algorithm is not built yet."""


class _Mismatch(Exception):
    """The computed value is not the listed one."""


def _bytes(vector: Vector, name: str) -> bytes:
    return bytes.fromhex(vector[name])


def _scalar(vector: Vector, name: str) -> bytes:
    return int(vector[name], 16).to_bytes(32, "big")


def _point(vector: Vector, x: str = "px", y: str = "py") -> bytes:
    return b"\4" + _scalar(vector, x) + _scalar(vector, y)


def _equal(got: object, expected: object) -> None:
    if got != expected:
        raise _Mismatch


def _hmac(v: Vector) -> None:
    size = v.get("tag_bits", 256) // 8
    tag = sm3.hmac(_bytes(v, "key"), _bytes(v, "msg"))
    if size == 32:
        sm3.hmac_verify(_bytes(v, "key"), _bytes(v, "msg"), _bytes(v, "tag"))
    _equal(tag[:size], _bytes(v, "tag"))


def _hkdf(v: Vector) -> None:
    _equal(kdf.hkdf(_bytes(v, "ikm"), _bytes(v, "salt"), _bytes(v, "info"), v["size"]), _bytes(v, "okm"))


def _pbkdf2(v: Vector) -> None:
    derived = kdf.pbkdf2(_bytes(v, "password"), _bytes(v, "salt"), v["iterations"], v["dklen"])
    _equal(derived, _bytes(v, "dk"))


def _sm2_kdf(v: Vector) -> None:
    _equal(kdf.sm2_kdf(_bytes(v, "z"), v["klen"]), _bytes(v, "k"))


def _tlcp_prf(v: Vector) -> None:
    out = kdf.tlcp_prf(_bytes(v, "secret"), v["label"].encode("ascii"), _bytes(v, "seed"), v["length"])
    _equal(out, _bytes(v, "out"))


def _sm3(v: Vector) -> None:
    message, digest = _bytes(v, "msg_hex"), _bytes(v, "digest")
    _equal(sm3.digest(message), digest)
    _equal(sm3.digest_many([message, b"another", message]), [digest, sm3.digest(b"another"), digest])
    hasher = sm3.new()
    for start in range(0, len(message), 7):
        hasher.update(message[start : start + 7])
    _equal(hasher.digest(), digest)


def _sm2_sign(v: Vector) -> None:
    d, public, user_id = _scalar(v, "d"), _point(v), _bytes(v, "id_hex")
    _equal(sm2.public_key(d), public)
    _equal(sm2.za(public, user_id), _bytes(v, "za"))
    e = sm2.message_digest(public, _bytes(v, "msg"), user_id)
    _equal(e, _bytes(v, "e"))
    signature = sm2.encode_signature(int(v["r"], 16), int(v["s"], 16))
    _equal(provider().sm2_sign_kat(d, e, _scalar(v, "k")), signature)
    sm2.verify(public, _bytes(v, "msg"), signature, user_id)
    sm2.verify_digest(public, e, signature)


def _sm2_verify(v: Vector) -> None:
    signature = _der(int(v["r"], 16), int(v["s"], 16))
    if "e" in v:
        sm2.verify_digest(_point(v), _scalar(v, "e"), signature)
    else:
        sm2.verify(_point(v), _bytes(v, "msg"), signature, _bytes(v, "id_hex"))


def _der(r: int, s: int) -> bytes:
    """DER of any r and s, so that out-of-range values reach the verifier."""
    body = b"".join(
        bytes((2, len(octets))) + octets
        for octets in (value.to_bytes(value.bit_length() // 8 + 1, "big") for value in (r, s))
    )
    return bytes((0x30, len(body))) + body


def _sm2_encrypt(v: Vector) -> None:
    public, message, raw = _point(v), _bytes(v, "msg"), _bytes(v, "raw_c1c3c2")
    d, der = _scalar(v, "d"), _bytes(v, "der_gmt0009")
    _equal(provider().sm2_encrypt_kat(public, message, _scalar(v, "k")), raw)
    _equal(convert_ciphertext(raw, "c1c3c2", "asn1"), der)
    _equal(sm2.decrypt(d, raw, "c1c3c2"), message)
    _equal(sm2.decrypt(d, der), message)
    _equal(sm2.decrypt(d, convert_ciphertext(der, "asn1", "c1c2c3"), "c1c2c3"), message)


def _sm2_key_exchange(v: Vector) -> None:
    if v.get("orientation", "A-initiator") != "A-initiator":
        raise ValueError("the orientation is A-initiator")
    secrets = [_scalar(v, name) for name in ("da", "ra", "db", "rb")]
    public_a, ephemeral_a, public_b, ephemeral_b = (sm2.public_key(secret) for secret in secrets)
    d_a, r_a, d_b, r_b = secrets
    a, b = sm2_exchange.Party(public_a, _bytes(v, "id_a")), sm2_exchange.Party(public_b, _bytes(v, "id_b"))
    for side in (
        sm2_exchange.agree_kat(True, d_a, _bytes(v, "id_a"), r_a, b, ephemeral_b, v["klen"]),
        sm2_exchange.agree_kat(False, d_b, _bytes(v, "id_b"), r_b, a, ephemeral_a, v["klen"]),
    ):
        _equal(side.key, _bytes(v, "key"))
        for name, got in (("s_a", side.s_a), ("s_b", side.s_b)):
            _equal(got, _bytes(v, name) if name in v else got)
    listed = (("pa", public_a), ("pb", public_b), ("RA", ephemeral_a), ("RB", ephemeral_b))
    for name, point in listed:
        _equal(point[1:], _bytes(v, name) if name in v else point[1:])
    for name, party in (("za", a), ("zb", b)):
        z = sm2.za(party.public, party.user_id)
        _equal(z, _bytes(v, name) if name in v else z)


def _sm2(v: Vector) -> None:
    kinds = {"sign": _sm2_sign, "verify": _sm2_verify, "encrypt": _sm2_encrypt, "key_exchange": _sm2_key_exchange}
    if v.get("kind") not in kinds:
        raise _Skip(f"SM2 {v.get('kind')} is not built")
    kinds[v["kind"]](v)


def _sm9_sign(v: Vector) -> None:
    secret, master, user_id = _scalar(v, "ks"), _bytes(v, "mpk"), _bytes(v, "uid")
    key, message, raw = _bytes(v, "sk"), _bytes(v, "msg"), _bytes(v, "h") + _bytes(v, "S")
    _equal((sm9.master_public("sign", secret), sm9.user_key("sign", secret, user_id)), (master, key))
    _equal(provider().sm9_sign(master, key, message, _scalar(v, "r")), raw)
    sm9.verify(master, user_id, message, sm9_signature(raw[:32], raw[32:]))


def _sm9_encrypt(v: Vector) -> None:
    secret, master, user_id = _scalar(v, "ke"), _bytes(v, "mpk"), _bytes(v, "uid")
    key, message, raw = _bytes(v, "sk"), _bytes(v, "msg"), _bytes(v, "ct_c1c3c2")
    _equal((sm9.master_public("encrypt", secret), sm9.user_key("encrypt", secret, user_id)), (master, key))
    _equal(sm9.encrypt_kat(master, user_id, message, "xor", "c1c3c2", _scalar(v, "r")), raw)
    _equal(sm9.decrypt(key, user_id, raw, "c1c3c2"), message)


def _sm9_key_exchange(v: Vector) -> None:
    secret, master, a, b = _scalar(v, "ke"), _bytes(v, "mpk"), _bytes(v, "id_a"), _bytes(v, "id_b")
    _equal(sm9.master_public("exchange", secret), master)
    key_a, key_b = (sm9.user_key("exchange", secret, user_id) for user_id in (a, b))
    first = sm9_exchange.Initiator(master, key_a, a, b, v["klen"])
    second = sm9_exchange.Responder(master, key_b, b, a, v["klen"])
    sm9_exchange.start_kat(first, _scalar(v, "ra"))
    sm9_exchange.start_kat(second, _scalar(v, "rb"))
    _equal((first.ephemeral, second.ephemeral), (_bytes(v, "RA"), _bytes(v, "RB")))
    s_b = second.respond(first.ephemeral)
    key, s_a = first.finish(second.ephemeral, s_b)
    _equal((s_a, s_b), (_bytes(v, "s_a"), _bytes(v, "s_b")))
    _equal((key, second.finish(s_a)), (_bytes(v, "key"), _bytes(v, "key")))


def _sm9(v: Vector) -> None:
    kinds = {"sign": _sm9_sign, "encrypt-xor": _sm9_encrypt, "key_exchange": _sm9_key_exchange}
    if v.get("kind") not in kinds:
        raise _Skip(f"SM9 {v.get('kind')} is not built")
    kinds[v["kind"]](v)


def _sm4_aead(v: Vector) -> None:
    key, iv, aad, tag = _bytes(v, "key"), _bytes(v, "iv"), _bytes(v, "aad"), _bytes(v, "tag")
    plaintext, sealed = _bytes(v, "pt"), _bytes(v, "ct") + tag
    if v["mode"] == "CCM":
        _equal(sm4.decrypt_ccm(key, iv, sealed, aad, len(tag)), plaintext)
        _equal(sm4.encrypt_ccm(key, iv, plaintext, aad, len(tag)), sealed)
        return
    if v["mode"] != "GCM":
        raise _Skip(f"SM4-{v['mode']} is not built")
    _equal(sm4.decrypt_gcm(key, iv, sealed, aad, len(tag)), plaintext)
    _equal(sm4.encrypt_gcm(key, iv, plaintext, aad, len(tag)), sealed)
    _equal(sm4.gcm_decrypt_many(key, [(iv, sealed, aad)] * 2, len(tag)), [plaintext] * 2)


def _sm4_mode(v: Vector) -> None:
    mode, key, iv = v["mode"], _bytes(v, "key"), _bytes(v, "iv") if "iv" in v else b""
    plaintext, ciphertext = _bytes(v, "pt"), _bytes(v, "ct")
    if mode == "ECB":
        _equal((sm4.encrypt_ecb(key, plaintext), sm4.decrypt_ecb(key, ciphertext)), (ciphertext, plaintext))
    elif mode == "CBC":
        _equal(sm4.encrypt_cbc(key, iv, plaintext, None), ciphertext)
        _equal(sm4.decrypt_cbc(key, iv, ciphertext, None), plaintext)
    elif mode == "CTR":
        _equal((sm4.ctr(key, iv, plaintext), sm4.ctr(key, iv, ciphertext)), (ciphertext, plaintext))
    elif mode == "OFB":
        _equal((sm4_modes.ofb(key, iv, plaintext), sm4_modes.ofb(key, iv, ciphertext)), (ciphertext, plaintext))
    elif mode == "HCTR":
        keys = key, _bytes(v, "hash_key"), _bytes(v, "tweak")
        _equal(sm4_modes.encrypt_hctr(*keys, plaintext), ciphertext)
        _equal(sm4_modes.decrypt_hctr(*keys, ciphertext), plaintext)
    elif mode in _CHAINED:
        encrypt, decrypt = _CHAINED[mode]
        _equal((encrypt(key, iv, plaintext), decrypt(key, iv, ciphertext)), (ciphertext, plaintext))
    else:
        raise _Skip(f"SM4-{mode} is not built")


_CHAINED = {
    "CFB": (sm4_modes.encrypt_cfb, sm4_modes.decrypt_cfb),
    "BC": (sm4_modes.encrypt_bc, sm4_modes.decrypt_bc),
    "OFBNLF": (sm4_modes.encrypt_ofbnlf, sm4_modes.decrypt_ofbnlf),
}


def _sm4_xts(v: Vector) -> None:
    key, tweak, plaintext, ciphertext = (_bytes(v, name) for name in ("key", "tweak", "pt", "ct"))
    _equal(sm4_modes.encrypt_xts(key, tweak, plaintext, standard=v["standard"]), ciphertext)
    _equal(sm4_modes.decrypt_xts(key, tweak, ciphertext, standard=v["standard"]), plaintext)


_PADDINGS: dict[str, sm4_mac.Padding] = {"ISO9797M2": "M2", "ISO9797M3": "M3"}


def _sm4_mac(v: Vector) -> None:
    kind, key, message, tag = v["mac"].partition(" ")[0], _bytes(v, "key"), _bytes(v, "msg"), _bytes(v, "tag")
    if kind == "CMAC":
        sm4_mac.cmac_verify(key, message, tag)
    elif kind == "CBC-MAC":
        sm4_mac.cbc_mac_verify(key, message, tag, padding=_PADDINGS[v["padding"]])
    elif kind == "EMAC":
        sm4_mac.emac_verify(key, _bytes(v, "key2"), message, tag, padding=_PADDINGS[v["padding"]])
    else:
        raise _Skip(f"SM4 {kind} is not built")


def _zuc_keystream(v: Vector) -> None:
    _equal(zuc.keystream(_bytes(v, "key"), _bytes(v, "iv"), v["words"]), _bytes(v, "keystream"))


def _zuc(v: Vector) -> None:
    place = _bytes(v, "key"), v["count"], v["bearer"], v["direction"]
    if v["kind"] == "EIA3":
        zuc.eia3_verify(*place, _bytes(v, "msg"), _bytes(v, "mac"), v["bits"])
        return
    plaintext, ciphertext = _bytes(v, "pt"), _bytes(v, "ct")
    _equal(zuc.eea3(*place, plaintext, v["bits"]), ciphertext)
    _equal(zuc.eea3(*place, ciphertext, v["bits"]), plaintext)


def _not_built(why: str) -> Check:
    def skip(_: Vector) -> None:
        raise _Skip(why)

    return skip


_BY_FIELDS: Checks = (
    (frozenset({"ikm", "okm"}), _hkdf),
    (frozenset({"password", "dk"}), _pbkdf2),
    (frozenset({"z", "klen", "k"}), _sm2_kdf),
    (frozenset({"msg_hex", "digest"}), _sm3),
    (frozenset({"mode", "aad", "tag"}), _sm4_aead),
    (frozenset({"standard", "tweak"}), _sm4_xts),
    (frozenset({"mode", "pt", "ct"}), _sm4_mode),
    (frozenset({"mac", "key", "tag"}), _sm4_mac),
    (frozenset({"key", "msg", "tag"}), _hmac),
    (frozenset({"kind", "curve"}), _sm2),
    (frozenset({"hid"}), _sm9),
    (frozenset({"secret", "label", "seed"}), _tlcp_prf),
    (frozenset({"keystream"}), _zuc_keystream),
    (frozenset({"bearer", "direction"}), _zuc),
    (frozenset({"cert_der"}), _not_built("certificates and messages are read above the algorithms")),
    (frozenset({"csr_der"}), _not_built("certificates and messages are read above the algorithms")),
    (frozenset({"signer_cert"}), _not_built("certificates and messages are read above the algorithms")),
)


def _runner(vector: Vector, extra: Checks) -> Check:
    """What runs a vector, told by the fields it has."""
    for fields, runner in (*extra, *_BY_FIELDS):
        if fields <= vector.keys():
            return runner
    raise _Skip("no algorithm has these fields")


def _holds(vector: Vector, extra: Checks) -> bool:
    """Whether the provider agrees with the vector; _Skip when its algorithm is not built."""
    invalid = vector.get("result", "valid") == "invalid"
    try:
        _runner(vector, extra)(vector)
    except (GmError, _Mismatch):
        return invalid
    return not invalid


def _run_file(path: Path, serving: Provider, extra: Checks) -> FileReport:
    try:
        vectors = json.loads(path.read_text("utf-8"))["vectors"]
        if not isinstance(vectors, list) or not vectors or not all(isinstance(entry, dict) for entry in vectors):
            raise ValueError("no vectors")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as why:
        return FileReport(path.name, serving.name, 0, 1, 0, "", (f"unreadable: {type(why).__name__}: {why}",))
    passed, failures, skipped = 0, [], []
    with using(serving):
        for vector in vectors:
            try:
                held = _holds(vector, extra)
            except _Skip as why:
                skipped.append(str(why))
                continue
            except (KeyError, ValueError, TypeError, OverflowError) as why:
                failures.append(f"{vector.get('id')}: malformed vector: {type(why).__name__}: {why}")
                continue
            if held:
                passed += 1
            else:
                failures.append(str(vector.get("id")))
    reasons = "; ".join(dict.fromkeys(skipped))
    return FileReport(path.name, serving.name, passed, len(failures), len(skipped), reasons, tuple(failures))


def run_vectors(directory: str | Path, providers: Iterable[Provider] | None = None, extra: Checks = ()) -> Report:
    """Run every JSON file of a folder on the given providers (all usable ones by default).

    `extra` adds the checks of upper layers, such as certificates; they come before the ones here.
    An unreadable file, and a folder without JSON files, count as failures.
    """
    folder = Path(directory)
    serving = list(usable() if providers is None else providers)
    files = sorted(folder.glob("*.json"))
    if not files:
        why = (f"no JSON file in {folder}",)
        return Report(tuple(FileReport("", entry.name, 0, 1, 0, "", why) for entry in serving))
    return Report(tuple(_run_file(path, entry, extra) for path in files for entry in serving))
