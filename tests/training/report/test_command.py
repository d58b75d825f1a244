"""One page about runs: it has every part, the numbers of `evaluate`, and needs nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ssuformer.manifest import Manifest, Thresholds
from tests.browser import NEEDED, browser
from tests.training.bench.small_experiment import write_experiment
from training.__main__ import app
from training.packs import procedural
from training.report.page import ExamPart, Grid, Page
from training.report.shown import Answer, Looking, Outlined, ShownScene

SECTIONS = ("factors", "confusion", "routes", "worst", "best", "attention")


class Read(HTMLParser):
    """Collects texts, ids, tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.tags = set[str](), list[str](), list[str]()
        self.texts = list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.addresses += [given[name] or "" for name in ("href", "src") if name in given]

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    return result.stdout


def train(folder: Path, pack: Path) -> Path:
    run = folder / "run"
    file = write_experiment(folder, pack)
    ran("fit", str(file), "--out", str(run))
    manifest = Manifest.read(run / "checkpoint")
    # So low that a model which has learned nothing shows something.
    low = Thresholds(sounding=0.3, mask=0.4)
    manifest.model_copy(update={"thresholds": low}).write(run / "checkpoint")
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    procedural.build(folder / "shapes")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    return train(folder, folder / "shapes")


def reported(*arguments: str, out: Path) -> str:
    ran("report", *arguments, "--out", str(out), "--show", "1")
    return out.read_text()


@dataclass(frozen=True)
class Reported:
    """The page about a run, and the run's files before and after."""

    file: Path
    before: dict[Path, bytes]
    after: dict[Path, bytes]

    @property
    def page(self) -> str:
        return self.file.read_text()


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def one(run: Path, folder: Path) -> Reported:
    before, out = files(run), folder / "new" / "page.html"
    reported(str(run), "--scenes", "3", out=out)
    return Reported(out, before, files(run))


def test_the_run_is_not_changed(one: Reported) -> None:
    assert one.after == one.before


def test_the_page_has_every_part_and_the_numbers_of_evaluate(run: Path, one: Reported) -> None:
    read = Read(one.page)
    assert {"runs", "curves", "scores", "exam-1"} <= read.ids
    assert {f"exam-1-{section}" for section in SECTIONS} <= read.ids
    pack = str(run.parent / "shapes")
    options = ("--pack", pack, "--splits", "test", "--scenes", "3", "--json")
    scores = json.loads(ran("evaluate", str(run / "checkpoint"), *options))
    for split in ("test", "test/shuffled", "test/silent"):
        assert f"{100 * scores[split]['j']:.1f}" in read.texts
        assert {f"{value:.4g}" for value in scores[split].values()} <= set(read.texts)
    pictures = [address for address in read.addresses if address.startswith("data:image/")]
    assert len(pictures) >= 3 + 2 * 5 * 2  # charts, frames of two scenes, attention in each


def test_the_page_asks_for_nothing_and_runs_nothing(one: Reported) -> None:
    read = Read(one.page)
    assert all(address.startswith(("#", "data:image/")) for address in read.addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & set(read.tags)
    assert "default-src 'none'" in one.page
    assert "://" not in one.page
    assert "url(" not in one.page
    inner = {address[1:] for address in read.addresses if address.startswith("#")}
    assert inner <= read.ids


@NEEDED
@pytest.mark.parametrize("width", [240, 1280])
def test_a_browser_shows_every_picture_and_no_wider_than_its_window(
    one: Reported, width: int
) -> None:
    asked, said = list[str](), list[str]()
    with browser() as opened:
        page = opened.new_page(viewport={"width": width, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))

        page.goto(one.file.as_uri())
        page.wait_for_load_state("networkidle")

        assert page.evaluate("document.images.length") > 0
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [one.file.as_uri()]
    assert said == []


def test_runs_stand_side_by_side_and_what_one_lacks_is_said(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "plain"
    other.mkdir()
    file, plain = write_experiment(other, run.parent / "shapes"), other / "run"
    changes = ("--set", "model.family=tpavi", "--set", "model.mohe=false")
    ran("fit", str(file), "--out", str(plain), *changes)

    page = reported(str(run), str(plain), "--scenes", "2", out=tmp_path / "page.html")

    read = Read(page)
    # In the runs, two legends, scores, confusion, routers, two scenes and their attention.
    assert all(read.texts.count(name) >= 8 for name in (f"{run.parent.name}/run", "plain/run"))
    assert any("no queries that look at the picture" in text for text in read.texts)
    assert any("This model has no experts" in text for text in read.texts)


def refused(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    assert result.exit_code == 1
    assert "evaluating" not in result.stderr
    return result.stderr


def test_what_cannot_be_reported_is_named_before_anything_is_evaluated(
    run: Path, tmp_path: Path
) -> None:
    assert f"{tmp_path} is no run" in refused(tmp_path)
    assert "is no run" in refused(run / "checkpoint")
    assert "named twice" in refused(run, run)
    assert "unknown split 'nope'" in refused(run, "--splits", "test,nope")
    assert "no data set" in refused(run, "--data", tmp_path)
    (tmp_path / "file").touch()
    assert "cannot be written" in refused(run, "--out", tmp_path / "file/page.html")


def test_runs_of_other_categories_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    manifest = Manifest.read(other / "checkpoint")
    names = ("unheard_of", *manifest.categories[1:])
    manifest.model_copy(update={"categories": names}).write(other / "checkpoint")

    assert "different categories" in refused(run, other)


def test_names_and_sentences_are_texts_not_markup() -> None:
    evil = '<script>alert("&")</script>'
    thing = Outlined("M0 0L1 0 1 1Z", evil, evil, 0.5)
    answer = Answer([[thing]], [0.25], 0.25, [Looking(0, evil, 0.5, ["data:image/png;base64,"])])
    scene = ShownScene(7, (4, 4), [0], ["data:image/jpeg;base64,"], [[thing]], {evil: answer})
    part = ExamPart(
        title=evil, score="J", scenes=1, grid=Grid(evil, ["", evil], [[evil, "1"]]),
        factors={evil: "data:image/png;base64,"}, confusion={evil: "data:image/png;base64,"},
        routes={evil: None}, worst=[scene], best=[],
    )  # fmt: skip
    grid = Grid("", ["", evil], [[evil, evil]])

    page = Page(evil, grid, {evil: "#1f77b4"}, {}, [evil], grid, [part]).html()

    read = Read(page)
    assert "script" not in read.tags
    assert evil in read.texts
    assert "&lt;script&gt;" in page
