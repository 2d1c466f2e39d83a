"""The end of a Hydra multirun: a table of what each point keeps, in the terminal and in the sweep's directory."""

from hydra.experimental.callback import Callback


class Sweep(Callback):
    pass
