#!/usr/bin/env bash
# Runs the default recipe as far as the token shards with one worker and with two, and compares every output byte.
set -euo pipefail
cd "$(dirname "$0")/.."
one=$(mktemp -d) two=$(mktemp -d)
npx curate run stages.yaml --workdir "$one" --workers 1 --until shards 2>/dev/null >/dev/null
npx curate run stages.yaml --workdir "$two" --workers 2 --until shards 2>/dev/null >/dev/null
for folder in documents rejected duplicates decisions measures tokenizer shards; do
  diff -r "$one/$folder" "$two/$folder" || { echo "$folder differs between one worker and two" >&2; exit 1; }
done
echo "identical: $(find "$one" -type f | wc -l) files with one worker and with two"
rm -rf "$one" "$two"
