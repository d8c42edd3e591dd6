"""lading explain: what a code means, and what to do."""

import json
from typing import Annotated

import typer
from pydantic.fields import FieldInfo

from lading.cli.options import Json
from lading.cli.output import paint, print_json, say, table, wrap
from lading.codes import EXIT_CODES, STAGE_CODES, Explanation
from lading.config.kinds import KINDS
from lading.errors import UserError
from lading.frozen import Frozen


def command(
    what: Annotated[
        str | None, typer.Argument(metavar="[CODE|KIND]", help="An exit code, or a kind of stage such as data.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what an exit code means, what lading does about it by itself, and what you can do; or what a kind of stage can be set by.

    Without an argument: all codes.
    """
    if what in KINDS:
        _kind(str(what), as_json=as_json)
        return
    known: list[tuple[int, str, Explanation]] = [(int(c), "a stage", e) for c, e in STAGE_CODES.items()]
    known = sorted(known + [(int(c), "lading", e) for c, e in EXIT_CODES.items()], key=lambda one: one[0])
    if what is None:
        _all(known, as_json=as_json)
        return
    code = int(what) if what.isascii() and what.isdigit() else -1
    found = [one for one in known if one[0] == code]
    if not found:
        raise UserError(
            f"no stage and no command of lading ends with {what}, and it is no kind of stage",
            do=f"the codes are {', '.join(dict.fromkeys(str(one[0]) for one in known))}; the kinds are {', '.join(KINDS)}",
        )
    if as_json:
        print_json(_data(*found[-1]) | ({"of_a_stage": _data(*found[0])} if len(found) > 1 else {}))
        return
    for _, who, explanation in found:
        say(paint(f"{who} that ends with {code}", "bold"))
        for head, text in (("is", explanation.meaning), ("then", explanation.then), ("do", explanation.do)):
            first, *rest = wrap(text, 70)
            say(f"  {paint(head.ljust(4), 'dim')}  {first}")
            for line in rest:
                say(f"        {line}")


def _kind(name: str, *, as_json: bool) -> None:
    """Every setting of a kind: its name, its default, and what it means."""
    from lading.config.schema import meanings

    kind = KINDS[name]
    model = kind.settings_model()
    needs = {role: {"kinds": list(part.kinds), "required": part.required} for role, part in kind.roles.items()}
    told = meanings(model)
    fields = {field: (_default(info), told.get(field, "")) for field, info in model.model_fields.items()}
    if as_json:
        settings = {field: {"default": default, "meaning": meaning} for field, (default, meaning) in fields.items()}
        print_json({"kind": name, "needs": needs, "settings": settings})
        return
    taken = [f"{role}{'' if part['required'] else ' (may be left out)'}" for role, part in needs.items()]
    say(f"{paint(name, 'bold')}  needs {'whatever is named' if kind.any_needs else ', '.join(taken) or 'nothing'}")
    for field, (default, meaning) in fields.items():
        say(f"  {paint(field, 'bold')}: {default}".rstrip())
        for line in wrap(meaning, 72):
            say(f"      {paint(line, 'dim')}")


def _default(info: FieldInfo) -> str:
    """A field's default, as one would write it in YAML."""
    if info.is_required():
        return "(must be given)"
    value = info.get_default(call_default_factory=True)
    data = value.to_data() if isinstance(value, Frozen) else value
    text = json.dumps(data, default=str).replace('"', "") if isinstance(data, dict | list | tuple) else json.dumps(data, default=str)
    return "" if data is None else text.strip('"')


def _data(code: int, who: str, explanation: Explanation) -> dict[str, object]:
    return {"code": code, "of": who, "meaning": explanation.meaning, "then": explanation.then, "do": explanation.do}


def _all(known: list[tuple[int, str, Explanation]], *, as_json: bool) -> None:
    if as_json:
        print_json([_data(*one) for one in known])
        return
    say(table(("code", "of", "meaning"), [(str(code), who, explanation.meaning) for code, who, explanation in known], right=[0]))
