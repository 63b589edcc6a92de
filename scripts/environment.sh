# Sourced by the other scripts: makes the virtual environment that they need, once for each state of setup.cfg.
#   environment EXTRAS     for instance: environment test
# The folder is .venv, or what LUNGSCAN_VENV names. PYTHON names the interpreter to make it with.

environment() {
    local venv=${LUNGSCAN_VENV:-.venv} python=${PYTHON:-python3} wanted
    wanted="$1 $(cat setup.cfg pyproject.toml | sha256sum)"
    mkdir -p "$venv"
    if [ ! -e "$venv/.installed" ]; then
        _require_room "$venv"
    fi
    if [ ! -x "$venv/bin/python" ]; then
        if ! "$python" -m venv "$venv" 2>/dev/null; then
            echo "python3 -m venv does not work here; trying to install the system package python3-venv" >&2
            apt-get update -qq && apt-get install -y -qq python3-venv
            "$python" -m venv --clear "$venv"
        fi
    fi
    if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$wanted" ]; then
        echo "installing the toolkit and what it needs into $venv (up to 9 GB, some minutes) ..." >&2
        # PyTorch first: pip removes what it downloaded at the end of a step, so that the rest needs no room beside it.
        _install "$venv" $(sed -n 's/^ *\(torch>=.*\)/\1/p; s/^ *\(torchvision>=.*\)/\1/p' setup.cfg)
        _install "$venv" --editable ".${1:+[$1]}"
        echo "$wanted" >"$venv/.installed"
    fi
    export PATH="$PWD/$venv/bin:$PATH"
    case $venv in /*) export PATH="$venv/bin:$PATH" ;; esac
}

_install() {
    local venv=$1
    shift
    # Without pip's cache, which would keep another 3 GB.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "$@"
}

# Ends the script where pip would end half-way, with "No space left on device". Measured with PyTorch for CUDA on Linux: 7.9 GB
# for the environment with all extras, 2.5 GB beside it while PyTorch is installed, 0.5 GB afterwards; 8.4 GB at most at a time.
_require_room() {
    local venv=$1 temporary=${TMPDIR:-/tmp} needed=9 meanwhile=3 torch
    for torch in "$venv"/lib/python3*/site-packages/torch; do
        if [ -d "$torch" ]; then needed=4 meanwhile=1; fi
    done
    _require_free "$needed" "$venv" "the environment. Make room, or name a folder on another disk in LUNGSCAN_VENV"
    _require_free "$meanwhile" "$temporary" "what pip downloads. Make room, or name a folder on another disk in TMPDIR"
}

_require_free() {
    local free
    free=$(df -Pk "$2" | awk 'NR == 2 { print $4 }')
    if [ "$free" -lt $(($1 * 1024 * 1024)) ]; then
        echo "too little room on the disk of $2: $((free / 1024)) MB are free, and $1 GB are needed there for $3" >&2
        exit 1
    fi
}
