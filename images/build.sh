#!/usr/bin/env bash
# Builds the three images, checks each from inside, writes what it holds to build/sbom/, pushes it and prints it by digest.
#   REGISTRY=registry.example.com/team TAG=v1 images/build.sh [launch train export]
set -euo pipefail
cd "$(dirname "$0")/.."
: "${REGISTRY:?where to push, such as registry.example.com/team}"
TAG=${TAG:-$(git rev-parse --short HEAD 2>/dev/null || echo dev)}
export CONTAINER_TOOL=${CONTAINER_TOOL:-$(images/tool.sh)}
export BASE_IMAGE=${BASE_IMAGE:-python:3.11-slim-bookworm}
read -r -a FLAGS <<<"${BUILD_FLAGS:-}"      # --volume and --isolation where a builder needs them
read -r -a PUSH <<<"${PUSH_FLAGS:-}"        # --tls-verify=false for a registry on this machine
names=("$@"); [ ${#names[@]} -gt 0 ] || names=(launch train export)
OUT=${OUT:-build/images}; SBOM=${SBOM:-build/sbom}; mkdir -p "$OUT" "$SBOM"
REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
declare -A LIMIT_MB=([launch]=200)          # above the base: a launcher starts on any node, soon

build() {  # build NAME IMAGE
  local file=Dockerfile.export target=(--target "$1")
  [ "$1" != train ] || { file=Dockerfile.train; target=(); }
  local arguments=(--build-arg "REVISION=$REVISION" --build-arg "BASE_IMAGE=$BASE_IMAGE" "${target[@]}")
  [ "$1" = launch ] || arguments+=(${LOCK:+--build-arg "LOCK=$LOCK"} ${TORCH_INDEX:+--build-arg "TORCH_INDEX=$TORCH_INDEX"})
  local layers=(); [ "$CONTAINER_TOOL" != buildah ] || layers=(--layers)
  "$CONTAINER_TOOL" build "${layers[@]}" "${FLAGS[@]}" "${arguments[@]}" --file "$file" --tag "$2" --iidfile "$OUT/$1.id" . >&2
}

check() {  # check NAME ID: works as its user, has nothing that it should not, is not too big. By id: a tag may be older in the registry
  local bytes sbom=$SBOM/lading-$1.cdx.json
  images/inside.sh "$2" python /opt/lading/smoke.py "$1" >&2 || return
  bytes=$(AS=0 images/inside.sh "$2" python - "$base" "${LIMIT_MB[$1]:-0}" <images/contents.py) || return
  images/inside.sh "$2" cat /opt/lading/sbom.cdx.json >"$sbom" || return
  echo "$1: $(((bytes - base) / 1000000)) MB above its base, $(grep -c '"bom-ref"' "$sbom") entries in $sbom" >&2
}

push() {  # push NAME ID IMAGE: its digest into $OUT/NAME.digest
  case $CONTAINER_TOOL in
    buildah) buildah push "${PUSH[@]}" --digestfile "$OUT/$1.digest" "$2" "docker://$3" >&2 ;;
    *) "$CONTAINER_TOOL" push "${PUSH[@]}" "$3" >&2
       "$CONTAINER_TOOL" inspect --format '{{index .RepoDigests 0}}' "$3" | sed 's/.*@//' >"$OUT/$1.digest" ;;
  esac
}

base=
for name in "${names[@]}"; do
  image=$REGISTRY/lading-$name:$TAG
  build "$name" "$image"
  id=$(cat "$OUT/$name.id")
  [ -n "$base" ] || base=$(AS=0 images/inside.sh "$BASE_IMAGE" python - <images/contents.py)
  check "$name" "$id" || { echo "$image is not pushed: it is not as it must be (images/smoke.py, images/contents.py)" >&2; exit 1; }
  push "$name" "$id" "$image"
  reference=$REGISTRY/lading-$name@$(cat "$OUT/$name.digest")
  echo "$reference" >"$OUT/$name.image"
  echo "$name $reference"
done
