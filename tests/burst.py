"""One client process of many: asks for timestamps as fast as it can. JSON in on stdin, JSON out on stdout.

Imports the SDK only, so that eight of them start quickly.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from miyun.client import Client, QuotaExceeded

DIGEST = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def main() -> None:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    serials: list[str] = []
    refused: list[int | None] = []
    with Client(
        order["url"], order["access_key"], order["secret_key"], verify=order["authority"], attempts=1, timeout=60
    ) as client:
        client.call("timestamp.status")  # connected
        print("ready", flush=True)
        sys.stdin.readline()  # all are
        for _ in range(order["attempts"]):
            try:
                serials.append(client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["serial"])
            except QuotaExceeded as error:
                refused.append(error.retry_after)
                assert error.zh["detail"] and error.en["detail"]
    json.dump({"serials": serials, "refused": refused}, sys.stdout)


if __name__ == "__main__":
    main()
