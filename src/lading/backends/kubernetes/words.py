"""Every label, annotation and fixed name that objects in a cluster carry."""

import hashlib
import re

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "lading"
NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
"""`stage`, `launcher`, `retrain`."""
PART_OF = "app.kubernetes.io/part-of"
"""The pipeline."""
RUN = "lading/run"
STAGE = "lading/stage"
KIND = "lading/kind"
ATTEMPT = "lading/attempt"
KEY = "lading/key"
"""Annotation: the whole key; a label value is too short for it."""
JOB = "lading/job"
"""Annotation of a pod: its JobSpec; the pod reads it as a file, through the downward API."""
INDEX = "batch.kubernetes.io/job-completion-index"
"""Annotation of a pod, by the Job's own controller."""
QUEUE = "kueue.x-k8s.io/queue-name"
SELECTOR = f"{MANAGED_BY}={MANAGER},{COMPONENT}=stage"
CONTAINER = "stage"
JOB_FOLDER = "/lading"
SCRATCH = "/scratch"
CA_FOLDER = "/etc/lading-ca"
MASTER_PORT = 29500


def value(text: str) -> str:
    """A label's value: as it is where Kubernetes takes it, else cut, and told apart by a hash (a run's id may be longer)."""
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", text):
        return text
    return f"{text[:50].strip('._-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
