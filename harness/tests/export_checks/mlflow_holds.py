"""Asks an MLflow server through MLflow's own client for every run, and compares it with the csv tables.

usage: mlflow_holds.py CSV_FOLDER SERVER SUITE
"""

import json
import sys

from expected import compare, numbers, rows
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

STATUS = {
    "completed": "FINISHED", "diverged": "FINISHED", "failed": "FAILED", "timed-out": "FAILED", "out-of-memory": "FAILED",
    "lost": "KILLED", "not-run": "RUNNING",
}  # fmt: skip

tables, server, suite = sys.argv[1:]
client = MlflowClient(server)
experiment = client.get_experiment_by_name(f"apical/{suite}")
expected = numbers(tables)
of_run = {row["id"]: row for row in rows(tables, "runs")}
runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ACTIVE_ONLY, max_results=1000)
by_id = {}
for run in runs:
    by_id.setdefault(run.data.tags["apical.run_id"], []).append(run)
assert by_id.keys() == expected.keys(), (by_id.keys(), expected.keys())
compared = 0
for run_id, there in by_id.items():
    assert len(there) == 1, f"{run_id} is there {len(there)} times"
    run, row = there[0], of_run[run_id]
    found = {}
    for key in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, key):
            assert (key, metric.step) not in found, f"{run_id}: {key} stands twice at {metric.step}"
            found[key, metric.step] = metric.value
            if run.info.end_time:
                assert run.info.start_time <= metric.timestamp <= run.info.end_time, f"{run_id}: {metric}"
    compared += compare(run_id, found, expected[run_id])
    assert run.info.status == STATUS[row["state"]], f"{run_id}: {run.info.status}, {row['state']}"
    parameters = run.data.params
    assert parameters["training.epochs"] == row["epochs"]
    assert parameters["algorithm.rule"] == row["rule"]
    assert float(parameters["training.optimizer.sgd.learning_rate"]) == float(row["learning_rate"])
    tags = run.data.tags
    assert tags["mlflow.runName"].endswith(f", seed {row['seed']}")
    assert tags["apical.state"] == row["state"] or (row["state"], tags["apical.state"]) == ("not-run", "unfinished")
    if row["state"] != "not-run":
        assert tags["mlflow.source.git.commit"] == row["git_hash"]
        assert tags["apical.host_class"] == row["host_class"]
    assert tags.get("apical.reason", "") == row["reason"]
print(json.dumps({"runs": len(by_id), "metrics": compared}))
