#!/usr/bin/env bash
# Makes the virtual environment and installs the pinned packages and the project into it; `make venv` calls it.
# It does nothing when everything is already there, and installs anew when the pins or the stack have changed.
#   requirements/install.sh VENV STACK PYTHON [test]      STACK: cpu or gpu
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1 stack=$2 python=$3 extra=${4:-}
cpu_download="0.7 GB" cpu_disk="3.0 GB" cpu_disk_mb=4000
gpu_download="about 5 GB" gpu_disk="about 12 GB" gpu_disk_mb=13000
torch_index="https://download.pytorch.org/whl/cpu"
installed=$venv/.installed

fail() { # WHAT FIX
    printf '\nMissing: %s\n    fix: %s\n' "$1" "$2" >&2
    exit 1
}

check_python() {
    command -v "$python" >/dev/null || fail "no '$python' on this machine" \
        "apt-get install python3 python3-venv, or name yours: make PYTHON=/path/to/python3.11"
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        local candidate fix="install Python 3.11 (apt-get install python3.11 python3.11-venv), then make PYTHON=python3.11"
        for candidate in python3.13 python3.12 python3.11; do
            "$candidate" -c 'import ensurepip' 2>/dev/null && fix="make PYTHON=$candidate"
        done
        fail "Python 3.11 or later; '$python' is $("$python" -V 2>&1)" "$fix"
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv module" \
        "apt-get install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}

check_compiler() {
    command -v "${CXX:-g++}" >/dev/null || fail \
        "a C++ compiler: vLLM and torch compile kernels for this processor when they start, DeepSpeed its collectives" \
        "apt-get install g++"
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        fail "Python's header files (Python.h), which those kernels are compiled with" \
            "apt-get install $("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"
}

check_platform_and_disk() { # NEEDED_MB
    case "$stack:$(uname -sm)" in
        cpu:"Linux x86_64" | gpu:Linux*) ;;
        *) fail "a platform that the pins are for: this is $(uname -sm)" "use Linux (x86-64 for STACK=cpu), a container say" ;;
    esac
    local free_mb
    mkdir -p "$(dirname "$venv")"
    free_mb=$(df -Pm "$(dirname "$venv")" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$1" ] || fail "disk space: $free_mb MB free here, $1 MB needed" \
        "free some, or put the environment elsewhere: make VENV=/big/disk/venv"
}

announce() { # DOWNLOAD DISK TORCH
    if grep -qx "stack $stack" "$installed" 2>/dev/null; then
        echo "Bringing $venv up to date: at most $1 to download"
    else
        echo "Setting up $venv: $1 to download, $2 on disk ($3, vLLM, TRL, DeepSpeed)"
    fi
}

make_venv() {
    local had
    had=$(sed -n 's/^stack //p' "$installed" 2>/dev/null || true)
    if [ -n "$had" ] && [ "$had" != "$stack" ]; then
        echo "$venv holds the $had stack: making it anew for STACK=$stack"
        rm -rf "$venv"
    fi
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$venv"
    echo "stack $stack" >"$installed"
}

pip_install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
}

count() { # TOTAL: from all that pip prints for every package, how far it is
    local done=0 line
    while IFS= read -r line; do
        case $line in
            Collecting* | Processing* | "Requirement already"*) ((++done % 40)) || echo "  $done of $1" ;;
            "Installing collected"*) echo "  unpacking" ;;
        esac
    done
}

install_pins() { # FILE
    local total
    total=$(grep -vc '^#' "$1")
    echo "installing $total packages of $1"
    PYTHONUNBUFFERED=1 pip_install --no-deps -r "$1" | count "$total"
}

install_torch() {
    local pin
    pin=$(grep '^torch==' requirements/cpu.txt)
    echo "installing $pin"
    pip_install --no-deps "$pin" && return
    echo "pip does not find $pin by itself: trying PyTorch's own index of CPU wheels"
    pip_install --no-deps --index-url "$torch_index" "$pin" && return
    fail "a CPU build of torch ($pin) for $("$python" -V) on $(uname -sm): it is not on PyPI, and $torch_index did not give it" \
        "with a folder that holds the wheel: PIP_FIND_LINKS=/folder make venv   (behind a proxy: HTTPS_PROXY=... make venv)"
}

state() { # what the marker must say for there to be nothing to do
    echo "stack $stack"
    echo "core $(cat "requirements/cpu.txt" pyproject.toml requirements/install.sh | sha256sum | cut -c1-16) $PWD"
    if [ "$1" = test ]; then echo "test $(sha256sum <requirements/test.txt | cut -c1-16)"; fi
}

has() { # every line of the state is in the marker
    [ -x "$venv/bin/ar1-rl" ] && "$venv/bin/python" -c '' 2>/dev/null && ! state "$1" | grep -qvxFf "$installed"
}

install_core() {
    check_python
    if [ "$stack" = cpu ]; then
        check_compiler
        check_platform_and_disk "$cpu_disk_mb"
        announce "$cpu_download" "$cpu_disk" "CPU build of torch"
        make_venv
        install_torch
        install_pins requirements/cpu.txt
        pip_install --quiet --no-deps --no-build-isolation -e .
    else
        check_platform_and_disk "$gpu_disk_mb"
        command -v nvidia-smi >/dev/null || echo "note: no nvidia-smi here; the GPU stack needs an NVIDIA driver to run"
        announce "$gpu_download" "$gpu_disk" "CUDA build of torch"
        make_venv
        pip_install -e '.[gpu]'
    fi
    state core >"$installed"
}

case "$stack" in cpu | gpu) ;; *) fail "a stack named '$stack'" "make STACK=cpu or make STACK=gpu" ;; esac
has core || install_core
if [ "$extra" = test ] && ! has test; then
    install_pins requirements/test.txt
    state test >"$installed"
fi
