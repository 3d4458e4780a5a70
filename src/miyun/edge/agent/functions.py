"""The SOF functions (GM/T 0020, GB/T 43694) that pages call. Texts are UTF-8; octets are Base64 in and out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from miyun.core.i18n import Text
from miyun.edge.agent import messages
from miyun.edge.agent.consent import Asked, Consents
from miyun.edge.agent.elsewhere import ELSEWHERE
from miyun.edge.agent.keys import Keys, NotFound, NotLoggedIn
from miyun.gm import rand, sm2
from miyun.gm.errors import DecryptionFailed, GmError
from miyun.hsm.skf import TokenError
from miyun.wire import cms, statement
from miyun.wire.errors import DecodeError
from miyun.wire.skf import Sar
from miyun.wire.sof import (
    ATTACHED,
    DETACHED,
    MESSAGE_CERTIFICATE,
    MESSAGE_SIGNATURE,
    MESSAGE_TEXT,
    SM3_WITH_SM2,
    SM4_CBC,
    CertificateItem,
    DeviceItem,
    Sor,
)
from miyun.wire.x509 import Certificate, parse_certificate

MAX_RANDOM: Final = 1024
_TOKEN_TEXTS: Final = {
    Sar.PIN_INCORRECT: Text("PIN 不正确，还可以试 {tries} 次。", "Wrong PIN; {tries} tries are left."),
    Sar.PIN_LOCKED: Text("PIN 已锁定，请联系管理员解锁。", "The PIN is locked; have an administrator unlock it."),
    Sar.PIN_LEN_RANGE: Text("PIN 应为 6 到 16 位。", "A PIN has 6 to 16 characters."),
    Sar.PIN_INVALID: Text("PIN 含有不允许的字符。", "The PIN holds characters that are not allowed."),
    Sar.DEVICE_REMOVED: Text("智能密码钥匙已拔出，请插入后重试。", "The key was pulled out; plug it in and try again."),
    Sar.USER_NOT_LOGGED_IN: Text("请先验证 PIN。", "Give the PIN first."),
}
_OTHER_TOKEN_TEXT: Final = Text("智能密码钥匙返回错误 {code}。", "The key answered error {code}.")

_REFUSED: Final = Text(
    "您没有同意本网站使用该证书。", "You said in the key agent's window that this site may not use the certificate."
)


_ELSEWHERE: Final = Text(
    "要签名的内容属于 {place}，不属于本网站（{origin}）：请从 {place} 打开（地址不对时由管理员改正 "
    "server.public_url）；若并未打开它，本网站可能在冒用您的身份。",
    "What is to be signed belongs to {place}, not to this site ({origin}): open it at {place}; if that is no "
    "address of it, its administrator corrects server.public_url. If you were not about to open it, this site may be "
    "acting in your name.",
)


_NO_MESSAGE: Final = Text("不是 GB/T 35275 或 CMS 消息。", "That is no message of GB/T 35275 or CMS.")


class SofError(Exception):
    """`code` is a Sor, or the token's own SAR code. `more` goes into the answer beside it."""

    def __init__(self, code: int, text: Text, **more: Any) -> None:
        super().__init__(text.en)
        self.code = code
        self.text = text
        self.more = more


class ConsentNeeded(Exception):
    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.origin)
        self.asked = asked


@dataclass(frozen=True, slots=True)
class Asking:
    """Whose call it is."""

    origin: str
    at: datetime


