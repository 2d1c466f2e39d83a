"""A dataset on a Hub for tests: its commits, refs, large files and pull requests, without how they are asked for."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Tree = dict[str, bytes]
ISO = "2026-12-01T00:00:00.000Z"


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(path: str) -> bool:
    """What .gitattributes of a new dataset has go the way of large files."""
    return path.endswith((".parquet", ".tar", ".mp4"))


@dataclass
class Request:
    """A pull request."""

    num: int
    title: str
    author: str
    base: str  # the commit that it was opened at
    status: str = "draft"


@dataclass
class Repository:
    """`commits` has the files of each, `refs` the commits of each branch, the newest last."""

    private: bool
    commits: dict[str, Tree] = field(default_factory=dict)
    refs: dict[str, list[str]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.add("main", {".gitattributes": b"*.parquet filter=lfs\n"}, "initial commit")

    def add(self, ref: str, tree: Tree, message: str) -> str:
        """A commit to a ref; gives its name."""
        before = self.refs.setdefault(ref, [])
        said = repr((ref, before, message, sorted((path, git_hash(content)) for path, content in tree.items())))
        oid = hashlib.sha1(said.encode()).hexdigest()
        self.commits[oid] = tree
        before.append(oid)
        self.messages.append(f"{ref}: {message}")
        return oid

    def commit_of(self, revision: str) -> str | None:
        """The name of the commit of a ref, or of a commit itself."""
        if revision in self.refs:
            return self.refs[revision][-1]
        return revision if revision in self.commits else None

    def files(self, revision: str = "main") -> Tree:
        return self.commits[str(self.commit_of(revision))]

    def open_request(self, title: str, author: str) -> Request:
        request = Request(len(self.requests) + 1, title, author, self.refs["main"][-1])
        self.requests.append(request)
        self.refs[f"refs/pr/{request.num}"] = [request.base]
        return request

    def merge(self, request: Request) -> None:
        request.status = "merged"
        self.add("main", dict(self.files(f"refs/pr/{request.num}")), f"{request.title} (#{request.num})")

    def squash(self, ref: str, message: str) -> None:
        tree = dict(self.files(ref))
        self.refs[ref] = []
        self.add(ref, tree, message)

    def change(self, tree: Tree, lines: Iterable[bytes], large: Mapping[str, bytes]) -> tuple[str, str]:
        """Does to a tree what the lines of a commit say; gives its message, and what is wrong with it."""
        message = wrong = ""
        for line in lines:
            said = json.loads(line)
            key, value = said["key"], said["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile" and value["oid"] in large:
                tree[value["path"]] = large[value["oid"]]
            elif key == "lfsFile":
                wrong = f"{value['path']} was not uploaded"
            elif tree.pop(value["path"], None) is None:
                wrong = "A file with this name doesn't exist"
        return message, wrong

    def below(self, revision: str, folder: str, *, recursive: bool) -> list[dict[str, object]]:
        """What lies in a folder."""
        begin = f"{folder}/" if folder else ""
        files, found = self.files(revision), dict[str, dict[str, object]]()
        for path in sorted(path for path in files if path.startswith(begin)):
            parts = path[len(begin) :].split("/")
            for depth in range(1, len(parts)):
                place = begin + "/".join(parts[:depth])
                found[place] = {"type": "directory", "path": place, "size": 0, "oid": "0" * 40}
            found[path] = self.entry(path, files[path])
        return [entry for path, entry in found.items() if recursive or "/" not in path[len(begin) :]]

    def find(self, revision: str, paths: Iterable[str]) -> list[dict[str, object]]:
        """The files and folders with these paths, as far as there are any."""
        there = {str(entry["path"]): entry for entry in self.below(revision, "", recursive=True)}
        return [there[path] for path in paths if path in there]

    def describe(self, name: str, request: Request) -> dict[str, object]:
        """A pull request of the dataset with this name."""
        clean = self.refs["main"][-1] == request.base or request.status == "merged"
        return {
            **{"num": request.num, "title": request.title, "author": {"name": request.author}, "createdAt": ISO},
            **{"status": request.status, "repo": {"name": name, "type": "dataset"}, "isPullRequest": True},
            **{"events": [], "changes": {"base": "refs/heads/main"}, "diff": ""},
            "filesWithConflicts": [] if clean else ["README.md"],
        }

    def entry(self, path: str, content: bytes) -> dict[str, object]:
        """A file as lists of a tree have it."""
        found: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
        if is_large(path):
            found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return found
