"""A Hugging Face Hub for tests that datasets are written to, the way of large files (LFS), and read from.

It speaks what huggingface_hub 2.4, datasets and HfFileSystem ask of the real one: repositories, trees, files by ranges,
preupload, LFS with one part or several, commits, pull requests, merges, squashes. HF_HUB_DISABLE_XET=1 belongs to it.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from support.hub_repository import ISO, Repository, git_hash, is_large
from support.serving import Serving

TOKEN = "hf_test"
USER = "me"
Fault = int | str | Callable[[], object]  # a status; "cut"; or what is called before the answer


class HubServer(Serving):
    """`faults` are met once each, by the first request ("PUT /lfs/…") that their pattern fits."""

    def __init__(self, part_bytes: int | None = None) -> None:
        self.part_bytes = part_bytes  # files that are larger are uploaded in such parts
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.faults: list[tuple[str, Fault]] = []
        self.lost: list[str] = []  # patterns of requests that are carried out, and answered with 504
        self.asked: list[str] = []  # "METHOD path", in order
        self.stored: list[str] = []  # SHA-256 of each large file that was uploaded
        self.lock = threading.Lock()
        super().__init__(_Handler)
        self.url = f"http://{self.host}"

    @property
    def env(self) -> dict[str, str]:
        """Of a process that uses it."""
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}

    def fault_of(self, what: str) -> Fault | None:
        with self.lock:
            self.asked.append(what)
            for number, (pattern, fault) in enumerate(self.faults):
                if re.search(pattern, what):
                    del self.faults[number]
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: HubServer, *args: object) -> None:
        self.hub = hub
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        """Every request, whatever its method."""
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        fault = self.hub.fault_of(f"{self.command} {address.path}")
        if fault == "cut":
            self.rfile.read(min(1000, int(self.headers.get("Content-Length") or 0)))
            self.close_connection = True
            self.connection.close()
            return
        self.body = self.read_body()
        if callable(fault):
            fault()
        elif isinstance(fault, int):
            return self.refuse(fault, "Busy")
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {address.path}"):
                repo = match.groupdict().get("repo")
                values = {name: unquote(value or "") for name, value in match.groupdict().items() if name != "repo"}
                if not address.path.startswith("/lfs/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    return self.refuse(401, "InvalidToken", "Invalid username or password.")
                if repo is None:
                    return method(self, **values)
                if repo not in self.hub.repositories:
                    return self.refuse(404, "RepoNotFound")
                with self.hub.lock:
                    return method(self, self.hub.repositories[repo], **values)
        self.refuse(404, "EntryNotFound")

    do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    # repositories

    def whoami(self) -> None:
        self.answer({"name": USER, "type": "user", "orgs": []})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization'] or USER}/{asked['name']}"
        if asked["organization"] == "others":
            return self.refuse(403, "Forbidden", "You don't have the rights to create a dataset under others.")
        if name in self.hub.repositories:
            return self.refuse(409, "Conflict", "You already created this dataset repo")
        self.hub.repositories[name] = Repository(asked.get("visibility") != "public")
        self.answer({"url": f"{self.hub.url}/datasets/{name}", "name": name, "id": name})

    def info(self, repo: Repository, name: str, revision: str = "main") -> None:
        commit = repo.commit_of(revision or "main")
        if commit is None:
            return self.refuse(404, "RevisionNotFound")
        siblings = [{"rfilename": path} for path in sorted(repo.commits[commit])]
        self.answer({"id": name, "sha": commit, "private": repo.private, "siblings": siblings, "tags": []})

    def tree(self, repo: Repository, revision: str, folder: str) -> None:
        if repo.commit_of(revision) is None:
            return self.refuse(404, "RevisionNotFound")
        recursive = self.query.get("recursive", ["false"])[0].lower() == "true"
        found = repo.below(revision, folder, recursive=recursive)
        if not found and folder:
            return self.refuse(404, "EntryNotFound")
        self.answer(found)

    def paths(self, repo: Repository, revision: str) -> None:
        if repo.commit_of(revision) is None:
            return self.refuse(404, "RevisionNotFound")
        asked = json.loads(self.body)["paths"] if self.body[:1] == b"{" else parse_qs(self.body.decode())["paths"]
        self.answer(repo.find(revision, asked))

    def resolve(self, repo: Repository, revision: str, path: str) -> None:
        commit = repo.commit_of(revision)
        content = repo.commits[commit].get(path) if commit else None
        if commit is None or content is None:
            return self.refuse(404, "EntryNotFound" if commit else "RevisionNotFound")
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        sent = content[int(span[1]) : int(span[2]) + 1 if span[2] else None] if span else content
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {span[1]}-{int(span[1]) + len(sent) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest() if is_large(path) else git_hash(content)}"')
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    # files

    def check_yaml(self) -> None:
        self.answer({})

    def preupload(self, repo: Repository, revision: str) -> None:
        there, modes = repo.files(revision), []
        for file in json.loads(self.body)["files"]:
            path, content = file["path"], there.get(file["path"])
            large = is_large(path)
            oid = content and (hashlib.sha256(content).hexdigest() if large else git_hash(content))
            mode = {"uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}
            modes.append({"path": path, **mode})
        self.answer({"files": modes})

    def batch(self, repo: Repository) -> None:
        found = []
        for wanted in json.loads(self.body)["objects"]:
            oid, size, most = wanted["oid"], wanted["size"], self.hub.part_bytes
            entry: dict[str, object] = {"oid": oid, "size": size}
            if oid not in self.hub.large:
                href, header = f"{self.hub.url}/lfs/{oid}", {}
                if most is not None and size > most:
                    parts = {str(n + 1): f"{href}/{n + 1}" for n in range(-(-size // most))}
                    href, header = f"{href}/complete", {"chunk_size": str(most), **parts}
                entry["actions"] = {"upload": {"href": href, "header": header}}
            found.append(entry)
        self.answer({"transfer": "basic", "objects": found})

    def store(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            return self.refuse(400, "BadContent", "The content has another SHA-256")
        self.hub.large[oid] = self.body
        self.hub.stored.append(oid)
        self.answer({})

    def store_part(self, oid: str, part: str) -> None:
        self.hub.parts.setdefault(oid, {})[int(part)] = self.body
        self.answer({}, ETag=hashlib.md5(self.body).hexdigest())

    def complete(self, oid: str) -> None:
        parts = self.hub.parts.pop(oid)
        self.body = b"".join(parts[part["partNumber"]] for part in json.loads(self.body)["parts"])
        self.store(oid)

    def commit(self, repo: Repository, name: str, revision: str) -> None:
        tree = dict(repo.files(revision))
        message, wrong = repo.change(tree, self.body.splitlines(), self.hub.large)
        if wrong:
            return self.refuse(400, "BadContent", wrong)
        oid = repo.add(revision, tree, message)
        self.answer({"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/datasets/{name}/commit/{oid}"})

    # pull requests

    def list_requests(self, repo: Repository, name: str) -> None:
        shown = [repo.describe(name, request) for request in repo.requests]
        self.answer({"discussions": shown, "count": len(shown), "start": 0})

    def open_request(self, repo: Repository, name: str) -> None:
        self.answer(repo.describe(name, repo.open_request(json.loads(self.body)["title"], USER)))

    def show_request(self, repo: Repository, name: str, num: str) -> None:
        self.answer(repo.describe(name, repo.requests[int(num) - 1]))

    def status(self, repo: Repository, num: str) -> None:
        request = repo.requests[int(num) - 1]
        request.status = json.loads(self.body)["status"]
        event = {"id": "1", "type": "status-change", "createdAt": ISO, "data": {"status": request.status}}
        self.answer({"newStatus": event})

    def merge(self, repo: Repository, num: str) -> None:
        request = repo.requests[int(num) - 1]
        if request.status != "open":
            return self.refuse(403, "Forbidden", f"This pull request is {request.status}")
        repo.merge(request)
        self.answer({})

    def squash(self, repo: Repository, revision: str) -> None:
        repo.squash(revision, json.loads(self.body)["message"])
        self.answer({})

    # answers

    def answer(self, value: object, **headers: str) -> None:
        what = f"{self.command} {urlsplit(self.path).path}"
        if match := next((pattern for pattern in self.hub.lost if re.search(pattern, what)), None):
            self.hub.lost.remove(match)
            return self.refuse(504, "Timeout")
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def refuse(self, status: int, code: str, words: str = "") -> None:
        headers = {"X-Error-Code": code, **({"X-Error-Message": words} if words else {})}
        self.send(status, b"" if status == 404 else json.dumps({"error": words or code}).encode(), headers)

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


OF = r"/api/datasets/(?P<repo>[^/]+/[^/]+)"
NAMED = r"/api/datasets/(?=(?P<name>[^/]+/[^/]+))(?P<repo>[^/]+/[^/]+)"
ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"GET /api/whoami-v2", _Handler.whoami),
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.check_yaml),
    (rf"GET {NAMED}(/revision/(?P<revision>[^/]+))?", _Handler.info),
    (rf"GET {OF}/tree/(?P<revision>[^/]+)/?(?P<folder>.*)", _Handler.tree),
    (rf"POST {OF}/paths-info/(?P<revision>[^/]+)", _Handler.paths),
    (r"(GET|HEAD) /datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
    (rf"POST {OF}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    (r"POST /datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /lfs/(?P<oid>\w+)", _Handler.store),
    (r"PUT /lfs/(?P<oid>\w+)/(?P<part>\d+)", _Handler.store_part),
    (r"POST /lfs/(?P<oid>\w+)/complete", _Handler.complete),
    (rf"POST {NAMED}/commit/(?P<revision>[^/]+)", _Handler.commit),
    (rf"GET {NAMED}/discussions", _Handler.list_requests),
    (rf"POST {NAMED}/discussions", _Handler.open_request),
    (rf"GET {NAMED}/discussions/(?P<num>\d+)", _Handler.show_request),
    (rf"POST {OF}/discussions/(?P<num>\d+)/status", _Handler.status),
    (rf"POST {OF}/discussions/(?P<num>\d+)/merge", _Handler.merge),
    (rf"POST {OF}/super-squash/(?P<revision>[^/]+)", _Handler.squash),
]
