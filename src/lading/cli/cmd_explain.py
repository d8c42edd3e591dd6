"""lading explain: what a code means, and what to do."""

from typing import Annotated

import typer

from lading.cli.options import Json
from lading.cli.output import paint, print_json, say, table, wrap
from lading.codes import EXIT_CODES, STAGE_CODES, Explanation
from lading.errors import UserError


def command(
    code: Annotated[int | None, typer.Argument(metavar="[CODE]", help="Of a stage, or of the command line.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Say what a code means, what lading does about it by itself, and what you can do. Without a code: the whole table."""
    known: dict[int, tuple[str, Explanation]] = {int(c): ("a stage", e) for c, e in STAGE_CODES.items()}
    known |= {int(c): ("lading", e) for c, e in EXIT_CODES.items()}
    if code is None:
        _all(known, as_json=as_json)
        return
    if code not in known:
        raise UserError(f"no stage and no command of lading ends with {code}", do=f"the codes are {', '.join(map(str, sorted(known)))}")
    who, explanation = known[code]
    if as_json:
        print_json(_data(code, who, explanation))
        return
    say(f"{paint(str(code), 'bold')}  {who} that ends with {code}: {explanation.meaning}")
    for head, text in (("then", explanation.then), ("do", explanation.do)):
        first, *rest = wrap(text, 70)
        say(f"  {paint(head.ljust(4), 'dim')}  {first}")
        for line in rest:
            say(f"        {line}")


def _data(code: int, who: str, explanation: Explanation) -> dict[str, object]:
    return {"code": code, "of": who, "meaning": explanation.meaning, "then": explanation.then, "do": explanation.do}


def _all(known: dict[int, tuple[str, Explanation]], *, as_json: bool) -> None:
    if as_json:
        print_json([_data(code, *known[code]) for code in sorted(known)])
        return
    say(table(("code", "of", "meaning"), [(str(code), known[code][0], known[code][1].meaning) for code in sorted(known)], right=[0]))
