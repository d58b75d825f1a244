"""The tables of the job store; times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()


def _job() -> ForeignKey:
    return ForeignKey("ssu_jobs.id", ondelete="CASCADE")


JOBS = Table(
    "ssu_jobs",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("idempotency_key", String(255)),
    Column("request_digest", String(64), nullable=False),
    Column("options", Text, nullable=False),
    Column("url", Text),
    Column("webhook", Text),
    Column("state", String(16), nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("expires", Double),
    Column("not_before", Double, nullable=False, default=0.0),
    Column("token", Integer, nullable=False, default=0),
    Column("leased_until", Double, nullable=False, default=0.0),
    Column("fruitless", Integer, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("parts", Integer, nullable=False, default=0),
    Column("frames", Integer, nullable=False, default=0),
    Column("seconds_done", Double, nullable=False, default=0.0),
    Column("seconds_in_all", Double),
    Column("answer", String(64)),
    Column("error", Text),
    UniqueConstraint("owner", "idempotency_key"),
    Index("ssu_jobs_by_state", "state", "created"),
    Index("ssu_jobs_by_owner", "owner", "created"),
)

PARTS = Table(
    "ssu_job_parts",
    METADATA,
    Column("job", _job(), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("frames", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("facts", Text, nullable=False),
)

DELIVERIES = Table(
    "ssu_job_deliveries",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("job", _job(), nullable=False, index=True),
    Column("event", String(32), nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_at", Double),
    Column("delivered", Double),
    Index("ssu_job_deliveries_due", "next_at"),
)

ATTEMPTS = Table(
    "ssu_job_attempts",
    METADATA,
    Column("delivery", ForeignKey("ssu_job_deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("seconds", Double),
    Column("status", Integer),
    Column("error", Text),
)
