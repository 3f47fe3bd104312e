#!/usr/bin/env bash
# Runs the tests with the extension under AddressSanitizer: an access beyond an array, or to freed memory, ends the run with a report.
# What the sanitizer watches is the extension alone, in all its instruction sets; leaks are not looked for, since Python leaves with its memory.
# Usage: tools/asan.sh PYTHON [pytest arguments]; builds into target/asan. Needs Linux on x86-64 and gcc's libasan.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
target=x86_64-unknown-linux-gnu
# The sanitizer is not stable in rustc, but it is there. Less optimisation: it is the memory that is looked at, not the speed.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address PYO3_PYTHON=$python \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_STRIP=false \
    cargo build --release --locked -p rsnn-py --target $target --target-dir target/asan
rm -rf target/asan/python
mkdir -p target/asan/python
cp -r python/rsnn target/asan/python/
cp target/asan/$target/release/lib_rsnn.so target/asan/python/rsnn/_rsnn.abi3.so
export PYTHONPATH=$PWD/target/asan/python LD_PRELOAD ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1
# The standard library too, or the sanitizer does not find how C++ throws, which matplotlib does.
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
exec "$python" -m pytest "$@"
