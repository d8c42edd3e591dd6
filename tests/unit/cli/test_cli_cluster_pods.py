"""Which images `lading doctor --backend kubernetes` tries."""

from typing import Any

from lading.cli.cluster_pods import Image, images_of
from lading.config.cluster import Cluster
from lading.config.loader import from_data

IMAGES = {"launch": "l:1", "train": "t:1", "export": "e:1"}
SCRIPT: dict[str, Any] = {"kind": "script", "settings": {"command": ["true"]}}


def images(stages: dict[str, Any], /, **kubernetes: Any) -> list[Image]:
    """Of a pipeline with these stages."""
    map_ = {"images": IMAGES, "env_from_secrets": ["store"], **kubernetes}
    pipeline = from_data({"pipeline": "p", "kubernetes": map_, "stages": stages}, folder="")
    return images_of(Cluster.model_validate(map_), pipeline)


def test_those_that_the_pipeline_uses() -> None:
    """The launcher's, each kind's, a stage's own; none twice, and none for what a runner works or what is pinned."""
    found = images(
        {
            "data": {"settings": {"source": "digits"}},
            "train": {"needs": ["data"], "settings": {"model": {"name": "cnn"}, "epochs": 1}},
            "count": {**SCRIPT, "image": "mine:2"},
            "far": {**SCRIPT, "runner": "any", "image": "far:1"},
            "old": {**SCRIPT, "from": "script/" + "a" * 64, "image": "old:1"},
        },
        stages={"train": {"env_from_secrets": ["store", "hub"]}},
    )
    assert found == [
        Image("l:1", ("launch",), ("store",)),
        Image("t:1", ("train",), ("store", "hub")),
        Image("mine:2", ("stage count",), ("store",)),
    ]


def test_the_three_without_a_pipeline() -> None:
    """By default the three of `kubernetes.images`; one reference for several uses is tried once."""
    assert [one.reference for one in images_of(Cluster.model_validate({"images": IMAGES}), None)] == ["l:1", "t:1", "e:1"]
    (one,) = images_of(Cluster.model_validate({"images": dict.fromkeys(IMAGES, "all:1")}), None)
    assert one.name == "image launch, train, export"
