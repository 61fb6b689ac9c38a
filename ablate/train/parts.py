"""The images of a trial on its device, kept there for the next trial, which most often wants the same."""

from __future__ import annotations

from typing import Any, Union

import torch

from ablate.data.cache import Location
from ablate.data.imagenet import ImageFiles
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.streaming import Streamed, take_files
from ablate.data.tensors import Normalization, Part, take_part
from ablate.study.study import Data
from ablate.train.images import Kept, load_checked

Loaded = tuple[Union[Part, Streamed], Union[Part, Streamed], Normalization, str]
_loaded: dict[Any, Loaded] = {}  # the worker's next trial most often wants the same
_whole: Kept = {}  # or another fold of the same


def load_parts(data: Data, location: Location, device: torch.device) -> Loaded:
    """Training and test images for the device, the normalization fitted to the former, and the digest of the files."""
    key = (data, location, device)
    if key not in _loaded:
        _loaded.clear()
        if data.held_out is None:
            _whole.clear()
        images, digest = load_checked(data, location, print, _whole)
        if isinstance(images, ImageFiles):
            train, test = (take_files(part, data.image_size, device) for part in images)
            streamed = PREPROCESSING[data.preprocess].streamed
            assert streamed is not None, "refused when the images were checked"
            _loaded[key] = train, test, streamed(device), digest
        else:
            resident = take_part(images.train_images, images.train_labels, device)
            tested = take_part(images.test_images, images.test_labels, device)
            _loaded[key] = resident, tested, PREPROCESSING[data.preprocess].fit(resident.images), digest
    return _loaded[key]
