"""A multilayer perceptron on scikit-learn's digits: a script that knows nothing of the harness."""

import argparse
import json

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--activation", choices=["relu", "tanh"], default="relu")
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, test_size=0.2, random_state=0, stratify=y)
x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=args.seed, stratify=y)
net = MLPClassifier(
    (args.width,),
    activation=args.activation,
    learning_rate_init=args.lr,
    random_state=args.seed,
)
for epoch in range(1, args.epochs + 1):
    net.partial_fit(x, y, classes=range(10))
    accuracy = net.score(x_val, y_val)
    print(json.dumps({"epoch": epoch, "val_accuracy": accuracy, "train_loss": net.loss_}))
print(json.dumps({"test_accuracy": net.score(x_test, y_test)}))
