"""The switches of torch that a precision sets: for a pass alone, in torch's new and former form, and for all products."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ablate.study.recipe import Recipe
from ablate.train import arithmetic
from ablate.train.arithmetic import products_kept, set_as
from ablate.train.setup import configure, configured
from ablate.train.side_by_side import SideBySide

TF32, FLOAT32 = (Recipe.named("wrn_cifar", precision=name) for name in ("tf32", "float32"))


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    with products_kept():
        yield


def switches() -> set[str]:
    gpu, processor = arithmetic._switches()
    assert {one.fp32_precision for one in processor} == {"ieee"}
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32  # torch raises if it contradicts them
    found = {one.fp32_precision for one in gpu}
    assert tf32 == ((True, True) if found == {"tf32"} else (False, False))
    return found


def test_products_are_ieee_but_in_a_pass_of_tf32() -> None:
    configure("cpu")
    assert switches() == {"ieee"}
    with set_as(TF32):
        assert switches() == {"tf32"}
    with pytest.raises(KeyError), set_as(TF32):
        raise KeyError
    assert switches() == {"ieee"}


def test_what_a_users_module_switches_does_not_hold_in_the_next_pass() -> None:
    configure("cpu")
    torch.backends.fp32_precision = "tf32"  # the switch above all others
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("high")
    try:
        with set_as(FLOAT32):
            assert switches() == {"ieee"}
    finally:
        torch.backends.fp32_precision = "none"


def test_a_pass_is_begun_and_ended_with_it() -> None:
    class Pass:
        recipe, device, capturable = TF32, torch.device("cpu"), True

        class batches:
            sizes = (1,)

        def begin(self, epoch: int) -> None:
            assert switches() == {"tf32"}

        prepare = step = begin

        def scores(self) -> set[str]:
            return switches()

    configure("cpu")
    assert SideBySide([Pass()]).run([1]) == [{"tf32"}]  # type: ignore[list-item]
    assert switches() == {"ieee"}


def test_the_users_process_is_put_back() -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    before = [one.fp32_precision for group in arithmetic._switches() for one in group]
    with configured("cpu"), set_as(TF32):
        pass
    assert [one.fp32_precision for group in arithmetic._switches() for one in group] == before
    assert torch.backends.cudnn.allow_tf32 and torch.get_float32_matmul_precision() == "high"
