"""Settings for the whole test run, notebooks included.

One thread for each process: the run is parallel already, and on a busy machine small matrix products are many times
faster this way. Set before torch is imported; notebook kernels inherit it.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TQDM_DISABLE"] = "1"
