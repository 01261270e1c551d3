#!/usr/bin/env bash
# Fuzzes one target with libFuzzer, coverage-guided, on the stable toolchain.
#
#   tools/fuzz/run.sh <target> [runs] [libFuzzer options]
#
# New inputs go to target/fuzz/<target>; one that breaks something is written to
# target/fuzz/crash-<target>-* and belongs into tools/fuzz/corpus/<target> once it is mended.
# Needs a C++ compiler (libFuzzer is built from source), nothing else.
set -eu
cd "$(dirname "$0")/../.."
target=${1:?"usage: run.sh <target> [runs] [libFuzzer options]; targets: $(ls tools/fuzz/corpus | tr '\n' ' ')"}
runs=${2:-1000000}
shift; shift || true

# What -Zsanitizer would do, with flags that stable rustc has: LLVM counts every edge (inline
# counters, with the table of their places) and shows libFuzzer what is compared. Given a triple,
# cargo keeps these flags from build scripts.
triple=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
cargo build --quiet -p ringkeeper-fuzz --bin fuzz --features libfuzzer --profile fuzz \
  --target "$triple" --target-dir target/fuzz-build

mkdir -p "target/fuzz/$target"
dictionary=tools/fuzz/dictionary/$target.dict
[ ! -e "$dictionary" ] || set -- "-dict=$dictionary" "$@"
RINGKEEPER_FUZZ_TARGET=$target exec "target/fuzz-build/$triple/fuzz/fuzz" \
  "target/fuzz/$target" "tools/fuzz/corpus/$target" -runs="$runs" \
  -artifact_prefix="target/fuzz/crash-$target-" -rss_limit_mb=1024 -malloc_limit_mb=64 -timeout=10 \
  -print_final_stats=1 "$@"
