#!/usr/bin/env bash
# A night: runs a suite into results of its own, writes the report, and compares with the night before.
#
#   scripts/nightly.sh [OPTIONS FOR apical run …]          docs/nightly.md says more
#
# Exits with 0, with 101 on a regression, else with 100 where runs have no result; the last line says what happened. A night
# that was interrupted goes on when started again on the same date. Settings are environment variables:
#   SUITE                    the suite; suites/nightly.yaml by default
#   APICAL                   the program; target/release/apical by default
#   APICAL_ENGINE            passed to `apical run` as --engine
#   APICAL_NIGHT             the night's date; today by default
#   APICAL_NIGHTLY_RESULTS   where results lie, a folder per night; results/nightly by default
#   APICAL_NIGHTLY_REPORTS   where reports lie, a folder per night; reports/nightly by default
#   APICAL_BASELINE          the night to compare with; the latest earlier one by default
#   APICAL_DIFF_ARGS         options for `apical diff`, e.g. '--fail-on accuracy,state'
#   APICAL_NOTIFY            a webhook that is told what came of it
#   APICAL_KEEP_NIGHTS       remove the results of all but so many nights; by default nothing is removed
set -euo pipefail
cd "$(dirname "$0")/.."

for option in "$@"; do
    case "$option" in
        -h | --help) sed -n '2,20s/^# \{0,1\}//p' "$0"; exit 0 ;;
        --detach | --dry-run | --filter | --filter=*)
            echo "nightly: $option leaves runs without a result, and a night is compared as a whole" >&2; exit 2 ;;
    esac
done

suite_file="${SUITE:-suites/nightly.yaml}"
apical="${APICAL:-${CARGO_TARGET_DIR:-target}/release/apical}"
night="${APICAL_NIGHT:-$(date +%F)}"
all_results="${APICAL_NIGHTLY_RESULTS:-results/nightly}"
all_reports="${APICAL_NIGHTLY_REPORTS:-reports/nightly}"
results="$all_results/$night"
report="$all_reports/$night"
keep="${APICAL_KEEP_NIGHTS:-}"
# Only one command of a night may tell the webhook.
notify="${APICAL_NOTIFY:-}"
unset APICAL_NOTIFY

fail() { # code, what happened
    echo "nightly $night: $2" >&2
    exit "$1"
}
[[ $night =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || fail 2 "APICAL_NIGHT must be a date such as 2026-01-31"
[[ -z $keep || $keep =~ ^[1-9][0-9]*$ ]] || fail 2 "APICAL_KEEP_NIGHTS must be a number from 1 on, not '$keep'"
[[ -x $apical ]] || fail 1 "there is no $apical: run \`make build\`, or name the program with APICAL=…"

# The suite's name, which is what plans are filed under.
name="$("$apical" plan "$suite_file" --results "$results" --output json | sed -n 's/^  "name": "\(.*\)",$/\1/p')"
[[ -n $name ]] || fail 3 "$suite_file is no suite"

# Folders of nights, oldest first: their names are dates, so their order is that of the alphabet.
nights() {
    local folder
    for folder in "$all_results"/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]; do
        [[ -d $folder ]] && basename "$folder"
    done
    return 0
}
has_results() { # night
    [[ -f $all_results/$1/plans/$name.json ]] && compgen -G "$all_results/$1/runs/*/result" >/dev/null
}

baseline="${APICAL_BASELINE:-}"
if [[ -n $baseline ]]; then
    [[ $baseline != "$night" ]] || fail 2 "APICAL_BASELINE is this night itself"
    has_results "$baseline" || fail 3 "APICAL_BASELINE: $all_results/$baseline has no results of the suite $name"
else
    for earlier in $(nights); do
        if [[ $earlier < $night ]] && has_results "$earlier"; then baseline="$earlier"; fi
    done
fi

trap 'fail 143 "ended by a signal; start it again with APICAL_NIGHT=$night and it goes on"' TERM
engine=()
[[ -z ${APICAL_ENGINE:-} ]] || engine=(--engine "$APICAL_ENGINE")
run_code=0
"$apical" run "$suite_file" --results "$results" "${engine[@]}" "$@" || run_code=$?
case $run_code in
    0 | 100) ;;
    130) fail 130 "interrupted; start it again with APICAL_NIGHT=$night and it goes on" ;;
    *) fail "$run_code" "apical run ended with exit code $run_code" ;;
esac

if [[ -z $baseline ]]; then
    # Nothing to compare with, so the report tells the webhook.
    APICAL_NOTIFY="$notify" "$apical" report "$suite_file" --results "$results" --to "$report" >/dev/null
else
    "$apical" report "$suite_file" --results "$results" --to "$report" >/dev/null
fi

diff_code=0
if [[ -n $baseline ]]; then
    read -ra diff_options <<<"${APICAL_DIFF_ARGS:-}"
    APICAL_NOTIFY="$notify" "$apical" diff "$all_results/$baseline" "$results" --suite "$name" --to "$report" \
        "${diff_options[@]}" || diff_code=$?
    compared="compared with $baseline ($report/diff.md)"
    [[ $diff_code == 0 || $diff_code == 101 ]] || fail "$diff_code" "apical diff ended with exit code $diff_code"
else
    compared="the first night, nothing to compare with"
fi

if [[ -n $keep ]]; then
    mapfile -t old < <(nights | head -n "-$keep")
    for earlier in "${old[@]}"; do
        # The night compared with, and the one just computed, stay whatever their date.
        [[ $earlier == "$baseline" || $earlier == "$night" ]] || rm -rf "${all_results:?}/$earlier"
    done
fi

echo "report: $report/README.md"
if [[ $diff_code == 101 ]]; then
    fail 101 "REGRESSION, $compared"
elif [[ $run_code == 100 ]]; then
    fail 100 "some runs have no result; no regression, $compared"
fi
echo "nightly $night: all well, $compared"
