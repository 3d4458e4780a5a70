"""The papers the contract asks for, written from the facts. What was not observed is said to be so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from miyun.core.clock import SHANGHAI
from miyun.delivery.acceptance.model import Facts
from miyun.delivery.acceptance.paper import Paper
from miyun.delivery.records import DELIVERY, SIDES, STATES, STEPS, Record, State, Step

_NOT_CONTRACTUAL: Final = "合同未约定"


def _paper(facts: Facts, title: str) -> Paper:
    paper = Paper(title, rehearsal=facts.rehearsal, at=facts.generated_at)
    start, end = facts.contractual_term
    rows = [
        ("合同名称", facts.title),
        ("合同编号（平台）", facts.contract_id),
        ("甲方", str(facts.party("client").get("name") or "")),
        ("乙方", str(facts.party("supplier").get("name") or "")),
        ("合同约定服务期", f"{start or _NOT_CONTRACTUAL} 至 {end or _NOT_CONTRACTUAL}"),
    ]
    if facts.rehearsal:
        rows.append(("演练服务期", f"{facts.effective_term[0]} 至 {facts.effective_term[1]}"))
    rows.append(("生成时间", _local(facts.generated_at)))
    paper.facts(rows)
    return paper


def _local(at: datetime) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S（北京时间）")


def _services(paper: Paper, facts: Facts) -> None:
    rows = [
        (
            i.line,
            i.name,
            f"{i.quantity:g} {i.unit}",
            f"{i.hourly_capacity} 次/钟点" if i.hourly_capacity else _NOT_CONTRACTUAL,
            i.instance,
        )
        for i in facts.instances
    ]
    paper.table(("合同服务名称", "平台服务", "数量", "容量", "服务实例"), rows)


def _usage(paper: Paper, facts: Facts, start: date | None = None, end: date | None = None) -> None:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in facts.usage:
        day = datetime.fromisoformat(str(row["window"])).astimezone(SHANGHAI).date()
        if (start is None or day >= start) and (end is None or day < end):
            total = sums[str(row["instance"]), str(row["meter"])]
            for at, name in enumerate(("units", "refused", "over")):
                total[at] += int(row[name])
    names = {i.instance: i.line for i in facts.instances}
    rows = [
        (names.get(instance, instance), meter, str(u), str(r), str(o))
        for (instance, meter), (u, r, o) in sorted(sums.items())
    ]
    paper.table(("服务", "计量项", "用量", "拒绝次数", "超额（允许并报告）"), rows, empty="（本期无用量）")


def _levels(paper: Paper, facts: Facts) -> None:
    rows = [
        (
            level.name.zh,
            level.target + ("" if level.contractual else f"（{_NOT_CONTRACTUAL}，平台默认）"),
            level.measured,
            level.note.zh,
        )
        for level in facts.levels
    ]
    paper.table(("指标", "目标", "实测", "说明"), rows)


def _incidents(paper: Paper, facts: Facts, start: date | None = None, end: date | None = None) -> None:
    rows = [
        (_local(i.began), _local(i.ended) if i.ended else "未恢复", i.what, str(i.requests_failed))
        for i in facts.incidents
        if (start is None or i.began.astimezone(SHANGHAI).date() >= start)
        and (end is None or i.began.astimezone(SHANGHAI).date() < end)
    ]
    paper.table(("开始", "恢复", "现象", "受影响请求数"), rows, empty="（平台监测未发现故障）")


def summary(facts: Facts) -> bytes:
    paper = _paper(facts, "项目总结报告")
    paper.section("项目概况")
    paper.text(
        f"本项目为{facts.title or '本合同'}，乙方依据合同向甲方提供密码云服务，合同总价"
        f"{facts.contract.get('total') or _NOT_CONTRACTUAL}元。本报告由平台依据运行中实际产生的记录生成。"
    )
    paper.section("服务开通情况")
    _services(paper, facts)
    paper.section("应用接入情况")
    paper.table(
        ("应用", "接入服务", "次数"),
        [(str(a["name"]), "、".join(a["services"]), str(len(a["services"]))) for a in facts.applications],
    )
    paper.section("服务用量")
    _usage(paper, facts)
    paper.section("服务水平")
    _levels(paper, facts)
    paper.section("合同文本核验发现")
    paper.text("下列事项系对合同文本的核对结果，仅供双方确认；平台不代为解释，价款变更须另签书面补充协议。")
    paper.table(
        ("条款", "级别", "发现"), [(str(f["clause"]), str(f["severity"]), str(f["message"])) for f in facts.findings]
    )
    paper.section("履约义务与完成情况")
    _obligations(paper, facts)
    paper.section("局限")
    paper.text("平台密码模块为未经认证的软件密码模块，未取得商用密码产品认证证书；密评中密钥管理得分受此限制。")
    return paper.to_bytes()


def _obligations(paper: Paper, facts: Facts) -> None:
    rows = [
        (
            str(o["clause"]),
            str(o["what"]),
            str(o.get("contractual_date") or "—"),
            str(o.get("date") or "—"),
            str(o["state"]),
            _done_on(facts, str(o.get("item")), Step.DONE),
        )
        for o in facts.obligations
    ]
    paper.table(("条款", "事项", "合同日期", "演练日期" if facts.rehearsal else "日期", "状态", "完成日期"), rows)
    paper.section("履约书面文件")
    titles = {str(o.get("item")): str(o["what"]) for o in facts.obligations}
    paper.table(
        ("事项", "步骤", "一方", "书面文件", "送达方式与到达时间", "状态", "扫描件 SM3"),
        [
            (
                titles.get(record.item, record.item),
                STEPS[record.step].zh,
                SIDES[record.side].zh,
                record.paper,
                f"{DELIVERY[record.delivered_by].zh}，{_local(record.arrived_at)}",
                STATES[record.state].zh,
                record.digest,
            )
            for record, _ in facts.papers
        ],
    )


def _standing(facts: Facts, item: str, step: Step) -> Record | None:
    """The record of a step that counts."""
    found = [r for r, _ in facts.papers if r.item == item and r.step is step and r.state is State.STANDS]
    return found[-1] if found else None


def _done_on(facts: Facts, item: str, step: Step) -> str:
    record = _standing(facts, item, step)
    return str(record.done_on) if record else "—"


def _periods(start: date, end: date, step: Callable[[date], date]) -> list[tuple[date, date]]:
    periods, at = [], start
    while at <= end:
        following = step(at)
        periods.append((at, min(following, end + timedelta(days=1))))
        at = following
    return periods


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _next_week(day: date) -> date:
    return day + timedelta(days=7 - day.weekday())


def _periodic(facts: Facts, title: str, step: Callable[[date], date]) -> bytes:
    paper = _paper(facts, title)
    today = facts.generated_at.astimezone(SHANGHAI).date()
    start = facts.effective_term[0]
    observed = sorted(datetime.fromisoformat(str(r["window"])).astimezone(SHANGHAI).date() for r in facts.usage)
    quiet = 0
    for begin, end in _periods(start, min(today, facts.effective_term[1]), step):
        busy = any(begin <= day < end for day in observed) or begin <= today < end
        if not busy:
            quiet += 1
            continue
        paper.section(f"{begin} 至 {end - timedelta(days=1)}")
        paper.text("服务用量：")
        _usage(paper, facts, begin, end)
        paper.text("故障与异常：")
        _incidents(paper, facts, begin, end)
    paper.section("说明")
    paper.text(
        f"其余 {quiet} 个周期平台无任何运行记录（演练或尚未使用），未逐期列示。" if quiet else "各周期均已列示。"
    )
    return paper.to_bytes()


def weekly(facts: Facts) -> bytes:
    return _periodic(facts, "运行周报", _next_week)


def monthly(facts: Facts) -> bytes:
    return _periodic(facts, "运行月报", _next_month)


_RESPONSE = (
    "support_hours",
    "hotline",
    "response",
    "onsite_arrival",
    "solution_proposal",
    "service_restoration",
)


def _duties(facts: Facts, kinds: Sequence[str]) -> list[Mapping[str, Any]]:
    return [duty for kind in kinds for duty in facts.contract.get("obligations", ()) if duty["kind"] == kind]


def _written(facts: Facts, subject: str, *kinds: str) -> list[str]:
    """The contract's own words with their clauses; a contract that has none is said to have none."""
    numbered = re.compile(r"^(?:[（(]\d{1,2}[）)]|\d{1,2}[.．、])\s*")
    words = [
        f"{numbered.sub('', ' '.join(duty['quote'].split()))}（合同{duty['clause']}）" for duty in _duties(facts, kinds)
    ]
    return list(dict.fromkeys(words)) or [f"{subject}：合同未约定。"]


