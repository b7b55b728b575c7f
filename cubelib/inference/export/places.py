"""Where an export goes: to a new name, written beside it and renamed, so what stands there is always complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from cubelib.errors import ConfigError, DataError, UserError


def check_new(target: Path) -> None:
    """Says before any work is done that a name is taken, or has no folder to stand in.

    Raises:
        DataError: something of that name exists.
        ConfigError: its folder does not.
    """
    if target.exists() or target.is_symlink():
        raise DataError(f"Exporting: {target} exists and was left as it is. Choose another name, or remove it first.")
    if not target.parent.is_dir():
        raise ConfigError(f"Exporting {target}: there is no folder {target.parent}. Make it, or choose another.")


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """A new folder beside `target`; what the block puts at `target.name` in it is moved to `target` at the end.

    Raises:
        UserError: it cannot be written; nothing is left of it.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder, written_aside(Path(folder) / "cube.txt") as place:
        ...     _ = place.write_text("complete")
        ...     [path.name for path in Path(folder).glob("cube*")]
        []
    """
    aside = None
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        aside.chmod(0o755)  # mkdtemp makes it for the owner alone; what is made inside follows the user's umask
        yield aside / target.name
        check_new(target)  # it may have come in the meantime
        os.rename(aside / target.name, target)
    except (OSError, SafetensorError) as error:  # safetensors wraps what the system says
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"Exporting {target}: {reason}. Free the disk, or choose a place that you may write to."
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
