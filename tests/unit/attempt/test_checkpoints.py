"""Training states: whole or not there, checked, and rotated by their own attempt alone."""

from pathlib import Path

import pytest

from lading.attempt.checkpoints import Whole, download, restore, rotate, upload, whole
from lading.errors import DamagedInputError
from lading.names import AttemptId
from support.memory_store import MemoryStore
from support.results import KEY


def put(store: MemoryStore, tmp: Path, number: int, step: int, *, parts: int = 2, only: int | None = None) -> None:
    """Stores a step of an attempt, as its pods would."""
    for part in range(parts):
        if only in (None, part):
            folder = tmp / f"{number}-{step}-{part}"
            (folder / "deep").mkdir(parents=True, exist_ok=True)
            (folder / f"deep/__{part}_0.distcp").write_bytes(f"{number} {step} {part}".encode())
            upload(store, AttemptId("train", KEY, number), step, folder, part=part, parts=parts)


def test_a_step_is_whole_when_all_parts_are_there(tmp_path: Path) -> None:
    """The highest whole step of any attempt comes first; of equal steps the later attempt's."""
    store = MemoryStore()
    put(store, tmp_path, 1, 10)
    put(store, tmp_path, 1, 20)
    put(store, tmp_path, 2, 20)
    put(store, tmp_path, 2, 30, only=1)

    assert [Whole(20, 2, 2), Whole(20, 1, 2), Whole(10, 1, 2)] == whole(store, "train", KEY)


def test_the_part_is_written_last(tmp_path: Path) -> None:
    """A pod that dies while it uploads leaves no part, so nobody resumes from half a state."""
    store = MemoryStore()
    written: list[str] = []
    store.before = lambda act, key: written.append(key)
    put(store, tmp_path, 1, 10, parts=1)

    assert written[-1].endswith("checkpoints/10/part-0-of-1.json")


def test_parts_come_together_in_one_folder(tmp_path: Path) -> None:
    """What is restored has the files of all pods, as they were."""
    store = MemoryStore()
    put(store, tmp_path, 1, 10)

    state = restore(store, "train", KEY, lambda state: tmp_path / f"back-{state.step}")

    assert Whole(10, 1, 2) == state
    assert (tmp_path / "back-10/deep/__0_0.distcp").read_bytes() == b"1 10 0"
    assert (tmp_path / "back-10/deep/__1_0.distcp").read_bytes() == b"1 10 1"


def test_a_damaged_state_is_passed_over(tmp_path: Path) -> None:
    """Damage in the newest means resuming from the one before, never from wrong bytes."""
    store = MemoryStore()
    put(store, tmp_path, 1, 10)
    put(store, tmp_path, 1, 20)
    store.write(f"attempts/train/{KEY}/1/checkpoints/20/1/deep/__1_0.distcp", b"1 20 X")

    with pytest.raises(DamagedInputError):
        download(store, "train", KEY, Whole(20, 1, 2), tmp_path / "x")
    assert Whole(10, 1, 2) == restore(store, "train", KEY, lambda state: tmp_path / f"back-{state.step}")


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    """Without a whole state training starts anew."""
    store = MemoryStore()
    put(store, tmp_path, 1, 10, only=0)

    assert restore(store, "train", KEY, lambda state: tmp_path / "x") is None


def test_rotation_keeps_two_whole_ones_of_its_own(tmp_path: Path) -> None:
    """Older steps of this attempt go, parts before files; other attempts' and unfinished newer ones stay."""
    store = MemoryStore()
    put(store, tmp_path, 1, 5)
    for step in (10, 20, 30):
        put(store, tmp_path, 2, step)
    put(store, tmp_path, 2, 15, only=0)
    put(store, tmp_path, 2, 40, only=0)
    deleted: list[str] = []
    store.before = lambda act, key: deleted.append(key) if act == "delete" else None

    rotate(store, AttemptId("train", KEY, 2))

    assert [Whole(30, 2, 2), Whole(20, 2, 2), Whole(5, 1, 2)] == whole(store, "train", KEY)
    assert {"10", "15"} == {key.split("/checkpoints/")[1].split("/")[0] for key in deleted}
    first_file = next(i for i, key in enumerate(deleted) if "part-" not in key)
    assert all("part-" not in key for key in deleted[first_file:])
    assert any("/40/" in key for key in store.objects)
