"""Certificates: issued in batches, found and revoked among a million, their status told.

    python benchmarks/certificate.py [--json] [--sizes 1000 1000000] [--batches 10] [--only REGEX] [--write]

Figures are per second of CPU time; everything runs on this machine, one after the other.

- issue.batch: certificates for SM2 requests, 250 in a batch, by a platform as it is started: requests verified, linted,
  registered with synchronous=FULL, in the ledger; CPU of worker, ledger and VSM. `openssl ca` signs ECDSA certificates
  for ready requests into its index file; asn1crypto only encodes the same certificate, which miyun.gm signs
- ocsp: answers that a worker gives again, over TLS, CPU of worker and listener; `openssl ocsp` as responder over HTTP
- api.ocsp: the same answers with 64 connections, answers a second; a bare Litestar endpoint behind the same listener
- at SIZE: the register's own queries on SQLite, tables filled by bulk; the note tells the ratio of greatest to least
"""

from __future__ import annotations

import base64
import http.client
import random
import re
import resource
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from api import Run
from asn1crypto import core, keys, x509
from benchmarks.load.bare import Bare
from benchmarks.load.scene import scene
from report import Row, deliver, parser
from tests.platform import RunningPlatform, free_port, spec

from miyun.core.operation import Role
from miyun.core.storage.database import Database, metadata
from miyun.core.storage.search import Entry
from miyun.gm import sm2
from miyun.offerings.certificate.model import RevocationReason, Search, State, serial_text
from miyun.offerings.certificate.store import SORTING, CertificateStore
from miyun.offerings.certificate.store.tables import certificate_search, shard_table
from miyun.wire import ocsp, pkcs10, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.x509 import load_certificates, parse_certificate

BATCH = 250
LIMIT = 1.5
PROCESSES = ("web-0", "ledger", "vsm-platform")


# issuing


def csr(number: int) -> str:
    d = sm2.generate_private_key()
    public = sm2.public_key(d)
    name = Name.of(("C", "CN"), ("O", "Bench"), ("CN", f"device {number}"))
    request = pkcs10.CertificationRequestInfo(name, spki.sm2_spki(public), (), None)
    signed = request.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(d, message, public=public))
    return base64.b64encode(signed).decode()


