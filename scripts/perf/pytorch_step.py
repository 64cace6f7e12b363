#!/usr/bin/env python3
"""Samples per second of PyTorch eager on the work of `algorithms/examples/step_speed.rs`.

Written as a careful user writes it: modules, data resident in memory, batches by index, no DataLoader,
gradients set to None, the loss summed without synchronising. Prints one JSON object.
"""

import argparse
import json
import time

import torch
from torch import nn

SAMPLES = 10_000


def mlp(activation):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 500), activation(), nn.Linear(500, 10))


def lenet(activation):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), activation(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), activation(), nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5), activation(),
        nn.Flatten(), nn.Linear(120, 84), activation(), nn.Linear(84, 10),
    )  # fmt: skip


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["mlp", "lenet"], default="mlp")
    parser.add_argument("--activation", choices=["tanh", "relu"], default="tanh")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="sgd")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--channels-last", action="store_true")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    activation = {"tanh": nn.Tanh, "relu": nn.ReLU}[arguments.activation]
    model = {"mlp": mlp, "lenet": lenet}[arguments.model](activation)
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = OPTIMIZERS[arguments.optimizer](model.parameters())
    criterion = nn.CrossEntropyLoss()
    images = torch.randint(256, (SAMPLES, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(10, (SAMPLES,))

    total_loss = torch.zeros(())
    samples, warm, begun = 0, False, time.perf_counter()
    started = begun
    while True:
        order = torch.randperm(SAMPLES)
        for start in range(0, SAMPLES - arguments.batch + 1, arguments.batch):
            indices = order[start : start + arguments.batch]
            inputs = images[indices].float().sub_(127.5).mul_(1 / 127.5)
            if arguments.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(inputs), labels[indices])
            loss.backward()
            optimizer.step()
            total_loss += loss.detach()
            samples += arguments.batch
            now = time.perf_counter()
            if warm and now - started > arguments.seconds:
                rate = samples / (now - started)
                print(json.dumps({
                    "who": "pytorch", "model": arguments.model, "batch": arguments.batch,
                    "samples_per_second": round(rate), "loss": total_loss.item(),
                }))  # fmt: skip
                return
        if not warm and time.perf_counter() - begun > 0.2:
            warm, samples, started = True, 0, time.perf_counter()


if __name__ == "__main__":
    main()
