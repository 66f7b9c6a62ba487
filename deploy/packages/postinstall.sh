#!/bin/sh
# After an installation or upgrade, of a deb (configure) or rpm (1, 2). Starts nothing by itself: the addresses are missing.
set -e
systemd-sysusers bgp-daemon.conf
systemd-tmpfiles --create bgp-daemon.conf || true
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart bgp-daemon.service
fi
