"""The command line: languages, exit codes, secrets kept off it, commands that need no platform."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from miyun.client import _client as sdk
from miyun.core.errors import PermissionDenied, Unavailable
from miyun.edge import vectors
from miyun.edge.assembly import registry
from miyun.edge.cli import COMMANDS, root
from miyun.edge.cli._operations import OPERATIONS
from miyun.edge.cli.profile import keep_session, load_profile
from miyun.edge.cli.say import Exit, Problem, ask_secret, language, status_exit
from miyun.edge.generate import COMMANDS as TABLE
from miyun.edge.generate import commands
from miyun.gm.errors import GmError

CONTRACT = """服务合同

甲方：某某局
乙方：某某公司

一、合同金额
本合同总价为人民币 1000.00 元（大写：壹仟元整）。
"""


def miyun(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The real program in its own process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MIYUN_")}
    return subprocess.run(
        [sys.executable, "-m", "miyun.edge.cli", *arguments],
        env={**clean, "LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_without_importing_the_platform() -> None:
    code = (
        "import sys; sys.argv = ['miyun', '--help']\n"
        "from miyun.edge.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'litestar', 'sqlalchemy', 'uvicorn', 'cryptography', 'docx', 'httpx'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    answer = CliRunner().invoke(root, [command, "--help"])
    assert answer.exit_code == 0, answer.output


def test_the_language_follows_option_then_environment() -> None:
    assert "启动平台" in miyun("--help").stdout
    assert "Start the platform" in miyun("--help", LANG="en_US.UTF-8", LC_ALL="en_US.UTF-8").stdout
    assert "Start the platform" in miyun("--lang", "en", "--help").stdout
    assert language(["serve", "--lang=en"]) == "en"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, Exit.FAILED), (401, Exit.DENIED), (403, Exit.DENIED), (404, Exit.FAILED), (503, Exit.UNAVAILABLE)],
)
def test_exit_codes_tell_failed_denied_and_unavailable_apart(status: int, code: Exit) -> None:
    assert status_exit(status) is code


def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
    assert miyun("nonsense").returncode == Exit.USAGE
    assert miyun("api", "timestamp", "issue").returncode == Exit.USAGE
    assert miyun("acceptance", "verify", str(tmp_path)).returncode == Exit.USAGE


def test_settings_that_are_wrong_are_explained_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "miyun.toml").write_text("[server]\nportt = 1\n")
    done = miyun("status", "--home", str(tmp_path))
    assert done.returncode == Exit.FAILED
    assert "portt" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "selftest"])
def test_an_unknown_provider_of_the_algorithms_is_refused_at_once(command: str, tmp_path: Path) -> None:
    done = miyun(command, MIYUN_GM_PROVIDER="nonsense", MIYUN_HOME=str(tmp_path / "var"))
    assert done.returncode == Exit.FAILED
    assert "nonsense" in done.stderr and "portable" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "var").exists()


def test_commands_of_a_stopped_platform_say_so(tmp_path: Path) -> None:
    assert miyun("stop", "--home", str(tmp_path)).returncode == 0
    status = miyun("status", "--json", "--home", str(tmp_path))
    assert status.returncode == Exit.UNAVAILABLE
    assert json.loads(status.stdout)["running"] is False
    assert miyun("acceptance", "build", "con_1", "--home", str(tmp_path)).returncode == Exit.UNAVAILABLE


def test_contract_check_needs_no_platform_and_its_exit_code_is_the_verdict(tmp_path: Path) -> None:
    good, bad, unreadable = tmp_path / "good.txt", tmp_path / "bad.txt", tmp_path / "scan.pdf"
    good.write_text(CONTRACT, "utf-8")
    bad.write_text(CONTRACT.replace("壹仟元整", "贰仟元整"), "utf-8")
    unreadable.write_bytes(b"%PDF-1.4 nothing")
    wrong = miyun("contract", "check", str(bad), "--json")
    assert wrong.returncode == 1
    report = json.loads(wrong.stdout)
    assert any(f["kind"].startswith("amount") and f["severity"] == "error" for f in report["findings"])
    assert all(f["severity"] != "error" or not f["kind"].startswith("amount") for f in json.loads(
        miyun("contract", "check", str(good), "--json").stdout)["findings"])  # fmt: skip
    refused = miyun("contract", "check", str(unreadable))
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert miyun("contract", "check", str(tmp_path / "none.txt")).returncode == 2


def test_what_is_no_contract_is_told_apart_from_a_contract_with_errors(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# A program\n\nRun make.\n", "utf-8")
    for command in (("contract", "check", str(readme), "--json"), ("contract", "import", str(readme), "--yes")):
        done = miyun(*command, LANG="en_US.UTF-8", LC_ALL="en_US.UTF-8", MIYUN_HOME=str(tmp_path / "home"))
        assert (done.returncode, done.stdout) == (2, "")
        assert "not a service contract" in done.stderr and "README.md" in done.stderr
    assert not (tmp_path / "home").exists()


def test_contract_import_does_not_accept_findings_by_itself(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text(CONTRACT.replace("壹仟元整", "贰仟元整"), "utf-8")
    done = miyun("contract", "import", str(bad), "--home", str(tmp_path / "home"))
    assert done.returncode == Exit.FAILED
    assert "未导入" in done.stderr


def test_selftest_reports_every_provider() -> None:
    done = miyun("selftest", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["failed"] == 0
    assert {"portable"} <= {entry["provider"] for entry in report["providers"]}


def test_selftest_of_an_empty_folder_fails(tmp_path: Path) -> None:
    done = miyun("selftest", "--vectors", str(tmp_path), "--json")
    assert done.returncode == Exit.FAILED
    assert json.loads(done.stdout)["failed"] > 0


def test_selftest_counts_a_wrong_vector_and_names_the_file(tmp_path: Path) -> None:
    vector = {"id": "1", "msg_hex": "616263", "digest": "00" * 32}
    (tmp_path / "wrong.json").write_text(json.dumps({"algorithm": "SM3", "vectors": [vector]}))
    done = miyun("selftest", "--vectors", str(tmp_path), "--json")
    report = json.loads(done.stdout)
    assert done.returncode == Exit.FAILED
    assert {entry["file"] for entry in report["files"]} == {"wrong.json"}


def test_the_generated_commands_are_in_step_with_the_operations() -> None:
    assert TABLE.read_text("utf-8") == commands(registry().operations.values()), "run python -m miyun.edge.generate"
    for operation_id in OPERATIONS:
        answer = CliRunner().invoke(root, ["api", operation_id, "--help"])
        assert answer.exit_code == 0, (operation_id, answer.output)


def test_the_help_of_an_operation_tells_what_it_does_and_which_values_it_takes() -> None:
    text = CliRunner().invoke(root, ["--lang", "en", "api", "certificate", "application", "apply", "--help"]).output
    assert "A second person reviews it" in text and "--pair none|escrow|own" in text and "@FILE" in text
    assert "default 50" in CliRunner().invoke(root, ["--lang", "en", "api", "certificate", "list", "--help"]).output


def test_selftest_reads_certificates_requests_and_messages() -> None:
    """The published set, when it lies beside the repository: nothing fails, and what `wire` reads is not skipped."""
    folder = Path(__file__).parents[4] / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no vectors beside the repository")
    report = json.loads(miyun("selftest", "--vectors", str(folder), "--json").stdout)
    assert report["failed"] == 0
    read = {entry["file"]: entry for entry in report["files"] if entry["provider"] == "portable"}
    for file in ("sm2_certificates.json", "sm2_csr.json", "gm_cms.json"):
        assert read[file]["passed"] and not read[file]["skipped"]


def test_a_certificate_vector_whose_verdict_is_turned_around_fails() -> None:
    folder = Path(__file__).parents[4] / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip("no vectors beside the repository")
    for file in ("sm2_certificates.json", "sm2_csr.json"):
        for vector in json.loads((folder / file).read_text("utf-8"))["vectors"]:
            check = vectors.certificate if "cert_der" in vector else vectors.request
            check(vector)
            with pytest.raises(GmError):
                check(vector | {"signature_valid": not vector["signature_valid"]})


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "profile.toml"
    file.write_text('[default]\nurl = "https://miyun.test"\naccess_key = "ak_1"\nsecret_key = "the secret"\n')
    file.chmod(0o600)
    for name in list(os.environ):
        if name.startswith("MIYUN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MIYUN_PROFILE", str(file))
    return file


def test_a_profile_that_others_may_read_is_refused(profile: Path) -> None:
    profile.chmod(0o640)
    with pytest.raises(Problem) as refusal:
        load_profile("default")
    assert refusal.value.exit_code == Exit.DENIED


def test_the_environment_overrides_the_profile_and_secrets_are_in_no_repr(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIYUN_ACCESS_KEY", "ak_2")
    loaded = load_profile("default")
    assert (loaded.access_key, loaded.secret_key) == ("ak_2", "the secret")
    assert "the secret" not in repr(loaded)


def test_a_profile_is_one_of_the_file_or_one_that_somebody_signed_in_under(profile: Path) -> None:
    with pytest.raises(Problem, match=r"\[audit\].*default"):
        load_profile("audit")
    signed_in = replace(load_profile("audit", new=True), url="https://other.test", authority="ca.pem")
    keep_session("audit", signed_in, "the session")
    found = load_profile("audit")
    assert (found.url, found.session) == ("https://other.test", "the session")
    assert found.authority == str(Path("ca.pem").absolute()), "wherever it is called from"
    assert load_profile("audit", {"MIYUN_URL": "https://third.test"}, profile).session is None, "not at another address"
    assert "the session" not in repr(found)


def test_no_command_takes_a_secret_as_an_option() -> None:
    for command in COMMANDS:
        text = CliRunner().invoke(root, [command, "--help"]).output.lower()
        assert "--secret" not in text and "--password" not in text


class Platform:
    """Stands in for the platform behind the SDK."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        original = httpx.Client

        def handle(request: httpx.Request) -> httpx.Response:
            request.read()
            self.requests.append(request)
            return answer

        monkeypatch.setattr(sdk.httpx, "Client", lambda **options: original(transport=httpx.MockTransport(handle)))


