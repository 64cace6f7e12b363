#!/usr/bin/env python3
"""Apical's training step beside PyTorch eager's: rounds in turns, one thread each, medians of ratios.

Machines are noisy, so only ratios of neighbouring measurements count, and the spread is printed with them.
Then the cost of every learning rule beside backpropagation's, measured in the same way.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", FOLDER.parent.parent / "target"))
STEP = TARGET / "release" / "examples" / "step_speed"
PACK = TARGET / "release" / "examples" / "pack_speed"
DEEP = {"mlp": {"hidden": [256] * 5, "activation": "tanh"}}
MLP = {"mlp": {"hidden": [500], "activation": "tanh"}}
LOGISTIC = {"mlp": {"hidden": [500, 500], "activation": "logistic"}}
LENET = {"lenet_mnist": {"activation": "tanh"}}
SGD = {"sgd": {"learning_rate": 0.05}}
MOMENTUM = {"sgd": {"learning_rate": 0.05, "momentum": 0.9}}
ADAM = {"adam": {"learning_rate": 0.001}}
WORK = [
    ("MLP 784-500-10, SGD", "bp", MLP, SGD, ["--model", "mlp", "--optimizer", "sgd"]),
    ("MLP 784-500-10, Adam", "bp", MLP, ADAM, ["--model", "mlp", "--optimizer", "adam"]),
    ("LeNet, momentum", "bp", LENET, MOMENTUM, ["--model", "lenet", "--optimizer", "momentum"]),
    (
        "DTP in parallel, MLP 784-5×256-10, Adam", "dtp", DEEP, ADAM,
        ["--rule", "dtp", "--model", "deep", "--optimizer", "adam"],
    ),
]
# Rules with inverses: they don't teach pooled networks, and are compared where both are taught on each batch.
TARGETS = ["tp", "dtp", "sdtp", "ao-sdtp"]
DEEP_BATCH = 100
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def rate(command):
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout)["samples_per_second"]


def batch_of(rule, options):
    """Rules with inverses are measured at the batch size of their papers."""
    return DEEP_BATCH if rule in TARGETS else options.batch


def ours(architecture, optimizer, rule, options, batch=None):
    return rate([
        STEP, "--rule", rule, "--architecture", json.dumps(architecture), "--optimizer", json.dumps(optimizer),
        "--config", json.dumps({"schedule": "parallel"} if rule in TARGETS else {}),
        "--batch", str(batch or batch_of(rule, options)), "--seconds", str(options.seconds),
    ])  # fmt: skip


def pytorch(arguments, rule, options):
    script = [sys.executable, FOLDER / "pytorch_step.py", *arguments, "--activation", "tanh"]
    return rate([*script, "--batch", str(batch_of(rule, options)), "--seconds", str(options.seconds)])


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare_pytorch(options):
    """The same step by both."""
    print("| work | Apical samples/s | PyTorch eager samples/s | ratio |")
    print("|---|---:|---:|---:|")
    for name, rule, architecture, optimizer, arguments in WORK:
        pairs = [
            (ours(architecture, optimizer, rule, options), pytorch(arguments, rule, options))
            for _ in range(options.rounds)
        ]
        ratios = [mine / theirs for mine, theirs in pairs]
        mine, theirs = (statistics.median(column) for column in zip(*pairs))
        print(f"| {name} | {mine:,.0f} | {theirs:,.0f} | {spread(ratios, 2)} |", flush=True)


def compare_targets(options):
    """What DTP costs beside backpropagation, and what its matrix products would."""
    first, middle, last = 784 * 256, 4 * 256 * 256, 256 * 10
    # Forward, the weight's gradient and the error carried down; the first layer carries none.
    backprop = 2 * first + 3 * middle + 3 * last
    # In the middle also two inverses for the target; a noisy forward, its inverse, and the inverse's gradient.
    # There the inverses stand in for the error carried down.
    dtp = 2 * first + (2 + 2 + 3) * middle + 3 * last
    print("\n| dtp beside bp, MLP 784-5×256-10 | cost | multiply-adds | cost / multiply-adds |")
    print("|---|---:|---:|---:|")
    for name, optimizer in (("SGD", SGD), ("Adam", ADAM)):
        costs = [
            ours(DEEP, optimizer, "bp", options, DEEP_BATCH) / ours(DEEP, optimizer, "dtp", options)
            for _ in range(options.rounds)
        ]
        own = [cost / (dtp / backprop) for cost in costs]
        print(f"| {name} | {spread(costs, 2)} | {dtp / backprop:.2f} | {spread(own, 2)} |", flush=True)
    print("\n| rule | cost beside bp, MLP 784-5×256-10, SGD |")
    print("|---|---:|")
    for rule in (rule for rule in TARGETS if rule != "dtp"):
        costs = [
            ours(DEEP, SGD, "bp", options, DEEP_BATCH) / ours(DEEP, SGD, rule, options) for _ in range(options.rounds)
        ]
        print(f"| {rule} | {spread(costs, 2)} |", flush=True)


def compare_dendrites(options):
    """Segregated dendrites beside numpy, and what the two-step microcircuit costs beside backpropagation."""
    print("\n| segregated dendrites, 784-500-10, rate mode | Apical samples/s | numpy samples/s, one at a time | ratio |")
    print("|---|---:|---:|---:|")
    for batch in (1, 20):
        pairs = [
            (
                rate([
                    STEP, "--rule", "segregated-dendrites", "--architecture", json.dumps(MLP), "--batch", str(batch),
                    "--seconds", str(options.seconds),
                ]),  # fmt: skip
                rate([sys.executable, FOLDER / "numpy_segregated.py", "--seconds", str(options.seconds)]),
            )
            for _ in range(options.rounds)
        ]
        mine, theirs = (statistics.median(column) for column in zip(*pairs))
        ratios = spread([ours / other for ours, other in pairs], 1)
        print(f"| batch {batch} | {mine:,.0f} | {theirs:,.0f} | {ratios} |", flush=True)

    # With tied interneurons a circuit takes as many matrix products as backpropagation, so the one is what the other predicts.
    costs = []
    for _ in range(options.rounds):
        step = [STEP, "--architecture", json.dumps(LOGISTIC), "--batch", "20", "--seconds", str(options.seconds)]
        costs.append(rate([*step, "--rule", "bp"]) / rate([*step, "--rule", "microcircuit"]))
    print(f"\nmicrocircuit, two-step, 784-500-500-10, batch 20, beside bp (as many multiply-adds): {spread(costs, 2)}")


def compare_photos(options):
    """A folder of photos, decoded and resized: into our packed file, and by torchvision into tensors."""
    if not options.photos:
        return
    print(f"\n| photos to {options.size}×{options.size} | Apical images/s | torchvision images/s | ratio | second start, s | peak memory, MiB |")
    print("|---|---:|---:|---:|---:|---:|")

    def measured(command):
        done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
        return json.loads(done.stdout)

    for workers in (1, os.cpu_count()):
        size = [options.photos, str(options.size), str(workers)]
        pairs = [
            (measured([PACK, *size]), measured([sys.executable, FOLDER / "torchvision_folder.py", *size]))
            for _ in range(options.rounds)
        ]
        mine, theirs = ([each["images_per_second"] for each in column] for column in zip(*pairs))
        ratios = spread([ours / other for ours, other in zip(mine, theirs)], 2)
        second = max(ours["second_start_seconds"] for ours, _ in pairs)
        memory = max(ours["peak_memory_mib"] for ours, _ in pairs)
        print(
            f"| {workers} worker{'s' if workers > 1 else ''} | {statistics.median(mine):,.0f} | "
            f"{statistics.median(theirs):,.0f} | {ratios} | {second:.2f} | {memory:.0f} |",
            flush=True,
        )


def compare_rules(options):
    """What the rules without inverses or dendrites cost beside backpropagation."""
    rules = [rule for rule in options.rules.split(",") if rule]
    if not rules:
        return
    print("\n| rule | cost beside bp, MLP | cost beside bp, LeNet |")
    print("|---|---:|---:|")
    for rule in rules:
        cells = []
        for architecture, optimizer in ((MLP, SGD), (LENET, MOMENTUM)):
            ratios = [
                ours(architecture, optimizer, "bp", options) / ours(architecture, optimizer, rule, options)
                for _ in range(options.rounds)
            ]
            cells.append(spread(ratios, 2))
        print(f"| {rule} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rules", default="fa,dfa,usf,brsf,frsf,kp", help="to compare with bp; empty for none")
    parser.add_argument("--photos", metavar="FOLDER", help="with train and val in it, to be packed beside torchvision")
    parser.add_argument("--size", type=int, default=64, help="side of the packed photos")
    parser.add_argument("--only", choices=["pytorch", "targets", "dendrites", "rules", "photos"], help="one part of it")
    options = parser.parse_args()

    print(f"batch {options.batch}, with inverses {DEEP_BATCH}, one thread, {options.rounds} rounds in turns, median (least to most)\n")
    parts = {
        "pytorch": compare_pytorch,
        "targets": compare_targets,
        "dendrites": compare_dendrites,
        "rules": compare_rules,
        "photos": compare_photos,
    }
    for name, part in parts.items():
        if options.only in (None, name):
            part(options)


if __name__ == "__main__":
    main()
