"""Rules of the house that import-linter cannot see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "miyun"
MODULES = sorted(SOURCE.rglob("*.py"))


@cache
def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_import_linter_holds() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("sqlalchemy", r"(.*/)?store(\.py|/.*)|core/storage/.*"),
        ("alembic", r"core/storage/.*"),
        ("litestar", r"edge/.*"),
        ("uvicorn", r"edge/.*"),
        ("ctypes", r"hsm/sdf/.*|hsm/skf/(library|token|agreement)\.py|hsm/soft/confine\.py|gm/providers/.*"),
        ("click", r"edge/.*"),
    ],
)
def test_a_library_stays_in_its_place(library: str, allowed: str) -> None:
    outside = [relative(p) for p in MODULES if library in imports(p) and not re.fullmatch(allowed, relative(p))]
    assert not outside


def test_core_names_no_algorithm_and_no_offering() -> None:
    offerings = {p.parent.name for p in SOURCE.glob("offerings/*/offering.py")}
    plain = {"certificate", "container", "encryption", "onboarding", "signature", "timestamp"}  # also plain English
    words = re.compile(r"\bsm[2349]\b|\b(" + "|".join(sorted(offerings - plain)) + r")\b")
    guilty: list[str] = []
    for path in sorted((SOURCE / "core").rglob("*.py")):
        if path.name == "digest.py" or "migrations" in path.parts or path.name == "ports.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
            if name and words.search(name.lower()):
                guilty.append(f"{relative(path)}: {name}")
    assert not guilty


def test_files_stay_readable() -> None:
    long = {
        relative(p): n
        for p in MODULES
        if "migrations" not in p.parts
        and p.name != "_operations.py"
        and (n := len(p.read_text("utf-8").splitlines())) > 450
    }
    assert not long


def test_there_is_no_grab_bag() -> None:
    assert not [relative(p) for p in MODULES if re.search(r"(^|_)(utils?|helpers?|misc|common)\.py$", p.name)]


def test_pages_load_nothing_from_another_host() -> None:
    """Markup, style and script name no other host; namespaces and the placeholders of documentation may."""
    pattern = re.compile(r"""(?:src|href|action|url\(|import|fetch\()\s*[=(]?\s*["']?(?:https?:)?//""", re.IGNORECASE)
    pages = [p for kind in ("*.html", "*.css", "*.js") for p in SOURCE.rglob(kind) if "vendor" not in p.parts]
    assert not [relative(p) for p in pages if pattern.search(p.read_text("utf-8"))]
