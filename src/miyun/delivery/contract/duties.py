"""Obligations and penalties: a table of the forms of words such contracts use, each with who owes what by when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from miyun.delivery.contract.amounts import to_fen
from miyun.delivery.contract.clauses import Clause, ClauseTree
from miyun.delivery.contract.deadlines import find_deadline
from miyun.delivery.contract.model import DayKind, Deadline, Duty, Obligation, Penalty, Side, StatedAmount
from miyun.delivery.contract.money import percents
from miyun.delivery.contract.text import half_width

_C, _S, _B = Side.CLIENT, Side.SUPPLIER, Side.BOTH
_NUM = r"(?P<n>\d+(?:\.\d+)?|[一二三四五六七八九十两]{1,3})"


@dataclass(frozen=True, slots=True)
class _Form:
    """One form of words. `anchor` gives the deadline's event; `once` keeps only the first clause that has it."""

    duty: Duty
    who: Side
    pattern: str
    unit: str = ""
    anchor: str | None = None
    once: bool = True
    scope: str = "any"
    not_in: str = r"违约金|视为?乙方严重违约"
    confidence: float = 0.9


_FORMS = (
    _Form(
        Duty.ONSITE_ARRIVAL,
        _S,
        rf"{_NUM}\s*个?小时(?:之?内|以内)?[^，。；]{{0,6}}(?:到达|抵达|赶到|到)[^，。；]{{0,4}}现场",
        "小时",
        "request",
    ),
    _Form(
        Duty.SOLUTION_PROPOSAL,
        _S,
        rf"{_NUM}\s*个?小时(?:之?内|以内)[^，。；]{{0,4}}(?:提出|提供|给出|出具)[^，。；]{{0,8}}(?:解决方案|处理方案|方案)",
        "小时",
        "request",
    ),
    _Form(
        Duty.SERVICE_RESTORATION,
        _S,
        rf"{_NUM}\s*个?小时(?:之?内|以内)[^，。；]{{0,8}}(?:恢复|修复|排除|解决故障|解决问题)",
        "小时",
        "request",
    ),
    _Form(
        Duty.RESPONSE,
        _S,
        rf"{_NUM}\s*个?小时(?:之?内|以内)[^，。；]{{0,6}}(?:响应|应答)",
        "小时",
        "request",
    ),
    _Form(
        Duty.RESPONSE,
        _S,
        rf"{_NUM}\s*分钟(?:之?内|以内)[^，。；]{{0,6}}(?:响应|应答)",
        "分钟",
    ),
    _Form(
        Duty.AVAILABILITY,
        _S,
        r"可用(?:性|率|度)[^。；]{0,20}?(?P<n>\d+(?:\.\d+)?)\s*%",
        "%",
    ),
    _Form(Duty.SUPPORT_HOURS, _S, r"(?:7\s*[*×xX]\s*24|全天候|每周七天)", "7×24"),
    _Form(Duty.HOTLINE, _S, rf"{_NUM}\s*个?小时[^，。；]{{0,4}}(?:热线|电话)", "小时"),
    _Form(Duty.EVENT_ASSURANCE, _S, r"(?:重要事件|重大活动|重要时期|重保)[^。；]{0,12}(?:现场|保障|值守)"),
    _Form(Duty.EMERGENCY_STRATEGY, _S, r"(?:应急响应策略|应急响应预案|制[定订][^。；]{0,8}应急预案)"),
    _Form(
        Duty.CHANGE_REPLY,
        _S,
        rf"{_NUM}\s*个?(?:工作日|日|天)(?:之?内|以内)?[^。；]{{0,10}}(?:书面)?(?:回复|答复)",
        "工作日",
        "change_request",
    ),
    _Form(
        Duty.CHANGE_WRITTEN,
        _B,
        r"(?:变更|修改|修正)[^。；]{0,24}(?:签订|签署|订立)[^。；]{0,12}补充协议|(?:变更|修改|修正)[^。；]{0,20}书面(?:同意|协议)",
    ),
    _Form(Duty.TRAINING, _S, r"(?:免费|无偿)[^。；]{0,10}培训|培训[^。；]{0,20}(?:免费|不另行?收费)"),
    _Form(
        Duty.TRAINING_PLAN,
        _S,
        rf"培训(?:开展|开始|实施)?前\s*{_NUM}\s*(?:个工作)?[日天]|提前\s*(?P<m>\d+)\s*(?:个工作)?[日天][^。；]{{0,10}}提[交供][^。；]{{0,6}}培训(?:方案|计划)",
        "日",
        "training",
    ),
    _Form(
        Duty.TRAINING_ADJUSTMENT,
        _C,
        rf"培训[^。；]{{0,16}}提前\s*{_NUM}\s*(?:个工作)?[日天][^。；]{{0,4}}(?:通[知报]|告知)",
        "日",
        "training",
    ),
    _Form(
        Duty.ACCEPTANCE_START,
        _C,
        rf"{_NUM}\s*个?(?:工作日|日|天)(?:之?内|以内)?[^。；]{{0,6}}(?:开始|组织|进行|启动)[^。；]{{0,12}}验收",
        "工作日",
    ),
    _Form(Duty.ACCEPTANCE_REPORT, _S, r"(?:提交|提供|出具)[^。；]{0,8}验收(?:报告|材料|文档|资料)"),
    _Form(Duty.ACCEPTANCE_REQUEST, _S, r"(?:提出|提交|递交)[^。；]{0,8}验收(?:的)?(?:书面)?申请"),
    _Form(Duty.RECTIFICATION, _S, r"验收[^。；]{0,6}(?:不合格|未通过|不通过)[^。；]{0,30}(?:整改|修改|补救|返工)"),
    _Form(Duty.TECHNICAL_DOCUMENTS, _S, r"(?:提交|提供|交付)[^。；]{0,10}(?:技术文档|操作手册|用户手册|技术资料)"),
    _Form(Duty.DOCUMENT_FORM, _S, r"(?:交付形式|电子(?:文档|版)[^。；]{0,6}纸(?:介质|质))"),
    _Form(
        Duty.DOCUMENT_COPIES,
        _S,
        rf"交付份数\s*[:：]?\s*{_NUM}\s*[份套]|(?:文档|资料|文件)[^。；]{{0,10}}一式\s*(?P<m>[一二两三四五六七八九十壹贰叁肆伍陆柒捌玖拾\d]+)\s*[份套]",
        "份",
    ),
    _Form(Duty.NO_SUBCONTRACTING, _S, r"(?:不允许|不得|禁止|严禁)[^。；]{0,24}(?:分包|转包)"),
    _Form(Duty.NO_ASSIGNMENT, _S, r"不得[^。；]{0,24}转让"),
    _Form(
        Duty.INVOICE_FIRST,
        _S,
        r"(?:支付|付款)[^。；]{0,14}(?:前|之前)[^。；]{0,30}(?:提供|开具|提交)[^。；]{0,30}发票|收到[^。；]{0,12}发票[^。；]{0,12}(?:后|起)[^。；]{0,20}(?:支付|付款)",
    ),
    _Form(
        Duty.BANK_CHANGE_NOTICE,
        _S,
        rf"(?:账户|账号|帐户|帐号|开户)[^。；]{{0,60}}前\s*(?:至少)?\s*{_NUM}\s*个?(?:工作日|日|天)",
        "日",
        "payment_due",
    ),
    _Form(Duty.PAYMENT_RESTRICTED, _C, r"支付受限[^。]{0,60}"),
    _Form(Duty.PRICE_ADJUSTMENT, _B, r"(?:预算)[^。；]{0,24}调整[^。；]{0,8}(?:合同)?(?:尾款|金额|价款)"),
    _Form(
        Duty.FIXED_PRICE,
        _S,
        r"(?:固定总?价|全部费用|包干|无权要求[^。；]{0,14}(?:其他|任何)[^。；]{0,4}费用|不再(?:另行)?支付)",
    ),
    _Form(Duty.NO_SUSPENSION, _S, r"资金[^。；]{0,10}不能及时到位|不得[^。；]{0,20}(?:停止|中断|暂停)[^。；]{0,6}服务"),
    _Form(
        Duty.STAFF_CHANGE_LIMIT,
        _S,
        rf"人员[^。；]{{0,20}}(?:不得|不)超过[^。；]{{0,12}}?{_NUM}\s*[%％]",
        "%",
        scope="not_breach",
    ),
    _Form(
        Duty.STAFF_CONSENT,
        _S,
        r"未(?:经|征得)[^。；]{0,12}(?:书面)?同意[^。；]{0,20}更换",
        scope="not_breach",
        once=False,
    ),
    _Form(
        Duty.STAFF_CHANGE_NOTICE,
        _S,
        rf"更换[^。；]{{0,12}}人员[^。；]{{0,14}}提前\s*{_NUM}\s*个?(?:工作日|日|天)",
        "日",
        "staff_change",
        scope="not_breach",
    ),
    _Form(Duty.STAFF_REPLACEMENT, _S, r"(?:不能满足要求|不胜任|能力不足)[^。；]{0,14}更换"),
    _Form(
        Duty.CONFIDENTIALITY,
        _S,
        r"乙方对[^。；]{0,40}保密|乙方(?:应|须|应当)(?:予以)?[^。，；]{0,40}(?:保密|保守)|乙方(?:同意|承诺)[^。]{0,160}予以保密|乙方[^。，；]{0,40}(?:负|承担)[^。，；]{0,4}保密(?:责任|义务)",
    ),
    _Form(Duty.CONFIDENTIALITY, _C, r"甲方予以保密|甲方(?:同意|承诺|应当?|须)[^。]{0,160}予以保密"),
    _Form(
        Duty.CONFIDENTIALITY_TERM,
        _S,
        r"保密(?:责任|义务|期限)[^。；]{0,10}(?:长期有效|永久|无限期|不因[^。；]{0,20}终止|[为至]\s*\d+\s*年)",
    ),
    _Form(Duty.ACCESS_SCOPE, _S, r"使用权限[^。；]{0,20}|不能将保密信息透露给[^。；]{0,24}"),
    _Form(Duty.EXIT_MIGRATION, _S, r"(?:数据|信息系统)[^。；]{0,12}(?:迁出|迁移)[^。；]{0,30}"),
    _Form(
        Duty.RETURN_OR_DESTROY,
        _S,
        r"(?:归还|交回|返还)[^。；]{0,10}(?:或)?(?:销毁)?[^。；]{0,16}(?:资料|信息|材料)|销毁[^。；]{0,16}(?:资料|信息|材料|处理)",
        once=False,
    ),
    _Form(Duty.NO_IP_FILING, _S, r"不得申请[^。；]{0,20}(?:专利|商标|著作)"),
    _Form(Duty.IP_OWNERSHIP, _S, r"(?:知识产权|成果|著作权)[^。；]{0,30}(?:归|属于?)[^。；]{0,4}(?:甲方|采购人|买方)"),
    _Form(Duty.SECURITY_BOUNDARY, _S, r"乙方承担[^。；]{0,60}安全责任"),
    _Form(Duty.SECURITY_BOUNDARY, _C, r"甲方承担[^。；]{0,60}安全责任"),
    _Form(
        Duty.SECURITY_REVIEW,
        _S,
        r"(?:落实并)?通过[^。；]{0,14}(?:网络安全审查|安全测评|等级保护测评|密码应用安全性评估)",
    ),
    _Form(Duty.EMERGENCY_DRILL, _S, r"(?:配合|开展)[^。；]{0,16}应急演练", once=False),
    _Form(Duty.EMERGENCY_DRILL, _C, r"甲方(?:负责)?组织[^。；]{0,12}应急演练"),
    _Form(Duty.THIRD_PARTY_TEST, _C, r"第三方[^。；]{0,8}(?:验收)?测试"),
    _Form(Duty.COOPERATION, _S, r"与其他(?:承担|承建|相关)?单位[^。；]{0,10}(?:共同|配合|协作)"),
    _Form(Duty.FORCE_MAJEURE, _B, r"不可抗力[^。；]{0,40}(?:免除|通知|证明)"),
    _Form(Duty.BREACH_NOTICE, _B, r"书面违约通知|违约[^。；]{0,10}书面通知"),
    _Form(Duty.RESCISSION_NOTICE, _C, r"解除[^。；]{0,12}书面通知[^。；]{0,10}(?:到达|送达)|书面通知[^。；]{0,8}解除"),
    _Form(Duty.LANGUAGE, _B, r"(?:以|使用|采用)中文"),
)
_COMPILED = tuple((form, re.compile(form.pattern)) for form in _FORMS)
_BEFORE = (Duty.TRAINING_PLAN, Duty.TRAINING_ADJUSTMENT, Duty.BANK_CHANGE_NOTICE, Duty.STAFF_CHANGE_NOTICE)
_DOC_TITLE = re.compile(
    r"交付内容|交付文[档件]|提交的?(?:文件|文档|资料)(?:包括|如下)|交付(?:的)?(?:文件|文档|成果)(?:包括|如下|清单)"
)
_BREACH_TITLE = re.compile(r"违约|赔偿|责任追究")
_ROLE = {
    "甲方": r"采购人|采购方|买方|需方|委托方|委托人|发包人",
    "乙方": r"供应商|供方|卖方|受托方|承包人|服务方|中标人",
}
_CN_SMALL = {c: v for v, c in enumerate("零一二三四五六七八九十")} | {"两": 2}
_RATE = re.compile(
    r"(?P<n>\d+(?:\.\d+)?)\s*(?P<sign>[%％‰])|(?P<words>万分之|千分之|百分之)(?P<w>[一二三四五六七八九十]+|\d+)"
)
_BASE = (
    ("total", r"合同(?:总)?(?:额|价款?|金额|总额|价格)|服务费(?:总额|金额)?|总价"),
    ("overdue", r"(?:逾期|未付|应付|延期)[^，。；]{0,6}(?:款项?|金额|部分)"),
)


