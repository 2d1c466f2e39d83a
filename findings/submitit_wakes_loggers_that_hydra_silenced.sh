#!/usr/bin/env bash
# hydra-core 1.3.8, submitit 1.5.4: importing submitit turns on again every logger that Hydra has turned off.
#
# Expected  `hydra/job_logging=disabled` silences the program's loggers until it ends, whatever it imports later.
# Happens   submitit calls logging.config.dictConfig on import, with disable_existing_loggers=False; for the standard library
#           that means `disabled = False` on every logger that exists. So what a command prints depends on whether
#           submitit was imported before Hydra set up logging (silent) or after it, say inside the function that submits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q hydra-core==1.3.8 submitit==1.5.4
cat > "$folder/program.py" <<'PYTHON'
import logging
import sys

import hydra

if "early" in sys.argv:
    sys.argv.remove("early")
    import submitit
log = logging.getLogger("program")


@hydra.main(config_path=None, version_base="1.3")
def main(cfg):
    before = log.disabled
    import submitit

    print(f"disabled after Hydra's set-up: {before}; after import submitit {submitit.__version__}: {log.disabled}")


main()
PYTHON
cd "$folder"
words="hydra/job_logging=disabled hydra/hydra_logging=disabled hydra.run.dir=. hydra.output_subdir=null"
# shellcheck disable=SC2086
late=$("$folder/venv/bin/python" program.py $words)
# shellcheck disable=SC2086
early=$("$folder/venv/bin/python" program.py early $words)
echo "imported late:  $late"
echo "imported early: $early"
[[ $late == "disabled after Hydra's set-up: True; after import submitit 1.5.4: False" ]]
[[ $early == "disabled after Hydra's set-up: True; after import submitit 1.5.4: True" ]]