def _by_clause(facts: Facts, *kinds: str) -> str:
    duties = _duties(facts, kinds)
    return f"依合同{duties[0]['clause']}" if duties else "依合同"


def faults(facts: Facts) -> bytes:
    paper = _paper(facts, "故障处理报告")
    paper.section("监测方式")
    paper.text("平台作业进程每分钟经对外地址探测一次服务可用性；每一次失败的业务请求（5xx）均记入账本。")
    paper.section("故障清单")
    _incidents(paper, facts)
    paper.section("责任边界")
    paper.items(_written(facts, "责任边界", "security_boundary"))
    return paper.to_bytes()


def emergency_plan(facts: Facts) -> bytes:
    paper = _paper(facts, "应急预案")
    paper.section("组织与响应时限")
    paper.items(
        (
            *_written(facts, "响应时限", *_RESPONSE),
            "任一事件先判定责任方（见故障处理报告之责任边界），再处置；书面通知以盖章纸件或其扫描件为准。",
        )
    )
    paper.section("场景与处置")
    paper.table(
        ("场景", "平台自动行为", "人工处置"),
        (
            (
                "密码机进程异常",
                "监督进程自动重启；自检不通过则拒绝服务；密钥以密文存储，不丢失",
                "miyun status；查看 log/vsm.log",
            ),
            ("账本进程异常", "自动重启，依检查点重放；已应答的记录不丢失", "miyun audit verify"),
            ("存储空间不足", "拒绝新操作并明确报错，已应答的不受影响", "扩容后自动恢复"),
            ("时间源偏差超限", "停止签发时间戳（timeNotAvailable）", "校时后自动恢复；漂移记录在案"),
            ("整机损毁", "—", "miyun restore：以备份与口令在空机恢复，密钥、账本、应答一致"),
            ("密钥或凭证泄露", "吊销即刻生效（各进程确认）", "租户安全管理员停用密钥、吊销凭证与证书"),
        ),
    )
    paper.section("演练")
    paper.items(_written(facts, "应急演练", "emergency_drill"))
    return paper.to_bytes()


