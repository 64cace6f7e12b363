#!/usr/bin/env bash
# Installs what the exports are checked with, TensorBoard and an MLflow server, beside the other caches, and prints the path
# of its Python. Nothing is done when it is there already. Used by the tests; not needed to export.
#
# MLflow is installed without what its server does not need to keep and show runs (SciPy, scikit-learn, PyArrow …): about
# half of the 0.7 GB it takes otherwise.
set -euo pipefail

readonly checkers=(tensorboard==2.21.0 mlflow-skinny==3.17.2)
# What mlflow==3.17.2 says it needs, as far as the server imports it.
readonly server_needs=('Flask<4' 'Flask-CORS<7' 'alembic!=1.10.0,<2' 'sqlalchemy>=1.4,<3' 'graphene<4' 'aiohttp<4'
    'cryptography<51' 'huey<4' 'pandas<4')
readonly server=(mlflow==3.17.2 mlflow-tracing==3.17.2)

fail() {
    printf 'export checkers: %s\n' "$@" >&2
    exit 1
}

python=${PYTHON:-python3}
cache=${APICAL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME, or APICAL_CACHE, to say where to install}/.cache}/apical}
[[ $cache == /* ]] || cache=$PWD/$cache
environment=$cache/export-checkers-1
# Written last: an installation that broke off has none.
complete=$environment/complete

if [[ ! -e $complete ]]; then
    command -v "$python" >/dev/null || fail "there is no $python (Debian, Ubuntu: apt-get install python3 python3-venv)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$python is older than 3.10, which MLflow needs"
    mkdir -p "$cache" || fail "cannot make $cache; set APICAL_CACHE to a folder you may write to"
    # Clones that test at once wait for each other.
    if command -v flock >/dev/null; then
        exec 9>"$environment.lock"
        flock 9
    fi
fi
if [[ ! -e $complete ]]; then
    printf 'export checkers: installing TensorBoard and MLflow into %s\n' "$environment" >&2
    rm -rf "$environment"
    "$python" -m venv "$environment" >&2 || fail "$python has no venv (Debian, Ubuntu: apt-get install python3-venv)"
    install=("$environment/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check)
    "${install[@]}" "${checkers[@]}" "${server_needs[@]}" >&2 || fail "pip could not install them (its message is above)"
    "${install[@]}" --no-deps "${server[@]}" >&2 || fail "pip could not install MLflow (its message is above)"
    touch "$complete"
fi
printf '%s\n' "$environment/bin/python"
