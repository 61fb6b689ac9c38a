"""What reads something from elsewhere, each as a function of bytes, with inputs to begin from.

A reader may succeed or raise an AblateError; whatever else it does is a finding, and so is what watch.py forbids. Both the
property tests and the fuzzer go through this table.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import orjson
import scipy.stats  # noqa: F401 - that it is not imported while something is watched
import torch
from PIL import Image
from planned import plan_text
from recorded import DIGITS, recorded
from search.landscape import invent, search

import ablate
from ablate import own_code, own_modules
from ablate.api import load_experiment, load_search
from ablate.commands.outcome_text import imported_text
from ablate.commands.status_text import status_text
from ablate.commands.trace_text import trace_text
from ablate.data.array_cache import kept
from ablate.data.copies import Copy
from ablate.data.decoding import open_image, to_square
from ablate.data.location import Location
from ablate.data.sources import Images
from ablate.errors import UNPRINTABLE, NotationError
from ablate.files import LEFTOVER
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.nets.notation import format_architecture, parse_architecture
from ablate.nets.weights import fit_weights, read_weights
from ablate.network_experiment import Experiment
from ablate.records.attempts import begin_attempt
from ablate.records.columns import epoch_columns
from ablate.records.epochs import EPOCH_FIELDS
from ablate.records.imported import draft_torchnet
from ablate.records.logits import Logits, pack, unpack
from ablate.records.merge import merge_runs, plan_merge
from ablate.records.records import read_record
from ablate.records.remembered import ChosenPrecision, copies_bytes
from ablate.records.sealed import HASH, sealed_bytes
from ablate.records.searches import search_path, searches_of
from ablate.records.timings import read_paces
from ablate.report.search_report import SearchReport
from ablate.report.study_report import StudyReport
from ablate.report.trace import trace_cell
from ablate.report.writers.latex import document_latex
from ablate.report.writers.markdown import document_markdown
from ablate.report.writers.page import write_page
from ablate.report.writers.plain import document_text
from ablate.study.data import Data
from ablate.study.expression import compile_expression
from ablate.train.checkpoint import keep_newest, load_checkpoint
from ablate.train.images import ImageLoader

STUDIES = Path(ablate.__file__).parent.parent / "studies"
NAMES = {"k": 2.0, "depth": 16, "block": "B(3,3)", "N": math.nan, "parameters": 691_674, "recipe.milestones": (0.3, 0.6)}
NETWORKS = (
    "WRN-28-10-B(3,1)-dropout0.3", "ResNet-110-shortcutA", "pre-ResNet-164-bottleneck-survival0.5", "ResNeXt-29-8x64d",
    "ImageNet-ResNet-50-w2", "NIN", "VGG-groupnorm-gelu", "CIFAR-ResNet-18",
)  # fmt: skip
WHERE = ("k * depth <= 400", "not (N > 2e6) or block in ('B(3,3)', 'B(3,1)')", "-k % 3 < 1 and 0.3 in recipe.milestones")
BEST = """\
search: a_search
study: search.yaml
digest: 0123456789abcdef
finished: true
candidates: 40
objective: median_validation_error
value: 5.12
trainings: 5
best: {dropout: 0.3, k: 2, block: "B(3,1)"}
"""
TAKES = """\
name: takes
data: cifar10
recipe: {base: wrn_cifar}
seeds: 1
variants:
  - grid: {depth: 16, dropout: {from: best.yaml}, k: {from: best.yaml}, block: {from: best.yaml}}
