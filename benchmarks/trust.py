"""What a look into an outside authority's revocation list costs when it has 10³ and 10⁶ entries, and taking one in.

    python benchmarks/trust.py [--json] [--sizes 1000 1000000] [--count 2000]

Held as the platform holds them (SQLite, pages of 512), beside cryptography's own reading of the same list: it keeps the
whole list in memory and walks it for every question. CPU time of this process; ours the least of five rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509 as peer

from miyun.core.storage.database import Database, metadata
from miyun.gm import intl
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.model import HeldList
from miyun.wire import crl, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.revoked import Reason, RevokedEntry

AT = datetime(2026, 11, 29, tzinfo=UTC)


def made(size: int) -> tuple[bytes, list[int]]:
    rng = random.Random(size)
    serials = [rng.getrandbits(126) | 1 << 126 for _ in range(size)]
    key = intl.ecdsa_p256_generate()
    head = crl.TbsCertificateList(
        Name.of(("C", "CN"), ("CN", "Outside")),
        AT,
        AT + timedelta(days=1),
        tuple(RevokedEntry(serial, AT, Reason.SUPERSEDED) for serial in serials),
        1,
        spki.parse_spki(intl.public_key(key)).key_identifier,
        SignatureAlgorithm.ECDSA_SHA256,
    )
    return head.sign(lambda message: intl.ecdsa_p256_sign(key, message)), serials


def spent(work) -> float:  # type: ignore[no-untyped-def]
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(size: int, count: int) -> dict[str, float]:
    encoded, serials = made(size)
    asked = [*random.Random(1).sample(serials, count // 2), *range(1, count // 2 + 1)]
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'trust.db'}")
        metadata.create_all(database.engine)
        store = HeldStore(database)
        taken: list[crl.CertificateList] = []
        read = spent(lambda: taken.append(crl.parse_crl(encoded)))
        item = HeldList("crl_1", "cta_1", "base", 1, None, AT, None, size, b"", "upload", AT)
        kept = spent(lambda: store.hold(item, taken[0].entries))
        found = sum(store.entry("crl_1", serial) is not None for serial in asked)
        assert found == count // 2, found
        look = min(spent(lambda: [store.entry("crl_1", serial) for serial in asked]) for _ in range(5)) / count
        database.close()
    theirs = peer.load_der_x509_crl(encoded)
    theirs.get_revoked_certificate_by_serial_number(1)
    few = asked[:: count // 10]  # it walks the list every time
    other = spent(lambda: [theirs.get_revoked_certificate_by_serial_number(serial) for serial in few]) / len(few)
    return {
        "entries": size,
        "read_seconds": round(read, 2),
        "keep_seconds": round(kept, 2),
        "look_up_us": round(look * 1e6, 1),
        "peer_look_up_us": round(other * 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--count", type=int, default=2000)
    options = parser.parse_args()
    rows = [measure(size, options.count) for size in options.sizes]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
