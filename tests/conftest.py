"""What every test shares: as few threads as the machine is lent, and real processes told apart from leftovers."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.pop("REDIS_URL", None)  # runs of the tests keep their labels to themselves

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("backflip", deadline=None, max_examples=50)
settings.load_profile("backflip")