def read_obligations(tree: ClauseTree) -> tuple[Obligation, ...]:
    """Every duty whose form of words is known, in order of the text."""
    found: list[Obligation] = []
    seen: set[tuple[Duty, Side]] = set()
    for clause in tree.clauses:
        if clause.kind == "root":
            continue
        breach = any(_BREACH_TITLE.search(t) for t in clause.titles)
        for paragraph in clause.paragraphs:
            plain = _roles(half_width(paragraph))
            for form, pattern in _COMPILED:
                if form.scope == "not_breach" and breach:
                    continue
                if form.once and (form.duty, form.who) in seen:
                    continue
                match = pattern.search(plain)
                if match is None or re.search(form.not_in, plain):
                    continue
                seen.add((form.duty, form.who))
                found.append(_obligation(form, match, plain, paragraph, clause))
        documents = _documents(clause)
        if documents is not None:
            found.append(documents)
    return tuple(found)


def _roles(text: str) -> str:
    for word, others in _ROLE.items():
        text = re.sub(others, word, text)
    return text


def _obligation(form: _Form, match: re.Match[str], plain: str, paragraph: str, clause: Clause) -> Obligation:
    groups = match.groupdict()
    written = groups.get("n") or groups.get("m")
    number = _small(written) if written else None
    deadline, unit = None, form.unit
    if form.duty is Duty.ACCEPTANCE_START:
        deadline = find_deadline(plain)
    elif form.anchor is not None and number is not None:
        kind = DayKind.HOUR if form.unit == "小时" else DayKind.DAY
        if "工作日" in match.group():
            kind = DayKind.WORKING_DAY
        before = form.duty in _BEFORE
        deadline = Deadline(int(number), kind, form.anchor, before)
    if deadline is not None and deadline.unit is not DayKind.HOUR:
        unit = "工作日" if deadline.unit is DayKind.WORKING_DAY else "日"
    return Obligation(
        form.duty, form.who, number, unit, deadline, (), clause.label, _sentence(paragraph, match), form.confidence
    )


