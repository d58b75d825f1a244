"""A clip that was cut off is refused or answered with a warning that says so; no other is."""

import io
from dataclasses import replace
from functools import cache

import pytest

from ssuformer import errors
from ssuformer.clip import Sampling, read_clip
from ssuformer.media.file_end import cut_off
from ssuformer.media.file_parts import chunks, pages, tags
from tests.ssuformer.footage import Footage

FILM = Footage(seconds=3.0)
UNSIZED = b"\xff\xff\xff\xff"
MP2_IN_TS = replace(FILM, container="mpegts", audio="mp2")
FILMS = {
    "mp4": FILM,
    "mp4, index first": replace(FILM, container_options=(("movflags", "faststart"),)),
    "mp4 in fragments": replace(
        FILM, container_options=(("movflags", "frag_keyframe+empty_moov"),)
    ),
    "mov": replace(FILM, container="mov", audio="pcm_s16le"),
    "matroska": replace(FILM, container="matroska"),
    "matroska, live": replace(FILM, container="matroska", container_options=(("live", "1"),)),
    "webm": replace(
        FILM, container="webm", video="libvpx", options=(), audio="libopus", rate=48_000
    ),
    "mpegts": MP2_IN_TS,
    "mpegts in 192 bytes": replace(MP2_IN_TS, container_options=(("mpegts_m2ts_mode", "1"),)),
    "flv": replace(FILM, container="flv"),
    "flv without its duration": replace(
        FILM, container="flv", container_options=(("flvflags", "no_duration_filesize"),)
    ),
    "avi": replace(FILM, container="avi", video="mpeg4", options=(), audio="mp2"),
    "avi of pictures": replace(
        FILM, container="avi", video="mjpeg", pixels="yuvj420p", options=(), audio="pcm_s16le"
    ),
    "ogg": replace(FILM, container="ogg", video="libvpx", options=(), audio="flac"),
    "3gp": replace(FILM, container="3gp"),
}  # fmt: skip


@cache
def film(name: str) -> bytes:
    return FILMS[name].make()


def said(media: bytes) -> str:
    """The warning about a cut, or the code of the error; empty if there is neither."""
    try:
        clip = read_clip(media)
    except errors.ClipError as error:
        return error.code
    return "".join(one.message for one in clip.warnings if one.code == "clip_incomplete")


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("share", [0.05, 0.21, 0.61, 0.81, 0.97])
def test_a_clip_that_was_cut_off_says_so(name: str, share: float) -> None:
    media = film(name)

    told = said(media[: int(len(media) * share)])

    assert told == "clip_truncated" or told.startswith("only ")


@pytest.mark.parametrize("name", FILMS)
def test_a_whole_clip_does_not(name: str) -> None:
    media = film(name)

    assert cut_off(io.BytesIO(media)) is None
    assert said(media) == ""


def test_a_live_flv_is_cut_in_the_head_of_a_tag() -> None:
    media = film("flv without its duration")
    heads = [tag.at for tag in tags(io.BytesIO(media), 13)]

    assert "ends at byte" in said(media[: heads[len(heads) // 2] + 5])
    assert said(media[: heads[len(heads) // 2]]) == ""


def test_an_avi_without_its_index_is_cut_where_its_head_says_that_more_follows() -> None:
    media = film("avi")
    index = media.index(b"idx1")

    told = said(media[:index])

    assert told.startswith("only ")
    assert f"its part `RIFF` ends at byte {len(media)}, the file has {index}" in told


def test_an_avi_whose_writer_could_not_go_back_is_cut_where_its_last_chunk_is() -> None:
    media = bytearray(film("avi"))
    index = media.index(b"idx1")
    for name in (b"RIFF", b"movi"):
        at = media.index(name) + (4 if name == b"RIFF" else -4)
        media[at : at + 4] = UNSIZED
    unsized = bytes(media[:index])
    last = [part for part in chunks(io.BytesIO(unsized)) if part.kind[2:] in (b"dc", b"wb")][-1]

    assert cut_off(io.BytesIO(unsized)) is None
    cut = cut_off(io.BytesIO(unsized[: last.content + 3]))
    assert cut is not None
    assert cut.needed == last.end


def test_an_ogg_that_ends_with_a_whole_page_is_cut_unless_that_is_the_last_one() -> None:
    media = film("ogg")
    ends = [page.end or 0 for page in pages(io.BytesIO(media))]

    assert said(media[: ends[-1]]) == ""
    assert "the last page of a track is missing" in said(media[: ends[len(ends) * 3 // 4]])


def test_a_transport_stream_that_ends_between_packets_is_cut_within_its_sound() -> None:
    media = film("mpegts")
    cuts = [cut_off(io.BytesIO(media[:size])) for size in range(188 * 100, len(media), 188)]

    found = [cut.told for cut in cuts if cut is not None]

    assert len(found) > 10
    assert all("its last sound lacks" in told for told in found)


def test_a_part_of_a_clip_before_the_cut_has_all_it_should() -> None:
    media = film("avi")

    clip = read_clip(media[: int(len(media) * 0.6)], sampling=Sampling(end=1.0))

    assert [one.code for one in clip.warnings] == []
