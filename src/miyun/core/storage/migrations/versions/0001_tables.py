"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from miyun.core.storage.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificate_address",
        sa.Column("url", sa.String(length=255), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_certificate_address")),
    )
    op.create_table(
        "certificate_application",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("spki", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("open_key", sa.String(length=64), nullable=True),
        sa.Column("pair", sa.String(length=16), nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=True),
        sa.Column("encryption_spki", sa.LargeBinary(), nullable=True),
        sa.Column("applicant", sa.String(length=64), nullable=False),
        sa.Column("applicant_role", sa.String(length=32), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("outside", sa.String(length=40), nullable=True),
        sa.Column("batch", sa.String(length=40), nullable=True),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("previous", sa.String(length=40), nullable=True),
        sa.Column("revoke_previous", sa.Boolean(), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=True),
        sa.Column("reviewed_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("claimed_until", UtcDateTime(), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("encryption_serial", sa.String(length=40), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_application")),
        sa.UniqueConstraint("open_key", name=op.f("uq_certificate_application_open_key")),
    )
    op.create_index("ix_certificate_application_batch", "certificate_application", ["batch", "id"], unique=False)
    op.create_index(
        "ix_certificate_application_state_expires_at", "certificate_application", ["state", "expires_at"], unique=False
    )
    op.create_index(
        "ix_certificate_application_tenant_applied_at",
        "certificate_application",
        ["tenant", "applied_at", "id"],
        unique=False,
    )
    op.create_table(
        "certificate_application_batch",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("applicant", sa.String(length=64), nullable=False),
        sa.Column("applicant_role", sa.String(length=32), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("applied_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=True),
        sa.Column("reviewed_at", UtcDateTime(), nullable=True),
        sa.Column("review_note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_application_batch")),
    )
    op.create_index(
        "ix_certificate_application_batch_tenant_applied_at",
        "certificate_application_batch",
        ["tenant", "applied_at", "id"],
        unique=False,
    )
    op.create_table(
        "certificate_authority",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("family", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("parent", sa.String(length=32), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("key_blob", sa.LargeBinary(), nullable=False),
        sa.Column("key_public", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("shards", sa.Integer(), nullable=False),
        sa.Column("deltas", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_authority")),
        sa.UniqueConstraint("serial", name=op.f("uq_certificate_authority_serial")),
    )
    op.create_table(
        "certificate_certificate",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=True),
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("usage", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=True),
        sa.Column("claim", sa.String(length=64), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("allocated_at", UtcDateTime(), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("changed", sa.Integer(), nullable=True),
        sa.Column("pair", sa.String(length=40), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_certificate_certificate")),
        sa.UniqueConstraint("serial", name=op.f("uq_certificate_certificate_serial")),
    )
    op.create_index("ix_certificate_certificate_fingerprint", "certificate_certificate", ["fingerprint"], unique=False)
    op.create_index("ix_certificate_certificate_key", "certificate_certificate", ["key"], unique=False)
    op.create_index(
        "ix_certificate_certificate_shard_changed",
        "certificate_certificate",
        ["authority", "shard", "changed"],
        unique=False,
        sqlite_where=sa.text("changed IS NOT NULL"),
        postgresql_where=sa.text("changed IS NOT NULL"),
    )
    op.create_index(
        "ix_certificate_certificate_tenant_issued_at",
        "certificate_certificate",
        ["tenant", "issued_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_certificate_certificate_tenant_not_after",
        "certificate_certificate",
        ["tenant", "not_after", "number"],
        unique=False,
    )
    op.create_index(
        "ix_certificate_certificate_tenant_revoked_at",
        "certificate_certificate",
        ["tenant", "revoked_at"],
        unique=False,
        sqlite_where=sa.text("changed IS NOT NULL"),
        postgresql_where=sa.text("changed IS NOT NULL"),
    )
    op.create_index(
        "ix_certificate_certificate_tenant_subject",
        "certificate_certificate",
        ["tenant", "subject", "number"],
        unique=False,
    )
    op.create_index(
        "uq_certificate_certificate_claim",
        "certificate_certificate",
        ["claim"],
        unique=True,
        sqlite_where=sa.text("claim IS NOT NULL"),
        postgresql_where=sa.text("claim IS NOT NULL"),
    )
    op.create_table(
        "certificate_crl",
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("this_update", UtcDateTime(), nullable=False),
        sa.Column("next_update", UtcDateTime(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("base", sa.Boolean(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("delta", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("authority", "shard", "number", name=op.f("pk_certificate_crl")),
    )
    op.create_table(
        "certificate_escrow",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("key_blob", sa.LargeBinary(), nullable=False),
        sa.Column("key_public", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_escrow")),
        sa.UniqueConstraint("application", name=op.f("uq_certificate_escrow_application")),
        sa.UniqueConstraint("digest", name=op.f("uq_certificate_escrow_digest")),
    )
    op.create_index(
        "ix_certificate_escrow_tenant_created_at", "certificate_escrow", ["tenant", "created_at", "id"], unique=False
    )
    op.create_table(
        "certificate_outside_ca",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("templates", sa.String(length=1024), nullable=False),
        sa.Column("certificates", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_outside_ca")),
    )
    op.create_index("ix_certificate_outside_ca_tenant", "certificate_outside_ca", ["tenant"], unique=False)
    op.create_table(
        "certificate_outside_delivery",
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("encryption", sa.LargeBinary(), nullable=True),
        sa.Column("enveloped_key", sa.LargeBinary(), nullable=True),
        sa.Column("serial", sa.String(length=48), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("delivered_by", sa.String(length=64), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("application", name=op.f("pk_certificate_outside_delivery")),
    )
    op.create_index(
        "ix_certificate_outside_delivery_tenant_not_after",
        "certificate_outside_delivery",
        ["tenant", "not_after"],
        unique=False,
    )
    op.create_table(
        "certificate_recovery",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("escrow", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("receiver", sa.LargeBinary(), nullable=False),
        sa.Column("requester", sa.String(length=64), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("system_consent", sa.String(length=64), nullable=True),
        sa.Column("system_consent_at", UtcDateTime(), nullable=True),
        sa.Column("security_consent", sa.String(length=64), nullable=True),
        sa.Column("security_consent_at", UtcDateTime(), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_recovery")),
    )
    op.create_index(
        "ix_certificate_recovery_state_expires_at", "certificate_recovery", ["state", "expires_at"], unique=False
    )
    op.create_index(
        "ix_certificate_recovery_tenant_requested_at",
        "certificate_recovery",
        ["tenant", "requested_at", "id"],
        unique=False,
    )
    op.create_table(
        "certificate_reminder",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("serial", "days", name=op.f("pk_certificate_reminder")),
    )
    op.create_table(
        "certificate_responder",
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("key_blob", sa.LargeBinary(), nullable=False),
        sa.Column("key_public", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("authority", "generation", name=op.f("pk_certificate_responder")),
    )
    op.create_table(
        "certificate_root_answer",
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("next_update", UtcDateTime(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("authority", "serial", "hash", name=op.f("pk_certificate_root_answer")),
    )
    op.create_table(
        "certificate_shard",
        sa.Column("authority", sa.String(length=32), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("crl_number", sa.Integer(), nullable=False),
        sa.Column("crl_due", sa.Boolean(), nullable=False),
        sa.Column("crl_changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("authority", "shard", name=op.f("pk_certificate_shard")),
    )
    op.create_table(
        "certificate_suspension",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("certificate", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_certificate_suspension")),
    )
    op.create_index(
        "ix_certificate_suspension_certificate", "certificate_suspension", ["certificate", "began_at"], unique=False
    )
    op.create_table(
        "certificate_template",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("base", sa.String(length=64), nullable=False),
        sa.Column("name_zh", sa.String(length=64), nullable=False),
        sa.Column("name_en", sa.String(length=64), nullable=False),
        sa.Column("narrowing", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "slug", name=op.f("pk_certificate_template")),
    )
    op.create_table(
        "certificate_trust_authority",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("trust_list", sa.String(length=40), nullable=False),
        sa.Column("anchor", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("crl_url", sa.String(length=512), nullable=False),
        sa.Column("delta_url", sa.String(length=512), nullable=False),
        sa.Column("ocsp_url", sa.String(length=512), nullable=False),
        sa.Column("ocsp_nonce", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_trust_authority")),
        sa.UniqueConstraint(
            "trust_list", "fingerprint", name=op.f("uq_certificate_trust_authority_trust_list_fingerprint")
        ),
    )
    op.create_table(
        "certificate_trust_crl",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("number", sa.String(length=44), nullable=True),
        sa.Column("base_number", sa.String(length=44), nullable=True),
        sa.Column("this_update", UtcDateTime(), nullable=False),
        sa.Column("next_update", UtcDateTime(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("extension", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(length=512), nullable=False),
        sa.Column("held_at", UtcDateTime(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_trust_crl")),
    )
    op.create_index(
        "ix_certificate_trust_crl_authority_state", "certificate_trust_crl", ["authority", "state"], unique=False
    )
    op.create_index("ix_certificate_trust_crl_state", "certificate_trust_crl", ["state"], unique=False)
    op.create_table(
        "certificate_trust_fetch",
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("tried_at", UtcDateTime(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("authority", "kind", name=op.f("pk_certificate_trust_fetch")),
    )
    op.create_table(
        "certificate_trust_list",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_trust_list")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_certificate_trust_list_tenant_name")),
    )
    op.create_table(
        "certificate_trust_ocsp",
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("serial", sa.String(length=42), nullable=False),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=True),
        sa.Column("this_update", UtcDateTime(), nullable=True),
        sa.Column("next_update", UtcDateTime(), nullable=True),
        sa.Column("known", sa.Boolean(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("authority", "serial", name=op.f("pk_certificate_trust_ocsp")),
    )
    op.create_index(
        "ix_certificate_trust_ocsp_waiting_asked_at", "certificate_trust_ocsp", ["waiting", "asked_at"], unique=False
    )
    op.create_table(
        "certificate_trust_page",
        sa.Column("crl", sa.String(length=40), nullable=False),
        sa.Column("first", sa.String(length=42), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("crl", "first", name=op.f("pk_certificate_trust_page")),
    )
    op.create_table(
        "core_key_policy",
        sa.Column("side", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("side", "role", name=op.f("pk_core_key_policy")),
    )
    op.create_table(
        "core_login_failure",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_core_login_failure")),
    )
    op.create_table(
        "core_spent_challenge",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_core_spent_challenge")),
    )
    op.create_index(op.f("ix_core_spent_challenge_expires_at"), "core_spent_challenge", ["expires_at"], unique=False)
    op.create_table(
        "core_tenant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_tenant")),
        sa.UniqueConstraint("code", name=op.f("uq_core_tenant_code")),
    )
    op.create_table(
        "delivery_probe",
        sa.Column("minute", UtcDateTime(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_delivery_probe")),
    )
    op.create_table(
        "kms_alias",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_kms_alias")),
    )
    op.create_index("ix_kms_alias_key", "kms_alias", ["key"], unique=False)
    op.create_table(
        "kms_application",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("key", "application", name=op.f("pk_kms_application")),
    )
    op.create_table(
        "kms_erasure",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("fingerprints", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("destroyed_at", UtcDateTime(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kms_erasure")),
    )
    op.create_index("ix_kms_erasure_tenant_id", "kms_erasure", ["tenant", "id"], unique=False)
    op.create_table(
        "kms_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("usage", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("description", sa.String(length=1024), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("min_decryption_version", sa.Integer(), nullable=False),
        sa.Column("rotation_days", sa.Integer(), nullable=True),
        sa.Column("next_rotation_at", UtcDateTime(), nullable=True),
        sa.Column("deletion_at", UtcDateTime(), nullable=True),
        sa.Column("destroyed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kms_key")),
    )
    op.create_index("ix_kms_key_deletion_at", "kms_key", ["deletion_at"], unique=False)
    op.create_index("ix_kms_key_next_rotation_at", "kms_key", ["next_rotation_at"], unique=False)
    op.create_index("ix_kms_key_tenant_id", "kms_key", ["tenant", "id"], unique=False)
    op.create_table(
        "kms_tag",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("key", "name", name=op.f("pk_kms_tag")),
    )
    op.create_table(
        "kms_version",
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "version", name=op.f("pk_kms_version")),
    )
    op.create_table(
        "onboarding_check",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("binding", sa.String(length=40), nullable=False),
        sa.Column("offering", sa.String(length=40), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_onboarding_check")),
    )
    op.create_index("ix_onboarding_check_tenant_id", "onboarding_check", ["tenant", "id"], unique=False)
    op.create_table(
        "signature_evidence_key",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("key_blob", sa.LargeBinary(), nullable=False),
        sa.Column("key_public", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_signature_evidence_key")),
    )
    op.create_table(
        "signature_kept",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("signers", sa.String(length=1024), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("pending", sa.String(length=16), nullable=True),
        sa.Column("kept_at", UtcDateTime(), nullable=False),
        sa.Column("sealed_at", UtcDateTime(), nullable=True),
        sa.Column("proven_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_kept")),
    )
    op.create_index("ix_signature_kept_pending_id", "signature_kept", ["pending", "id"], unique=False)
    op.create_index("ix_signature_kept_tenant_id", "signature_kept", ["tenant", "id"], unique=False)
    op.create_index("ix_signature_kept_tenant_name_id", "signature_kept", ["tenant", "name", "id"], unique=False)
    op.create_table(
        "signature_kept_batch",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("sealed_at", UtcDateTime(), nullable=False),
        sa.Column("renew_at", UtcDateTime(), nullable=False),
        sa.Column("problem", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_kept_batch")),
    )
    op.create_index("ix_signature_kept_batch_renew_at", "signature_kept_batch", ["renew_at"], unique=False)
    op.create_table(
        "signature_kept_document",
        sa.Column("kept", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kept", "number", name=op.f("pk_signature_kept_document")),
    )
    op.create_table(
        "signature_kept_place",
        sa.Column("kept", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("batch", sa.String(length=40), nullable=False),
        sa.Column("tree", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kept", "number", name=op.f("pk_signature_kept_place")),
    )
    op.create_table(
        "signature_signer",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_signer")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_signature_signer_tenant_name")),
    )
    op.create_table(
        "ssl_certificate_account",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("binding", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("external_key", sa.String(length=40), nullable=False),
        sa.Column("thumbprint", sa.String(length=64), nullable=False),
        sa.Column("jwk", sa.LargeBinary(), nullable=False),
        sa.Column("contact", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_account")),
        sa.UniqueConstraint("thumbprint", name=op.f("uq_ssl_certificate_account_thumbprint")),
    )
    op.create_index(
        "ix_ssl_certificate_account_external_key", "ssl_certificate_account", ["external_key"], unique=False
    )
    op.create_index("ix_ssl_certificate_account_tenant_id", "ssl_certificate_account", ["tenant", "id"], unique=False)
    op.create_table(
        "ssl_certificate_acme_order",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("replaces", sa.String(length=128), nullable=True),
        sa.Column("not_before", UtcDateTime(), nullable=True),
        sa.Column("not_after", UtcDateTime(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("encryption_certificate", sa.String(length=64), nullable=True),
        sa.Column("enveloped_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_acme_order")),
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_account_id", "ssl_certificate_acme_order", ["account", "id"], unique=False
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_account_status_id",
        "ssl_certificate_acme_order",
        ["account", "status", "id"],
        unique=False,
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_expires_at", "ssl_certificate_acme_order", ["expires_at"], unique=False
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_processing",
        "ssl_certificate_acme_order",
        ["began_at"],
        unique=False,
        sqlite_where=sa.text("status = 'processing'"),
        postgresql_where=sa.text("status = 'processing'"),
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_tenant_expires_at",
        "ssl_certificate_acme_order",
        ["tenant", "expires_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_ssl_certificate_acme_order_tenant_id", "ssl_certificate_acme_order", ["tenant", "id"], unique=False
    )
    op.create_table(
        "ssl_certificate_authorization",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("name_type", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("wildcard", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_authorization")),
    )
    op.create_index(
        "ix_ssl_certificate_authorization_account_name",
        "ssl_certificate_authorization",
        ["account", "name"],
        unique=False,
    )
    op.create_index(
        "ix_ssl_certificate_authorization_order_id", "ssl_certificate_authorization", ["order_id"], unique=False
    )
    op.create_index(
        "ix_ssl_certificate_authorization_tenant_expires_at",
        "ssl_certificate_authorization",
        ["tenant", "expires_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_ssl_certificate_authorization_tenant_id", "ssl_certificate_authorization", ["tenant", "id"], unique=False
    )
    op.create_table(
        "ssl_certificate_certificate",
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("identifier", sa.String(length=128), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("encryption", sa.Boolean(), nullable=False),
        sa.Column("replaced_by", sa.String(length=40), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_ssl_certificate_certificate")),
        sa.UniqueConstraint("identifier", name=op.f("uq_ssl_certificate_certificate_identifier")),
    )
    op.create_index(
        "ix_ssl_certificate_certificate_fingerprint", "ssl_certificate_certificate", ["fingerprint"], unique=False
    )
    op.create_index(
        "ix_ssl_certificate_certificate_tenant_not_after",
        "ssl_certificate_certificate",
        ["tenant", "not_after"],
        unique=False,
    )
    op.create_table(
        "ssl_certificate_challenge",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("authorization", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("validated_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_challenge")),
    )
    op.create_index(
        "ix_ssl_certificate_challenge_authorization", "ssl_certificate_challenge", ["authorization"], unique=False
    )
    op.create_index("ix_ssl_certificate_challenge_due_at", "ssl_certificate_challenge", ["due_at"], unique=False)
    op.create_table(
        "ssl_certificate_check",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("endpoint", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_check")),
    )
    op.create_index("ix_ssl_certificate_check_at", "ssl_certificate_check", ["at"], unique=False)
    op.create_index("ix_ssl_certificate_check_endpoint_id", "ssl_certificate_check", ["endpoint", "id"], unique=False)
    op.create_table(
        "ssl_certificate_endpoint",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.String(length=8), nullable=False),
        sa.Column("note", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_check_at", UtcDateTime(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=True),
        sa.Column("not_after", UtcDateTime(), nullable=True),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("issuer", sa.String(length=1024), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=16), nullable=False),
        sa.Column("cipher", sa.String(length=64), nullable=False),
        sa.Column("alarmed", sa.Integer(), nullable=True),
        sa.Column("rehearsal", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_endpoint")),
        sa.UniqueConstraint("tenant", "host", "port", name=op.f("uq_ssl_certificate_endpoint_tenant_host_port")),
    )
    op.create_index(
        "ix_ssl_certificate_endpoint_next_check_at", "ssl_certificate_endpoint", ["next_check_at"], unique=False
    )
    op.create_index("ix_ssl_certificate_endpoint_tenant_id", "ssl_certificate_endpoint", ["tenant", "id"], unique=False)
    op.create_table(
        "ssl_certificate_event",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=384), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_event")),
    )
    op.create_index("ix_ssl_certificate_event_at", "ssl_certificate_event", ["at"], unique=False)
    op.create_index(
        "ix_ssl_certificate_event_kind_subject_at", "ssl_certificate_event", ["kind", "subject", "at"], unique=False
    )
    op.create_table(
        "ssl_certificate_external_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("binding", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_external_key")),
    )
    op.create_index(
        "ix_ssl_certificate_external_key_tenant_id", "ssl_certificate_external_key", ["tenant", "id"], unique=False
    )
    op.create_table(
        "ssl_certificate_order",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("ca", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=40), nullable=True),
        sa.Column("level", sa.String(length=4), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("solver", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("reference", sa.String(length=512), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=1024), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("encryption_chain", sa.Text(), nullable=False),
        sa.Column("enveloped_key", sa.LargeBinary(), nullable=True),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=True),
        sa.Column("deployed_to", sa.String(length=256), nullable=False),
        sa.Column("replaces", sa.String(length=40), nullable=True),
        sa.Column("rehearsal", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_order")),
    )
    op.create_index("ix_ssl_certificate_order_due_at", "ssl_certificate_order", ["due_at"], unique=False)
    op.create_index(
        "ix_ssl_certificate_order_state_not_after", "ssl_certificate_order", ["state", "not_after"], unique=False
    )
    op.create_index("ix_ssl_certificate_order_tenant_id", "ssl_certificate_order", ["tenant", "id"], unique=False)
    op.create_table(
        "ssl_certificate_outside_account",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("ca", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=512), nullable=False),
        sa.Column("contact", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssl_certificate_outside_account")),
        sa.UniqueConstraint("tenant", "ca", name=op.f("uq_ssl_certificate_outside_account_tenant_ca")),
    )
    op.create_table(
        "ssl_certificate_response",
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("order_id", sa.String(length=40), nullable=False),
        sa.Column("content", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_ssl_certificate_response")),
    )
    op.create_index("ix_ssl_certificate_response_order_id", "ssl_certificate_response", ["order_id"], unique=False)
    op.create_table(
        "strong_auth_account",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("issuer", sa.String(length=1024), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_account")),
        sa.UniqueConstraint("application", "fingerprint", name=op.f("uq_strong_auth_account_application_fingerprint")),
    )
    op.create_index(
        "ix_strong_auth_account_application_account", "strong_auth_account", ["application", "account"], unique=False
    )
    op.create_index("ix_strong_auth_account_tenant_id", "strong_auth_account", ["tenant", "id"], unique=False)
    op.create_table(
        "strong_auth_attempt",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=40), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("revocation", sa.String(length=16), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("peer", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_attempt")),
    )
    op.create_index("ix_strong_auth_attempt_at", "strong_auth_attempt", ["at"], unique=False)
    op.create_index("ix_strong_auth_attempt_peer_at", "strong_auth_attempt", ["peer", "at"], unique=False)
    op.create_index(
        "ix_strong_auth_attempt_tenant_account_id", "strong_auth_attempt", ["tenant", "account", "id"], unique=False
    )
    op.create_index("ix_strong_auth_attempt_tenant_at_id", "strong_auth_attempt", ["tenant", "at", "id"], unique=False)
    op.create_index(
        "ix_strong_auth_attempt_tenant_outcome_id", "strong_auth_attempt", ["tenant", "outcome", "id"], unique=False
    )
    op.create_table(
        "strong_auth_browser",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_browser")),
    )
    op.create_index("ix_strong_auth_browser_expires_at", "strong_auth_browser", ["expires_at"], unique=False)
    op.create_table(
        "strong_auth_challenge",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_challenge")),
    )
    op.create_index(
        "ix_strong_auth_challenge_application_expires_at",
        "strong_auth_challenge",
        ["application", "expires_at"],
        unique=False,
    )
    op.create_index("ix_strong_auth_challenge_expires_at", "strong_auth_challenge", ["expires_at"], unique=False)
    op.create_table(
        "strong_auth_client",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("protocol", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("redirects", sa.JSON(), nullable=False),
        sa.Column("logout_redirects", sa.JSON(), nullable=False),
        sa.Column("auth", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("backchannel", sa.String(length=2048), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("tls_field", sa.String(length=16), nullable=False),
        sa.Column("tls_value", sa.String(length=1024), nullable=False),
        sa.Column("bound", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_client")),
    )
    op.create_index("ix_strong_auth_client_tenant_id", "strong_auth_client", ["tenant", "id"], unique=False)
    op.create_table(
        "strong_auth_grant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.Column("sso", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("redirect", sa.Text(), nullable=False),
        sa.Column("scope", sa.String(length=256), nullable=False),
        sa.Column("nonce", sa.String(length=512), nullable=False),
        sa.Column("challenge", sa.String(length=128), nullable=False),
        sa.Column("auth_time", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("renewed", sa.Boolean(), nullable=False),
        sa.Column("redeemed_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_grant")),
        sa.UniqueConstraint("code", name=op.f("uq_strong_auth_grant_code")),
    )
    op.create_index("ix_strong_auth_grant_created_at", "strong_auth_grant", ["created_at"], unique=False)
    op.create_index("ix_strong_auth_grant_session", "strong_auth_grant", ["session"], unique=False)
    op.create_table(
        "strong_auth_policy",
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("lists", sa.JSON(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("stale_seconds", sa.Integer(), nullable=False),
        sa.Column("account_field", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "application", name=op.f("pk_strong_auth_policy")),
    )
    op.create_table(
        "strong_auth_session",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("revocation", sa.String(length=16), nullable=False),
        sa.Column("client", sa.String(length=40), nullable=False),
        sa.Column("sso", sa.String(length=64), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_session")),
    )
    op.create_index("ix_strong_auth_session_ended_at", "strong_auth_session", ["ended_at"], unique=False)
    op.create_index("ix_strong_auth_session_expires_at", "strong_auth_session", ["expires_at"], unique=False)
    op.create_index(
        "ix_strong_auth_session_tenant_opened_at", "strong_auth_session", ["tenant", "opened_at"], unique=False
    )
    op.create_index("ix_strong_auth_session_tenant_sso", "strong_auth_session", ["tenant", "sso"], unique=False)
    op.create_table(
        "strong_auth_signing_key",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("algorithm", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_strong_auth_signing_key")),
    )
    op.create_index(
        "ix_strong_auth_signing_key_tenant_algorithm", "strong_auth_signing_key", ["tenant", "algorithm"], unique=False
    )
    op.create_table(
        "strong_auth_spent",
        sa.Column("challenge", sa.String(length=40), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_strong_auth_spent")),
    )
    op.create_index("ix_strong_auth_spent_expires_at", "strong_auth_spent", ["expires_at"], unique=False)
    op.create_table(
        "strong_auth_token",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("grant", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=40), nullable=False),
        sa.Column("scope", sa.String(length=256), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("thumbprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strong_auth_token")),
    )
    op.create_index("ix_strong_auth_token_expires_at", "strong_auth_token", ["expires_at"], unique=False)
    op.create_table(
        "timestamp_drift",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("offset", sa.Float(), nullable=True),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timestamp_drift")),
    )
    op.create_index("ix_timestamp_drift_at", "timestamp_drift", ["at"], unique=False)
    op.create_table(
        "timestamp_epoch",
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_timestamp_epoch")),
    )
    op.create_table(
        "timestamp_tsa",
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key_algorithm", sa.String(length=16), nullable=False),
        sa.Column("key_blob", sa.LargeBinary(), nullable=False),
        sa.Column("key_public", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "generation", name=op.f("pk_timestamp_tsa")),
    )
    op.create_table(
        "timestamp_tsa_chain",
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("policy", "generation", "position", name=op.f("pk_timestamp_tsa_chain")),
    )
    op.create_table(
        "usbkey_event",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usbkey_event")),
    )
    op.create_index("ix_usbkey_event_tenant_key", "usbkey_event", ["tenant", "key", "id"], unique=False)
    op.create_table(
        "usbkey_finding",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("maker", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("system", sa.String(length=64), nullable=False),
        sa.Column("library", sa.String(length=64), nullable=False),
        sa.Column("works", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usbkey_finding")),
    )
    op.create_index("ix_usbkey_finding_tenant_at", "usbkey_finding", ["tenant", "at", "id"], unique=False)
    op.create_table(
        "usbkey_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("instance", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("maker", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("signing_serial", sa.String(length=40), nullable=True),
        sa.Column("encryption_serial", sa.String(length=40), nullable=True),
        sa.Column("signing_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=True),
        sa.Column("registered_at", UtcDateTime(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("reminded_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usbkey_key")),
        sa.UniqueConstraint("tenant", "serial", name=op.f("uq_usbkey_key_tenant_serial")),
    )
    op.create_index("ix_usbkey_key_expires_at", "usbkey_key", ["expires_at"], unique=False)
    op.create_index("ix_usbkey_key_tenant_registered_at", "usbkey_key", ["tenant", "registered_at", "id"], unique=False)
    op.create_index(
        "ix_usbkey_key_tenant_signing_fingerprint", "usbkey_key", ["tenant", "signing_fingerprint"], unique=False
    )
    op.create_table(
        "usbkey_request",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usbkey_request")),
    )
    op.create_index("ix_usbkey_request_state_expires_at", "usbkey_request", ["state", "expires_at"], unique=False)
    op.create_index("ix_usbkey_request_tenant_asked_at", "usbkey_request", ["tenant", "asked_at", "id"], unique=False)
    op.create_table(
        "usbkey_sealing",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_usbkey_sealing")),
    )
    op.create_table(
        "core_application",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_application_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_application")),
    )
    op.create_index(op.f("ix_core_application_tenant"), "core_application", ["tenant"], unique=False)
    op.create_index("uq_core_application_tenant_name", "core_application", ["tenant", "name"], unique=True)
    op.create_table(
        "core_contract",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.Column("term_first", sa.Date(), nullable=False),
        sa.Column("term_last", sa.Date(), nullable=False),
        sa.Column("effective_first", sa.Date(), nullable=False),
        sa.Column("effective_last", sa.Date(), nullable=False),
        sa.Column("rehearsal", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("exit_paper", sa.String(length=500), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_contract_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_contract")),
        sa.UniqueConstraint("digest", name=op.f("uq_core_contract_digest")),
    )
    op.create_index(op.f("ix_core_contract_tenant"), "core_contract", ["tenant"], unique=False)
    op.create_table(
        "core_person",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=True),
        sa.Column("login", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("handover", sa.String(length=64), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_person_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_person")),
        sa.UniqueConstraint("login", name=op.f("uq_core_person_login")),
    )
    op.create_index(op.f("ix_core_person_tenant"), "core_person", ["tenant"], unique=False)
    op.create_table(
        "core_access_grant",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=500), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["core_person.id"], name=op.f("fk_core_access_grant_person")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_access_grant_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_access_grant")),
    )
    op.create_index(op.f("ix_core_access_grant_person"), "core_access_grant", ["person"], unique=False)
    op.create_index(op.f("ix_core_access_grant_tenant"), "core_access_grant", ["tenant"], unique=False)
    op.create_table(
        "core_access_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["application"], ["core_application.id"], name=op.f("fk_core_access_key_application")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_access_key_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_access_key")),
    )
    op.create_index(op.f("ix_core_access_key_application"), "core_access_key", ["application"], unique=False)
    op.create_index(op.f("ix_core_access_key_tenant"), "core_access_key", ["tenant"], unique=False)
    op.create_table(
        "core_contract_item",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("due", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["core_contract.id"], name=op.f("fk_core_contract_item_contract")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_contract_item")),
    )
    op.create_index(op.f("ix_core_contract_item_contract"), "core_contract_item", ["contract"], unique=False)
    op.create_index(op.f("ix_core_contract_item_due"), "core_contract_item", ["due"], unique=False)
    op.create_table(
        "core_instance",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("offering", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["core_contract.id"], name=op.f("fk_core_instance_contract")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_instance_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_instance")),
    )
    op.create_index(op.f("ix_core_instance_contract"), "core_instance", ["contract"], unique=False)
    op.create_index(op.f("ix_core_instance_tenant"), "core_instance", ["tenant"], unique=False)
    op.create_table(
        "core_person_key",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("serial", sa.String(length=64), nullable=False),
        sa.Column("not_after", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("approved_by", sa.String(length=40), nullable=True),
        sa.Column("approved_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["core_person.id"], name=op.f("fk_core_person_key_person")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_person_key_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_person_key")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_core_person_key_fingerprint")),
    )
    op.create_index(op.f("ix_core_person_key_person"), "core_person_key", ["person"], unique=False)
    op.create_index(op.f("ix_core_person_key_tenant"), "core_person_key", ["tenant"], unique=False)
    op.create_table(
        "core_person_role",
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("assigned_by", sa.String(length=40), nullable=False),
        sa.Column("assigned_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["core_person.id"], name=op.f("fk_core_person_role_person")),
        sa.PrimaryKeyConstraint("person", "role", name=op.f("pk_core_person_role")),
    )
    op.create_table(
        "core_session",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["core_person.id"], name=op.f("fk_core_session_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_session")),
    )
    op.create_index(op.f("ix_core_session_key"), "core_session", ["key"], unique=False)
    op.create_index(op.f("ix_core_session_person"), "core_session", ["person"], unique=False)
    op.create_table(
        "core_binding",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("application", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("live", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["application"], ["core_application.id"], name=op.f("fk_core_binding_application")),
        sa.ForeignKeyConstraint(["instance"], ["core_instance.id"], name=op.f("fk_core_binding_instance")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_binding_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_binding")),
        sa.UniqueConstraint("live", name=op.f("uq_core_binding_live")),
    )
    op.create_index(op.f("ix_core_binding_application"), "core_binding", ["application"], unique=False)
    op.create_index(op.f("ix_core_binding_instance"), "core_binding", ["instance"], unique=False)
    op.create_index(op.f("ix_core_binding_tenant"), "core_binding", ["tenant"], unique=False)
    op.create_table(
        "core_entitlement",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("instance", sa.String(length=40), nullable=False),
        sa.Column("offering", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("hourly_capacity", sa.Text(), nullable=False),
        sa.Column("overuse", sa.String(length=16), nullable=False),
        sa.Column("counts_bindings", sa.Boolean(), nullable=False),
        sa.Column("clause", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["core_contract.id"], name=op.f("fk_core_entitlement_contract")),
        sa.ForeignKeyConstraint(["instance"], ["core_instance.id"], name=op.f("fk_core_entitlement_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_entitlement")),
        sa.UniqueConstraint("instance", name=op.f("uq_core_entitlement_instance")),
    )
    op.create_index(op.f("ix_core_entitlement_contract"), "core_entitlement", ["contract"], unique=False)
    op.create_table(
        "delivery_record",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("contract", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.Column("paper", sa.String(length=300), nullable=False),
        sa.Column("delivered_by", sa.String(length=32), nullable=False),
        sa.Column("arrived_at", UtcDateTime(), nullable=False),
        sa.Column("amount", sa.String(length=20), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("money", sa.Boolean(), nullable=False),
        sa.Column("once", sa.Boolean(), nullable=False),
        sa.Column("scan", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["core_contract.id"], name=op.f("fk_delivery_record_contract")),
        sa.ForeignKeyConstraint(["item"], ["core_contract_item.id"], name=op.f("fk_delivery_record_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_record")),
    )
    op.create_index(op.f("ix_delivery_record_contract"), "delivery_record", ["contract"], unique=False)
    op.create_index(op.f("ix_delivery_record_item"), "delivery_record", ["item"], unique=False)
    op.create_table(
        "core_basic_credential",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=40), nullable=False),
        sa.Column("binding", sa.String(length=40), nullable=False),
        sa.Column("operations", sa.Text(), nullable=False),
        sa.Column("verifier", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["binding"], ["core_binding.id"], name=op.f("fk_core_basic_credential_binding")),
        sa.ForeignKeyConstraint(["tenant"], ["core_tenant.id"], name=op.f("fk_core_basic_credential_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_core_basic_credential")),
    )
    op.create_index(op.f("ix_core_basic_credential_binding"), "core_basic_credential", ["binding"], unique=False)
    op.create_index(op.f("ix_core_basic_credential_tenant"), "core_basic_credential", ["tenant"], unique=False)
    op.create_table(
        "delivery_record_act",
        sa.Column("record", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("principal", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["record"], ["delivery_record.id"], name=op.f("fk_delivery_record_act_record")),
        sa.PrimaryKeyConstraint("record", "kind", name=op.f("pk_delivery_record_act")),
    )
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            """CREATE VIRTUAL TABLE certificate_search USING fts5(grams, content='', detail=none, tokenize='ascii')"""
        )
    if op.get_context().dialect.name == "postgresql":
        op.execute("""CREATE TABLE certificate_search (number BIGINT PRIMARY KEY, grams TEXT[] NOT NULL)""")
        op.execute("""CREATE INDEX ix_certificate_search_grams ON certificate_search USING gin (grams)""")
