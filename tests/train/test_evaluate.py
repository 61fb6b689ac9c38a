"""ablate evaluate: errors on real files against a loop written with torchvision alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torchvision
from conftest import TINY
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from ablate.commands.cli import app, main
from ablate.data.location import Location
from ablate.data.tensors import Normalization, normalize
from ablate.errors import DataError
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.train.evaluate import count_errors, evaluate, streamed_images

CLASSES = 7
CPU = torch.device("cpu")


class Identity(nn.Module):
    """The pixels of a (N, C, 1, 1) image as logits."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def test_top_1_and_top_5_of_known_logits() -> None:
    """Eight classes whose logits are 8, 7, ..., 1 times ten: class i is at place i + 1, whatever the batch."""
    nothing = Normalization(torch.zeros(8), torch.ones(8))
    logits = torch.arange(80, 0, -10, dtype=torch.uint8).expand(8, 1, 1, 8)
    labels = torch.tensor([0, 0, 1, 4, 4, 5, 7, 7])  # first: 2; among five: 5
    for size in (8, 3, 1):
        batches = zip(logits.split(size), labels.split(size))
        assert count_errors(Identity(), batches, nothing, CPU) == (6, 3)


def test_what_is_no_number_is_wrong() -> None:
    class NaN(Identity):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * float("nan")

    pixels, labels = torch.ones(8, 1, 1, 8, dtype=torch.uint8), torch.arange(8)
    nothing = Normalization(torch.zeros(8), torch.ones(8))
    assert count_errors(NaN(), [(pixels, labels)], nothing, CPU) == (8, 8)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """val/<class>/* with images of several sizes, modes and formats; three a class."""
    root = tmp_path_factory.mktemp("imagenet")
    random = np.random.RandomState(0)
    sizes = [(260, 300), (300, 230), (256, 256), (100, 140), (400, 257), (224, 224)]
    for label in range(CLASSES):
        directory = root / "val" / f"n{label:08d}"
        directory.mkdir(parents=True)
        for i in range(label % 2, len(sizes), 2):
            wide, high = sizes[i]
            coarse = random.randint(0, 256, (6, 6, 3)).astype(np.uint8)
            image = Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC)
            image = image.convert("L") if i == 2 else image
            image.save(directory / f"{i}.{('JPEG', 'png')[i % 2]}")
    return root


class Reference(NamedTuple):
    """What torchvision alone makes of the folder: images (N, 3, 224, 224), labels (N,), logits (N, classes)."""

    inputs: Tensor
    labels: Tensor
    logits: Tensor
    network: nn.Module

    def error(self, k: int) -> float:
        """Percent of the images with k classes or more before their own."""
        own = self.logits.gather(1, self.labels[:, None])
        return 100 * int(((self.logits > own).sum(1) >= k).sum()) / len(self.labels)


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    """ResNet-18, its last layer such that it tells random images apart; preprocessing as published with its weights."""
    torch.manual_seed(0)
    preprocess = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    network = torchvision.models.resnet18(weights=None, num_classes=CLASSES).eval()
    inputs, labels = [], []
    for label, directory in enumerate(sorted((folder / "val").iterdir())):
        for path in sorted(directory.iterdir()):
            inputs.append(preprocess(Image.open(path).convert("RGB")))
            labels.append(label)
    with torch.no_grad():
        logits = network(torch.stack(inputs))
        mean, std = logits.mean(0), logits.std(0)
        network.fc.weight /= std[:, None]
        network.fc.bias.copy_((network.fc.bias - mean) / std)
        logits = network(torch.stack(inputs))
    return Reference(torch.stack(inputs), torch.tensor(labels), logits, network)


