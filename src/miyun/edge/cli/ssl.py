"""`miyun ssl request` and `miyun ssl deploy`: on the machine that serves, where the key is made and stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from miyun.edge.cli.calling import calling
from miyun.edge.cli.local import home_option, running_settings
from miyun.edge.cli.profile import load_profile
from miyun.edge.cli.say import Exit, Problem, say

if TYPE_CHECKING:
    from miyun.edge.deployment import Gateway
    from miyun.wire.x509 import Certificate

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_NEW = click.Path(path_type=Path, dir_okay=False)


@click.group(help=say("SSL 证书：在服务器上生成请求、部署。", "SSL certificates: requests and deployment on a server."))
def ssl() -> None:
    pass


@ssl.command(
    help=say(
        "在本机生成密钥（0600）与证书请求。国密双证书用 --algorithm sm2。",
        "Make a key (0600) and a request on this machine; --algorithm sm2 for a pair of SM2 certificates.",
    )
)
@click.argument("names", nargs=-1, required=True)
@click.option("--algorithm", type=click.Choice(["ecdsa", "rsa", "sm2"]), default="ecdsa", show_default=True)
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help=say("密钥文件（新建）", "key file, made new")
)
@click.option("--csr", type=click.Path(path_type=Path), required=True, help=say("请求文件", "file of the request"))
def request(names: tuple[str, ...], algorithm: str, key: Path, csr: Path) -> None:
    from miyun.core.outbound import is_address
    from miyun.gm import intl, sm2
    from miyun.wire import pem, pkcs8, spki
    from miyun.wire.algorithm import SignatureAlgorithm
    from miyun.wire.errors import EncodeError
    from miyun.wire.name import Name
    from miyun.wire.pkcs10 import CertificationRequestInfo
    from miyun.wire.x509 import subject_alt_name

    if algorithm == "sm2":
        secret = sm2.generate_private_key()
        point = sm2.public_key(secret)
        public, private = spki.sm2_spki(point), pkcs8.sm2_private_key(secret, point)
        kind, signer = SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(secret, message)
    elif algorithm == "rsa":
        private = intl.rsa_generate(3072)
        public, kind = intl.public_key(private), SignatureAlgorithm.RSA_SHA256
        signer = lambda message: intl.rsa_sign(private, message)  # noqa: E731
    else:
        private = intl.ecdsa_p256_generate()
        public, kind = intl.public_key(private), SignatureAlgorithm.ECDSA_SHA256
        signer = lambda message: intl.ecdsa_p256_sign(private, message)  # noqa: E731
    dns = [name.lower() for name in names if not is_address(name)]
    addresses = [name for name in names if is_address(name)]
    try:
        subject = Name.of(("CN", names[0].lower())) if len(names[0]) <= 64 else Name.of()
        info = CertificationRequestInfo(subject, public, (subject_alt_name(dns=dns, ip=addresses),))
        signed = info.sign(kind, signer)
    except EncodeError as error:
        raise Problem(say(f"名称无效：{error}", f"not a name: {error}"), Exit.USAGE) from None
    try:
        fd = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Problem(say(f"{key} 已存在，不覆盖", f"{key} exists and is not overwritten"), Exit.USAGE) from None
    with os.fdopen(fd, "w", encoding="ascii") as opened:
        opened.write(pem.encode("PRIVATE KEY", private))
    csr.write_text(pem.encode(pem.CERTIFICATE_REQUEST, signed), "ascii")
    click.echo(str(csr))


@ssl.group(help=say("部署证书。", "Deploy certificates."))
def deploy() -> None:
    pass


@deploy.command(
    help=say(
        "部署到 nginx：一次写入全部文件（0600），nginx -t，重新加载；失败即复原。配置引用 FOLDER/current 下的文件。",
        "To nginx: writes all files at once (0600), nginx -t, reload; takes everything back when that fails. The "
        "configuration names files under FOLDER/current.",
    )
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--certificate", type=_FILE, help=say("证书链（PEM，证书在前）", "chain (PEM, the certificate first)"))
@click.option("--key", type=_FILE, help=say("私钥（PEM）", "private key (PEM)"))
@click.option("--gm-certificate", type=_FILE, help=say("国密签名证书链", "chain of the SM2 signing certificate"))
@click.option("--gm-key", type=_FILE, help=say("国密签名私钥", "SM2 signing key"))
@click.option("--gm-encryption-certificate", type=_FILE, help=say("国密加密证书链", "its encryption certificate"))
@click.option("--gm-enveloped-key", type=_FILE, help=say("加密密钥信封（DER）", "encryption key in its envelope (DER)"))
@click.option("--nginx", default="nginx", show_default=True, help=say("nginx 程序", "nginx program"))
@click.option("--config", type=_FILE, help=say("nginx 主配置文件", "nginx main configuration file"))
def nginx(
    folder: Path,
    certificate: Path | None,
    key: Path | None,
    gm_certificate: Path | None,
    gm_key: Path | None,
    gm_encryption_certificate: Path | None,
    gm_enveloped_key: Path | None,
    nginx: str,
    config: Path | None,
) -> None:
    from miyun.edge.deployment import Deployment

    files: dict[str, bytes] = {}
    if certificate is not None and key is not None:
        _check_pair(certificate, key)
        files |= {"fullchain.pem": certificate.read_bytes(), "privkey.pem": key.read_bytes()}
    gm = (gm_certificate, gm_key, gm_encryption_certificate, gm_enveloped_key)
    if any(gm):
        files |= _gm_files(*gm)
    if not files or (certificate is None) != (key is None):
        raise Problem(say("需要 --certificate 与 --key", "--certificate and --key are needed"), Exit.USAGE)
    command = [nginx, *(("-c", str(config)) if config else ())]
    deployment = Deployment(folder, test=[*command, "-t"], reload=[*command, "-s", "reload"])
    _put(deployment, files)


@deploy.command(
    help=say(
        "部署到本平台的监听器：先核验密钥、证书链与域名，一次替换，几秒内对新连接生效，不中断已有连接；实际握手不成即复原。"
        "签发机构写入 data/listener-ca.pem。",
        "To this platform's own listener: key, chain and names are checked first; then new connections get it within "
        "seconds and none is dropped. Taken back when a handshake does not show it. Its CA is put into "
        "data/listener-ca.pem.",
    )
)
@click.option("--certificate", type=_FILE, help=say("证书链（PEM，证书在前）", "chain (PEM, the certificate first)"))
@click.option(
    "--order", help=say("或：证书订单编号，从平台取证书链", "or: id of an order; the chain comes from the platform")
)
@click.option("--key", type=_FILE, help=say("私钥（PEM）", "private key (PEM)"))
@click.option(
    "--authority",
    type=_FILE,
    help=say(
        "签发机构（PEM），默认本平台与本机信任的", "its CA (PEM); default those of the platform and of this machine"
    ),
)
@click.option("--restore", is_flag=True, help=say("恢复自签的证书", "back to the certificate made by itself"))
@click.option(
    "--profile", default="default", help=say("取订单所用的配置节", "section of the profile file, for --order")
)
@home_option
def listener(
    certificate: Path | None,
    order: str | None,
    key: Path | None,
    authority: Path | None,
    restore: bool,
    profile: str,
    home: Path | None,
) -> None:
    from miyun.edge.listener.deployment import ListenerGateway

    gateway = ListenerGateway(running_settings(home), authority.read_bytes() if authority else None)
    if restore:
        with _nothing_changes():
            click.echo(str(gateway.restore()))
        return
    if key is None or (certificate is None) == (order is None):
        raise Problem(
            say("需要 --key，及 --certificate 或 --order", "--key is needed, and --certificate or --order"), Exit.USAGE
        )
    chain = certificate.read_bytes() if certificate else _ordered(order or "", profile)
    _put(gateway, {"fullchain.pem": chain, "privkey.pem": key.read_bytes()})
    if order:
        _noted(order, profile)


def _ordered(order: str, profile: str) -> bytes:
    with calling(load_profile(profile)) as client:
        chain: str = client.call("ssl_certificate.order.get", order=order)["certificates"]
    if not chain:
        raise Problem(say(f"订单 {order} 尚未签发", f"the order {order} has no certificate yet"), Exit.FAILED)
    return chain.encode()


def _noted(order: str, profile: str) -> None:
    with calling(load_profile(profile)) as client:
        client.call("ssl_certificate.order.deployed", order=order, place="listener")


def _put(gateway: Gateway, files: dict[str, bytes]) -> None:
    with _nothing_changes():
        click.echo(str(gateway.put(files)))


@contextmanager
def _nothing_changes() -> Iterator[None]:
    from miyun.edge.deployment import NotDeployed

    try:
        yield
    except NotDeployed as error:
        raise Problem(
            say(f"未部署，仍为原证书：{error}", f"not deployed, all is as before: {error}"), Exit.FAILED
        ) from None


def _read_chain(file: Path) -> list[Certificate]:
    from miyun.wire.errors import DecodeError
    from miyun.wire.x509 import load_certificates

    try:
        chain = load_certificates(file.read_bytes())
    except DecodeError as error:
        raise Problem(f"{file}: {error}", Exit.USAGE) from None
    if not chain:
        raise Problem(say(f"{file} 中没有证书", f"{file} holds no certificate"), Exit.USAGE)
    return chain


def _check_pair(certificate: Path, key: Path) -> None:
    """What does not belong together is never written."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError):
        raise Problem(
            say(f"{key} 不是未加密的 PEM 私钥", f"{key} is no plain private key in PEM"), Exit.USAGE
        ) from None
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public != _read_chain(certificate)[0].spki_der:
        raise Problem(say("私钥与证书不匹配", "the key is not that of the certificate"), Exit.USAGE)


