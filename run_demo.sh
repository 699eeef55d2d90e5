#!/usr/bin/env bash
# From a clone to a verified pack: builds coo, runs the demo in a temporary state root, replays it,
# makes a baseline, changes the state with another mission, rolls it back, packs the demo's run, verifies the pack, and compares it with artefacts/demo_pack_v1.zip. Needs rustup, a C
# compiler and the crate registry; no key and no configuration. Changes nothing but target/.
#
#   ./run_demo.sh             coo asks for approval of the pack, on a terminal
#   ./run_demo.sh --approve   you have approved it
#
# Exit status: 0 everything is identical; 1 something is not; 2 wrong option.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for option in "$@"; do
  case $option in
    --approve) ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "ERROR: run_demo.sh has no option '$option'; try --help" >&2; exit 2 ;;
  esac
done

# A key or model of yours would change what runs.
unset COO_LLM_MODEL COO_LLM_BASE_URL OPENROUTER_API_KEY
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export COO_ROOT=$scratch/root
# A baseline records modes, and the pack names baselines.
umask 022

say() { printf '\n$ %s\n' "$*"; }

say cargo build --release --locked
cargo build --release --locked
coo=${CARGO_TARGET_DIR:-target}/release/coo

say coo run-demo
"$coo" run-demo
say coo replay DEMO-000001
"$coo" replay DEMO-000001
say coo amu0 create --name demo
"$coo" amu0 create --name demo
say coo run triage --frozen
"$coo" run triage --frozen
say 'echo CONFIRM_ROLLBACK | coo rollback demo'
echo CONFIRM_ROLLBACK | "$coo" rollback demo
say coo amu0 verify demo --state
"$coo" amu0 verify demo --state
say coo replay DEMO-000001
"$coo" replay DEMO-000001
say coo pack DEMO-000001 "$@"
"$coo" pack DEMO-000001 -o "$scratch/DEMO-000001.zip" "$@"
say coo verify DEMO-000001.zip
"$coo" verify "$scratch/DEMO-000001.zip"

say cmp DEMO-000001.zip artefacts/demo_pack_v1.zip
cmp "$scratch/DEMO-000001.zip" artefacts/demo_pack_v1.zip
echo "the pack is the one in this repository, byte for byte"
