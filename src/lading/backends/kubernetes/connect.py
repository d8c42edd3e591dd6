"""The way to a cluster, and every refusal of its API as a sentence: the one place that knows the kubernetes client."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

from lading.errors import ClusterError, LadingError, UserError

T = TypeVar("T")
Object = dict[str, Any]
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
ROOT_CA = "kube-root-ca.crt"
TIMEOUT_S = (10, 60)
"""To connect, and for an answer."""
HURRIED_S = (3, 10)
"""The same where a person waits for something else."""


class AlreadyThereError(LadingError):
    """An object of this name exists."""


class GoneError(LadingError):
    """There is no such object."""


class DeniedError(UserError):
    """This identity may not do this."""


class QuotaError(UserError):
    """A quota of the namespace is used up: waiting mends it, or a person."""


class Connection:
    """One namespace of one cluster.

    Args:
        context: of the kubeconfig; by default the current one, or the pod's own service account.
        namespace: by default the context's.
        hurried: whether to give up soon; for what is only looked at beside something else.

    Raises:
        UserError: there is neither a kubeconfig nor a service account.
    """

    def __init__(self, context: str | None = None, namespace: str | None = None, *, hurried: bool = False) -> None:
        from kubernetes import config
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config.config_exception import ConfigException
        from yaml import YAMLError

        configuration = Configuration()
        own = "default"
        try:
            config.load_kube_config(context=context, client_configuration=configuration)
            contexts, active = config.list_kube_config_contexts()
            chosen = next((one for one in contexts if one["name"] == context), active) if context else active
            own = (chosen.get("context") or {}).get("namespace") or "default"
        except (ConfigException, TypeError, AttributeError, OSError, YAMLError) as error:
            try:
                config.load_incluster_config(client_configuration=configuration)
            except ConfigException:
                raise UserError(
                    f"no cluster is known here: {' '.join(str(error).split())[:300]}",
                    do="kubectl config get-contexts lists what `kubernetes.context` may name"
                    if context
                    else "point KUBECONFIG at a kubeconfig (kubectl get nodes must work)",
                ) from error
            with open(SERVICE_ACCOUNT, encoding="utf-8") as file:  # noqa: PTH123
                own = file.read().strip()
        configuration.retries = 0 if hurried else 3
        self._timeout = HURRIED_S if hurried else TIMEOUT_S
        self.namespace = namespace or own
        self._api = ApiClient(configuration)

    @cached_property
    def batch(self) -> Any:
        """Jobs and CronJobs."""
        from kubernetes.client import BatchV1Api

        return BatchV1Api(self._api)

    @cached_property
    def core(self) -> Any:
        """Pods, Services, ConfigMaps, events."""
        from kubernetes.client import CoreV1Api

        return CoreV1Api(self._api)

    @cached_property
    def cluster_id(self) -> str:
        """The same for all who talk to this namespace, by whatever address and with whatever rights.

        It is the uid of the ConfigMap that Kubernetes puts into every namespace: a launcher in the cluster, which knows the server by
        another address and may read no Namespace, finds the same as a laptop, so that each can look after what the other started.
        """
        try:
            found = self.call(self.core.read_namespaced_config_map, ROOT_CA, self.namespace, verb="get configmaps")
            return str(found.metadata.uid)
        except (DeniedError, GoneError):  # never for an outage: a name that changes would disown what runs
            return str(self._api.configuration.host)

    def call(self, function: Callable[..., T], *arguments: Any, verb: str, **words: Any) -> T:
        """Calls the API; what it refuses becomes a sentence.

        Raises:
            AlreadyThereError, GoneError, UserError, ClusterError.
        """
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return function(*arguments, _request_timeout=self._timeout, **words)
        except ApiException as error:
            raise self._refusal(error, verb) from error
        except (HTTPError, OSError) as error:
            raise ClusterError(
                f"the cluster at {self._api.configuration.host} does not answer: {str(error)[:200]}",
                do="kubectl get nodes says whether it is reachable",
            ) from error

    def _refusal(self, error: Any, verb: str) -> LadingError:
        message = _message(error)
        if error.status == 409:
            return AlreadyThereError(message)
        if error.status == 404:
            if "namespaces" in message:
                return UserError(f"the namespace {self.namespace} is not there", do=f"kubectl create namespace {self.namespace}")
            return GoneError(message)
        if error.status == 403 and "exceeded quota" in message:
            used = message.partition("exceeded quota: ")[2] or message
            return QuotaError(
                f"the namespace's quota is used up: {used}", do=f"make room, or ask for more: kubectl describe quota -n {self.namespace}"
            )
        if error.status == 401:
            return UserError(
                f"the cluster does not know who asks to {verb}: {message}",
                do="log in to it again; kubectl auth whoami says who you are to it",
            )
        if error.status == 403 and "violates PodSecurity" not in message:
            what, _, resource = verb.partition(" ")
            return DeniedError(
                f"this identity may not {verb} in the namespace {self.namespace}: {message}",
                do=f"a Role with verbs: [{what}] on resources: [{resource}] grants it; k8s/role.yaml has all that lading needs",
            )
        if error.status in {400, 403, 422}:
            return UserError(f"the cluster refuses to {verb}: {message}", do="mend what it names in the pipeline's `kubernetes:` map")
        return ClusterError(f"the cluster answered {error.status} to {verb}: {message}", do="the same command again goes on where it was")


def owner_reference(connection: Connection, name: str) -> Object:
    """The ConfigMap that owns what a launcher in a cluster creates."""
    found = connection.call(connection.core.read_namespaced_config_map, name, connection.namespace, verb="get configmaps")
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": found.metadata.uid}


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