class Functions:
    """`call` does one of them, blocking. All that name a certificate need its user's consent for the page."""

    def __init__(self, keys: Keys, consents: Consents) -> None:
        self._keys = keys
        self._consents = consents
        self._functions: dict[str, tuple[Callable[..., Any], str]] = {
            "SOF_GetVersion": (self._version, ""),
            "SOF_SetSignMethod": (self._set_sign_method, "i"),
            "SOF_GetSignMethod": (lambda asking: SM3_WITH_SM2, ""),
            "SOF_GetUserList": (self._user_list, ""),
            "SOF_ExportUserCert": (self._user_certificate, "c"),
            "SOF_ExportExChangeUserCert": (self._exchange_certificate, "c"),
            "SOF_GetCertInfo": (self._certificate_info, "si"),
            "SOF_Login": (self._login, "cs"),
            "SOF_IsLogin": (self._is_login, "c"),
            "SOF_Logout": (self._logout, "c"),
            "SOF_GetPinRetryCount": (self._tries, "c"),
            "SOF_ChangePassWd": (self._change_pin, "css"),
            "SOF_SignData": (self._sign, "cs"),
            "SOF_VerifySignedData": (self._verify, "sss"),
            "SOF_PriKeyDecrypt": (self._decrypt, "cs"),
            "SOF_PubKeyEncrypt": (self._encrypt, "ss"),
            "SOF_SignMessage": (self._sign_message, "ics"),
            "SOF_VerifySignedMessage": (self._verify_message, "ss"),
            "SOF_GetInfoFromSignedMessage": (self._message_info, "si"),
            "SOF_EncryptData": (self._envelope, "ss"),
            "SOF_DecryptData": (self._open_envelope, "cs"),
            "SOF_SetEncryptMethod": (self._set_encrypt_method, "i"),
            "SOF_GetEncryptMethod": (lambda asking: SM4_CBC, ""),
            "SOF_GetDeviceInfo": (self._device_info, "ci"),
            "SOF_GenRandom": (self._random, "i"),
        }

    def call(self, name: str, parameters: list[Any], asking: Asking) -> Any:
        """Raises SofError and ConsentNeeded."""
        if name in ELSEWHERE:
            raise SofError(Sor.NOT_SUPPORTED, ELSEWHERE[name])
        if name not in self._functions:
            raise SofError(Sor.NOT_SUPPORTED, Text(f"没有函数 {name}。", f"There is no function {name}."))
        function, kinds = self._functions[name]
        types = tuple(int if kind == "i" else str for kind in kinds)
        if len(parameters) != len(types) or not all(map(_is_of, parameters, types)):
            wanted = ", ".join("certID" if kind == "c" else _NAMES[kind] for kind in kinds)
            text = Text(f"{name} 的参数应为 ({wanted})。", f"The parameters of {name} are ({wanted}).")
            raise SofError(Sor.IN_DATA, text)
        try:
            if "c" in kinds:
                self._require_consent(parameters[kinds.index("c")], asking)
            return function(asking, *parameters)
        except NotFound:
            text = Text("没有插入含此证书的智能密码钥匙。", "No key with this certificate is plugged in.")
            raise SofError(Sor.CERTIFICATE_NOT_FOUND, text) from None
        except NotLoggedIn:
            raise SofError(Sor.LOGIN, _TOKEN_TEXTS[Sar.USER_NOT_LOGGED_IN]) from None
        except TokenError as error:
            raise _of_token(error) from None

    def _require_consent(self, identifier: str, asking: Asking) -> None:
        found = self._keys.find(identifier)
        if not self._consents.given(asking.origin, found.fingerprint, asking.at):
            if self._consents.take_refusal(asking.origin, found.fingerprint, asking.at):
                raise SofError(Sor.CONSENT_REFUSED, _REFUSED)
            raise ConsentNeeded(self._consents.ask(asking.origin, found.fingerprint, found.subject, asking.at))

    # --- certificates ------------------------------------------------------------------------------------------------

    def _version(self, asking: Asking) -> str:
        return version("miyun")

    def _set_sign_method(self, asking: Asking, method: int) -> bool:
        if method != SM3_WITH_SM2:
            text = Text("只支持 SM3WithSM2（131585）。", "Only SM3WithSM2 (131585) is supported.")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text)
        return True

    def _user_list(self, asking: Asking) -> str:
        """`name||certID&&&` for each certificate."""
        return "".join(f"{found.subject}||{found.identifier}&&&" for found in self._keys.list())

    def _user_certificate(self, asking: Asking, identifier: str) -> str:
        return _base64(self._keys.find(identifier).certificate)

    def _exchange_certificate(self, asking: Asking, identifier: str) -> str:
        certificate = self._keys.exchange_certificate(identifier)
        if certificate is None:
            text = Text("没有加密证书。", "There is no encryption certificate.")
            raise SofError(Sor.CERTIFICATE_NOT_FOUND, text)
        return _base64(certificate)

    def _certificate_info(self, asking: Asking, certificate: str, item: int) -> str:
        read = _ITEMS.get(item)
        if read is None:
            text = Text(f"不支持证书项 {item}。", f"Item {item} of a certificate is not supported.")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text)
        return read(_certificate(certificate))

    # --- PINs --------------------------------------------------------------------------------------------------------

    def _login(self, asking: Asking, identifier: str, pin: str) -> bool:
        self._keys.log_in(asking.origin, identifier, pin, asking.at)
        return True

    def _is_login(self, asking: Asking, identifier: str) -> bool:
        try:
            self._keys.logged_in(asking.origin, identifier, asking.at)
        except NotLoggedIn:
            return False
        return True

    def _logout(self, asking: Asking, identifier: str) -> bool:
        self._keys.log_out(asking.origin, identifier)
        return True

    def _tries(self, asking: Asking, identifier: str) -> int:
        return self._keys.tries(identifier)

    def _change_pin(self, asking: Asking, identifier: str, old: str, new: str) -> bool:
        self._keys.change_pin(identifier, old, new)
        return True

    # --- cryptography ------------------------------------------------------------------------------------------------

    def _sign(self, asking: Asking, identifier: str, text: str) -> str:
        """DER SM2 signature over the text's UTF-8 octets with the default user ID."""
        return _base64(self._signature(asking, identifier, text.encode()))

    def _signature(self, asking: Asking, identifier: str, octets: bytes) -> bytes:
        """All that a page has signed goes through here: a platform's texts are signed for its own pages only. Another
        site could have fetched one from the platform, to sign in there as the key's holder."""
        place = statement.place_of(octets)
        if place not in (None, asking.origin):
            text = _ELSEWHERE.format(place=place or "?", origin=asking.origin)
            raise SofError(Sor.SIGN_DATA, text)
        return self._keys.logged_in(asking.origin, identifier, asking.at).sign(octets)

    def _verify(self, asking: Asking, certificate: str, text: str, signature: str) -> bool:
        point = _point(_certificate(certificate))
        try:
            sm2.verify(point, text.encode(), _octets(signature))
        except GmError:
            return False
        return True

    def _decrypt(self, asking: Asking, identifier: str, ciphertext: str) -> str:
        container = self._keys.logged_in(asking.origin, identifier, asking.at)
        try:
            return _base64(container.decrypt(_octets(ciphertext)))
        except GmError:
            raise SofError(Sor.DECRYPT_DATA, Text("解密失败。", "Decryption failed.")) from None

    def _encrypt(self, asking: Asking, certificate: str, data: str) -> str:
        try:
            return _base64(sm2.encrypt(_point(_certificate(certificate)), _octets(data)))
        except GmError:
            raise SofError(Sor.IN_DATA_LENGTH, Text("没有待加密的数据。", "There is nothing to encrypt.")) from None

    # --- messages ----------------------------------------------------------------------------------------------------

    def _sign_message(self, asking: Asking, flag: int, identifier: str, text: str) -> str:
        """SignedData over the text's UTF-8 octets: with them (flag 0), or without (1)."""
        if flag not in (ATTACHED, DETACHED):
            text_ = Text("标志应为 0（带原文）或 1（不带原文）。", "The flag is 0 (with the text) or 1 (without).")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text_)
        certificate = parse_certificate(self._keys.find(identifier).certificate)
        made = messages.sign(
            text.encode(),
            certificate,
            lambda octets: self._signature(asking, identifier, octets),
            asking.at,
            detached=flag == DETACHED,
        )
        return _base64(made)

    def _verify_message(self, asking: Asking, message: str, text: str) -> bool:
        """`text` of a detached message; with an attached one it may be empty. No word on trust."""
        encoded = _octets(message)
        try:
            detached = cms.parse_signed_data(encoded).content is None
            return messages.is_signed(encoded, text.encode() if text or detached else None)
        except DecodeError:
            raise SofError(Sor.IN_DATA, _NO_MESSAGE) from None

    def _message_info(self, asking: Asking, message: str, item: int) -> str:
        """Of the first signer: 1 the text, 2 the certificate, 3 the signature."""
        try:
            info = cms.parse_signed_data(_octets(message))
            [signer, *_] = info.signers
        except (DecodeError, ValueError):
            raise SofError(Sor.IN_DATA, _NO_MESSAGE) from None
        found = {
            MESSAGE_TEXT: info.content,
            MESSAGE_CERTIFICATE: signer.certificate.der if signer.certificate else None,
            MESSAGE_SIGNATURE: signer.signature,
        }
        if item not in found:
            text = Text(f"不支持消息项 {item}。", f"Item {item} of a message is not supported.")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text)
        value = found[item]
        if value is None:
            raise SofError(Sor.IN_DATA, Text("消息中没有此项。", "The message does not hold it."))
        try:
            return value.decode() if item == MESSAGE_TEXT else _base64(value)
        except UnicodeDecodeError:
            raise SofError(Sor.IN_DATA, Text("原文不是文本。", "What was signed is no text.")) from None

    def _envelope(self, asking: Asking, certificate: str, data: str) -> str:
        recipient = _certificate(certificate)
        return _base64(messages.envelope(_octets(data), recipient, _point(recipient)))

    def _open_envelope(self, asking: Asking, identifier: str, message: str) -> str:
        container = self._keys.logged_in(asking.origin, identifier, asking.at)
        certificate = self._keys.exchange_certificate(identifier)
        try:
            if certificate is None:
                opened = None
            else:
                opened = messages.open_envelope(_octets(message), parse_certificate(certificate), container.decrypt)
        except DecodeError:
            raise SofError(Sor.IN_DATA, _NO_MESSAGE) from None
        except DecryptionFailed:
            raise SofError(Sor.DECRYPT_DATA, Text("解密失败。", "Decryption failed.")) from None
        if opened is None:
            text = Text("数字信封不是给此证书的。", "The envelope is not for this certificate.")
            raise SofError(Sor.KEY_NOT_FOUND, text)
        return _base64(opened)

    def _set_encrypt_method(self, asking: Asking, method: int) -> bool:
        if method != SM4_CBC:
            text = Text("只支持 SM4-CBC（1026）。", "Only SM4-CBC (1026) is supported.")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text)
        return True

    def _device_info(self, asking: Asking, identifier: str, item: int) -> str:
        info = self._keys.device(identifier)
        found = {
            DeviceItem.NAME: info.label,
            DeviceItem.MANUFACTURER: info.manufacturer,
            DeviceItem.SERIAL_NUMBER: info.serial,
        }
        if item not in found:
            text = Text(f"不支持设备项 {item}。", f"Item {item} of a device is not supported.")
            raise SofError(Sor.PARAMETER_NOT_SUPPORTED, text)
        return found[DeviceItem(item)]

    def _random(self, asking: Asking, size: int) -> str:
        if not 1 <= size <= MAX_RANDOM:
            raise SofError(Sor.IN_DATA_LENGTH, Text(f"1 到 {MAX_RANDOM} 字节。", f"1 to {MAX_RANDOM} octets."))
        return _base64(rand.token(size))


