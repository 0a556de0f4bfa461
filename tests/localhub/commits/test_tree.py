from pathlib import Path

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.commits.tree import TreeEdit
from spacehand.localhub.errors import HubError

paths = st.lists(st.sampled_from(["a", "a.b", "a-b", "a0", "é"]), min_size=1, max_size=3).map("/".join)
changes = st.lists(st.tuples(st.sampled_from(["put", "remove"]), paths, st.binary(max_size=3)), max_size=12)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path_factory.mktemp("tree") / "repo.git"), bare=True)


def files_of(repository: pygit2.Repository, tree: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def walk(node: pygit2.Tree, prefix: str) -> None:
        for child in node:
            if isinstance(child, pygit2.Tree):
                walk(child, f"{prefix}{child.name}/")
            else:
                found[prefix + str(child.name)] = child.data

    walk(repository[tree], "")
    return found


def in_the_way(model: dict[str, bytes], path: str) -> bool:
    parts = path.split("/")
    above = {"/".join(parts[:length]) for length in range(1, len(parts))}
    return any(file in above or file.startswith(f"{path}/") for file in model)


@settings(max_examples=30, deadline=None)
@given(changes, changes)
def test_same_as_a_dictionary(repository: pygit2.Repository, first: list, second: list) -> None:
    """Any changes, in two commits, leave the same files as in a dictionary, in a tree as git writes it."""
    model: dict[str, bytes] = {}
    root = ""
    for steps in (first, second):
        edit = TreeEdit(repository, root)
        with Pack(Path(repository.path)) as pack:
            for verb, path, content in steps:
                if verb == "put" and in_the_way(model, path):
                    with pytest.raises(HubError):
                        edit.put(path, pack.add("blob", content))
                elif verb == "put":
                    edit.put(path, pack.add("blob", content))
                    model[path] = content
                else:
                    gone = [file for file in model if file == path or file.startswith(f"{path}/")]
                    assert edit.remove(path) == bool(gone)
                    for file in gone:
                        del model[file]
            root = edit.write(pack)
            pack.publish()
        assert files_of(repository, root) == model
        # git's own index sorts and writes the same files to the same id.
        index = pygit2.Index()
        index.read_tree(repository[root])
        assert str(index.write_tree(repository)) == root


def test_executable_stays_executable(repository: pygit2.Repository) -> None:
    """New content for a script leaves it a script."""
    builder = repository.TreeBuilder()
    builder.insert("run.sh", repository.create_blob(b"old"), pygit2.enums.FileMode.BLOB_EXECUTABLE)
    edit = TreeEdit(repository, str(builder.write()))

    with Pack(Path(repository.path)) as pack:
        edit.put("run.sh", pack.add("blob", b"new"))
        root = edit.write(pack)
        pack.publish()

    assert repository[root]["run.sh"].filemode == pygit2.enums.FileMode.BLOB_EXECUTABLE
    assert repository[root]["run.sh"].data == b"new"


def test_untouched_folders_are_not_written(repository: pygit2.Repository) -> None:
    """One file changed writes the folders above it and no other."""
    with Pack(Path(repository.path)) as pack:
        edit = TreeEdit(repository, "")
        for folder in range(50):
            edit.put(f"folder{folder}/inner/file", pack.add("blob", b"same"))
        root = edit.write(pack)
        pack.publish()
    written: list[str] = []

    class Counting(Pack):
        def add(self, kind: str, data: bytes) -> str:
            written.append(kind)
            return super().add(kind, data)

    with Counting(Path(repository.path)) as pack:
        edit = TreeEdit(repository, root)
        edit.put("folder7/inner/file", pack.add("blob", b"other"))
        edit.write(pack)

    assert written == ["blob", "tree", "tree", "tree"]
