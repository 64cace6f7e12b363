#!/usr/bin/env bash
# Obtains LibTorch and links it as .libtorch at the repository's root, where .cargo/config.toml looks.
# Takes the first of: $LIBTORCH; a Python ($PYTHON, python3) that has torch; the present link; the cache folder that all
# clones share; and if none has it, installs it there with pip. Nothing is done when it is there already.
set -euo pipefail

readonly version=2.11.0
# What libtorch_cpu.so of the default wheel links to, at the versions that wheel pins.
readonly cpu_needs=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
readonly cpu_index=https://download.pytorch.org/whl/cpu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
link=$root/.libtorch

usage() {
    cat <<USAGE
usage: scripts/libtorch.sh [--cpu | --cuda]

Finds or installs LibTorch $version and links it as .libtorch. --cuda insists on one that can use an NVIDIA GPU,
--cpu is content without; the default is --cuda on a machine with an NVIDIA GPU, else --cpu.

  LIBTORCH      an unpacked LibTorch $version, or the torch folder of a PyTorch $version
  PYTHON        the Python to ask for torch, and to run pip with (default: python3)
  APICAL_CACHE  where to install (default: \${XDG_CACHE_HOME:-~/.cache}/apical)
USAGE
}

say() { printf 'LibTorch: %s\n' "$*"; }
skip() { printf 'LibTorch: %s\n' "$*" >&2; }
fail() {
    printf 'LibTorch: error: %s\n' "$1" >&2
    shift
    if (($#)); then printf '  %s\n' "$@" >&2; fi
    exit 1
}

has_gpu() {
    # /dev/dxg is WSL's.
    [[ -e /dev/nvidia0 || -e /dev/dxg ]] || { command -v nvidia-smi && nvidia-smi -L; } &>/dev/null
}

# The version a torch folder states, without the build's suffix (+cpu, +cu130); empty when it states none.
version_of() {
    local folder=$1 header
    if [[ -r $folder/build-version ]]; then
        sed 's/+.*//;q' "$folder/build-version"
        return
    fi
    for header in "$folder"/include/torch/headeronly/version.h "$folder"/include/torch/csrc/api/include/torch/version.h; do
        if [[ -r $header ]] && grep -q 'define TORCH_VERSION_MAJOR' "$header"; then
            awk '$2 ~ /^TORCH_VERSION_(MAJOR|MINOR|PATCH)$/ { text = text dot $3; dot = "." } END { print text }' "$header"
            return
        fi
    done
}

# Libraries that the given one needs and the loader does not find.
missing_libraries() { ldd "$1" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u | paste -sd' '; }

has_cuda() { [[ -e $1/lib/libtorch_cuda.so && -z $(missing_libraries "$1/lib/libtorch_cuda.so") ]]; }

# Why a folder is not a LibTorch we can use; empty when it is one.
fault_of() {
    local folder=$1 found lacking
    [[ -d $folder ]] || { echo "there is no such folder"; return; }
    [[ -d $folder/include/ATen ]] || { echo "it has no include/ATen (the headers)"; return; }
    [[ -e $folder/lib/libtorch_cpu.so ]] || { echo "it has no lib/libtorch_cpu.so"; return; }
    found=$(version_of "$folder")
    [[ $found == "$version" ]] || { echo "it is version ${found:-unknown}, and tch needs $version"; return; }
    lacking=$(missing_libraries "$folder/lib/libtorch_cpu.so")
    [[ -z $lacking ]] || { echo "its libtorch_cpu.so lacks $lacking"; return; }
    if [[ ${insisted:-} == cuda ]] && ! has_cuda "$folder"; then echo "it cannot use a GPU, and --cuda was asked for"; fi
}

# Where a Python keeps torch of our version, found without importing it. Not from this folder: a `torch` here is none.
torch_of_python() {
    (cd / && "$1" - "$version") 2>/dev/null <<'PYTHON'
import importlib.metadata, importlib.util, sys
try:
    found = importlib.metadata.version("torch")
    if found.split("+")[0] == sys.argv[1]:
        print(next(iter(importlib.util.find_spec("torch").submodule_search_locations)))
except (importlib.metadata.PackageNotFoundError, AttributeError, StopIteration):
    pass
PYTHON
}

# Links .libtorch to a folder. The path that cargo sees stays the same when the folder behind it changes, so nothing else
# would tell it to link anew; forgetting torch-sys makes it build that again, and all that depends on it (a minute).
take() {
    local folder how=$2 kind=CPU before
    folder=$(cd "$1" && pwd -P)
    before=$(readlink "$link" || true)
    if has_cuda "$folder"; then kind="CPU and CUDA"; fi
    if [[ $before != "$folder" ]]; then
        if [[ -e $link && ! -L $link ]]; then
            fail "$link is in the way: a link is to be made there" "move it elsewhere, or use it with LIBTORCH=<its new place>"
        fi
        # A new link renamed over the old one: no moment without.
        if ! { ln -s "$folder" "$link.$$" && mv -fT "$link.$$" "$link"; }; then fail "cannot write $link"; fi
        forget_builds
    fi
    say "$version for $kind from $how: $folder"
    if [[ $kind == CPU ]] && has_gpu; then
        skip "this machine has a GPU that it cannot use; for one that can: scripts/libtorch.sh --cuda"
    fi
    exit 0
}

forget_builds() {
    local target=${CARGO_TARGET_DIR:-$root/target}
    rm -rf "$target"/*/{build,.fingerprint}/torch-sys-*
}

# torch needs Python 3.10 to 3.14 to be installed for it; LibTorch needs none, so with any other take the files for 3.12.
python_options() {
    if ! "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))'; then
        echo --python-version=3.12 --only-binary=:all:
    fi
}

answers() { timeout 6 "$python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "$1/torch/" &>/dev/null; }

# pip with its temporary files inside the folder being made: /tmp may be small, and moving within one disk is free.
pip_into() {
    local folder=$1
    shift
    local -a options
    read -ra options <<<"$(python_options)"
    mkdir -p "$folder.tmp"
    env TMPDIR="$folder.tmp" PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore \
        "${pip[@]}" install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
        ${options[@]+"${options[@]}"} --target "$folder" "$@"
}

# A pip that runs, in `pip`: Python's own, else one in a throw-away virtual environment.
find_pip() {
    local scratch=$1
    pip=("$python" -m pip)
    if "${pip[@]}" --version &>/dev/null; then return; fi
    if ! "$python" -m venv "$scratch/venv" >/dev/null 2>"$scratch/venv.log"; then
        fail "$python has neither pip nor venv" \
            "Debian, Ubuntu: apt-get install python3-venv" "or point LIBTORCH at an unpacked LibTorch $version"
    fi
    pip=("$scratch/venv/bin/python" -m pip)
}

room_for() {
    local megabytes=$1 folder=$2 free
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    if ((free < megabytes)); then
        fail "$folder has $free MB free, and LibTorch needs $megabytes MB while it is installed" \
            "make room, or set APICAL_CACHE to a folder on a larger disk"
    fi
}

install_failed() {
    fail "pip could not install torch $version (its own message is above)" \
        "no network: copy a LibTorch $version here and set LIBTORCH to it, or point PYTHON at a Python that has torch $version" \
        "a mirror: PIP_INDEX_URL=<its address> scripts/libtorch.sh" \
        "disk full: APICAL_CACHE=<a folder on a larger disk> scripts/libtorch.sh"
}

# Installs one kind into its place in the cache. Everything happens in a sibling folder that becomes the real one by a rename,
# so the real one is whole or absent; the lock makes clones wait for each other, and says that leftovers are nobody's.
install_kind() {
    local kind=$1 place=$2 partial=$2.partial started=$SECONDS
    command -v "$python" >/dev/null ||
        fail "no $python: it is needed to install torch $version" "Debian, Ubuntu: apt-get install python3 python3-venv"
    mkdir -p "${place%/*}" || fail "cannot make ${place%/*}" "set APICAL_CACHE to a folder you may write to"
    if command -v flock >/dev/null; then
        exec 9>"$place.lock"
        flock -n 9 || { say "another process is installing it; waiting"; flock 9; }
        if [[ -d $place && -z $(fault_of "$place/torch") ]]; then return; fi
        rm -rf "$partial"*
    fi
    rm -rf "$place"
    partial+=.$$
    # shellcheck disable=SC2064 # Expanded now: the trap outlives the variable.
    trap "rm -rf ${partial@Q} ${partial@Q}.tmp" EXIT
    mkdir "$partial.tmp"
    find_pip "$partial.tmp"
    if [[ $kind == cuda ]]; then
        room_for 8000 "${place%/*}"
        say "downloading PyTorch $version with CUDA 13 (2.5 GB, 4.7 GB on disk) to $place"
        pip_into "$partial" "torch==$version" || install_failed
    else
        room_for 2500 "${place%/*}"
        if answers "$cpu_index"; then
            say "downloading PyTorch $version for CPUs (0.2 GB, 0.8 GB on disk) to $place"
            pip_into "$partial" --index-url "$cpu_index" --no-deps "torch==$version" || rm -rf "$partial"
        fi
        if [[ ! -d $partial/torch ]]; then
            say "downloading PyTorch $version without the GPU libraries it links to (0.5 GB, 1.3 GB on disk) to $place"
            pip_into "$partial" --no-deps "torch==$version" "${cpu_needs[@]}" || install_failed
        fi
    fi
    local fault
    fault=$(fault_of "$partial/torch")
    [[ -z $fault ]] || fail "what pip installed cannot be used: $fault"
    # Without flock another clone may have been first: then its copy is as good.
    mv -T "$partial" "$place" 2>/dev/null || [[ -d $place/torch ]] || fail "cannot move $partial to $place"
    say "installed in $((SECONDS - started)) s"
}

main() {
    insisted=
    case ${1:-} in
        '') ;;
        --cpu | --cuda) insisted=${1#--} ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
    case $(uname -s) in
        Linux) ;;
        *) fail "only Linux is supported, and this is $(uname -s)" ;;
    esac

    local folder fault present
    python=${PYTHON:-python3}

    if [[ -n ${LIBTORCH:-} ]]; then
        # As cargo does for its [env]: the link itself may be given.
        fault=$(fault_of "$LIBTORCH")
        if [[ -z $fault ]]; then take "$LIBTORCH" "\$LIBTORCH"; fi
        fail "LIBTORCH=$LIBTORCH cannot be used: $fault" "unset it, or point it at an unpacked LibTorch $version"
    fi

    if command -v "$python" >/dev/null; then
        folder=$(torch_of_python "$python" || true)
        if [[ -n $folder ]]; then
            fault=$(fault_of "$folder")
            if [[ -z $fault ]]; then take "$folder" "$(command -v "$python")"; fi
            skip "not using $folder: $fault"
        fi
    fi

    local kind=${insisted:-cpu}
    if [[ -z $insisted ]] && has_gpu; then kind=cuda; fi

    present=$(readlink "$link" || true)
    if [[ -n $present && -z $(fault_of "$link") ]] && { [[ $kind == cpu ]] || has_cuda "$link"; }; then
        take "$link" "the present link"
    fi

    local cache=${APICAL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME, or APICAL_CACHE, to say where to install}/.cache}/apical}
    [[ $cache == /* ]] || cache=$PWD/$cache
    # What has CUDA serves machines without a GPU too: with a home folder shared by both kinds, all settle on that one.
    for folder in "$cache/libtorch-$version-cuda/torch" "$cache/libtorch-$version/torch"; do
        if [[ -d $folder && ($kind == cpu || $folder == *-cuda/torch) && -z $(fault_of "$folder") ]]; then
            take "$folder" "the cache"
        fi
    done
    folder=$cache/libtorch-$version
    if [[ $kind == cuda ]]; then folder+=-cuda; fi
    install_kind "$kind" "$folder"
    take "$folder/torch" "the cache"
}

main "$@"
