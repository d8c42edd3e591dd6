"""What submitted runs leave in a cluster: Jobs go by themselves (`ttl_s`), the ConfigMap that owns them goes with a later submission."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from lading.backends.kubernetes import launcher, words
from lading.backends.kubernetes.connect import AlreadyThereError, Connection, GoneError

YOUNG = timedelta(hours=1)
"""By the server's clock alone: between a ConfigMap and the Job that mounts it a submission may be interrupted, and go on."""
MOST = 50
"""At one submission: nobody waits long for it."""
SELECTOR = f"{words.MANAGED_BY}={words.MANAGER},{words.COMPONENT}=launcher,{words.RUN}"
Object = dict[str, Any]


def tidy(connection: Connection, mine: Object) -> Iterator[str]:
    """Removes the ConfigMaps of runs that have no Job any more, neither a launcher's nor a stage's: nothing would be left to own.

    Such a run has ended, or its launcher was taken away; who submits it again makes its ConfigMap again.

    Args:
        connection: to the namespace.
        mine: the ConfigMap that was made just now; its time is the server's.
    """
    now = _made(mine)
    listed = connection.ask("list configmaps", labelSelector=SELECTOR, limit=500)["items"]
    for old in sorted(listed, key=_made)[:MOST]:
        metadata = old["metadata"]
        if now - _made(old) < YOUNG or launcher.PIPELINE_FILE not in (old.get("data") or {}) or _has_jobs(connection, old):
            continue
        body = {"preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}}
        with contextlib.suppress(GoneError, AlreadyThereError):  # somebody else was faster, or changed it: then it is in use
            connection.ask("delete configmaps", metadata["name"], body=body)
            if _has_jobs(connection, old):  # submitted again at this very moment
                kept = {name: metadata[name] for name in ("name", "namespace", "labels")}
                connection.ask("create configmaps", body={**old, "metadata": kept})
                continue
            yield f"configmap/{metadata['name']} removed: its run has no Job any more"


def _made(found: Object) -> datetime:
    """When the server made it."""
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"])


def _has_jobs(connection: Connection, found: Object) -> bool:
    """Whether there is a Job of the run that a ConfigMap belongs to."""
    selector = f"{words.RUN}={found['metadata']['labels'][words.RUN]}"
    return bool(connection.ask("list jobs", labelSelector=selector, limit=1)["items"])
