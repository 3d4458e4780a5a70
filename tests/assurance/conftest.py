"""The objects of the native core, compiled once for all tests of a run."""

import fcntl
from pathlib import Path

import pytest
from tests.assurance.native import Builder, recipe


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Builder:
    """Every object of the extension as it is; processes of one run share them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "native-core"
    folder.mkdir(exist_ok=True)
    builder = Builder(folder, recipe())
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "done").exists():
            builder.objects = {name: folder / f"{Path(name).stem}.o" for name in builder.recipe.sources}
        else:
            builder.build(builder.recipe.sources)
            (folder / "done").touch()
    return builder