def test_an_operation_is_called_with_typed_values(
    profile: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform = Platform(monkeypatch, httpx.Response(200, json={"token": "x"}))
    digest = tmp_path / "digest.bin"
    digest.write_bytes(bytes(32))
    answer = CliRunner().invoke(
        root, ["api", "timestamp", "issue", "--digest", f"@{digest}", "--include-certificate", "true"]
    )
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.output) == {"token": "x"}
    body = json.loads(platform.requests[0].content)
    assert body == {"digest": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "include_certificate": True}
    assert platform.requests[0].headers["authorization"].startswith("MIYUN1-HMAC-SM3 Credential=ak_1,")


@pytest.mark.parametrize(("status", "code"), [(400, Exit.FAILED), (403, Exit.DENIED), (503, Exit.UNAVAILABLE)])
def test_a_refusal_ends_the_command_with_its_exit_code(
    profile: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: Exit
) -> None:
    monkeypatch.setattr(sdk.time, "sleep", lambda seconds: None)
    problem = {"code": "SomeError", "detail": "why", "remedy": "what to do"}
    Platform(monkeypatch, httpx.Response(status, json=problem))
    answer = CliRunner().invoke(root, ["api", "timestamp.status"])
    assert answer.exit_code == code
    assert "SomeError: why what to do" in answer.output


