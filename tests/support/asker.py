"""A worker process for tests: threads that ask a web server through the process's Line, as those of `download` do.

python -m support.asker FOLDER URL PACE THREADS REQUESTS
"""

import json
import os
import sys
import threading
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from slurm.errors import UnavailableError
from stages.core.fetch.pace import Line, line
from stages.core.fetch.refused import RefusedError
from stages.core.fetch.settings import Access, Pace


def ask(way: Line, url: str, requests: int) -> None:
    host = str(urlsplit(url).hostname)
    for _ in range(requests):
        while not answered(way, url, host):
            pass
        way.went_well(host)


def answered(way: Line, url: str, host: str) -> bool:
    way.turn(host)
    try:
        with urlopen(url) as response:
            response.read()
    except HTTPError as error:
        wait = error.headers.get("Retry-After")
        try:
            way.back_off(host, RefusedError("rate_limited", f"{error.code} of {url}", float(wait) if wait else None))
        except UnavailableError as vain:
            print(vain, flush=True)
            os._exit(3)  # its other threads are still waiting, as those of a worker that is killed then
        return False
    return True


def main(folder: str, url: str, pace: str, threads: str, requests: str) -> None:
    way = line(Path(folder), Pace(**json.loads(pace)), Access(None, None, None))
    asking = [threading.Thread(target=ask, args=(way, url, int(requests))) for _ in range(int(threads))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
