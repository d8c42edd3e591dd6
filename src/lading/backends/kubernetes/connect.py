"""The way to a cluster, and every refusal of its API as a sentence: the one place that knows the kubernetes client.

Of the client, what finds a cluster and proves who asks is used. Its generated methods and models are not: objects are plain data here, and
importing the models of the whole API takes a fifth of what a launcher may have of memory.
"""

import json
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from lading.errors import ClusterError, LadingError, UserError

Object = dict[str, Any]
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
ROOT_CA = "kube-root-ca.crt"
TIMEOUT_S = (10, 60)
"""To connect, and for an answer."""
HURRIED_S = (3, 10)
"""The same where a person waits for something else."""
METHODS = {"create": "POST", "delete": "DELETE", "patch": "PATCH"}
"""All other verbs are a GET."""
GROUPS = {
    "jobs": "apis/batch/v1",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "apis/rbac.authorization.k8s.io/v1",
    "selfsubjectaccessreviews": "apis/authorization.k8s.io/v1",
}
"""Which part of the API serves a resource; all others are of the core."""
EVERYWHERE = {"namespaces", "selfsubjectaccessreviews"}
"""Resources that lie in no namespace."""


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
        from kubernetes.client.configuration import Configuration
        from kubernetes.client.rest import RESTClientObject
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
        self._configuration = configuration
        self._pool = RESTClientObject(configuration).pool_manager

    @cached_property
    def cluster_id(self) -> str:
        """The same for all who talk to this namespace, by whatever address and with whatever rights.

        It is the uid of the ConfigMap that Kubernetes puts into every namespace: a launcher in the cluster, which knows the server by
        another address and may read no Namespace, finds the same as a laptop, so that each can look after what the other started.
        """
        try:
            return str(self.ask("get configmaps", ROOT_CA)["metadata"]["uid"])
        except (DeniedError, GoneError):  # never for an outage: a name that changes would disown what runs
            return str(self._configuration.host)

    def ask(self, verb: str, name: str = "", *, body: Object | None = None, **query: Any) -> Any:
        """One call of the API, and its answer as data.

        Args:
            verb: what a Role calls it: "create jobs", "get pods/log".
            name: of the object.
            body: what is sent.
            query: in the API's own words: labelSelector, limit, ...

        Raises:
            AlreadyThereError, GoneError, UserError, ClusterError.
        """
        try:
            return json.loads(self.raw(verb, name, body=body, **query).data)
        except ValueError as error:
            raise ClusterError(
                f"what answers at {self._configuration.host} is no API server: {str(error)[:200]}", do="kubectl get nodes"
            ) from error

    def raw(self, verb: str, name: str = "", *, body: Object | None = None, stream_s: float | None = None, **query: Any) -> Any:
        """The same, and the answer as it comes: whole, or with `stream_s` as it arrives, with silences of no more than so many seconds.

        Raises:
            AlreadyThereError, GoneError, UserError, ClusterError.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        method = METHODS.get(verb.partition(" ")[0], "GET")
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            for proof in self._configuration.auth_settings().values():  # each time anew: tokens of pods are renewed
                if proof["in"] == "header" and proof["value"]:
                    headers[proof["key"]] = proof["value"]
            connect_s, answer_s = self._timeout
            answer = self._pool.request(
                method,
                self._address(verb, name, query),
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=Timeout(connect=connect_s, read=stream_s or answer_s),
                preload_content=stream_s is None,
            )
            if answer.status >= 400:
                raise self._refusal(answer.status, _message(answer), verb)
        except (HTTPError, OSError) as error:
            raise ClusterError(
                f"the cluster at {self._configuration.host} does not answer: {str(error)[:200]}",
                do="kubectl get nodes says whether it is reachable",
            ) from error
        return answer

    def _address(self, verb: str, name: str, query: Object) -> str:
        resource, _, part = verb.partition(" ")[2].partition("/")
        inside = () if resource in EVERYWHERE else ("namespaces", self.namespace)
        path = "/".join(quote(one, safe="") for one in (*inside, resource, name, part) if one)
        told = urlencode({key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()})
        return f"{self._configuration.host}/{GROUPS.get(resource, 'api/v1')}/{path}{'?' if told else ''}{told}"

    def _refusal(self, status: int, message: str, verb: str) -> LadingError:
        if status == 409:
            return AlreadyThereError(message)
        if status == 404:
            if "namespaces" in message:
                return UserError(f"the namespace {self.namespace} is not there", do=f"kubectl create namespace {self.namespace}")
            return GoneError(message)
        if status == 403 and "exceeded quota" in message:
            used = message.partition("exceeded quota: ")[2] or message
            return QuotaError(
                f"the namespace's quota is used up: {used}", do=f"make room, or ask for more: kubectl describe quota -n {self.namespace}"
            )
        if status == 401:
            return UserError(
                f"the cluster does not know who asks to {verb}: {message}",
                do="log in to it again; kubectl auth whoami says who you are to it",
            )
        if status == 403 and "violates PodSecurity" not in message:
            what, _, resource = verb.partition(" ")
            return DeniedError(
                f"this identity may not {verb} in the namespace {self.namespace}: {message}",
                do=f"a Role with verbs: [{what}] on resources: [{resource}] grants it; k8s/role.yaml has all that lading needs",
            )
        if status in {400, 403, 422}:
            return UserError(f"the cluster refuses to {verb}: {message}", do="mend what it names in the pipeline's `kubernetes:` map")
        return ClusterError(f"the cluster answered {status} to {verb}: {message}", do="the same command again goes on where it was")


def owner_reference(connection: Connection, name: str) -> Object:
    """The ConfigMap that owns what a launcher in a cluster creates."""
    found = connection.ask("get configmaps", name)
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": found["metadata"]["uid"]}


def _message(answer: Any) -> str:
    try:
        return str(json.loads(answer.data)["message"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason)
