#!/usr/bin/env bash
# Install the system packages that some tests need: Orthanc, dcmtk and a browser. Needs root on Debian or Ubuntu.
#   bash scripts/system-packages.sh
# Without them the tests that need them are skipped, with the reason.
set -euo pipefail
packages=(orthanc orthanc-dicomweb dcmtk chromium)
missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    # RUNLEVEL: the packages' services are not to be started; tests start what they need, on loopback.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
