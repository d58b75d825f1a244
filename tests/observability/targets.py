"""What the committed dashboards ask of Prometheus, as Grafana would ask it when one is opened."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARDS = Path("k8s/observability/dashboards")
RATE_INTERVAL = "15s"
"""Where Prometheus scrapes every second; Grafana takes at least four times the scrape interval."""

_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True)
class Target:
    """An expression of a panel, with all variables replaced."""

    board: str
    panel: str
    kind: str
    unit: str
    legend: str
    expr: str
    exemplar: bool

    def __str__(self) -> str:
        return f"{self.board} / {self.panel} / {self.legend}"


@dataclass(frozen=True, slots=True)
class Variable:
    """A label's values among the series of a selector."""

    board: str
    name: str
    series: str
    label: str

    def __str__(self) -> str:
        return f"{self.board} / {self.name}"


def read(board: str) -> dict[str, Any]:
    """Return a committed dashboard."""
    found: dict[str, Any] = json.loads((DASHBOARDS / f"{board}.json").read_text())
    return found


def boards() -> list[str]:
    """Return the names of the committed dashboards."""
    return sorted(path.stem for path in DASHBOARDS.glob("*.json"))


def targets() -> list[Target]:
    """Return every target of every panel."""
    return [
        _target(board, panel, target, values)
        for board in boards()
        for values in [_values(read(board))]
        for panel in read(board)["panels"]
        for target in panel.get("targets", ())
    ]


def _target(
    board: str, panel: dict[str, Any], target: dict[str, Any], values: dict[str, str]
) -> Target:
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    axis = panel.get("options", {}).get("yAxis", {})
    return Target(
        board=board,
        panel=panel["title"],
        kind=panel["type"],
        unit=defaults.get("unit") or axis.get("unit", ""),
        legend=target["legendFormat"],
        expr=_replaced(target["expr"], values),
        exemplar=target["exemplar"],
    )


def variables() -> list[Variable]:
    """Return every variable of every dashboard that asks Prometheus."""
    return [
        _variable(board, variable, _values(read(board)))
        for board in boards()
        for variable in read(board)["templating"]["list"]
        if variable["type"] == "query"
    ]


def _variable(board: str, variable: dict[str, Any], values: dict[str, str]) -> Variable:
    found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
    assert found, f"{variable['query']} is not understood here"
    series = _replaced(found["series"], values)
    return Variable(board, variable["name"], series, found["label"])


def _values(board: dict[str, Any]) -> dict[str, str]:
    """Return what each variable stands for as the dashboard is opened."""
    values = {"__rate_interval": RATE_INTERVAL}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            current = variable["current"]["value"]
            all_of_them = current == ["$__all"]
            values[variable["name"]] = variable["allValue"] if all_of_them else "|".join(current)
    return values


def _replaced(expr: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        expr = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", lambda _, v=value: v, expr)  # type: ignore[misc]
    return expr
