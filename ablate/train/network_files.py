"""export_network(): the network of a trial as a file for other programs, checked by running it on the test images."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ablate.errors import RunError
from ablate.nets.custom import CustomModule
from ablate.nets.weights import OWN_DEPTH
from ablate.study.study import Trial
from ablate.tracking.packages import need
from ablate.train.restored import TestData

TOLERANCE = 1e-4  # the largest difference of a logit that a check allows, as a part of the largest logit
MOST_IMAGES = 256  # of a batch of a check

Logits = Callable[[Tensor], Tensor]  # images float32 (B, C, H, W) -> logits float32 (B, classes)


@dataclass(frozen=True)
class NetworkFormat:
    """A format of network files.

    Args:
        name: As in `--to NAME`.
        suffix: Of the files.
        write: (network, example images (2, C, H, W), facts as texts) -> the bytes of a file.
        read: (bytes of a file, network of the same layers with other weights) -> what computes logits with the file.
        packages: That the format needs and ablate does not.
    """

    name: str
    suffix: str
    write: Callable[[nn.Module, Tensor, dict[str, str]], bytes]
    read: Callable[[bytes, nn.Module], Logits]
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """How a file compares with the network that it was made of, on the test images.

    Args:
        images: How many images both were run on.
        error: Of the file, in percent.
        difference: The largest absolute difference of a logit.
        largest: The largest absolute logit.
    """

    images: int
    error: float
    difference: float
    largest: float

    @property
    def equal(self) -> bool:
        """Whether no logit differs by more than the tolerance."""
        return self.difference <= TOLERANCE * max(1.0, self.largest)


def export_network(to: str, trial: Trial, network: nn.Module, again: nn.Module, data: TestData) -> tuple[bytes, Check]:
    """The bytes of a file, and how it compares with the network.

    The file takes float32 (N, C, H, W), normalized as in training; its metadata say mean and standard deviation, in units
    of 0..255, the classes, the network and the trial's id.

    Args:
        to: A name of FORMATS.
        trial: The trial.
        network: Its network, on the CPU in evaluation mode.
        again: The same network once more; its weights are replaced.
        data: The images that it is checked on, on the CPU.

    Raises:
        RunError: A package is missing, or the network cannot be written in the format.
    """
    form = FORMATS[to]
    shape = trial.data.input_shape
    facts = {
        "trial": trial.id,
        "mean": json.dumps(data.normalization.mean.tolist()),
        "std": json.dumps(data.normalization.std.tolist()),
        "classes": json.dumps(data.classes),
        "input": json.dumps(["N", *shape]),
    }
    example = torch.zeros(2, *shape)
    written = form.write(network, example, facts)
    for parameter in (*again.parameters(), *again.buffers()):
        parameter.data.zero_()  # so that nothing but the file can make it equal
    return written, check(network, form.read(written, again), data)


@torch.inference_mode()
def check(network: nn.Module, other: Logits, data: TestData) -> Check:
    """How what a file computes compares with the network.

    Args:
        network: On the CPU, in evaluation mode.
        other: Computes the same logits.
        data: The images, on the CPU.
    """
    wrong, difference, largest = 0, 0.0, 0.0
    for batch, answers in data:
        for images, labels in zip(torch.split(batch, MOST_IMAGES), torch.split(answers, MOST_IMAGES)):
            ours, theirs = network(images), other(images.contiguous())
            wrong += int((theirs.argmax(1) != labels).sum())
            apart = (ours - theirs).abs().max()
            difference = max(difference, float("inf") if not apart.isfinite() else float(apart))
            largest = max(largest, float(ours.abs().max()))
    return Check(len(data), 100 * wrong / len(data), difference, largest)


def _own_names(network: nn.Module) -> bool:
    """Whether a network is a user-defined module alone, whose tensors have names of its own."""
    inner: Any = network
    for _ in range(OWN_DEPTH - 1):
        children = list(inner.children())
        if len(children) != 1:
            return False
        (inner,) = children
    return isinstance(inner, CustomModule)


def _write_state(network: nn.Module, example: Tensor, facts: dict[str, str]) -> bytes:
    """A safetensors file with the tensors of state_dict(), those of a reader's own network by their names in it."""
    from safetensors.torch import save

    depth = OWN_DEPTH if _own_names(network) else 0
    state = {name.split(".", depth)[-1]: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return save({name: tensor.contiguous() for name, tensor in state.items()}, facts)


def _read_state(data: bytes, again: nn.Module) -> Logits:
    from safetensors.torch import load

    names = list(again.state_dict())
    depth = OWN_DEPTH if _own_names(again) else 0
    found = load(data)
    again.load_state_dict({name: found[name.split(".", depth)[-1]] for name in names})
    return again


def _write_program(network: nn.Module, example: Tensor, facts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(_traced(network, example), buffer, extra_files={"ablate.json": json.dumps(facts)})
    return buffer.getvalue()


def _read_program(data: bytes, again: nn.Module) -> Logits:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: Logits = torch.export.load(io.BytesIO(data)).module()
    return module


def _traced(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The graph of a network for any number of images. Raises RunError if it has none."""
    shapes = ({0: torch.export.Dim("images", min=1)},)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(network, (example,), dynamic_shapes=shapes)
    except Exception as error:  # a reader's own module may do anything
        text = " ".join(str(error).split())[:300]
        raise RunError(f"torch.export cannot trace the network: {type(error).__name__}: {text}; use state_dict") from None


def _write_onnx(network: nn.Module, example: Tensor, facts: dict[str, str]) -> bytes:
    traced = _traced(network, example)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(traced, input_names=["images"], output_names=["logits"], dynamo=True, verbose=False)
    assert program is not None
    model = program.model_proto
    for name, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    return bytes(model.SerializeToString())


def _read_onnx(data: bytes, again: nn.Module) -> Logits:
    runtime = need("onnxruntime", "the format onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


FORMATS = {
    one.name: one
    for one in (
        NetworkFormat("state_dict", ".safetensors", _write_state, _read_state),
        NetworkFormat("onnx", ".onnx", _write_onnx, _read_onnx, ("onnx", "onnxscript", "onnxruntime")),
        NetworkFormat("torch_export", ".pt2", _write_program, _read_program),
    )
}
