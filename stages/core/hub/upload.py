"""Uploads a dataset to the Hugging Face Hub so that it is seen as a whole or not at all.

Its files go into the ref of one pull request, in several commits, its card in the last; then the request is merged, by
one call. Which request that is, and what is in it already, is asked of the Hub: whoever is killed is followed by
another who goes on, and a file that is there with the same bytes is not sent again.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

from slurm.errors import InputError, UnavailableError
from stages.core.hub.errors import explained, patiently
from stages.core.hub.settings import Commits, Hub
from stages.core.hub.tree import File, Remote, check_files, is_same

log = logging.getLogger("reelmill")

MAIN = constants.DEFAULT_REVISION
CARD = "README.md"
OWN = ("revisions.json", "attribution.parquet")  # by which a dataset of ours is known
PLACES = {CARD, *OWN, "data", "index", "metadata", "videos", "plots", "sample"}  # what is gone from these is removed
UNDER_WAY = ("draft", "open")  # states of a pull request that is neither merged nor closed


class Upload:
    """A dataset on the Hub, and the pull request with the title through which it gets another version."""

    def __init__(self, hub: Hub, commits: Commits, title: str) -> None:
        assert hub.repo is not None
        self.hub, self.commits, self.title, self.repo = hub, commits, title, hub.repo
        self.endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
        self._configs: set[str] = set()  # of the version before
        disable_progress_bars()

    def open(self) -> None:
        """Finds the dataset, or makes it. Raises UnavailableError, InputError."""
        token = get_token()
        if token is None:
            raise UnavailableError(
                f"hub.repo={self.repo}: there is no token of the Hub: say `hf auth login`, or set HF_TOKEN (in a file "
                f"that cluster.env_file names); upload=false only writes the dataset here"
            )
        self.api = HfApi(endpoint=self.endpoint, token=token)
        with explained(self.repo, self.endpoint):
            self.user = patiently(self.api.whoami, tries=2)["name"]
            try:
                info = patiently(lambda: self.api.dataset_info(self.repo))
            except RepositoryNotFoundError:
                patiently(self._create)
                info = patiently(lambda: self.api.dataset_info(self.repo))
        if info.private != self.hub.private:
            seen = "private" if info.private else "public"
            raise InputError(
                f"hub.repo={self.repo} is there and {seen}, and hub.private={str(self.hub.private).lower()}: say what "
                f"holds, or change it in the settings of the dataset"
            )
        self._check_owner()

    def _create(self) -> None:
        self.api.create_repo(self.repo, repo_type="dataset", private=self.hub.private, exist_ok=True)

    def _check_owner(self) -> None:
        """Raises InputError if something else lies in the repository."""
        there = self.list_files(MAIN)
        others = sorted(name for name in there if name != ".gitattributes")
        if others and not self.hub.replace and not set(OWN) <= there.keys():
            raise InputError(
                f"hub.repo={self.repo} is there and holds what publish has not written: {', '.join(others[:3])}"
                f"{f' and {len(others) - 3} more' if len(others) > 3 else ''}; another hub.repo=, or hub.replace=true "
                f"to have this dataset take its place"
            )

    def download_former(self, folder: Path) -> None:
        """Lays what tells of the version before into a folder; nothing where there is none."""
        with explained(self.repo, self.endpoint):
            if not set(OWN) <= self.list_files(MAIN).keys():
                return
            for name in OWN:
                patiently(
                    lambda name=name: self.api.hf_hub_download(  # type: ignore[misc]
                        self.repo, name, repo_type="dataset", local_dir=folder
                    )
                )

    def publish(self, tree: Sequence[File], configs: Sequence[str]) -> str:
        """Makes the dataset on the Hub this tree; gives the commit that shows it. Raises UnavailableError, InputError.

        `configs` are the names of configs of this version and the one before, whose folders may have become empty.
        """
        self._configs = set(configs)
        with explained(self.repo, self.endpoint):
            if not self.shows(tree, MAIN):
                number = patiently(self.find_or_open)
                ref = f"refs/pr/{number}"
                self.fill(tree, ref)
                patiently(lambda: self.merge(number))
                if not self.shows(tree, MAIN):
                    raise UnavailableError(
                        f"{self.repo}: pull request {number} was merged, and shows other files than were uploaded: "
                        f"somebody else has changed the dataset meanwhile; the same command uploads what is missing"
                    )
            if self.hub.squash:
                patiently(self.squash)
            sha = patiently(lambda: self.api.dataset_info(self.repo)).sha
        return str(sha)

    def list_files(self, revision: str) -> dict[str, Remote]:
        def listed() -> dict[str, Remote]:
            entries = self.api.list_repo_tree(self.repo, recursive=True, revision=revision, repo_type="dataset")
            return {
                entry.path: Remote(entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id, entry.lfs is not None)
                for entry in entries
                if isinstance(entry, RepoFile)
            }

        return patiently(listed)

    def shows(self, tree: Sequence[File], revision: str) -> bool:
        """Whether a revision is this tree."""
        there = self.list_files(revision)
        return not self.superfluous(tree, there, there) and all(is_same(file, there.get(file.path)) for file in tree)

    def superfluous(self, tree: Sequence[File], there: dict[str, Remote], before: dict[str, Remote]) -> list[str]:
        """What a revision has and the tree has not, but for files that a person has put beside the dataset before."""
        own = PLACES | self._configs | {file.path.partition("/")[0] for file in tree}
        others = there.keys() - {file.path for file in tree} - {".gitattributes"}
        return sorted(
            name for name in others if self.hub.replace or name not in before or name.partition("/")[0] in own
        )

    def find_or_open(self) -> int:
        """The number of the pull request: the one that an earlier try has opened, else a new one."""
        requests = self.api.get_repo_discussions(self.repo, repo_type="dataset", discussion_type="pull_request")
        own = [
            request.num
            for request in requests
            if request.is_pull_request
            and (request.title, request.author) == (self.title, self.user)
            and request.status in UNDER_WAY
        ]
        if own:
            return int(min(own))
        words = "The files of this version; it is merged when all of them are here."
        opened = self.api.create_pull_request(self.repo, self.title, description=words, repo_type="dataset")
        return int(opened.num)

    def fill(self, tree: Sequence[File], ref: str) -> None:
        """Makes a ref this tree: in portions what is missing, at last the card, with what is to go."""
        there = self.list_files(ref)
        missing = [file for file in tree if file.path != CARD and not is_same(file, there.get(file.path))]
        log.info("%s %s: %d of %d files to be uploaded", self.repo, ref, len(missing), len(tree))
        for portion in self.portions(missing):
            check_files(portion)
            patiently(lambda portion=portion: self.commit(portion, [], ref))  # type: ignore[misc]
            log.info("%s %s: %d files uploaded", self.repo, ref, len(portion))
        patiently(lambda: self.finish(tree, ref))

    def portions(self, files: Sequence[File]) -> Iterator[list[File]]:
        portion: list[File] = []
        size = 0
        for file in files:
            if portion and (len(portion) >= self.commits.files or size + file.bytes > self.commits.gb * 1e9):
                yield portion
                portion, size = [], 0
            portion.append(file)
            size += file.bytes
        if portion:
            yield portion

    def finish(self, tree: Sequence[File], ref: str) -> None:
        there = self.list_files(ref)
        card = [file for file in tree if file.path == CARD and not is_same(file, there.get(CARD))]
        gone = self.superfluous(tree, there, self.list_files(MAIN))
        if card or gone:
            self.commit(card, gone, ref)

    def commit(self, files: Sequence[File], gone: Sequence[str], ref: str) -> None:
        added = [CommitOperationAdd(file.path, str(file.local)) for file in files]
        for operation, file in zip(added, files, strict=True):
            if file.sha256 is not None:  # it was checked just now: it is not read once more for that
                operation.upload_info.sha256 = bytes.fromhex(file.sha256)
        removed = [CommitOperationDelete(name, is_folder=False) for name in gone]
        self.api.create_commit(
            self.repo, [*removed, *added], commit_message=self.title, repo_type="dataset", revision=ref
        )

    def merge(self, number: int) -> None:
        """The last call: from here on the version is seen."""
        request = self.api.get_discussion_details(self.repo, number, repo_type="dataset")
        if request.status == "merged":
            return
        if request.conflicting_files:
            raise UnavailableError(
                f"{self.repo}: the dataset was changed since pull request {number} was opened, and it cannot be "
                f"merged any more: close it ({request.url}), and the same command opens another"
            )
        if request.status == "draft":  # as all that are opened by a program; none of these can be merged
            self.api.change_discussion_status(self.repo, number, "open", repo_type="dataset")
        self.api.merge_pull_request(self.repo, number, repo_type="dataset")

    def squash(self) -> None:
        self.api.super_squash_history(self.repo, commit_message=self.title, repo_type="dataset")
