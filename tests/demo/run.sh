#!/usr/bin/env bash
# The demo: each act is a scene with stock clients that ends in a comparison; exit 0 only if every act's is equal.
#   run.sh [BUILD_DIR]        all acts, or the one named by ACT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
export PATH="$build/bin:$PATH"

for tool in steled stele kcat; do
    command -v "$tool" >/dev/null || { echo "demo: $tool is missing; run 'make demo' from the top" >&2; exit 2; }
done

acts=("$here"/act*.sh)
[ -z "${ACT:-}" ] || acts=("$here/act$ACT.sh")
for act in "${acts[@]}"; do
    [ -f "$act" ] || { echo "demo: there is no act '${ACT}'" >&2; exit 2; }
    bash "$act"
done
