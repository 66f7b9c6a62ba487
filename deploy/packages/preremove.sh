#!/bin/sh
# Before a removal, of a deb (remove) or rpm (0); an upgrade leaves the daemon at work.
set -e
case "$1" in
    remove | 0) if [ -d /run/systemd/system ]; then systemctl --no-reload disable --now bgp-daemon.service; fi ;;
esac
