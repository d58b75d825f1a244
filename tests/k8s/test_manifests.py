from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.k8s.__main__ import main
from tests.k8s.checks import SCHEMAS, SEMANTICS, Check
from tests.k8s.monitoring_checks import (
    ADAPTER as ADAPTER_CONFIGURATION,
)
from tests.k8s.monitoring_checks import (
    TRITON_METRICS,
    adapter_metrics,
    gateway_metrics,
)
from tests.k8s.pod_checks import MADE_BY_OTHERS
from tests.k8s.rendering import ADAPTER, RENDERED, render

COMPONENTS = sorted(str(one.parent) for one in Path("k8s/components").rglob("kustomization.yaml"))


@pytest.mark.parametrize("folder", [*RENDERED, ADAPTER])
def test_every_object_holds_to_its_schema(folder: str) -> None:
    manifests = render(folder)

    found = list(SCHEMAS(manifests))

    assert manifests.objects
    assert found == []


@pytest.mark.parametrize("folder", RENDERED)
@pytest.mark.parametrize("check", SEMANTICS, ids=lambda one: one.__name__)
def test_every_overlay_passes_every_check(check: Check, folder: str) -> None:
    manifests = render(folder)

    found = list(check(manifests))

    assert found == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_is_rendered_in_a_combination(component: str) -> None:
    combinations = Path("tests/k8s/combinations").glob("*/kustomization.yaml")

    used = {
        str((one.parent / path).resolve().relative_to(Path.cwd()))
        for one in combinations
        for overlay in [yaml.safe_load(one.read_text())]
        for path in (*overlay["components"], *overlay["resources"])
    }
    used |= {
        str((one.parent / path).resolve().relative_to(Path.cwd()))
        for one in Path("k8s/overlays").glob("*/kustomization.yaml")
        for path in yaml.safe_load(one.read_text()).get("components", ())
    }

    assert component in used


def test_a_changed_setting_changes_the_name_of_its_configmap(tmp_path: Path) -> None:
    overlay = Path("k8s/overlays/cpu").resolve()
    names = []

    for seconds in (60, 61):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        (folder / "kustomization.yaml").write_text(
            f"""
namespace: ssu
resources: [{Path("../" * len(folder.resolve().parts[1:]), *overlay.parts[1:])}]
configMapGenerator:
  - name: ssu-settings
    behavior: merge
    literals: [SSU_DEADLINE_SECONDS={seconds}]
"""
        )
        (deployment,) = render(str(folder)).deployments
        names.append(deployment.serving[0].spec["envFrom"][0]["configMapRef"]["name"])

    assert names[0] != names[1]


def test_the_adapter_derives_its_metrics_from_ones_that_exist() -> None:
    made = adapter_metrics(yaml.safe_load(ADAPTER_CONFIGURATION.read_text()))

    used = set.union(*made.values())

    assert set(made) == {"ssu_queue_depth", "ssu_in_work", "triton_queue_compute_ratio"}
    assert used <= gateway_metrics() | TRITON_METRICS


def test_keda_scales_by_the_numbers_of_the_autoscalers() -> None:
    by_adapter, by_keda = render("k8s/overlays/gpu"), render("tests/k8s/combinations/gpu")

    wanted, found = {}, {}
    for one in by_adapter.of("HorizontalPodAutoscaler"):
        spec = one["spec"]
        wanted[one["metadata"]["name"]] = (spec["minReplicas"], spec["maxReplicas"])
    for one in by_keda.of("ScaledObject"):
        spec = one["spec"]
        found[one["metadata"]["name"]] = (spec["minReplicaCount"], spec["maxReplicaCount"])

    assert found == wanted
    assert not by_keda.of("HorizontalPodAutoscaler")


def test_the_readme_says_how_the_secret_is_made() -> None:
    readme = Path("k8s/README.md").read_text()

    names = [name for kind, name in MADE_BY_OTHERS if kind == "Secret"]

    assert all(f"create secret generic {name}" in readme for name in names)


def test_the_image_of_triton_starts_as_the_overlay_does() -> None:
    stage = Path("Dockerfile").read_text().partition(" AS triton\n")[2].partition("\nFROM ")[0]
    command = json.loads(stage.partition("\nCMD ")[2].replace("\\\n", ""))
    (container,) = (
        one
        for one in render("k8s/overlays/gpu").containers
        if one.image == "ssu-triton" and not one.first
    )

    wanted = [one for one in container.arguments if "-port=" not in one]

    assert sorted(command) == sorted(wanted)


@pytest.fixture
def fill(tmp_path: Path) -> list[str]:
    """The command of the Job that lays models into a volume, with the volume in a folder here."""
    (job,) = (
        one for one in render("tests/k8s/combinations/cpu").workloads if one.item["kind"] == "Job"
    )
    (container,) = job.serving
    (script,) = container.arguments
    script = script.replace("/models/", f"{Path('triton_repo').resolve()}/")
    return [*container.spec["command"], script.replace("/repository/", f"{tmp_path}/")]


def test_the_job_lays_the_whole_repository_into_the_volume(fill: list[str], tmp_path: Path) -> None:
    wanted = Path("triton_repo")

    subprocess.run(fill, check=True)

    files = {str(one.relative_to(wanted)) for one in wanted.rglob("*") if one.is_file()}
    assert {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()} == files
    assert all((tmp_path / one).read_bytes() == (wanted / one).read_bytes() for one in files)


def test_the_job_lays_configurations_before_the_versions_that_they_name(
    fill: list[str], tmp_path: Path
) -> None:
    first = subprocess.run(fill, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    again = subprocess.run(fill, check=True, stdout=subprocess.PIPE, text=True).stdout.split()

    laid = [str(Path(one).relative_to(tmp_path)) for one in first]
    for model in ("ssu_caption", "ssu_segmentation"):
        assert laid.index(f"{model}/config.pbtxt") < laid.index(f"{model}/1")
    assert again == []


def test_the_job_replaces_a_configuration_at_once(fill: list[str], tmp_path: Path) -> None:
    subprocess.run(fill, check=True)
    config = tmp_path / "ssu_caption" / "config.pbtxt"
    config.write_text("older")

    with config.open() as opened:
        subprocess.run(fill, check=True)
        read = opened.read()

    assert read == "older"
    assert config.read_bytes() == Path("triton_repo/ssu_caption/config.pbtxt").read_bytes()


def test_the_job_leaves_versions_alone_that_are_there(fill: list[str], tmp_path: Path) -> None:
    subprocess.run(fill, check=True)
    kept = tmp_path / "ssu_caption" / "1" / "model.onnx"
    kept.write_bytes(b"in use")

    subprocess.run(fill, check=True)

    assert kept.read_bytes() == b"in use"


def test_the_job_begins_anew_where_it_was_cut_off(fill: list[str], tmp_path: Path) -> None:
    half = tmp_path / "ssu_caption" / "incoming"
    half.mkdir(parents=True)
    (half / "half").touch()

    subprocess.run(fill, check=True)

    assert not half.exists()
    assert not (tmp_path / "ssu_caption" / "1" / "half").exists()


def test_the_command_fails_for_what_cannot_be_rendered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]")

    wrong = main([str(tmp_path)])

    assert wrong == 1
    assert "cannot be rendered" in capsys.readouterr().out


def test_the_command_says_which_check_found_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [account.yaml]")
    (tmp_path / "account.yaml").write_text(
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: open}}"
    )

    wrong = main([str(tmp_path)])

    assert wrong == 1
    assert "accounts_have_no_token: ServiceAccount/open gives a token" in capsys.readouterr().out
