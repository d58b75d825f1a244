"""Every variant trains, is evaluated and goes on after it was killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ssuformer.model import checkpoint as checkpoints
from tests.training.bench.small_experiment import write_experiment, write_on_recipe
from tests.training.data.small_data import dog, write_film, write_layout
from tests.training.small_films import write_film_material, write_pack
from training import experiment as experiments
from training.__main__ import app
from training.bench.variants import VARIANTS, WHOLE, of_steps
from training.data.layout import ListedClip

FILE = Path("training/configs/family.toml")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("packs")
    return write_pack(folder / "cut-outs"), write_film_material(folder / "films")


def with_films(folder: Path, material: tuple[Path, Path], steps: int, more: str = "") -> Path:
    pack, films = material
    data = f'data = [{{ kind = "composed" }}, {{ kind = "photographic", folder = "{films}" }}]'
    return write_experiment(folder, pack, steps, f"{data}\n{more}")


def options(config: Path, out: Path, films: Path, variants: str) -> list[str]:
    return [
        "ablate", str(config), "--out", str(out), "--variants", variants, "--seeds", "1",
        "--splits", "test", "--scenes", "2", "--films", str(films),
    ]  # fmt: skip


def test_every_variant_trains_and_is_evaluated(tmp_path: Path, material: tuple[Path, Path]) -> None:
    config, out = with_films(tmp_path, material, steps=2), tmp_path / "runs"

    result = CliRunner().invoke(app, options(config, out, material[1], ",".join(VARIANTS)))

    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    assert "no variant" in result.output
    assert "without-filmed" in result.output
    table = json.loads((out / "table.json").read_text())
    assert set(table["rows"]) == set(VARIANTS) - {"without-filmed"}
    for name, row in table["rows"].items():
        assert checkpoints.load(out / f"{name}-1/checkpoint")[1].steps == 2
        assert ("test own j" in row) == (name not in {"avc", "ssu-d"})
        assert ("test described cider_d" in row) == (name not in {"sss", "ssu-s"})
        trained = VARIANTS[name].experiment(config, ())
        assert trained is not None
        assert ("test own joint_f1" in row) == (
            bool(trained.losses.caption) and "test own j" in row
        )
        assert ("test own instance_j" in row) == (name not in {"avc", "ssu-d", "sss"})
        if (scores := out / f"{name}-1/scores/test.own.json").exists():
            assert (json.loads(scores.read_text()).get("regions") == "union") == (name == "sss")
        assert table["texts"]["leaves out"][name] == VARIANTS[name].leaves_out
    told = table["texts"]["against the whole"]
    assert told[WHOLE] == "the whole"
    assert "cannot be told from one seed" in told["without-mcm"]
    assert "J" not in told["ssu-d"]
    for name in ("table.md", "table.csv", "table.tex", "differences.csv"):
        assert "without-mcm" in (out / name).read_text()


def test_an_experiment_of_clips_alone_is_evaluated_on_clips(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "runs"
    write_film(clips / "a.mp4")
    lines = [ListedClip(truth="a.truth.json", split=split) for split in ("train", "val")]
    write_layout(clips, {"a.truth.json": dog()}, lines)
    config = write_on_recipe(tmp_path, "avsbench-avss-ssuformer.toml", clips)
    command = ["ablate", str(config), "--out", str(out), "--variants", "ssu-s", "--seeds", "1"]

    nothing = CliRunner().invoke(app, command)
    nowhere = CliRunner().invoke(app, [*command, "--data", f"{clips}:test"])
    assert not out.exists()
    result = CliRunner().invoke(app, [*command, "--data", f"{clips}:val"])

    assert "name clips with --data" in nothing.output
    assert "no split 'test'" in nowhere.output
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert all(score.startswith(f"data:{clips}:val ") for row in rows.values() for score in row)
    assert {name: len(row[f"data:{clips}:val own j"]) for name, row in rows.items()} == {
        WHOLE: 1, "ssu-s": 1,
    }  # fmt: skip
    assert f"data:{clips}:val described cider_d" in rows[WHOLE]
    assert "films J +" in (out / "table.md").read_text()
    assert checkpoints.load(out / "ssu-1/checkpoint")[1].categories == ("dog", "cat")


def test_what_a_variant_leaves_out_does_not_learn(
    tmp_path: Path, material: tuple[Path, Path]
) -> None:
    config, out = with_films(tmp_path, material, steps=3), tmp_path / "runs"
    result = CliRunner().invoke(app, options(config, out, material[1], "sss,ssu-s,ssu-d"))
    assert result.exit_code == 0, f"{result.output}{result.exception!r}"

    def weights(name: str, part: str) -> torch.Tensor:
        return checkpoints.load(out / f"{name}-1/checkpoint")[0].state_dict()[part]

    words, mask = "caption.words.weight", "masks.mask.0.weight"
    first = weights("sss", words)
    torch.testing.assert_close(weights("ssu-s", words), first, rtol=0, atol=0)
    assert not torch.equal(weights(WHOLE, words), first)
    assert not torch.equal(weights("ssu-d", words), first)
    assert not torch.equal(weights("ssu-s", mask), weights("ssu-d", mask))


def test_the_same_command_goes_on_after_a_kill(tmp_path: Path, material: tuple[Path, Path]) -> None:
    config = with_films(tmp_path, material, steps=8, more="checkpoint_minutes = 1e-6")
    out = tmp_path / "runs"
    command = [sys.executable, "-m", "training"]
    command += options(config, out, material[1], "without-mohe")
    state = out / "without-mohe-1/state.pt"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not state.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    killed_at = torch.load(state, weights_only=True)["step"]
    whole = (out / "ssu-1/checkpoint/model.safetensors").stat().st_mtime_ns
    assert 0 < killed_at < 8

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert f"step {killed_at}: " not in done.stdout
    assert f"step {killed_at + 1}: " in done.stdout
    assert (out / "ssu-1/checkpoint/model.safetensors").stat().st_mtime_ns == whole
    assert checkpoints.load(out / "without-mohe-1/checkpoint")[1].steps == 8
    assert (out / "table.md").exists()


def test_each_variant_of_the_family_changes_something_and_says_what() -> None:
    there = {name: v.experiment(FILE, ()) for name, v in VARIANTS.items()}

    assert there.pop("without-filmed") is None
    found = [experiment.model_dump_json() for experiment in there.values() if experiment]
    assert len(set(found)) == len(VARIANTS) - 1
    assert there[WHOLE] == experiments.read(FILE)
    assert all(variant.leaves_out for variant in VARIANTS.values())


def test_steps_are_shared_among_the_stages_in_proportion() -> None:
    whole = experiments.read(FILE, ["stages=[{size=64, steps=300}, {size=96, steps=100}]"])

    short = of_steps(whole, 40)

    assert [stage.steps for stage in short.stages] == [30, 10]
    assert short.warmup_steps == whole.warmup_steps / 10


def test_an_unknown_variant_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["ablate", str(FILE), "--out", str(tmp_path), "--variants", "without-luck"]
    )

    assert result.exit_code == 1
    assert "without-luck" in result.output
    assert "without-mcm" in result.output
