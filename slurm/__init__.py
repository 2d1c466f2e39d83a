import sys

if sys.argv[:1] == ["-m"]:  # `python -m` has yet to import what it is to run, which may take a second
    from slurm.ending import end_at_ctrl_c

    end_at_ctrl_c()
