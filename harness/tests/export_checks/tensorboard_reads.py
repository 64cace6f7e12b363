"""Reads every event file with TensorBoard's own reader and compares it with the csv tables.

usage: tensorboard_reads.py CSV_FOLDER EVENT_FOLDER
"""

import math
import struct
import sys
from pathlib import Path

from expected import compare, numbers, rows
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.util import tensor_util


def single(number):
    return number if math.isinf(number) or math.isnan(number) else struct.unpack("f", struct.pack("f", number))[0]


tables, events = sys.argv[1:]
expected = numbers(tables)
of_run = {row["id"]: row for row in rows(tables, "runs")}
compared = 0
found_runs = set()
for file in sorted(Path(events).rglob("*tfevents*")):
    accumulator = EventAccumulator(str(file.parent), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    text = tensor_util.make_ndarray(accumulator.Tensors("run")[0].tensor_proto).item().decode()
    run = text.split("`")[1]
    found_runs.add(run)
    row = of_run[run]
    assert file.parts[-5:-1] == (row["dataset"], row["architecture"], row["algorithm"], f"seed-{row['seed']}"), file
    assert ("no end is recorded" if row["state"] == "not-run" else row["state"]) in text, f"{file}: {text}"

    # EventAccumulator turns a scalar that older files hold as a number into a tensor, as TensorBoard does to show it.
    found = {}
    times = {}
    for tag in accumulator.Tags()["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name != "scalars":
            continue
        for event in accumulator.Tensors(tag):
            assert (tag, event.step) not in found, f"{file}: {tag} stands twice at {event.step}"
            found[tag, event.step] = tensor_util.make_ndarray(event.tensor_proto).item()
            times[event.step] = event.wall_time
    for tag in accumulator.Tags()["scalars"]:
        for event in accumulator.Scalars(tag):
            assert (tag, event.step) not in found, f"{file}: {tag} stands twice at {event.step}"
            found[tag, event.step] = event.value
            times[event.step] = event.wall_time
    compared += compare(run, found, {place: single(number) for place, number in expected[run].items()})
    clock = [times[step] for step in sorted(times)]
    assert clock == sorted(clock), f"{file}: its times go back: {clock}"

    # What the HPARAMS tab is made of.
    settings = None
    for raw in RawEventFileLoader(str(file)).Load():
        for value in Event.FromString(raw).summary.value:
            if value.tag == hparams.SESSION_START_INFO_TAG:
                settings = hparams.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
            if value.tag == hparams.SESSION_END_INFO_TAG:
                end = hparams.parse_session_end_info_plugin_data(value.metadata.plugin_data.content)
                assert (end.status == 1) == (row["state"] in ("completed", "diverged")), file
    assert settings.hparams["seed"].number_value == float(row["seed"])
    assert settings.hparams["algorithm.rule"].string_value == row["rule"]
    assert settings.hparams["training.epochs"].number_value == float(row["epochs"])
assert found_runs == expected.keys(), (found_runs, expected.keys())
print(f"{len(found_runs)} runs, {compared} scalars")
