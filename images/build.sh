#!/usr/bin/env bash
# Builds and pushes the three images; prints each by digest. Any of docker, podman, buildah does: CONTAINER_TOOL.
#   REGISTRY=registry.example.com/team TAG=v1 images/build.sh [launch train export]
set -euo pipefail
cd "$(dirname "$0")/.."
: "${REGISTRY:?where to push, such as registry.example.com/team}"
TAG=${TAG:-$(git rev-parse --short HEAD 2>/dev/null || echo dev)}
TOOL=${CONTAINER_TOOL:-$(for tool in docker podman buildah; do command -v $tool >/dev/null && echo $tool && break; done)}
read -r -a FLAGS <<<"${BUILD_FLAGS:-}"      # --volume and --isolation where a builder needs them
read -r -a PUSH <<<"${PUSH_FLAGS:-}"        # --tls-verify=false for a registry on this machine
names=("$@"); [ ${#names[@]} -gt 0 ] || names=(launch train export)
OUT=${OUT:-build/images}; mkdir -p "$OUT"

for name in "${names[@]}"; do
  image=$REGISTRY/lading-$name:$TAG
  arguments=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} ${LOCK:+--build-arg "LOCK=$LOCK"})
  if [ "$name" = train ]; then file=Dockerfile.train; else file=Dockerfile.export; arguments+=(--target "$name"); fi
  case $TOOL in
    buildah) buildah build --layers "${FLAGS[@]}" "${arguments[@]}" --file "$file" --tag "$image" . >&2
             buildah push "${PUSH[@]}" --digestfile "$OUT/$name.digest" "$image" >&2 ;;
    *) "$TOOL" build "${FLAGS[@]}" "${arguments[@]}" --file "$file" --tag "$image" . >&2
       "$TOOL" push "${PUSH[@]}" "$image" >&2
       "$TOOL" inspect --format '{{index .RepoDigests 0}}' "$image" | sed 's/.*@//' >"$OUT/$name.digest" ;;
  esac
  reference=$REGISTRY/lading-$name@$(cat "$OUT/$name.digest")
  echo "$reference" >"$OUT/$name.image"
  echo "$name $reference"
done
