#!/usr/bin/env bash
# Makes the virtual environment, also where the distribution packs apart from Python what that takes: pip,
# and Python.h, which compiling an extension needs. What is missing is unpacked into the environment out of
# the distribution's own packages (no root needed).
# usage: venv.sh PYTHON VENV; writes VENV/headers.env
set -euo pipefail
python=$1 venv=$2
# An older package of a former attempt would be unpacked too.
rm -rf "$venv/packages"
mkdir -p "$venv/packages"
packages=$(cd "$venv/packages" && pwd)

# unpack PACKAGE ADVICE: into $packages.
unpack() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "$2"; exit 1; }
  (cd "$packages" && apt-get download "$1" >/dev/null 2>&1) || { echo "$2 (or apt-get update)"; exit 1; }
  dpkg-deb --extract "$packages/$1"_*.deb "$packages"
}

if "$python" -c 'import ensurepip' 2>/dev/null; then
  "$python" -m venv "$venv"
else
  unpack python3-pip-whl "missing: venv: apt-get install python3-venv"
  "$python" -m venv --without-pip "$venv"
  wheel=$(echo "$packages"/usr/share/python-wheels/pip-*.whl)
  "$venv/bin/python" "$wheel/pip" install --quiet --disable-pip-version-check pip
fi

: >"$venv/headers.env"
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
[ -f "$include/Python.h" ] && exit 0
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
advice="missing: Python.h: apt-get install ${version}-dev"
unpack "lib${version}-dev" "$advice"
root="$packages/usr/include"
triplet=$(gcc -print-multiarch)
[ -f "$root/$version/Python.h" ] || { echo "$advice"; exit 1; }
echo "export CPATH='$root/$version:$root:$root/$triplet/$version'" >"$venv/headers.env"
