from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablate.data import parquet
from ablate.data.cache import infer_facts, load_images, load_part
from ablate.data.location import Location
from ablate.data.read_options import ColumnNames, DrawnTest, Facts, ReadOptions
from ablate.errors import DataError
from ablate.study.data import Data
from ablate.train.images import ImageLoader

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def here(tmp_path: Path) -> Location:
    (tmp_path / "data").mkdir()
    return Location(tmp_path, tmp_path / "cache")


def encoded(value: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, value if mode == "L" else (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, images: list[bytes], labels: list[Any], **more: list[Any]) -> None:
    """A table as the hub stores it, in row groups of three."""
    kept = [{"bytes": data, "path": None} for data in images]
    pq.write_table(pa.table({"image": kept, "label": labels, **more}), path, row_group_size=3)


def write_parts(root: Path, labels: list[Any], **more: list[Any]) -> None:
    for part, n in (("train-00000-of-00002", 0), ("train-00001-of-00002", 10), ("test-00000-of-00001", 20)):
        images = [encoded(n + i) for i in range(10)]
        write(root / "data" / f"{part}.parquet", images, [labels[i % len(labels)] for i in range(10)], **more)


@pytest.mark.parametrize("labels", [[0, 1], ["cat", "dog"]])
def test_tables_as_the_hub_stores_them(here: Location, labels: list[Any]) -> None:
    write_parts(here.root, labels)
    images, _ = load_images("parquet", 8, here)
    assert images.train_images[:, 0, 0, 0].tolist() == list(range(20))
    assert images.test_images[:, 0, 0, 0].tolist() == list(range(20, 30))
    assert images.test_labels.tolist() == [0, 1] * 5
    assert infer_facts("parquet", here, ReadOptions()) == Facts(2, 8, 3, "8x8", (20, 10))


def test_grey_images_and_a_validation_part(here: Location) -> None:
    for part in ("train", "test", "validation"):
        write(here.root / f"{part}.parquet", [encoded(i, mode="L") for i in range(4)], [0, 1, 0, 1])
    assert load_images("parquet", 8, here)[0].train_images.shape == (4, 8, 8, 1)
    assert load_part("parquet", "val", 8, here)[0].labels.tolist() == [0, 1, 0, 1]
    (here.root / "test.parquet").unlink()
    assert len(load_part("parquet", "train", 8, here)[0].labels) == 4
    images, _ = load_images("parquet", 8, here, options=ReadOptions(split=DrawnTest(0.5)))
    assert images.train_labels.tolist() == images.test_labels.tolist() == [0, 1]


def test_columns_are_asked_for_where_several_could_be_meant(here: Location) -> None:
    for part in ("train", "test"):
        table = {"img": [encoded(i) for i in range(4)], "fine": [0, 1, 2, 3], "coarse": [0, 0, 1, 1]}
        pq.write_table(pa.table(table), here.root / f"{part}.parquet")
    with pytest.raises(DataError, match=r"\(fine, coarse\); set data\.columns: \{label: NAME\}"):
        load_images("parquet", 8, here)
    with pytest.raises(DataError, match=r"data\.columns\.label: found 'corse'; did you mean 'coarse'"):
        load_images("parquet", 8, here, options=ReadOptions(columns=ColumnNames(label="corse")))
    images, _ = load_images("parquet", 8, here, options=ReadOptions(columns=ColumnNames(label="coarse")))
    fine, _ = load_images("parquet", 8, here, options=ReadOptions(columns=ColumnNames(label="fine")))
    assert images.train_labels.tolist() == [0, 0, 1, 1] and fine.train_labels.tolist() == [0, 1, 2, 3]


def test_a_subset_alone_is_decoded(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(here.root, [0, 1])
    whole, _ = load_images("parquet", 8, here)
    decoded = Counter[Path]()
    real = parquet._decode

    def counted(path: Path, *more: Any) -> Any:
        decoded[path] += 1
        return real(path, *more)

    monkeypatch.setattr(parquet, "_decode", counted)
    data = Data.named("parquet", title="Mine", classes=2, image_size=8, channels=3, train_size=6, test_size=2)
    images, _ = ImageLoader(print).load(data, here)
    assert decoded.total() == 8
    again, _ = ImageLoader(print).load(data.model_copy(update={"test_size": None, "train_size": None}), here)
    assert np.array_equal(again.train_images, whole.train_images)
    assert {image.tobytes() for image in images.train_images} <= {image.tobytes() for image in whole.train_images}
    assert np.bincount(images.train_labels).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        ([encoded(1), b"nothing"], [0, 1], "image 1 of the part, from 0, cannot be read"),
        ([encoded(1), None], [0, 1], "a row has no image in it"),
        ([encoded(1), encoded(2)], [0, None], "column label: found None"),
        ([encoded(1), encoded(2)], [0, -1], "column label: found -1"),
    ],
)
def test_damage_is_named(here: Location, images: list[Any], labels: list[Any], said: str) -> None:
    for part in ("train", "test"):
        write(here.root / f"{part}.parquet", images, labels)
    with pytest.raises(DataError, match=said):
        load_images("parquet", 8, here)


def test_a_file_that_is_no_table_is_named(here: Location) -> None:
    for part in ("train", "test"):
        (here.root / f"{part}.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(DataError, match=r"train\.parquet: damaged, or not a Parquet file"):
        load_images("parquet", 8, here)


@pytest.mark.parametrize(
    ("labels", "said"), [([], "has no row"), ([2**63], f"found {2**63}; allowed"), ([1], "have 1 labels from 1 to 1")]
)
def test_labels_that_are_none_are_said(tmp_path: Path, labels: list[int], said: str) -> None:
    image = io.BytesIO()
    Image.new("L", (8, 8)).save(image, "PNG")
    images = pa.array([image.getvalue()] * len(labels), pa.binary())
    pq.write_table(pa.table({"image": images, "label": pa.array(labels, pa.uint64())}), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=said):
        infer_facts("parquet", Location(tmp_path, tmp_path / "cache"), ReadOptions())