@pytest.fixture(scope="module")
def weights(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(reference.network.state_dict(), path)
    return path


def call(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_imagenet_is_preprocessed_as_torchvision_does_it(folder: Path, reference: Reference) -> None:
    part = streamed_images("imagenet", 224, Location(folder, folder), 10, CPU)
    pixels, labels = (torch.cat(tensors) for tensors in zip(*part.batches))
    assert (part.images, part.classes) == (3 * CLASSES, CLASSES)
    torch.testing.assert_close(normalize(pixels, part.normalization), reference.inputs, rtol=0, atol=1e-5)
    assert torch.equal(labels, reference.labels)


def test_imagenet_errors_are_those_of_torchvision(folder: Path, weights: Path, reference: Reference) -> None:
    words = (
        "evaluate",
        "ResNet-18",
        "--weights",
        weights,
        "--data",
        "imagenet",
        "--data-root",
        folder,
        "--classes",
        CLASSES,
    )
    top1, top5 = reference.error(1), reference.error(5)
    assert 0 < top5 < top1 < 100 and len(reference.logits.argmax(1).unique()) > 3  # both can be missed on either side
    result = call(*words, "--batch-size", 16, "--device", "cpu", "--json")
    assert result.exit_code == 0
    scores = json.loads(result.stdout)
    assert (scores["top1_error"], scores["top5_error"], scores["images"]) == (top1, top5, 3 * CLASSES)
    assert scores["parameters"] == sum(parameter.numel() for parameter in reference.network.parameters())
    text = call(*words, "--device", "cpu").stdout
    assert f"21 images, top-1 error {top1:.2f}%, top-5 error {top5:.2f}%" in text and "torchvision's names" in text


def small_weights(path: Path, name: str, data_shape: tuple[int, int, int], classes: int) -> tuple[Path, nn.Module]:
    network = build(blueprint(parse_architecture(name), classes, data_shape), torch.Generator().manual_seed(0))
    torch.save({"network": network.state_dict(), "epoch": 1}, path)
    return path, network.eval()


def test_a_small_data_set_is_normalized_by_its_training_images(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    from ablate.data.original_files import read_digits

    path, network = small_weights(tmp_path / "w.pt", "WRN-10-0.25", (1, 8, 8), 10)
    images = read_digits(tmp_path, 8)
    assert len(load_digits().target) == len(images.train_labels) + len(images.test_labels)
    pixels = images.test_images.transpose(0, 3, 1, 2).astype(np.float64)
    inputs = torch.tensor((pixels - images.train_images.mean()) / images.train_images.std(), dtype=torch.float32)
    with torch.inference_mode():
        order = network(inputs).numpy().argsort(1)[:, ::-1]
    places = (order == images.test_labels[:, None]).argmax(1)
    scores = evaluate(parse_architecture("WRN-10-0.25"), path, "digits", Location(tmp_path, tmp_path / "cache"), "cpu")
    assert scores["images"] == 500 and scores["names"] == "ablate"
    assert scores["top1_error"] == 100 * (places >= 1).sum() / 500
    assert scores["top5_error"] == 100 * (places >= 5).sum() / 500


def test_an_image_folder_and_a_checkpoint_of_a_run(tmp_path: Path) -> None:
    """What a run recorded at its last epoch is measured again from its checkpoint."""
    from ablate.api import load_study
    from ablate.launch.options import RunOptions
    from ablate.records.records import read_record

    random = np.random.RandomState(0)
    for part in ("train", "test"):
        for label in range(3):
            directory = tmp_path / "images" / part / str(label)
            directory.mkdir(parents=True)
            for i in range(12):
                pixels = (random.randint(0, 128, (16, 16, 3)) + 40 * label).astype(np.uint8)
                Image.fromarray(pixels).save(directory / f"{i}.png")
    study = tmp_path / "study.yaml"
    data = "{name: image_folder, title: Stripes, classes: 3, image_size: 16, augment: none}"
    text = TINY.replace("{name: digits, train_size: 128, test_size: 64, augment: flip_crop}", data)
    study.write_text(text.replace("batch_size: 32", "batch_size: 8").replace("seeds: 2", "seeds: 1"))
    experiment = load_study(study, runs=tmp_path / "runs", data_root=tmp_path / "images")
    assert experiment.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    for trial, variant in zip(experiment.trials(), experiment.variants):
        record = read_record(tmp_path / "runs", trial.id)
        assert record is not None
        checkpoint = max(record.directory.glob("checkpoint-*.pt"))
        words = ("evaluate", variant.net, "--weights", checkpoint, "--data", "image_folder", "--classes", 3)
        result = call(*words, "--image-size", 16, "--data-root", tmp_path / "images", "--device", "cpu", "--json")
        assert json.loads(result.stdout)["top1_error"] == pytest.approx(record.eval_error)


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that a command ends with, at exit code 2."""
    monkeypatch.setattr("sys.argv", ["ablate", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        main()
    captured = capsys.readouterr()
    assert caught.value.code == 2 and captured.out == ""
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


def test_what_cannot_be_evaluated_is_one_line(
    folder: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def line(*words: object, file: Path = weights, root: Path = folder, net: str = "ResNet-18") -> str:
        known = ("evaluate", net, "--weights", file, "--data", "imagenet", "--data-root", root, "--device", "cpu")
        return refused(monkeypatch, capsys, *known, *words)

    assert "fc.weight: found (7, 512); allowed: (1000, 512)" in line()
    assert "no such file" in line("--classes", CLASSES, file=tmp_path / "none.pt")
    assert f"val/<class>/* not found in {tmp_path}" in line("--classes", CLASSES, root=tmp_path)
    assert "did you mean" in line(net="ResNext-50-32x4d")
    damaged = tmp_path / "w.safetensors"
    damaged.write_bytes(weights.read_bytes()[:-5])
    assert "damaged" in line("--classes", CLASSES, file=damaged)

    assert "image_folder: --classes and --image-size must be given" in line("--data", "image_folder")
    assert "--data': found 'coco'; allowed: digits" in line("--data", "coco")
    assert "digits: --image-size: found 32; allowed: 8" in line("--data", "digits", "--image-size", 32)

    fewer = tmp_path / "fewer" / "val"
    (fewer / "a").mkdir(parents=True)
    assert "a" in line("--classes", CLASSES, root=fewer.parent)  # a class without images
    (folder / "val" / "n00000000" / "0.JPEG").rename(fewer / "a" / "0.JPEG")
    try:
        assert "the images have 1 classes, the network 7; set --classes" in line("--classes", CLASSES, root=fewer.parent)
    finally:
        (fewer / "a" / "0.JPEG").rename(folder / "val" / "n00000000" / "0.JPEG")


def test_a_damaged_image_is_named(folder: Path, weights: Path, tmp_path: Path) -> None:
    for label in range(CLASSES):
        (tmp_path / "val" / str(label)).mkdir(parents=True)
        (tmp_path / "val" / str(label) / "0.JPEG").write_bytes((folder / "val/n00000000/0.JPEG").read_bytes())
    broken = tmp_path / "val" / "3" / "0.JPEG"
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(DataError) as caught:
        evaluate(parse_architecture("ResNet-18"), weights, "imagenet", Location(tmp_path, tmp_path), "cpu", CLASSES)
    assert str(caught.value).startswith(f"{broken}: cannot be read as an image") and "\n" not in str(caught.value)


def test_a_device_that_is_not_there(
    weights: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ablate.schedule.slots._gpus", list)
    words = ("--weights", weights, "--data", "imagenet", "--data-root", folder, "--classes", CLASSES, "--device", "cuda")
    assert "no CUDA device is visible" in refused(monkeypatch, capsys, "evaluate", "ResNet-18", *words)


def test_show_says_whether_weights_fit(weights: Path) -> None:
    shown = call("show", "ResNet-18", "--classes", CLASSES, "--weights", weights)
    assert shown.exit_code == 0
    assert "fits, by torchvision's names: 122 tensors, 11,180,103 parameters." in shown.stdout.splitlines()[-1]
    listed = json.loads(call("show", "ResNet-18", "--classes", CLASSES, "--weights", weights, "--json").stdout)
    assert listed["weights"]["tensors"] == 122