"""
TWO = DIGITS + "seeds: 2\nvariants: [{net: [WRN-10-0.25, WRN-10-0.25-B(3,1)]}]\nbaseline: WRN-10-0.25\n"
AUTOMATIC = """\
name: automatic
data: cifar10
recipe: {base: wrn_cifar, precision: auto}
seeds: 1
variants: [{net: WRN-10-1}]
"""
STATE = {"epoch": 1, "rows": [], "network": {"a": torch.zeros(2)}, "optimizer": {}, "data_digest": "x", "attempts": []}
IMAGES = Images(
    numpy.ones((4, 2, 2, 1), numpy.uint8), numpy.arange(4), numpy.zeros((2, 2, 2, 1), numpy.uint8), numpy.arange(2)
)
CACHED = (*(f"{name}.npy" for name in Images._fields), "sha256")
FILES = ("result.json", "epochs.jsonl", "trial.json", "failure.json")
LOG = (
    'json_stats: {"model":"wide-resnet","depth":10,"widen_factor":1,"num_classes":10,"dropout":0,"epoch":%d,"lr":0.1,'
    '"loss":%s,"test_acc":%s,"train_time":1.5,"test_time":0.5,"n_parameters":77850,"max_epoch":2}\n'
)


class Target(NamedTuple):
    """read(folder, data): reads the data as a file in an empty folder; seeds: valid inputs."""

    read: Callable[[Path, bytes], object]
    seeds: Callable[[], list[bytes]]


def _study(folder: Path, data: bytes) -> None:
    """Loading and planning. A reader's own code is trusted and is not what is tested: it is never looked for."""
    path = folder / "study.yaml"
    path.write_bytes(data)
    with _no_code(b":" in data):
        plan = load_experiment(path, runs=folder / "runs")
        if isinstance(plan, Experiment) and len(plan.trials()) <= 200:
            plan_text(plan.plan())
            status_text(plan.status())


class _no_code:
    """Where the readers' own modules would be loaded there is an error instead."""

    def __init__(self, asked: bool) -> None:
        self.asked = asked

    def __enter__(self) -> None:
        self.before = own_modules.find_callable
        own_modules.find_callable = own_code.find_callable = self.refuse

    def __exit__(self, *error: object) -> None:
        own_modules.find_callable = own_code.find_callable = self.before

    def refuse(self, reference: str) -> Any:
        assert self.asked, "code is loaded that nobody asked for"
        raise NotationError(f"{reference}: not run here")


def _override(folder: Path, data: bytes) -> None:
    path = folder / "study.yaml"
    path.write_text(TWO)
    with _no_code(b":" in data):
        load_experiment(path, [data.decode("utf-8", "surrogateescape")], runs=folder / "runs")


def _best(folder: Path, data: bytes) -> None:
    (folder / "best.yaml").write_bytes(data)
    (folder / "takes.yaml").write_text(TAKES)
    with _no_code(b":" in data):
        load_experiment(folder / "takes.yaml", runs=folder / "runs")


def _notation(folder: Path, data: bytes) -> None:
    architecture = parse_architecture(data.decode("utf-8", "surrogateescape"))
    assert parse_architecture(format_architecture(architecture)) == architecture


def _expression(folder: Path, data: bytes) -> None:
    assert isinstance(compile_expression(data.decode("utf-8", "surrogateescape"))(NAMES), bool)


def _record(folder: Path, data: bytes) -> None:
    """One file of a trial's record, which one by the first byte; then all that reads records."""
    experiment = _experiment()
    trial = experiment.trials()[0]
    file = experiment.runs / trial.id / FILES[data[0] % len(FILES) if data else 0]
    before = file.read_bytes() if file.exists() else None
    result = (file.parent / "result.json").read_bytes()
    try:
        file.write_bytes(data[1:])
        if file.name == "failure.json":
            (file.parent / "result.json").unlink()
        plan_merge([experiment.runs], folder / "into")
        read_paces(experiment.runs)
        status_text(experiment.status())
        report = StudyReport(experiment.analysis())
        document = report.document
        for write in (document_text, document_markdown, document_latex):
            write(document)
        write_page([(document, {})])
        report.as_json()
        report.trials.to_csv()
        if record := read_record(experiment.runs, trial.id):
            record.epochs()
            epoch_columns(record, EPOCH_FIELDS)
    finally:
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)
        (file.parent / "result.json").write_bytes(result)


@functools.cache
def _experiment() -> Experiment:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    return recorded(folder, TWO, {0: [10.0, 11.0], 1: [12.0, None]})


