"""Where an export goes: a new name that appears when its content is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from cubelib.errors import DataError, UserError
from cubelib.files import reason, written_aside


def check_new(target: Path) -> None:
    """Refuses a name that is taken, before any work is done.

    Raises:
        DataError: something of that name exists.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"Exporting: {target} exists and was left as it is. Choose another name, or remove it first.")


@contextmanager
def new_target(target: Path) -> Iterator[Path]:
    """`written_aside` for a new file or folder, with errors for the user who exports.

    Raises:
        DataError: something of that name exists by now.
        UserError: it cannot be written; nothing is left of it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, new_target(Path(folder, "cube.txt")) as aside:
        ...     _ = aside.write_text("complete")
        ...     [path.name for path in Path(folder).glob("cube*")]
        []
    """
    try:
        with written_aside(target) as aside:
            yield aside
    except FileExistsError:
        check_new(target)
        raise
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says
        raise UserError(
            f"Exporting {target}: {reason(error)}. Free the disk, or choose a place that you may write to."
        ) from error
