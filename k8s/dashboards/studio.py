"""Studio dashboard: clips that are prepared, tools that are called, edits that are saved."""

from __future__ import annotations

from typing import Any

from k8s.dashboards.panels import Query, Row, board, lines
from k8s.dashboards.queries import most, quantile, rate


def studio() -> dict[str, Any]:
    """Return the dashboard of the studio; states and bytes are of the store, alike everywhere."""
    return board(
        "ssu-studio",
        "SSUFormer: studio",
        "Clips of the studio and how their preparation ends; calls and speed of tools; edits.",
        [_clips(), _work()],
    )


def _clips() -> Row:
    return Row(
        "Clips",
        [
            lines(
                "Clips by state",
                Query(most("ssu_studio_clips", "state"), "{{state}}"),
                unit="none",
                width=8,
            ),
            lines(
                "Clips prepared per hour",
                Query(f"3600 * {rate('ssu_studio_prepared_total', 'result')}", "{{result}}"),
                unit="none",
                description="failed: the film is at fault, and its problem says for what.",
                width=8,
                stacked=True,
            ),
            lines(
                "Bytes of all clips",
                Query(most("ssu_studio_bytes"), "bytes"),
                unit="bytes",
                description="At SSU_STUDIO_DISK a new clip gets 409.",
                width=8,
            ),
        ],
    )


def _work() -> Row:
    return Row(
        "Tools and edits",
        [
            lines(
                "Calls of tools by result",
                Query(rate("ssu_studio_tool_calls_total", "result"), "{{result}}"),
                unit="ops",
                description="refused: bad input, or no place. cancelled: the client has left.",
                width=6,
                stacked=True,
            ),
            lines(
                "Failed calls by tool",
                Query(
                    rate("ssu_studio_tool_calls_total", "tool", 'result=~"failed|timeout"'),
                    "{{tool}}",
                ),
                unit="ops",
                width=6,
            ),
            lines(
                "Time of a call of a tool",
                Query(quantile(0.95, "ssu_studio_tool_seconds", "tool"), "{{tool}} p95"),
                unit="s",
                description="Of each frame, for tracking. Those that failed are not in it.",
                width=6,
            ),
            lines(
                "Edits saved",
                Query(rate("ssu_studio_edits_total", "instance"), "{{instance}}"),
                unit="ops",
                width=6,
            ),
        ],
    )
