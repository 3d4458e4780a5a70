"""Certificates that offline checks start from: files given by the verifier, else those the installation wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miyun.edge.cli.say import Exit, Problem

if TYPE_CHECKING:
    from miyun.wire.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Trust:
    roots: list[Certificate]
    intermediates: list[Certificate]


def load_roots(files: Sequence[Path]) -> list[Certificate]:
    """PEM or DER. Fails with USAGE for a file that holds no certificate."""
    from miyun.wire.errors import DecodeError
    from miyun.wire.x509 import load_certificates

    found: list[Certificate] = []
    for file in files:
        try:
            found += load_certificates(file.read_bytes())
        except (OSError, DecodeError) as error:
            raise Problem(f"{file}: {error}", Exit.USAGE) from None
    return found


def load_trust(folder: Path, roots: Sequence[Path]) -> Trust:
    """`root-*.pem` and `intermediate-*.pem` of a folder (a dossier's trust folder has the same names)."""
    given = load_roots(roots) or load_roots(sorted(folder.glob("root-*.pem")))
    return Trust(given, load_roots(sorted(folder.glob("intermediate-*.pem"))))
