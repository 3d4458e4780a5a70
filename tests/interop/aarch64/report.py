"""Runs on the emulated machine: the self-tests and, from a folder given, all vectors, on every provider; as JSON."""

import json
import platform
import sys

from miyun.edge.vectors import CHECKS
from miyun.gm import selftest
from miyun.gm.providers import providers

report = {
    "machine": platform.machine(),
    "passed": {entry.name: [result.name for result in selftest.run(entry)] for entry in providers()},
    "files": selftest.run_vectors(sys.argv[1], extra=CHECKS).to_dict()["files"] if len(sys.argv) > 1 else [],
}
print(json.dumps(report))
