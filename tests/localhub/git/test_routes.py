from __future__ import annotations

import gzip
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2 as httpx
import pytest
from tests import needs

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from tests.conftest import HubProcess

TEN_MIB = 10 * 1024 * 1024


@dataclass
class Clone:
    """A clone of a repository, and git in it."""

    folder: Path
    environment: dict[str, str]

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, errors="replace", check=False
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def commit(self, files: dict[str, bytes], message: str = "by git") -> str:
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def refused(self, *arguments: str) -> str:
        """Push, which must fail, and return what the Hub said."""
        done = self.git("push", *arguments, check=False)
        assert done.returncode != 0
        return done.stderr


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which nobody's own git configuration counts, and git asks nobody."""
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    mine = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    return kept | mine | {"GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path), "LC_ALL": "C"}


@pytest.fixture
def repo(official: HfApi, name: str) -> str:
    return str(official.create_repo(name).repo_id)


def address(hub: HubProcess, path: str) -> str:
    return f"http://{hub.owner}:{hub.token}@127.0.0.1:{hub.port}/{path}"


@pytest.fixture
def clone(local_hub: HubProcess, repo: str, environment: dict[str, str], tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "clone", environment)
    made.folder.mkdir()
    made.git("clone", address(local_hub, repo), ".")
    return made


def test_pushed_by_git_and_read_by_the_client(clone: Clone, official: HfApi, repo: str) -> None:
    """What git pushes the official client downloads, and what the client commits git pulls."""
    sha = clone.commit({"a.txt": b"from git"})
    clone.git("push")
    assert official.model_info(repo).sha == sha
    assert Path(official.hf_hub_download(repo, "a.txt")).read_bytes() == b"from git"

    official.upload_file(path_or_fileobj=b"from the client", path_in_repo="b.txt", repo_id=repo)
    clone.git("pull", "--ff-only")
    assert (clone.folder / "b.txt").read_bytes() == b"from the client"
    clone.git("fsck", "--full", "--strict")


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
@pytest.mark.parametrize("suffix", ["", ".git"])
def test_every_kind_with_and_without_suffix(
    official: HfApi, local_hub: HubProcess, name: str, environment: dict[str, str], kind: str, suffix: str
) -> None:
    """A repository is cloned from its page's address, with or without ``.git``."""
    sdk = "static" if kind == "space" else None
    repo = official.create_repo(name, repo_type=kind, space_sdk=sdk).repo_id
    prefix = "" if kind == "model" else f"{kind}s/"

    for version in ("0", "2"):
        command = ["git", "-c", f"protocol.version={version}", "ls-remote"]
        command.append(f"{local_hub.url}/{prefix}{repo}{suffix}")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert official.repo_info(repo, repo_type=kind).sha in done.stdout


def test_shallow_and_partial_clones(clone: Clone, local_hub: HubProcess, repo: str) -> None:
    """A clone may leave out history and files, and fetch them when it needs them."""
    for number in range(3):
        clone.commit({"a": b"%d" % number})
    clone.git("push")

    clone.git("clone", "--depth", "1", "--filter=blob:none", f"{local_hub.url}/{repo}", "inner")

    inner = Clone(clone.folder / "inner", clone.environment)
    assert inner.git("rev-list", "--count", "HEAD").stdout.strip() == "1"
    assert (inner.folder / "a").read_bytes() == b"2"
    inner.git("fetch", "--unshallow")
    assert inner.git("show", "HEAD~2:a").stdout == "0"


def test_branches_tags_and_forced_pushes(clone: Clone, official: HfApi, repo: str) -> None:
    """Branches and tags are made, moved back and removed by git."""
    first = clone.commit({"a": b"1"})
    clone.commit({"a": b"2"})
    clone.git("tag", "-a", "v1", "-m", "why", first)
    clone.git("push", "origin", "main", "main:side", "v1")
    refs = official.list_repo_refs(repo)
    assert [branch.name for branch in refs.branches] == ["main", "side"]
    assert [(tag.name, tag.target_commit) for tag in refs.tags] == [("v1", first)]

    clone.git("push", "--force", "origin", f"{first}:main")
    clone.git("push", "origin", ":side", ":v1")
    refs = official.list_repo_refs(repo)
    assert [(branch.name, branch.target_commit) for branch in refs.branches] == [("main", first)]
    assert refs.tags == []


def test_main_stays_and_other_refs_are_closed(clone: Clone) -> None:
    """``main`` cannot be deleted, and nothing is written beside branches and tags."""
    assert "Cannot delete refs/heads/main" in clone.refused("origin", ":main")
    assert "neither a branch nor a tag" in clone.refused("origin", "HEAD:refs/pr/1")


def test_large_file_outside_lfs_is_refused(clone: Clone, official: HfApi, repo: str) -> None:
    """More than 10 MiB in one file is refused with the Hub's words, wherever in the push it is."""
    before = official.model_info(repo).sha
    clone.commit({"data/big.dat": os.urandom(TEN_MIB + 1)})
    clone.git("rm", "-q", "data/big.dat")
    clone.git("commit", "-m", "gone again")

    said = clone.refused()

    assert "files larger than 10 MiB" in said
    assert "- data/big.dat" in said
    assert official.model_info(repo).sha == before
    clone.git("reset", "--hard", "HEAD~2")
    clone.commit({"data/fits.dat": os.urandom(TEN_MIB)})
    clone.git("push")


def test_pointer_without_its_bytes_is_refused(clone: Clone, official: HfApi, repo: str) -> None:
    """A pointer whose bytes were never uploaded, here or to another repository, does not get in."""
    other = official.create_repo(f"{repo}-other").repo_id
    official.upload_file(path_or_fileobj=b"12345", path_in_repo="a.bin", repo_id=other)
    [info] = official.get_paths_info(other, ["a.bin"])
    for sha256 in ("ab" * 32, info.lfs.sha256):
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 5\n"
        clone.commit({"pointer.txt": pointer.encode()})

        said = clone.refused()

        assert "an LFS pointer pointed to a file that does not exist" in said
        assert "- pointer.txt" in said
        clone.git("reset", "--hard", "HEAD~1")


def test_invalid_readme_is_refused(clone: Clone) -> None:
    """Front matter that is no YAML is refused, with the reason."""
    clone.commit({"README.md": b"---\nlicense: [\n---\n"})

    assert "Invalid metadata in README.md" in clone.refused()


def test_names_that_are_not_utf8_are_refused(clone: Clone, official: HfApi, repo: str) -> None:
    """No client can ask for such a file, branch or tag: its name does not fit into JSON."""
    clone.commit({"ü/é.txt": b"fine", "a.txt": b"1"})
    clone.git("push")
    (clone.folder / "a.txt").rename(
        clone.folder / os.fsdecode(b"ol\xe9.txt")
    )  # as a Latin-1 machine calls it
    clone.git("add", "--all")
    clone.git("commit", "-m", "renamed")

    said = clone.refused()

    assert "file names that are not UTF-8" in said
    assert "- ol\ufffd.txt" in said
    for ref in (b"refs/heads/\xff", b"refs/tags/\xff"):
        assert "branch or tag is not UTF-8" in clone.refused("origin", f"HEAD~1:{os.fsdecode(ref)}")
    assert [branch.name for branch in official.list_repo_refs(repo).branches] == ["main"]
    assert official.file_exists(repo, "ü/é.txt")


def test_tree_that_would_leave_the_folder_is_refused(clone: Clone) -> None:
    """A tree with ``..`` or ``.git`` in it never gets in: the Hub checks Spaces out."""
    blob = clone.git("rev-parse", "HEAD:.gitattributes").stdout.strip()
    for entry in ("..", ".git"):
        line = f"040000 tree {{}}\t{entry}\n"
        inner = make_tree(clone, f"100644 blob {blob}\tconfig\n")
        commit = clone.git("commit-tree", "-m", "bad", make_tree(clone, line.format(inner))).stdout.strip()
        clone.refused("origin", f"{commit}:refs/heads/bad")


def make_tree(clone: Clone, lines: str) -> str:
    command = ["git", "-C", str(clone.folder), "mktree"]
    done = subprocess.run(
        command, input=lines, env=clone.environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_refused_push_leaves_nothing_behind(clone: Clone, local_hub: HubProcess) -> None:
    """Objects of a refused push are not kept."""
    clone.commit({"big.dat": os.urandom(TEN_MIB + 1)})
    lost = clone.git("rev-parse", "HEAD:big.dat").stdout.strip()
    clone.refused()

    for git_dir in (local_hub.data / "repos").glob("*.git"):
        assert subprocess.run(
            ["git", "-C", git_dir, "cat-file", "-e", lost], check=False, capture_output=True
        ).returncode
        assert list((git_dir / "objects").glob("*incoming*")) == []


def test_strangers_and_private_repositories(
    official: HfApi, local_hub: HubProcess, repo: str, name: str, environment: dict[str, str]
) -> None:
    """git is asked for a name and password where it needs them; the token is the password."""
    hidden = official.create_repo(f"{name}-hidden", private=True).repo_id

    def info(path: str, service: str) -> httpx.Response:
        return httpx.get(f"{local_hub.url}/{path}/info/refs", params={"service": f"git-{service}"})

    assert info(repo, "upload-pack").status_code == 200
    for answer in (info(repo, "receive-pack"), info(hidden, "upload-pack")):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
    push = httpx.post(f"{local_hub.url}/{repo}/git-receive-pack", content=b"0000")
    assert push.status_code == 401
    wrong = f"http://ada:hf_wrong@127.0.0.1:{local_hub.port}/{hidden}"
    command = ["git", "ls-remote", wrong]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode != 0
    command = ["git", "ls-remote", address(local_hub, hidden)]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    assert info(repo, "archive").status_code == 403


def test_compressed_requests(local_hub: HubProcess, official: HfApi, repo: str) -> None:
    """git compresses long requests; they are unpacked as they arrive, and a broken one harms nobody."""
    sha = official.model_info(repo).sha
    want = b"0032want %s\n00000009done\n" % sha.encode()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-git-upload-pack-request"}
    url = f"{local_hub.url}/{repo}/git-upload-pack"

    answer = httpx.post(url, content=gzip.compress(want), headers=headers)
    assert answer.content.startswith(b"0008NAK\nPACK")
    assert b"PACK" not in httpx.post(url, content=b"no gzip", headers=headers).content
    assert httpx.post(url, content=want).content.startswith(b"0008NAK\nPACK")


def test_push_and_commits_at_the_same_time(clone: Clone, official: HfApi, repo: str) -> None:
    """git pushing to one branch and the client committing to it never undo each other."""
    commits: list[str] = []

    def commit() -> None:
        for number in range(10):
            content = b"%d" % number
            info = official.upload_file(path_or_fileobj=content, path_in_repo="client", repo_id=repo)
            commits.append(info.oid)

    thread = threading.Thread(target=commit)
    thread.start()
    pushed: list[str] = []
    while thread.is_alive() or not pushed:
        sha = clone.commit({"git": os.urandom(8)})
        clone.git("pull", "--rebase")
        sha = clone.git("rev-parse", "HEAD").stdout.strip()
        if clone.git("push", check=False).returncode == 0:
            pushed.append(sha)
    thread.join()

    history = {commit.commit_id for commit in official.list_repo_commits(repo)}
    assert len(commits) == 10
    assert {*commits, *pushed} <= history


def test_push_is_noted(
    official: HfApi, local_hub: HubProcess, name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """The Hub notes that a repository changed, whether it was pushed or committed."""
    repo = official.create_repo(name).repo_id
    before = official.model_info(repo).last_modified
    clone = Clone(tmp_path / "clone", environment)
    clone.folder.mkdir()
    clone.git("clone", address(local_hub, repo), ".")
    clone.commit({"a": b"1"})

    clone.git("push")

    assert official.model_info(repo).last_modified > before


@pytest.mark.gitlfs
def test_large_files_through_git_lfs(
    clone: Clone, official: HfApi, local_hub: HubProcess, repo: str, tmp_path: Path
) -> None:
    """git-lfs pushes a large file that the client downloads, and pulls what the client sent by Xet."""
    needs.git_lfs()
    clone.git("lfs", "install", "--local")
    content = os.urandom(TEN_MIB + 1)
    clone.commit({"weights.safetensors": content})
    clone.git("push")
    assert Path(official.hf_hub_download(repo, "weights.safetensors")).read_bytes() == content

    other = os.urandom(300_000)
    official.upload_file(path_or_fileobj=other, path_in_repo="more.safetensors", repo_id=repo)
    clone.git("pull", "--ff-only")
    assert (clone.folder / "more.safetensors").read_bytes() == other
    [info] = official.get_paths_info(repo, ["weights.safetensors"])
    assert (info.size, info.lfs.size) == (len(content), len(content))
