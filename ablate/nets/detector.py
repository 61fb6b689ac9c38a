"""The module of a detector's blueprint, of torchvision.models.detection's parts: pyramid, anchors, proposals, heads.

Only the draws are our own: which anchors and boxes a training step compares comes from a generator that the trainer
sets, so that nothing else changes them. Boxes are in pixels of the network's input, (x0, y0, x1, y1).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

import torch
from torch import Tensor, nn

from ablate.nets import blueprint as bp
from ablate.nets.detection import BOX_SIDE, RATIOS

if TYPE_CHECKING:
    from torchvision.models.detection.image_list import ImageList

DETECTIONS = 100  # of an image, at most
TARGET = slice(0, 4)  # columns of a target that are its box; the class is the next one
CLASS, CROWD = 4, 5

Boxes = dict[str, Tensor]


class Sampler:
    """Draws the anchors or boxes of each image that a step compares, as torchvision's BalancedPositiveNegativeSampler.

    Args:
        number: How many of an image.
        positive: The largest part of them that are objects.

    Attributes:
        generator: On the CPU; the draws are from it.
    """

    def __init__(self, number: int, positive: float) -> None:
        self.number, self.most = number, int(number * positive)
        self.generator = torch.Generator()

    def __call__(self, matched: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """(objects, background) that are drawn: for each image a mask uint8 (N,).

        Args:
            matched: For each image (N,): above 0 for an object, 0 for background, below 0 for neither.
        """
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for each in matched:
            objects, background = torch.where(each >= 1)[0], torch.where(each == 0)[0]
            n = min(len(objects), self.most)
            for masks, places, size in zip(found, (objects, background), (n, min(len(background), self.number - n))):
                drawn = torch.randperm(len(places), generator=self.generator)[:size].to(places.device)
                mask = torch.zeros(each.shape, dtype=torch.uint8, device=each.device)
                mask[places[drawn]] = 1
                masks.append(mask)
        return found


class DetectorModule(nn.Module):
    """The layers after the features; its weights are drawn as torchvision draws them.

    Args:
        layer: Its description.
    """

    def __init__(self, layer: bp.Detector) -> None:
        # torchvision's parts import torch's compiler, which takes seconds that no other network needs.
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
        from torchvision.models.detection.roi_heads import RoIHeads
        from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
        from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        super().__init__()
        of: Mapping[str, Any] = dict(layer.settings)
        width, self.classes = of["fpn_channels"], layer.classes
        self.names = [name for name, _ in layer.sources]
        self.fpn = FeaturePyramidNetwork([shape[0] for _, shape in layer.sources], width, LastLevelMaxPool())
        levels = [shape[1] for _, shape in layer.sources]
        sizes = tuple((of["anchor_scale"] * of["side"] / side,) for side in (*levels, (levels[-1] - 1) // 2 + 1))
        anchors = AnchorGenerator(sizes, (RATIOS,) * len(sizes))
        kept = {"training": 2 * of["proposals"], "testing": of["proposals"]}
        head = RPNHead(width, len(RATIOS))
        self.rpn = RegionProposalNetwork(anchors, head, 0.7, 0.3, of["sampled_anchors"], 0.5, kept, kept, 0.7)
        pool = MultiScaleRoIAlign(self.names, BOX_SIDE, 2)
        features = TwoMLPHead(width * BOX_SIDE**2, of["box_features"])
        predictor = FastRCNNPredictor(of["box_features"], layer.classes + 1)
        self.roi_heads = RoIHeads(
            pool, features, predictor, 0.5, 0.5, of["sampled_boxes"], 0.25, None, 0.05, 0.5, DETECTIONS
        )
        self.samplers = (Sampler(of["sampled_anchors"], 0.5), Sampler(of["sampled_boxes"], 0.25))
        self.rpn.fg_bg_sampler, self.roi_heads.fg_bg_sampler = self.samplers

    def forward(self, side: tuple[int, int], features: dict[str, Tensor], targets: Optional[Tensor]) -> Any:
        """The loss in training, a scalar; else detections, and the loss if there are targets.

        Args:
            side: (height, width) of the images in pixels.
            features: By section, (B, C, H, W).
            targets: float32 (B, 1 + M, 7), as data/annotations.py has them; None: unknown.
        """
        from torchvision.models.detection.image_list import ImageList

        levels = self.fpn(OrderedDict((name, features[name]) for name in self.names))
        n = len(next(iter(levels.values())))
        device = next(iter(levels.values())).device
        images = ImageList(torch.empty((n, 0, *side), device=device), [side] * n)  # only the sizes are read
        wanted = None if targets is None else [_boxes_of(each) for each in targets]
        if self.training:
            assert wanted is not None, "training needs targets"
            return self._loss(images, levels, wanted)
        detections = self.detect(images, levels)
        if wanted is None:
            return detections
        for sampler in self.samplers:  # the loss of a test depends on nothing but weights and images
            sampler.generator = torch.Generator()
        for part in (self.rpn, self.roi_heads):
            part.train()
        try:
            loss = self._loss(images, levels, wanted)
        finally:
            for part in (self.rpn, self.roi_heads):
                part.eval()
        return detections, loss

    def _loss(self, images: ImageList, levels: dict[str, Tensor], wanted: list[Boxes]) -> Tensor:
        """The sum of the four losses: objectness, boxes of the anchors, classes, boxes."""
        proposals, first = self.rpn(images, levels, wanted)
        _, second = self.roi_heads(levels, proposals, images.image_sizes, wanted)
        total: Tensor = sum([*first.values(), *second.values()], torch.zeros((), device=images.tensors.device))
        return total

    def detect(self, images: ImageList, levels: dict[str, Tensor]) -> Tensor:
        """The detections, float32 (B, DETECTIONS, 6): box, class from 0, score; a score of 0 where there are fewer.

        Args:
            images: Whose sizes are read.
            levels: Of the pyramid, by name.
        """
        proposals, _ = self.rpn(images, levels)
        found, _ = self.roi_heads(levels, proposals, images.image_sizes)
        made: Tensor = images.tensors.new_zeros((len(found), DETECTIONS, 6))
        for i, one in enumerate(found):
            columns = one["boxes"], one["labels"][:, None] - 1, one["scores"][:, None]
            made[i, : len(one["scores"])] = torch.cat([column.to(made.dtype) for column in columns], 1)
        return made


class DetectionNetwork(nn.Sequential):
    """The sections of a detector's blueprint. The names of its tensors are those of a classifier, up to the detector.

    network(images, targets) returns (None, loss) in training, else (detections, loss); network(images) the detections.
    """

    frozen: tuple[str, ...] = ()  # sections that are not trained
    frozen_norm = False

    def freeze(self, sections: int, batch_norm: bool) -> None:
        """Train neither the first sections, nor batch norm, which then keeps its statistics too.

        Args:
            sections: How many.
            batch_norm: Whether batch norm is frozen in all sections.
        """
        self.frozen = tuple(name for name, _ in self.named_children())[:sections]
        self.frozen_norm = batch_norm
        for name in self.frozen:
            self.get_submodule(name).requires_grad_(False)
        for norm in self._norms() if batch_norm else ():
            norm.requires_grad_(False)
        self.train(self.training)

    def _norms(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> DetectionNetwork:
        """Set training or evaluation mode; what is frozen stays in evaluation mode.

        Args:
            mode: Whether it is training mode.
        """
        super().train(mode)
        for module in self._norms() if self.frozen_norm else [self.get_submodule(name) for name in self.frozen]:
            module.eval()
        for name in self.frozen:
            self.get_submodule(name).eval()
        return self

    @property
    def detector(self) -> DetectorModule:
        """The layers after the features."""
        *_, last = self.modules_of_head()
        assert isinstance(last, DetectorModule)
        return last

    def modules_of_head(self) -> list[nn.Module]:
        """The modules of the last section, in order; the last one is the detector."""
        *_, head = self.children()
        return list(head.children())

    def draw_from(self, generator: torch.Generator) -> None:
        """Draw the anchors and boxes of the next steps from a generator.

        Args:
            generator: On the CPU.
        """
        for sampler in self.detector.samplers:
            sampler.generator = generator

    def forward(self, images: Tensor, targets: Optional[Tensor] = None) -> Any:
        """Detections, losses or both; see above.

        Args:
            images: Normalized, (B, C, H, W).
            targets: float32 (B, 1 + M, 7); None: unknown.
        """
        x, features = images, {}
        *sections, _ = self.named_children()
        for name, section in sections:
            x = features[name] = section(x)
        *opening, detector = self.modules_of_head()
        for module in opening:
            x = module(x)
        features[name] = x
        side = (images.shape[2], images.shape[3])
        with torch.autocast(images.device.type, enabled=False):  # corners need more digits than bfloat16 has
            made = detector(side, {name: each.float() for name, each in features.items()}, targets)
        return (None, made) if self.training else made


def _boxes_of(target: Tensor) -> Boxes:
    """The boxes of a target that are trained on: `boxes` float32 (N, 4), and `labels` int64 (N,) from 1.

    A target is float32 (1 + M, 7); its first row is of the image.
    """
    rows = target[1:]
    rows = rows[(rows[:, CLASS] >= 0) & (rows[:, CROWD] == 0)]
    return {"boxes": rows[:, TARGET].contiguous(), "labels": rows[:, CLASS].long() + 1}
