"""Agreement with independent implementations: gmalglib, gmssl-pyx, cryptography and the openssl program."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers import modes as decrepit
from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.gm import kdf, sm2, sm3, sm4, sm4_mac, sm4_modes, zuc
from miyun.gm.providers import Provider
from miyun.gm.sm2_exchange import Initiator, Party, Responder

gmalglib_sm2 = pytest.importorskip("gmalglib.sm2", reason="gmalglib has no wheel for this machine")
gmalglib_zuc = pytest.importorskip("gmalglib.zuc", reason="gmalglib has no wheel for this machine")
gmssl_pyx = pytest.importorskip("gmssl_pyx", reason="gmssl-pyx has no wheel for this machine")
SIZES = (0, 1, 16, 63, 64, 65, 1000)


def test_gmalglib_verifies_our_signatures_and_we_its(provider: Provider) -> None:
    for d, public in sm2.generate_many(6):
        e = os.urandom(32)
        r, s = sm2.decode_signature(sm2.sign_digest(d, e))
        assert gmalglib_sm2.SM2(sk=d, pk=public).verify_digest(e, r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        theirs = gmalglib_sm2.SM2(sk=d).sign_digest(e)
        r, s = (int.from_bytes(half, "big") for half in (theirs[:32], theirs[32:]))
        sm2.verify_digest(public, e, sm2.encode_signature(r, s))


def test_gmssl_verifies_our_signatures_with_user_ids_and_we_its(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    for size in SIZES:
        message, user = os.urandom(size), os.urandom(size % 50 + 1)
        assert gmssl_pyx.sm2_verify(public[1:], message, sm2.sign(d, message, user), user)
        sm2.verify(public, message, gmssl_pyx.sm2_sign(d, public[1:], message, user), user)


def test_gmssl_decrypts_our_ciphertexts_and_we_its(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    for size in (1, 2, 32, 33, 255):
        plaintext = os.urandom(size)
        assert gmssl_pyx.sm2_decrypt(d, sm2.encrypt(public, plaintext)) == plaintext
        assert sm2.decrypt(d, gmssl_pyx.sm2_encrypt(public[1:], plaintext)) == plaintext


@pytest.mark.parametrize("length", [1, 16, 33, 100])
def test_gmalglib_agrees_on_keys_with_us_in_both_roles(provider: Provider, length: int) -> None:
    (d, public), (their_d, their_public) = sm2.generate_many(2)
    theirs = gmalglib_sm2.SM2(sk=their_d, pk=their_public, uid=b"theirs")
    for responding, side in ((True, Initiator), (False, Responder)):
        ours = side(d, b"ours", Party(their_public, b"theirs"), length)
        t, point = theirs.begin_key_exchange()
        key = theirs.end_key_exchange(t, ours.ephemeral, public, responding, length, b"ours")
        if isinstance(ours, Initiator):
            assert ours.finish(point, None)[0] == key
        else:
            ours.respond(point)
            assert ours.finish(None) == key


def test_sm3_and_hmac_agree_with_cryptography_and_gmssl(provider: Provider) -> None:
    items = [os.urandom(size) for size in SIZES]
    for item, digest in zip(items, sm3.digest_many(items), strict=True):
        reference = hashes.Hash(hashes.SM3())
        reference.update(item)
        assert digest == reference.finalize() == gmssl_pyx.sm3_hash(item)
    for size in (1, 32, 64, 65, 100):
        key = os.urandom(size)
        for item, tag in zip(items, sm3.hmac_many(key, items), strict=True):
            mac = hmac.HMAC(key, hashes.SM3())
            mac.update(item)
            assert tag == mac.finalize()


def test_the_kdf_agrees_with_gmssl(provider: Provider) -> None:
    z = os.urandom(64)
    assert kdf.sm2_kdf(z, 100) == gmssl_pyx.sm3_kdf(z, 100)


def test_sm4_agrees_with_cryptography(provider: Provider) -> None:
    for size in (16, 160, 256, 272, 1024, 4096):
        key, iv, data = os.urandom(16), os.urandom(16), os.urandom(size)
        for mode, ours in (
            (modes.ECB(), sm4.encrypt_ecb(key, data)),
            (modes.CBC(iv), sm4.encrypt_cbc(key, iv, data, None)),
            (modes.CTR(iv), sm4.ctr(key, iv, data)),
        ):
            theirs = Cipher(algorithms.SM4(key), mode).encryptor()
            assert ours == theirs.update(data) + theirs.finalize()


@pytest.mark.parametrize("size", [*SIZES, 4096, 4097])
def test_cfb_ofb_and_cmac_agree_with_cryptography(provider: Provider, size: int) -> None:
    key, iv, data = os.urandom(16), os.urandom(16), os.urandom(size)
    for mode, ours in (
        (decrepit.CFB(iv), sm4_modes.encrypt_cfb(key, iv, data)),
        (decrepit.OFB(iv), sm4_modes.ofb(key, iv, data)),
    ):
        theirs = Cipher(algorithms.SM4(key), mode).encryptor()
        assert ours == theirs.update(data) + theirs.finalize()
    mac = cmac.CMAC(algorithms.SM4(key))
    mac.update(data)
    assert sm4_mac.cmac(key, data) == mac.finalize()


def test_zuc_agrees_with_gmalglib(provider: Provider) -> None:
    for _ in range(20):
        key, iv = os.urandom(16), os.urandom(16)
        theirs = gmalglib_zuc.ZUC(key, iv)
        assert zuc.keystream(key, iv, 64) == b"".join(theirs.generate() for _ in range(64))


@pytest.mark.parametrize("nonce_size", [8, 12, 13, 16, 60])
def test_gcm_agrees_with_cryptography(provider: Provider, nonce_size: int) -> None:
    for size in (*SIZES, 5000):
        key, nonce, data, aad = (os.urandom(length) for length in (16, nonce_size, size, size % 37))
        theirs = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
        theirs.authenticate_additional_data(aad)
        ciphertext = theirs.update(data) + theirs.finalize() + theirs.tag
        assert sm4.encrypt_gcm(key, nonce, data, aad) == ciphertext
        assert sm4.decrypt_gcm(key, nonce, ciphertext, aad) == data


def test_cryptography_refuses_what_we_refuse() -> None:
    key, nonce = os.urandom(16), os.urandom(12)
    sealed = sm4.encrypt_gcm(key, nonce, b"data")
    theirs = Cipher(algorithms.SM4(key), modes.GCM(nonce, sealed[:-17:-1])).decryptor()
    theirs.update(sealed[:-16])
    with pytest.raises(InvalidTag):
        theirs.finalize()


def pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


@pytest.mark.engine
@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program is not installed")
def test_the_openssl_program_verifies_our_signature_and_we_its(provider: Provider, tmp_path: Path) -> None:
    d, public = sm2.generate_many(1)[0]
    algorithm = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
    spki = b"\x30\x59" + algorithm + b"\x03\x42\x00" + public
    inner = b"\x30\x6b\x02\x01\x01\x04\x20" + d + b"\xa1\x44\x03\x42\x00" + public
    pkcs8 = b"\x30\x81\x87\x02\x01\x00" + algorithm + b"\x04\x6d" + inner
    (tmp_path / "public.pem").write_text(pem("PUBLIC KEY", spki))
    (tmp_path / "private.pem").write_text(pem("PRIVATE KEY", pkcs8))
    (tmp_path / "message").write_bytes(b"a message for both")
    (tmp_path / "ours").write_bytes(sm2.sign(d, b"a message for both"))
    common = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-in", "message"]

    def openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["openssl", "pkeyutl", *arguments, *common], cwd=tmp_path, capture_output=True, timeout=30, check=False
        )

    verified = openssl("-verify", "-pubin", "-inkey", "public.pem", "-sigfile", "ours")
    assert verified.returncode == 0, verified.stderr
    signed = openssl("-sign", "-inkey", "private.pem", "-out", "theirs")
    assert signed.returncode == 0, signed.stderr
    sm2.verify(public, b"a message for both", (tmp_path / "theirs").read_bytes())
