"""What the platform asks of other machines goes to judged addresses only, within a size and a time."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from miyun.core.outbound import AddressPolicy, AddressRefused, OutboundFailed, connect, fetch, parse_url

pytestmark = pytest.mark.anyio
LOOPBACK = AddressPolicy.of(["127.0.0.1/32"])
PUBLIC = AddressPolicy()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.169.254",  # metadata of most clouds
        "100.100.100.200",  # and of another
        "0.0.0.0",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.1.1",  # multicast that Python calls global
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff0e::1",
        "2001:db8::1",
        "2001::1",  # Teredo
        "::ffff:127.0.0.1",  # IPv4-mapped
        "::ffff:169.254.169.254",
        "::127.0.0.1",  # IPv4-compatible
        "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",  # local NAT64
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2002:a00:1::1",
        "2606:4700::1%eth0",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.permits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1", "64:ff9b::101:101", "::ffff:1.1.1.1", "2002:101:101::"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert PUBLIC.permits(ipaddress.ip_address(address))


def test_an_allowed_network_is_permitted_in_every_form_of_its_addresses() -> None:
    policy = AddressPolicy.of(["10.1.0.0/16"])
    assert policy.permits(ipaddress.ip_address("10.1.2.3"))
    assert policy.permits(ipaddress.ip_address("::ffff:10.1.2.3"))
    assert not policy.permits(ipaddress.ip_address("10.2.0.1"))
    assert not policy.permits(ipaddress.ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",  # 127.0.0.1 as one number
        "http://0177.0.0.1/",  # octal
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://user@example.com/",
        "http://user:pass@127.0.0.1/",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/",
        "http:///path",
        "http://example.com/a\r\nHost: b",
        "//example.com/",
        "",
    ],
)
def test_an_url_in_another_form_is_not_asked(url: str) -> None:
    with pytest.raises(OutboundFailed):
        parse_url(url)


def test_an_url_is_read() -> None:
    read = parse_url("HTTPS://Example.COM:8443/a?b=c#d")
    assert (read.scheme, read.host, read.port, read.path) == ("https", "example.com", 8443, "/a?b=c")
    assert parse_url("http://[2606:4700::1]?q").path == "/?q"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Names:
    """A name server that answers what it is told, and what else it is told the next time."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: bytes | Serve) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Its port, and the heads of the requests that came."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], heads
    finally:
        listening.close()


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-A: 1\r\nX-A: 2\r\n\r\n%b" % (len(body), body)


def to(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_an_answer_comes_whole() -> None:
    async with server(ok(b"hello")) as (port, heads):
        fetched = await fetch(
            f"http://a.example:{port}/x?y",
            LOOPBACK,
            headers={"X-B": "3"},
            max_bytes=5,
            timeout=60,
            resolver=Names("127.0.0.1"),
        )
    assert (fetched.status, fetched.body, fetched.headers["x-a"]) == (200, b"hello", "1, 2")
    assert heads[0].startswith(b"GET /x?y HTTP/1.1\r\n")
    assert f"host: a.example:{port}".encode() in heads[0].lower() and b"x-b: 3" in heads[0].lower()


async def test_a_private_address_is_not_connected_to() -> None:
    async with server(ok(b"secret")) as (port, heads):
        for policy in (PUBLIC, AddressPolicy.of(["10.0.0.0/8"])):
            with pytest.raises(AddressRefused):
                await fetch(f"http://a.example:{port}/", policy, max_bytes=9, timeout=60, resolver=Names("127.0.0.1"))
        with pytest.raises(AddressRefused):
            await connect("a.example", port, PUBLIC, resolver=Names("::ffff:127.0.0.1"))
    assert heads == []


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """DNS rebinding: the second answer would be taken by whoever resolves again to connect."""
    names = Names("127.0.0.1", "10.0.0.1")
    async with server(ok(b"x")) as (port, _):
        fetched = await fetch(f"http://a.example:{port}/", LOOPBACK, max_bytes=9, timeout=60, resolver=names)
    assert fetched.body == b"x" and names.asked == ["a.example"]


async def test_of_several_addresses_only_permitted_ones_are_tried() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1", "127.0.0.1"]

    async with server(ok(b"x")) as (port, _):
        assert (await fetch(f"http://a.example:{port}/", LOOPBACK, max_bytes=9, timeout=60, resolver=both)).body == b"x"


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/"])
async def test_a_redirect_into_the_network_is_refused(location: str) -> None:
    async def names(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "a.example" else [host]

    async with server(to(location)) as (port, _):
        with pytest.raises(AddressRefused):
            await fetch(f"http://a.example:{port}/", LOOPBACK, max_bytes=9, timeout=60, resolver=names)


async def test_a_redirect_to_a_port_beside_the_policy_is_refused() -> None:
    async with server(ok(b"other")) as (other, heads), server(to(f"http://127.0.0.1:{other}/")) as (port, _):
        policy = AddressPolicy.of(["127.0.0.1/32"], ports=[port])
        with pytest.raises(AddressRefused):
            await fetch(f"http://127.0.0.1:{port}/", policy, max_bytes=9, timeout=60)
    assert heads == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://0x7f.1/", "ftp://127.0.0.1/"])
async def test_a_redirect_to_another_scheme_or_form_is_refused(location: str) -> None:
    async with server(to(location)) as (port, _):
        with pytest.raises(OutboundFailed):
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=9, timeout=60)


async def test_redirects_end() -> None:
    async with server(to("/again")) as (port, heads):
        with pytest.raises(OutboundFailed) as caught:
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=9, timeout=60)
    assert caught.value.kind == "http" and len(heads) == 11


async def test_what_was_meant_for_one_origin_does_not_follow_to_another() -> None:
    async with server(ok(b"x")) as (other, heads), server(to(f"http://127.0.0.1:{other}/")) as (port, _):
        await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, headers={"authorization": "secret"}, max_bytes=9, timeout=60)
    assert b"secret" not in heads[0]


async def test_a_big_body_is_cut_off() -> None:
    async with server(ok(b"x" * 1_000_000)) as (port, _):
        with pytest.raises(OutboundFailed) as caught:
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=1000, timeout=60)
    assert caught.value.kind == "size"


async def test_an_endless_body_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + bytes(1024) + b"\r\n")
            await writer.drain()

    async with server(endless) as (port, _):
        with pytest.raises(OutboundFailed) as caught:
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=100_000, timeout=60)
    assert caught.value.kind == "size"


async def test_a_slow_body_ends_with_the_time() -> None:
    """An octet now and then would keep a limit on each read from ever being reached."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(slow) as (port, _):
        with pytest.raises(OutboundFailed) as caught:
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=9000, timeout=0.3)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
async def test_an_answer_that_is_no_http_is_told(answer: bytes) -> None:
    async with server(answer) as (port, _):
        with pytest.raises(OutboundFailed):
            await fetch(f"http://127.0.0.1:{port}/", LOOPBACK, max_bytes=9000, timeout=60)


async def test_a_name_that_is_none_is_told() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(OutboundFailed) as caught:
        await fetch("http://a.example/", PUBLIC, max_bytes=9, timeout=60, resolver=nothing)
    assert caught.value.kind == "dns"
