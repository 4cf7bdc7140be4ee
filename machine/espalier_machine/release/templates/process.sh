PATH="$release/venv/bin:$PATH"
case "$1" in
%{cases}*) echo "$1 is no process of this release" >&2; exit 1;;
esac
