"""`miyun pfx`: keys and certificates under a password (GM/T 0093), on the holder's own machine; nothing is sent."""

from __future__ import annotations

import os
from pathlib import Path

import click

from miyun.edge.cli.say import ask_secret, fail, say
from miyun.gm import rand, sm2, sm3, sm4
from miyun.gm.errors import DecryptionFailed, GmError
from miyun.wire import oid, pem
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.errors import DecodeError
from miyun.wire.pkcs8 import parse_sm2_private_key, sm2_private_key
from miyun.wire.pkcs12 import Bag, Pbes2, Pfx, PrivateKey, Protection, make_pfx, parse_pfx
from miyun.wire.x509 import Certificate, certificates_pem, load_certificates

_HMACS = {"sm3": oid.HMAC_SM3, "sha256": "1.2.840.113549.2.9"}
_LEAST = 8

file_in = click.Path(exists=True, dir_okay=False, path_type=Path)
file_out = click.Path(dir_okay=False, path_type=Path)
password_option = click.option(
    "--password-file",
    type=file_in,
    help=say("从文件首行读取口令，否则提示输入", "its first line; else asked for"),
)
prf_option = click.option(
    "--prf",
    type=click.Choice(sorted(_HMACS)),
    default="sm3",
    help=say("密钥派生；OpenSSL 3.0 只认 sha256", "key derivation; OpenSSL 3.0 knows sha256 only"),
)
iterations_option = click.option("--iterations", type=click.IntRange(1000, 400_000), default=100_000)


@click.group(help=say("PFX 文件（GM/T 0093）：口令保护的密钥与证书。", "PFX files (GM/T 0093): keys and certificates."))
def pfx() -> None:
    pass


@pfx.command(help=say("由私钥与证书制作 PFX。", "Make a PFX of a private key and certificates."))
@click.argument("out", type=file_out)
@click.option("--key", "key_file", type=file_in, required=True, help="PKCS#8 PEM")
@click.option("--certificate", "certificate_files", type=file_in, required=True, multiple=True)
@click.option("--name", default="")
@password_option
@prf_option
@iterations_option
def make(
    out: Path,
    key_file: Path,
    certificate_files: tuple[Path, ...],
    name: str,
    password_file: Path | None,
    prf: str,
    iterations: int,
) -> None:
    try:
        d = parse_sm2_private_key(pem.decode(key_file.read_text(), "PRIVATE KEY"))
    except DecodeError as error:
        fail(f"{key_file}: {error}")
    found = [item for file in certificate_files for item in _certificates(file)]
    _write(out, _made(d, found, name, _password(password_file, new=True), prf, iterations))


@pfx.command("open", help=say("取出 PFX 中的私钥与证书。", "Take private key and certificates out of a PFX."))
@click.argument("file", type=file_in)
@click.option("--out-key", type=file_out, help=say("私钥写入（0600）", "where the private key goes (0600)"))
@click.option("--out-certificates", type=file_out)
@password_option
def open_file(file: Path, out_key: Path | None, out_certificates: Path | None, password_file: Path | None) -> None:
    content = _opened(file, _password(password_file))
    for bag in content.certificates:
        click.echo(f"{bag.certificate.serial:x}  {bag.certificate.subject}")
    if out_key:
        _write(out_key, "".join(pem.encode("PRIVATE KEY", key.info) for key in content.keys).encode())
    if out_certificates:
        _write(out_certificates, certificates_pem(bag.certificate for bag in content.certificates).encode())


@pfx.command(
    help=say(
        "用签名密钥打开 GB/T 35276 密钥信封，连同加密证书存为 PFX。",
        "Open a GB/T 35276 EnvelopedKey by the signing key and keep it with its certificate as a PFX.",
    )
)
@click.argument("envelope", type=file_in)
@click.argument("out", type=file_out)
@click.option("--signing", type=file_in, required=True, help=say("签名密钥的 PFX", "PFX of the signing key"))
@click.option("--certificate", "certificate_file", type=file_in, required=True)
@password_option
@prf_option
@iterations_option
def receive(
    envelope: Path,
    out: Path,
    signing: Path,
    certificate_file: Path,
    password_file: Path | None,
    prf: str,
    iterations: int,
) -> None:
    password = _password(password_file)
    content = _opened(signing, password)
    found = _certificates(certificate_file)
    try:
        sent = parse_enveloped_key(envelope.read_bytes())
        holder = parse_sm2_private_key(content.keys[0].info) if content.keys else b""
        opened = sm4.decrypt_ecb(sm2.decrypt(holder, sent.encrypted_symmetric_key), sent.encrypted_private_key)
        d = opened[-32:]
        if sm2.public_key(d) != sent.point or found[0].public_key.point != sent.point:
            fail(say("信封中的密钥与加密证书不符。", "The key in the envelope is not the certificate's."))
    except (DecodeError, GmError) as error:
        fail(say(f"打不开密钥信封：{error}", f"The envelope cannot be opened: {error}"))
    _write(out, _made(d, found, "", password, prf, iterations))


def _made(d: bytes, certificates: list[Certificate], name: str, password: str, prf: str, iterations: int) -> bytes:
    point = sm2.public_key(d)
    if certificates[0].public_key.point != point:
        fail(say("第一份证书不是该密钥的证书。", "The first certificate is not of this key."))
    local_id = sm3.digest(point)[:20]

    def scheme() -> Pbes2:
        return Pbes2(rand.token(16), iterations, rand.token(16), hmac=_HMACS[prf])

    bags = [Bag(certificates[0], name, local_id), *map(Bag, certificates[1:])]
    key = PrivateKey(sm2_private_key(d, point), name, local_id)
    return make_pfx(password, [key], bags, Protection(scheme, rand.token(16), 10_000))


def _opened(file: Path, password: str) -> Pfx:
    try:
        return parse_pfx(file.read_bytes(), password)
    except DecryptionFailed:
        fail(say(f"{file}：口令错误或文件被改动。", f"{file}: the password is wrong, or the file was changed."))
    except DecodeError as error:
        fail(f"{file}: {error}")


def _certificates(file: Path) -> list[Certificate]:
    try:
        return load_certificates(file.read_bytes())
    except DecodeError as error:
        fail(f"{file}: {error}")


def _password(file: Path | None, *, new: bool = False) -> str:
    if file is not None:
        lines = file.read_text("utf-8").splitlines()
        password = lines[0] if lines else ""
    else:
        password = ask_secret("口令", "Password", new=new)
    if new and len(password) < _LEAST:
        fail(say(f"口令至少 {_LEAST} 个字符。", f"A password has at least {_LEAST} characters."))
    return password


def _write(file: Path, body: bytes) -> None:
    """For its owner only, and never over another file."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        fail(say(f"{file} 已存在。", f"{file} exists already."))
    with os.fdopen(fd, "wb") as opened:
        opened.write(body)
