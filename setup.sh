#!/bin/sh
# Make a virtual environment and install into it: setup.sh VENV EXTRA|REQUIREMENTS.txt
# An extra of the project, with the project, or what a file lists, without it.
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
*.txt) wanted="--requirement $extra" source=$extra ;;
*) wanted="--editable .[$extra]" source=pyproject.toml ;;
esac
stamp="$venv/.installed-$(basename "$extra")"
for done in "$stamp" "$venv/.installed-dev"; do
    if [ -e "$done" ] && [ "$done" -nt "$source" ]; then
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

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
torch=$(sed -n 's/^ *"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)

# On Linux x86-64 PyPI's torch brings gigabytes of CUDA; PyTorch's own index has a CPU build.
if [ "$(uname -sm)" = "Linux x86_64" ] && ! "$venv/bin/python" -c 'import torch' 2>/dev/null &&
    "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$cpu_index/', timeout=5)" 2>/dev/null; then
    echo "setup: $torch from PyTorch's CPU index"
    "$venv/bin/pip" install -qq --disable-pip-version-check --index-url "$cpu_index" "$torch" ||
        echo "setup: that failed; going on with the default index" >&2
fi
echo "setup: installing $wanted into $venv"
# shellcheck disable=SC2086
"$venv/bin/pip" install -qq --disable-pip-version-check $wanted
"$venv/bin/python" -c 'import torch; print("setup: torch", torch.__version__, "CUDA" if torch.version.cuda else "CPU", "build")'
touch "$stamp"
