import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import srt
from pycocotools.coco import COCO
from typer.testing import CliRunner, Result

from service.cli import app
from service.cli.temporary_service import hosted
from service.formats.catalogue import NAMES, every
from service.formats.format import Need
from tests.service.conftest import small_settings
from tests.service.formats.made import made, written


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with hosted(small_settings(log_level="error")) as address:
        yield address


@pytest.fixture
def film(tmp_path: Path, clip: bytes) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(clip)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.json"
    path.write_text(made().model_dump_json())
    return path


def ssu(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("name", [one.name for one in every() if Need.CLIP not in one.needs])
def test_an_answer_that_was_kept_is_written_beside_itself(kept: Path, name: str) -> None:
    result = ssu("export", kept, "--to", name)

    assert result.exit_code == 0, result.output
    written = [path for path in kept.parent.iterdir() if path != kept]
    assert len(written) == 1
    assert written[0].name in result.stderr
    assert written[0].stat().st_size > 0
    assert json.loads(kept.read_bytes())["frames"]


@pytest.mark.parametrize("name", ["overlay", "sheet", "ra-ssu"])
def test_a_format_that_needs_the_clip_asks_for_it(kept: Path, film: Path, name: str) -> None:
    without = ssu("export", kept, "--to", name)
    given = ssu("export", kept, "--to", name, "--clip", film, "--out", kept.parent / "new" / "file")

    assert without.exit_code == 1
    assert "needs the clip" in without.stderr
    assert given.exit_code == 0, given.output
    assert (kept.parent / "new" / "file").stat().st_size > 0


def test_standard_output_holds_nothing_but_the_format(kept: Path) -> None:
    result = ssu("export", kept, "--to", "srt", "--out", "-")

    assert len(list(srt.parse(result.stdout))) == 4


@pytest.mark.parametrize(
    ("content", "to", "code"),
    [("{}", "coco", "answer_unknown"), (made().model_dump_json(), "svg", "option_invalid")],
)
def test_what_cannot_be_exported_is_told(tmp_path: Path, content: str, to: str, code: str) -> None:
    path = tmp_path / "kept.json"
    path.write_text(content)

    result = ssu("export", path, "--to", to)

    assert result.exit_code == 1
    assert code in result.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_the_formats_there_are_are_told_once(kept: Path) -> None:
    result = ssu("export", kept, "--to", "bogus")

    assert result.stderr.count("youtube-vis") == 1


def test_a_stream_that_was_kept_is_exported_as_the_document_is(tmp_path: Path, kept: Path) -> None:
    stream = tmp_path / "stream.ndjson"
    stream.write_bytes(written("ndjson"))

    results = [ssu("export", path, "--to", "coco", "--out", "-") for path in (kept, stream)]

    assert results[1].exit_code == 0, results[1].output
    names = [json.loads(result.stdout) for result in results]
    assert names[0]["annotations"] == names[1]["annotations"] != []


@pytest.mark.parametrize("left", [-1, 1, 0])
def test_a_stream_that_was_cut_is_not_exported(tmp_path: Path, left: int) -> None:
    stream = tmp_path / "stream.ndjson"
    stream.write_bytes(b"\n".join(written("ndjson").splitlines()[:left] or [b'{"record":"head"}']))

    result = ssu("export", stream, "--to", "coco")

    assert result.exit_code == 1
    assert ("answer_incomplete" in result.stderr) or ("answer_unknown" in result.stderr)
    assert list(tmp_path.iterdir()) == [stream]


def test_the_help_names_every_format() -> None:
    words = set(ssu("export", "--help").output.replace(",", " ").replace(".", " ").split())

    assert {name for name in NAMES if name not in {word.strip(";") for word in words}} == set()


def test_understand_writes_further_formats_beside_the_answer(
    address: str, film: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    quick = ("--no-overlay", "--no-sheet")

    result = ssu(
        "understand", film, "--url", address, "-o", out, "-f", "coco", "-f", "webvtt", *quick
    )

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"film.json", "film.coco.json", "film.vtt"}
    assert len(COCO(out / "film.coco.json").getImgIds()) == 4


def test_understand_prints_a_format_if_there_is_no_folder(address: str, film: Path) -> None:
    result = ssu("understand", film, "--url", address, "--format", "srt")

    assert result.exit_code == 0, result.output
    assert "a bell is ringing." in {one.content for one in srt.parse(result.stdout)}


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "svg"),
        ("--format", "srt", "--format", "coco"),
        ("--format", "srt", "--json"),
        ("--format", "davis", "--mask-format", "none"),
    ],
    ids=str,
)
def test_understand_refuses_formats_that_it_cannot_write_before_the_clip_is_sent(
    film: Path, options: tuple[str, ...]
) -> None:
    result = ssu("understand", film, "--url", "http://127.0.0.1:1", *options)

    assert result.exit_code == 1
    assert "option_invalid" in result.stderr
