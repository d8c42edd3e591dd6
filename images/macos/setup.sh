#!/bin/bash
# setup.sh --store s3://bucket/prefix: makes this Mac a runner that starts with its user's session. Again: brings it up to date.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
home=${LADING_RUNNER_HOME:-$HOME/.lading-runner}
label=org.lading.runner
store='' kinds=convert,verify python=''

usage() {
  echo "usage: setup.sh --store s3://bucket/prefix [--kinds convert,verify] [--python python3.11] | --remove"
  exit 2
}

say() { echo "lading runner: $*"; }

unload() { launchctl bootout "gui/$(id -u)/$label" 2>/dev/null || true; }

while [ $# -gt 0 ]; do
  case $1 in
    --store | --kinds | --python) [ $# -gt 1 ] || usage; declare "${1#--}=$2"; shift 2 ;;
    --remove) remove=1; shift ;;
    *) usage ;;
  esac
done
if [ "$(uname -s)" != Darwin ]; then
  say "this machine runs $(uname -s), and this sets up a Mac; here: lading runner --platform any" >&2
  exit 78
fi
agent=$HOME/Library/LaunchAgents/$label.plist
if [ -n "${remove:-}" ]; then
  unload
  rm -f "$agent"
  say "no longer starts; its files are in $home: rm -r '$home' when you need them no more"
  exit 0
fi
[ -n "$store" ] || usage

if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13; do
    if command -v "$candidate" >/dev/null; then python=$candidate; break; fi
  done
fi
if ! "${python:-false}" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "it needs Python 3.11 or newer: brew install python@3.11, or --python PATH" >&2
  exit 2
fi

# The versions are those of constraints.txt: what was planned with others is left to others (lading runners says so).
mkdir -p "$home"
chmod 700 "$home"
[ -x "$home/venv/bin/python" ] || "$python" -m venv "$home/venv"
"$home/venv/bin/python" -m pip install --quiet --upgrade pip
"$home/venv/bin/python" -m pip install --quiet --upgrade -c "$source/src/lading/constraints.txt" "${TORCH:-torch==2.13.0}" "$source[export]"

if [ ! -e "$home/environment" ]; then
  (umask 077 && cat >"$home/environment" <<'ENV'
# Read by run.sh; for this user's eyes alone. The key may do what s3-policy.json says, and no more.
AWS_ACCESS_KEY_ID=
AWS_SECRET_ACCESS_KEY=
AWS_REGION=us-east-1
# AWS_ENDPOINT_URL=https://...
ENV
  )
  say "write the runner's key into $home/environment, then run this again"
  exit 0
fi

cat >"$home/run.sh" <<RUN
#!/bin/bash
# Started by launchd. caffeinate keeps the Mac awake as long as this process, which becomes the runner, is there.
set -a; . "$home/environment"; set +a
caffeinate -is -w \$\$ &
exec "$home/venv/bin/lading" runner --store "$store" --platform macos --kinds "$kinds"
RUN
chmod 700 "$home/run.sh"

mkdir -p "$(dirname "$agent")" "$HOME/Library/Logs"
sed -e "s|@HOME@|$home|g" -e "s|@LOG@|$HOME/Library/Logs/lading-runner.log|g" "$here/$label.plist" >"$agent"
plutil -lint -s "$agent"
unload
launchctl bootstrap "gui/$(id -u)" "$agent"
say "runs; what it says: tail -f ~/Library/Logs/lading-runner.log; who is alive: lading runners --store $store"
