"""Building blocks of dashboards: panels, rows, variables, layout."""

# ruff: noqa: FBT003  the builders take flags so

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from k8s.dashboards.rules import OURS

Panel = builder.Builder[model.Panel]
Variable = builder.Builder[model.VariableModel]

TAG = "ssuformer"
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_FILTER = "{" + ",".join(f'{label}="{value}"' for label, value in OURS.items()) + "}"
_NOT_IN_SCHEMA = ("auto", "auto_count", "auto_min")
_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class Query:
    """A target of a panel; with `exemplar`, single requests are shown as linked points."""

    expr: str
    legend: str = ""
    exemplar: bool = False

    def target(self, number: int) -> prometheus.Dataquery:
        """Return it as the n-th target."""
        return (
            prometheus.Dataquery()
            .datasource(_SOURCE)
            .expr(self.expr)
            .legend_format(self.legend or "__auto")
            .exemplar(self.exemplar)
            .range()
            .ref_id(chr(ord("A") + number))
        )


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def lines(
    title: str,
    *queries: Query,
    unit: str,
    description: str = "",
    width: int = 12,
    stacked: bool = False,
    limits: Iterable[float] = (),
) -> Panel:
    """Return values over time; limits are drawn as dashed lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(_SOURCE)
        .targets([query.target(number) for number, query in enumerate(queries)])
        .unit(unit)
        .min(0)
        .span(width)
        .height(_HEIGHT)
        .line_width(1)
        .fill_opacity(40 if stacked else 5)
        .show_points(looks.VisibilityMode.NEVER)
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.TABLE)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if limits := list(limits):
        panel.thresholds(_steps("green", *((limit, "red") for limit in limits))).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def number(
    title: str,
    query: Query,
    *,
    unit: str,
    description: str = "",
    width: int = 4,
    first: str = "green",
    steps: Sequence[tuple[float, str]] = (),
) -> Panel:
    """Return the latest value, coloured by threshold, with a sparkline."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(_SOURCE)
        .with_target(query.target(0))
        .unit(unit)
        .span(width)
        .height(_HEIGHT // 2)
        .thresholds(_steps(first, *steps))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def spread(title: str, expr: str, *, unit: str, exemplar: bool = False, width: int = 12) -> Panel:
    """Return a heatmap of a histogram's buckets."""
    target = Query(expr, "{{le}}", exemplar).target(0).format(PromQueryFormat.HEATMAP)
    return (
        heatmap.Panel()
        .title(title)
        .datasource(_SOURCE)
        .with_target(target)
        .span(width)
        .height(_HEIGHT)
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Spectral")
            .exponent(0.5)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_gap(1)
        .show_legend()
        .exemplars_color("rgba(255,0,255,0.7)")
    )


def firing_alerts(*, width: int = 8) -> Panel:
    """Return the list of firing and pending alerts of the selected data source."""
    return (
        dashboard.Panel()
        .type("alertlist")
        .title("Alerts")
        .description("Alerts of this service in Prometheus; each has a runbook section.")
        .span(width)
        .height(_HEIGHT)
        .options(
            {
                "alertInstanceLabelFilter": _FILTER,
                "alertName": "",
                "datasource": "$datasource",
                "groupBy": [],
                "groupMode": "default",
                "maxItems": 20,
                "sortOrder": 3,
                "stateFilter": {
                    "error": True, "firing": True, "noData": False, "normal": False, "pending": True
                },
                "viewMode": "list",
            }
        )
    )  # fmt: skip


def choice(name: str, query: str, *, label: str, fixed: str = "") -> Variable:
    """Return a variable with the values of a label, initially all of them or a fixed one.

    `.*` selects all, including series without the label.
    """
    text, value = (fixed, fixed) if fixed else ("All", "$__all")
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(_SOURCE)
        .query({"query": query, "refId": name})
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text=[text], value=[value]))
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def gateway_variables() -> list[Variable]:
    """Return the variables of every dashboard: data source and gateways."""
    return [
        dashboard.DatasourceVariable("datasource").label("Source").type("prometheus"),
        choice("namespace", "label_values(ssu_workers, namespace)", label="Namespace"),
        choice("job", 'label_values(ssu_workers{namespace=~"$namespace"}, job)', label="Job"),
        choice(
            "instance",
            'label_values(ssu_workers{namespace=~"$namespace",job=~"$job"}, instance)',
            label="Gateway",
        ),
    ]


def route_variable() -> Variable:
    """Return the variable for the route, initially `/understand`."""
    query = 'label_values(ssu_requests_total{namespace=~"$namespace",job=~"$job"}, route)'
    return choice("route", query, label="Route", fixed="/understand")


def version_variable() -> Variable:
    """Return the variable for the version of the weights."""
    query = 'label_values(ssu_model_info{namespace=~"$namespace",job=~"$job"}, version)'
    return choice("version", query, label="Weights")


def board(
    uid: str, title: str, description: str, rows: Iterable[Row], variables: Iterable[Variable] = ()
) -> dict[str, Any]:
    """Return a dashboard in Grafana's format; panels are numbered in reading order."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("SSUFormer")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in (*gateway_variables(), *variables):
        built.with_variable(variable)
    for row in rows:
        built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built.with_panel(panel)
    whole: dict[str, Any] = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    for position, panel in enumerate(whole["panels"], start=1):
        panel["id"] = position
    for variable in whole["templating"]["list"]:
        for key in _NOT_IN_SCHEMA:
            variable.pop(key, None)
    return whole


def _steps(first: str, *steps: tuple[float, str]) -> dashboard.ThresholdsConfig:
    named = [model.Threshold(value=value, color=color) for value, color in steps]
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=None, color=first), *named])
    )
