#!/usr/bin/env bash
# Installs the Debian packages that the tests need, or says which command would: it never skips in silence.
set -euo pipefail

# package:command-it-provides
needed=(git:git chromium:chromium nats-server:nats-server openssl:openssl)

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry#*:}" >/dev/null 2>&1 || missing+=("${entry%%:*}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
  exit 0
fi
echo "The tests need: ${missing[*]}. Install with:" >&2
echo "  sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
exit 1