def event_plan(facts: Facts) -> bytes:
    paper = _paper(facts, "重保方案")
    paper.section("适用")
    paper.text("甲方认定的重要事件，如开标日、重大会议、节假日。")
    paper.items(_written(facts, "重保", "event_assurance"))
    paper.section("措施")
    paper.items(
        (
            "事前：核对各服务当钟点余量与历史峰值，备份并校验一次，运行算法自检与账本校验。",
            "事中：现场值守；冻结变更；每小时核对用量、拒绝次数与时间源漂移。",
            "事后：出具用量、服务水平与异常清单，归入月报。",
        )
    )
    paper.section("各服务容量")
    _services(paper, facts)
    return paper.to_bytes()


def technical(facts: Facts) -> bytes:
    paper = _paper(facts, "技术文档")
    paper.section("体系结构")
    paper.text(
        "平台由监督进程统管：密码机（VSM）进程独占明文密钥；账本进程独占哈希链、配额与幂等；接入进程执行统一流水线；"
        "监听进程仅持 TLS 密钥；作业进程执行周期任务。任何操作先鉴别、授权、核对权益与配额，再执行，落账后方应答。"
    )
    paper.section("运行环境")
    paper.facts(sorted(facts.platform.items()))
    paper.section("密钥管理")
    paper.text("密钥以 SM4-GCM 封装，关联数据含租户、密钥、版本与状态；私钥不出密码机进程。")
    paper.section("密码算法符合性自检")
    failed = facts.selftest.get("failed", "未执行")
    paper.text(f"自检不符项：{failed}。明细见 evidence/selftest.json。")
    paper.section("证据校验")
    paper.text("执行 miyun acceptance verify 目录，可离线校验全部文件的 SM3、清单签名、时间戳与账本证明。")
    return paper.to_bytes()