_NAMES: Final = {"s": "string", "i": "number"}
_ITEMS: Final[dict[int, Callable[[Certificate], str]]] = {
    CertificateItem.VERSION: lambda certificate: "3",
    CertificateItem.SERIAL: lambda certificate: f"{certificate.serial:X}",
    CertificateItem.ISSUER: lambda certificate: str(certificate.issuer),
    CertificateItem.VALIDITY: lambda c: f"{c.not_before:%Y%m%d%H%M%SZ} - {c.not_after:%Y%m%d%H%M%SZ}",
    CertificateItem.SUBJECT: lambda certificate: str(certificate.subject),
    CertificateItem.SUBJECT_CN: lambda certificate: certificate.subject.get("CN") or "",
    CertificateItem.SUBJECT_O: lambda certificate: certificate.subject.get("O") or "",
    CertificateItem.SUBJECT_OU: lambda certificate: certificate.subject.get("OU") or "",
}


def _is_of(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _of_token(error: TokenError) -> SofError:
    known = Sar(error.code) if error.code in list(Sar) else None
    text = _TOKEN_TEXTS.get(known, _OTHER_TOKEN_TEXT) if known else _OTHER_TOKEN_TEXT
    more = {} if error.tries is None else {"retries": error.tries}
    return SofError(error.code, text.format(tries=error.tries, code=f"{error.code:#010x}"), **more)


def _certificate(encoded: str) -> Certificate:
    try:
        return parse_certificate(_octets(encoded))
    except DecodeError:
        text = Text("证书编码错误。", "That is no certificate.")
        raise SofError(Sor.CERTIFICATE_ENCODING, text) from None


def _point(certificate: Certificate) -> bytes:
    try:
        point = certificate.public_key.point
    except DecodeError:
        point = None
    if point is None:
        text = Text("证书的公钥不是 SM2 公钥。", "The certificate's key is no SM2 key.")
        raise SofError(Sor.CERTIFICATE_ENCODING, text)
    return point


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SofError(Sor.IN_DATA, Text("应为 Base64。", "Base64 is expected.")) from None


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
