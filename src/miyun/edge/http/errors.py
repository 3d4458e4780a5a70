"""Errors that only an HTTP edge can have."""

from __future__ import annotations

from miyun.core.errors import MiyunError, Unauthenticated
from miyun.core.i18n import Text


class ContentMismatch(Unauthenticated):
    text = Text("请求体与 x-miyun-content-sm3 不符。", "The body does not match x-miyun-content-sm3.")
    remedy = Text("请对实际发送的字节计算 SM3 并签名。", "Hash and sign the bytes that are really sent.")


class MethodNotAllowed(MiyunError):
    status = 405
    text = Text("该地址不支持方法 {method}。", "This address does not support {method}.")
    remedy = Text("请使用 Allow 头列出的方法。", "Use a method named in the Allow header.")


class Misdirected(MiyunError):
    status = 421
    text = Text("该地址不提供此内容。", "This address does not serve that.")
    remedy = Text("请改用 {url}。", "Use {url}.")


class UnsupportedMediaType(MiyunError):
    status = 415
    text = Text("不支持的 Content-Type“{given}”。", "Unsupported Content-Type '{given}'.")
    remedy = Text("请使用：{expected}。", "Send: {expected}.")


class RequestTimeout(MiyunError):
    status = 408
    text = Text("请求体未在时限内到达。", "The request body did not arrive in time.")
    remedy = Text("请检查网络后重试。", "Check the network and try again.")


class ClientGone(MiyunError):
    """Nobody reads this answer; it is what the record says of the call."""

    status = 400
    text = Text("请求未发送完整，连接已断开。", "The connection ended before the request was whole.")
    remedy = Text("请重试。", "Try again.")


class MalformedRequest(MiyunError):
    status = 400
    text = Text("请求无法识别。", "The request cannot be understood.")
    remedy = Text("请核对请求行与请求头。", "Check the request line and the headers.")
