#!/usr/bin/env bash
# huggingface_hub 2.4.0: snapshot_download(dry_run=True) moves the cached branch, so that a cached model cannot be loaded offline.
#
# Expected  a dry run tells what would be downloaded and changes nothing. A model that is whole in the cache loads with
#           HF_HUB_OFFLINE=1 (compute nodes without internet), whatever was asked on the login node meanwhile.
# Happens   the dry run writes the branch's newest commit into refs/main of the cache. If the model got a commit since it was
#           downloaded, offline loading looks for that one, of which the cache has no file: LocalEntryNotFoundError, although
#           the former snapshot is whole beside it. Naming the commit (revision=…) still works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q huggingface_hub==2.4.0
cat > "$folder/program.py" <<'PYTHON'
import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMITS = {"a" * 40: b'{"layers": 2}', "b" * 40: b'{"layers": 3}'}
newest = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """One model, org/tiny, with one file; its branch main is at `newest`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        content, kind = COMMITS[newest], "application/json"
        if self.path.startswith("/api/"):
            blob = hashlib.sha1(content).hexdigest()
            file = {"type": "file", "path": "config.json", "rfilename": "config.json", "oid": blob, "blobId": blob,
                    "size": len(content)}
            listed = [file] if "/tree/" in self.path else {"id": "org/tiny", "sha": newest, "siblings": [file]}
            content = json.dumps(listed).encode()
        self.send_response(200)
        self.send_header("X-Repo-Commit", newest)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET


server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"

from huggingface_hub import __version__, snapshot_download


def offline():
    try:
        snapshot_download("org/tiny", cache_dir="cache", local_files_only=True)
    except Exception as error:
        return type(error).__name__
    return "found"


snapshot_download("org/tiny", cache_dir="cache")
first = offline()
newest = "b" * 40  # somebody commits to the model
second = offline()
snapshot_download("org/tiny", cache_dir="cache", dry_run=True)
print(f"huggingface_hub {__version__}, offline: {first}; after a new commit: {second}; after a dry run: {offline()}")
PYTHON
cd "$folder"
found=$("$folder/venv/bin/python" program.py 2>/dev/null)
echo "$found"
[[ $found == *"offline: found; after a new commit: found; after a dry run: LocalEntryNotFoundError" ]]
