#!/bin/sh
set -eu
caller=$PWD
CDPATH='' cd -- "$(dirname -- "$0")"
. utils/setup.sh

usage() {
    cat <<'TEXT'
usage: sh evals.sh [RUN_DIR] [AREA ...]

Evaluates a run (default: the newest in runs/) on the named areas (default: all its test areas).
Example: sh evals.sh runs/demo demo/test
TEXT
}

# The run with the newest checkpoint: one that stopped before its first checkpoint has nothing to evaluate.
newest_run() {
    newest=
    for checkpoint in runs/*/checkpoints/*; do
        [ -e "$checkpoint" ] || continue
        if [ -z "$newest" ] || [ "$checkpoint" -nt "$newest" ]; then newest=$checkpoint; fi
    done
    printf '%s\n' "${newest%/checkpoints/*}"
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    '' | -*) run=$(newest_run); [ -n "$run" ] || fail "no run with a checkpoint in runs/; train one: sh trains.sh" ;;
    *) run=$(from_caller "$1"); shift; [ -d "$run" ] || fail "no run folder '$run'" ;;
esac
# What follows is areas, unless it is an option of the module.
case ${1-} in
    '' | -*) ;;
    *) set -- --areas "$@" ;;
esac

choose_python
exec "$python" -m eval.evaluate --run "$run" "$@"
