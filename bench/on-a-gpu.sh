#!/bin/bash
# What gpu-mlp does on the GPU of this machine, in at most 8 minutes and without a network: one JSON file, and Markdown tables.
#
#   bench/on-a-gpu.sh [--gpu-mlp PATH] [--adapter NAME] [--backend LIST] [--out FILE.json] [--python PATH] [--minutes 8]
#                     [--only PART …]
#
# Without --gpu-mlp it first builds the program (cargo build --release), which does not count. MNIST is read from
# $GPU_MLP_DATA_DIR or the program's cache; without it gpu-mlp trains on generated digits, and the other trainers are skipped.
# --python names the Python in which PyTorch and JAX are looked for; nothing is installed. Any adapter will do: on a software
# adapter the times say nothing about a GPU, and what does not fit in the time is recorded as such.
#
# Parts, in this order. Each has a share of the time; time that a part leaves over goes to the next ones.
#   devices  the adapters, and nvidia-smi
#   exact    gpu-mlp parity --exact: a training run in integers must give the reference bits
#   parity   gpu-mlp parity: every kernel and whole training steps against the CPU
#   speed    gpu-mlp bench: S, K and W in f32, f16-mixed and int8
#   models   gpu-mlp train --seeds: 1 to 512 nets of configuration S at once
#   target   time to 98 % test accuracy: net and settings of K, gpu-mlp and the other trainers
#   peers    S, K and W in PyTorch (CUDA graph, compiled, eager) and JAX (scan; for S also many models, vmapped)
#   share    gpu-mlp bench --share: the record of this adapter for bench/results/, written beside FILE as FILE.share.json
#
# The JSON file is rewritten after each measurement, so it is complete up to the moment at which anything stops the script.
#   schema      1
#   kind        "gpu-mlp on a GPU"
#   unix_time, budget_s, wall_s
#   ended       "whole", or what ended the script early
#   program     version of gpu-mlp
#   python      versions of Python, torch and jax; null if not installed
#   data        "mnist" or "digits"
#   results     list, one entry per measurement, failures included:
#     part, name
#     status    "ok" | "failed" (wrong result, or exit code) | "stopped" (time limit) | "skipped" (not started)
#     message   why it is not ok, from the program itself; null if ok
#     command   words of the command; null if skipped
#     exit_code, seconds
#     values    null, or by part:
#       devices  {adapters: text, nvidia_smi: text or null}
#       exact, parity  {text}
#       speed    {config, precision, device, images_per_second: {median, min, q1, q3, max}, gflop_per_second, step_s,
#                 whole_epochs, test_accuracy, parameters}
#       models   {models, steps: [fewer, more], waves, step_s: [one per round], per_model_s: median of step_s over models,
#                 to_one: per_model_s over that of 1 model, group_to_one: step_s over that of 1 model}
#       target   {trainer, seed, target, reached, accuracy: [per epoch], train_s: training only, wall_s: whole process}
#       peers    {trainer, config, device, version, images_per_second: {median, min, max}, test_accuracy, models: trained at
#                 once, per_model_s: time of an update of one model, ratio: speed of gpu-mlp in f32 over this, for 1 model}
#       share    {file}
# Exit code: 0 if every measurement is ok or skipped, 3 if something failed or was stopped, 1 if nothing could be measured.
exec python3 "$(dirname "$0")/on_a_gpu/main.py" "$@"
