#!/bin/sh
# Check what a build needs, each failure in one sentence with the way out, then make the virtual environment $1.
# Everything else (maturin, numpy, torch, test tools) is installed into that environment by the Makefile.
set -u

venv=$1
wanted=${2:-}

stop() {
    printf 'rsnn: %s\n' "$1" >&2
    exit 1
}

# Whether this Python is new enough; the single place that says how new.
new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if ! command -v cargo >/dev/null 2>&1; then
    stop "cargo was not found: install Rust 1.89 or newer (https://rustup.rs, then open a new shell), or put cargo on your PATH."
fi
cargo_version=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9.]*\).*/\1/p')
minor=$(printf '%s' "$cargo_version" | cut -d. -f2)
if [ -z "$cargo_version" ]; then
    stop "cargo is there but 'cargo --version' fails: choose a toolchain with 'rustup default stable'."
fi
if [ "${cargo_version%%.*}" -eq 1 ] && [ "$minor" -lt 89 ]; then
    stop "cargo $cargo_version is too old, rsnn needs 1.89 or newer: run 'rustup update stable', or install Rust from https://rustup.rs."
fi
if ! command -v cc >/dev/null 2>&1 && ! command -v gcc >/dev/null 2>&1; then
    stop "no C linker was found (cargo links with cc): install gcc, for example 'apt-get install gcc libc6-dev' or 'dnf install gcc'."
fi

if [ -n "$wanted" ]; then
    command -v "$wanted" >/dev/null 2>&1 || stop "PYTHON=$wanted was not found: give the path of a Python 3.11 or newer."
    new_enough "$wanted" || stop "PYTHON=$wanted is $("$wanted" --version 2>&1), rsnn needs Python 3.11 or newer: give another, as in 'make PYTHON=python3.12'."
    python=$wanted
else
    python=
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$(python3 --version 2>&1) || found="no python3"
        stop "Python 3.11 or newer was not found ($found is there): install one, or name it, as in 'make demo PYTHON=/path/to/python3.12'."
    fi
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    stop "$("$python" --version) has no venv module: install it ('apt-get install python3-venv' on Debian and Ubuntu), or name another Python with PYTHON=."
fi

"$python" -m venv --clear "$venv" || stop "making the virtual environment $venv failed: see the lines above."
