"""Who contracts: every block of the text that presents a party, under whatever words it uses."""

from __future__ import annotations

import re

from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.model import Cited, Party, PartyMention, Side
from miyun.delivery.contract.text import bare, close_gaps, half_width

CLIENT_WORDS = ("甲方", "采购人", "采购方", "买方", "需方", "委托方", "委托人", "发包人", "发包方", "购买方", "用户方")
SUPPLIER_WORDS = (
    "乙方",
    "供应商",
    "供方",
    "卖方",
    "受托方",
    "受托人",
    "承包人",
    "承包方",
    "服务方",
    "中标人",
    "服务提供方",
)
_WORD = "|".join(CLIENT_WORDS + SUPPLIER_WORDS)
_HEAD = re.compile(rf"^(?P<word>{_WORD})\s*(?:\((?P<note>[^()]*)\)|\[[^\]]*\])?\s*(?:名称)?\s*[:：]\s*(?P<name>.*)$")
_NAME_END = re.compile(
    r"\s*(?:\((?:以下|下称|简称|盖章|公章|单位|签章|签字|甲方|乙方|采购|供应)[^)]*\)?|[,，;；。]).*$"
)
_FIELDS = {
    "address": r"(?:通讯|联系|注册|单位|办公)?地\s*址|住\s*所(?:地)?|住\s*址",
    "phone": r"(?:联系)?电\s*话|联系方式|手\s*机",
    "fax": r"传\s*真",
    "postcode": r"邮\s*编|邮政编码",
    "contact": r"联\s*系\s*人|项目联系人",
    "legal_representative": r"法定代表人(?:或负责人|或授权代表)?|负责人",
    "bank": r"开\s*户\s*(?:银\s*)?行(?:名称)?",
    "account": r"(?:银行)?(?:账|帐)\s*号|(?:收款)?银行(?:账|帐)号",
    "account_name": r"户\s*名|(?:账|帐)户名称|开户名称|收款单位",
    "credit_code": r"统一社会信用代码|纳税人识别号|税\s*号",
    "email": r"电子邮[箱件]|E-?mail",
}
_FIELD = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _FIELDS.items()), re.I)
_LABEL = re.compile(rf"(?:^|(?<=\s)|(?<=[;；,，]))(?:{_FIELD.pattern})\s*(?:\([^)]*\))?\s*[:：]", re.I)


def read_parties(document: Document, tree: ClauseTree) -> tuple[Party, ...]:
    """Client first. A party's fields are those stated first; all blocks stay in `mentions`."""
    mentions: dict[Side, list[tuple[str, PartyMention]]] = {Side.CLIENT: [], Side.SUPPLIER: []}
    current: tuple[Side, PartyMention] | None = None
    last_field: str | None = None
    lines = [line for line in document.lines if line.cells is None]
    for line in lines:
        text = re.sub(r"^([甲乙买卖供需])\s+方", r"\1方", half_width(line.text).strip())
        clause = tree.label(line.number)
        if not text:
            continue
        for piece in re.split(rf"\s{{2,}}(?=(?:{_WORD})\s*[(:：])", text):
            head = _HEAD.match(piece)
            if head is not None and len(piece) < 120:
                current, last_field = _open(head, piece, clause, mentions), None
                continue
            if current is None:
                continue
            labels = list(_LABEL.finditer(piece))
            if labels and labels[0].start() == 0:
                last_field = _take_fields(piece, labels, clause, current[1])
            elif last_field == "address" and len(piece) <= 12 and not re.search(r"[:：。]", piece):
                # An address whose last words fell on the next line.
                old = current[1].fields["address"]
                joined = close_gaps(old.value + piece)
                current[1].fields["address"] = Cited(joined, old.clause, old.quote + piece, 0.9)
                last_field = None
            else:
                last_field = None
                if len(piece) > 40 or "。" in piece:
                    current = None
    _account_clause(document, tree, mentions)
    return tuple(_party(side, mentions[side]) for side in (Side.CLIENT, Side.SUPPLIER) if mentions[side])


def _open(
    head: re.Match[str], piece: str, clause: str, mentions: dict[Side, list[tuple[str, PartyMention]]]
) -> tuple[Side, PartyMention] | None:
    word = head["word"]
    side = Side.CLIENT if word in CLIENT_WORDS else Side.SUPPLIER
    labels = list(_LABEL.finditer(head["name"]))
    written = head["name"][: labels[0].start()] if labels else head["name"]
    name = close_gaps(_NAME_END.sub("", written).strip(" _＿　"))
    if not bare(name) or len(name) > 60:
        # A blank to be signed: the fields below it still belong to the party.
        known = mentions[side]
        name = known[0][1].name.value if known else ""
        if not name:
            return None
    mention = PartyMention(Cited(name, clause, piece, 1.0))
    mentions[side].append((word, mention))
    if labels:
        _take_fields(head["name"], list(_LABEL.finditer(head["name"])), clause, mention)
    return side, mention


def _take_fields(piece: str, labels: list[re.Match[str]], clause: str, mention: PartyMention) -> str | None:
    last = None
    for index, label in enumerate(labels):
        end = labels[index + 1].start() if index + 1 < len(labels) else len(piece)
        value = close_gaps(piece[label.end() : end].strip(" ;；,，　_"))
        field = label.lastgroup
        if field is None:
            continue
        last = field
        value = re.sub(r"^\(?(?:签字|盖章|签章)\)?$", "", value)
        if value in ("/", "无", "-", "") or field in mention.fields:
            continue
        mention.fields[field] = Cited(value, clause, piece, 1.0)
    return last


def _account_clause(document: Document, tree: ClauseTree, mentions: dict[Side, list[tuple[str, PartyMention]]]) -> None:
    """「乙方收款账户信息」stands among the clauses, far from the party's own block."""
    for clause in tree.clauses:
        paragraphs = clause.paragraphs
        if not paragraphs or not mentions[Side.SUPPLIER]:
            continue
        head = paragraphs[0]
        if not re.search(r"(?:收款|银行|开户)?\s*(?:账|帐)户(?:信息)?", head) or len(head) > 60:
            continue
        if not re.search("|".join(SUPPLIER_WORDS) + "|收款", head):
            continue
        word, mention = mentions[Side.SUPPLIER][0]
        extra = PartyMention(Cited(mention.name.value, clause.label, head, 0.9))
        for paragraph in paragraphs[1:]:
            labels = list(_LABEL.finditer(half_width(paragraph)))
            if labels and labels[0].start() == 0:
                _take_fields(half_width(paragraph), labels, clause.label, extra)
        if extra.fields:
            mentions[Side.SUPPLIER].append((word, extra))


def _party(side: Side, found: list[tuple[str, PartyMention]]) -> Party:
    word, first = found[0]
    fields: dict[str, Cited[str]] = {}
    for _, mention in found:
        for name, value in mention.fields.items():
            fields.setdefault(name, value)
    return Party(side, word, first.name, fields, tuple(mention for _, mention in found))
