"""What a tracker should show of each run, out of the exported csv tables alone: (run id) -> (name, epoch) -> number."""

import csv
import math
from pathlib import Path

KEYS = {"id", "dataset", "architecture", "algorithm", "seed", "epoch", "layer_index", "layer", "samples_seen"}
EPOCH_NAMES = {
    "samples_seen": "samples_seen",
    "train_accuracy": "accuracy/train",
    "train_loss": "loss/train",
    "validation_accuracy": "accuracy/validation",
    "validation_loss": "loss/validation",
    "test_accuracy_during_training": "accuracy/test_during_training",
    "test_loss_during_training": "loss/test_during_training",
    "learning_rate": "learning_rate",
    "train_seconds": "seconds/train",
    "evaluation_seconds": "seconds/evaluation",
    "diagnostics_seconds": "seconds/diagnostics",
}
FINAL = [
    "failed_attempts", "test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_accuracy", "train_loss",
    "best_test_accuracy_during_training", "selected_epoch", "wall_seconds", "cpu_seconds", "train_seconds",
    "samples_per_second", "peak_memory_bytes",
]  # fmt: skip


def rows(folder, table):
    with open(Path(folder) / f"{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def numbers(folder):
    """Every number of every run that has an end or an epoch."""
    runs = {row["id"]: {} for row in rows(folder, "runs")}
    last = dict.fromkeys(runs, 0)
    for row in rows(folder, "epochs"):
        epoch = int(row["epoch"])
        last[row["id"]] = max(last[row["id"]], epoch)
        for column, name in EPOCH_NAMES.items():
            if row[column] != "":
                runs[row["id"]][name, epoch] = float(row[column])
    for row in rows(folder, "layers"):
        for column in row.keys() - KEYS:
            if row[column] != "":
                runs[row["id"]][f"{column}/{row['layer']}", int(row["epoch"])] = float(row[column])
    for row in rows(folder, "runs"):
        if row["state"] == "not-run":
            continue
        for column in FINAL:
            if row[column] != "":
                runs[row["id"]][f"final/{column}", last[row["id"]]] = float(row[column])
    return {run: found for run, found in runs.items() if found}


def compare(run, found, expected):
    """Both have the same names and epochs, and the same numbers."""
    assert found.keys() == expected.keys(), (
        f"{run}: too much {sorted(found.keys() - expected.keys())}, too little {sorted(expected.keys() - found.keys())}"
    )
    for place, number in expected.items():
        same = found[place] == number or (math.isnan(found[place]) and math.isnan(number))
        assert same, f"{run}: {place} is {found[place]!r}, and {number!r} in the table"
    return len(expected)
