"""The manifest that an attempt hands on: what was made, of what, by which code and where."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lading import names
from lading.canonical import finite_or_none
from lading.config.kinds import KINDS
from lading.manifest.model import Artifact, Manifest, Provenance, result_of
from lading.plan.job import JobSpec
from lading.stages import machine, topology
from lading.stages.secrets import Masker
from lading.stages.threads import thread_count


def manifest_of(
    job: JobSpec, artifacts: dict[str, Artifact], result: Mapping[str, Any], *, environ: Mapping[str, str], started: str, masker: Masker
) -> Manifest:
    """The manifest of an attempt.

    Args:
        job: the attempt.
        artifacts: what was uploaded, by name.
        result: the stage's result.json.
        environ: of the supervisor; it may name the image and the commit.
        started: when the attempt began.
        masker: takes secrets out of the stage's warnings.
    """
    hardware = {**machine.hardware(), **result.get("hardware", {}), "threads": thread_count(job.resources)}
    provenance = Provenance(
        code=job.fingerprint,
        image=environ.get(names.ENV_IMAGE) or job.resources.image,
        git_commit=machine.git_commit(Path.cwd(), environ),
        libraries=machine.versions(KINDS[job.kind].libraries),
        hardware={**hardware, "processes": topology.processes(job)},
        started=started,
        finished=machine.now(),
        seeds=result["seeds"],
        run=job.run,
    )
    return Manifest.model_validate(
        {
            "kind": job.kind,
            "key": job.key,
            "attempt": job.attempt,
            "nonce": job.nonce,
            "inputs": job.inputs,
            "artifacts": artifacts,
            "measurements": {name: None if value is None else finite_or_none(value) for name, value in result["measurements"].items()},
            "result": result_of(artifacts),
            "provenance": provenance,
            "warnings": tuple(masker.text(str(warning)) for warning in result["warnings"]),
        }
    )
