"""A small Hugging Face Hub for tests: one dataset, and models, listed and served by ranges at HF_ENDPOINT."""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from support.serving import Serving

NAME = "org/name"
COMMIT = "0" * 40
MODEL = re.compile(r"/api/models/([\w-]+/[\w.-]+)(?:/(revision|tree)/(\w+))?|/([\w-]+/[\w.-]+)/resolve/(\w+)/(.+)")


class Hub(Serving):
    """Serves `files` (path → content) as the dataset org/name at the revision main.

    `refusal` is an error code of the Hub, which whoever reads a file gets; `requests` has (path, range) of every file
    that was read. `models` has the files of each model, of which `claims` are said to have other sizes; `asked` has the
    path of each request about one.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        refusal: str | None = None,
        *,
        models: dict[str, dict[str, bytes]] | None = None,
        claims: dict[str, int] | None = None,
    ) -> None:
        self.files, self.refusal, self.models, self.claims = files, refusal, models or {}, claims or {}
        self.requests: list[tuple[str, str | None]] = []
        self.asked: list[str] = []
        super().__init__(_Handler)
        self.url = f"http://{self.host}"

    def entry(self, path: str) -> dict[str, object]:
        if path in self.files:
            return {"type": "file", "path": path, "size": len(self.files[path]), "oid": "0"}
        return {"type": "directory", "path": path, "size": 0, "oid": "0"}

    def sibling(self, path: str, content: bytes) -> dict[str, object]:
        """A file of a model as lists have it."""
        size, blob = self.claims.get(path, len(content)), hashlib.sha1(content).hexdigest()
        return {"type": "file", "path": path, "oid": blob, "rfilename": path, "blobId": blob, "size": size}

    def below(self, folder: str, recursive: bool) -> list[dict[str, object]]:
        start = f"{folder}/" if folder else ""
        found = {p if recursive else start + p[len(start) :].split("/")[0] for p in self.files if p.startswith(start)}
        return [self.entry(path) for path in sorted(found)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: object) -> None:
        self.hub = hub
        super().__init__(*args)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := MODEL.fullmatch(path):
            self.hub.asked.append(path)
            return self.do_model(match)
        if path.startswith(f"/datasets/{NAME}/resolve/main/"):
            return self.serve(path.removeprefix(f"/datasets/{NAME}/resolve/main/"))
        if not path.startswith(f"/api/datasets/{NAME}"):
            return self.refuse(404, "RepoNotFound")
        what, _, rest = path.removeprefix(f"/api/datasets/{NAME}").lstrip("/").partition("/")
        if what and rest.partition("/")[0] != "main":
            return self.refuse(404, "RevisionNotFound")
        if what == "tree":
            recursive = "true" in parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower()
            return self.answer(self.hub.below(rest.partition("/")[2], recursive))
        return self.answer({"id": NAME, "sha": "0" * 40})

    def do_HEAD(self) -> None:
        match = MODEL.fullmatch(unquote(urlsplit(self.path).path))
        return self.do_model(match) if match else self.refuse(501, "Unsupported")

    def do_model(self, match: re.Match[str]) -> None:
        listed, what, revision, read, read_at, path = match.groups()
        files = self.hub.models.get(listed or read)
        if files is None:
            return self.refuse(404, "RepoNotFound")
        if (revision or read_at or "main") not in {"main", COMMIT}:
            return self.refuse(404, "RevisionNotFound")
        siblings = [self.hub.sibling(*file) for file in files.items()]
        if listed:
            return self.answer(siblings if what == "tree" else {"id": listed, "sha": COMMIT, "siblings": siblings})
        if path not in files:
            return self.refuse(404, "EntryNotFound")
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(files[path]).hexdigest()}"')
        self.send_header("Content-Length", str(len(files[path])))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(files[path])

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        self.answer([self.hub.entry(p) for p in asked if self.hub.below(p, True) or p in self.hub.files])

    def serve(self, path: str) -> None:
        if self.hub.refusal:
            return self.refuse(403, self.hub.refusal)
        content, span = self.hub.files[path], self.headers.get("Range")
        self.hub.requests.append((path, span))
        if span:
            first, last = (int(n) for n in span.removeprefix("bytes=").split("-"))
            content = content[first : last + 1]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
