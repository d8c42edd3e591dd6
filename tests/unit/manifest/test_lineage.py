"""Two lineages never mix."""

import pytest

from lading.errors import MissingObjectError, WrongInputError
from lading.manifest.lineage import check_lineage
from lading.manifest.model import InputRef, Manifest
from support.results import key_for, make_manifest


class World:
    """Results by reference, as a store would hold them."""

    def __init__(self) -> None:
        self.made: dict[InputRef, Manifest] = {}

    def make(self, kind: str, key: str, content: str, n: int = 1, **inputs: InputRef) -> InputRef:
        """A result of a kind, under a key, with some bytes, made from others."""
        manifest = make_manifest({"f": content.encode()}, kind=kind, key=key_for(key), nonce=content, inputs=inputs)
        self.made[manifest.ref(n)] = manifest
        return manifest.ref(n)

    def read(self, ref: InputRef) -> Manifest:
        """An ancestor's manifest."""
        if ref not in self.made:
            raise MissingObjectError("gone")
        return self.made[ref]

    def check(self, kind: str, **inputs: InputRef) -> None:
        """What a stage of this kind, given these, would say."""
        check_lineage(kind, inputs, {role: self.made[ref] for role, ref in inputs.items()}, self.read)


def test_one_lineage_passes() -> None:
    """Everything that follows from one data and one training belongs together."""
    w = World()
    data = w.make("data", "d", "d")
    train = w.make("train", "t", "t", data=data)
    export = w.make("export", "e", "e", model=train)
    check = w.make("check", "c", "c", export=export, data=data)
    calibrate = w.make("calibrate", "k", "k", model=train, data=data)

    w.check("bundle", export=export, check=check, calibrate=calibrate)


def test_two_makings_of_one_training_are_refused() -> None:
    """Calibrated on the first training, exported from the second of the same key: refused, and both are named."""
    w = World()
    data = w.make("data", "d", "d")
    first = w.make("train", "t", "t1", data=data)
    second = w.make("train", "t", "t2", n=3, data=data)
    old = w.make("script", "s1", "x", train=first)
    new = w.make("script", "s2", "y", train=second)

    with pytest.raises(WrongInputError, match=r"two makings of one train .*numbers (1 and 3|3 and 1)"):
        w.check("script", old=old, new=new)


def test_made_again_with_the_same_bytes_changes_nothing() -> None:
    """Another number with the same result is the same lineage."""
    w = World()
    first, again = w.make("data", "d", "same"), w.make("data", "d", "same", n=3)

    w.check("script", a=w.make("script", "a", "a", data=first), b=w.make("script", "b", "b", data=again))


@pytest.mark.parametrize("deep", [1, 5])
def test_the_mix_may_lie_deep(deep: int) -> None:
    """The inputs are followed to their roots."""
    w = World()
    ends = []
    for i in (1, 2):
        ref = w.make("data", "d", f"d{i}", n=i)
        for level in range(deep):
            ref = w.make("script", f"{i}-{level}", f"{i}{level}", up=ref)
        ends.append(ref)

    with pytest.raises(WrongInputError, match="two makings of one data"):
        w.check("script", one=ends[0], two=ends[1])


def test_a_bundle_takes_the_check_of_its_own_export() -> None:
    """A check, a calibration or a conversion of another model or export does not go into a bundle."""
    w = World()
    one, other = w.make("train", "t1", "t1"), w.make("train", "t2", "t2")
    export, wrong = w.make("export", "e1", "e1", model=one), w.make("export", "e2", "e2", model=other)

    with pytest.raises(WrongInputError, match="check was made from export"):
        w.check("bundle", export=export, check=w.make("check", "c", "c", export=wrong))
    with pytest.raises(WrongInputError, match="model"):
        w.check("bundle", export=export, calibrate=w.make("calibrate", "k", "k", model=other))


def test_scripts_may_compare_two_models() -> None:
    """A script names its needs as it likes: comparing two exports is its business."""
    w = World()
    a, b = w.make("export", "e1", "e1", model=w.make("train", "t1", "t1")), w.make("export", "e2", "e2", model=w.make("train", "t2", "t2"))

    w.check("script", export=a, other=b)


def test_evaluating_on_other_data_is_no_mix() -> None:
    """A model may be evaluated on data that it was not trained on."""
    w = World()

    w.check("evaluate", data=w.make("data", "d2", "d2"), model=w.make("train", "t", "t", data=w.make("data", "d1", "d1")))


def test_what_gc_took_away_is_not_followed() -> None:
    """An ancestor's manifest that is gone stops nothing."""
    w = World()
    gone = make_manifest({"f": b"gone"}).ref(1)

    w.check("script", a=w.make("script", "a", "a", data=gone), b=w.make("script", "b", "b", data=gone))
