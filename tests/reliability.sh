#!/bin/sh
# The long forms of the tests that RELIABILITY.md names; each figure there is on a line `figure:` of the output.
set -eu
export RELIABILITY=long
exec "$(dirname "$0")/run.sh" --test checkpoint --test faulty_runs --test resume --test lasting --test toggles --test soak \
    --test device_faults --test hostile -- --nocapture --test-threads 1
