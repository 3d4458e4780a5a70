"""What the documents say exists: codes, rooms, targets, commands, files, and the worked signature."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from miyun.client import Signer
from miyun.edge import error_page
from miyun.edge.assembly import ROOMS, offerings
from miyun.gm import sm3

ROOT = Path(__file__).resolve().parents[2]
_GENERATED = {".venv", ".tools", "build", "node_modules", "var", ".git", ".pytest_cache"}
PAGES = sorted(p for p in ROOT.rglob("*.md") if not _GENERATED & set(p.relative_to(ROOT).parts))
README, README_ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_error_code_is_documented() -> None:
    assert error_page.TARGET.read_text("utf-8") == error_page.page(error_page.all_errors()), (
        "run python -m miyun.edge.generate"
    )


@pytest.mark.parametrize("readme", [README, README_ZH], ids=name)
def test_the_readme_tells_of_every_room_and_its_state(readme: Path) -> None:
    text = readme.read_text("utf-8")
    opened, planned = re.split(r"^(?:Planned: |规划中：)", text, maxsplit=1, flags=re.MULTILINE)
    for offering in offerings():
        page = f"src/miyun/offerings/{offering.slug}/README.md"
        assert (ROOT / page).is_file()
        assert f"({page})" in (opened if offering.state == "available" else planned), page
    count = sum(offering.state == "available" for offering in offerings())
    assert re.search(rf"\b{count}\b", opened) and re.search(rf"\b{len(ROOMS) - count}\b", opened)


@pytest.mark.parametrize("readme", [README, README_ZH], ids=name)
def test_the_readme_names_every_target_of_make_and_no_other(readme: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`", readme.read_text("utf-8")))
    assert named == targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    missing = [t for t in targets if not (page.parent / unquote(t.partition("#")[0])).exists()]
    assert not missing


def test_both_languages_give_the_same_commands() -> None:
    def commands(page: Path) -> list[str]:
        blocks = re.findall(r"```\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
        return [block for block in blocks if not block.startswith("http")]

    assert commands(README) == commands(README_ZH)
    assert commands(ROOT / "docs" / "getting-started.md") == commands(ROOT / "docs" / "上手.md")


def test_the_table_of_standards_names_files_that_are_there() -> None:
    missing: list[str] = []
    for line in (ROOT / "STANDARDS.md").read_text("utf-8").splitlines():
        cells = line.split("|")
        if len(cells) != 6:
            continue
        for cell, folder in ((cells[2], "src/miyun"), (cells[3], "tests")):
            for path in re.findall(r"`([^`]+\.(?:py|c))`", cell):
                found = ROOT / path if path.startswith("native/") else ROOT / folder / path
                missing += [] if found.is_file() else [path]
        if cells[4].split()[:1] not in (["status"], ["---"]):
            assert re.match(r"(done|partial|planned)\b", cells[4].strip()), line
    assert not missing


def test_the_table_of_standards_holds_what_the_rooms_declare() -> None:
    text = (ROOT / "STANDARDS.md").read_text("utf-8")
    declared = {standard for offering in offerings() for standard in offering.standards}
    numbers = {re.sub(r"-\d{4}$", "", standard) for standard in declared}
    # "Kubernetes API" stands there as Kubernetes, "TAXII 2.1" as TAXII
    assert not [n for n in numbers if n not in text and n.rsplit(" ", 1)[0] not in text]


def worked_example() -> dict[str, str]:
    text = (ROOT / "docs" / "api.md").read_text("utf-8").split("### Worked example")[1]
    return dict(re.findall(r"^\| \**([^|*]+?)\** \| `([^`]+)`", text, flags=re.MULTILINE))


def test_the_worked_signature_is_the_sdks() -> None:
    given = worked_example()
    body = given["body"].encode()
    signer = Signer(given["access key"], given["secret key"])
    content = sm3.digest(body).hex()
    assert content == given["SM3 of the body"]
    headers = signer.headers(
        "POST",
        "https://127.0.0.1:8600/v1/timestamp/tokens",
        content,
        {"content-type": "application/json"},
        now=datetime.strptime(given["date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        nonce=given["nonce"],
    )
    assert headers["authorization"].endswith(f"Credential={given['access key']}, Signature={given['signature']}")


@pytest.mark.engine
def test_the_worked_signature_is_openssls() -> None:
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing") if os.environ.get("CI") == "true" else pytest.skip("openssl is missing")
    given = worked_example()
    environ = {
        "PATH": os.environ["PATH"],
        "MIYUN_ACCESS_KEY": given["access key"],
        "MIYUN_SECRET_KEY": given["secret key"],
        "SIGN_DATE": given["date"],
        "SIGN_NONCE": given["nonce"],
    }
    program = ROOT / "examples" / "sign-with-openssl.sh"
    done = subprocess.run(["bash", str(program), "--show"], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == given["signature"]