def _record_seeds() -> list[bytes]:
    directory = _experiment().runs / _experiment().trials()[0].id
    failure = json.dumps({"cause": "RuntimeError: no memory", "attempts": 3}).encode()
    found = [(directory / name).read_bytes() if (directory / name).exists() else failure for name in FILES]
    unsealed = {key: value for key, value in json.loads(found[0]).items() if not key.endswith(HASH)}  # a hash shows all
    found.append(json.dumps(unsealed).encode())
    return [bytes([number % len(FILES)]) + content for number, content in enumerate(found)]


def _probe(folder: Path, data: bytes) -> None:
    from ablate.records.timings import read_probes, write_probe

    path = folder / "probes" / "device" / "a.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    for probe in read_probes(folder):
        write_probe(folder / "again", probe)
        probe.epoch_seconds(1000, 100)


def _probe_seeds() -> list[bytes]:
    times = {"median": 1.5, "min": 1.0}
    workload = {
        "network": {"N": 1, "k": 1.0, "block": [3, 3]}, "classes": 10, "input_shape": [3, 32, 32], "batch_size": 128,
        "precision": "float32", "optimizer": "sgd",
    }  # fmt: skip
    probe = {
        "net": "WRN-10-1", "workload": workload, "device": "a processor", "kind": "cpu", "side_by_side": 1, "threads": 1,
        "torch": "2.11", "multiply_adds": 1000, "train_step_ms": times, "test_batch": 100, "test_batch_ms": times,
        "images_per_second": 5.0, "startup_seconds": 0.5, "peak_memory_bytes": None, "steps": 3, "date": "2026-01-01",
    }  # fmt: skip
    return [json.dumps(probe).encode()]


def _searched(folder: Path, data: bytes) -> None:
    """The candidates of a search, sealed as whoever could write them could seal them; then all that reads them."""
    study, runs, name = _search()
    path = search_path(runs, name)
    before = path.read_bytes()
    with contextlib.suppress(ValueError):
        found = orjson.loads(data)
        data = sealed_bytes(found) if isinstance(found, dict) else data
    try:
        path.write_bytes(data)
        experiment = load_search(study, runs=runs)
        experiment.candidates()
        status_text(experiment.status())
        plan_text(experiment.plan())
        plan_merge([runs], folder / "into")
        report = SearchReport(experiment.analysis())
        document_text(report.document)
        report.as_json()
    finally:
        path.write_bytes(before)


@functools.cache
def _search() -> tuple[Path, Path, str]:
    """The study file of a search, its records without a storage, and its name there."""
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    study = invent(folder, 4, "  enqueue: [{dropout: 0.3}, {dropout: 0.0}]\n", pruner="median")
    search(study, folder / "first")
    load_search(study, runs=folder / "first").report().keep_records(folder / "kept")
    (name,) = searches_of(folder / "kept")
    return study, folder / "kept", name


def _search_seeds() -> list[bytes]:
    _, runs, name = _search()
    fields = orjson.loads(search_path(runs, name).read_bytes())
    del fields["sha256"]
    return [orjson.dumps(fields)]


def _beside_records(name: str) -> Callable[[Path, bytes], None]:
    """A file of a runs directory that says how its records are found."""

    def read(folder: Path, data: bytes) -> None:
        path = folder / "study.yaml"
        path.write_text(AUTOMATIC)
        (folder / "runs" / "probes").mkdir(parents=True)
        (folder / "runs" / name).write_bytes(data)
        experiment = load_experiment(path, runs=folder / "runs", device="cpu")
        assert isinstance(experiment, Experiment)
        plan_text(experiment.plan())
        status_text(experiment.status())
        merge_runs([folder / "runs"], folder / "into")
        assert load_experiment(path, runs=folder / "into", device="cpu").trials()[0].id == experiment.trials()[0].id  # type: ignore[union-attr]

    return read


def _log(folder: Path, data: bytes) -> None:
    path = folder / "log.txt"
    path.write_bytes(data)
    imported_text(draft_torchnet(path, "cifar10", "meanstd", 10, (3, 32, 32)))


