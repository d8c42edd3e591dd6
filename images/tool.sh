#!/usr/bin/env bash
# Prints the first of docker, podman and buildah that works here, or fails and says so: a docker without its daemon builds nothing.
set -euo pipefail
for tool in docker podman buildah; do
  if command -v $tool >/dev/null && timeout 20 $tool info >/dev/null 2>&1; then echo $tool; exit; fi
done
echo "nothing here builds images: install docker, podman or buildah, or name one that works by CONTAINER_TOOL=" >&2
exit 1
