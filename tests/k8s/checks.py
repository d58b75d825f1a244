"""All checks: each takes what was rendered and yields a complaint for everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.k8s import (
    job_checks,
    lifetime_checks,
    monitoring_checks,
    network_checks,
    pod_checks,
    schema_checks,
    settings_checks,
)
from tests.k8s.manifests import Manifests

Check = Callable[[Manifests], Iterator[str]]

SCHEMAS: Check = schema_checks.schemas_hold
SEMANTICS: tuple[Check, ...] = (
    pod_checks.objects_are_named_once,
    pod_checks.selectors_match_their_pods,
    pod_checks.volumes_and_mounts_agree,
    pod_checks.ports_are_distinct,
    pod_checks.quantities_can_be_read,
    pod_checks.requests_are_within_limits,
    pod_checks.memory_holds_what_may_be_in_it,
    pod_checks.references_resolve,
    pod_checks.no_secret_is_written_down,
    pod_checks.images_are_ours,
    pod_checks.pods_are_restricted,
    pod_checks.namespaces_demand_it,
    pod_checks.accounts_have_no_token,
    lifetime_checks.probes_hit_routes,
    lifetime_checks.starting_is_waited_for,
    lifetime_checks.grace_outlasts_the_longest_request,
    lifetime_checks.tritons_that_go_are_forgotten,
    lifetime_checks.updates_get_on,
    lifetime_checks.scalers_have_targets,
    lifetime_checks.budgets_allow_evictions,
    network_checks.services_find_ports,
    network_checks.triton_is_reached_pod_by_pod,
    network_checks.nothing_is_open_by_default,
    network_checks.policies_select_what_is_there,
    network_checks.doors_lead_to_ports,
    network_checks.calls_out_are_few,
    network_checks.gateways_reach_triton,
    network_checks.gateways_reach_the_collector_of_their_spans,
    network_checks.gateways_with_jobs_reach_their_database,
    network_checks.calls_to_hosts_leave_the_cluster,
    network_checks.metrics_are_reached_from_monitoring,
    settings_checks.settings_are_valid,
    settings_checks.settings_roll_the_pods,
    settings_checks.threads_follow_the_quota,
    settings_checks.arguments_are_understood,
    settings_checks.triton_runs_what_is_there,
    settings_checks.models_come_first,
    settings_checks.shared_memory_is_large_enough,
    job_checks.jobs_are_shared,
    job_checks.clips_of_jobs_fit,
    job_checks.requests_go_before_jobs,
    job_checks.webhooks_are_signed,
    monitoring_checks.monitors_find_ports,
    monitoring_checks.everything_is_monitored,
    monitoring_checks.metrics_exist,
    monitoring_checks.scaling_metrics_are_provided,
)
