"""What an API server refuses becomes a sentence; what is only an outage is told from it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from lading.backends.kubernetes.connect import AlreadyThereError, Connection, DeniedError, GoneError, QuotaError
from lading.errors import ClusterError, LadingError, UserError


class Api:
    """An API server that gives prepared answers."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked: list[str] = []
        answers, asked = self.answers, self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                status, message = answers.pop(0)
                body = json.dumps({"kind": "Status", "message": message, "metadata": {"uid": "u"}, "items": []}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

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
        connection.call(connection.batch.create_namespaced_job, connection.namespace, {}, verb="create jobs")
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
    assert connection.call(connection.batch.list_namespaced_job, "ml", verb="list jobs").items == []


def test_a_server_that_is_away_is_out_of_reach(api: Api) -> None:
    """A refused connection is an outage, with the address."""
    api.server.shutdown()
    api.server.server_close()
    connection = Connection()
    with pytest.raises(ClusterError, match="does not answer"):
        connection.call(connection.batch.list_namespaced_job, "ml", verb="list jobs")


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
