"""What a program of dinplug sees to before it imports anything large, to start and end quickly.

With it dehazing 0.3 megapixels takes 0.5 s of CPU time beyond importing torch, without it 1.2.
"""

import atexit
import gc
import os

from dinplug.thread_cache import restart_without_thread_cache

NEW_OBJECTS = 10_000
"""After how many Python looks for cycles, instead of 700: torch alone makes 250,000 that stay."""
IDLE_THREADS = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}
"""So that threads of torch (OpenMP) and numpy (OpenBLAS) sleep while they wait, and do not spin.

Neither has much to do here: tiles have threads of their own, whose operators use one each. Where
torch does divide operators, in training and with --reference, waking them costs some time.
"""


def start_up() -> None:
    """See to all of it; what the user has set in the environment stays as it is.

    To be called first of all: on Linux it begins the program anew (`thread_cache`).
    """
    for name, value in IDLE_THREADS.items():
        os.environ.setdefault(name, value)
    restart_without_thread_cache()
    gc.set_threshold(NEW_OBJECTS)
    # At the end Python would look through all that is left, twice.
    atexit.register(gc.freeze)
