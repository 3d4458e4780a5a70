"""Sign a message and timestamp its digest with the Python SDK, as the application that `onboarding start` made.

    MIYUN_URL=https://127.0.0.1:8600 MIYUN_AUTHORITY=var/data/listener-ca.pem \
    MIYUN_ACCESS_KEY=ak_… MIYUN_SECRET_KEY=… .venv/bin/python examples/sdk.py
"""

import base64
import os
import sys

from miyun.client import Client
from miyun.gm import sm3

message = "密云".encode()
text = base64.b64encode(message).decode()
digest = base64.b64encode(sm3.digest(message)).decode()
where = os.environ.get("MIYUN_URL", "https://127.0.0.1:8600"), os.environ["MIYUN_ACCESS_KEY"]
with Client(*where, os.environ["MIYUN_SECRET_KEY"], verify=os.environ["MIYUN_AUTHORITY"], language="en") as miyun:
    signer = miyun.account.me()["application"]  # the wizard names the application's signer after it
    signature = miyun.signature.sign(signer=signer, message=text)["signature"]
    token = miyun.timestamp.issue(digest=digest, hash_algorithm="SM3")["token"]
    verdict = miyun.timestamp.verify(token=token, digest=digest)
    sys.stdout.write(f"signature {signature}\ntimestamp {verdict}\n")
