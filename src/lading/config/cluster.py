"""Where pods run: the `kubernetes:` map of a pipeline. Nothing here is in a key."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lading.config.resources import Memory
from lading.frozen import Frozen

ImageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-zA-Z0-9._/:@-]{0,400}$")]
LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]


class Images(Frozen):
    """What `make images` built, by tag or (better) by digest."""

    launch: ImageName = "lading-launch:latest"
    train: ImageName = "lading-train:latest"
    export: ImageName = "lading-export:latest"


class Toleration(Frozen):
    """As Kubernetes writes it."""

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = Field(None, alias="tolerationSeconds")


class Volume(Frozen):
    """A PersistentVolumeClaim with data."""

    claim: str
    path: str = Field(pattern=r"^/[^:]+$")
    """Where stages see it."""
    read_only: bool = True


LAUNCHER = "launcher"
"""Under `stages:`, what differs for the launcher's pod."""
STAGES_ALONE = ("runtime_class", "network_interface")
"""What the launcher, a small pod without a GPU, does not take over from the pipeline's map."""


class PodSettings(Frozen):
    """What a stage's pods get; a stage's own map under `stages:` is laid over the pipeline's."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    affinity: dict[str, Any] = Field(default_factory=dict)
    """As Kubernetes writes it."""
    priority_class: str | None = None
    runtime_class: str | None = None
    service_account: str | None = None
    """For workload identity; stage pods get no API token all the same. It is there already, unless it gets annotations here."""
    labels: dict[str, LabelValue] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    """Of the supervisor: proxies and the like."""
    env_from_secrets: tuple[str, ...] = ()
    """Secrets whose entries become environment of the supervisor: AWS_ACCESS_KEY_ID and the like."""
    volumes: dict[str, Volume] = Field(default_factory=dict)
    network_interface: str | None = None
    """For collectives: GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME."""


class Cluster(PodSettings):
    """The whole `kubernetes:` map."""

    namespace: str | None = Field(None, pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """By default that of the kubeconfig's context."""
    context: str | None = None
    """Of the kubeconfig."""
    images: Images = Images()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    ca_bundle: str | None = None
    """A ConfigMap whose entry `ca.crt` is the CA bundle for the store."""
    service: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")] = "lading-training"
    """The headless Service by which the pods of a training find each other; made where it is not there."""
    queue: LabelValue | None = None
    """Kueue's local queue: Jobs start suspended and wait there."""
    ttl_s: int = Field(3600, ge=60)
    """How long finished Jobs stay, for kubectl to look at."""
    user_id: int = Field(65532, ge=1)
    store: str | None = None
    """The store as pods see it, where that differs from how the launcher sees it."""
    ephemeral_storage: Memory | None = None
    service_account_annotations: dict[str, str] = Field(default_factory=dict)
    """For workload identity: `submit`, `render` and the chart make `service_account`, with these, for launcher and stages."""
    stages: dict[str, PodSettings] = Field(default_factory=dict)
    """Stage to what differs for its pods; `launcher` to what differs for the launcher's."""

    @model_validator(mode="after")
    def _annotated_is_named(self) -> Self:
        if self.service_account_annotations and not self.service_account:
            raise ValueError("service_account_annotations are there and no `service_account`: name it, so that launcher and stages use it")
        return self

    def pod(self, stage: str) -> PodSettings:
        """The settings of a stage's pods: maps are merged, the rest is replaced where the stage says something."""
        base = {name: getattr(self, name) for name in PodSettings.model_fields}
        own = self.stages.get(stage)
        for name in own.model_fields_set if own else ():
            value = getattr(own, name)
            base[name] = {**base[name], **value} if isinstance(value, dict) else value
        return PodSettings.model_construct(**base)

    def launcher(self) -> PodSettings:
        """The settings of the launcher's pod: as of a stage of that name, but for what is there for GPUs."""
        own = self.stages.get(LAUNCHER, PodSettings())
        return self.pod(LAUNCHER).model_copy(update={name: getattr(own, name) for name in STAGES_ALONE})
