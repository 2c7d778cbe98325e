#!/usr/bin/env bash
# Some tests need a browser, a database server or LaTeX. As root, what is missing is installed
# (Debian, Ubuntu); else the tests that need it are skipped. With CI set, nothing may be missing.
set -euo pipefail

declare -A tests=(
  [chromium]="the tests of pages in a browser"
  [postgresql]="the tests of studies kept in PostgreSQL"
  [texlive-latex-recommended]="the tests of tables in LaTeX"
)

has() {
  case "$1" in
    chromium) command -v chromium ;;
    postgresql) command -v postgres || compgen -G "/usr/lib/postgresql/*/bin/postgres" ;;
    texlive-latex-recommended) command -v pdflatex && kpsewhich booktabs.sty ;;
  esac >/dev/null
}

apt() {
  DEBIAN_FRONTEND=noninteractive timeout 600 \
    apt-get -q -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60 "$@" </dev/null >/dev/null
}

missing=()
for package in "${!tests[@]}"; do
  has "$package" || missing+=("$package")
done

if ((${#missing[@]} && EUID == 0)) && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]} for the tests"
  # The package lists may be old or missing: they are fetched if it does not work without.
  apt install -y --no-install-recommends "${missing[@]}" 2>/dev/null ||
    { apt update && apt install -y --no-install-recommends "${missing[@]}"; } || true
fi

status=0
for package in "${missing[@]}"; do
  if ! has "$package"; then
    echo "$package is missing: ${tests[$package]} are skipped; install it: sudo apt-get install $package"
    if [[ -n "${CI:-}" ]]; then status=1; fi
  fi
done
exit "$status"
