# Sourced by the other scripts: makes the virtual environment that they need, once for each state of setup.cfg.
#   environment EXTRAS     for instance: environment test
# The folder is .venv, or what LUNGSCAN_VENV names. PYTHON names the interpreter to make it with.

environment() {
    local venv=${LUNGSCAN_VENV:-.venv} python=${PYTHON:-python3} wanted
    wanted="$1 $(cat setup.cfg pyproject.toml | sha256sum)"
    if [ ! -x "$venv/bin/python" ]; then
        if ! "$python" -m venv "$venv" 2>/dev/null; then
            echo "python3 -m venv does not work here; trying to install the system package python3-venv" >&2
            apt-get update -qq && apt-get install -y -qq python3-venv
            "$python" -m venv --clear "$venv"
        fi
    fi
    if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$wanted" ]; then
        echo "installing the toolkit and what it needs into $venv (several GB, some minutes) ..." >&2
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${1:+[$1]}"
        echo "$wanted" >"$venv/.installed"
    fi
    export PATH="$PWD/$venv/bin:$PATH"
    case $venv in /*) export PATH="$venv/bin:$PATH" ;; esac
}
