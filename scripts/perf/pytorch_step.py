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


def deep(activation):
    layers = [nn.Linear(784, 256), activation()]
    for _ in range(4):
        layers += [nn.Linear(256, 256), activation()]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(256, 10))


class DifferenceTargets:
    """Difference target propagation in parallel on `deep`, as a careful user writes it: gradients of detached local losses
    by autograd, an inverse module for each layer, an optimizer each for layers and inverses."""

    STEP_SIZE, NOISE = 0.2, 0.2

    def __init__(self, model, activation, optimizer):
        linear = [module for module in model if isinstance(module, nn.Linear)]
        self.layers = [nn.Sequential(layer, activation()) for layer in linear[:-1]]
        self.output = linear[-1]
        inverse = lambda layer: nn.Sequential(nn.Linear(layer.out_features, layer.in_features), activation())
        self.inverses = [inverse(layer) for layer in linear[1:-1]]
        self.optimizer = optimizer(model.parameters())
        self.inverse_optimizer = optimizer([p for inverse in self.inverses for p in inverse.parameters()])

    def step(self, inputs, labels):
        self.optimizer.zero_grad(set_to_none=True)
        self.inverse_optimizer.zero_grad(set_to_none=True)
        # Each layer reads a detached activity, so that its loss is local.
        activities, below = [], inputs.flatten(1)
        for layer in self.layers:
            activities.append(layer(below))
            below = activities[-1].detach()
        top = below.requires_grad_()
        loss = nn.functional.cross_entropy(self.output(top), labels)
        parameters = list(self.output.parameters())
        *of_output, gradient = torch.autograd.grad(loss, [*parameters, top])
        for parameter, value in zip(parameters, of_output):
            parameter.grad = value
        with torch.no_grad():
            target = top - self.STEP_SIZE * len(labels) * gradient
            targets = [target]
            for inverse, activity, below in zip(self.inverses[::-1], activities[::-1], activities[-2::-1]):
                target = below - inverse(activity) + inverse(target)
                targets.append(target)
            noisy = [activity + self.NOISE * torch.randn_like(activity) for activity in activities[:-1]]
            above = [layer(corrupted) for layer, corrupted in zip(self.layers[1:], noisy)]
        local = sum((h - t).square().sum() for h, t in zip(activities, targets[::-1]))
        local = local + sum((inverse(y) - h).square().sum() for inverse, y, h in zip(self.inverses, above, noisy))
        (local / len(labels)).backward()
        self.optimizer.step()
        self.inverse_optimizer.step()
        return loss


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["mlp", "lenet", "deep"], default="mlp")
    parser.add_argument("--rule", choices=["bp", "dtp"], default="bp", help="dtp: of the model `deep`, in parallel")
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
    model = {"mlp": mlp, "lenet": lenet, "deep": deep}[arguments.model](activation)
    if arguments.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if arguments.rule == "dtp":
        if arguments.model != "deep":
            parser.error("--rule dtp wants --model deep")
        step = DifferenceTargets(model, activation, OPTIMIZERS[arguments.optimizer]).step
    else:
        optimizer = OPTIMIZERS[arguments.optimizer](model.parameters())
        criterion = nn.CrossEntropyLoss()

        def step(inputs, labels):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            return loss

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
            total_loss += step(inputs, labels[indices]).detach()
            samples += arguments.batch
            now = time.perf_counter()
            if warm and now - started > arguments.seconds:
                rate = samples / (now - started)
                print(json.dumps({
                    "who": "pytorch", "rule": arguments.rule, "model": arguments.model, "batch": arguments.batch,
                    "samples_per_second": round(rate), "loss": total_loss.item(),
                }))  # fmt: skip
                return
        if not warm and time.perf_counter() - begun > 0.2:
            warm, samples, started = True, 0, time.perf_counter()


if __name__ == "__main__":
    main()
