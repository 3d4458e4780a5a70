"""libcrypto_mb's own C loop as a peer: `mbx_loop.c`, built against the static archives that the native core links."""

import json
import subprocess
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

SOURCE = Path(__file__).with_name("mbx_loop.c")


def mbx(seconds: float, rounds: int) -> tuple[dict[str, float], str | None]:
    """Operations per CPU second by row name, best of the rounds; or why there are none."""
    if not SOURCE.exists():
        return {}, "libcrypto_mb: no mbx_loop.c here"
    try:
        archive, header = _located("ipp-crypto-static", "libcrypto_mb.a"), _located("ipp-crypto-include", "ippcp.h")
    except metadata.PackageNotFoundError as missing:
        return {}, f"libcrypto_mb: package {missing} is not installed"
    if archive is None or header is None:
        return {}, "libcrypto_mb: its archive or its headers are not installed"
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "mbx_loop"
        compiler = (sysconfig.get_config_var("CC") or "gcc").split()[0]
        includes = [f"-I{header.parent}", f"-I{header.parent / 'aggregator'}"]
        # Its forms over OpenSSL's numbers are not called, so what they miss may stay unresolved.
        options = ["-O2", "-static", "-DBN_OPENSSL_DISABLE", "-Wl,--unresolved-symbols=ignore-all"]
        command = [compiler, *options, *includes, str(SOURCE), str(archive), "-o", str(program)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
            for _ in range(rounds):
                ran = subprocess.run([str(program), str(seconds)], check=True, capture_output=True, text=True)
                for name, value in json.loads(ran.stdout).items():
                    best[name] = max(best.get(name, 0), float(value))
        except OSError as why:
            return {}, f"libcrypto_mb: {why}"
        except subprocess.CalledProcessError as failed:
            said = (failed.stderr or "").strip().splitlines()
            return {}, f"libcrypto_mb: its loop does not build or run here ({said[-1] if said else failed.returncode})"
    return best, None


def _located(distribution: str, ending: str) -> Path | None:
    for entry in metadata.files(distribution) or []:
        path = Path(str(entry.locate())).resolve()
        if path.name == ending and path.parent.name in ("lib", "include"):
            return path
    return None
