#!/bin/bash
# Prove the first box: `make box-test`. Needs root, Debian's package archive and a Python package registry (all of it
# only until the cache is filled), and nothing of this machine's network: boxes run in namespaces made for them.
#
# Options, as environment variables:
#   LOUPE_BOX_CACHE=DIR   roots, emulator and logs (default: ~/.cache/loupe/box-test; about 0.9 GB)
#   LOUPE_BOX_ARM64=0     leave the emulated arm64 board out
#   LOUPE_BOX_KEEP=1      leave the roots in place afterwards, to look into them
#   LOUPE_MIRROR=URL      Debian mirror (default: the one that this machine's apt uses)
#   PYTHON=FILE           the development environment's Python (default: .venv/bin/python)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

if [ "$(id -u)" -ne 0 ]; then
	exec sudo --preserve-env=LOUPE_BOX_CACHE,LOUPE_BOX_ARM64,LOUPE_BOX_KEEP,LOUPE_MIRROR,PYTHON,HOME "$0" "$@"
fi

missing=()
for pair in mmdebstrap:mmdebstrap systemd-nspawn:systemd-container ip:iproute2 ssh:openssh-client unshare:util-linux; do
	command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
	echo "Installing from Debian: ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

exec "${PYTHON:-.venv/bin/python}" provisioning/box_test.py
