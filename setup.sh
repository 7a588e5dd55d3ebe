#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Make a virtual environment and install into it: setup.sh VENV EXTRA|REQUIREMENTS.txt
# An extra of the project, with the project, or what a file lists, without it. The versions are
# those of constraints.txt, which the suite has passed with.
# A second call installs nothing. What is missing is named with the line that installs it.
set -eu
venv=$1
extra=$2
python=${PYTHON:-python3}
cpu_index=https://download.pytorch.org/whl/cpu

missing() {
    echo "setup: $1 is missing. Type: $2" >&2
    exit 6
}

case $extra in
*.txt) wanted="--requirement $extra" sources=$extra ;;
*) wanted="--constraint constraints.txt --editable .[$extra]" sources="pyproject.toml constraints.txt" ;;
esac
for stamp in "$venv/.installed-$(basename "$extra")" "$venv/.installed-dev"; do
    # shellcheck disable=SC2086
    if [ -e "$stamp" ] && [ -z "$(find $sources -newer "$stamp")" ]; then
        exit 0
    fi
done

command -v "$python" >/dev/null || missing "$python" "apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    missing "Python 3.11 or newer ($python is $("$python" -V 2>&1))" \
        "apt-get install python3.11 python3.11-venv && make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    missing "the venv module of $python" "apt-get install python3-venv"
for tool in gcc make; do
    command -v "$tool" >/dev/null || missing "$tool" "apt-get install $tool"
done

# Say what comes and how large it is, before anything is fetched; `make sizes` measured it.
if [ "$extra" = export ]; then
    # shellcheck disable=SC2046
    set -- $(sed -n 's/^total //p' .ci/sizes.txt)
    echo "setup: an export needs $1 packages in $venv: $2 MB to download, $3 MB on disk, of that"
    echo "setup: $(grep -v '^#\|^total' .ci/sizes.txt | head -n 14 | paste -sd , - | sed 's/,/, /g') MB"
    echo "setup: (pandas, scikit-learn, matplotlib, sympy: executorch, braindecode, mne and torch require them)"
    free=$(df -Pk "$(dirname "$venv")" | awk 'NR == 2 { print int($4 * 1.024 / 1000) }')
    if [ "$free" -lt $(($2 + $3)) ]; then
        echo "setup: $free MB are free there, too few. Make room, or type: make export VENV=/elsewhere/venv" >&2
        exit 6
    fi
else
    echo "setup: installing $extra into $venv"
fi

ours=no
[ -x "$venv/bin/python" ] || { "$python" -m venv "$venv" && ours=yes; }

# pip draws its own bars on a terminal; elsewhere one line says each file that it has fetched.
log="$venv/install.log"
pip_install() {
    set -- "$venv/bin/pip" install --disable-pip-version-check "$@"
    if [ -t 1 ]; then
        "$@"
        return
    fi
    rm -f "$venv/.pip-done"
    { "$@" 2>&1 && touch "$venv/.pip-done"; } | tee "$log" | awk '
        function base(path) { sub(/.*\//, "", path); sub(/-(py|cp)[0-9.a-z]*-.*|\.tar\.gz.*/, "", path); return path }
        /^ *(Downloading|Using cached) [^ ]+\.(whl|tar\.gz)/ { size = $NF == "MB)" || $NF == "kB)" ? " " $(NF - 1) " " $NF : ""; sub(/^ *(Downloading|Using cached) /, ""); printf "setup: [%d] %s%s\n", ++n, base($1), size; fflush() }
        /^Processing .*\.(whl|tar\.gz)/ { printf "setup: [%d] %s\n", ++n, base($2); fflush() }
        /^Installing collected packages/ { printf "setup: unpacking %d packages\n", NF - 3; fflush() }'
    [ -e "$venv/.pip-done" ] || { tail -n 15 "$log" >&2; echo "setup: pip failed; all that it said is in $log" >&2; exit 6; }
    rm -f "$venv/.pip-done"
}

# Byte code of what is never imported, and other packages' own tests, are a quarter of what an export
# would take; Python writes the byte code that it needs at the first import. Whoever tests keeps all.
small=
[ "$ours$extra" = yesexport ] && small=--no-compile

# On Linux x86-64 PyPI's torch brings gigabytes of CUDA; PyTorch's own index has a CPU build.
torch=$(sed -n 's/^ *"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)
if [ "$(uname -sm)" = "Linux x86_64" ] && ! "$venv/bin/python" -c 'import torch' 2>/dev/null &&
    "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_index/', timeout=5)" 2>/dev/null; then
    echo "setup: $torch from PyTorch's CPU index"
    # shellcheck disable=SC2086
    (pip_install $small --index-url "$cpu_index" "$torch") ||
        echo "setup: that failed; going on with the default index" >&2
fi
# shellcheck disable=SC2086
pip_install $small $wanted
if [ -n "$small" ]; then
    find "$venv"/lib/python*/site-packages \( -type d \( -name tests -o -path '*/torch/test' -o -path '*/onnx/backend/test' \) \
        -o -type f -path '*/torch/bin/*[tT]est*' \) -prune -exec rm -rf {} +
fi
# torchaudio's native part fits one minor version of torch, and the one that is pinned may not load beside
# ours. Where an index offers the one that fits, it is taken; `import edge` copes where none does.
minor=$("$venv/bin/python" -c '
import importlib.util
if importlib.util.find_spec("torchaudio"):
    import torch
    try:
        import torchaudio
    except Exception:
        print(".".join(torch.__version__.split(".")[:2]))')
if [ -n "$minor" ]; then
    fits="torchaudio==$minor.*"
    if "$venv/bin/pip" install --disable-pip-version-check --quiet --no-deps --index-url "$cpu_index" --timeout 5 --retries 0 "$fits" 2>/dev/null ||
        "$venv/bin/pip" install --disable-pip-version-check --quiet --no-deps "$fits" 2>/dev/null; then
        echo "setup: $fits, which fits torch $minor"
    else
        echo "setup: no index offers $fits; braindecode is importable behind 'import edge' all the same"
    fi
fi
"$venv/bin/python" -c 'import torch; print("setup: torch", torch.__version__, "CUDA" if torch.version.cuda else "CPU", "build")'
touch "$venv/.installed-$(basename "$extra")"
