"""Build of the native core `miyun.gm._native` and of `libmiyun_skf.so`, the token's library (GM/T 0016).

gcc or clang suffices. On x86-64 Linux Intel's ipp-crypto is linked statically from the packages the build requires;
without them, or with MIYUN_BUILD_IPP=0, the extension holds the portable C only. Without a compiler it is left out and
the product runs on the system's libcrypto.
"""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = Path("native")
TOKEN_LIBRARY = "miyun.hsm.skf.lib.libmiyun_skf"  # in a folder that Python does not look for modules in
PORTABLE = sorted(str(path) for path in NATIVE.glob("*.c") if not path.name.startswith("ipp"))
IPP = sorted(str(path) for path in NATIVE.glob("ipp*.c"))
HEADERS = sorted(str(path) for path in NATIVE.glob("*.h"))


def _located(distribution: str, ending: str) -> Path | None:
    """Where the distribution put the file whose path ends so."""
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    for entry in files:
        path = Path(str(entry.locate())).resolve()
        if path.as_posix().endswith(f"/{ending}"):
            return path
    return None


def _ipp() -> tuple[str, str] | None:
    """Include directory and static archive of ipp-crypto, when it can be linked here."""
    if os.environ.get("MIYUN_BUILD_IPP", "1") == "0" or platform.machine() not in ("x86_64", "AMD64"):
        return None
    archive = _located("ipp-crypto-static", "libippcp.a")
    header = _located("ipp-crypto-include", "include/ippcp.h")
    if header is None or archive is None:
        return None
    return str(header.parent), str(archive)


FLAGS = [
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wno-deprecated-declarations",
    "-fvisibility=hidden",
    "-fstack-protector-strong",
    "-D_GNU_SOURCE",
]
LINK_FLAGS = ["-pthread", "-Wl,--exclude-libs,ALL", "-Wl,-z,relro,-z,now,-z,noexecstack", "-s"]
OPTIONAL = os.environ.get("CI") != "true"  # there a build that fails must not hide behind libcrypto


def _token_library() -> Extension:
    """Not a module of Python: a plain library with the interface of GM/T 0016, a client of the token's process."""
    return Extension(
        TOKEN_LIBRARY,
        sources=sorted(str(path) for path in (NATIVE / "skf").glob("*.c")),
        depends=sorted(str(path) for path in (NATIVE / "skf").glob("*.h")),
        extra_compile_args=FLAGS,
        extra_link_args=LINK_FLAGS,
        optional=OPTIONAL,
    )


def _extension() -> Extension:
    ipp = _ipp()
    return Extension(
        "miyun.gm._native",
        sources=PORTABLE + (IPP if ipp else []),
        depends=HEADERS,
        include_dirs=["native", ipp[0]] if ipp else ["native"],
        define_macros=[("GM_WITH_IPP", "1")] if ipp else [],
        extra_compile_args=FLAGS,
        extra_objects=[ipp[1]] if ipp else [],
        extra_link_args=LINK_FLAGS,
        optional=OPTIONAL,
    )


class Build(build_ext):
    """Compiles the files side by side, and says plainly what a failure means."""

    def build_extension(self, ext: Extension) -> None:
        compile_one = self.compiler.compile

        def compile_all(sources: list[str], **options: object) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                return [objects[0] for objects in pool.map(lambda source: compile_one([source], **options), sources)]

        self.compiler.compile = compile_all
        try:
            super().build_extension(ext)
        except Exception:
            self.warn(f"{ext.name} was not built (is gcc or clang installed?); GM then runs on the system's libcrypto")
            raise
        finally:
            self.compiler.compile = compile_one

    def get_ext_filename(self, fullname: str) -> str:
        """A library that programs load by name has no suffix of Python's."""
        if fullname.endswith(TOKEN_LIBRARY.rpartition(".")[2]):
            return os.path.join(*fullname.split(".")) + ".so"
        return super().get_ext_filename(fullname)

    def copy_file(self, infile: str, outfile: str, *arguments: object, **options: object) -> tuple[str, bool]:
        """Put the extension beside the sources by renaming: a process that imports it meets the old or the new one."""
        Path(outfile).parent.mkdir(parents=True, exist_ok=True)
        partial = f"{outfile}.partial"
        _, copied = super().copy_file(infile, partial, *arguments, **options)
        os.replace(partial, outfile)
        return outfile, bool(copied)


setup(ext_modules=[_extension(), _token_library()], cmdclass={"build_ext": Build})
