#!/usr/bin/env bash
# From a bare machine to a trained, evaluated and explained model, without any patient's image.
#   bash scripts/quickstart.sh [OUTPUT]        OUTPUT is quickstart_output if not given
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
output=${1:-quickstart_output}
environment ""
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

step "simulate chest radiographs, half of them with pneumonia"
lungscan data phantoms pneumonia_cxr "$output/phantoms" --count 600 --contrast 4 --dicom

# A small network learns from random weights: nothing is downloaded, and there is nothing to freeze.
step "train"
lungscan train pneumonia_cxr_classification --datalist "$output/phantoms/datalist.json" --output "$output/bundle" \
    --overwrite --backbone test_resnet --weights none --epochs 20 \
    -o head_epochs=0 -o trainable_blocks=null -o learning_rate=0.002 -o batch_size=16

step "evaluate, with a Grad-CAM explanation of every test case"
lungscan evaluate "$output/bundle" --datalist "$output/phantoms/datalist.json" --output "$output/evaluation"

step "predict and explain one DICOM file that was not seen in training"
case=$(python - "$output/phantoms/datalist.json" <<'PYTHON'
import json, pathlib, sys
cases = json.load(open(sys.argv[1]))["test"]
print(pathlib.Path(next(case["image"] for case in cases if case["label"] == 1)).stem)
PYTHON
)
lungscan predict "$output/bundle" "$output/phantoms/dicom/$case.dcm"
lungscan explain "$output/bundle" "$output/phantoms/dicom/$case.dcm" --output "$output/explanation"

step "done"
echo "report:      $output/evaluation/report.html"
echo "heatmaps:    $output/evaluation/explanations"
echo "this file:   $output/explanation"
