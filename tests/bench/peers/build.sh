#!/bin/bash
# Builds the adapter of each engine whose sources are given, and prints the paths of what was built.
# usage: build.sh 'NAME=FOLDER ...' OUTPUT; what is not given is named on standard error.
set -eu
cd "$(dirname "$0")/../../.."
declare -A folders=()
for pair in $1; do
  folders[${pair%%=*}]=${pair#*=}
done
for adapter in tests/bench/peers/*.cpp; do
  name=$(basename "$adapter" .cpp)
  folder=${folders[$name]:-}
  if [ -z "$folder" ]; then
    echo "$name: not given (PEERS='$name=FOLDER', see tests/bench/peers/README.md)" >&2
    continue
  fi
  mkdir -p "$2"
  sources=$(sed -n 's,^// sources: ,,p' "$adapter")
  includes=$(sed -n 's,^// includes: ,,p' "$adapter")
  # shellcheck disable=SC2086 # lists of paths without spaces
  g++ -std=c++20 -O3 -DNDEBUG -w -shared -fPIC -D_Static_assert=static_assert -I. \
    $(printf -- "-I$folder/%s " $includes) -o "$2/$name.so" "$adapter" $(printf -- "$folder/%s " $sources)
  echo "$2/$name.so"
done