def manual(facts: Facts) -> bytes:
    paper = _paper(facts, "云平台用户操作手册")
    paper.section("登录控制台")
    paper.items(("以一次性口令首次登录，按提示修改口令。", "右上角切换中文/英文、高对比与大字号。"))
    paper.section("应用接入")
    paper.items(
        (
            "租户系统管理员在“应用接入”中登记应用，勾选要接入的服务。",
            "平台签发访问密钥（AK/SK，仅显示一次）与单用途凭证，并给出每个服务可直接运行的 curl 命令。",
            "点击“连通检查”，全部通过即接入完成；接入次数按 应用×服务 计。",
        )
    )
    paper.section("各服务用法")
    paper.table(("服务", "入口"), [(i.line, f"/v1/{i.offering}，参考页 /reference") for i in facts.instances])
    paper.section("查看用量与余量")
    paper.text("控制台“已购、已用、剩余、待办”页显示各服务本钟点用量与 70%、90% 预警。")
    paper.section("出错时")
    paper.text("每个错误均给出错误码、原因、处理办法与请求编号；请凭请求编号联系乙方。")
    return paper.to_bytes()


def request(facts: Facts) -> bytes:
    paper = _paper(facts, "验收申请")
    paper.section("申请事项")
    client = str(facts.party("client").get("name") or "甲方")
    paper.text(
        f"{client}：",
        f"我方已按合同约定提供各项服务并备齐文档，现{_by_clause(facts, 'acceptance_request')}申请验收。"
        "文档清单及其 SM3 摘要见清单文件。",
    )
    if facts.rehearsal:
        paper.text("本件为演练件，不构成合同项下的验收申请。")
    paper.section("服务清单")
    _services(paper, facts)
    paper.signatures(client, str(facts.party("supplier").get("name") or ""))
    return paper.to_bytes()


def report(facts: Facts) -> bytes:
    paper = _paper(facts, "验收报告")
    paper.section("验收依据")
    paper.text(f"{_by_clause(facts, 'acceptance_request', 'acceptance_start')}，对合同中约定的云资源及相关文档验收。")
    paper.section("服务提供情况")
    _services(paper, facts)
    _usage(paper, facts)
    paper.section("服务水平")
    _levels(paper, facts)
    paper.section("款项")
    items = {str(o.get("key")): str(o.get("item")) for o in facts.obligations}
    rows = []
    for p in facts.contract.get("payments", ()):
        item = items.get(f"payment-{p.get('number')}", "")
        paid = _standing(facts, item, Step.DONE)
        rows.append(
            (
                str(p.get("label") or p.get("number")),
                str(p.get("percent") or "—"),
                str(p.get("amount") or "—"),
                str(p.get("due") or "—"),
                _done_on(facts, item, Step.INVOICE),
                _done_on(facts, item, Step.CONFIRMATION),
                f"{paid.done_on}，{paid.amount} 元" if paid else "未登记",
            )
        )
    head = ("期次", "比例（%）", "按比例金额（元）", "合同日期", "发票", "甲方确认", "付款（对方已确认）")
    paper.table(head, rows)
    paper.text("平台仅列示，不构成付款请求；合同为固定总价。")
    paper.section("遗留问题")
    errors = [f for f in facts.findings if f["severity"] == "error"]
    paper.table(("条款", "问题"), [(str(f["clause"]), str(f["message"])) for f in errors])
    paper.section("验收意见")
    paper.text("（由甲方及专家组填写）")
    paper.signatures(str(facts.party("client").get("name") or ""), str(facts.party("supplier").get("name") or ""))
    return paper.to_bytes()


PAPERS: Final[dict[str, Callable[[Facts], bytes]]] = {
    "papers/01-项目总结报告.docx": summary,
    "papers/02-运行周报.docx": weekly,
    "papers/03-运行月报.docx": monthly,
    "papers/04-故障处理报告.docx": faults,
    "papers/05-应急预案.docx": emergency_plan,
    "papers/06-重保方案.docx": event_plan,
    "papers/07-技术文档.docx": technical,
    "papers/08-云平台用户操作手册.docx": manual,
    "papers/09-验收申请.docx": request,
    "papers/10-验收报告.docx": report,
}
