#!/usr/bin/env bash
# Installs the programs that trained models are checked with, apart from the package's own dependencies: llama.cpp
# (npm node-llama-cpp with its CPU build for Linux x64, 85 MB, 12 s) in the folder given, and PyTorch with OpenBLAS
# (Debian's, 650 MB unpacked, 40 s; needs root). Afterwards set CURATE_LLAMA_CPP=FOLDER and CURATE_PYTHON=/usr/bin/python3.
set -euo pipefail
folder=${1:?the folder for llama.cpp}
version=3.22.1

mkdir -p "$folder"
npm install --prefix "$folder" --no-save --ignore-scripts --omit=optional --no-audit --no-fund \
  "node-llama-cpp@$version" "@node-llama-cpp/linux-x64@$version"

if ! /usr/bin/python3 -c "import torch" 2>/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-torch libopenblas0-pthread
fi
/usr/bin/python3 -c "import torch; print('PyTorch', torch.__version__)"
