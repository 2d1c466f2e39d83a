"""The reduce stage of tally.py that is made again, as a module that tasks can load."""

from support.tally import AGAIN as STAGE

__all__ = ["STAGE"]
