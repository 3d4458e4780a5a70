"""Known-answer and pairwise self-tests of a provider.

`run` is meant for every start of a process that holds keys (GM/T 0028, 7.10): deterministic, one answer or more
per algorithm taken from its standard. `run_vectors` runs whole folders of published vectors.
"""

from dataclasses import dataclass
from time import perf_counter

from miyun.gm.errors import GmError, SelfTestFailed
from miyun.gm.providers import Provider, provider, using
from miyun.gm.selftest import hashes, sm2, sm4, sm9
from miyun.gm.vectors import FileReport, Report, run_vectors

_TESTS = (*hashes.TESTS, *sm4.TESTS, *sm2.TESTS, *sm9.TESTS)


@dataclass(frozen=True, slots=True)
class Result:
    """One passed self-test."""

    name: str
    provider: str
    milliseconds: float


def run(on: Provider | None = None) -> list[Result]:
    """Run all self-tests on the serving provider, or on the given one; SelfTestFailed names the first that fails."""
    serving = on or provider()
    results = []
    with using(serving):
        for name, test in _TESTS:
            start = perf_counter()
            try:
                test()
            except (GmError, ValueError) as why:
                raise SelfTestFailed(f"{name} on {serving.name}") from why
            results.append(Result(name, serving.name, 1000 * (perf_counter() - start)))
    return results


__all__ = ["FileReport", "Report", "Result", "run", "run_vectors"]
