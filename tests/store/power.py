"""A disk on which power can fail: it keeps what was synced, and forgets the rest.

The code under test works in a real folder. At each call that changes the disk, what is there
after a power loss is worked out from what was synced: a file keeps the content of its last
fsync, a folder the names of its last fsync. A disk may keep more, so three are told apart:

- `forgetful`: nothing that was not synced;
- `names first`: every name, but of the content only what was synced;
- `mixed`: for each name and content by chance the old or the new one, or a part of it.
"""

import os
import stat
from pathlib import Path

import numpy as np

KINDS = ("forgetful", "names first", "mixed")
CHANGES = ("replace", "rename", "unlink", "mkdir", "ftruncate")


class Disk:
    """Watches a folder from its start, empty, and notes what a power loss would leave."""

    def __init__(self, root, monkeypatch, kinds=KINDS):
        self.root, self.kinds = root, kinds
        self.left = {}  # each disk after a power loss: its files, with the moment it was seen
        self._content = {}  # inode → what was synced
        self._names = {root: {}}  # folder → name → inode, or None for a folder
        self._held = []  # open files, so that no inode is given to another file
        self._chance = np.random.Generator(np.random.PCG64(0))
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._synced)
        for change in CHANGES:
            monkeypatch.setattr(os, change, self._watched(change, getattr(os, change)))

    def _watched(self, name, call):
        def changed(*args, **options):
            answer = call(*args, **options)
            self.moment(name)
            return answer

        return changed

    def _inode(self, path):
        handle = os.open(path, os.O_RDONLY)
        self._held.append(handle)
        return os.fstat(handle).st_ino

    def _synced(self, handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            self._names[path] = {p.name: None if p.is_dir() else self._inode(p) for p in ls(path)}
        else:
            self._content[self._inode(path)] = path.read_bytes()
        self.moment(f"fsync {path.name}")

    def moment(self, what):
        """Note what a power loss now would leave."""
        for kind in self.kinds:
            files = {}
            self._gather(self.root, kind, files)
            self.left.setdefault(tuple(sorted(files.items())), f"{kind}, after {what}")

    def _gather(self, folder, kind, files):
        """Collect the folder's files after a power loss, by path; folders end in `/`."""
        old = self._names.get(folder, {})
        now = {path.name: path for path in ls(folder)}
        for name in sorted(old.keys() | now.keys()):
            new = {"forgetful": False, "names first": True}.get(kind)
            new = bool(self._chance.integers(2)) if new is None else new
            if name not in (now if new else old):
                continue
            path = folder / name
            if path.is_dir():
                files[f"{path.relative_to(self.root)}/"] = b""
                self._gather(path, kind, files)
                continue
            inode = path.stat().st_ino if new else old[name]
            content = self._content.get(inode, b"")
            if kind == "mixed" and new:
                content = self._mixed(content, path.read_bytes())
            files[str(path.relative_to(self.root))] = content

    def _mixed(self, synced, live):
        """Synced content followed by some of what was written after it."""
        if not live.startswith(synced):
            return synced
        return live[: self._chance.integers(len(synced), len(live), endpoint=True)]

    def close(self):
        for handle in self._held:
            os.close(handle)


def ls(folder):
    return list(folder.iterdir()) if folder.is_dir() else []


def lay_out(files, root):
    """Make a folder that holds what a power loss left."""
    for name, content in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
