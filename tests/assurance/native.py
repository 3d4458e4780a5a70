"""Builds the native core anew for a test: changed, with a sanitizer, or as objects for a program in C.

What is compiled, and how, is asked of setup.py; the sources are copied, so that nothing of the checkout is touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def compiler() -> str:
    """gcc; a test that needs it is skipped without one, except under CI."""
    found = shutil.which("gcc")
    if found is None:
        needed("gcc")
    return str(found)


def needed(program: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed")
    pytest.skip(f"{program} is not installed")


@dataclass(frozen=True)
class Recipe:
    """What setup.py says of the extension."""

    sources: tuple[str, ...]
    includes: tuple[str, ...]
    options: tuple[str, ...]
    archives: tuple[str, ...]
    link: tuple[str, ...]


_ASK = """
import json, setuptools
from distutils.core import run_setup
e = next(e for e in run_setup("setup.py", stop_after="init").ext_modules if e.name == "miyun.gm._native")
macros = [f"-D{name}={value}" for name, value in e.define_macros]
print(json.dumps([e.sources, e.include_dirs, e.extra_compile_args + macros, e.extra_objects, e.extra_link_args]))
"""


def recipe(*, ipp: bool = True) -> Recipe:
    """`ipp`: with ipp-crypto, where it can be linked here."""
    environment = os.environ | {"MIYUN_BUILD_IPP": "1" if ipp else "0"}
    ran = subprocess.run(
        [sys.executable, "-c", _ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    sources, includes, options, archives, link = json.loads(ran.stdout)
    return Recipe(
        tuple(sources), tuple(str(ROOT / path) for path in includes), tuple(options), tuple(archives), tuple(link)
    )


@dataclass
class Builder:
    """Compiles each source once; a changed copy of a source replaces its object in one link only."""

    folder: Path
    recipe: Recipe
    flags: tuple[str, ...] = ()
    objects: dict[str, Path] = field(default_factory=dict)

    def compile(self, source: Path, out: Path) -> Path:
        includes = [f"-I{path}" for path in (*self.recipe.includes, sysconfig.get_path("include"))]
        command = [compiler(), "-c", "-fPIC", *self.recipe.options, *self.flags, *includes, str(source), "-o", str(out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return out

    def build(self, sources: tuple[str, ...]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = pool.map(lambda name: self.compile(ROOT / name, self.folder / f"{Path(name).stem}.o"), sources)
            self.objects = dict(zip(sources, made, strict=True))

    def extension(self, out: Path, replaced: dict[str, Path] | None = None) -> Path:
        """The shared object of Python, with other objects in the place of some."""
        objects = [str(path) for path in (self.objects | (replaced or {})).values()]
        link = [option for option in self.recipe.link if not (self.flags and option == "-s")]
        command = [compiler(), "-shared", *self.flags, *objects, *self.recipe.archives, *link, "-o", str(out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return out

    def program(self, source: Path, out: Path, *options: str, replaced: dict[str, Path] | None = None) -> Path:
        """A program in C over the objects that know nothing of Python, with other objects in the place of some."""
        main = self.compile(source, out.with_suffix(".o"))
        chosen = self.objects | (replaced or {})
        objects = [str(path) for name, path in chosen.items() if not Path(name).name.startswith("py_")]
        link = (*self.recipe.archives, "-pthread", "-lm", *options)
        command = [compiler(), *self.flags, str(main), *objects, *link, "-o", str(out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return out


def package(folder: Path) -> Path:
    """A copy of the package without its extension, to be put before the installed one; the extension's place in it."""
    shutil.copytree(
        ROOT / "src" / "miyun", folder / "miyun", ignore=shutil.ignore_patterns("_native*.so", "__pycache__")
    )
    return folder / "miyun" / "gm" / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"


def python(folder: Path, *arguments: str, seconds: float = 300, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package of that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MIYUN_GM")}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environ
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        cwd=ROOT,
    )
