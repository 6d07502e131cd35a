#!/bin/bash
# Prove that the README's commands work on a machine that has nothing of this one: `make fresh-test`. For each Debian release a
# new root with python3, make and git alone, this repository as committed and, where it is there, ../shared beside it; then
# `make test` in it, which installs the rest. Needs root, Debian's package archive and a Python package registry.
#
# Options, as environment variables:
#   LOUPE_FRESH_SUITES="bookworm trixie"   the releases
#   LOUPE_FRESH_COMMAND="make test"        what runs
#   LOUPE_FRESH_CACHE=DIR                  new roots as archives, and the roots in use (default: ~/.cache/loupe/fresh-test; 6 GB each)
#   LOUPE_FRESH_KEEP=1                     go on in the roots of the last time
#   LOUPE_MIRROR=URL                       Debian mirror (default: the one that this machine's apt uses)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

if [ "$(id -u)" -ne 0 ]; then
	exec sudo --preserve-env=LOUPE_FRESH_SUITES,LOUPE_FRESH_COMMAND,LOUPE_FRESH_CACHE,LOUPE_FRESH_KEEP,LOUPE_MIRROR,HOME "$0" "$@"
fi
command -v mmdebstrap >/dev/null || {
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends mmdebstrap >/dev/null
}
cache=${LOUPE_FRESH_CACHE:-~/.cache/loupe/fresh-test}
repository=$PWD
mkdir -p "$cache"

make_root() { # SUITE: the root as Debian makes it, from an archive that is made once
	local suite=$1 mirror
	mirror=${LOUPE_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/\?$' || echo http://deb.debian.org/debian)}
	if [ ! -f "$cache/$suite.tar" ]; then
		mmdebstrap --quiet --mode=root --variant=minbase --include=ca-certificates,python3,make,git "$suite" "$cache/$suite.tar.new" "$mirror"
		mv "$cache/$suite.tar.new" "$cache/$suite.tar"
	fi
	if [ -z "${LOUPE_FRESH_KEEP:-}" ] || [ ! -d "$cache/$suite" ]; then
		rm -rf --one-file-system "${cache:?}/$suite"
		mkdir "$cache/$suite"
		tar -xf "$cache/$suite.tar" -C "$cache/$suite"
	fi
}

bring_repository() { # ROOT: as committed; what was installed in an earlier run stays
	local root=$1
	mkdir -p "$root/src/shared"
	[ -d "$root/src/loupe/.git" ] || git clone -q --no-hardlinks "$repository" "$root/src/loupe"
	git -C "$root/src/loupe" fetch -q "$repository" HEAD
	git -C "$root/src/loupe" checkout -q --detach FETCH_HEAD
	# How this machine reaches the registries: name server, certificates, pip's, npm's and apt's settings.
	for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc /etc/ssl/certs/ca-certificates.crt /etc/apt/apt.conf.d/*proxy*; do
		[ ! -e "$file" ] || cp "$file" "$root$file"
	done
}

failed=0
for suite in ${LOUPE_FRESH_SUITES:-bookworm trixie}; do
	make_root "$suite"
	root=$cache/$suite
	bring_repository "$root"
	echo "=== $suite: ${LOUPE_FRESH_COMMAND:=make test}"
	# Mounts and processes end with the command. Debian's own path and nothing else of this shell's environment.
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		root=$1 shared=$2 command=$3
		mount --rbind /dev "$root/dev"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount -t tmpfs tmpfs "$root/tmp"
		[ ! -d "$shared" ] || mount --bind -o ro "$shared" "$root/src/shared"
		exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			bash -c "cd /src/loupe && $command" </dev/null
	' fresh "$root" "$(readlink -f ..)/shared" "$LOUPE_FRESH_COMMAND" || failed=1
done
exit $failed
