"""Matches the needs of a stage to its kind's roles, and puts stages into an order in which every need comes first."""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from lading.config.kinds import KINDS, Kind
from lading.config.problems import Problems, nearest, shown
from lading.config.yamltext import Path
from lading.names import PLAIN_NAME


def match(kind: Kind, needs: Any, kinds: Mapping[str, str], path: Path, problems: Problems, *, pinned: bool) -> dict[str, str]:
    """Role to stage name.

    Args:
        kind: of the stage.
        needs: as written: a list of stages, or a map of roles to stages.
        kinds: the kind of every stage of the pipeline.
        path: of `needs`.
        problems: takes what is wrong.
        pinned: the stage's result exists, so nothing is missing.
    """
    if isinstance(needs, Mapping):
        found = _by_role(kind, needs, kinds, path, problems)
    elif isinstance(needs, list | tuple):
        found = _by_order(kind, list(needs), kinds, path, problems)
    else:
        hint = f"; write [{needs}]" if isinstance(needs, str) else ""
        problems.add(path, f"value {shown(needs)}: it should be a list of stages, such as [data, train], or a map of roles to stages{hint}")
        return {}
    if not pinned and not kind.any_needs and len(found) == len(needs):
        for role, wanted in kind.roles.items():
            if wanted.required and role not in found:
                fitting = sorted(name for name, other in kinds.items() if other in wanted.kinds)
                there = f"add {' or '.join(fitting)}" if fitting else f"there is no stage of kind {' or '.join(wanted.kinds)} yet"
                problems.add(path, f"kind {kind.name} needs a {role}, and none of its needs is one; {there}")
    return found


def _exists(need: Any, kinds: Mapping[str, str], path: Path, problems: Problems) -> bool:
    if not isinstance(need, str):
        problems.add(path, f"value {shown(need)}: it should be the name of a stage")
        return False
    if need not in kinds:
        problems.add(path, f"there is no stage {need!r}{nearest(need, kinds)}")
        return False
    return kinds[need] in KINDS  # else its own kind was complained about already


def _by_role(kind: Kind, needs: Mapping[Any, Any], kinds: Mapping[str, str], path: Path, problems: Problems) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, need in needs.items():
        place = (*path, str(role))
        if not _exists(need, kinds, place, problems):
            continue
        if kind.any_needs:
            if not re.fullmatch(PLAIN_NAME, str(role)):
                problems.add(place, "a role is a plain name: lower-case letters, digits and '-', at most 40")
                continue
        elif role not in kind.roles:
            problems.add(place, f"kind {kind.name} has no role {str(role)!r}{nearest(str(role), kind.roles)}")
            continue
        elif kinds[need] not in kind.roles[role].kinds:
            wanted = " or ".join(kind.roles[role].kinds)
            problems.add(place, f"stage {need} is of kind {kinds[need]}, and the {role} of kind {kind.name} is a stage of kind {wanted}")
            continue
        found[str(role)] = need
    return found


def _by_order(kind: Kind, needs: list[Any], kinds: Mapping[str, str], path: Path, problems: Problems) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, need in enumerate(needs):
        place = (*path, index)
        if not _exists(need, kinds, place, problems):
            continue
        if need in found.values():
            problems.add(place, f"stage {need} is named twice")
            continue
        if kind.any_needs:
            found[need] = need
            continue
        roles = [role for role, wanted in kind.roles.items() if kinds[need] in wanted.kinds]
        free = [role for role in roles if role not in found]
        if not roles:
            takes = "; ".join(f"{role}: {' or '.join(wanted.kinds)}" for role, wanted in kind.roles.items()) or "no needs at all"
            problems.add(place, f"stage {need} is of kind {kinds[need]}, which kind {kind.name} does not take ({takes})")
        elif not free:
            other = found[roles[0]]
            problems.add(place, f"{other} and {need} would both be the {roles[0]} of this stage; keep one")
        elif sum(kinds.get(str(other)) in kind.roles[roles[0]].kinds for other in needs) > 1:
            both = " and ".join(str(other) for other in needs if kinds.get(str(other)) in kind.roles[roles[0]].kinds)
            problems.add(place, f"{both} could each be {' or '.join(roles)} of this stage; say which: {{{roles[0]}: {need}, ...}}")
            found[free[0]] = need
        else:
            found[free[0]] = need
    return found


def referred(needs: Any, stages: Container[str]) -> list[str]:
    """The stages that `needs`, as written, names, whatever else may be wrong with it."""
    named = needs.values() if isinstance(needs, Mapping) else needs if isinstance(needs, list | tuple) else ()
    return [name for name in named if isinstance(name, str) and name in stages]


def ordered(needs: Mapping[str, Iterable[str]], circle: Callable[[list[str]], None] = lambda _: None) -> list[str]:
    """The stages, each after its needs, otherwise as they are written; `circle` hears of every circle that is closed on the way."""
    order: list[str] = []
    done: set[str] = set()
    for name in needs:
        if name in done:
            continue
        path, todo = [name], [iter(needs[name])]
        while path:
            need = next(todo[-1], None)
            if need is None:
                done.add(path[-1])
                order.append(path.pop())
                todo.pop()
            elif need in path:
                circle([*path[path.index(need) :], need])
            elif need not in done:
                path.append(need)
                todo.append(iter(needs[need]))
    return order