def spent(pids: list[int]) -> float:
    """CPU seconds of processes so far."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def issue_batches(platform: RunningPlatform, security: Any, batches: int) -> tuple[float, bytes]:
    """Certificates per CPU second of the best batch, and one of them."""
    pids = [platform.pid(name) for name in PROCESSES]
    best, made = 0.0, b""
    for number in range(batches + 1):
        items = [{"reference": str(place), "csr": csr(number * BATCH + place)} for place in range(BATCH)]
        before = spent(pids)
        answer = security.call("certificate.batch.issue", template="device", items=items)
        cost = spent(pids) - before
        assert answer["issued"] == BATCH, answer
        made = base64.b64decode(answer["items"][0]["certificate"])
        if number:  # the first one warms up
            best = max(best, BATCH / cost)
    return best, made


OPENSSL_CA = """
[ca]
default_ca = it
[it]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
default_md = sha256
default_days = 365
policy = any
x509_extensions = leaf
unique_subject = no
[any]
countryName = optional
organizationName = optional
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = clientAuth,serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://127.0.0.1/1.crl
authorityInfoAccess = OCSP;URI:http://127.0.0.1/ocsp,caIssuers;URI:http://127.0.0.1/ca.cer
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def openssl_authority(folder: Path) -> None:
    (folder / "ca.cnf").write_text(OPENSSL_CA)
    (folder / "index.txt").write_text("")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Bench CA", "-days", "99")
    openssl(folder, "req", "-new", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/C=CN/CN=device")


def openssl_ca(folder: Path) -> float:
    """Certificates per CPU second, 250 requests for a run of `openssl ca`."""
    for number in range(BATCH):
        (folder / f"r{number}.csr").write_bytes((folder / "leaf.csr").read_bytes())
    best = 0.0
    for _ in range(3):
        requests = [f"r{number}.csr" for number in range(BATCH)]
        before = _children()
        openssl(folder, "ca", "-config", "ca.cnf", "-batch", "-notext", "-out", "all.pem", "-infiles", *requests)
        best = max(best, BATCH / (_children() - before))
    return best


def _children() -> float:

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def asn1crypto_encoder(example: bytes, count: int) -> float:
    """Certificates per CPU second: the example's fields encoded anew with its extensions, signed by miyun.gm."""
    d = sm2.generate_private_key()
    public = sm2.public_key(d)
    given = parse_certificate(example)
    extensions = [(item.oid, item.critical, item.value) for item in given.extensions]
    before = time.process_time()
    for number in range(count):
        tbs = x509.TbsCertificate(
            {
                "version": "v3",
                "serial_number": (1 << 126) + number,
                "signature": {"algorithm": "1.2.156.10197.1.501"},
                "issuer": x509.Name.build({"country_name": "CN", "common_name": "Bench CA"}),
                "validity": {
                    "not_before": x509.Time({"utc_time": core.UTCTime(given.not_before)}),
                    "not_after": x509.Time({"utc_time": core.UTCTime(given.not_after)}),
                },
                "subject": x509.Name.build({"country_name": "CN", "common_name": f"device {number}"}),
                "subject_public_key_info": keys.PublicKeyInfo.load(given.spki_der),
                "extensions": [
                    {"extn_id": kind, "critical": critical, "extn_value": core.ParsableOctetString(value)}
                    for kind, critical, value in extensions
                ],
            }
        )
        signature = sm2.sign(d, tbs.dump(), public=public)
        x509.Certificate(
            {
                "tbs_certificate": tbs,
                "signature_algorithm": {"algorithm": "1.2.156.10197.1.501"},
                "signature_value": core.OctetBitString(signature),
            }
        ).dump()
    return count / (time.process_time() - before)


# status


def our_ocsp(platform: RunningPlatform, example: bytes, count: int) -> float:
    """Answers per CPU second of worker and listener, one kept-alive connection."""
    with platform.http() as client:
        items = {item["ca"]: item for item in client.get("/v1/certificates/authorities").json()["items"]}
        [issuer] = load_certificates(items["sm2-issuing"]["pem"])
        question = ocsp.OcspRequest((ocsp.CertId.of(issuer, parse_certificate(example).serial),)).encode()
        headers = {"content-type": "application/ocsp-request"}
        pids = [platform.pid(name) for name in ("web-0", "listener")]
        best = 0.0
        for _ in range(4):
            before = spent(pids)
            for _ in range(count):
                answer = client.post("/ocsp/sm2-issuing", content=question, headers=headers)
            best = max(best, count / (spent(pids) - before))
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/ocsp-response"
    return best


def openssl_ocsp(folder: Path, count: int) -> float:
    """Answers per CPU second of `openssl ocsp` for one certificate of its index."""
    openssl(folder, "ca", "-config", "ca.cnf", "-batch", "-notext", "-out", "one.pem", "-infiles", "leaf.csr")
    openssl(folder, "ocsp", "-issuer", "ca.pem", "-cert", "one.pem", "-reqout", "question.der", "-no_nonce")
    question = (folder / "question.der").read_bytes()
    port = free_port()
    signer = ("-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem")
    command = ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", *signer, "-ndays", "1"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        best = 0.0
        for turn in range(4):
            before = spent([server.pid])
            for _ in range(count):
                assert _posted(port, question, patient=turn == 0)
            best = max(best, count / (spent([server.pid]) - before))
        return best
    finally:
        server.kill()
        server.wait()


def _posted(port: int, question: bytes, *, patient: bool) -> bool:
    for _ in range(50 if patient else 1):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/", question, {"content-type": "application/ocsp-request"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status == 200
        except ConnectionError:
            time.sleep(0.1)
    return False


# the register


@contextmanager
def register(example: bytes, size: int) -> Iterator[CertificateStore]:
    """Of `size` certificates of one tenant, each with its own subject, names and key."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "register.db"
        database = Database(f"sqlite:///{file}")
        metadata.create_all(database.engine)
        with database.write() as connection:
            connection.execute(shard_table.insert(), [{"authority": "sm2-issuing", "shard": 0}])
        _fill(file, database, example, size)
        try:
            yield CertificateStore(database)
        finally:
            database.close()


def _fill(file: Path, database: Database, example: bytes, size: int) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    columns = (
        "number, serial, tenant, authority, shard, template, usage, subject, names, key, published, state, not_before,"
        " not_after, allocated_at, issued_at, fingerprint, der"
    )
    for start in range(0, size, 20_000):
        numbers = range(start + 1, min(start + 20_000, size) + 1)
        rows, entries = [], []
        for number in numbers:
            subject = f"CN=设备 {secrets.token_hex(5)},O=某局,C=CN"
            names = f"{secrets.token_hex(5)}.example.cn"
            at = str(now - timedelta(seconds=size - number))
            until = str(now + timedelta(days=365, seconds=number))
            about = (number, serial(number), "ten_a", "sm2-issuing", 0, "device", "sign", subject, names)
            rows.append(
                (*about, secrets.token_hex(32), 1, "issued", at, until, at, at, secrets.token_bytes(32), example)
            )
            facets = [
                ("tenant", "ten_a"),
                ("template", "device"),
                ("ca", "sm2-issuing"),
                ("usage", "sign"),
                ("name", names),
            ]
            entries.append(Entry(number, f"{subject}\n{names}", facets))
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            marks = ", ".join("?" * 18)
            connection.executemany(f"INSERT INTO certificate_certificate ({columns}) VALUES ({marks})", rows)
        with database.write() as into:
            certificate_search.add(into, entries)


def serial(number: int) -> str:
    return serial_text(1 << 126 | number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 126))


def queries(store: CertificateStore, size: int) -> dict[str, Callable[[], object]]:
    now = datetime.now(UTC)

    def listed(sort: str, **search: Any) -> Callable[[], object]:
        order = SORTING.sort(sort)
        return lambda: store.page("ten_a", Search(**search), sort=order, place=None, now=now, limit=50)

    def some() -> str:
        return serial(random.randint(1, size))

    def revoke() -> object:
        return store.move(int(some(), 16), State.REVOKED, RevocationReason.SUPERSEDED, now)

    page = store.page("ten_a", Search(), sort=SORTING.sort("subject"), place=None, now=now, limit=50)
    rare = page.items[0].subject[6:16]
    return {
        "look up": lambda: store.find(some(), "ten_a"),
        "revoke": revoke,
        "list newest": listed("-issued"),
        "list by subject": listed("subject"),
        "search rare text": listed("subject", text=rare),
        "search common text": listed("subject", text="设备"),
        "search a name": listed("-issued", name=page.items[0].names[0]),
        "search what is revoked": listed("-issued", state="revoked"),
    }


def register_costs(
    example: bytes, sizes: list[int], count: int, wanted: re.Pattern[str]
) -> dict[int, dict[str, float]]:
    """Size → query → microseconds of CPU, the least of several rounds."""
    costs: dict[int, dict[str, float]] = {}
    for size in sizes:
        with register(example, size) as store:
            costs[size] = {}
            for _ in range(5):
                for name, query in queries(store, size).items():
                    if not wanted.search(name):
                        continue
                    query()
                    before = time.process_time()
                    for _ in range(count):
                        query()
                    cost = 1e6 * (time.process_time() - before) / count
                    costs[size][name] = min(cost, costs[size].get(name, cost))
    return costs


def main() -> None:
    given_parser = parser(__doc__)
    given_parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 1_000_000])
    given_parser.add_argument("--batches", type=int, default=10)
    given_parser.add_argument("--count", type=int, default=40)
    given = given_parser.parse_args()
    wanted = re.compile(given.only)
    rows, notes = [], []
    with RunningPlatform() as platform, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tenant = platform.activate(spec("certificates"))
        security = platform.session(platform.person(Role.TENANT_SECURITY, tenant), timeout=120)
        openssl_authority(folder)
        rate, example = issue_batches(platform, security, given.batches if wanted.search("issue.batch") else 1)
        if wanted.search("issue.batch"):
            peers = {"openssl ca, ECDSA": openssl_ca(folder), "asn1crypto": asn1crypto_encoder(example, 300)}
            rows.append(Row("issue.batch", "ops/s", rate, peers))
        if wanted.search("ocsp"):
            rows.append(Row("ocsp", "ops/s", our_ocsp(platform, example, 500), {"openssl": openssl_ocsp(folder, 100)}))
    if wanted.search("api.ocsp"):
        with scene(workers=2, tenants=2) as place, Bare(workers=2) as bare:
            run = Run(place, bare, seconds=2.0, rounds=5)
            run.ocsp()
        rows += run.rows
        notes += run.notes
    costs = register_costs(example, given.sizes, given.count, wanted)
    for size, by_name in costs.items():
        rows += [Row(f"{name} at {size:,}", "ops/s", 1e6 / cost) for name, cost in by_name.items()]
    least, greatest = costs[min(given.sizes)], costs[max(given.sizes)]
    ratios = {name: greatest[name] / least[name] for name in least}
    notes += [f"{name}: {ratio:.2f} times the cost at {min(given.sizes):,}" for name, ratio in ratios.items()]
    beyond = [name for name, ratio in ratios.items() if ratio > LIMIT]
    notes.append(f"beyond {LIMIT} times: {', '.join(beyond) or 'none'}")
    deliver("certificate", rows, notes, given)


if __name__ == "__main__":
    main()
