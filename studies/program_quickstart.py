"""A training program of one's own: it reports every epoch and goes on from its last checkpoint."""

import argparse
import os
import pickle
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import ablate

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--hidden", type=int, default=32)
parser.add_argument("--activation", default="relu")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

images, labels = load_digits(return_X_y=True)
train_x, val_x, train_y, val_y = train_test_split(images / 16, labels, test_size=500, random_state=0, stratify=labels)
checkpoint = Path(os.environ.get("ABLATE_TRIAL", ".")) / "checkpoint.pickle"
if checkpoint.exists():
    epoch, model = pickle.loads(checkpoint.read_bytes())
else:
    epoch, model = 0, MLPClassifier(args.hidden, args.activation, learning_rate_init=args.lr, random_state=args.seed)

while epoch < args.epochs:
    epoch += 1
    model.partial_fit(train_x, train_y, classes=range(10))
    ablate.log(epoch=epoch, train_loss=model.loss_, val_error=100 - 100 * model.score(val_x, val_y))
    written = checkpoint.with_suffix(".new")
    written.write_bytes(pickle.dumps((epoch, model)))
    written.replace(checkpoint)
