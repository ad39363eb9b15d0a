#!/bin/sh
# Runs the long forms of the tests named in RELIABILITY.md; each of its figures is on a line `figure:` of the output.
set -eu
export RELIABILITY=long
exec "$(dirname "$0")/run.sh" --test reliability --test allocation -- --nocapture --test-threads 1
