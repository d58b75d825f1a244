"""Jobs that a check must find broken."""

from __future__ import annotations

from tests.k8s import job_checks, network_checks
from tests.k8s.broken import ALL, CPU, Broken, Case


def _variable(broken: Broken, name: str) -> dict[str, object]:
    found: dict[str, object] = next(one for one in broken.container()["env"] if one["name"] == name)
    return found


CASES = (
    Case(
        job_checks.jobs_are_shared,
        ALL,
        lambda b: _variable(b, "SSU_JOBS").update(value="postgresql://ssu:word@db/ssu"),
        "is no secret",
    ),
    Case(
        job_checks.jobs_are_shared,
        CPU,
        lambda b: b.settings().update(SSU_JOBS="sqlite:////tmp/jobs.sqlite"),
        "the files of its jobs are in no claim",
    ),
    Case(
        job_checks.jobs_are_shared,
        ALL,
        lambda b: b.settings().update(SSU_JOBS_FOLDER="/tmp/jobs"),
        "the files of its jobs are in no claim",
    ),
    Case(
        job_checks.jobs_are_shared,
        ALL,
        lambda b: b.spec("PersistentVolumeClaim", "ssu-jobs").update(accessModes=["ReadWriteOnce"]),
        "one node alone can mount it",
    ),
    Case(
        job_checks.jobs_are_shared,
        ALL,
        lambda b: b.settings().update(SSU_JOBS_DISK=str(100 * 2**30)),
        "SSU_JOBS_DISK does not fit into it",
    ),
    Case(
        job_checks.clips_of_jobs_fit,
        ALL,
        lambda b: b.settings().update(SSU_JOB_MAX_BYTES=str(7 * 2**30)),
        "does not hold one clip of a job",
    ),
    Case(
        job_checks.clips_of_jobs_fit,
        ALL,
        lambda b: b.settings().update(SSU_UPLOAD_DISK=str(8 * 2**30)),
        "SSU_UPLOAD_DISK does not fit into /tmp",
    ),
    Case(
        job_checks.clips_of_jobs_fit,
        ALL,
        lambda b: b.container()["resources"]["requests"].update({"ephemeral-storage": "1Gi"}),
        "no node is asked for the disk",
    ),
    Case(
        job_checks.requests_go_before_jobs,
        ALL,
        lambda b: b.settings().update(SSU_JOB_WORKERS="2"),
        "requests wait for the end of a part",
    ),
    Case(
        job_checks.webhooks_are_signed,
        ALL,
        lambda b: b.settings().pop("SSU_WEBHOOK_SECRET_FILE"),
        "signed with no Secret",
    ),
    Case(
        job_checks.webhooks_are_signed,
        CPU,
        lambda b: b.settings().update(SSU_INPUT_HOSTS="films.example"),
        "has no jobs",
    ),
    Case(
        network_checks.calls_out_are_few,
        ALL,
        lambda b: b.spec("NetworkPolicy", "ssu-gateway-to-hosts")["egress"][0]["ports"].append(
            {"port": 80}
        ),
        "lets calls out to port 80",
    ),
    Case(
        network_checks.gateways_with_jobs_reach_their_database,
        ALL,
        lambda b: b.without("NetworkPolicy", "ssu-gateway-to-postgresql"),
        "it has jobs, unlike its policies",
    ),
    Case(
        network_checks.gateways_with_jobs_reach_their_database,
        ALL,
        lambda b: b.container()["env"].remove(_variable(b, "SSU_JOBS")),
        "it has no jobs, unlike its policies",
    ),
    Case(
        network_checks.calls_to_hosts_leave_the_cluster,
        ALL,
        lambda b: b.without("NetworkPolicy", "ssu-gateway-to-hosts"),
        "it calls hosts, unlike its policies",
    ),
    Case(
        network_checks.calls_to_hosts_leave_the_cluster,
        ALL,
        lambda b: b.settings().update(SSU_WEBHOOK_HOSTS="", SSU_INPUT_HOSTS=""),
        "it calls no hosts, unlike its policies",
    ),
    Case(
        network_checks.calls_to_hosts_leave_the_cluster,
        ALL,
        lambda b: b.spec("NetworkPolicy", "ssu-gateway-to-hosts")["egress"][0]["to"][0]["ipBlock"][
            "except"
        ].remove("169.254.0.0/16"),
        "its calls may go to 169.254.0.0/16",
    ),
    Case(
        network_checks.calls_to_hosts_leave_the_cluster,
        ALL,
        lambda b: b.spec("NetworkPolicy", "ssu-gateway-to-hosts")["egress"][0]["to"][1][
            "ipBlock"
        ].update(cidr="::/0"),
        "its calls may go to fc00::/7",
    ),
)
