"""What an API server refuses becomes a sentence; what is only an outage is told from it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest
import yaml

from lading.backends.kubernetes.connect import AlreadyThereError, Connection, DeniedError, GoneError, QuotaError
from lading.errors import ClusterError, LadingError, UserError


class Api:
    """An API server that gives prepared answers."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self.heard: list[tuple[str, str | None, str | None, str]] = []
        """Method, proof, content type and body of each request."""
        answers, asked, heard = self.answers, self.asked, self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                heard.append((self.command, self.headers["authorization"], self.headers["Content-Type"], sent))
                status, message = answers.pop(0)
                body = json.dumps({"kind": "Status", "message": message, "metadata": {"uid": "u"}, "items": []}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.kubeconfig = folder / "kubeconfig"
        server = {"server": f"http://127.0.0.1:{self.server.server_port}"}
        config = {
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The server, and KUBECONFIG pointing at it."""
    made = Api(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(made.kubeconfig))
    yield made
    made.server.shutdown()
    made.server.server_close()


def refusal(api: Api, status: int, message: str) -> LadingError:
    """What a refused creation of a Job raises."""
    api.answers.append((status, message))
    connection = Connection()
    with pytest.raises(LadingError) as caught:
        connection.ask("create jobs", body={})
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "error", "words"),
    [
        (403, 'jobs is forbidden: User "u" cannot create', DeniedError, "verbs: [create] on resources: [jobs]"),
        (401, "Unauthorized", UserError, "kubectl auth whoami"),
        (403, "jobs is forbidden: exceeded quota: small", QuotaError, "kubectl describe quota"),
        (404, 'namespaces "ml" not found', UserError, "kubectl create namespace ml"),
        (404, 'jobs "j" not found', GoneError, ""),
        (409, "exists", AlreadyThereError, ""),
        (422, "spec.template: field is immutable", UserError, "immutable"),
        (429, "slow down", ClusterError, "429"),
        (500, "etcd is away", ClusterError, "etcd is away"),
        (503, "starting", ClusterError, "503"),
    ],
)
def test_every_refusal_is_a_sentence(api: Api, status: int, message: str, error: type[LadingError], words: str) -> None:
    """What a person must mend is a UserError that says how; what passes by itself is a ClusterError."""
    found = refusal(api, status, message)
    assert type(found) is error
    assert words in str(found)


def test_throttled_looks_are_asked_again(api: Api) -> None:
    """A 429 to a read is waited out, as the server asks."""
    api.answers += [(429, "slow down"), (429, "slow down"), (200, "")]
    connection = Connection()
    assert connection.ask("list jobs")["items"] == []


def test_a_server_that_is_away_is_out_of_reach(api: Api) -> None:
    """A refused connection is an outage, with the address."""
    api.server.shutdown()
    api.server.server_close()
    connection = Connection()
    with pytest.raises(ClusterError, match="does not answer"):
        connection.ask("list jobs")


def test_the_clusters_name_outlives_an_outage(api: Api) -> None:
    """An outage at the first look does not give the cluster another name, which would disown what runs; a refusal gives the address."""
    api.answers += [(503, "starting"), (200, ""), (403, "forbidden")]
    connection = Connection()
    with pytest.raises(ClusterError):
        _ = connection.cluster_id
    assert connection.cluster_id == "u"
    # What a launcher's Role allows in its own namespace, so that a laptop and a pod find the same.
    assert set(api.asked) == {"/api/v1/namespaces/ml/configmaps/kube-root-ca.crt"}
    assert Connection().cluster_id.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("text", ["a: [b", "hello", "", None], ids=["no YAML", "no map", "empty", "a folder"])
def test_a_kubeconfig_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """Whatever KUBECONFIG names instead of a kubeconfig is a sentence with a next step, and no bug of lading's."""
    place = tmp_path / "kubeconfig"
    place.mkdir() if text is None else place.write_text(text)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(place))
    with pytest.raises(UserError, match="no cluster is known here") as caught:
        Connection()
    assert "KUBECONFIG" in caught.value.do


def test_a_context_that_is_not_there(api: Api) -> None:
    """A context that the kubeconfig does not have is told, with the command that lists them."""
    with pytest.raises(UserError, match="nowhere") as caught:
        Connection("nowhere")
    assert "kubectl config get-contexts" in caught.value.do


@pytest.mark.parametrize(
    ("verb", "name", "body", "query", "request_line", "content"),
    [
        ("create jobs", "", {"a": 1}, {}, "POST /apis/batch/v1/namespaces/ml/jobs", "application/json"),
        (
            "list pods",
            "",
            None,
            {"labelSelector": "a=b,c", "limit": 5},
            "GET /api/v1/namespaces/ml/pods?labelSelector=a%3Db%2Cc&limit=5",
            None,
        ),
        ("watch jobs", "", None, {"watch": True}, "GET /apis/batch/v1/namespaces/ml/jobs?watch=true", None),
        ("get pods/log", "p", None, {}, "GET /api/v1/namespaces/ml/pods/p/log", None),
        ("get namespaces", "ml", None, {}, "GET /api/v1/namespaces/ml", None),
        ("delete jobs", "../j", {"b": 2}, {}, "DELETE /apis/batch/v1/namespaces/ml/jobs/..%2Fj", "application/json"),
        ("create rolebindings", "", {}, {}, "POST /apis/rbac.authorization.k8s.io/v1/namespaces/ml/rolebindings", "application/json"),
        (
            "patch roles",
            "r",
            {"rules": []},
            {},
            "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/ml/roles/r",
            "application/merge-patch+json",
        ),
        (
            "create selfsubjectaccessreviews",
            "",
            {},
            {},
            "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "application/json",
        ),
    ],
)
def test_what_a_role_calls_a_verb_is_the_request_that_it_allows(
    api: Api, verb: str, name: str, body: dict[str, Any] | None, query: dict[str, Any], request_line: str, content: str | None
) -> None:
    """A verb and a resource, as a Role names them, become the API's method and path; every request says who asks."""
    api.answers.append((200, "fine"))
    assert Connection().ask(verb, name, body=body, **query)["message"] == "fine"
    method, proof, kind, sent = api.heard[0]
    assert f"{method} {api.asked[0]}" == request_line
    assert (proof, kind) == ("Bearer t", content)
    assert sent == ("" if body is None else json.dumps(body))


def test_no_model_of_the_whole_api_is_loaded(api: Api) -> None:
    """A launcher's memory is bounded: the client's models and methods of every resource would be a fifth of it."""
    if "__getattr__" not in vars(kubernetes.client):
        pytest.skip("this version of the client loads all of itself with its first import")
    api.answers.append((200, ""))
    program = (
        "import sys; from lading.backends.kubernetes.connect import Connection; Connection().ask('list jobs')\n"
        "print([name for name in sys.modules if name.startswith(('kubernetes.client.api.core', 'kubernetes.client.models.v1_pod'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