def test_platform_errors_of_local_commands_have_exit_codes_too() -> None:
    assert status_exit(PermissionDenied.status) is Exit.DENIED
    assert status_exit(Unavailable.status) is Exit.UNAVAILABLE


def test_a_database_that_is_not_there_is_named_with_the_setting(tmp_path: Path) -> None:
    dsn = "postgresql+psycopg://nobody:hush@127.0.0.1:1/miyun"
    run = miyun("--lang", "en", "serve", MIYUN_HOME=str(tmp_path / "home"), MIYUN_DATABASE__DSN=dsn)
    assert run.returncode == Exit.UNAVAILABLE
    assert "127.0.0.1:1/miyun" in run.stderr and "refused" in run.stderr and "database.dsn" in run.stderr
    assert "hush" not in run.stderr


def test_a_database_of_a_kind_that_is_not_served_is_refused_without_repeating_its_password(tmp_path: Path) -> None:
    dsn = "mysql://nobody:hush@127.0.0.1/miyun"
    run = miyun("--lang", "en", "serve", MIYUN_HOME=str(tmp_path / "home"), MIYUN_DATABASE__DSN=dsn)
    assert run.returncode == Exit.FAILED
    assert "postgresql://" in run.stderr and "hush" not in run.stderr and "Traceback" not in run.stderr


def test_a_reader_that_goes_away_ends_the_command_without_complaint() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "miyun.edge.cli", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stdout and command.stderr
    command.stdout.close()
    assert "Internal error" not in command.stderr.read()
    command.wait()


def test_a_script_gives_a_secret_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a secret with blanks \n"))
    assert ask_secret("口令", "Password") == "a secret with blanks "
    with pytest.raises(Problem) as refusal:
        ask_secret("口令", "Password")  # and there is no more of it
    assert refusal.value.exit_code == Exit.USAGE
