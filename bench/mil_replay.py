"""Replaying a Core ML package of a language model, 12 layers, d=768, T=1024, fp16, on two threads."""

import tempfile
import time
from pathlib import Path

from bench.row import Row

BOUND_S = 60.0


def run() -> list[Row]:
    """Converts once, then times loading and one replay at the full length; checks the numbers too, or the time would say nothing."""
    import numpy as np
    import torch

    from lading.ml import coreml, formats, parity
    from lading.ml.mil_replay import Replay
    from lading.ml.models import build
    from lading.ml.spec import ModelSpec, TensorSpec

    torch.set_num_threads(2)
    torch.manual_seed(0)
    length, vocabulary = 1024, 256
    spec = ModelSpec(
        task="language-model",
        name="lm",
        arguments={"vocabulary": vocabulary, "max_length": length, "dim": 768, "depth": 12, "heads": 12, "halt": True},
        inputs=(TensorSpec(name="tokens", dtype="int64", shape=("batch", "length"), low=0, high=vocabulary - 1),),
        outputs=(
            TensorSpec(name="logits", dtype="float32", shape=("batch", "length", vocabulary)),
            TensorSpec(name="halt_logits", dtype="float32", shape=("batch", "length")),
        ),
        lengths=(256, 512, length),
        primary_length=512,
    )
    module = build(spec).eval()
    inputs = {"tokens": np.random.default_rng(0).integers(0, vocabulary, (1, length))}
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / coreml.PACKAGE
        coreml.convert(module, spec, package, precision="fp16", target="iOS18", batch=1, io_dtype="float32", about={})
        begin = time.perf_counter()
        replay = Replay(coreml.load_program(package))
        loaded = time.perf_counter()
        found = replay(inputs)
        done = time.perf_counter()
    reference = formats.module_runner(module, spec)(inputs)
    psnr = parity.psnr_db(reference["logits"].astype(np.float64), found["logits"].astype(np.float64))
    assert psnr is not None
    assert psnr > 35, f"the replay is wrong: {psnr:.1f} dB"
    return [
        Row(
            "replay of a Core ML package, 12 layers, d=768, T=1024",
            BOUND_S,
            (done - begin,),
            notes={"load_s": loaded - begin, "psnr": psnr},
        )
    ]