def _log_seeds() -> list[bytes]:
    return [(LOG % (1, 2.3, 10.5) + "noise\n" + LOG % (2, "NaN", 60)).encode()]


def _trace(folder: Path, data: bytes) -> None:
    """table.csv and trials.csv, a NUL between them."""
    table, _, trials = data.partition(b"\0")
    (folder / "table.csv").write_bytes(table)
    (folder / "trials.csv").write_bytes(trials)
    for cell in ("1,median_test_error", "2,3", "1,baseline", "WRN-10-0.25,hodges_lehmann"):
        trace = trace_cell(folder / "table.csv", cell)
        trace_text(trace)
        trace.as_json()


def _trace_seeds() -> list[bytes]:
    report = _experiment().report()
    return [b"\0".join(frame.to_csv(index=False).encode() for frame in report.frames().values())]


def _state(folder: Path, data: bytes) -> None:
    """A checkpoint's bytes, their hash beside them, as whoever could write the one could write the other."""
    (folder / "checkpoint-000001.pt").write_bytes(data)
    (folder / "checkpoint-000001.sha256").write_text(hashlib.sha256(data).hexdigest())
    load_checkpoint(folder)


def _saved(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _logits(folder: Path, data: bytes) -> None:
    """Logits that are sealed, as whoever could write the one could write the other."""
    with contextlib.suppress(ValueError):
        unpack(data, "test", "trained")


def _logits_seeds() -> list[bytes]:
    values = numpy.arange(12, dtype=numpy.float32).reshape(4, 3)
    positions = numpy.array([3, 1, 2, 0])
    made = [pack(Logits(each, numpy.zeros(4, int), positions, "test")) for each in (values, 1e-30 * values)]
    return [data for data in made if data]


def _weights(folder: Path, data: bytes) -> None:
    for name in ("weights.pt", "weights.safetensors"):
        (folder / name).write_bytes(data)
    read_weights(folder / "weights.safetensors") if data[8:9] == b"{" else None
    architecture, network = _tiny_network()
    fit_weights(folder / "weights.pt", architecture, network)


@functools.cache
def _tiny_network() -> tuple[Any, torch.nn.Module]:
    architecture = parse_architecture("WRN-10-0.25")
    return architecture, build(blueprint(architecture))


def _weights_seeds() -> list[bytes]:
    from safetensors.torch import save

    state = {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)}
    old = _saved(state, _use_new_zipfile_serialization=False)
    return [_saved({"state_dict": state}), old, save(state), _saved(_tiny_network()[1].state_dict())]


def _image(folder: Path, data: bytes) -> None:
    path = folder / "image.png"
    path.write_bytes(data)
    assert to_square(open_image(path), 8).shape == (8, 8, 3)


def _image_seeds() -> list[bytes]:
    found = []
    for kind in ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP"):
        for mode in ("RGB", "L"):
            buffer = io.BytesIO()
            Image.new(mode, (9, 12)).save(buffer, kind)
            found.append(buffer.getvalue())
    return found


def _cache(folder: Path, data: bytes) -> None:
    """One file of the image cache, which one by the first byte. The cache decides nothing."""
    shutil.copytree(_cached(), folder, dirs_exist_ok=True)
    (folder / "entry" / CACHED[data[0] % len(CACHED) if data else 0]).chmod(0o666)
    (folder / "entry" / CACHED[data[0] % len(CACHED) if data else 0]).write_bytes(data[1:])
    found = kept(folder / "entry", Images, lambda: IMAGES, lambda line: None)
    assert all(numpy.array_equal(*pair) for pair in zip(found, IMAGES)), found


@functools.cache
def _cached() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    kept(folder / "entry", Images, lambda: IMAGES, lambda line: None)
    return folder


KEPT = _experiment, _search, _cached  # they keep a temporary directory


def _cache_seeds() -> list[bytes]:
    return [bytes([number]) + (_cached() / "entry" / name).read_bytes() for number, name in enumerate(CACHED)]


