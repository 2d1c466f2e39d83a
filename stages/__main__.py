"""A recipe or a stage, by its name: plans the steps that it asks for and submits them all at once.

python -m stages clips run=NAME input.path=DIR [cluster=slurm] [steps.filter.rules.motion.min=0.01]
python -m stages filter run=NAME rules=speech        # as python -m stages.filter
python -m stages package.module run=NAME --config-dir DIR
"""

from stages.core.command_line.command import command

if __name__ == "__main__":
    command()
