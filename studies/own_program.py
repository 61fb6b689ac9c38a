"""Trains the network of small_convnext.py in a loop of its own, with AdamW, and goes on where it was."""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from small_convnext import small_convnext
from torch.nn.functional import cross_entropy
from torchvision.datasets import ImageFolder

import ablate

BATCH, TRAIN, HELD_OUT = 64, 3000, 1000

parser = argparse.ArgumentParser()
parser.add_argument("--images", required=True, help="a folder with a folder of images for each class")
parser.add_argument("--norm", default="layer")
parser.add_argument("--activation", default="gelu")
parser.add_argument("--stochastic-depth", type=float, default=0.1)
parser.add_argument("--kernel", type=int, default=7)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

folder = ImageFolder(args.images)
chosen = torch.randperm(len(folder), generator=torch.Generator().manual_seed(0))[: TRAIN + HELD_OUT].tolist()
pixels = np.stack([np.asarray(folder[i][0]) for i in chosen])
images = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 120) / 64
labels = torch.tensor([folder.targets[i] for i in chosen])

torch.manual_seed(args.seed)
network = small_convnext(
    len(folder.classes),
    (3, 32, 32),
    norm=args.norm,
    activation=args.activation,
    kernel=args.kernel,
    stochastic_depth=args.stochastic_depth,
)
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * (TRAIN // BATCH))
parts = {"network": network, "optimizer": optimizer, "schedule": schedule}

checkpoint = Path(os.environ.get("ABLATE_TRIAL", ".")) / "checkpoint.pt"
done = 0
if checkpoint.exists():
    state = torch.load(checkpoint, weights_only=True)
    done = state["epoch"]
    for name, part in parts.items():
        part.load_state_dict(state[name])

for epoch in range(done + 1, args.epochs + 1):
    torch.manual_seed(1000 * args.seed + epoch)  # so that an epoch is the same after a break
    network.train()
    losses = []
    for batch in torch.randperm(TRAIN).split(BATCH)[: TRAIN // BATCH]:
        flips = torch.rand(len(batch)) < 0.5
        inputs = torch.where(flips[:, None, None, None], images[batch].flip(3), images[batch])
        loss = cross_entropy(network(inputs), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    network.eval()
    with torch.no_grad():
        wrong = (network(images[TRAIN:]).argmax(1) != labels[TRAIN:]).float().mean().item()
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"epoch": epoch, **state}, checkpoint.with_suffix(".new"))
    checkpoint.with_suffix(".new").replace(checkpoint)
    ablate.log(epoch=epoch, train_loss=sum(losses) / len(losses), val_error=100 * wrong)
