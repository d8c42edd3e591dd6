"""Where everything lies in the store, and every environment variable, label and file name that two parts share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Environment variables
ENV_STORE = "LADING_STORE"
"""The store's URI where neither --store nor the pipeline's own `store:` says one."""
ENV_CACHE = "LADING_CACHE"
"""Where things are kept that can be fetched or computed again (default ~/.cache/lading)."""
ENV_OWNER = "LADING_OWNER"
"""The ConfigMap that owns what a launcher in a cluster creates: uninstalling its release removes all of it."""
ENV_INPUTS = "LADING_INPUTS"
"""A script's inputs: $LADING_INPUTS/<need>/ holds the artifacts that the need hands on."""
ENV_OUTPUT = "LADING_OUTPUT"
"""Where a script writes its results; measurements.json in it becomes measurements."""
ENV_HEARTBEAT_S = "LADING_HEARTBEAT_S"
"""Seconds between two heartbeats of an attempt (default 5)."""
ENV_PASSED = "LADING_PASS_ENV"
"""Names, separated by commas, of variables that a stage's process gets beyond the allow-list; their values are masked in its output."""
ENV_WORK = "LADING_WORK"
"""The folder in which stages work; by default the system's folder for temporary files."""
ENV_MASTER = "LADING_MASTER"
"""`host:port` where the pods of a training meet."""
ENV_IMAGE = "LADING_IMAGE"
"""The image that a stage's container was made of, as its pod names it: for provenance."""
ENV_GIT_COMMIT = "LADING_GIT_COMMIT"
"""The commit of what runs, for provenance, where no .git folder says it."""

# The child's folder: what the supervisor and the stage's own process hand each other
WORK_JOB = "job.json"
WORK_INPUTS = "inputs"
WORK_OUTPUT = "output"
WORK_SCRATCH = "scratch"
WORK_FILES = "files"
"""Files of the user, each below its own name; a script's working folder."""
WORK_OUTSIDE = "outside"
"""Data from outside of the store that had to be fetched, below the setting that names it."""
WORK_RESULT = "result.json"
WORK_OUTCOME = "outcome.json"
EVENT_ENDED = "stage.ended"
"""The log's event with a supervisor's last word; the launcher reads it where the outcome could not be stored."""
WORK_PROGRESS = "progress.json"
WORK_CHECKPOINTS = "checkpoints"

PROBE = "probe.json"

PLAIN_NAME = r"^[a-z][a-z0-9-]{0,39}$"
"""Names of pipelines, stages and roles: short enough for labels and for the names of Jobs."""


def work_place(environ: Mapping[str, str]) -> Path:
    """The folder in which stages of this machine work."""
    import tempfile  # as slow as all that every command needs

    return Path(environ.get(ENV_WORK) or tempfile.gettempdir())


def manifests(kind: str, key: str) -> str:
    """The prefix of a result's numbered manifests and voids."""
    return f"manifests/{kind}/{key}/"


def manifest(kind: str, key: str, number: int) -> str:
    """One manifest or void record."""
    return f"manifests/{kind}/{key}/{number}.json"


def attempts(kind: str, key: str) -> str:
    """The prefix of all attempts at a key."""
    return f"attempts/{kind}/{key}/"


@dataclass(frozen=True, slots=True)
class AttemptId:
    """One numbered try at a key, and the places of what it leaves."""

    kind: str
    key: str
    number: int

    @property
    def prefix(self) -> str:
        """Everything of this attempt."""
        return f"attempts/{self.kind}/{self.key}/{self.number}/"

    @property
    def claim(self) -> str:
        """Who tries."""
        return self.prefix + "claim.json"

    @property
    def verdict(self) -> str:
        """How it ended, judged once."""
        return self.prefix + "verdict.json"

    @property
    def artifacts(self) -> str:
        """The prefix of what it made."""
        return self.prefix + "artifacts/"

    @property
    def checkpoints(self) -> str:
        """The prefix of its training states: checkpoints/<step>/..."""
        return self.prefix + "checkpoints/"

    def progress(self, pod: str = "0") -> str:
        """The heartbeat of one pod."""
        return f"{self.prefix}progress-{pod}.json"

    def outcome(self, pod: str = "0") -> str:
        """How one pod ended."""
        return f"{self.prefix}outcome-{pod}.json"

    def log(self, pod: str = "0") -> str:
        """What one pod printed: the prefix of its numbered chunks, logs/<pod>/<000000>.log."""
        return f"{self.prefix}logs/{pod}/"


def user_file(sha256: str) -> str:
    """A file of the user that a pipeline names."""
    return f"files/{sha256}"


@dataclass(frozen=True, slots=True)
class RunPlaces:
    """The places of one run."""

    run: str

    @property
    def prefix(self) -> str:
        """Everything of this run."""
        return f"runs/{self.run}/"

    @property
    def plan(self) -> str:
        """What it set out to do; written first, once."""
        return self.prefix + "plan.json"

    @property
    def cancel(self) -> str:
        """Present: the run is asked to stop."""
        return self.prefix + "cancel.json"

    @property
    def progress(self) -> str:
        """The launcher's heartbeat, with the keys that it waits for."""
        return self.prefix + "progress.json"

    @property
    def end(self) -> str:
        """How it ended; written last, once."""
        return self.prefix + "run.json"

    @property
    def report(self) -> str:
        """The page."""
        return self.prefix + "report.html"


def champions(model: str, alias: str) -> str:
    """The prefix of a model's numbered champions under an alias."""
    return f"champions/{model}/{alias}/"


def ticket(platform: str, attempt: AttemptId) -> str:
    """An attempt that waits for a runner."""
    return f"tickets/{platform}/{attempt.kind}-{attempt.key}-{attempt.number}.json"


RUNNERS = "runners/"
"""The prefix of what runners say of themselves."""


def runner(name: str) -> str:
    """What one runner says of itself; rewritten as its heartbeat."""
    return f"{RUNNERS}{name}.json"


def decision(check: str, tick: str) -> str:
    """One decision of a retraining check."""
    return f"retrain/{check}/{tick}.json"


def launches(check: str) -> str:
    """The prefix of a check's numbered launches."""
    return f"retrain/{check}/launches/"


def launch(check: str, number: int) -> str:
    """One launch of a check: the decision that took this number."""
    return f"{launches(check)}{number}.json"


def job_name(kind: str, digest16: str, number: int) -> str:
    """The name of an attempt's Job; `digest16`: 16 hex digits of sha256 over store and key."""
    return f"lading-{kind}-{digest16}-{number}"
