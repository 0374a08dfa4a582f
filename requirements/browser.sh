#!/usr/bin/env bash
# Installs Chromium and its driver for the tests of report.html, from Debian's packages; does nothing where both are there.
set -euo pipefail

command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "no chromium and chromedriver here; as root on Debian: apt-get install chromium chromium-driver" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
