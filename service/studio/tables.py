"""The tables of the studio, in the database of jobs; times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()

PROJECTS = Table(
    "ssu_studio_projects",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("fps", Double, nullable=False),
    Column("categories", Text, nullable=False),
    Column("maker", String(64), nullable=False),
    Column("created", Double, nullable=False),
)

CLIPS = Table(
    "ssu_studio_clips",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column(
        "project",
        ForeignKey("ssu_studio_projects.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("name", String(200), nullable=False),
    Column("sender", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("progress", Double, nullable=False, default=0.0),
    Column("problem", Text),
    Column("created", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("duration", Double, nullable=False, default=0.0),
    Column("width", Integer, nullable=False, default=0),
    Column("height", Integer, nullable=False, default=0),
    Column("frames", Integer, nullable=False, default=0),
    Column("facts", Text),
    Column("token", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("leased_until", Double, nullable=False, default=0.0),
    Index("ssu_studio_clips_by_state", "state", "created"),
)


def _of_layer(*more: str) -> ForeignKeyConstraint:
    names = ("clip", "annotator", *more)
    table = "tracks" if more else "layers"
    places = [
        f"ssu_studio_{table}.{'id' if table == 'tracks' and name == 'track' else name}"
        for name in names
    ]
    return ForeignKeyConstraint(names, places, ondelete="CASCADE")


LAYERS = Table(
    "ssu_studio_layers",
    METADATA,
    Column("clip", ForeignKey("ssu_studio_clips.id", ondelete="CASCADE"), primary_key=True),
    Column("annotator", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("heard", Text, nullable=False),
)

TRACKS = Table(
    "ssu_studio_tracks",
    METADATA,
    Column("clip", String(32), primary_key=True),
    Column("annotator", String(64), primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("category", String(80), nullable=False),
    Column("instance", Integer, nullable=False),
    Column("intervals", Text, nullable=False),
    _of_layer(),
)

MASKS = Table(
    "ssu_studio_masks",
    METADATA,
    Column("clip", String(32), primary_key=True),
    Column("annotator", String(64), primary_key=True),
    Column("track", String(40), primary_key=True),
    Column("frame", Integer, primary_key=True),
    Column("counts", Text, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("held", Boolean, nullable=False, default=True),
    Column("by", Text, nullable=False),
    _of_layer("track"),
)

EDITS = Table(
    "ssu_studio_edits",
    METADATA,
    Column("clip", String(32), primary_key=True),
    Column("annotator", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("who", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("edits", Text, nullable=False),
    UniqueConstraint("clip", "annotator", "id"),
    _of_layer(),
)
"""Every change of a layer, as JSON with its provenance: each state can be made again."""
