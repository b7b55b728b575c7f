"""Settings for the whole test run, notebooks included.

One thread for each process: the run is parallel already, and on a busy machine small matrix products are many times
faster this way. Set before torch is imported; notebook kernels inherit it.
"""

import os
from queue import Empty

import hypothesis

# The same examples in every run, so that a change alone turns a test red; --hypothesis-profile=default draws new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TQDM_DISABLE"] = "1"


def pytest_configure() -> None:
    """nbval would wait for the answer of a kernel that died until the time of the cell is over."""
    from nbval.kernel import RunningKernel

    receive = RunningKernel.get_message

    def receive_from_the_living(kernel, stream, timeout=None):
        for _ in range(int(timeout or 1)):
            try:
                return receive(kernel, stream, timeout=1)
            except Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died in this cell") from None
        raise Empty

    RunningKernel.get_message = receive_from_the_living
