"""Several processes that encode together: each has its own copy of the model, all share the cache.

The first process begins alone: a model that has to be unpacked is unpacked once, and a package that is missing is
missed once. When its model is loaded, the others start. Each is given its first batch when its own model is loaded, so
that a late one holds up nobody.

Taught in notebook 01.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tqdm import tqdm

from cubelib.encoders.encoder import ScriptWarning, TeacherEncoder, TruncationWarning
from cubelib.errors import UserError

_PATIENCE = 10  # seconds a process has to end


@dataclass(frozen=True)
class Progress:
    """What came of one batch.

    Attributes:
        texts: how many texts it held.
        encoded: how many of them the model encoded; the others were in a cache by then.
        truncated: how many of those encoded were longer than the model reads.
    """

    texts: int
    encoded: int
    truncated: int


@dataclass
class _Worker:
    name: str
    process: BaseProcess
    pipe: Connection
    is_idle: bool = False  # nothing was left for it


def encode_batch(encoder: TeacherEncoder, texts: Sequence[str]) -> Progress:
    """Encode one batch into the cache.

    Raises:
        UserError: memory ran out; and what `TeacherEncoder.encode` raises.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # counted for all batches together
        warnings.simplefilter("ignore", ScriptWarning)  # told once for all
        try:
            encoder.encode(texts, progress=False)
        except (torch.OutOfMemoryError, MemoryError) as error:
            longest = max(map(len, texts))
            raise UserError(
                f"TeacherEncoder: memory ran out at a batch of {len(texts)} texts of up to {longest:,} letters "
                f"({error}). Use a smaller batch size, or fewer processes."
            ) from error
    return Progress(len(texts), encoder.misses, encoder.truncated)


def encode_in_processes(
    batches: Sequence[Sequence[str]], settings: dict[str, Any], devices: Sequence[str], processes: int
) -> Iterator[Progress]:
    """Encode batches into the cache, in several processes; close the iterator to end them all.

    Args:
        batches: dealt out in this order, one at a time, so that nobody waits long for the last.
        settings: arguments of `TeacherEncoder` other than the device.
        devices: given to the processes in turn.
        processes: how many; the threads of this process are divided among them.

    Raises:
        UserError: a process ended before its work was done; and what `TeacherEncoder.encode` raises.
    """
    import torch

    threads = max(1, torch.get_num_threads() // processes)
    left = deque(batches)
    undone = sum(map(len, batches))  # texts
    crew: list[_Worker] = []

    def hire() -> None:
        device = devices[len(crew) % len(devices)]
        name = f"process {len(crew) + 1} of {processes} ({device})"
        crew.append(_start(name, {**settings, "device": device}, threads))

    try:
        hire()
        while undone:
            working = {worker.pipe: worker for worker in crew if not worker.is_idle}
            for pipe in wait(list(working)):
                step = _answer(working[pipe])  # of no texts: its model is loaded, and it can begin
                undone -= step.texts
                yield step
                _give(working[pipe], left)
            while left and len(crew) < processes:
                hire()
    finally:
        for worker in crew:  # idle, still loading a model for which no work is left, or not wanted any more
            worker.process.terminate()
        for worker in crew:
            worker.process.join(_PATIENCE)
            worker.process.kill()
            worker.pipe.close()


def _start(name: str, settings: dict[str, Any], threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and the open cache
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, settings, threads), name=name, daemon=True)
    with _deaf_to_interrupts():
        process.start()
    theirs.close()  # so that its death closes the pipe
    return _Worker(name, process, ours)


def _answer(worker: _Worker) -> Progress:
    try:
        answer = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(_PATIENCE)
        code = worker.process.exitcode
        if code is not None and code < 0:
            reason = f"was ended by signal {-code}"
            reason += ", perhaps by the system because memory ran out" if code == -9 else ""
        else:
            reason = f"ended with exit code {code}; what it said stands above"
        raise UserError(f"{worker.name} {reason}. Use fewer processes or a smaller batch size if it lasts.") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _give(worker: _Worker, left: deque[Sequence[str]]) -> None:
    worker.is_idle = not left
    if left:
        with suppress(BrokenPipeError):  # it has just died: the next look into its pipe says so
            worker.pipe.send(left.popleft())


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process started meanwhile does not hear Ctrl-C, from its first moment: the one that started it ends it."""
    if threading.current_thread() is not threading.main_thread():  # others cannot set this
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(pipe: Connection, settings: dict[str, Any], threads: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # again, for systems where it is not inherited
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # the usual one is shared: when this process is ended, it would be mourned as lost
    try:
        encoder = TeacherEncoder(**settings)
        encoder.load()
        answer = Progress(0, 0, 0)
        while texts := _tell(pipe, answer):
            answer = encode_batch(encoder, texts)
    except (UserError, ModuleNotFoundError) as error:
        _tell(pipe, error)


def _tell(pipe: Connection, answer: Progress | Exception) -> Sequence[str]:
    """Send an answer and wait for the next batch: nothing if whoever gave the work is gone."""
    try:
        pipe.send(answer)
        return pipe.recv()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return []
