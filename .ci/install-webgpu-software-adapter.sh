#!/usr/bin/env bash
# Installs lavapipe, Mesa's software Vulkan driver, so that the webgpu device and its tests run without a GPU.
# For Debian and its derivatives; needs root. Running it again does nothing.
# Debian 12's own Mesa 22 is refused by Dawn (it wants Vulkan 1.3 features that lavapipe got later); the Mesa of the
# release's backports suite works. Afterwards:  XDG_RUNTIME_DIR=/tmp CURATE_REQUIRE_WEBGPU=1 npm test
set -euo pipefail

minimum=25
installed() {
  dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null | sed 's/^[0-9]*://; s/\..*//' | grep -x '[0-9]*' || echo 0
}

if [ "$(installed)" -ge "$minimum" ]; then
  echo "mesa-vulkan-drivers $(dpkg-query -W -f '${Version}' mesa-vulkan-drivers) is installed"
  exit 0
fi
[ "$(id -u)" = 0 ] || { echo "install-webgpu-software-adapter.sh: run it as root (apt-get install)" >&2; exit 2; }

export DEBIAN_FRONTEND=noninteractive
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:?this system does not name its release}")

apt-get update -qq
candidate=$(apt-cache policy mesa-vulkan-drivers | sed -n 's/^ *Candidate: *//p' | sed 's/^[0-9]*://; s/\..*//')
if [ "${candidate:-0}" -ge "$minimum" ] 2>/dev/null; then
  apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers
else
  # The distribution's own sources, with the suite's name changed: the same mirror and keys serve its backports.
  if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" } $0 ~ ("(^|\n)Suites:[^\n]*[ \t]" suite "([ \t\n]|$)") {
      sub(/(^|\n)Suites:[^\n]*/, "\nSuites: " suite "-backports"); print }' \
      /etc/apt/sources.list.d/debian.sources > "/etc/apt/sources.list.d/$suite-backports.sources"
  else
    awk -v suite="$suite" '/^deb / { for (i = 1; i <= NF; i++) if ($i == suite) { $i = suite "-backports"; print; exit } }' \
      /etc/apt/sources.list > "/etc/apt/sources.list.d/$suite-backports.list"
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -t "$suite-backports" mesa-vulkan-drivers
fi
[ "$(installed)" -ge "$minimum" ] || { echo "install-webgpu-software-adapter.sh: expected Mesa $minimum or newer, got $(installed)" >&2; exit 1; }
echo "mesa-vulkan-drivers $(dpkg-query -W -f '${Version}' mesa-vulkan-drivers) installed; set XDG_RUNTIME_DIR (to /tmp, say) when you run node"
