"""Tables of the certificate room. What a list sorts by, and what is looked for alone, has its index; text and what
never changes of a certificate is found by `certificate_search`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from miyun.core.storage.database import UtcDateTime, metadata
from miyun.core.storage.search import TextIndex

SUBJECT_LENGTH = 512  # kept beside the certificate to be sorted and searched by; an index takes no more in PostgreSQL

authority_table = Table(
    "certificate_authority",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("family", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("parent", String(32)),
    Column("generation", Integer, nullable=False, default=1),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False, unique=True),
    Column("der", LargeBinary, nullable=False),
    Column("shards", Integer, nullable=False, default=0),
    Column("deltas", Boolean, nullable=False, default=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("reason", String(32)),
)

shard_table = Table(
    "certificate_shard",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("crl_number", Integer, nullable=False, default=0),
    Column("crl_due", Boolean, nullable=False, default=True),
    Column("crl_changes", Integer, nullable=False, default=0),  # of what its lists say; grows with every one
)

address_table = Table(  # of this platform, that certificates have named
    "certificate_address",
    metadata,
    Column("url", String(255), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)

certificate_table = Table(
    "certificate_certificate",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("serial", String(40), nullable=False, unique=True),
    Column("tenant", String(64)),
    Column("authority", String(32), nullable=False),
    Column("shard", Integer, nullable=False, default=0),
    Column("template", String(64), nullable=False),
    Column("usage", String(16), nullable=False),
    Column("subject", String(SUBJECT_LENGTH), nullable=False),
    Column("names", Text, nullable=False, default=""),
    Column("key", String(64), nullable=False),
    Column("application", String(40)),
    Column("claim", String(64)),  # application and use, of the one that has or gets the certificate
    Column("published", Boolean, nullable=False, default=False),
    Column("state", String(16), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("allocated_at", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("reason", String(32)),
    Column("changed", Integer),  # the shard's crl_changes when its state changed last
    Column("pair", String(40)),
    Column("fingerprint", LargeBinary),  # SM3 of the certificate
    Column("der", LargeBinary),
    Index("ix_certificate_certificate_tenant_issued_at", "tenant", "issued_at", "number"),
    Index("ix_certificate_certificate_tenant_not_after", "tenant", "not_after", "number"),
    Index("ix_certificate_certificate_tenant_subject", "tenant", "subject", "number"),
    Index("ix_certificate_certificate_key", "key"),
    Index("ix_certificate_certificate_fingerprint", "fingerprint"),
)
_claimed = certificate_table.c.claim.is_not(None)
Index(
    "uq_certificate_certificate_claim",
    certificate_table.c.claim,
    unique=True,
    sqlite_where=_claimed,
    postgresql_where=_claimed,
)
_changed = certificate_table.c.changed.is_not(None)
Index(
    "ix_certificate_certificate_tenant_revoked_at",
    certificate_table.c.tenant,
    certificate_table.c.revoked_at,
    sqlite_where=_changed,
    postgresql_where=_changed,
)
Index(
    "ix_certificate_certificate_shard_changed",
    certificate_table.c.authority,
    certificate_table.c.shard,
    certificate_table.c.changed,
    sqlite_where=_changed,
    postgresql_where=_changed,
)

suspension_table = Table(  # that ended, by being resumed or by being revoked
    "certificate_suspension",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("certificate", BigInteger().with_variant(Integer, "sqlite"), nullable=False),  # its number in the register
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Index("ix_certificate_suspension_certificate", "certificate", "began_at"),
)

certificate_search = TextIndex("certificate_search")

crl_table = Table(
    "certificate_crl",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("changes", Integer, nullable=False),  # of its shard, that it tells of at least
    Column("base", Boolean, nullable=False, default=False),  # delta lists may be told against it
    Column("der", LargeBinary, nullable=False),
    Column("delta", LargeBinary),
)

root_answer_table = Table(  # signed in a ceremony, about an authority below the root
    "certificate_root_answer",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("next_update", UtcDateTime, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

responder_table = Table(
    "certificate_responder",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
