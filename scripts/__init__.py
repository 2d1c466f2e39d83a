import slurm  # noqa: F401 — from here on Ctrl-C ends a command without a traceback
