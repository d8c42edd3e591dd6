"""The `kubernetes:` map: what it refuses, how a stage's part is laid over it, and how --set reaches it."""

from typing import Any

import pytest
from pydantic import ValidationError

from lading.config.cluster import Cluster
from lading.config.loader import from_data
from lading.errors import ConfigError

PIPELINE: dict[str, Any] = {"pipeline": "p", "stages": {"data": {"settings": {"source": "digits"}}}}


def test_nothing_need_be_said() -> None:
    """An empty map is whole: images by name, 65532, an hour for finished Jobs."""
    found = Cluster()
    assert (found.images.train, found.user_id, found.ttl_s, found.service) == ("lading-train:latest", 65532, 3600, "lading-training")


@pytest.mark.parametrize(
    "wrong",
    [
        {"quue": "a"},
        {"images": {"trian": "a"}},
        {"images": {"train": "UPPER"}},
        {"images": {"train": "a b"}},
        {"namespace": "Upper"},
        {"namespace": "-a"},
        {"user_id": 0},
        {"ttl_s": 1},
        {"labels": {"a": "not a label!"}},
        {"queue": ""},
        {"service": "1st"},
        {"service": "a" * 64},
        {"volumes": {"d": {"claim": "c", "path": "relative"}}},
        {"volumes": {"d": {"claim": "c", "path": "/a:/b"}}},
        {"ephemeral_storage": "much"},
        {"image_pull_policy": "Sometimes"},
        {"tolerations": [{"operator": "Perhaps"}]},
        {"stages": {"train": {"queue": "a"}}},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    """A key that is not known, or a value that the API server would refuse later, is refused at once."""
    with pytest.raises(ValidationError):
        Cluster.model_validate(wrong)


def test_the_file_says_where_it_is_wrong() -> None:
    """A wrong `kubernetes:` map is an error of the pipeline file, by its path and with the nearest name."""
    with pytest.raises(ConfigError) as refused:
        from_data({**PIPELINE, "kubernetes": {"quue": "a"}}, folder="")
    assert "kubernetes.quue" in str(refused.value)
    assert "queue" in str(refused.value)


def test_an_account_that_is_annotated_is_named() -> None:
    """Annotations without an account would reach nobody: what is missing is said."""
    with pytest.raises(ConfigError, match="name it, so that launcher and stages use it"):
        from_data({**PIPELINE, "kubernetes": {"service_account_annotations": {"a": "b"}}}, folder="")


def test_a_stage_says_what_differs() -> None:
    """Maps are merged, with the stage's entries over the pipeline's; the rest is replaced, and only where the stage says it."""
    found = Cluster.model_validate(
        {
            "env": {"A": "1", "B": "1"},
            "priority_class": "low",
            "env_from_secrets": ["store"],
            "stages": {"train": {"env": {"B": "2"}, "env_from_secrets": ["store", "hub"]}},
        }
    )
    train, other = found.pod("train"), found.pod("data")
    assert (train.env, train.priority_class, train.env_from_secrets) == ({"A": "1", "B": "2"}, "low", ("store", "hub"))
    assert (other.env, other.env_from_secrets) == ({"A": "1", "B": "1"}, ("store",))


def test_tolerations_are_written_as_kubernetes_writes_them() -> None:
    """tolerationSeconds in the file, and tolerationSeconds in the pod."""
    found = Cluster.model_validate({"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]})
    (one,) = found.tolerations
    assert one.model_dump(by_alias=True, exclude_none=True) == {
        "key": "a",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 30,
    }


@pytest.mark.parametrize(
    ("typed", "field", "value"),
    [
        ("kubernetes.images.train=reg:5000/t@sha256:ab", "images", {"train": "reg:5000/t@sha256:ab"}),
        ('kubernetes.env_from_secrets=["a","b"]', "env_from_secrets", ["a", "b"]),
        ('kubernetes.node_selector={"topology.kubernetes.io/zone":"a"}', "node_selector", {"topology.kubernetes.io/zone": "a"}),
        ('kubernetes.namespace="123"', "namespace", "123"),
        ("kubernetes.store=null", "store", None),
        ("kubernetes.stages.train.priority_class=high", "stages", {"train": {"priority_class": "high"}}),
    ],
    ids=str,
)
def test_set_reaches_the_map(typed: str, field: str, value: object) -> None:
    """--set kubernetes.FIELD=VALUE puts a value, also JSON as the chart writes it, also where the file has no such map."""
    pipeline = from_data(PIPELINE, folder="", overrides=[typed])
    assert value == pipeline.kubernetes[field]
    Cluster.model_validate(pipeline.kubernetes)


def test_where_pods_run_is_in_no_key() -> None:
    """Two pipelines that differ in the map alone differ in nothing that a key is made of."""
    one, other = (from_data({**PIPELINE, "kubernetes": kubernetes}, folder="") for kubernetes in ({}, {"queue": "a"}))
    assert one.stages == other.stages