def _sentence(paragraph: str, match: re.Match[str]) -> str:
    """The sentence around the match; widths are equal in both texts, role words may differ in length."""
    for sentence in re.split(r"(?<=[。；])", paragraph):
        if match.group()[:6] in _roles(half_width(sentence)):
            return sentence.strip()
    return paragraph


def _small(written: str) -> Decimal | None:
    if re.fullmatch(r"\d+(?:\.\d+)?", written):
        return Decimal(written)
    tens, ten, ones = written.rpartition("十")
    if not ten:
        return Decimal(_CN_SMALL[written]) if written in _CN_SMALL else None
    high, low = (_CN_SMALL.get(tens) if tens else 1), (_CN_SMALL.get(ones) if ones else 0)
    return None if high is None or low is None else Decimal(high * 10 + low)


def _documents(clause: Clause) -> Obligation | None:
    """The list of papers to deliver: the lines after 「交付内容」, or what stands after the colon."""
    paragraphs = clause.paragraphs
    start = next((i for i, p in enumerate(paragraphs) if _DOC_TITLE.search(p)), None)
    if start is None:
        return None
    items = [
        re.sub(r"^[-•·●]\s*", "", p).rstrip("；;。")
        for p in paragraphs[start + 1 :]
        if len(p) <= 30 and not p.endswith(("：", ":"))
    ]
    items += [
        re.sub(r"^\s*[（(]?\d+[)）.、]\s*", "", p).rstrip("；;。")
        for c in clause.children
        for p in c.paragraphs
        if len(p) <= 34
    ]
    if not items:
        tail = re.split(r"[：:]|包括(?:但不限于)?", paragraphs[start])[-1]
        items = [i for i in re.split(r"[、，,；;]|以及|和", tail.rstrip("。")) if 2 <= len(i.strip()) <= 20]
    if not items:
        return None
    return Obligation(
        Duty.DOCUMENTS, Side.SUPPLIER, None, "", None, tuple(i.strip() for i in items), clause.label, clause.text, 0.9
    )


