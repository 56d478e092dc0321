#!/usr/bin/env bash
# Finds Python.h, which compiling an extension needs and Debian packs apart from Python itself. Where it
# is missing, the distribution's own package is unpacked into the virtual environment (no root needed).
# usage: headers.sh PYTHON VENV; writes VENV/headers.env
set -euo pipefail
python=$1 venv=$2
: >"$venv/headers.env"
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
[ -f "$include/Python.h" ] && exit 0
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
advice="missing: Python.h: apt-get install ${version}-dev"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "$advice"; exit 1; }
mkdir -p "$venv/headers"
root=$(cd "$venv/headers" && pwd)
(cd "$root" && apt-get download "lib${version}-dev" >/dev/null 2>&1) || { echo "$advice"; exit 1; }
dpkg-deb --extract "$root"/lib*-dev_*.deb "$root"
triplet=$(gcc -print-multiarch)
[ -f "$root/usr/include/$version/Python.h" ] || { echo "$advice"; exit 1; }
echo "export CPATH='$root/usr/include/$version:$root/usr/include:$root/usr/include/$triplet/$version'" \
  >"$venv/headers.env"
