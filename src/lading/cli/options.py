"""Arguments and options that several verbs share, spelled once."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

PipelineFile: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="The pipeline file.", show_default=False)]
Run: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.", show_default=False)]
StageName: TypeAlias = Annotated[str, typer.Argument(metavar="STAGE", help="A stage of that run.", show_default=False)]
StoreOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--store", metavar="URI", help="A folder or s3://bucket/prefix.", show_default="LADING_STORE, the pipeline's, .lading"),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]
Set: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a field: stages.train.settings.epochs=3", show_default=False),
]
Only: TypeAlias = Annotated[
    list[str] | None, typer.Option("--only", metavar="STAGE", help="This stage alone; repeatable.", show_default=False)
]
Until: TypeAlias = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="This stage and what it needs.", show_default=False)]
Force: TypeAlias = Annotated[
    list[str] | None, typer.Option("--force", metavar="STAGE", help="Make this stage's result again; repeatable.", show_default=False)
]
BackendOption: TypeAlias = Annotated[
    Literal["local", "kubernetes"], typer.Option("--backend", help="Where stages run: processes here, or Jobs of a cluster.")
]
LauncherNamespace = Annotated[
    str | None,
    typer.Option("--namespace", metavar="NAME", help="Where its launcher is, if it wrote nothing yet.", show_default="the kubeconfig's"),
]
