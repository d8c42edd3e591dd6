#!/usr/bin/env bash
# Runs a program inside an image, as its user or as AS=; docker and podman on a read-only root without a network. Standard input is passed on.
#   images/inside.sh IMAGE COMMAND...
set -euo pipefail
image=$1; shift
TOOL=${CONTAINER_TOOL:-$("$(dirname "$0")/tool.sh")}
read -r -a PULL <<<"${PUSH_FLAGS:-}"
case $TOOL in
  buildah)
    tls=(); [[ " ${PULL[*]} " != *" --tls-verify=false "* ]] || tls=(--tls-verify=false)
    container=$(buildah from --quiet --pull=false "${tls[@]}" "$image")
    scratch=$(mktemp -d); chmod 1777 "$scratch"
    trap 'buildah rm "$container" >/dev/null; rm -rf "$scratch"' EXIT
    read -r -a isolation <<<"$(grep -o -e '--isolation[ =][a-z]*' <<<"${BUILD_FLAGS:-}" || true)"
    buildah run --tty=false "${isolation[@]}" ${AS:+--user "$AS"} --volume "$scratch:/scratch" "$container" -- "$@" ;;
  *) "$TOOL" run --rm --interactive --read-only --tmpfs /scratch --tmpfs /tmp --cap-drop ALL --network none ${AS:+--user "$AS" --cap-add DAC_OVERRIDE} "$image" "$@" ;;
esac
