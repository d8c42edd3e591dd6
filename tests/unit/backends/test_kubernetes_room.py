"""Jobs that a quota on their number refuses wait in order: one try now and then for all of them."""

from lading.backends.kubernetes.room import FIRST_S, LONGEST_S, Room


class World:
    """A namespace with room for so many Jobs, a clock, and a launcher that looks at its Jobs each second."""

    def __init__(self, jobs: int) -> None:
        self.now, self.tries, self.places = 0.0, 0, 0
        self.room = Room(lambda: self.now)
        self.there: set[str] = set()
        self.jobs = [f"j{number}" for number in range(jobs)]

    def submit(self, job: str) -> None:
        if not self.room.takes(job):
            return
        self.tries += 1
        if len(self.there) >= self.places:
            self.room.refused(job, "the quota is used up: small")
        else:
            self.there.add(job)
            self.room.taken(job)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            for job in self.jobs:
                sight = self.room.sight(job)
                if job not in self.there and (sight is None or sight.unbegun):
                    self.submit(job)


def test_what_is_refused_waits_and_says_why() -> None:
    """It counts as alive, so that nobody takes it for dead or fails its stage, until it is time to try again."""
    w = World(1)
    w.submit("j0")
    sight = w.room.sight("j0")
    assert sight is not None
    assert (sight.alive, sight.unbegun) == (True, False)
    assert "small" in sight.note
    w.now += FIRST_S
    again = w.room.sight("j0")
    assert again is not None
    assert (again.alive, again.unbegun) == (False, True)
    assert w.room.sight("another") is None


def test_waiting_costs_as_much_for_a_thousand_as_for_one() -> None:
    """An hour without room is about as many tries as minutes, whatever the number of Jobs."""
    w = World(1000)
    w.run(3600)
    assert w.tries <= 3600 / LONGEST_S + 10


def test_all_go_on_once_there_is_room() -> None:
    """The first that gets in lets the others try at once."""
    w = World(100)
    w.run(600)
    w.places = 60
    w.run(int(LONGEST_S) + 1)
    assert len(w.there) == 60
    w.places = 100
    w.run(int(LONGEST_S) + 1)
    assert len(w.there) == 100
