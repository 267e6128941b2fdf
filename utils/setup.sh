# Sourced by trains.sh, evals.sh and tests.sh from the project root: chooses the Python, installing requirements once.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() { say "$*"; exit 2; }

# from_caller PATH: the path as meant where the script was called ($caller); the scripts work in their own folder.
from_caller() {
    case $1 in
        /*) ;;
        *) if [ "$caller" != "$PWD" ] && [ -e "$caller/$1" ]; then set -- "$caller/$1"; fi ;;
    esac
    printf '%s\n' "$1"
}

# satisfies FILE: whether $python has what FILE pins. (`python utils/requirements.py FILE --verbose` tells what lacks.)
satisfies() { "$python" utils/requirements.py "$1" >/dev/null 2>&1; }

# supported PYTHON: whether it runs and the pinned packages exist for its version.
supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

# Only what was made here is made again: a .venv that is somebody's, or a link to one, is left as it is.
create_venv() {
    made=.venv/.made-by-setup
    if [ -L .venv ] || { [ -e .venv ] && ! [ -f $made ] && { ! [ -d .venv ] || [ -n "$(ls -A .venv)" ]; }; }; then
        fail "$PWD/.venv does not work and may be yours, so it was left as it is: move it away, and call again"
    fi
    incomplete=
    for base in python3 python3.13 python3.12 python3.11 python3.10 python; do
        supported "$base" || continue
        # Debian ships Python without ensurepip; venv would stop half-way with a page of text.
        if "$base" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            say "creating .venv with $("$base" --version)"
            # The mark comes first, so that an interrupted creation is known; what users lay beside it stays, unlike with --clear.
            { mkdir -p .venv && : >$made; } || fail "could not write $PWD/.venv"
            rm -rf .venv/bin .venv/include .venv/lib .venv/lib64 .venv/pyvenv.cfg .venv/.installed-*
            "$base" -m venv .venv >&2 || fail "could not create .venv with $base"
            return
        fi
        incomplete=$base
    done
    [ -z "$incomplete" ] || fail "$incomplete lacks the venv module; on Debian and Ubuntu: apt-get install python3-venv"
    found=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null) || found=none
    fail "needs Python 3.10 to 3.13 (python3 here: $found); install one, or activate an environment of environment.yml"
}

# install_once FILE: into .venv. The stamp is a copy of FILE, written last: a changed FILE, a failed or an interrupted
# installation are all seen as "not installed", and pip continues with what is there.
install_once() {
    stamp=.venv/.installed-$1
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cat "$1")" ]; then return; fi
    # An environment made by other tools, or half-made, may have no pip.
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null 2>&1 || create_venv
    say "installing $1 into .venv (done once; can take minutes and, with CUDA, gigabytes)"
    "$python" -m pip install --disable-pip-version-check -r "$1" >&2 ||
        fail "installing $1 failed, see above; call again to continue"
    cp "$1" "$stamp"
    say "$1 is installed; for commands of your own: . .venv/bin/activate"
}

# Sets $python: the active environment where it satisfies requirements.txt, else .venv. An environment that has torch is never left for
# want of a small package: what lacks is said, with the command that installs that alone.
choose_python() {
    set -- ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} python3 python
    for python in "$@"; do
        if satisfies requirements.txt; then return; fi
    done
    if ! [ -f .venv/.installed-requirements.txt ]; then
        for python in "$@"; do
            status=0
            lacking=$("$python" utils/requirements.py requirements.txt --lacking 2>/dev/null) || status=$?
            case $status in
                3) fail "$python has torch but $lacking" ;;
                4) say "note: $python, for figures and stored indexes, $lacking"; return ;;
            esac
        done
    fi
    python=$PWD/.venv/bin/python
    supported "$python" || create_venv
    install_once requirements.txt
}