def _checkpoints(folder: Path, data: bytes) -> None:
    """The names in a trial's directory, a NUL between them; each is an intact checkpoint, or the hash of one."""
    state = _saved(STATE)
    for name in _names(data.split(b"\0")):
        content = hashlib.sha256(state).hexdigest().encode() if name.endswith(b".sha256") else state
        _write(os.fsencode(folder) + b"/" + name, content)
    before = set(os.listdir(folder))
    found = load_checkpoint(folder)
    assert not found or found["epoch"] == 1
    keep_newest(folder, 1)
    begin_attempt(folder)
    for name in before - set(os.listdir(folder)):
        ours = re.fullmatch(r"checkpoint-\d{6,9}\.(pt|sha256)", name, re.ASCII) or name == "failure.json"
        assert ours or LEFTOVER.fullmatch(name), name


def _names(names: list[bytes]) -> list[bytes]:
    """Those that a file may have."""
    return [name[:200] for name in names[:50] if name.strip(b".") and not {0, ord("/")} & set(name)]


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


CHECKPOINTS = (
    b"checkpoint-000001.pt\0checkpoint-000001.sha256\0checkpoint-000002.pt\0.x.0123abcd.tmp\0failure.json\0log.txt"
)


def _folder(folder: Path, data: bytes) -> None:
    """A class folder: the name of a file, a slash, its bytes, two slashes, the name of the next, and so on."""
    for path in (f"{part}/{name}" for part in ("train", "test") for name in ("cat", "dog")):
        (folder / path).mkdir(parents=True)
        (folder / path / "0.png").write_bytes(_image_seeds()[0])
    cats = folder / "train" / "cat"
    pieces = [piece.partition(b"/") for piece in data.split(b"//")]
    for name in _names([name for name, _, _ in pieces]):
        _write(os.fsencode(cats) + b"/" + name, next(content for other, _, content in pieces if other[:200] == name))
    said: list[str] = []
    loader = ImageLoader(said.append)
    taken = Data.named("image_folder", title="x", classes=2, image_size=8)
    images, _ = loader.load(taken, Location(folder, folder / "cache"))
    counts = loader.facts["image_files"]["train"]["cat"]
    assert sum(counts.values()) == len(os.listdir(cats)) and not any(map(UNPRINTABLE.search, said)), (counts, said)
    assert len(images.train_labels) == 1 + counts["read"]


def _folder_seeds() -> list[bytes]:
    png = _image_seeds()[0]
    return [b"1.png/" + png + b"//._2.png/x//notes.txt/x//.hidden/x", b"1.jpg/" + png, b"1.png/x"]


def _yaml_seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(STUDIES.glob("*.yaml")) if path.name != "best.yaml"] + [TWO.encode()]


def _texts(*texts: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


TARGETS = {
    "study": Target(_study, _yaml_seeds),
    "override": Target(_override, _texts("recipe.epochs=30", "variants=[{net: NIN}]", "where=k < 2", "data.root=x")),
    "best": Target(_best, _texts(BEST)),
    "notation": Target(_notation, _texts(*NETWORKS)),
    "expression": Target(_expression, _texts(*WHERE)),
    "record": Target(_record, _record_seeds),
    "probe": Target(_probe, _probe_seeds),
    "searches": Target(_searched, _search_seeds),
    "images": Target(_beside_records("images.json"), lambda: [copies_bytes([Copy("cifar10", "JPEG copy", "/images")])]),
    "precision": Target(_beside_records("precision.json"), lambda: [ChosenPrecision("float16", "a GPU").as_bytes()]),
    "log": Target(_log, _log_seeds),
    "trace": Target(_trace, _trace_seeds),
    "checkpoint": Target(_state, lambda: [_saved(STATE)]),
    "logits": Target(_logits, _logits_seeds),
    "weights": Target(_weights, _weights_seeds),
    "image": Target(_image, _image_seeds),
    "cache": Target(_cache, _cache_seeds),
    "checkpoints": Target(_checkpoints, lambda: [CHECKPOINTS]),
    "folder": Target(_folder, _folder_seeds),
}
