# Sourced by scripts that need packages which must not come into the toolkit's own environment. Makes a virtual environment
# that lies over the toolkit's: what is pinned is installed into it, everything else (torch ...) is found below.
#   layer FOLDER REQUIREMENTS PATH...      PATHs become importable there, the root of the clone is in any case
# The toolkit's environment is that of the interpreter LUNGSCAN_PYTHON, or .venv (LUNGSCAN_VENV), made where it is missing.
# A second call is done at once; two at the same time wait for each other.
source scripts/environment.sh

layer() {
    local folder=$1 requirements=$2 base wanted paths
    shift 2
    base=${LUNGSCAN_PYTHON:-}
    if [ -z "$base" ]; then
        environment ""
        base=$(command -v python)
    fi
    paths=$(printf '%s\n' "$PWD" "$@")
    wanted="$base $paths $(sha256sum <"$requirements")"
    mkdir -p "$folder"
    exec 9>"$folder/.lock"
    flock 9
    if [ "$(cat "$folder/.installed" 2>/dev/null)" != "$wanted" ]; then
        echo "installing $requirements into $folder, over the packages of $base ..." >&2
        rm -f "$folder/.installed"
        "$base" -m venv "$folder"
        "$base" - "$folder" "$paths" <<'PYTHON'
import pathlib, sys, sysconfig

folder, paths = sys.argv[1:]
below = sysconfig.get_path("purelib")
layer = sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder})
lines = [*paths.splitlines(), f"import site; site.addsitedir({below!r})"]
pathlib.Path(layer, "toolkit.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
PYTHON
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --ignore-installed \
            --requirement "$requirements"
        echo "$wanted" >"$folder/.installed"
    fi
    flock -u 9
}
