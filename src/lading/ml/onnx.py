"""ONNX: exporting by torch.export with free axes, the same bytes wherever lading is installed; checking a file; running it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lading.errors import WrongInputError
from lading.ml.exported import example_inputs, free_axes
from lading.ml.spec import ModelSpec

Arrays = dict[str, NDArray[Any]]
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")


def export_onnx(module: nn.Module, spec: ModelSpec, path: Path, *, opset: int) -> None:
    """Writes the model with free batch and length, without paths of this machine; weights inside unless they exceed 1.5 GB."""
    program = torch.onnx.export(
        module,
        (),
        kwargs=example_inputs(spec),
        dynamo=True,
        opset_version=opset,
        input_names=[one.name for one in spec.inputs],
        output_names=[one.name for one in spec.outputs],
        dynamic_shapes=free_axes(spec),
        verbose=False,
    )
    assert program is not None
    model = program.model
    clean(model)
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    program.save(str(path), external_data=size > 1_500_000_000)


def clean(model: Any) -> None:
    """Removes what depends on where the sources lie or on the build of torch: stack traces, doc strings, build tags."""
    model.producer_version = str(model.producer_version or "").partition("+")[0]
    model.metadata_props.clear()
    model.doc_string = None
    for graph in [model.graph, *(function.graph for function in model.functions.values())]:
        graph.metadata_props.clear()
        graph.doc_string = None
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
        for value in [*graph.inputs, *graph.outputs, *graph.initializers.values()]:
            value.metadata_props.clear()
            value.doc_string = None
        for node in graph.all_nodes():
            for value in node.outputs:
                value.metadata_props.clear()


def check_onnx(path: Path) -> None:
    """A file that a runtime may open: external data stay beside it, and the full checker is content.

    Raises:
        WrongInputError: it names data elsewhere, or the checker refuses it.
    """
    import onnx

    proto = onnx.load(str(path), load_external_data=False)
    for location in external_locations(proto):
        check_location(path, location)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise WrongInputError(f"{path.name} is not valid ONNX: {str(error)[:500]}", do="report it with the model's settings") from error


def external_locations(proto: Any) -> Iterator[str]:
    """Where tensors of the graph, of its sub-graphs and functions have their data, if not inside the file."""
    graphs = [proto.graph]
    nodes = [list(function.node) for function in proto.functions]
    tensors = []
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            tensors += list(graph.initializer)
            tensors += [part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)]
            nodes.append(list(graph.node))
        for node in nodes.pop() if nodes else []:
            for attribute in node.attribute:
                tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
                graphs += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
    for tensor in tensors:
        yield from (entry.value for entry in tensor.external_data if entry.key == "location")


def check_location(path: Path, location: str) -> None:
    """External data are one plain, regular file beside the model, with one link."""
    beside = path.parent / location
    if not _NAME.match(location) or beside.is_symlink() or not beside.is_file() or beside.stat().st_nlink != 1:
        raise WrongInputError(
            f"{path.name} keeps weights at {location!r}, which is not a plain file beside it", do="export again; don't use this file"
        )


def onnx_runner(path: Path, *, threads: int) -> Callable[[Arrays], Arrays]:
    """A function from inputs to outputs, by onnxruntime as it is deployed: all optimisations, `threads` threads, no spinning."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def call(inputs: Arrays) -> Arrays:
        values = session.run(names, inputs)
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}

    return call
