#!/bin/sh
set -eu
CDPATH='' cd -- "$(dirname -- "$0")"
. utils/setup.sh

usage() {
    cat <<'TEXT'
usage: sh tests.sh [pytest arguments]

Sets up what is missing and runs the tests (default: all). Example: sh tests.sh tests/models -k pooling
TEXT
}

case ${1-} in
    -h | --help) usage; exit 0 ;;
    '') set -- tests --numprocesses auto --maxprocesses 4 --dist loadfile ;;
esac

choose_python
if ! satisfies requirements-dev.txt; then
    # Only .venv is ours to install into.
    [ "$("$python" -c 'import sys; print(sys.prefix)')" -ef .venv ] ||
        fail "the active Python lacks the test tools: $python -m pip install -r requirements-dev.txt"
    install_once requirements-dev.txt
fi
OMP_NUM_THREADS=1 exec "$python" -m pytest "$@"  # processes side by side must not fight over the cores
