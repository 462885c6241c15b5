#!/usr/bin/env bash
# Encrypts a file, looks into it, decrypts it, and moves it to the next version of its key; beside a running `claviger dev`.
set -euo pipefail
key=$1 input=$2

claviger encrypt --key "$key" --context archive=2026 --in "$input" --out "$input.enc"
claviger inspect "$input.enc" | grep '^context'

# To a pipe, with its exit code taken seriously.
claviger decrypt --in "$input.enc" --context archive=2026 | cmp - "$input"

claviger keys rotate "$key" > /dev/null
claviger rewrap "$input.enc"
claviger decrypt --in "$input.enc" --context archive=2026 --out "$input.again"
cmp "$input" "$input.again" && echo 'the same bytes'
