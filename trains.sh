#!/bin/sh
set -eu
caller=$PWD
CDPATH='' cd -- "$(dirname -- "$0")"
. utils/setup.sh

usage() {
    cat <<'TEXT'
usage: sh trains.sh [RECIPE.yaml] [key.path=value ...]

Sets up what is missing, trains the recipe (default: config/demo.yaml, whose data are made first), evaluates its test
areas and prints the table. Example: sh trains.sh config/demo.yaml training.epochs=2 name=short
TEXT
}

recipe=config/demo.yaml
case ${1-} in
    -h | --help) usage; exit 0 ;;
    '' | -* | *=*) ;;
    *.yaml | *.yml) recipe=$(from_caller "$1"); shift ;;
    *) fail "'$1' is neither a recipe (.yaml) nor a setting (key.path=value)" ;;
esac
[ -f "$recipe" ] || fail "no recipe '$recipe'"

choose_python
if [ "$recipe" -ef config/demo.yaml ] && [ ! -d datasets/demo/test ]; then
    "$python" -m data.prepare demo
fi
exec "$python" -m training.train "$recipe" "$@"
