#!/bin/sh
# The long forms of the tests that RELIABILITY.md names; each figure there is on a line `figure:` of the output.
set -eu
export RELIABILITY=long
exec "$(dirname "$0")/run.sh" --test reliability --test allocation -- --nocapture --test-threads 1
