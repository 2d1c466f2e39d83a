"""A worker process for tests: threads that ask a web server through the process's Session, as those of `download` do.

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
from stages.core.fetch.session import Session, get_session
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.throttled import ThrottledError


def ask(session: Session, url: str, requests: int) -> None:
    host = str(urlsplit(url).hostname)
    for _ in range(requests):
        while not answered(session, url, host):
            pass
        session.report_success(host)


def answered(session: Session, url: str, host: str) -> bool:
    session.wait_turn(host)
    try:
        with urlopen(url) as response:
            response.read()
    except HTTPError as error:
        wait = error.headers.get("Retry-After")
        try:
            session.back_off(
                host, ThrottledError("rate_limited", f"{error.code} of {url}", float(wait) if wait else None)
            )
        except UnavailableError as vain:
            print(vain, flush=True)
            os._exit(3)  # its other threads are still waiting, as those of a worker that is killed then
        return False
    return True


def main(folder: str, url: str, pace: str, threads: str, requests: str) -> None:
    session = get_session(Path(folder), Pace(**json.loads(pace)), Access(None, None, None))
    asking = [threading.Thread(target=ask, args=(session, url, int(requests))) for _ in range(int(threads))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
