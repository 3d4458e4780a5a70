"""Settings that are refused name the key and the reason, in Chinese and in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from miyun.core.settings import InvalidSettings, host_and_port, load


def refused(home: Path, environ: dict[str, str] | None = None, file: str = "") -> tuple[str, str]:
    (home / "miyun.toml").write_text(file, "utf-8")
    with pytest.raises(InvalidSettings) as caught:
        load(home, environ or {})
    return caught.value.message.zh, caught.value.message.en


@pytest.mark.parametrize(
    ("environ", "file", "zh", "en"),
    [
        ({}, "[server]\nport = 'x'", "server.port", "'server.port' is invalid: expected an integer, got a string"),
        ({}, "[server]\nport = 'x'", "应为整数，实为字符串", "expected an integer"),
        ({}, "[server]\nprot = 1", "不认识的字段“server.prot”", "Unknown field 'server.prot'"),
        ({}, "[sever]\nport = 1", "不认识的字段“sever”", "Unknown field 'sever'"),
        ({}, "[server]\nport 1", "第 2 行第 6 列不符合 TOML 语法", "(at line 2, column 6)"),
        ({"MIYUN_SERVER__PORT": "many"}, "", "应为整数", "expected an integer"),
        ({"MIYUN_PORT": "1"}, "", "应为 MIYUN_节__项", "expected MIYUN_SECTION__KEY"),
        ({"MIYUN_TIME__SERVERS": "a b"}, "", "“a b”应为 主机[:端口]", "'a b' should be host[:port]"),
        ({"MIYUN_TIME__SERVERS": "a,a"}, "", "列出了两次", "listed twice"),
        ({}, "[time]\nservers = ['a', 'b']\nminimum = 3", "time.minimum", "time.minimum"),
        ({}, "[time]\nminimum = 1", "应在 0 与时间源个数之间", "between 0 and the number of servers"),
        ({"MIYUN_OUTBOUND__ALLOW": "10.0.0.1/8"}, "", "“10.0.0.1/8”应为网段", "should be a network"),
        ({}, "[time]\ntolerance_seconds = 0", "time.tolerance_seconds", "more than 0"),
        (
            {},
            "[server]\nmutual_public_url = 'https://login.example.cn'",
            "应为 https://127.0.0.1:",
            "https://127.0.0.1:port",
        ),
        (
            {},
            "[server]\nmutual_public_url = 'http://127.0.0.1:81'",
            "应为 https://127.0.0.1:",
            "https://127.0.0.1:port",
        ),
    ],
)
def test_a_refusal_speaks_both_languages(tmp_path: Path, environ: dict[str, str], file: str, zh: str, en: str) -> None:
    chinese, english = refused(tmp_path, environ, file)
    assert zh in chinese and en in english
    assert chinese.endswith("。") and not chinese.endswith("。。") and "xpected" not in chinese


def test_servers_come_from_the_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "miyun.toml").write_text("[time]\nservers = ['ntp.example:1123', '10.0.0.1']\n", "utf-8")
    assert load(tmp_path, {}).time.servers == ("ntp.example:1123", "10.0.0.1")
    assert load(tmp_path, {"MIYUN_TIME__SERVERS": "a, [::1]:1123 ,b"}).time.servers == ("a", "[::1]:1123", "b")
    assert load(tmp_path, {"MIYUN_TIME__SERVERS": ""}).time.servers == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ntp.example", ("ntp.example", 123)),
        ("ntp.example:1123", ("ntp.example", 1123)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1123)),
    ],
)
def test_an_address_is_read(text: str, found: tuple[str, int]) -> None:
    assert host_and_port(text, 123) == found


@pytest.mark.parametrize("text", ["", ":123", "a:0", "a:65536", "a:b", "[::1", "[::1]123", "[]:1", "a b"])
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        host_and_port(text, 123)


def test_the_other_addresses_follow_the_first(tmp_path: Path) -> None:
    settings = load(tmp_path, {"MIYUN_SERVER__PORT": "8701"})
    assert (settings.mutual_url, settings.publication_url) == ("https://127.0.0.1:8702", "http://127.0.0.1:8703")
    named = load(tmp_path, {"MIYUN_SERVER__PUBLIC_URL": "https://cloud.example.cn", "MIYUN_SERVER__MUTUAL_PORT": "444"})
    assert (named.mutual_url, named.publication_url) == ("https://cloud.example.cn:444", "http://cloud.example.cn:8602")
    alone = load(tmp_path, {"MIYUN_SERVER__MUTUAL_PORT": "0", "MIYUN_SERVER__PUBLICATION_PORT": "0"})
    assert (alone.mutual_url, alone.publication_url) == ("", alone.url)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("MUTUAL_PORT", "8600"),
        ("PUBLICATION_PORT", "8601"),
        ("PUBLICATION_PORT", "65536"),
        ("PORT", "65534"),
        ("PUBLIC_URL", "cloud.example.cn"),
        ("PUBLICATION_PUBLIC_URL", "ftp://x"),
        ("MUTUAL_PUBLIC_URL", "https://elsewhere.example.cn"),
    ],
)
def test_addresses_that_cannot_be_are_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=r"server\."):
        load(tmp_path, {f"MIYUN_SERVER__{key}": value})
