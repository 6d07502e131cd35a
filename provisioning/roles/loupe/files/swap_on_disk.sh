#!/bin/sh
# swap_on_disk.sh [ROOT]: the places that this machine swaps to and that aren't in memory alone, a line each.
# Compressed memory (zram) is one of them where it writes idle pages back to a disk, as Raspberry Pi OS has it by default.
set -eu
root=${1:-}

awk 'NR > 1 { print $1 }' "$root/proc/swaps" | while read -r place; do
	case $place in
	/dev/zram*)
		behind=$root/sys/block/${place##*/}/backing_dev
		if [ ! -e "$behind" ] || [ "$(cat "$behind")" = none ]; then continue; fi
		;;
	esac
	echo "$place"
done
