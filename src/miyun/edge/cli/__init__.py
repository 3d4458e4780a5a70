"""The command `miyun`. Commands are imported when they are called, so that help answers at once."""

from __future__ import annotations

import importlib
import os

import click

from miyun.core.errors import MiyunError
from miyun.edge.cli.say import Exit, fail, fail_with, language, say

# command → (module, what it does)
COMMANDS: dict[str, tuple[str, tuple[str, str]]] = {
    "serve": ("node", ("启动平台", "Start the platform")),
    "stop": ("node", ("停止平台", "Stop the platform")),
    "status": ("node", ("查看进程与就绪状态", "Show processes and readiness")),
    "selftest": ("selftest", ("密码算法自检", "Self-test of the algorithms")),
    "contract": ("contract", ("核验、导入合同文本", "Check and import a contract's text")),
    "acceptance": ("acceptance", ("生成、校验验收资料", "Build and verify the acceptance dossier")),
    "audit": ("audit", ("离线验证审计账本", "Verify the ledger offline")),
    "evidence": ("evidence", ("离线校验签名证据", "Verify signature evidence offline")),
    "backup": ("backup", ("备份整个平台", "Back up the whole platform")),
    "restore": ("backup", ("在空机器上恢复平台", "Restore the platform on an empty machine")),
    "vsm": ("vsm", ("虚拟密码机：状态、初始化、解锁", "Cryptographic machine: status, provision, unlock")),
    "ca": ("ca", ("证书认证机构与根密钥仪式", "Certification authorities, root key ceremonies")),
    "agent": ("agent", ("密码钥匙助手：网页调用智能密码钥匙", "Key agent: web pages call USB keys")),
    "usbkey": ("usbkey", ("智能密码钥匙：写证书、解锁", "USB keys: set up, unlock")),
    "token": ("token", ("软件智能密码钥匙", "Software USB key")),
    "ssl": ("ssl", ("SSL 证书：在服务器上生成请求、部署", "SSL certificates: requests and deployment on a server")),
    "pfx": ("pfx", ("口令保护的密钥与证书文件", "Keys and certificates under a password")),
    "account": ("account", ("为无法登录的人重设口令", "Reset the password of somebody locked out")),
    "bench": ("bench", ("性能测量", "Measure performance")),
    "login": ("login", ("登录：以密钥或口令", "Sign in, with a key or a password")),
    "logout": ("login", ("退出登录", "Sign out")),
    "api": ("api", ("调用平台接口", "Call the platform's operations")),
}


class Lazy(click.Group):
    """Lists COMMANDS without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"miyun.edge.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(say("命令", "Commands")):
            formatter.write_dl([(name, say(*texts)) for name, (_, texts) in COMMANDS.items()])


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=say(
        "密云 Miyun：商用密码云。\n\n退出码：0 成功，1 失败，2 用法错误，3 无权，4 服务不可用。",
        "Miyun 密云: a commercial-cryptography cloud.\n\n"
        "Exit codes: 0 done, 1 failed, 2 usage, 3 denied, 4 unavailable.",
    ),
)
@click.option("--lang", type=click.Choice(["zh", "en"]), expose_value=False, help=say("语言", "Language"))
@click.version_option(package_name="miyun", message="%(prog)s %(version)s")
def root() -> None:
    pass


def main() -> None:
    language()
    try:
        root.main(prog_name="miyun", standalone_mode=True)
    except MiyunError as error:
        fail_with(error)
    except KeyboardInterrupt:
        fail("", Exit.FAILED)
    except Exception as error:
        if os.environ.get("MIYUN_TRACE"):
            raise
        fail(
            say(
                f"内部错误（{type(error).__name__}）。以 MIYUN_TRACE=1 重新运行可得详情，请报告给服务方。",
                f"Internal error ({type(error).__name__}). Run again with MIYUN_TRACE=1 for details and report it.",
            ),
            Exit.FAILED,
        )