def read_penalties(tree: ClauseTree, total: StatedAmount | None) -> tuple[Penalty, ...]:
    """违约金 by rate; `amount` only where the base is the contract's total."""
    found: list[Penalty] = []
    for clause in tree.clauses:
        for paragraph in clause.paragraphs:
            plain = _roles(half_width(paragraph))
            if "违约金" not in plain and not re.search(r"每[逾迟延]|每日|每天", plain):
                continue
            for sentence in re.split(r"(?<=[。；])", plain):
                if "违约金" in sentence or re.search(r"逾期|迟延|延迟", sentence):
                    found.extend(_penalties(sentence, clause, paragraph, total))
    return tuple(found)


def _penalties(sentence: str, clause: Clause, paragraph: str, total: StatedAmount | None) -> list[Penalty]:
    found = []
    for match in _RATE.finditer(sentence):
        rate = _rate(match)
        near = sentence[max(0, match.start() - 24) : match.start()]
        based = [(name, found_base[-1]) for name, pattern in _BASE if (found_base := re.findall(pattern, near))]
        base, words = based[-1] if based else ("", "")
        if rate is None or not base or "税" in near:
            continue
        daily = re.search(r"每(?:逾期|迟延|延迟|延误)?[一1]?[日天]", sentence) is not None
        cap = re.search(r"不超过|最高|上限|以[^，。]{0,8}为限", near) is not None
        amount = None
        if base == "total" and total is not None and total.amount is not None:
            amount = to_fen(total.amount * rate / 100)
        found.append(
            Penalty(
                kind="delay" if daily else "breach",
                who=Side.CLIENT if re.search(r"甲方(?:[^，。；]{0,10})(?:逾期|迟延|延迟)", sentence) else Side.SUPPLIER,
                rate=rate,
                per="day" if daily and not cap else "once",
                base=base,
                base_words=words,
                cap=cap,
                amount=amount,
                triggers=tuple(child.text.rstrip("；;。") for child in clause.children if child.text),
                clause=clause.label,
                quote=paragraph,
                confidence=0.9,
            )
        )
    return found


def _rate(match: re.Match[str]) -> Decimal | None:
    if match["n"]:
        return Decimal(match["n"]) / (10 if match["sign"] == "‰" else 1)
    value = _small(match["w"])
    if value is None:
        return None
    return value / {"万分之": 100, "千分之": 10, "百分之": 1}[match["words"]]


def staff_limits(tree: ClauseTree) -> list[tuple[str, Decimal, bool, str]]:
    """(clause, percent, is a ground of breach, quote) of each limit on changes of staff."""
    found = []
    for clause in tree.clauses:
        breach = any(_BREACH_TITLE.search(t) for t in clause.titles) or any(
            "严重违约" in p for c in (clause, clause.parent) if c is not None for p in c.paragraphs
        )
        for paragraph in clause.paragraphs:
            if re.search(r"人员[^。；]{0,30}(?:更换|流失|变更|变动)", paragraph):
                for value, start, _ in percents(paragraph):
                    if re.search(r"超过|超出|高于|以上", paragraph[max(0, start - 24) : start]):
                        found.append((clause.label, value, breach, paragraph))
    return found
