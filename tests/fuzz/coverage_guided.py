"""Coverage-guided fuzzing of one decoder by atheris (dependency group "fuzz").

    python -m tests.fuzz.coverage_guided "certificate" -max_total_time=60

Ends with an exception and a file crash-… of the input when a decoder raises what it does not document.
"""

import sys

import atheris

with atheris.instrument_imports(include=["miyun.wire", "miyun.gm", "miyun.hsm", "miyun.core.ledger"]):
    from tests.fuzz import other_targets, wire_targets


def main() -> None:
    named = {target.name: target for target in (*wire_targets.TARGETS, *other_targets.TARGETS)}
    if len(sys.argv) < 2 or sys.argv[1] not in named:
        raise SystemExit("name one of: " + ", ".join(named))
    target = named[sys.argv.pop(1)]
    samples = target.samples

    def one(data: bytes) -> None:
        # Most inputs begin as a good message: the first octet says which, the rest is laid over it.
        if data and data[0] % 4:
            base = bytearray(samples[data[0] % len(samples)])
            patch = data[3:]
            at = int.from_bytes(data[1:3], "big") % (len(base) + 1)
            base[at : at + len(patch)] = patch
            data = bytes(base)
        target.attempt(data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