def _gm_files(
    certificate: Path | None, key: Path | None, encryption: Path | None, enveloped: Path | None
) -> dict[str, bytes]:
    """Both keys and both chains: GM servers (Tongsuo's nginx, for example) take all four."""
    from miyun.gm import sm2, sm4
    from miyun.gm.errors import GmError
    from miyun.wire import cms, pem, pkcs8
    from miyun.wire.errors import DecodeError

    if certificate is None or key is None or encryption is None or enveloped is None:
        raise Problem(
            say("国密双证书须给出全部四个文件", "a pair of SM2 certificates needs all four files"), Exit.USAGE
        )
    try:
        secret = pkcs8.parse_sm2_private_key(pem.decode(key.read_bytes(), "PRIVATE KEY"))
        opened = cms.parse_enveloped_key(enveloped.read_bytes())
        wrapping = sm2.decrypt(secret, opened.encrypted_symmetric_key)
        held = sm4.decrypt_ecb(wrapping, opened.encrypted_private_key)[-32:]
    except (DecodeError, GmError) as error:
        raise Problem(
            say(f"无法打开加密密钥：{error}", f"the encryption key cannot be opened: {error}"), Exit.USAGE
        ) from None
    signing, encrypting = _read_chain(certificate)[0], _read_chain(encryption)[0]
    if signing.public_key.point != sm2.public_key(secret) or encrypting.public_key.point != sm2.public_key(held):
        raise Problem(say("私钥与证书不匹配", "the keys are not those of the certificates"), Exit.USAGE)
    return {
        "gm-sign-fullchain.pem": certificate.read_bytes(),
        "gm-sign-key.pem": key.read_bytes(),
        "gm-encryption-fullchain.pem": encryption.read_bytes(),
        "gm-encryption-key.pem": pem.encode("PRIVATE KEY", pkcs8.sm2_private_key(held, opened.point)).encode(),
    }
