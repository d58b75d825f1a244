"""The committed dashboards against Grafana's own types. `scripts/observability-test` runs this.

`tsc --strict` reads each dashboard as a literal of `@grafana/schema`, and the options of each panel
as those of its kind: a key or a value that Grafana does not know is an error.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DASHBOARDS = Path("k8s/observability/dashboards")
PACKAGES = ("@grafana/schema@11.6.0", "typescript@5.6")
KINDS = {"timeseries": "TimeSeries", "stat": "Stat", "heatmap": "Heatmap"}
WITH_FIELDS = ("timeseries", "heatmap")
COMPILE = (
    *("tsc", "--noEmit", "--strict", "--skipLibCheck"),
    *("--module", "esnext", "--moduleResolution", "node"),
)
HEAD = """\
import type { Dashboard } from "@grafana/schema";
// Enums are written as their values.
type Written<T> =
  T extends string ? `${T}` : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
"""

Check = Callable[[dict[str, Any]], str]


def imports() -> str:
    """The types of the options of panels, one pair for each kind."""
    folder = "@grafana/schema/dist/esm/raw/composable"
    return "".join(
        f'import type * as {kind} from "{folder}/{kind}/panelcfg/x/{name}PanelCfg_types.gen";\n'
        for kind, name in KINDS.items()
    )


def source(board: dict[str, Any]) -> str:
    """A dashboard and the options of its panels as TypeScript."""
    lines = [imports(), HEAD, f"const board: Written<Dashboard> = {json.dumps(board)};"]
    for panel in board["panels"]:
        kind, number = panel["type"], panel["id"]
        if kind not in KINDS:
            continue
        options = panel["options"]
        fields = panel.get("fieldConfig", {}).get("defaults", {}).get("custom", {})
        lines.append(
            f"const options{number}: Written<Partial<{kind}.Options>> = {json.dumps(options)};"
        )
        if kind in WITH_FIELDS:
            lines.append(
                f"const fields{number}: Written<{kind}.FieldConfig> = {json.dumps(fields)};"
            )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Returns what the compiler has to say about a dashboard: nothing, if it is right."""
    folder = tmp_path_factory.mktemp("schema")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)

    def compile(board: dict[str, Any]) -> str:
        (folder / "board.ts").write_text(source(board))
        done = subprocess.run(
            ["npx", "--no-install", *COMPILE, "board.ts"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        return done.stdout if done.returncode else ""

    return compile


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DASHBOARDS / name).read_text())
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in DASHBOARDS.glob("*.json")))
def test_a_dashboard_is_what_grafana_takes(check: Check, name: str) -> None:
    assert check(read(name)) == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("refrehs", "30s"),
        ("graphTooltip", "all"),
        ("panels", [{"type": "row", "id": 1, "gridPos": {"z": 1}}]),
    ],
)
def test_a_mistake_in_a_dashboard_is_noticed(check: Check, key: str, value: object) -> None:
    assert check(read("overview.json") | {key: value})


def test_a_mistake_in_the_options_of_a_panel_is_noticed(check: Check) -> None:
    board = read("overview.json")
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    panel["options"]["legend"]["placement"] = "above"

    assert "above" in check(board)
