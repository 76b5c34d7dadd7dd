"""A session's folder, checked against the hashes of its writing."""

from pathlib import Path

from invariscope.errors import StoreError
from invariscope.rig.log import FILE, read_log
from invariscope.subjects.rig.pixels import named_image


def is_session_folder(folder: Path) -> bool:
    """Tell if a folder is a session's, by its log."""
    return (folder / FILE).is_file()


def verify_session(folder: Path) -> tuple[list[str], int]:
    """Read every line of a session's log and every image again.

    Args:
        folder: of the session.

    Returns:
        A sentence for each thing that is damaged, with its repair, and how many lines and images
        were held to their hashes.
    """
    images = sorted((folder / "images").glob("*.png"))
    problems = [f"{str(path)!r} is damaged; put a copy back" for path in images if _damaged(path)]
    try:
        lines = len(read_log(folder))
    except StoreError as error:
        return [str(error), *problems], len(images)
    return problems, lines + len(images)


def _damaged(path: Path) -> bool:
    try:
        named_image(path)
    except OSError:
        return True
    return False
