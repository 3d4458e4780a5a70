"""Certificate templates as data (GB/T 20518 profile)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from miyun.core.i18n import Text
from miyun.offerings.certificate.model import Family, Usage
from miyun.wire import oid

_SIGNING: Final = ("digitalSignature", "nonRepudiation")
# SM2 keys do all of it (GB/T 20518); RFC 4055 and RFC 8813 keep RSA from agreement, and other curves from the rest.
_ENCRYPTION: Final = {
    Family.SM2: ("keyEncipherment", "dataEncipherment", "keyAgreement"),
    Family.RSA: ("keyEncipherment", "dataEncipherment"),
    Family.ECDSA: ("keyAgreement",),
}


@dataclass(frozen=True, slots=True)
class Template:
    """`required` are attributes that the subject must have; `names` the kinds of alternative names that are allowed.

    `tenants` tells whether a tenant may ask for it; the others are for the platform's own keys.
    """

    slug: str
    name: Text
    required: tuple[str, ...]
    names: frozenset[str]
    days: int
    max_days: int
    purposes: tuple[str, ...] = ()  # extended key usage, OIDs
    purposes_critical: bool = False
    sign_usage: tuple[str, ...] = _SIGNING
    pair: bool = True  # an encryption certificate may go with it
    names_required: bool = False
    tenants: bool = True
    tls: bool = False  # browsers are to take its holder for a server: the CA/Browser Forum's points are asked
    review: bool = True  # by a second person, before an application is granted
    direct: bool = True  # a security administrator alone may issue it, without an application
    published: bool = True  # anybody may download a certificate of it
    families: frozenset[Family] = frozenset(Family)  # of keys that it certifies
    fixed: tuple[tuple[str, str], ...] = ()  # subject attributes that have these values
    domains: tuple[str, ...] = ()  # under which DNS names lie; none: anywhere

    def key_usage(self, usage: Usage, family: Family) -> tuple[str, ...]:
        return self.sign_usage if usage is Usage.SIGN else _ENCRYPTION[family]


TEMPLATES: Final = {
    item.slug: item
    for item in (
        Template(
            "person",
            Text("个人证书", "Person"),
            required=("CN",),
            names=frozenset({"email"}),
            days=365,
            max_days=3 * 365,
            purposes=(oid.KP_CLIENT_AUTH, oid.KP_EMAIL_PROTECTION),
            published=False,  # 个人信息
            direct=False,
        ),
        Template(
            "organisation",
            Text("机构证书", "Organisation"),
            required=("O", "CN"),
            names=frozenset({"email", "uri"}),
            days=365,
            max_days=3 * 365,
            purposes=(oid.KP_CLIENT_AUTH,),
            direct=False,
        ),
        Template(
            "device",
            Text("设备证书", "Device"),
            required=("CN",),
            names=frozenset({"dns", "ip", "uri"}),
            days=365,
            max_days=3 * 365,
            purposes=(oid.KP_CLIENT_AUTH, oid.KP_SERVER_AUTH),
            review=False,
        ),
        Template(
            "application",
            Text("应用证书", "Application"),
            required=("CN",),
            names=frozenset({"dns", "uri"}),
            days=365,
            max_days=3 * 365,
            purposes=(oid.KP_CLIENT_AUTH,),
        ),
        Template(
            "tls_server",
            Text("TLS 服务器证书", "TLS server"),
            required=(),  # its names are alternative names; a common name has at most 64 characters of one
            names=frozenset({"dns", "ip"}),
            days=200,
            max_days=200,
            purposes=(oid.KP_SERVER_AUTH,),
            sign_usage=("digitalSignature",),
            names_required=True,
            tls=True,
        ),
        Template(
            "tsa",
            Text("时间戳服务器证书", "Time-stamping authority"),
            required=("CN",),
            names=frozenset(),
            days=5 * 365,
            max_days=5 * 365,
            purposes=(oid.KP_TIME_STAMPING,),
            purposes_critical=True,  # RFC 3161 2.3
            pair=False,
            tenants=False,
        ),
        Template(
            "ocsp",
            Text("OCSP 响应证书", "OCSP responder"),
            required=("CN",),
            names=frozenset(),
            days=90,
            max_days=90,
            purposes=(oid.KP_OCSP_SIGNING,),
            sign_usage=("digitalSignature",),
            pair=False,
            tenants=False,
        ),
        Template(
            "evidence",
            Text("平台存证证书", "Platform evidence"),
            required=("CN",),
            names=frozenset(),
            days=3 * 365,
            max_days=3 * 365,
            pair=False,
            tenants=False,
        ),
    )
}
