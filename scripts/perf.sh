#!/usr/bin/env bash
# Samples per second of Apical beside PyTorch eager, on the same work, in turns, on one thread each.
# PyTorch's Python side is needed for this alone: it is taken from $PYTHON or python3 where that can import torch 2.11.0,
# with torchvision, else installed beside the other caches (4.7 GB with the default wheel, less where PyTorch's CPU wheels can be reached).
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${APICAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/apical}"
environment="$cache/pytorch-2.11.0-for-perf"
cpu_wheels=https://download.pytorch.org/whl/cpu

can_import() { "$1" -c 'import torch; import torchvision; import numpy; assert torch.__version__.startswith("2.11.0")' >/dev/null 2>&1; }

python="${PYTHON:-python3}"
if ! can_import "$python"; then
    python="$environment/bin/python"
    if ! can_import "$python"; then
        echo "perf: installing PyTorch 2.11.0 into $environment" >&2
        rm -rf "$environment"
        python3 -m venv "$environment"
        index=()
        if curl --silent --fail --max-time 5 --output /dev/null "$cpu_wheels/torch/" 2>/dev/null; then
            index=(--index-url "$cpu_wheels")
        fi
        "$environment/bin/pip" install --quiet "${index[@]}" torch==2.11.0 torchvision==0.26.0 numpy || {
            echo "perf: PyTorch could not be installed; name a Python that has torch 2.11.0 and torchvision: PYTHON=… make perf" >&2
            exit 1
        }
    fi
fi

env -u LIBTORCH cargo build --quiet --release --locked --package apical-algorithms --example step_speed
case " $* " in *' --photos'*) env -u LIBTORCH cargo build --quiet --release --locked --package apical --example pack_speed ;; esac
exec "$python" scripts/perf/compare.py "$@"
