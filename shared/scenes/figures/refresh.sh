#!/bin/sh
# Makes figures.bin again from names.txt. Needs npm and cargo.
set -eu
cd "$(dirname "$0")/../../.."
mkdir -p target/fluent-emoji
npm install --prefix target/fluent-emoji --no-save --silent @iconify-json/fluent-emoji@1.2.7
cargo run --quiet --package art -- figures \
  target/fluent-emoji/node_modules/@iconify-json/fluent-emoji/icons.json
